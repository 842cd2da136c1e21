# Every target makes the virtual environment it needs, in .venv; nothing has to be installed before.
# A python may be chosen: make test PYTHON=python3.12 (after make clean, if .venv is there already).
# ARGS goes to the program that a target runs: make test ARGS="-k cycles".

PYTHON ?= python3
ifeq ($(origin PYTHON),file)
PYTHONS := $(PYTHON) python3.13 python3.12 python3.11
else
PYTHONS := $(PYTHON)
endif

VENV := .venv
RUN := $(VENV)/bin/python
INSTALL := $(RUN) -m pip install -qq --disable-pip-version-check

# Debian packages that tests need; make installs what is missing where it may.
SYSTEM := chromium chromium-driver fonts-dejavu-core # the browser that opens the page of the benchmark
SYSTEM += postgresql # a server of any version will do: tests start their own, in a temporary directory
SYSTEM += gcc libc6-dev # compile a library that imitates a file system without upper and lower case
SYSTEM += strace # kills a store at any system call, and lets calls fail

.DEFAULT_GOAL := help
.NOTPARALLEL:
.DELETE_ON_ERROR:
.PHONY: demo test quick test-slow lint actionlint hooks type docs table league bench bench-quick bench-codecs torture test-all regen-golden \
	release-check clean help

demo: $(VENV)/.base  ## run the example: a sweep of tasks, saved, loaded, changed
	@$(RUN) examples/sweep.py $(ARGS)

test: $(VENV)/.test $(VENV)/.system  ## run the tests
	@$(RUN) -m pytest -n auto -m "not slow and not torture" $(ARGS)

# The marks are described in pyproject.toml.  No server and no browser: no package of the system is needed.
QUICK := not (slow or torture or thorough or server or browser)

quick: $(VENV)/.test  ## run most of the tests in less than a minute, without servers and browsers
	@$(RUN) -m pytest -n auto -m "$(QUICK)" $(ARGS)

test-slow: $(VENV)/.test  ## run the tests that take over 20 seconds: graphs of 1,000,000 objects
	@$(RUN) -m pytest -m slow $(ARGS)

torture: $(VENV)/.test $(VENV)/.system  ## try to break the store for an hour: kills, faults, power cuts, eight workers, hostile input
	@failed=; \
	$(RUN) -m pytest -m torture tests/torture || failed=yes; \
	$(RUN) -m tests.torture.run $(ARGS) || failed=yes; \
	test -z "$$failed"

# Programs of $(VENV)/bin with their arguments; a test compares them with the hooks of .pre-commit-config.yaml.
CHECKS := "ruff check" "ruff format --check" mypy "lint-imports --no-logo" codespell
CHECKS += "check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/ci.yml"
CHECKS += "check-jsonschema --builtin-schema vendor.github-issue-forms .github/ISSUE_TEMPLATE/bug.yml .github/ISSUE_TEMPLATE/idea.yml"

lint: $(VENV)/.lint  ## check form, types, architecture, spelling, and the files for GitHub
	@failed=; \
	for check in $(CHECKS); do \
		echo "== $$check"; $(VENV)/bin/$$check || failed=yes; \
	done; test -z "$$failed"

actionlint: $(VENV)/.actionlint  ## check the workflow by actionlint, which is downloaded from GitHub
	@$(VENV)/bin/actionlint

hooks: $(VENV)/.lint $(VENV)/.hooks  ## let git run the checks of `make lint` before each commit
	@$(RUN) -m pre_commit install $(ARGS)

type: $(VENV)/.lint  ## check types only
	@$(RUN) -m mypy $(ARGS)

docs: $(VENV)/.test  ## run README and docs as tests
	@$(RUN) -m pytest tests/docs $(ARGS)

table: $(VENV)/.test  ## try what each codec keeps, and write the table of docs/how-to/choose-a-codec.md
	@$(RUN) -m brinery.testing.table --write docs/how-to/choose-a-codec.md $(ARGS)

league: $(VENV)/.league  ## try what ours and other codecs lose, and write docs/league.md
	@$(RUN) -m benchmarks.league.run $(ARGS)

bench: $(VENV)/.bench $(VENV)/gc3pie  ## measure for an hour, and write docs/benchmarks.md
	@PYTHONPATH=$(VENV)/gc3pie $(RUN) -m benchmarks.run $(ARGS)

bench-quick: $(VENV)/.bench  ## measure for some minutes what brinery is to be faster than, at small sizes; write nothing
	@$(RUN) -m benchmarks.run --quick --only goals $(ARGS)

CODECS := pickle:0,pickle:1,pickle:2,pickle:3,pickle:4,pickle:5,cloudpickle,dill,msgpack,json,auto
FOUND := benchmarks/results/codecs
OBJECTS := examples/real_objects.py

bench-codecs: $(VENV)/.bench  ## measure all codecs for half an hour: 2,000,000 nodes, all shapes, three real objects
	@mkdir -p $(FOUND)
	@$(RUN) -m brinery.cli bench --graphs trees,rows --size large --codecs $(CODECS) \
		--json $(FOUND)/large.json
	@$(RUN) -m brinery.cli bench --compress none,lz4,zstd:3 --seconds 0.2 --size 50000 \
		--json $(FOUND)/shapes.json
	@$(RUN) -m brinery.cli bench $(OBJECTS):table $(OBJECTS):model $(OBJECTS):network --seconds 0.5 \
		--compress none,lz4,zstd:3 --json $(FOUND)/objects.json
	@$(RUN) -m benchmarks.report.codecs

