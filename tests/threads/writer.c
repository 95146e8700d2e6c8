/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The thread that changes memory all the time, and says so.
 */
#include <sched.h>

#include "stress.h"

/* Free frames and devices, used again as soon as can be: what is stale shows soon. */
static struct frame *free_frames[FRAMES];
static unsigned free_frame_count;
static unsigned next_device;

static void check(bool held, const char *what)
{
    if (!held) {
        const struct guestmem_failure *failure = guestmem_last_failure(&world.vm);
        char text[200];

        guestmem_failure_text(failure, text, sizeof(text));
        give_up("the writer: %s (%s)", what, text);
    }
}

static struct device *take_device(void)
{
    struct device *device;

    do {
        device = &world.devices[next_device++ % DEVICES];
    } while (device->is_live);
    device->is_live = true;
    device->number++;
    return device;
}

static void reserve(struct slot *slot, struct writer_tally *tally)
{
    struct device *device = take_device();
    struct state *state = slot_begin(slot, DEVICE, 0, device);
    vm_memory_reservation_t *res =
        vm_reserve_memory_at(&world.vm, slot->base, PAGE, slot_fault, device);

    check(res != NULL, "reserve");
    slot_done(slot, state, res);
    tally->reserved++;
}

/* Every second frame is read-only for the guest, so that faults on it are the callback's. */
static void map(struct slot *slot, struct writer_tally *tally)
{
    struct state *now = slot_now(slot);
    vm_memory_reservation_t *res = atomic_load(&now->res);
    struct frame *frame = free_frames[--free_frame_count];
    struct state *state = slot_begin(slot, FRAME, frame->number, atomic_load(&now->device));
    seL4_CPtr cap = frame->object.cptr;

    atomic_store(&state->res, res);
    check(vm_map_reservation_frames(&world.vm, res, &cap, 1, 12) == 0, "map a frame");
    if (frame->number % 2 == 0) {
        check(guestmem_set_rights(&world.vm, slot->base, PAGE, seL4_CanRead) == GUESTMEM_OK,
              "make it read-only");
        tally->rights++;
    }
    slot_done(slot, state, res);
    tally->mapped++;
}

static void free_slot(struct slot *slot, struct writer_tally *tally)
{
    struct state *now = slot_now(slot);
    struct device *device = atomic_load(&now->device);
    uint64_t value = atomic_load(&now->value);
    bool backed = atomic_load(&now->kind) == FRAME;
    struct state *state = slot_begin(slot, ABSENT, 0, NULL);

    check(vm_free_reserved_memory(&world.vm, atomic_load(&now->res)) == 0, "free");
    device->is_live = false; /* plain: no callback may read it any more */
    slot_done(slot, state, NULL);
    if (backed) {
        free_frames[free_frame_count++] = &world.frames[value - 1];
    }
    tally->freed++;
}

static void change_slot(struct slot *slot, uint32_t random, struct writer_tally *tally)
{
    switch (atomic_load(&slot_now(slot)->kind)) {
    case ABSENT:
        reserve(slot, tally);
        break;
    case DEVICE:
        if (free_frame_count > 0 && random % 4 != 0) {
            map(slot, tally);
            break;
        }
        free_slot(slot, tally);
        break;
    default:
        free_slot(slot, tally);
        break;
    }
}

static void write_page(struct slot *page, uint64_t word, struct writer_tally *tally)
{
    struct state *state = slot_begin(page, RAM, word, NULL);

    check(guestmem_ram_store(&world.vm, page->base, 8, word) == GUESTMEM_OK, "store");
    check(guestmem_ram_store_release(&world.vm, page->base + PAGE - 8, 8, word) == GUESTMEM_OK,
          "store");
    slot_done(page, state, NULL);
    tally->written++;
}

static void discard_page(struct slot *page, struct writer_tally *tally)
{
    struct state *state = slot_begin(page, RAM, 0, NULL);

    check(guestmem_ram_discard(&world.vm, page->base, PAGE) == GUESTMEM_OK, "discard");
    slot_done(page, state, NULL);
    tally->discarded++;
}

/* Rights are the guest's: they change no answer of the VMM's, but they are a change all the same.
 */
static void limit_page(struct slot *page, struct writer_tally *tally)
{
    struct guestmem_host_leaf leaf;

    check(guestmem_populate(&world.vm, page->base, PAGE) == GUESTMEM_OK, "populate");
    check(guestmem_set_rights(&world.vm, page->base, PAGE, seL4_CanRead) == GUESTMEM_OK,
          "take a right away");
    check(
        guestmem_host_translate(world.host, world.vm.mem.vm_vspace_root.cptr, page->base, &leaf) &&
            leaf.read && !leaf.write,
        "have taken it away");
    check(guestmem_set_rights(&world.vm, page->base, PAGE, seL4_AllRights) == GUESTMEM_OK,
          "give it back");
    tally->populated++;
    tally->rights += 2;
}

static void change_page(uint32_t random, struct writer_tally *tally)
{
    unsigned number = random / 8 % RAM_PAGES;
    struct slot *page = &world.ram[number];
    static uint64_t words;

    switch (random % 8) {
    case 0:
    case 1:
        discard_page(page, tally);
        break;
    case 2:
        if (number >= FAULTING_PAGES) {
            limit_page(page, tally);
            break;
        }
        check(guestmem_populate(&world.vm, page->base, PAGE) == GUESTMEM_OK, "populate");
        tally->populated++;
        break;
    default:
        write_page(page, pattern(0x1000000 + ++words), tally);
        break;
    }
}

/* Now and then inside a section of its own, which it must not wait for. */
void writer_run(struct writer_tally *tally, uint32_t random)
{
    for (free_frame_count = 0; free_frame_count < FRAMES; free_frame_count++) {
        free_frames[free_frame_count] = &world.frames[free_frame_count];
    }
    while (!atomic_load(&world.stop)) {
        uint32_t choice = next_random(&random);
        bool inside = choice % 5 == 0;

        if (inside) {
            guestmem_read_begin(&world.vm);
        }
        if (next_random(&random) % 3 == 0) {
            change_page(next_random(&random), tally);
        } else {
            change_slot(&world.slots[choice / 8 % SLOTS], next_random(&random), tally);
        }
        if (inside) {
            guestmem_read_end(&world.vm);
        }
        if (choice % 4 == 1) {
            sched_yield(); /* the turn is whoever's comes first: let others come */
        }
    }
}

void writer_end(void)
{
    struct writer_tally unused = {0};

    for (unsigned i = 0; i < SLOTS; i++) {
        if (atomic_load(&slot_now(&world.slots[i])->kind) != ABSENT) {
            free_slot(&world.slots[i], &unused);
        }
    }
}
