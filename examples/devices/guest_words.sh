#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Copyright 2026 the guestmem authors
#
# guest_words.sh [--check]: guest.S, assembled, as guest_words.h; or whether that file is up to date.
# Needs clang and llvm-objcopy, or GNU binutils for AArch64; --check without them: exit status 77.
set -eu
cd "$(dirname "$0")"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

has() {
    command -v "$1" >/dev/null 2>&1
}

if has aarch64-linux-gnu-as && has aarch64-linux-gnu-objcopy; then
    aarch64-linux-gnu-as -o "$work/guest.o" guest.S
    aarch64-linux-gnu-objcopy -O binary -j .text "$work/guest.o" "$work/guest.bin"
elif has clang && has llvm-objcopy; then
    clang --target=aarch64-none-elf -c -x assembler -o "$work/guest.o" guest.S
    llvm-objcopy -O binary -j .text "$work/guest.o" "$work/guest.bin"
else
    echo "guest_words.sh: skipped: there is no assembler for AArch64"
    exit 77
fi

{
    echo '/*'
    echo ' * Copyright 2026 the guestmem authors'
    echo ' * SPDX-License-Identifier: BSD-2-Clause'
    echo ' *'
    echo ' * guest.S, assembled by guest_words.sh.'
    echo ' */'
    echo '/* clang-format off */'
    od -An -v -tx4 --endian=little -w16 "$work/guest.bin" |
        sed 's/ \([0-9a-f]\{8\}\)/ 0x\1,/g; s/^ //'
} >"$work/guest_words.h"

if [ "${1-}" = --check ]; then
    diff -u guest_words.h "$work/guest_words.h"
else
    cp "$work/guest_words.h" guest_words.h
fi
