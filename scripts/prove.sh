#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Copyright 2026 the guestmem authors
#
# prove.sh: prove the contracts of the pure core (proof/README.md), of the very files that are
# compiled. One line a file, and the sum.
#
# prove.sh broken: the other way round: break a copy of each file, in each of the ways listed in
# proof/broken.txt, and see to it that the proof of that copy fails.
#
# FILES: the files to prove; ONLY: the lines of proof/broken.txt, as a regular expression; TIMEOUT:
# seconds a goal; JOBS: provers at a time.
#
# What counts is the line that says how many goals were proved: Frama-C's exit status is 0 anyway.
set -eu -o pipefail
cd "$(dirname "$0")/.."
scripts/setup.sh prove

files=${FILES:-range.h range_index.h range_chunk.c range_index.c range_alloc.c frame_plan.c extent.c extent_list.c}
jobs=${JOBS:-2}
timeout=${TIMEOUT:-60} # seconds a goal
includes="-Ihost/include/guestmem-host -Iinclude"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Only these two provers, as installed, whatever a configuration in the home folder says.
export WHY3CONFIG=$work/why3.conf
why3 config detect >"$work/detected" 2>&1

# Files of which some functions only are proved (proof/README.md).
proved_of() { # file
    case $1 in
    range_chunk.c)
        echo copy,set,copy_ranges,put,gm_range_chunk_shorten,gm_range_chunk_insert,gm_range_chunk_append
        ;;
    range_index.c)
        echo place_of last_below find_base gm_range_index_{below,meets,first,next,at,item} | tr ' ' ,
        ;;
    extent_list.c) echo joins,joined,frames_before,head,tail,put,move_up,move_down,open_at,close_at ;;
    esac
}

# Files that store in bit-fields: what would be cut off is looked for as overflow is.
checks_of() { # file
    case $1 in
    extent_list.c) echo -warn-unsigned-downcast ;;
    esac
}

# The functions that a file and its own header define, static ones included.
functions_of() { # C file, folder of the sources
    local name base
    base=$(basename "$1" .c)
    # shellcheck disable=SC2086 # a list of options
    cc -std=c11 -O0 -fkeep-inline-functions -I"$2" $includes -c -o "$work/object.o" "$1"
    for name in $(nm "$work/object.o" | awk '$2 ~ /^[tT]$/ { print $3 }'); do
        ! cat "$2/$base".[ch] 2>/dev/null | grep -qE "^[a-z].*\b$name\(" || echo "$name"
    done | paste -sd,
}

# Run WP on a file in a folder; its words go to $work/log. Prints "proved all".
run_wp() { # folder, file, functions, "" (all) or "lemmas", options...
    local folder=$1 file=$2 functions=$3 part
    shift 3
    local source=$folder/$file
    if [ "${file%.h}" != "$file" ]; then
        source=$work/${file%.h}.c
        printf '#include "%s"\n' "$file" >"$source"
    fi
    [ -n "$functions" ] || functions=$(functions_of "$source" "$folder")
    part=(-wp-fct "$functions")
    [ "$functions" != lemmas ] || part=(-wp-prop=@lemma)
    # shellcheck disable=SC2046 # no option, or one
    frama-c -machdep gcc_x86_64 -cpp-extra-args="-I$folder $includes" -wp -wp-rte \
        -warn-unsigned-overflow -wp-prover z3,cvc4 -wp-split -wp-cache none -wp-par "$jobs" \
        -wp-session "$work/session" "${part[@]}" $(checks_of "$file") "$@" "$source" \
        >"$work/log" 2>&1 || {
        cat "$work/log" >&2
        echo "prove: Frama-C gave up on $file" >&2
        exit 1
    }
    awk '/Proved goals:/ { proved = $4; all = $6 } END { print proved + 0, all + 0 }' "$work/log"
}

unproved() {
    grep -E '^\[wp\] \[(Failed|Unsuccess|Timeout)|Missing RTE|Missing assigns' "$work/log" || true
}

# Functions are proved by a file's lemmas; the lemmas themselves only where they are asked for.
prove_all() {
    local proved all lemmas lemmas_all sum=0 sum_all=0 start seconds result=0
    for file in $files; do
        start=$SECONDS
        lemmas=0 lemmas_all=0
        if grep -qE '\blemma [a-z]' "src/$file"; then
            read -r lemmas lemmas_all < <(run_wp src "$file" lemmas -wp-timeout "$timeout")
            unproved
        fi
        read -r proved all < <(run_wp src "$file" "$(proved_of "$file")" -wp-timeout "$timeout" \
            -wp-smoke-tests -wp-smoke-timeout 2)
        unproved
        [ "$all" -gt 0 ] || result=1
        proved=$((proved + lemmas)) all=$((all + lemmas_all))
        seconds=$((SECONDS - start))
        printf '%-16s Proved goals: %4d / %4d  (%d s)\n' "$file" "$proved" "$all" "$seconds"
        [ "$proved" -eq "$all" ] || result=1
        sum=$((sum + proved))
        sum_all=$((sum_all + all))
    done
    printf '%-16s Proved goals: %4d / %4d  (%d s)\n' "in all" "$sum" "$sum_all" "$SECONDS"
    return $result
}

# proof/broken.txt: file, function, then what sed makes of the file; fields apart by blanks. A proof
# counts as refused only where the same, of the file as it is, is had in the same time.
prove_broken() {
    local file function change unit c proved all whole="" result=0
    while read -r file function change; do
        case "$file" in "" | "#"*) continue ;; esac
        unit=$file
        for c in $files; do [ "${c%.*}" != "${file%.*}" ] || unit=$c; done
        if [ "$whole" != "$unit $function" ]; then
            whole="$unit $function"
            read -r proved all < <(run_wp src "$unit" "$function" -wp-timeout "$timeout")
            if [ "$proved" -lt "$all" ] || [ "$all" -eq 0 ]; then
                echo "prove: $whole isn't proved as it is: $proved / $all" >&2
                exit 1
            fi
        fi
        rm -rf "$work/src"
        cp -r src "$work/src"
        sed -i "$change" "$work/src/$file"
        if cmp -s "src/$file" "$work/src/$file"; then
            echo "prove: proof/broken.txt: this changes nothing in $file: $change" >&2
            exit 1
        fi
        read -r proved all < <(run_wp "$work/src" "$unit" "$function" -wp-timeout "$timeout")
        if [ "$proved" -lt "$all" ]; then
            echo "refused: $function: $change ($proved / $all)"
        else
            echo "PROVED although broken: $function: $change" >&2
            result=1
        fi
    done < <(grep -E "${ONLY:-.}" proof/broken.txt)
    return $result
}

case "${1:-all}" in
all) prove_all ;;
broken) prove_broken ;;
*)
    echo "usage: prove.sh [broken]" >&2
    exit 2
    ;;
esac
