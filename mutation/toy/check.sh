#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Copyright 2026 the guestmem authors
#
# check.sh FOLDER: mutate.py on the toy, whose mutants' ends are known. Builds in FOLDER.
set -eu -o pipefail
here=$(cd "$(dirname "$0")" && pwd)
folder=$1
command -v python3 >/dev/null 2>&1 || {
    echo "SKIP: no python3: mutation testing isn't tried"
    exit 77
}
rm -rf "$folder"
mkdir -p "$folder"

# mutate STATUS LIST TEXT...: it has to end with that status and to say each text.
mutate() {
    local expected=$1 list=$2 status=0 text
    shift 2
    python3 "$here/../mutate.py" --project "$here" --library toy --all --jobs 1 \
        --build "$folder/build" --survivors "$list" --least 85 >"$folder/out" 2>&1 || status=$?
    for text in "$@"; do
        grep -qF -- "$text" "$folder/out" || {
            cat "$folder/out"
            echo "check.sh: it doesn't say: $text"
            exit 1
        }
    done
    [ "$status" = "$expected" ] || {
        cat "$folder/out"
        echo "check.sh: it ends with $status, not $expected"
        exit 1
    }
}

result="mutants 29, killed 23, equivalent 3 (2 the same machine code), gaps 3: 88.5 %"
mutate 0 "$here/survivors.txt" "$result"
mutate 0 "$here/survivors.txt" "29 are known from before" "$result"

grep -v -A 1 'toy_last' "$here/survivors.txt" | sed '/no test reads it/d' >"$folder/one-less"
mutate 1 "$folder/one-less" "survives, and isn't listed: toy.c | toy_sum | toy_last = sum; | removed"

{
    cat "$here/survivors.txt"
    echo "toy.c | toy_most | return a; | 0"
    echo "    gap: that is killed."
    echo "toy.c | toy_most | return c; | 0"
    echo "    gap: there is no such line."
} >"$folder/stale"
mutate 1 "$folder/stale" "listed as a survivor, but isn't: toy.c | toy_most | return a; | 0" \
    "listed, but there is no such mutant: toy.c | toy_most | return c; | 0"

echo "no reason" >"$folder/bad"
echo "    because" >>"$folder/bad"
mutate 1 "$folder/bad" "neither \`equivalent: why\` nor \`gap: why\`"
echo "mutation testing of the toy: as expected"
