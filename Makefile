# Every target sets up what it needs in .venv by itself; only Python 3.11+, git and make are taken for granted.
PYTHON ?= python3
BIN := .venv/bin
# With bytecode kept, also where the environment is against it: else each worker rewrites all tests' asserts anew.
# In memory where there is a gigabyte for it, and programs may run there: thousands of small repositories come and go.
MEMORY := $(shell grep -qs ' /dev/shm [^ ]* [^ ]*noexec' /proc/mounts || \
	df -Pk /dev/shm 2>/dev/null | awk 'NR == 2 && $$4 > 1000000 {print "/dev/shm"}')
PYTEST := PYTHONDONTWRITEBYTECODE= PYTEST_DEBUG_TEMPROOT=$(MEMORY) $(BIN)/python -m pytest
READY := PYTHONDONTWRITEBYTECODE= $(BIN)/python -m compileall -q gitops renderers policies

.PHONY: setup demo test quick check format browser api-fuzz screenshots crd bench soak faults lock clean

setup: .venv/.installed

.venv/.installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; name one with make PYTHON=..."; exit 2; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps \
		--config-settings editable_mode=compat -e .
	$(BIN)/python -m compileall -q gitops renderers policies
	@touch $@

demo: setup
	$(BIN)/gitops demo

# Once alone, so that not every worker writes the bytecode of all tests in a new clone.
.venv/.collected: .venv/.installed
	@$(READY)
	@$(PYTEST) --collect-only > /dev/null && touch $@ || true  # what is wrong, the tests themselves will say

test: setup .venv/.collected
	@$(READY)
	$(PYTEST) -n 8 --dist worksteal -m "not soak"

# The pure tests alone, in seconds: no process, no server, no Git, and nothing that takes its time.
NOT_QUICK := app_of_apps chart_repositories compat_flux_objects controller_passes custom_resources entry envsubst \
	flux_resources git_source github_app going_back health_wait helm_bounds helm_circumstances helm_expressions \
	helm_schemas kustomize_recorded kustomize_scalars logs membership mirrors notified_storm remote_files \
	render_workers self_heal several_clusters sops_program status submodules template tree windows work_tree \
	yaml
QUICK := $(filter-out $(NOT_QUICK:%=tests/unit/test_%.py),$(wildcard tests/unit/test_*.py))

quick: setup
	@$(READY)
	$(PYTEST) -n 2 -m "not soak" $(QUICK)

soak: setup
	@$(READY)
	$(PYTEST) -n 2 --dist worksteal -m soak
	@if [ -z "$$SOAK_SHARE" ]; then FUZZ_EXAMPLES=20000 $(PYTEST) -n 2 --timeout 0 -m "not soak" tests/hostile/test_fuzz.py; fi
	@if [ -z "$$SOAK_SHARE" ]; then $(MAKE) faults; fi

# The tests of the embedded cluster itself, of the controller and of outages bring their faults with them.
UNDER_FAULTS := $(filter-out $(addprefix tests/scenarios/test_,sandbox% controller% outage% sources% telling% upkeep%),$(wildcard tests/scenarios/test_*.py))

faults: setup
	SANDBOX_FAULTS='error=429:10%,500:5%,reset:5%' $(PYTEST) -n 2 -m "not soak" $(UNDER_FAULTS)

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# What the tests of the page in a real browser need besides Debian's chromium; without it they are skipped.
browser: setup
	$(BIN)/python -m pip install --quiet playwright axe-playwright-python

# The API under requests that Schemathesis makes of its document, a minute for each who asks; its libraries lie apart.
api-fuzz: setup build/schemathesis/bin/schemathesis
	API_FUZZ_SECONDS=60 $(PYTEST) -n 2 --timeout 0 tests/e2e/test_api_fuzz.py

build/schemathesis/bin/schemathesis:
	$(PYTHON) -m venv build/schemathesis
	build/schemathesis/bin/pip install --quiet --disable-pip-version-check schemathesis

# Every page of a busy controller, light and dark; docs/images has a few of them.
screenshots: browser
	$(BIN)/python -m tests.e2e.screenshots build/screenshots

crd: setup
	$(BIN)/python -m gitops.crd > deploy/base/crd.yaml

bench: setup
	$(BIN)/python -m tests.bench

lock: setup
	$(BIN)/pip-compile --quiet --upgrade --generate-hashes --extra dev --allow-unsafe --strip-extras \
		--no-emit-index-url --no-emit-find-links --no-emit-trusted-host -o requirements.lock pyproject.toml

clean:
	rm -rf .venv build *.egg-info
