#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Copyright 2026 the guestmem authors
#
# U-Boot with 2 GiB of lazy RAM: it holds what it came to and no more; what surrounds an access may
# come with it; and without memory it stops, and says where and why.
. "$(dirname "$0")/lib.sh"
echo poweroff >script

# populated: KiB of RAM that are there. statistic NAME: its first number. among WORDS: the number
# before these words, of the guest's faults.
populated() {
    grep -E '^  0x0040000000 ' out | grep -oE '[0-9]+ x (4K|2M)' |
        awk '{ sum += $1 * ($3 == "4K" ? 4 : 2048) } END { print sum + 0 }'
}
statistic() {
    grep -E "^  $1 " out | grep -oE '[0-9]+' | head -n 1
}
among() {
    grep -E '^  guest faults ' out | grep -oE "[0-9]+ $1" | grep -oE '^[0-9]+'
}

# --- how much it holds. U-Boot clears its 16 MiB for malloc; it moves itself, 1 MiB, to the end of
# RAM; the rest are stack, tables and the device tree at the start: 17.2 MiB. Large frames cover them
# with two ends.
run 0 --ram 2G --populate lazy --frame-size 4K --script script --map --stats
small=$(populated)
holds "$small KiB of 2 GiB, in small frames" test "$small" -ge 16384 -a "$small" -le 18432
holds "as many faults as frames" test "$(among populated)" -ge $((small / 4 - 8))
says out '^  0x0040000000 +2 GiB +ram .*, rest lazy'
says out '^  memory in them +[12][0-9]\.[0-9] MiB$'
says out '^  frames beside an access +0$'
run 0 --ram 2G --populate lazy --frame-size 2M --script script --map --stats
holds "$(populated) KiB of 2 GiB, in large frames" test "$(populated)" -le $((12 * 2048))

# --- with what surrounds each access: at least 4 times fewer faults, and little more memory
run 0 --ram 2G --populate lazy --frame-size 4K --around 64K --script script --map --stats
holds "$(populated) KiB with their surroundings" test "$(populated)" -le $((small + 1024))
holds "fewer faults: $(among populated)" test "$(among populated)" -lt $((small / 4 / 4))
holds "most come beside an access" test "$(statistic 'frames beside an access')" -gt 3000

# --- with less memory than RAM: as long as it lasts, all is well
run 0 --ram 16G --populate lazy --memory 64M --script "$DEMO" --map
says out '[1-9][0-9]* checks, all passed'
says out '^  0x0040000000 +16 GiB +ram .*, rest lazy'
says_not err .

# --- and when it doesn't: where, why, how much there was, what to do
run 1 --ram 2G --populate lazy --frame-size 4K --memory 16M --script script --stats --trace trace
says err "^guestmem-run: vcpu 0's write of 8 bytes at 0xb[ef][0-9a-f]{6}, pc 0xb[0-9a-f]{7}: lazy memory can't be populated: no memory for a frame$"
says err '^guestmem-run: 1[0-9]\.[0-9] MiB of the guest.s 2048\.0 MiB of RAM are populated; of 16\.0 MiB of memory 0\.[0-9] MiB are free$'
says err '^guestmem-run: give it more memory \(--memory\), or have it use less \(--ram, --frame-size 4K\)$'
says err '^  0x0040000000 +2 GiB  ram .*, rest lazy'
says err '^guestmem-run: the guest failed: the prompt never came'
says out 'guest faults .* 1 without memory, 0 unhandled'
holds "valid trace" "$TOOLS/json_check" trace
rm trace

# --- with any amount in between: all of it right; or a stop that is told, before which all was right
# but what the VMM itself had no memory for
for kib in $(seq 17408 1024 27648); do
    "$RUN" --ram 2G --populate lazy --frame-size 4K --memory "${kib}K" --script "$DEMO" >out 2>err </dev/null
    status=$? what="--memory ${kib}K"
    if [ $status -eq 0 ]; then
        says out '[1-9][0-9]* checks, all passed'
    else
        holds "status 1, not $status" test $status -eq 1
        says err "lazy memory can't be populated: no memory for a (frame|page table)$"
        holds "checks that failed" test "$(grep '  FAILED  ' out | grep -cv 'no memory for a frame')" -eq 0
    fi
done

rm script
only_files
finish
