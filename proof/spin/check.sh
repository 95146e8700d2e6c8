#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Copyright 2026 the guestmem authors
#
# check.sh [changes]: search the model through, and show that it can fail. One line a search: what
# was searched, states, seconds. `changes` is how many changes the lookups of pieces.pml see: 3 by
# default (minutes at 4); the mutants always get 3.
set -eu -o pipefail
here=$(cd "$(dirname "$0")" && pwd)
changes=${1:-3}
if ! command -v spin >/dev/null 2>&1; then
    echo "SKIP: spin isn't installed (Debian package: spin): the model of readers is not checked"
    exit 77
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp "$here"/*.pml "$work"
cd "$work"
failed=0
optimise=1

# Search one model through. What pan says goes to ./said.
search() { # model, definitions
    local model=$1
    shift
    rm -f pan* ./*.trail
    spin -a "$@" "$model.pml" >said 2>&1 || return 0
    "${CC:-cc}" "-O$optimise" -w -DSAFETY -DCOLLAPSE -DMEMLIM=4000 -o pan pan.c
    ./pan -m2000000 >said 2>&1 || true
}

report() { # verdict, model, definitions
    local states seconds
    states=$(awk '/states, stored/ { print $1 }' said)
    seconds=$(awk '/^pan: elapsed time/ { print $4 }' said)
    printf '%-6s %12s states %8s s  %s\n' "$1" "${states:-?}" "${seconds:-0}" "${*:2}"
}

complain() { # what is wrong, model, definitions
    report FAILED "${@:2}"
    echo "       $1; spin and pan said:"
    sed 's/^/       | /' said
    failed=1
}

holds() { # model, definitions
    search "$@"
    if ! grep -q 'errors: 0' said; then
        complain "a property doesn't hold" "$@"
    elif grep -qE 'Search not completed|max search depth too small|out of memory' said; then
        complain "the search didn't come to its end" "$@"
    else
        report holds "$@"
    fi
}

# The rule that is taken away is needed: without it this very property fails.
breaks() { # what pan says, model, definitions
    search "${@:2}"
    if grep -qF "pan:1: $1" said; then
        report breaks "${@:2}"
    else
        complain "expected \"$1\"" "${@:2}"
    fi
}

in_use='assertion violated ((using[i]&(1<<held))==0)'
gone='assertion violated  !(undone[0])'
stuck='invalid end state'

holds pieces -DREADERS=1 -DCHANGES="$changes"
holds pieces -DREADERS=0 -DCHANGES="$changes"
holds pieces -DREADERS=1 -DCHANGES="$changes" -DFROZEN
holds pieces -DREADERS=0 -DCHANGES="$changes" -DFROZEN
holds free
holds remember
holds shown
holds two_vms

optimise=0 # compiling is what takes the time from here on
breaks "$in_use" pieces -DCHANGES=3 -DMUTANT_NO_WAIT
breaks "$in_use" pieces -DCHANGES=3 -DMUTANT_REUSE_AT_ONCE
breaks "$in_use" pieces -DCHANGES=3 -DMUTANT_ONE_MOVE
breaks "$in_use" pieces -DCHANGES=3 -DMUTANT_MOVE_ANYHOW
breaks "$in_use" pieces -DCHANGES=3 -DMUTANT_EPOCH_LATE
breaks "$stuck" pieces -DCHANGES=3 -DFROZEN -DMUTANT_READER_TAKES_TURN
breaks "$in_use" free -DMUTANT_ANNOUNCE_AGAIN
breaks "$gone" free -DMUTANT_NO_WAIT
breaks "$gone" free -DMUTANT_POPULATE_STALE
breaks 'assertion violated (calls[0]==0)' free -DMUTANT_NO_DEAD_CHECK
breaks 'assertion violated (running[0]==0)' free -DMUTANT_NO_CALLS_WAIT
breaks 'assertion violated ( !(failed)||freeing[0])' free -DMUTANT_DEAD_FLASH
breaks "$stuck" free -DMUTANT_NO_QUIESCENCE
breaks "$stuck" free -DMUTANT_KEEP_TURN
breaks "$stuck" free -DMUTANT_RESUME_EARLY
breaks "$stuck" free -DMUTANT_WAIT_INSIDE
breaks "$gone" remember -DMUTANT_GENERATION_LATE
breaks "$gone" remember -DMUTANT_COUNT_LATE
breaks "$in_use" shown -DMUTANT_RESUME_LATE
breaks "$stuck" two_vms -DMUTANT_PAUSE_ONE
breaks "$stuck" two_vms -DMUTANT_CALLBACKS_OF_ONE

exit "$failed"
