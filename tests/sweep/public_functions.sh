#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Copyright 2026 the guestmem authors
#
# public_functions.sh <vspace.h> <header>...: the names of all functions that the headers declare, and
# of the functions of a vspace_t ("vspace.x"), as C strings with a comma behind each.
set -eu

vspace=$1
shift

# Comments and preprocessor lines go; what stands in braces too, but for those of extern "C".
for header in "$@"; do
    awk '
        { text = text $0 "\n" }
        END {
            while ((at = index(text, "/*")) > 0) {
                rest = substr(text, at + 2)
                text = substr(text, 1, at - 1) " " substr(rest, index(rest, "*/") + 2)
            }
            lines = split(text, line, "\n")
            code = ""
            for (i = 1; i <= lines; i++) {
                if (line[i] !~ /^[ \t]*#/ && line[i] !~ /^extern "C"/) {
                    code = code line[i] " "
                }
            }
            depth = 0
            declaration = ""
            for (i = 1; i <= length(code); i++) {
                c = substr(code, i, 1)
                if (c == "{") {
                    depth++
                } else if (c == "}") {
                    if (depth > 0) {
                        depth--
                    }
                } else if (c == ";" && depth == 0) {
                    tell(declaration)
                    declaration = ""
                } else if (depth == 0) {
                    declaration = declaration c
                }
            }
        }
        function tell(declaration, open, name) {
            open = index(declaration, "(")
            if (open == 0 || declaration ~ /typedef/) {
                return
            }
            name = substr(declaration, 1, open - 1)
            sub(/[ \t]*$/, "", name)
            sub(/^.*[^A-Za-z0-9_]/, "", name)
            print "    \"" name "\","
        }' "$header"
done

awk '
    /^struct vspace \{/ { inside = 1; next }
    inside && /^\}/ { inside = 0 }
    inside && $1 ~ /_fn$/ { sub(/;.*/, "", $2); print "    \"vspace." $2 "\"," }' "$vspace"
