#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Copyright 2026 the guestmem authors
#
# setup.sh [bench|check|coverage|fuzz|mutate|spin|prove]: see to it that what the build needs is there.
# It looks for the things themselves (commands, headers, the firmware), so it works on any system;
# what is missing is installed where there is apt-get, and named where there isn't. Nothing missing:
# nothing done. What check only wants, its tests skip, saying so, where it can't be had.
set -eu

missing_things=""
missing_packages=""

missing() { # thing, Debian package
    missing_things="$missing_things
  $1 (Debian package: $2)"
    case " $missing_packages " in
    *" $2 "*) ;;
    *) missing_packages="$missing_packages $2" ;;
    esac
}

need_command() { # command, Debian package
    command -v "$1" >/dev/null 2>&1 || missing "command $1" "$2"
}

need_header() { # header, Debian package
    if command -v cc >/dev/null 2>&1; then
        echo "#include <$1>" | cc -E -include stdarg.h -include stddef.h -include setjmp.h \
            -include stdint.h -x c - >/dev/null 2>&1 && return 0
    fi
    missing "header $1 and its library" "$2"
}

need_coverage() {
    need_command llvm-cov-19 llvm-19
    need_command llvm-profdata-19 llvm-19
    need_command python3 python3
    need_command clang-19 clang-19
    if command -v clang-19 >/dev/null 2>&1; then
        echo "int main(void) { return 0; }" |
            clang-19 -fprofile-instr-generate -fcoverage-mapping -x c - -o /dev/null >/dev/null 2>&1 && return 0
    fi
    missing "clang-19's profiling runtime" libclang-rt-19-dev
}

need_libfuzzer() {
    need_command clang clang
    if command -v clang >/dev/null 2>&1; then
        echo "int LLVMFuzzerTestOneInput(void); int LLVMFuzzerTestOneInput(void) { return 0; }" |
            clang -fsanitize=fuzzer,address -x c - -o /dev/null >/dev/null 2>&1 && return 0
    fi
    missing "clang's libFuzzer and sanitizers" libclang-rt-dev
}

look() {
    missing_things=""
    missing_packages=""
    need_command cc build-essential
    need_command c++ build-essential
    need_command cmake cmake
    need_command ninja ninja-build
    need_command pkg-config pkg-config
    need_header unicorn/unicorn.h libunicorn-dev
    need_header libfdt.h libfdt-dev
    need_header zlib.h zlib1g-dev
    need_header cmocka.h libcmocka-dev
    need_header bsd/sys/tree.h libbsd-dev
    firmware=/usr/lib/u-boot/qemu_arm64/u-boot.bin
    [ -r "$firmware" ] || missing "U-Boot for QEMU's arm64 machine, $firmware" u-boot-qemu
    case $goal in
    bench) need_command valgrind valgrind ;;
    spin) need_command spin spin ;;
    fuzz) need_libfuzzer ;;
    mutate) need_command python3 python3 ;;
    coverage) need_coverage ;;
    prove)
        need_command frama-c frama-c-base
        need_command why3 why3
        need_command z3 z3
        need_command cvc4 cvc4
        ;;
    esac
}

# Tools of tests that are skipped without them.
look_for_wanted() {
    command -v valgrind >/dev/null 2>&1 || wanted_packages="$wanted_packages valgrind"
    command -v spin >/dev/null 2>&1 || wanted_packages="$wanted_packages spin"
    # scripts/analyse.sh
    for command in clang clang-19 clang-tidy-19 cppcheck; do
        command -v $command >/dev/null 2>&1 || wanted_packages="$wanted_packages $command"
    done
    command -v spatch >/dev/null 2>&1 || wanted_packages="$wanted_packages coccinelle"
    command -v aarch64-linux-gnu-gcc >/dev/null 2>&1 && [ -e /usr/aarch64-linux-gnu/include/stdio.h ] ||
        wanted_packages="$wanted_packages gcc-aarch64-linux-gnu libc6-dev-arm64-cross"
}

complain() {
    echo "setup: missing:$missing_things" >&2
    echo "setup: $1" >&2
    exit 1
}

goal=${1:-build}
wanted_packages=""
look
[ "$goal" != check ] || look_for_wanted
[ -n "$missing_packages$wanted_packages" ] || exit 0
if [ -z "$missing_packages" ] && ! command -v apt-get >/dev/null 2>&1; then
    exit 0
fi

command -v apt-get >/dev/null 2>&1 ||
    complain "there is no apt-get here to install them with: please install them, then try again"
as_root=""
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null 2>&1 || [ -n "$missing_packages" ] || exit 0
    command -v sudo >/dev/null 2>&1 ||
        complain "not root, and no sudo: as root, run  apt-get install$missing_packages"
    as_root=sudo
fi

[ -z "$missing_things" ] || echo "setup: missing:$missing_things"
echo "setup: installing$missing_packages$wanted_packages"
$as_root apt-get update -qq || echo "setup: going on with the package lists of before" >&2
install() {
    # shellcheck disable=SC2068 # lists of words
    $as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends $@
}
[ -z "$missing_packages" ] || install "$missing_packages"
[ -z "$wanted_packages" ] || install "$wanted_packages" || echo "setup: going on without$wanted_packages" >&2

look
[ -z "$missing_packages" ] || complain "still missing after apt-get install"
