"""`python -m photochanger` is the `photochanger` command."""

from .entrypoints.cli.main import main

if __name__ == "__main__":
    main()
