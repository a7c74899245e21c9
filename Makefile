# Two commands on a fresh Debian machine with Python 3.11: `make demo` runs the main job, `make test` passes the tests.

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
SUDO   := $(shell [ "$$(id -u)" = 0 ] || echo sudo)

.PHONY: demo test check format stories bench bench-html pictures fuzz clean system lab lab-system soak docs

demo: $(VENV)/demo.stamp
	$(BIN)/rpcdiag demo

# tshark is a second opinion in some tests, Chromium opens the reports, LibreOffice the tables, the lab needs a firewall and
# Samba: without them those tests skip and say so
test: $(VENV)/test.stamp system lab-system
	$(BIN)/pytest -n 2 -q

# real traffic through a real firewall, in network namespaces that the tests make: as root; a lab that cannot be fails
lab: $(VENV)/test.stamp system lab-system
	RPCDIAG_LAB=require $(BIN)/pytest -n 2 -q tests/lab

# ten minutes of traffic at 20,000 packets/s, then a flood of a million connections: make soak SECONDS=90
SECONDS ?= 600
soak: $(VENV)/test.stamp lab-system
	$(BIN)/python -m tests.lab.soak $(SECONDS)

check: $(VENV)/test.stamp
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/mypy

format: $(VENV)/test.stamp
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# the pages as a site in .site/, out of what is here: nothing is loaded from elsewhere
docs: $(VENV)/test.stamp
	$(BIN)/pip install --quiet 'mkdocs>=1.6'
	$(BIN)/mkdocs build --strict --quiet

# make the stories' captures again, and the reports that go with them; read the difference like code
stories: $(VENV)/test.stamp
	$(BIN)/python pcaps/make_all.py
	$(BIN)/pytest -q tests/stories --update

# generates gigabytes, runs us and the peers in turn, and writes docs/benchmarks.md: half an hour
bench: $(VENV)/bench.stamp
	$(BIN)/python -m bench.run $(BENCH)

# opens and searches the report of a capture with 5,000 RPC flows in headless Chromium
bench-html: $(VENV)/test.stamp system
	$(BIN)/python -m bench.html $(BENCH)

# the pictures of docs/report.md, made by the program and Chromium
pictures: $(VENV)/test.stamp system
	$(BIN)/python -m tools.make_pictures

$(VENV)/bench.stamp: $(VENV)/test.stamp
	$(BIN)/pip install --quiet dpkt
	touch $@

# mutated captures through both forms of the pass, then as many through the whole analysis: make fuzz SEED=1 COUNT=100000
# SEED is that of the first and makes the same captures again, COUNT how many there are, each of the next seed
SEED  ?= 1
COUNT ?= 20000
fuzz: $(VENV)/test.stamp
	$(BIN)/python -m tests.fuzz.fuzz_forms $(SEED) $(COUNT)
	$(BIN)/python -m tests.fuzz.fuzz_analysis $(SEED) $(COUNT)

system:
	@command -v tshark >/dev/null || { \
	  echo "installing tshark"; \
	  $(SUDO) apt-get update -qq && DEBIAN_FRONTEND=noninteractive $(SUDO) apt-get install -y -qq --no-install-recommends tshark >/dev/null; \
	} || echo "tshark is not to be had here: the tests that compare with it will skip"
	@command -v chromium >/dev/null || command -v google-chrome >/dev/null || { \
	  echo "installing chromium"; \
	  $(SUDO) apt-get update -qq && DEBIAN_FRONTEND=noninteractive $(SUDO) apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core >/dev/null; \
	} || echo "Chromium is not to be had here: the tests that open reports will skip"
	@command -v soffice >/dev/null || { \
	  echo "installing LibreOffice Calc"; \
	  $(SUDO) apt-get update -qq && DEBIAN_FRONTEND=noninteractive $(SUDO) apt-get install -y -qq --no-install-recommends libreoffice-calc >/dev/null; \
	} || echo "LibreOffice is not to be had here: the tests that open our tables in it will skip"

# only for root, who alone can make a lab; nothing of it is started or enabled to start
LAB_PACKAGES := samba samba-ad-provision samba-dsdb-modules samba-vfs-modules python3-samba smbclient \
  nftables iptables iproute2 ethtool ulogd2 ulogd2-json
lab-system:
	@[ "$$(id -u)" != 0 ] || { command -v samba-tool && command -v ulogd && command -v nft && command -v ethtool; } >/dev/null || ( \
	  echo "installing what the lab needs"; \
	  denied=/usr/sbin/policy-rc.d; \
	  if [ ! -e $$denied ]; then printf '#!/bin/sh\nexit 101\n' >$$denied; chmod +x $$denied; else denied=; fi; \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive timeout 180 \
	    apt-get install -y -qq --no-install-recommends $(LAB_PACKAGES) >/dev/null 2>&1; \
	  done=$$?; [ -z "$$denied" ] || rm -f $$denied; exit $$done; \
	) || echo "the lab's packages are not to be had here: its tests will skip"

$(BIN)/python:
	$(PYTHON) -m venv $(VENV) || { \
	  DEBIAN_FRONTEND=noninteractive $(SUDO) apt-get update -qq; \
	  DEBIAN_FRONTEND=noninteractive $(SUDO) apt-get install -y -qq python3-venv; \
	  $(PYTHON) -m venv $(VENV); }

$(VENV)/demo.stamp: $(BIN)/python pyproject.toml
	$(BIN)/pip install --quiet --editable .
	touch $@

$(VENV)/test.stamp: $(BIN)/python pyproject.toml
	$(BIN)/pip install --quiet --editable '.[test,check]'
	touch $@ $(VENV)/demo.stamp

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
