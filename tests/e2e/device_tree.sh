#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Copyright 2026 the guestmem authors
#
# A tree of QEMU's `virt` machine: what the VM doesn't have of it is emulated by reservations that
# answer all-ones, several small ones to a page, and U-Boot looks at them.
. "$(dirname "$0")/lib.sh"

"$TOOLS/make_tree" virt 128 virt.dtb
cat >probe.script <<'SCRIPT'
@send md.l 08000000 1
@expect ffffffff
@send md.b 09010fe0 1
@expect ff
@send md.w 09020008 1
@expect ffff
@send md.l 0a000200 1
@expect ffffffff
@send md.l 4010000000 1
@expect ffffffff
@send mw.l 0a000e00 12345678
@send md.l 0a000e00 1
@expect ffffffff
virtio info
pci
poweroff
SCRIPT
run 0 --dtb virt.dtb --script probe.script --map
says out '6 checks, all passed'
for range in '0x0008000000 +64 KiB' '0x0009010000 +4 KiB' '0x0009020000 +24 B' \
    '0x000a000000 +512 B' '0x000a003e00 +512 B' '0x4010000000 +256 MiB'; do
    says out "^  $range .* emulated .*all-ones"
done

run 0 --dtb virt.dtb --script "$DEMO" --map
says out 'checks, all passed'
run 0 --dtb virt.dtb --script "$DEMO" --populate lazy --frame-size 4K
says out 'checks, all passed'
rm virt.dtb probe.script
only_files
finish
