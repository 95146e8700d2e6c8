#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Copyright 2026 the guestmem authors
#
# caught.sh <program> [argument...]: a test that must fail, since what it tests is broken on purpose:
# say that it failed, be reported by ThreadSanitizer or helgrind, or access what is gone.
said=$(mktemp)
trap 'rm -f "$said"' EXIT
status=0
"$@" >/dev/null 2>"$said" || status=$?
found='^FAILED:|^SUMMARY: ThreadSanitizer|^==.*Possible data race'
if grep -qE "$found" "$said" || [ "$status" -eq 139 ]; then
    echo "caught (exit status $status): $(grep -m 1 -E "$found" "$said")"
    exit 0
fi
echo "not caught (exit status $status): $*"
cat "$said"
exit 1
