#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Copyright 2026 the guestmem authors
#
# The trace has one event for each fault of the guest, in a file, a pipe, and on top of an old file.
. "$(dirname "$0")/lib.sh"

faults() {
    sed -n 's/^  guest faults  *\([0-9]*\) .*/\1/p' out
}

head -c 3000000 /dev/zero >trace # longer than the trace will be
for populate in eager lazy; do
    run 0 --script "$DEMO" --trace trace --stats --populate "$populate"
    holds "valid" "$TOOLS/json_check" trace
    events=$("$TOOLS/json_check" trace)
    holds "$events events, $(faults) faults" test "$events" -eq "$(faults)"
    says trace '"name":"uart write"'
    says trace '"name":"shared write",.*"addr":"0x5000ffc","size":4,"data":"0xbad0bad0"'
done
says trace '"name":"[a-z]* populate"'

mkfifo pipe
cat pipe >trace &
run 0 --script "$DEMO" --trace pipe --stats
wait $!
events=$("$TOOLS/json_check" trace)
holds "through a pipe: $events events, $(faults) faults" test "$events" -eq "$(faults)"
rm trace pipe
only_files
finish
