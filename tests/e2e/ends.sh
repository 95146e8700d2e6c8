#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Copyright 2026 the guestmem authors
#
# Every way in which a run can end before its guest does, with its status; a trace file is valid
# JSON after each.
. "$(dirname "$0")/lib.sh"
set -m # jobs in the background then have SIGINT as it is by default

valid_trace() {
    holds "valid trace" "$TOOLS/json_check" trace
    rm -f trace
}

words 14000000 >loop # b .
echo 'version' >one.script

# --- timeout: of a guest that never prompts, and never comes to the VMM
run 124 --firmware loop --script one.script --timeout 1 --trace trace
says err '^guestmem-run: timeout after 1 s: the prompt never came'
valid_trace

# --- timeout in the middle of a script
printf '@until never seen\nversion\n' >never.script
run 124 --script never.script --timeout 8 --trace trace
says err '^guestmem-run: timeout after 8 s: no answer to line 2: version'
valid_trace

# --- a script that ends at the prompt, without poweroff
run 0 --script one.script --trace trace
says out '^U-Boot 20.*\(' 
valid_trace

# --- signals
for signal in INT:130 TERM:143 HUP:129; do
    : >out # what the run before said would be taken for this one's words
    "$RUN" --script never.script --trace trace >out 2>err </dev/null &
    what="signal ${signal%:*}"
    for _ in $(seq 100); do
        grep -q '^U-Boot 20' out && break
        sleep 0.1
    done
    kill -"${signal%:*}" $!
    wait $!
    holds "status ${signal#*:}" test $? -eq "${signal#*:}"
    says err '^guestmem-run: ended by signal '
    valid_trace
done

# --- killed outright: the file is valid even so
: >out
"$RUN" --script never.script --trace trace >out 2>err </dev/null &
what="signal KILL"
for _ in $(seq 100); do
    grep -q '^U-Boot 20' out && break
    sleep 0.1
done
{ kill -KILL $! && wait $!; } 2>/dev/null
valid_trace

# --- nobody reads
what="output to a closed pipe"
"$RUN" --script "$DEMO" --map --stats --trace trace 2>err </dev/null | head -n 1 >out
status=${PIPESTATUS[0]}
holds "status 141, not $status" test "$status" -eq 141
says_not err .
valid_trace

what="output to a full disk"
if [ -e /dev/full ]; then
    "$RUN" --script "$DEMO" >/dev/full 2>err </dev/null
    holds "status 1" test $? -eq 1
    says err '^guestmem-run: standard output: No space left'
    "$RUN" --script one.script --trace /dev/full >out 2>err </dev/null
    holds "status 1" test $? -eq 1
    says err '^guestmem-run: trace /dev/full: No space left'
    "$RUN" --help >/dev/full 2>err
    holds "status 1" test $? -eq 1
    says err '^guestmem-run: standard output: No space left'
else
    echo "skipped: output to a full disk: there is no /dev/full"
fi

# --- output that was never there: what the guest writes must not go into some file opened later
what="standard output closed"
"$RUN" --script one.script >&- 2>err </dev/null
holds "status 1" test $? -eq 1
says err '^guestmem-run: standard output: Bad file descriptor'

what="files may not grow"
(ulimit -f 100 && exec "$RUN" --script one.script >out 2>err </dev/null)
holds "status 1" test $? -eq 1
says err "^guestmem-run: can't bring up [0-9]+ MiB of memory: File too large"

# --- with nothing to type: a guest that is left alone, no colours in a file
run 124 --timeout 5 --map
says out '^U-Boot 20'
says out '^Memory map'
holds "no colours in a file" test "$(grep -c $'\033\\[[0-9;]*m' out)" -eq 0

rm loop one.script never.script
only_files
finish