test-all: $(VENV)/.nox $(VENV)/.system  ## run the tests on each installed Python, then between them
	@$(RUN) -m nox $(ARGS)

regen-golden: $(VENV)/.test  ## write golden files anew; the only way they change
	@$(RUN) tests/golden/regenerate.py $(ARGS)

release-check: $(VENV)/.release  ## build sdist and wheel, install each into a bare environment, run the README
	@$(RUN) tests/release/run.py

clean:  ## remove what the other targets made
	@rm -rf $(VENV) .nox dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find src codecs tests benchmarks examples -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true

help:  ## show this list
	@sed -n 's/^\([a-z-]*\):.*## /  make \1 \t/p' $(MAKEFILE_LIST) | expand -t 22

# -- environments: a stamp per extra, so that `make demo` installs only what it needs

$(VENV)/.base: pyproject.toml | $(RUN)
	@echo "installing brinery into $(VENV)…"
	@$(INSTALL) -e ".[sql]"
	@touch $@

$(VENV)/.lint: $(VENV)/.test  # mypy reads the tests, and so what these import

$(addprefix $(VENV)/.,test lint bench league nox release hooks actionlint): $(VENV)/.%: $(VENV)/.base
	@echo "installing what make needs for $*…"
	@$(INSTALL) -e ".[$*]"
	@touch $@

# In a directory of its own and without dependencies, one of which cannot be built any more: pip would
# complain of that at each installation.  Without it GC3Pie is not measured, and the results say so.
$(VENV)/gc3pie: benchmarks/peers/gc3pie.txt | $(RUN)
	@echo "installing what make needs of GC3Pie…"
	@$(INSTALL) --no-deps --target $@ -r $< || mkdir -p $@

# Where there is no apt-get, no right to use it or no network, tests say themselves what they miss:
# no stamp then, so that the next run looks again.
define INSTALL_SYSTEM
missing=
for package in $(SYSTEM); do
    [ $$package = postgresql ] && ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 && continue
    dpkg-query -W -f '$${db:Status-Status}' $$package 2>/dev/null | grep -qx installed || missing="$$missing $$package"
done
[ -n "$$missing" ] || { touch $@; exit 0; }
command -v apt-get >/dev/null || exit 0
as_root=
[ "$$(id -u)" = 0 ] || as_root="sudo -n"
$$as_root true 2>/dev/null ||
    { echo "some tests need$$missing; run: sudo apt-get install --no-install-recommends$$missing"; exit 0; }
echo "installing what the tests need with apt-get:$$missing…"
apt() { $$as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 "$$@" >/dev/null; }
# Debian makes a cluster with each new version of PostgreSQL, and starts its server: not on the machine of
# somebody who wants to run tests.  Clusters that are there stay as they are.
without_cluster() {
    case "$$missing " in *" postgresql "*) ;; *) return 0 ;; esac
    choices=/etc/postgresql-common/createcluster.d
    $$as_root mkdir -p $$choices && $$as_root tee $$choices/none-for-tests.conf >/dev/null <<-END
	# Written before the tests of brinery had PostgreSQL installed; remove it to get a main cluster.
	create_main_cluster = false
	END
}
apt update && without_cluster && apt install -y --no-install-recommends $$missing && touch $@ ||
    echo "apt-get could not install$$missing; going on without" >&2
endef
export INSTALL_SYSTEM

$(VENV)/.system: Makefile | $(RUN)
	@sh -c "$$INSTALL_SYSTEM"

# Debian's python3 comes without ensurepip: its package is then pythonX.Y-venv.
define NEW_VENV
set -e
at_least() { "$$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }
has() { "$$1" -c "import $$2" 2>/dev/null; }
fail() { rm -rf $(VENV); echo "error: $$*" >&2; exit 1; }
python=
for candidate in $(PYTHONS); do
    at_least "$$candidate" || continue
    : "$${python:=$$candidate}"
    if has "$$candidate" ensurepip; then python=$$candidate; break; fi
done
[ -n "$$python" ] || fail "no Python from 3.11 on: tried $(PYTHONS). Install one, or name it: make PYTHON=/path/to/python"
if has "$$python" ensurepip; then
    "$$python" -m venv --clear $(VENV) || fail "$$python -m venv failed"
elif has "$$python" pip; then
    "$$python" -m venv --clear --without-pip $(VENV)
    "$$python" -m pip --python $(RUN) install -qq pip || fail "pip of $$python failed"
else
    package=python$$("$$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')-venv
    command -v apt-get >/dev/null || fail "$$python has no ensurepip: install a complete Python, or name one: make PYTHON=/path/to/python"
    [ "$$(id -u)" = 0 ] || fail "$$python has no ensurepip; run: sudo apt-get install $$package"
    echo "installing $$package with apt-get…"
    export DEBIAN_FRONTEND=noninteractive
    apt-get install -qq -y $$package >/dev/null 2>&1 ||
        { apt-get update -qq && apt-get install -qq -y $$package; } >/dev/null ||
        fail "$$python has no ensurepip, and apt-get could not install it; run: apt-get install $$package"
    "$$python" -m venv --clear $(VENV) || fail "$$python -m venv failed"
fi
endef
export NEW_VENV

$(RUN):
	@sh -c "$$NEW_VENV"
