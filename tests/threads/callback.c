/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Fault callbacks, some of which change memory while they run.
 */
#include <sched.h>

#include <guestmem/runtime.h>

#include "stress.h"

static void check(const struct reader *reader, bool held, const char *what)
{
    if (!held) {
        give_up("reader %u, in a callback: %s", reader->number, what);
    }
}

static void check_page(const struct reader *reader, uintptr_t base, uint64_t number)
{
    uint64_t words[8] = {0};

    check(reader, guestmem_ram_read(&world.vm, base + 512, words, sizeof(words)) == GUESTMEM_OK,
          "read the own corner");
    for (unsigned i = 0; i < 8; i++) {
        check(reader, words[i] == pattern(number), "find the own frame in the own corner");
    }
}

/* Reserve, look up, fault, map, read and free where nobody else does: each step is seen at once. */
static void change_corner(struct reader *reader)
{
    uintptr_t base = CORNER_BASE + reader->number * CORNER_STRIDE;
    struct frame *frame = &world.corner_frames[reader->number];
    seL4_CPtr cap = frame->object.cptr;
    uint8_t byte;
    vm_memory_reservation_t *res =
        vm_reserve_memory_at(&world.vm, base, PAGE, corner_fault, reader);

    check(reader, res != NULL, "reserve");
    check(reader, guestmem_reservation_at(&world.vm, base + 4095) == res, "find the own corner");
    check(reader, vm_memory_handle_fault(&world.vm, &reader->vcpu, base, 8) == FAULT_IGNORE,
          "have the own corner answer");
    if (next_random(&reader->random) % 2 == 0) {
        check(reader, vm_map_reservation_frames(&world.vm, res, &cap, 1, 12) == 0, "map");
        check_page(reader, base, frame->number);
    }
    check(reader, vm_free_reserved_memory(&world.vm, res) == 0, "free the own corner");
    check(reader, guestmem_reservation_at(&world.vm, base) == NULL, "see the own corner gone");
    check(reader, guestmem_ram_read(&world.vm, base, &byte, 1) == GUESTMEM_EUNMAPPED,
          "see the own frame gone");
    reader->tally.changes++;
}

/* The reservation whose callback this is can't be freed: it is found before and after. Meanwhile
 * the writer may be about to free it, and wait for this callback; then it isn't found. */
static void free_own(struct reader *reader, uintptr_t own)
{
    vm_memory_reservation_t *res = guestmem_reservation_at(&world.vm, own);

    if (res != NULL) {
        check(reader, vm_free_reserved_memory(&world.vm, res) != 0,
              "be kept from freeing the own reservation");
        reader->tally.refusals++;
    }
}

void callback_change(struct reader *reader, uintptr_t own)
{
    uint32_t choice = next_random(&reader->random) % 16;

    if (choice < 2) {
        change_corner(reader);
    } else if (choice == 2) {
        free_own(reader, own);
    } else if (choice < 6) {
        sched_yield();
    }
}

memory_fault_result_t corner_fault(vm_t *vm, vm_vcpu_t *vcpu, uintptr_t addr, size_t length,
                                   void *cookie)
{
    (void)vm;
    (void)addr;
    return cookie == reader_of(vcpu) && length == 8 ? FAULT_IGNORE : FAULT_ERROR;
}

memory_fault_result_t slot_fault(vm_t *vm, vm_vcpu_t *vcpu, uintptr_t addr, size_t length,
                                 void *cookie)
{
    struct reader *reader = reader_of(vcpu);
    const struct device *device = cookie;
    uint64_t number = device->number;

    check(reader, vm == &world.vm && length == 4, "be given what the fault was");
    check(reader, device->is_live, "be a reservation that isn't freed");
    callback_change(reader, addr);
    check(reader, device->is_live && device->number == number, "stay one until the end");
    reader->entered = cookie;
    reader->tally.callbacks++;
    return FAULT_HANDLED;
}
