"""The provider that works on this machine."""
