# Every target is one command, so that CI, a newcomer and the README do the very same thing.
.DEFAULT_GOAL := help
.PHONY: help setup collector demo test faults lint types format docs dashboards lock fuzz audit sbom bench clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup:  ## make .venv from the lock files and build the collector; nothing to do the second time
	@PYTHON="$(PYTHON)" tools/setup.sh
	@$(MAKE) --no-print-directory collector

collector:  ## build the OpenTelemetry Collector into .build/collector, unless it is there
	@bash collector/build.sh

demo: setup  ## a small agency on this machine: meter it, then compare with the providers' books
	@.venv/bin/spanledger demo

test: setup  ## all tests that this machine can run; the summary names the others
	@.venv/bin/pytest --numprocesses=auto --maxprocesses=4 --dist=loadfile --no-loadscope-reorder

faults: setup  ## kill, cut off and fill up the pipeline under load, and compare: SEED=1 N=40 CALLS=8000 KILLS_ONLY=
	@cd tests && ../.venv/bin/python -m faults --seed $(or $(SEED),1) --faults $(or $(N),40) \
	  $(if $(CALLS),--calls $(CALLS)) $(if $(AWAY),--away $(AWAY)) $(if $(KILLS_ONLY),--kills-only) \
	  $(if $(UPGRADE_FROM),--upgrade-from $(UPGRADE_FROM))

lint: setup  ## ruff: rules and formatting
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .

types: setup  ## mypy, strict
	@.venv/bin/mypy

format: setup  ## mend what ruff can mend
	@.venv/bin/ruff check --fix --quiet . || true
	@.venv/bin/ruff format .

docs: setup  ## write CLI.md and the schemas of clients.yaml and overrides.yaml anew from the code
	@.venv/bin/python tools/cli_reference.py > CLI.md
	@.venv/bin/python tools/clients_schema.py > schema/clients.schema.json
	@.venv/bin/python tools/overrides_schema.py > schema/overrides.schema.json

dashboards: setup  ## write Grafana's dashboards and alert rules anew from dashboards/source
	@.venv/bin/python dashboards/source/build.py
	@.venv/bin/python dashboards/source/alerts/build.py

lock: setup  ## resolve pyproject.toml into the lock files again
	@tools/lock.sh

fuzz: setup  ## bad input to every parser and port, thousands of cases (make test runs a few of them)
	@.venv/bin/pytest tests/fuzz --hypothesis-profile=long

audit: setup  ## ask the advisory databases about all that is locked
	@.venv/bin/python tools/audit.py

sbom: setup  ## list all parts, with versions, licences and hashes, in .build/sbom.cdx.json (CycloneDX)
	@.venv/bin/python tools/sbom.py

bench: setup  ## all benchmarks: ratios on screen, figures in .build/benchmarks; takes half an hour
	@.venv/bin/python benchmarks/run.py

clean:  ## remove all that the other targets made, the collector included
	rm -rf .venv .build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
