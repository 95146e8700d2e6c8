#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Copyright 2026 the guestmem authors
#
# analyse.sh [TOOL...]: static analysis; without a tool, all of them. A tool first has to report every
# line of tests/analysis/seeded that is marked for it, then nothing in the code. Exit status of a single
# tool: 0 nothing found, 1 findings (or a blind tool), 77 the tool isn't there.
#   gcc                      sees that gcc's warnings come; the build itself is what they are for
#   clang clang-19           all code compiles without a warning
#   aarch64-gcc aarch64-clang    the same for AArch64 (objects only: the foreign libraries aren't there)
#   gcc-analyzer             gcc -fanalyzer: src/, host/ and tools/
#   clang-tidy               src/, host/, tools/ and examples/; .clang-tidy has what isn't checked
#   cppcheck                 src/, host/ and tools/
#   ranges                   tests/analysis/range.cocci: src/, host/, tools/ and examples/
# FOLDERS, an extended regular expression, bounds what the compilers compile: "src/|host/".
set -eu -o pipefail
cd "$(dirname "$0")/.."
jobs=${JOBS:-1}
seeded=tests/analysis/seeded
# clang's warnings don't depend on it, and gcc's analysis gets lost in what was optimised.
plain=(-DCMAKE_BUILD_TYPE=Debug "-DCMAKE_C_FLAGS_DEBUG=-O0 -g -DNDEBUG")
folders=${FOLDERS:-.}
all="gcc cppcheck ranges gcc-analyzer clang-tidy clang clang-19 aarch64-gcc aarch64-clang"

fail() {
    echo "analyse: $tool: $*" >&2
    exit 1
}

need() { # command, Debian package
    command -v "$1" >/dev/null 2>&1 && return 0
    echo "SKIP analyse $tool: there is no $1 here (Debian package: $2)"
    exit 77
}

