#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Copyright 2026 the guestmem authors
#
# The demonstration: unmodified U-Boot, its memory managed by guestmem, each answer checked.
set -eu
cd "$(dirname "$0")/.."
exec build/tools/guestmem-run/guestmem-run --script tools/guestmem-run/share/demo.script --map --stats
