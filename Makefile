# Everything one does with Sottovoce. Needs cargo, npm, python3 with pip, make and a C compiler; the tests need PostgreSQL,
# which setup-test installs on Debian as root.
#
#   make setup   what `make run` needs: the binary, the models (fetched and converted); quick the second time
#   make run     the server on the embedded default, showing live captions and a batch job of a sample; Ctrl-C stops it
#   make test    all tests, with their own set-up (make setup-test)
#   make lint    formatting, clippy, licences, bans, sources          make audit   advisories
#   make fmt     formats                                              make bench   figures    make soak   long runs
#
# CARGO_TARGET_DIR is honoured. ARGS are handed to the demo, TESTS to nextest, e.g. make test TESTS='config::'.

SHELL := /bin/sh
.DEFAULT_GOAL := run
.PHONY: setup setup-test postgres browser run test lint audit fmt bench soak release models postgres

TARGET_DIR := $(if $(CARGO_TARGET_DIR),$(CARGO_TARGET_DIR),target)
SOTTOVOCE := $(TARGET_DIR)/release/sottovoce
LOADTEST := $(TARGET_DIR)/release/sottovoce-loadtest
TOOLS := $(CURDIR)/.tools
MODELS_DIR := $(or $(SOTTOVOCE__MODELS__DIR),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/sottovoce/models)

NEXTEST_VERSION := 0.9.143
DENY_VERSION := 0.19.0
S3S_VERSION := 0.14.1

# Tools of our own come before those of the machine.
export PATH := $(TOOLS)/bin:$(PATH)

setup: release models

release:
	cargo build --release --locked --package sottovoce

# After `release`: the binary itself knows what to fetch.
models: release
	$(SOTTOVOCE) models pull
	$(SOTTOVOCE) models convert

run: setup
	$(SOTTOVOCE) demo $(ARGS)

setup-test: setup $(TOOLS)/nextest.stamp $(TOOLS)/s3s-fs-$(S3S_VERSION).stamp \
    $(TOOLS)/deepgram-4/pinned.txt $(TOOLS)/deepgram-7/pinned.txt $(TOOLS)/openai/pinned.txt \
    $(TOOLS)/schemathesis/pinned.txt $(TOOLS)/aiosmtpd/pinned.txt $(TOOLS)/standardwebhooks/pinned.txt \
    $(TOOLS)/providers/pinned.json $(TOOLS)/node/pinned.json postgres browser
	$(SOTTOVOCE) models pull test-speech

$(TOOLS)/nextest.stamp:
	mkdir -p $(TOOLS)
	cargo nextest --version >$@ 2>/dev/null || cargo install --locked --root $(TOOLS) cargo-nextest@$(NEXTEST_VERSION)
	cargo nextest --version >$@

# An S3 server for the tests to start: see src/tests/with_s3.sh.
$(TOOLS)/s3s-fs-$(S3S_VERSION).stamp:
	cargo install --locked --root $(TOOLS) --features binary s3s-fs@$(S3S_VERSION)
	touch $@

# A server for the tests to start: see src/tests/with_postgres.sh, which also says whether there is one.
postgres:
	@src/tests/with_postgres.sh --check 2>/dev/null || { \
	    if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	        apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends postgresql openssl; \
	    fi; src/tests/with_postgres.sh --check; }

# A browser for the tests to start.
browser:
	@[ -x /usr/bin/chromium ] || [ -x /usr/bin/chromium-browser ] || { \
	    if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	        apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends chromium; \
	    fi; [ -x /usr/bin/chromium ] || { echo 'chromium is missing: install it (/usr/bin/chromium)' >&2; exit 1; }; }

# Real clients and testers from PyPI, each with what it needs in a folder of its own; the stamp is the list that was installed.
$(TOOLS)/%/pinned.txt: src/tests/clients/%.txt
	rm -rf $(@D)
	python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --no-warn-conflicts \
	    --no-deps --target $(@D) --requirement $<
	cp $< $@

# The same from npm: OpenID providers, one honest and one that lies on command, and OpenAI's and Deepgram's clients.
$(TOOLS)/%/pinned.json: src/tests/clients/%/package.json src/tests/clients/%/package-lock.json
	rm -rf $(@D)
	mkdir -p $(@D)
	cp $^ $(@D)
	cd $(@D) && npm ci --ignore-scripts --no-audit --no-fund --silent
	cp $(@D)/package-lock.json $@

# What the servers of the tests logged is searched for secrets and spoken words, after a run of all of them.
test: setup-test
	rm -rf $(TOOLS)/logs && mkdir -p $(TOOLS)/logs
	SOTTOVOCE_TEST_MODELS_DIR='$(MODELS_DIR)' SOTTOVOCE_TEST_TOOLS_DIR='$(TOOLS)' SOTTOVOCE_TEST_LOG_DIR='$(TOOLS)/logs' \
	    src/tests/with_postgres.sh src/tests/with_s3.sh cargo nextest run --workspace --locked $(TESTS)
	$(if $(TESTS),,src/tests/search_logs.sh $(TOOLS)/logs)

lint: $(TOOLS)/deny.stamp
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- --deny warnings
	cargo deny --locked --offline check --config .cargo/deny.toml licenses bans sources

audit: $(TOOLS)/deny.stamp
	cargo deny --locked check --config .cargo/deny.toml advisories

$(TOOLS)/deny.stamp:
	mkdir -p $(TOOLS)
	cargo deny --version >$@ 2>/dev/null || cargo install --locked --root $(TOOLS) cargo-deny@$(DENY_VERSION)
	cargo deny --version >$@

fmt:
	cargo fmt --all

bench soak: setup
	$(SOTTOVOCE) models pull test-speech
	cargo build --release --locked --package sottovoce-loadtest
	loadtest/scripts/figures.sh $@ $(SOTTOVOCE) $(LOADTEST) \
	    '$(MODELS_DIR)/source/test-speech/two_cities.wav' '$(TARGET_DIR)/figures'
