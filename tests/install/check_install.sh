#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Copyright 2026 the guestmem authors
#
# check_install.sh BUILD SOURCE COMPILER CMAKE: what is installed serves on its own, from a folder it
# wasn't installed to, by pkg-config and by CMake; and it shadows no seL4 header.
set -eu
build=$1 source=$2 compiler=$3 cmake=$4

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() {
    echo "FAILED: $1"
    exit 1
}

say() {
    echo "== $1"
}

say "install, staged, then moved"
DESTDIR="$work/stage" "$cmake" --install "$build" --prefix /opt/guestmem >/dev/null
mv "$work/stage/opt/guestmem" "$work/moved"
PKG_CONFIG_PATH=$(dirname "$(find "$work/moved" -name guestmem.pc)")
export PKG_CONFIG_PATH
[ -x "$work/moved/bin/guestmem-run" ] || fail "guestmem-run is not installed"

say "no stand-in for a seL4 header where a real one could be"
for folder in sel4 vka vspace simple platsupport utils; do
    [ ! -e "$work/moved/include/$folder" ] || fail "include/$folder is installed"
done
case $(pkg-config --cflags guestmem) in
*guestmem-host*) fail "package guestmem offers the stand-ins" ;;
esac

say "the library alone"
"$cmake" --install "$build" --prefix "$work/alone" --component guestmem >/dev/null
[ -n "$(find "$work/alone" -name libguestmem.a)" ] || fail "component guestmem has no library"
[ ! -e "$work/alone/include/guestmem/host.h" ] || fail "component guestmem has the host's header"

say "a VMM by pkg-config"
cp -r "$source/tests/install/vmm" "$work/by-pkg-config"
cd "$work/by-pkg-config"
# shellcheck disable=SC2046 # lists of options
"$compiler" -std=gnu11 -Wall -Wextra -Werror $(pkg-config --cflags guestmem-host) vmm.c -o vmm \
    $(pkg-config --libs guestmem-host)
./vmm

say "a VMM by CMake"
cp -r "$source/tests/install/vmm" "$work/by-cmake"
"$cmake" -S "$work/by-cmake" -B "$work/by-cmake/out" -DCMAKE_PREFIX_PATH="$work/moved" \
    -DCMAKE_C_COMPILER="$compiler" >/dev/null
"$cmake" --build "$work/by-cmake/out" >/dev/null
"$work/by-cmake/out/vmm"

say "added to a tree that has seL4's libraries: the library alone, with the tree's headers"
cp -r "$source/host/include/guestmem-host" "$work/tree-headers"
"$cmake" -S "$source/tests/install/tree" -B "$work/tree" -G "Unix Makefiles" -DGUESTMEM="$source" \
    -DTREE_HEADERS="$work/tree-headers" -DCMAKE_C_COMPILER="$compiler" >/dev/null
"$cmake" --build "$work/tree" >"$work/tree.log" || { cat "$work/tree.log"; fail "in a tree"; }
[ -n "$(find "$work/tree" -name libguestmem.a)" ] || fail "no library in the tree"
if grep -rqF "$source/host" "$work/tree/guestmem/src/CMakeFiles/guestmem.dir/flags.make"; then
    fail "the host's folder is on the include path in a tree"
fi

say "the README's first VMM"
cd "$work"
awk '/^```c$/ { inside = !done } /^```$/ { if (inside) { done = 1 } inside = 0 }
     inside && !/^```/' "$source/README.md" >first_vmm.c
[ -s first_vmm.c ] || fail "README.md shows no program"
# shellcheck disable=SC2046
"$compiler" -std=gnu11 -Wall -Werror $(pkg-config --cflags guestmem-host) first_vmm.c \
    -o first_vmm $(pkg-config --libs guestmem-host)
./first_vmm >first_vmm.out
awk '/^<!-- first-vmm-output -->$/ { wait = 1 } wait && /^```$/ { inside = 1; wait = 0; next }
     inside && /^```$/ { exit } inside' "$source/README.md" >expected.out
[ -s expected.out ] || fail "README.md shows no output of its program"
diff -u expected.out first_vmm.out || fail "the README shows another output"
echo "all good"
