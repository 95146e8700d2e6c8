#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Copyright 2026 the guestmem authors
#
# mutate.sh <source> <copy> <sed script>: the source with one thing left out. A script that changes
# nothing is an error: the source has changed, and the script has to follow.
set -eu
sed -e "$3" "$1" >"$2"
if cmp -s "$1" "$2"; then
    rm -f "$2"
    echo "mutate.sh: '$3' changes nothing in $1" >&2
    exit 1
fi
