# SPDX-License-Identifier: BSD-2-Clause
# Copyright 2026 the guestmem authors
#
# For the end-to-end tests, which are bash scripts. From the environment: RUN, the program; TOOLS,
# the folder of this build's helpers; DEMO, the demonstration's script. Each test works in an empty
# folder of its own and goes on after a failure; `finish` tells how many there were.

set -u
: "${RUN:?}" "${TOOLS:?}" "${DEMO:?}"
failures=0
checks=0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1

# run STATUS ARGUMENT...: run the program; its output goes to the files out and err.
run() {
    local wanted=$1 got
    shift
    "$RUN" "$@" >out 2>err </dev/null
    got=$?
    what="guestmem-run $*"
    checks=$((checks + 1))
    [ "$got" -eq "$wanted" ] || failed "status $got, not $wanted"
}

failed() {
    failures=$((failures + 1))
    echo "FAILED: $what: $1"
    sed 's/^/    out: /' out | tail -n 60
    sed 's/^/    err: /' err | tail -n 20
}

# says FILE PATTERN: the file has a line that matches the extended regular expression.
says() {
    checks=$((checks + 1))
    grep -Eq -- "$2" "$1" || failed "no '$2' in $1"
}

# The same the other way round; what AddressSanitizer says of every program with fibers doesn't count.
says_not() {
    checks=$((checks + 1))
    ! grep -v "WARNING: ASan doesn't fully support makecontext" "$1" | grep -Eq -- "$2" ||
        failed "'$2' in $1"
}

# holds DESCRIPTION COMMAND...
holds() {
    local description=$1
    shift
    checks=$((checks + 1))
    "$@" || failed "$description"
}

# Only these files are in the test's folder: nothing was left behind.
only_files() {
    local wanted found
    wanted=$(printf '%s\n' out err "$@" | sort)
    found=$(ls -A | sort)
    checks=$((checks + 1))
    [ "$wanted" = "$found" ] || failed "files left behind: $(echo "$found" | tr '\n' ' ')"
}

# words WORD...: 32-bit little-endian words, given in hexadecimal.
words() {
    local word
    for word; do
        printf "\\x${word:6:2}\\x${word:4:2}\\x${word:2:2}\\x${word:0:2}"
    done
}

finish() {
    echo "$checks checks, $failures failed"
    [ "$checks" -gt 0 ] && [ "$failures" -eq 0 ]
    exit
}
