#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Copyright 2026 the guestmem authors
#
# check_guide.sh SOURCE DEVICES: docs/devices.md shows what is there. Each block of C is, line for line,
# in the file that the comment above it names; and the example, which DEVICES runs, prints what the
# guide says.
set -eu
source=$1 devices=$2
guide=$source/docs/devices.md

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() {
    echo "FAILED: $1"
    exit 1
}

# One file a block: "1" on, its first line the file's name.
awk -v work="$work" '
    /^<!-- .* -->$/ { name = $2 }
    /^```c$/        { n++; inside = 1; print name > (work "/" n ".block"); next }
    /^```/          { inside = 0 }
    inside          { print > (work "/" n ".block") }
    !/^<!-- /       { name = "" }' "$guide"

# Whether the lines of a block are next to each other in a file.
is_in() { # block, file
    awk '
        FNR == NR { if (FNR > 1) { want[FNR - 1] = $0; count = FNR - 1 } next }
        { line[FNR] = $0; last = FNR }
        END {
            for (start = 0; start + count <= last; start++) {
                for (i = 1; i <= count && line[start + i] == want[i]; i++) { }
                if (i > count) { exit 0 }
            }
            exit 1
        }' "$1" "$2"
}

blocks=0
for block in "$work"/*.block; do
    name=$(head -n 1 "$block")
    [ -n "$name" ] || fail "a block of C names no file: $(sed -n 2p "$block")"
    [ -f "$source/$name" ] || fail "$name: no such file"
    is_in "$block" "$source/$name" ||
        fail "$name doesn't have these lines: $(sed -n 2,4p "$block")..."
    blocks=$((blocks + 1))
done
[ "$blocks" -ge 10 ] || fail "only $blocks blocks of C were found"

awk '/^<!-- output of examples\/devices -->$/ { wait = 1 }
     wait && /^```$/ { inside = 1; wait = 0; next }
     inside && /^```$/ { exit } inside' "$guide" >"$work/expected"
[ -s "$work/expected" ] || fail "the guide shows no output"
"$devices" >"$work/printed" || fail "the example's exit status: $?"
diff -u "$work/expected" "$work/printed" || fail "the example prints something else"

# Files and folders that the guide speaks of are there.
grep -oE '`(examples|tests|bench|scripts|guestmem)/[a-z0-9_./]+`' "$guide" | tr -d '`' | sort -u |
    while read -r name; do
        [ -e "$source/$name" ] || [ -e "$source/include/$name" ] || fail "$name: not there"
    done
echo "$blocks blocks, the output and the names are as the guide has them"
