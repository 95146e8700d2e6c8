#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Copyright 2026 the guestmem authors
#
# uboot.sh RAM FRAME-SIZE POPULATE: unmodified U-Boot, the demonstration's checks, and a look at the
# frames that back its memory.
. "$(dirname "$0")/lib.sh"
ram=$1 frame_size=$2 populate=$3

run 0 --ram "$ram" --frame-size "$frame_size" --populate "$populate" --script "$DEMO" --map --stats
says out '^U-Boot 20'
says out '[1-9][0-9]* checks, all passed'
says_not out 'FAILED|failed'
says_not err .
holds "at least 35 checks" test "$(grep -c "^  ok  " out)" -ge 35

# Each way to make memory is in the map, by name.
for name in flash environment shared frames maybe window uart device identity ram; do
    says out "^  0x[0-9a-f]{10} .* $name  +(ram|mapped|created|emulated) "
done

row=$(grep -E '^  0x0040000000 ' out)
case $frame_size in
4K) holds "no large frame with 4K" test "$(grep -cE '^  0x.* x (2M|1G)' out)" -eq 0 ;;
*) holds "large frames in the RAM" test "$(echo "$row" | grep -c ' x 2M')" -eq 1 ;;
esac

# A lazy guest has only the frames that it, or the VMM, came to; an eager one all.
populated=$(echo "$row" | grep -oE '[0-9]+ x (4K|2M)' |
    awk '{ sum += $1 * ($3 == "4K" ? 4 : 2048) } END { print sum }')
whole=$(echo "$ram" | awk '/M$/ { print $1 * 1024 } /G$/ { print $1 * 1024 * 1024 }')
if [ "$populate" = lazy ]; then
    holds "$populated KiB populated of $whole, lazily" test "$populated" -lt "$whole"
    says out 'guest faults .*\([1-9][0-9]* populated'
else
    holds "$populated KiB populated of $whole" test "$populated" -eq "$whole"
    says out 'guest faults .*\(0 populated'
fi
only_files
finish
