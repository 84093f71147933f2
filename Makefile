# Each target works on a fresh checkout; what it needs is installed into .venv first.
PYTHON ?= python3
BIN := .venv/bin

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo test test-browser test-oracle test-kill test-registry test-guest guest fuzz probe packages check bench notebooks clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' Makefile | expand -t 20

demo: .venv/installed ## run containers under limits and draw what happened: demo/report.html
	$(BIN)/conlab demo

test: packages check ## everything that CI runs
	$(BIN)/python -m pytest tests notebooks --nbval --nbval-current-env --nbval-sanitize-with tests/nbval-sanitize.cfg

test-browser: packages .venv/installed-tools ## what JupyterLab and the registry's page show in chromium
	@$(PYTHON) -m tests.system_packages tests/browser/system-packages.txt
	$(BIN)/pip install --quiet --group browser
	$(BIN)/python -m pytest -m browser tests/browser

test-oracle: packages .venv/installed-tools ## all Dockerfiles of tests/build/oracle by Docker too: minutes
	$(BIN)/python -m pytest -m "oracle or not oracle" tests/build/test_oracle.py

test-kill: packages .venv/installed-tools ## kill at every system call of every verb: hours (KILL='--every 20 run': less)
	$(BIN)/python -m tests.kill $(KILL)

test-registry: packages .venv/installed-tools ## registries set up in every way, kills and floods in full: minutes
	$(BIN)/python -m pytest -m "registry or not registry" tests/distribution

test-guest: packages .venv/installed-tools ## another kernel, cgroup v2 alone, power cuts, systemd, in virtual machines (GUEST='tests/backends': these)
	@$(PYTHON) -m tests.system_packages tests/guest/system-packages.txt
	$(BIN)/python -m $(if $(GUEST),tests.guest $(GUEST),pytest -m guest tests/guest tests/vm/classic)

guest: ## rebuild the first process of virtual machines, with Debian 12's compilers
	sh containerlab/vm/guest/init/build.sh gcc "$(CURDIR)/containerlab/vm/guest/init-x86_64"
	sh containerlab/vm/guest/init/build.sh aarch64-linux-gnu-gcc "$(CURDIR)/containerlab/vm/guest/init-aarch64"

fuzz: .venv/installed-tools ## grow Dockerfiles that the parser fails at, until stopped (FUZZ='-max_total_time=60': a minute)
	$(BIN)/pip install --quiet --group fuzz
	$(BIN)/python -m tests.build.fuzz_parser $(FUZZ)

probe: ## compile the program that measures in processes, containers and virtual machines
	$(MAKE) --directory containerlab/experiments/probe

packages: ## install what system-packages.txt lists, or say what is missing
	@$(PYTHON) -m tests.system_packages

check: .venv/installed-tools ## format, lint, types, layers: no container runs
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: packages .venv/installed-tools ## side by side with the engines that are installed
	@$(PYTHON) -m tests.system_packages benchmarks/system-packages.txt
	$(BIN)/python -m benchmarks
	$(BIN)/python -m benchmarks --in-memory

notebooks: .venv/installed-tools ## execute the notebooks and keep their outputs
	$(BIN)/jupyter execute --inplace notebooks/*.ipynb

clean: ## remove what make made
	rm -rf .venv build demo *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache

.venv/created:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo 'This needs Python 3.11 or newer; name one: make PYTHON=python3.12 $(MAKECMDGOALS)'; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null \
	  || { echo 'This Python cannot make environments: install the package python3-venv.'; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --upgrade 'pip>=25.1'
	@touch $@

.venv/installed: .venv/created pyproject.toml
	$(BIN)/pip install --quiet --editable '.[all]'
	@$(BIN)/python -m compileall -q containerlab # pip does it for all but editable packages
	@touch $@

.venv/installed-tools: .venv/installed
	$(BIN)/pip install --quiet --group test --group check
	@touch $@
