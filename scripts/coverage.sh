#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Copyright 2026 the guestmem authors
#
# coverage.sh [report]: run the tests of an instrumented build and say what of src/ and host/ they
# reach: a table, then each line and branch that they don't; the last line says whether the limits in
# scripts/coverage.py hold, and so does the exit status. The sources with counts are in
# build/coverage/html/index.html. With "report": only the table, of the last run.
#
# TESTS: which tests to run, as a regular expression of ctest's labels (no fuzz: what is reached is to
# be reached by tests that check it).
set -eu -o pipefail
cd "$(dirname "$0")/.."

jobs=${JOBS:-2}
tests=${TESTS:-unit|conformance|defects|sweep|threads|model|e2e|examples}
build=build/coverage
start=$SECONDS

run_tests() {
    cmake --preset coverage >"$build/configure.log" || {
        cat "$build/configure.log"
        return 1
    }
    cmake --build "$build" -j "$jobs"
    rm -rf "$build/profile"
    # One file a program and a run beside another: programs that end merge theirs into it.
    LLVM_PROFILE_FILE="$PWD/$build/profile/%${jobs}m.profraw" ctest --test-dir "$build" -j "$jobs" \
        -L "$tests" --output-on-failure --no-tests=error --no-label-summary
}

# What llvm-cov makes of all programs.
llvm_cov() { # command, option...
    local command=$1
    shift
    # "mismatched data" are header functions of which another file of that name has another form.
    llvm-cov-19 "$command" "${objects[@]}" -instr-profile="$build/all.profdata" "$@" \
        "$PWD/src" "$PWD/host" 2> >(grep -v 'functions have mismatched data' >&2)
}

report() {
    local program
    llvm-profdata-19 merge -sparse -o "$build/all.profdata" "$build"/profile/*.profraw
    objects=()
    while IFS= read -r program; do
        [ ${#objects[@]} -eq 0 ] || objects+=(-object)
        objects+=("$program")
    done < <(find "$build" -type f -executable -not -path '*/CMakeFiles/*' | sort)
    llvm_cov export >"$build/export.json"
    llvm_cov export -format=lcov >"$build/export.lcov"
    llvm_cov show -format=html -show-branches=count -show-mcdc -show-instantiations=false \
        -output-dir="$build/html" >/dev/null
    scripts/coverage.py "$build/export.json" "$build/export.lcov"
}

mkdir -p "$build"
status=0
case "${1:-all}" in
all)
    run_tests || {
        echo "coverage: tests failed: the figures below may be too low" >&2
        status=1
    }
    ;;
report) ;;
*)
    echo "usage: coverage.sh [report]" >&2
    exit 2
    ;;
esac
report || status=1
echo "sources with counts: $build/html/index.html ($((SECONDS - start)) s in all)"
exit "$status"
