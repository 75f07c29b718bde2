# EcoWatt: `make help` lists what there is.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# The static checks read the settings but touch no service.
CHECK_ENV := ECOWATT_DOTENV=off KEY_SECRET=$$($(BIN)/python -c "import secrets; print(secrets.token_urlsafe(64))") \
	URL_DATABASE_SQL=postgresql:///unused URL_DATABASE_REDIS=redis://127.0.0.1/0 HTTPS_ONLY=true

.DEFAULT_GOAL := help
.PHONY: help run test check bench messages lock clean

help:  ## List the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## */  make \1\t/' | expand -t 16

run: $(VENV)/.embedded  ## Start everything for trying it out; Ctrl-C stops all of it
	@exec $(BIN)/python manage.py up

test: $(VENV)/.dev  ## Run all tests on embedded services (or on those that the environment names)
	$(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder

check: $(VENV)/.dev  ## Run the static checks: style, types, imports between apps, migrations, deployment settings, the API's schema
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(CHECK_ENV) $(BIN)/mypy .
	$(BIN)/lint-imports
	$(CHECK_ENV) $(BIN)/python manage.py check --deploy --fail-level WARNING
	$(CHECK_ENV) $(BIN)/python manage.py spectacular --validate --fail-on-warn --file /dev/null
	$(BIN)/python manage.py makemigrations --check --dry-run

bench: $(VENV)/.dev  ## Run the benchmarks; each prints a table and writes JSON to benchmarks/results
	@for script in benchmarks/[a-z]*.py; do echo "== $$script"; $(BIN)/python $$script || exit 1; done

messages: $(VENV)/.dev  ## Collect the texts into the English catalogue and compile all catalogues (needs gettext)
	$(BIN)/python manage.py makemessages --locale en --ignore $(VENV) --ignore .local --no-obsolete --no-wrap --add-location file
	$(BIN)/python manage.py compilemessages --ignore $(VENV)

lock: $(VENV)/.dev  ## Pin the dependencies anew from requirements/*.in
	@for name in base embedded dev; do \
		$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
			--custom-compile-command "make lock" requirements/$$name.in --output-file requirements/$$name.txt \
			$$(test $$name = base || echo --constraints requirements/base.txt); done

clean:  ## Remove the virtual environment and everything that runs left behind, data included
	rm -rf $(VENV) .local .mypy_cache .pytest_cache .ruff_cache .hypothesis

$(VENV)/bin/python:
	@$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and 'EcoWatt needs Python 3.11 or newer; name it with make PYTHON=python3.11')"
	$(PYTHON) -m venv $(VENV)

$(VENV)/.embedded: requirements/embedded.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements/embedded.txt
	@touch $@

$(VENV)/.dev: requirements/dev.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements/dev.txt
	@touch $@ $(VENV)/.embedded
