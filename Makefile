# SPDX-License-Identifier: BSD-2-Clause
# Copyright 2026 the guestmem authors
#
# The short way in. All building is CMake's (CMakePresets.json); this only strings the steps together.

PREFIX ?= /usr/local
DESTDIR ?=
JOBS ?= $(shell nproc 2>/dev/null || echo 2)
SECONDS ?= 60
MINUTES ?= 30
PROGRAMS ?= 100000

.DEFAULT_GOAL := help
.PHONY: help demo check bench analyse spin prove prove-broken fuzz hostile mutate coverage soak install clean setup

help: ## Show this
	@echo "guestmem: guest-physical memory manager for VMMs on seL4"
	@echo
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  make %-8s %s\n", $$1, $$2}' Makefile
	@echo
	@echo "demo, check and bench install what they need with apt-get where something is missing."

setup: ## Install missing packages (Debian), or say what is missing
	@scripts/setup.sh

demo: setup build/build.ninja ## Boot U-Boot in a VM, check memory from its prompt
	@cmake --build build -j $(JOBS) --target guestmem-run
	@build/tools/guestmem-run/guestmem-run --script tools/guestmem-run/share/demo.script --map --stats

check: ## Run all tests: release, ASan+UBSan, TSan, headers, installation
	@scripts/setup.sh check
	@JOBS=$(JOBS) scripts/check.sh

bench: build/build.ninja ## Measure; results in build/bench.json
	@scripts/setup.sh bench
	@cmake --build build -j $(JOBS)
	@scripts/bench.sh

analyse: ## Static analysis alone: every analyser, every compiler, x86-64 and AArch64
	@scripts/setup.sh check
	@JOBS=$(JOBS) scripts/analyse.sh

spin: ## Search the model of concurrent readers (proof/spin) through
	@scripts/setup.sh spin
	@proof/spin/check.sh

prove: ## Prove the pure core with Frama-C (proof/README.md)
	@JOBS=$(JOBS) scripts/prove.sh

prove-broken: # and that the proofs fail once the core is broken
	@JOBS=$(JOBS) scripts/prove.sh broken

fuzz: ## Fuzz: SECONDS=n in all (default 60); what fails is in build/fuzz/found
	@scripts/setup.sh fuzz
	@JOBS=$(JOBS) scripts/fuzz.sh run $(SECONDS)

hostile: build/build.ninja ## Hostile guests: PROGRAMS=n (default 100000), SEED=s
	@cmake --build build -j $(JOBS) --target hostile
	@build/tests/hostile/hostile --programs $(PROGRAMS) $(if $(SEED),--seed $(SEED))

mutate: ## Change src/ in many small ways; tests must notice (SAMPLE=n: only n of them)
	@scripts/setup.sh mutate
	@nice mutation/mutate.py --jobs $(JOBS) $(if $(SAMPLE),--sample $(SAMPLE))

coverage: ## What the tests reach of src/ and host/: lines, branches, MC/DC
	@scripts/setup.sh coverage
	@JOBS=$(JOBS) scripts/coverage.sh

soak: setup build/build.ninja ## VMs come and go for MINUTES=n (default 30), SEED=n; plots in build/soak
	@cmake --build build -j $(JOBS) --target soak
	@mkdir -p build/soak
	@build/tests/soak/soak --minutes $(MINUTES) $(if $(SEED),--seed $(SEED)) --out build/soak

install: setup build/build.ninja ## Install to PREFIX (default /usr/local), staged under DESTDIR
	@cmake --build build -j $(JOBS)
	DESTDIR="$(DESTDIR)" cmake --install build --prefix "$(PREFIX)"

clean: ## Remove build/
	rm -rf build

build/build.ninja: | setup
	@cmake --preset release
