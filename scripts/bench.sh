#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Copyright 2026 the guestmem authors
#
# Run the benches of the release build: JSON lines to build/bench.json, a table to the screen.
# With bench names (access, cost, device, insn, lookup, ram, scaling, uboot) only those.
set -eu -o pipefail
cd "$(dirname "$0")/.."
out=build/bench.json
benches=("$@")
[ "$#" -gt 0 ] || benches=(access cost device insn lookup ram scaling uboot)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Instructions of what a bench does in bench_region(), each on average. bench/callgrind_cost.awk says
# what counts. Functions are bound at the start, so that the loader's work is not in it.
count_instructions() { # bench, operation, order or count
    local operations
    operations=$(LD_BIND_NOW=1 valgrind -q --tool=callgrind --toggle-collect=bench_region \
        --compress-strings=no --compress-pos=no --callgrind-out-file="$work/callgrind" \
        "build/bench/bench-$1" "$2" "$3")
    awk -v host_folder="$PWD/host/" -f bench/callgrind_cost.awk \
        "$work/callgrind" | awk -v n="$operations" '{ printf "%.0f\n", $1 / n }'
}

bench_insn() {
    local operation order value
    for operation in reserve free; do
        for order in asc desc rand; do
            value=$(count_instructions insn $operation $order)
            echo "{\"name\":\"${operation}_10k_${order}_insn\",\"value\":$value,\"unit\":\"instructions\"}"
        done
    done
    value=$(count_instructions insn register asc)
    echo "{\"name\":\"register_1k_insn\",\"value\":$value,\"unit\":\"instructions\"}"
}

bench_lookup() {
    local count value
    build/bench/bench-lookup
    value=$(count_instructions lookup hit 200)
    echo "{\"name\":\"lookup_hit_insn\",\"value\":$value,\"unit\":\"instructions\"}"
    for count in 8 200 1000 10000; do
        value=$(count_instructions lookup search $count)
        echo "{\"name\":\"lookup_search_${count}_insn\",\"value\":$value,\"unit\":\"instructions\"}"
    done
}

bench_scaling() {
    local value
    build/bench/bench-scaling
    value=$(count_instructions scaling hit 200)
    echo "{\"name\":\"reader_hit_insn\",\"value\":$value,\"unit\":\"instructions\"}"
}

for bench in "${benches[@]}"; do
    echo "bench: $bench" >&2
    case $bench in
    insn) bench_insn ;;
    lookup) bench_lookup ;;
    scaling) bench_scaling ;;
    access | cost | device | ram | uboot) "build/bench/bench-$bench" ;;
    *) echo "bench: unknown: $bench" >&2 && exit 2 ;;
    esac >>"$work/results"
done
mv "$work/results" "$out"

# limits.txt says what a figure may be at most; the last line and the status say whether all held.
status=0
awk -F '[":,}]+' '
    FNR == NR { if ($0 !~ /^#/) { split($0, word, " "); limit[word[1]] = word[2] }; next }
    FNR == 1  { printf "%-32s %14s  %-13s %10s\n", "name", "value", "unit", "at most" }
    {
        name = $3; value = $5; unit = $7; most = limit[name]
        verdict = most == "" ? "" : value + 0 <= most + 0 ? "ok" : "OVER"
        printf "%-32s %14.10g  %-13s %10s %s\n", name, value, unit, most, verdict
        over += verdict == "OVER"
    }
    END { exit over > 0 }' bench/limits.txt "$out" || status=1
echo "written to $out"
[ "$status" = 0 ] || echo "bench: a figure is over its limit" >&2
exit "$status"
