# Two commands need nothing before them: `make demo` and `make test`. Both make their own .venv.
PYTHON ?= python3
BIN := .venv/bin
# Hundreds of processes of the tests would compile the sources anew, whatever the machine's habit.
export PYTHONDONTWRITEBYTECODE :=
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
ENGINES := tests/identity tests/verifier tests/physics tests/test_reference.py tests/test_api.py
SOURCES := opt_istn formulations learners bench tests docs examples hatch_build.py

.PHONY: demo test lint docs figures bench bench-smoke identity pythons torture clean

demo: .venv/.learn
	mkdir -p out
	$(BIN)/opt-istn compare jutap-paper-v2 jutap-paper-terrestrial-v2 jutap-paper-k1.02 \
	  --solvers labels,pyomo,cpsat,straight,greedy,random,blind,terrestrial,lagrangian \
	  --seeds 3 --time-limit 60 --jobs 2 -o out/demo.jsonl
	$(BIN)/opt-istn generate jutap-paper-v2 --seed 0 -o out/jutap-paper-v2.json
	$(BIN)/opt-istn train jutap.dqn out/jutap-paper-v2.json --seed 0 -o out/dqn.pt
	$(BIN)/opt-istn compare out/jutap-paper-v2.json \
	  --solvers labels,value-iteration,straight,greedy,blind,dqn@agent=out/dqn.pt -o out/agent.jsonl
	$(BIN)/opt-istn compare push-paper-v2 \
	  --solvers labels,cpsat,never,release,popular,match,greedy,oracle-fifo,expected,rolling \
	  --seeds 1 --time-limit 60 --jobs 2 -o out/push.jsonl
	$(BIN)/opt-istn report out/demo.jsonl out/agent.jsonl out/push.jsonl -o out/report.html
	$(BIN)/opt-istn solve out/jutap-paper-v2.json --solver labels -o out/optimum.json
	$(BIN)/opt-istn solve out/jutap-paper-v2.json --solver dqn --set agent=out/dqn.pt -o out/agent.json
	$(BIN)/opt-istn show out/jutap-paper-v2.json out/optimum.json out/agent.json -o out/map.png
	$(BIN)/python -m learners.jutap.pictures out/jutap-paper-v2.json out/dqn.pt -o out
	@echo "Look at out/report.html, out/map.png, out/starts.png; the runs are out/*.jsonl"

# Files are taken in order, for the slow ones are early; by their number of tests, those that have
# few and slow ones would come last, and one worker would wait. Some tests wait for limits to pass:
# three workers keep two cores busy.
test: .venv/.test
	$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder -q tests

lint: .venv/.dev
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m vulture

# The site, with every link and anchor checked; look at out/site/index.html.
docs: .venv/.docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

# The README's figure, from committed runs.
figures: .venv/.learn
	$(BIN)/python -m bench.first_page

# Every preset gives the committed hashes, with the lowest numpy and scipy that pyproject.toml
# allows and with the newest; nothing but the core's packages is installed for it.
identity: .venv/.lowest .venv/.newest
	.venv/lowest/bin/python -m pytest -q --confcutdir=tests/identity tests/identity $(IDENTITY)
	.venv/newest/bin/python -m pytest -q --confcutdir=tests/identity tests/identity $(IDENTITY)

# The newer Pythons that the first page names, each where the machine has it: engines, verifier and
# every identity, with the extra `exact` installed anew. `make -j2 pythons` takes both at once.
pythons: python-3.12 python-3.13
python-3.%:
	@python=$$(ls -d $$(command -v python3.$*) $$HOME/.pyenv/versions/3.$*.*/bin/python3.$* 2>&- | \
	  while read -r path; do if "$$path" -c "" 2>&-; then echo "$$path"; break; fi; done); \
	if [ -z "$$python" ]; then echo "Python 3.$*: not on this machine, so not tested"; exit 0; fi; \
	echo "Python 3.$*: $$python" && set -ex && "$$python" -m venv --clear .venv/3.$* && \
	.venv/3.$*/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt \
	  ".[exact]" pytest hypothesis && .venv/3.$*/bin/python -m pytest -q -p no:cacheprovider $(ENGINES)

# What takes hours: kills, broken inputs and liars, the slow tests, the coverage of all intervals
# that are printed, time limits, mutations, and the identity of every preset and seed.
torture: .venv/.test  # hours if asked: KILLS=2000 INPUTS=200000 LIARS=1000 SEED=1 make torture
	$(BIN)/python -m tests.torture
	$(BIN)/python -m pytest -n 2 --dist loadfile -q tests -m slow
	OPT_ISTN_TORTURE=1 $(BIN)/python -m pytest -n 2 -q tests/report/numbers/test_intervals.py
	$(BIN)/python -m bench.time_limits
	$(BIN)/python -m tests.mutate
	$(MAKE) identity IDENTITY="-m ''"

bench-smoke: .venv/.dev
	$(BIN)/python -m pytest -q bench --benchmark-disable

bench: .venv/.dev
	$(BIN)/python -m bench

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/.core: pyproject.toml constraints.txt | .venv/bin/python
	$(INSTALL) -e .
	touch $@

.venv/.learn: pyproject.toml constraints.txt | .venv/bin/python
	$(INSTALL) -e ".[exact,learn]"
	touch $@ .venv/.core

.venv/.test: pyproject.toml constraints.txt | .venv/bin/python
	$(INSTALL) -e ".[test,exact,learn,scip,sb3,onnx,pandas]"
	touch $@ .venv/.learn .venv/.core

.venv/.dev: pyproject.toml constraints.txt | .venv/bin/python
	$(INSTALL) -e ".[test,exact,learn,scip,sb3,onnx,pandas,bench,dev]"
	touch $@ .venv/.test .venv/.learn .venv/.core

.venv/.docs: pyproject.toml constraints.txt | .venv/bin/python
	$(INSTALL) -e ".[docs]"
	touch $@ .venv/.core

.venv/.lowest .venv/.newest: pyproject.toml | .venv/bin/python
	$(PYTHON) -m venv $(@:.venv/.%=.venv/%)
	$(@:.venv/.%=.venv/%)/bin/python -m pip install --quiet --disable-pip-version-check --upgrade \
	  $$($(BIN)/python tests/identity/requirements.py $(@:.venv/.%=%))
	$(@:.venv/.%=.venv/%)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	touch $@

clean:
	rm -rf .venv out build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .benchmarks
