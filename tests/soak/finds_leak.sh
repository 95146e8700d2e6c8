#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Copyright 2026 the guestmem authors
#
# finds_leak.sh SOAK slot|fd|map|bytes TEXT: a run that leaks one such thing a round ends with 1 and
# says TEXT.
set -eu -o pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
status=0
"$1" --rounds 12 --seed 5 --no-threads --quiet --out "$folder" --leak "$2" >"$folder/said" 2>&1 ||
    status=$?
if [ "$status" -ne 1 ] || ! grep -q "$3" "$folder/said"; then
    cat "$folder/said"
    echo "the leak ($2) isn't found: status $status, and not the words '$3'" >&2
    exit 1
fi
for file in soak.svg soak.csv; do
    [ -s "$folder/$file" ] || {
        echo "there is no $file" >&2
        exit 1
    }
done
