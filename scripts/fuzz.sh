#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Copyright 2026 the guestmem authors
#
# fuzz.sh run SECONDS [TARGET...]: give each target (all of them) its share of that time, one after
#   the other. What is new is kept in build/fuzz/corpus/, what fails in build/fuzz/found/.
# fuzz.sh merge [TARGET...]: put the least set of inputs that reaches all that both corpora reach into
#   fuzz/corpus/TARGET.hex, an input a line.
set -eu -o pipefail
cd "$(dirname "$0")/.."

declare -A longest=([pure]=192 [api]=320 [kernel]=256 [tool]=5120)
build=build/fuzz
mode=${1:-run}
shift || true

options() { # target
    printf '%s\n' -max_len="${longest[$1]}" -timeout=20 -rss_limit_mb=2500
    [ ! -f "fuzz/$1/words.dict" ] || printf '%s\n' -dict="fuzz/$1/words.dict"
}

build_targets() {
    [ -e "$build/build.ninja" ] || cmake --preset fuzz >/dev/null
    cmake --build "$build" -j "${JOBS:-2}" --target "${targets[@]/#/fuzz_}" >/dev/null
}

# The committed corpus as files, which is what libFuzzer reads.
unpack() { # target
    local line number=0 to=$build/committed/$1
    rm -rf "$to"
    mkdir -p "$to"
    [ -f "fuzz/corpus/$1.hex" ] || return 0
    sed 's/../\\x&/g' "fuzz/corpus/$1.hex" | while IFS= read -r line; do
        number=$((number + 1))
        # shellcheck disable=SC2059 # the line is nothing but escapes
        printf "$line" >"$to/$number"
    done
}

pack() { # folder, list
    local file
    find "$1" -type f | while IFS= read -r file; do
        od -An -v -tx1 "$file" | tr -d ' \n'
        echo
    done | sort >"$2"
}

run_target() { # target, seconds
    local own=$build/corpus/$1 found=$build/found/$1
    mkdir -p "$own" "$found"
    unpack "$1"
    # shellcheck disable=SC2046 # a list of words
    if ! "$build/fuzz/fuzz_$1" -max_total_time="$2" -print_final_stats=1 \
        -artifact_prefix="$found/" $(options "$1") "$own" "$build/committed/$1" >"$found/log" 2>&1; then
        echo "$1: failed; the input is in $found:" >&2
        grep -vE '^#[0-9]|^INFO|^    #[0-9]+ 0x.*(libFuzzer|fuzzer::)' "$found/log" | tail -n 60 >&2
        return 1
    fi
    awk -v target="$1" '/number_of_executed_units/ { runs = $2 } /average_exec_per_sec/ { rate = $2 }
        / cov: / { for (i = 1; i < NF; i++) if ($i == "cov:") edges = $(i + 1) }
        END { printf "%-7s %10d inputs, %6d/s, %d edges\n", target, runs, rate, edges }' "$found/log"
}

run() { # seconds
    local each=$((${1:?seconds} / ${#targets[@]})) failed=0
    [ "$each" -gt 0 ] || each=1
    for target in "${targets[@]}"; do
        run_target "$target" "$each" || failed=1
    done
    return "$failed"
}

merge() {
    for target in "${targets[@]}"; do
        local to=$build/merged/$target
        rm -rf "$to"
        mkdir -p "$to" "$build/corpus/$target" fuzz/corpus
        unpack "$target"
        # shellcheck disable=SC2046
        "$build/fuzz/fuzz_$target" -merge=1 $(options "$target") "$to" "$build/committed/$target" \
            "$build/corpus/$target" >"$build/merged/$target.log" 2>&1
        pack "$to" "fuzz/corpus/$target.hex"
        echo "$target: $(wc -l <"fuzz/corpus/$target.hex") inputs, $(wc -c <"fuzz/corpus/$target.hex") bytes"
    done
}

seconds=60
if [ "$mode" = run ]; then
    seconds=${1:-60}
    shift || true
fi
targets=("$@")
[ ${#targets[@]} -gt 0 ] || targets=(pure api kernel tool)
build_targets
case $mode in
run) run "$seconds" ;;
merge) merge ;;
*)
    echo "fuzz.sh run SECONDS [TARGET...] | merge [TARGET...]" >&2
    exit 2
    ;;
esac
