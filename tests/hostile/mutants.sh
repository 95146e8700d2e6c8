#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Copyright 2026 the guestmem authors
#
# mutants.sh [<name>...]: that the hostile guests find what they are for. In a copy of the sources, break
# one thing at a time, and see the run fail; without names, all of them. PROGRAMS (default 8000) is how
# many each may take.
set -eu -o pipefail
cd "$(dirname "$0")/../.."

programs=${PROGRAMS:-8000}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

# name@file@sed script
mutants() {
    cat <<'END'
stale-window@host/engine/windows.c@s/drop(cpu, view, start, next);/;/
window-ignores-rights@host/engine/windows.c@s/PROT_READ | (write ? PROT_WRITE : 0)/PROT_READ | PROT_WRITE/
window-takes-neighbours-rights@host/engine/windows.c@s/leaf.write != first->write/false/
window-takes-any-neighbour@host/engine/windows.c@s/leaf.paddr != first->paddr + (end - gpa)/false/
no-hook-at-unmap@host/kernel/frame.c@/k_invalidate(kernel, frame->asid, frame->data, UINT64_C(1)/d
no-hook-at-new-rights@host/kernel/frame.c@s/if (old & K_PTE_VALID)/if (old \& K_PTE_VALID \&\& bytes == 0)/
unmap-leaves-the-leaf@host/kernel/frame.c@s/__atomic_store_n(walk.entry, 0, __ATOMIC_RELEASE);/;/
used-memory-not-cleared@host/kernel/untyped.c@s/k_memory_clear(kernel, cap->base, bytes);/(void)bytes;/
created-page-not-cleared@src/page_block.c@s/fresh != 0 ? GUESTMEM_OK : gm_memory_clear(space, block->page\[i\], 0)/GUESTMEM_OK/
device-ram-not-cleared@src/frames_memory.c@s/taking->clear = CLEAR;/taking->clear = CLEAR_NOT;/
lent-frames-stay-mapped@src/backing.c@0,/gm_stage2_unmap(space, &backing->memory.frames, 0, pages);/s///
first-frame-of-a-run-only@src/stage2.c@s/\*done < extent->count/*done < 1/
rights-not-changed@src/control.c@s/return gm_backing_set_rights(space, span.res, span.from, span.to, gm_rights_of(rights));/return GUESTMEM_OK;/
fault-of-wrong-size@host/engine/access.c@s/unsigned size = 8;/unsigned size = 4;/
fault-of-wrong-length@host/vm/exits.c@s/vm_memory_handle_fault(vm, &fault->vcpu, addr, size)/vm_memory_handle_fault(vm, \&fault->vcpu, addr, 1)/
store-of-wrong-bytes@host/engine/access.c@s/low_bytes(element->data >> first \* 8, size)/low_bytes(element->data, size)/
load-told-as-store@host/engine/access.c@s/cpu->exit.write = write;/cpu->exit.write = true;/
table-lost@src/stage2.c@s/vka_utspace_free(space->vka, seL4_ARM_PageTableObject, seL4_PageTableBits, table->ut);/;/
descriptor-lost@host/vm/runtime.c@/^    close(runtime->event);$/d
callback-gets-one-byte@src/fault.c@s/res->callback(vm, vcpu, addr, size, res->cookie)/res->callback(vm, vcpu, addr, 1, res->cookie)/
END
}

try() {
    local name=$1 file=$2 script=$3 said
    tests/threads/mutate.sh "$file" "$work/mutant.c" "$script"
    cp "$work/mutant.c" "$work/tree/$file"
    if ! cmake --build "$work/build" -j "${JOBS:-2}" --target hostile >"$work/log" 2>&1; then
        cat "$work/log" >&2
        echo "$name: doesn't build" >&2
        exit 2
    fi
    cp "$file" "$work/tree/$file"
    if "$work/build/tests/hostile/hostile" --programs "$programs" >"$work/out" 2>"$work/log"; then
        echo "$name: NOT FOUND in $programs programs"
        return 1
    fi
    said=$(grep -m1 -h "hostile: FAILED" "$work/log" "$work/out" || echo "it was killed")
    printf '%-32s %s\n' "$name" "${said#hostile: FAILED}"
}

mkdir "$work/tree"
tar -c --exclude=./build --exclude=./.git . | tar -x -C "$work/tree"
cmake -S "$work/tree" -B "$work/build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DGUESTMEM_BENCH=OFF \
    -DGUESTMEM_WERROR=OFF >"$work/log"
missed=0
while IFS=@ read -r name file script; do
    if [ $# -eq 0 ] || [[ " $* " == *" $name "* ]]; then
        try "$name" "$file" "$script" || missed=$((missed + 1))
    fi
done < <(mutants)
exit $((missed > 0))
