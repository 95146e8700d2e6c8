#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Copyright 2026 the guestmem authors
#
# check_headers.sh COMPILER LANGUAGE STANDARD FOLDER...: compile each header below the folders, alone
# and included twice. The stand-ins for seL4's headers have an include path of their own.
set -eu
compiler=$1 language=$2 standard=$3
shift 3

paths=""
for folder in "$@"; do
    paths="$paths -I$folder"
    [ ! -d "$folder/guestmem-host" ] || paths="$paths -I$folder/guestmem-host"
done

count=0 failed=0
for folder in "$@"; do
    for header in $(cd "$folder" && find . -name '*.h' | sort); do
        name=${header#./}
        name=${name#guestmem-host/}
        count=$((count + 1))
        # shellcheck disable=SC2086 # paths is a list
        if ! printf '#include <%s>\n#include <%s>\nextern int header_alone;\n' "$name" "$name" |
            "$compiler" -x "$language" "$standard" -Wall -Wextra -Werror -fsyntax-only $paths -; then
            echo "does not compile alone as $language: $name"
            failed=$((failed + 1))
        fi
    done
done
echo "$count headers as $language ($standard), $failed failed"
[ "$count" -gt 0 ] && [ "$failed" -eq 0 ]