# Every marked line must be among what the tool reported on the seeded files.
sees() { # log
    local file line marked=0
    while IFS=: read -r file line _; do
        marked=$((marked + 1))
        grep -qE "$(basename "$file"):$line:" "$1" ||
            { cat "$1" >&2; fail "blind: doesn't report $file:$line, which is wrong on purpose"; }
    done < <(grep -nE "seeded:.* $tool( |\$)" $seeded/*.c)
    [ "$marked" -gt 0 ] || fail "no mistake is marked for it in $seeded"
    echo "$tool reports the $marked mistakes seeded for it"
}

configure() { # cmake arguments
    cmake -S . -B "$folder" -G Ninja -DCMAKE_BUILD_TYPE=Release "$@" >"$folder/configure.log" 2>&1 ||
        { cat "$folder/configure.log" >&2; fail "cmake failed"; }
}

# Where the libraries can't be linked, their headers still serve: these are the same on each
# architecture. A folder of links, since the host's /usr/include as a whole would hide the cross libc's.
foreign_headers() {
    local header at
    mkdir -p "$folder/include"
    for header in unicorn libfdt.h libfdt_env.h fdt.h zlib.h zconf.h cmocka.h bsd; do
        for at in /usr/include /usr/include/"$(cc -print-multiarch)" /usr/local/include; do
            [ ! -e "$at/$header" ] || { ln -sfn "$at/$header" "$folder/include/$header"; break; }
        done
    done
}

cross() { # compiler [cmake arguments]
    local library arguments=()
    for library in unicorn fdt z cmocka; do
        arguments+=("-DGUESTMEM_${library}_LIBRARY=/not-linked"
                    "-DGUESTMEM_${library}_INCLUDE_DIR=$PWD/$folder/include")
    done
    foreign_headers
    # As the system's: what their macros do is theirs.
    configure -DCMAKE_SYSTEM_NAME=Linux -DCMAKE_SYSTEM_PROCESSOR=aarch64 -DCMAKE_C_COMPILER="$1" \
        -DCMAKE_TRY_COMPILE_TARGET_TYPE=STATIC_LIBRARY \
        -DCMAKE_C_FLAGS="-isystem $PWD/$folder/include" "${arguments[@]}" "${@:2}"
}

objects() { # the folders' part of an extended regular expression
    # Not: the seeded files, and the copies of src/ that tests/threads builds once more each.
    ninja -C "$folder" -t targets all | sed -n 's/^\([^:]*\.o\): .*/\1/p' |
        grep -E "^($1)" | grep -vE 'analysis-seeded|threads-(mutant|tsan|stress-tsan)' |
        { [ -z "${without:-}" ] && cat || grep -v "$without"; }
}

compile_seeded() {
    ninja -C "$folder" $(ninja -C "$folder" -t targets all |
        sed -n 's/^\([^:]*analysis-seeded[^:]*\.o\): .*/\1/p') >"$folder/seeded.log" 2>&1 ||
        { cat "$folder/seeded.log" >&2; fail "can't compile $seeded"; }
    sees "$folder/seeded.log"
}

# Compile, as far as objects, what is in these folders: warnings are errors.
compile() { # folders [fewest objects [already-seen]]
    local list count
    [ "${3:-}" = already-seen ] || compile_seeded
    [ -n "$1" ] || return 0
    list=$(objects "$1")
    count=$(wc -w <<<"$list")
    [ "$count" -ge "${2:-50}" ] || fail "found only $count objects to compile"
    # shellcheck disable=SC2086 # a list of words
    ninja -C "$folder" -j "$jobs" -k 0 $list >"$folder/compile.log" 2>&1 ||
        { grep -vE '^\[|^ninja|^/' "$folder/compile.log" >&2 || true; grep -E 'error:|warning:' "$folder/compile.log" >&2; fail "findings"; }
    echo "$tool: $count objects without a warning"
}

# Sanitizers aside, a seeded object is compiled anew each time, so that its warnings come each time.
fresh() {
    mkdir -p "$folder"
    rm -rf "$folder"/tests/analysis/CMakeFiles/analysis-seeded.dir
}

# gcc 12 takes a pointer for lost that was stored behind two others, as two files of host/ do; there,
# the tests with LeakSanitizer and clang-tidy's unix.Malloc look for leaks.
analyzer() {
    configure "${plain[@]}" -DCMAKE_C_COMPILER=gcc -DCMAKE_C_FLAGS=-fanalyzer
    compile "src/|tools/" 30
    configure -DCMAKE_C_FLAGS="-fanalyzer -Wno-analyzer-malloc-leak"
    compile "host/" 30 already-seen
}

tidy() {
    local files apart
    configure -DCMAKE_C_COMPILER=clang-19 -DGUESTMEM_TESTS=OFF -DGUESTMEM_BENCH=OFF
    clang-tidy-19 --quiet $seeded/*.c -- -std=c11 >"$folder/seeded.log" 2>&1 || true
    sees "$folder/seeded.log"
    files=$(sed -n "s|^ *\"file\": \"$PWD/\(.*\)\".*|\1|p" "$folder/compile_commands.json" |
        grep -E '^(src|host|tools|examples)/' | sort -u)
    apart=$(find src host tools examples -name '*.c' | sort | comm -13 <(echo "$files") -)
    # What a tree of seL4 builds needs its headers.
    ! grep -v '^examples/[^/]*/sel4/' <<<"$apart" | grep . || fail "not among what cmake builds"
    # shellcheck disable=SC2086 # a list of words
    printf '%s\n' $files | xargs -P "$jobs" -n 8 clang-tidy-19 --quiet -p "$folder" \
        >"$folder/findings.log" 2>"$folder/errors.log" ||
        { cat "$folder/findings.log" "$folder/errors.log" >&2; fail "findings"; }
    echo "clang-tidy: $(wc -w <<<"$files") files, nothing found; not looked at, for they need seL4's" \
        "own headers:" $apart
}

run_cppcheck() { # paths
    # normalCheckLevelMaxBranches and missingInclude speak of cppcheck itself: the system's headers
    # aren't given to it.
    cppcheck --enable=warning,performance,portability --std=c11 --inline-suppr --quiet -j "$jobs" \
        -Iinclude -Ihost/include/guestmem-host -Ihost/include -Isrc -Iexamples/uboot-vmm \
        -D__x86_64__ -DNDEBUG --suppress=missingInclude --error-exitcode=1 \
        --template='{file}:{line}: {severity}: {message} [{id}]' "$@"
}

check_cppcheck() {
    run_cppcheck $seeded >"$folder/seeded.log" 2>&1 || true
    sees "$folder/seeded.log"
    run_cppcheck src host tools >"$folder/findings.log" 2>&1 ||
        { cat "$folder/findings.log" >&2; fail "findings"; }
    echo "cppcheck: nothing found"
}

ranges() {
    local path
    local rule=(spatch --very-quiet --sp-file tests/analysis/range.cocci --no-includes
                --include-headers)
    "${rule[@]}" --dir $seeded >"$folder/seeded.log" 2>&1 || fail "$(cat "$folder/seeded.log")"
    sees "$folder/seeded.log"
    # Asking for the overflow itself isn't a range check.
    [ "$(grep -c . "$folder/seeded.log")" -eq 3 ] || { cat "$folder/seeded.log" >&2; fail "reports more than the three"; }
    for path in src host tools examples; do
        "${rule[@]}" --dir $path || fail "spatch failed on $path"
    done >"$folder/findings.log" 2>&1
    [ ! -s "$folder/findings.log" ] || { cat "$folder/findings.log" >&2; fail "findings"; }
    echo "ranges: no range check adds base and size"
}

run() {
    folder=build/analysis/$tool
    fresh
    # It looks into the host's x86-64 signal frames, and says so with #error elsewhere.
    case $tool in
    aarch64-*)
        without='engine.*signals\.c\.o'
        echo "$tool: host/engine/signals.c is left out: it is for x86-64 only"
        ;;
    esac
    case $tool in
    gcc) need gcc gcc; configure -DCMAKE_C_COMPILER=gcc; compile "" ;;
    clang) need clang clang; configure "${plain[@]}" -DCMAKE_C_COMPILER=clang; compile "$folders" ;;
    clang-19) need clang-19 clang-19; configure "${plain[@]}" -DCMAKE_C_COMPILER=clang-19; compile "$folders" ;;
    aarch64-*) need aarch64-linux-gnu-gcc "gcc-aarch64-linux-gnu libc6-dev-arm64-cross" ;;&
    aarch64-gcc) cross aarch64-linux-gnu-gcc; compile "$folders" ;;
    aarch64-clang) need clang clang; cross clang "${plain[@]}" -DCMAKE_C_COMPILER_TARGET=aarch64-linux-gnu; compile "$folders" ;;
    gcc-analyzer) need gcc gcc; analyzer ;;
    clang-tidy) need clang-tidy-19 clang-tidy-19; need clang-19 clang-19; tidy ;;
    cppcheck) need cppcheck cppcheck; check_cppcheck ;;
    ranges) need spatch coccinelle; ranges ;;
    *) echo "analyse: no such tool: $tool (there are: $all)" >&2; exit 2 ;;
    esac
}

if [ $# -eq 1 ]; then
    tool=$1
    run
    exit 0
fi
[ $# -gt 0 ] || set -- $all
status=0
for each in "$@"; do
    began=$SECONDS
    result=0
    "$0" "$each" || result=$?
    echo "  $each: $((SECONDS - began)) s"
    case $result in 0 | 77) ;; *) status=1 ;; esac
done
exit $status
