#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Copyright 2026 the guestmem authors
#
# Build the release and the sanitized tree, and run the tests of both in one ctest run. What tests
# say about themselves on passing (skipped cases, points visited) is shown before ctest's summary.
set -eu -o pipefail
cd "$(dirname "$0")/.."
jobs=${JOBS:-2}

for preset in release asan; do
    folder=build
    [ "$preset" = release ] || folder=build/$preset
    [ -e "$folder/build.ninja" ] || cmake --preset "$preset"
    cmake --build "$folder" -j "$jobs"
done

run=build/check
mkdir -p "$run"
printf 'subdirs("%s" "%s")\n' "$PWD/build" "$PWD/build/asan" >"$run/CTestTestfile.cmake"

# ctest's lines as they come; its summary is held back until the tests' own words have been shown.
show() {
    local line summary=""
    while IFS= read -r line; do
        case "$summary$line" in
        *"% tests passed"*) summary+="$line"$'\n' ;;
        *) printf '%s\n' "$line" ;;
        esac
    done
    awk '/ Testing: / { test = $3 }
         /SKIPPED \]|^SKIP|^skipped:|^failure points visited:/ { print "  " test ": " $0 }' \
        "$run/Testing/Temporary/LastTest.log" | awk '!seen[$0]++' >"$run/said"
    if [ -s "$run/said" ]; then
        echo "What tests had to say (skipped cases included):"
        cat "$run/said"
        echo
    fi
    printf '%s' "$summary"
}

ctest --test-dir "$run" -j "$jobs" --output-on-failure --no-tests=error --no-label-summary 2>&1 | show
