/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * A reader: looks up, dispatches, accesses, and judges each answer by the slot's versions.
 */
#include <sched.h>
#include <string.h>

#include <guestmem/runtime.h>

#include "stress.h"

struct reader *reader_of(vm_vcpu_t *vcpu)
{
    return (struct reader *)(void *)((char *)vcpu - offsetof(struct reader, vcpu));
}

static void judge(struct reader *reader, struct seen *seen,
                  bool (*fits)(const struct state *, const void *), const void *answer,
                  const char *what)
{
    seen_end(seen);
    switch (seen_judge(seen, fits, answer)) {
    case RIGHT:
        break;
    case TOO_LATE:
        reader->tally.too_late++;
        break;
    case WRONG:
        give_up("reader %u: %s of 0x%jx: wrong in versions %ju to %ju, of kind %u and 0x%jx",
                reader->number, what, (uintmax_t)seen->slot->base, (uintmax_t)seen->from,
                (uintmax_t)seen->to, (unsigned)slot_now(seen->slot)->kind,
                (uintmax_t)slot_now(seen->slot)->value);
    }
}

/* ---------------------------------------------------------------------------- lookups */

static bool lookup_fits(const struct state *state, const void *answer)
{
    const vm_memory_reservation_t *res = answer;
    const vm_memory_reservation_t *expected = atomic_load(&state->res);

    if (atomic_load(&state->kind) == ABSENT) {
        return res == NULL;
    }
    return expected == NULL ? res != NULL : res == expected;
}

static void look_up(struct reader *reader, struct slot *slot)
{
    struct seen seen = seen_begin(slot);
    vm_memory_reservation_t *res = guestmem_reservation_at(&world.vm, slot->base + 8);

    judge(reader, &seen, lookup_fits, res, "lookup");
    reader->tally.lookups++;
}

/* ----------------------------------------------------------------------------- faults */

struct fault_answer {
    memory_fault_result_t result;
    const struct device *entered;
};

/* Memory that nothing keeps a guest from: it tries again, or the callback is asked. */
static bool fault_fits(const struct state *state, const void *answer)
{
    const struct fault_answer *fault = answer;
    enum kind kind = atomic_load(&state->kind);

    if (kind == ABSENT) {
        return fault->result == FAULT_UNHANDLED && fault->entered == NULL;
    }
    if (kind == FRAME && fault->result == FAULT_RESTART) {
        return fault->entered == NULL;
    }
    return fault->result == FAULT_HANDLED && fault->entered == atomic_load(&state->device);
}

static void fault(struct reader *reader, struct slot *slot)
{
    struct fault_answer answer;
    struct seen seen = seen_begin(slot);

    reader->entered = NULL;
    answer.result = vm_memory_handle_fault(&world.vm, &reader->vcpu, slot->base + 16, 4);
    answer.entered = reader->entered;
    judge(reader, &seen, fault_fits, &answer, "fault");
    reader->tally.faults++;
}

/* Lazy or there: the guest tries again. */
static void fault_in_ram(struct reader *reader, unsigned page)
{
    uintptr_t addr = world.ram[page % FAULTING_PAGES].base + 64;

    if (vm_memory_handle_fault(&world.vm, &reader->vcpu, addr, 4) != FAULT_RESTART) {
        give_up("reader %u: fault at lazy 0x%jx isn't answered", reader->number, (uintmax_t)addr);
    }
    reader->tally.faults++;
}

/* -------------------------------------------------------------------------- accesses */

struct read_answer {
    int error;
    uint64_t words[64];
    size_t count;
};

static bool read_fits(const struct state *state, const void *answer)
{
    const struct read_answer *read = answer;
    enum kind kind = atomic_load(&state->kind);
    uint64_t value = atomic_load(&state->value);

    if (kind == ABSENT || kind == DEVICE) {
        return read->error == GUESTMEM_EUNMAPPED;
    }
    for (size_t i = 0; i < read->count; i++) {
        if (read->words[i] != (kind == FRAME ? pattern(value) : value)) {
            return false;
        }
    }
    return read->error == GUESTMEM_OK;
}

static void read_slot(struct reader *reader, struct slot *slot)
{
    struct read_answer answer = {.count = 64};
    uintptr_t offset = next_random(&reader->random) % (PAGE - sizeof(answer.words)) & ~7u;
    struct seen seen = seen_begin(slot);

    answer.error =
        guestmem_ram_read(&world.vm, slot->base + offset, answer.words, sizeof(answer.words));
    judge(reader, &seen, read_fits, &answer, "read");
    reader->tally.accesses++;
}

/* One word, at either end: RAM is written while it is read. */
static void load_word(struct reader *reader, struct slot *slot)
{
    struct read_answer answer = {.count = 1};
    uintptr_t offset = next_random(&reader->random) % 2 == 0 ? 0 : PAGE - 8;
    struct seen seen = seen_begin(slot);

    answer.error = guestmem_ram_load_acquire(&world.vm, slot->base + offset, 8, &answer.words[0]);
    judge(reader, &seen, read_fits, &answer, "load");
    reader->tally.accesses++;
}

/* What a span shows stays where it is until the section ends, whatever the writer does. */
static void use_span(struct reader *reader, struct slot *slot)
{
    struct read_answer answer = {.count = 64};
    struct guestmem_span span;
    struct seen seen = seen_begin(slot);

    answer.error = guestmem_ram_span(&world.vm, slot->base, PAGE, &span);
    if (answer.error == GUESTMEM_OK) {
        memcpy(answer.words, span.address, sizeof(answer.words));
    }
    judge(reader, &seen, read_fits, &answer, "span");
    for (unsigned i = 0; i < 4; i++) {
        look_up(reader, &world.slots[next_random(&reader->random) % SLOTS]);
        sched_yield();
    }
    if (answer.error == GUESTMEM_OK && memcmp(answer.words, span.address, sizeof(answer.words))) {
        give_up("reader %u: span of 0x%jx changed in its section", reader->number,
                (uintmax_t)slot->base);
    }
    reader->tally.accesses++;
}

/* The same with pieces of RAM, which the writer writes to meanwhile, and takes away if it may. What
 * is in a piece later is of a version later. */
static void use_pieces(struct reader *reader)
{
    unsigned first = next_random(&reader->random) % (RAM_PAGES - 1);
    struct guestmem_buffer buffers[2] = {{world.ram[first].base, 64},
                                         {world.ram[first + 1].base + 8, PAGE - 8}};
    struct guestmem_iovec pieces[2];
    struct read_answer answer = {.count = 1};
    struct seen seen = seen_begin(&world.ram[first]);
    size_t count;

    answer.error = guestmem_ram_iovec(&world.vm, buffers, 2, pieces, 2, &count);
    if (answer.error != GUESTMEM_OK || count != 2) {
        give_up("reader %u: pieces of RAM at 0x%jx: %s", reader->number, (uintmax_t)buffers[0].base,
                guestmem_strerror(answer.error));
    }
    for (unsigned i = 0; i < 2; i++) {
        look_up(reader, &world.slots[next_random(&reader->random) % SLOTS]);
        sched_yield();
        answer.words[0] = __atomic_load_n((uint64_t *)pieces[0].iov_base, __ATOMIC_ACQUIRE);
        judge(reader, &seen, read_fits, &answer, "piece");
    }
    reader->tally.accesses++;
}

/* ----------------------------------------------------------------------------- the rest */

static int touch(vm_t *vm, uintptr_t addr, void *vaddr, size_t size, size_t offset, void *word)
{
    (void)vm;
    (void)addr;
    (void)size;
    if (offset == 0) {
        *(uint64_t *)word = __atomic_load_n((uint64_t *)vaddr, __ATOMIC_ACQUIRE);
    }
    return 0;
}

static int count_entry(const struct guestmem_map_entry *entry, void *count)
{
    *(unsigned *)count += entry->size != 0;
    return 0;
}

/* Calls that aren't a reader's: they wait for their turn. */
static void take_a_turn(struct reader *reader, struct slot *page)
{
    struct read_answer answer = {.count = 1};
    struct guestmem_stats stats;
    unsigned count = 0;
    struct seen seen = seen_begin(page);

    answer.error = vm_ram_touch(&world.vm, page->base, 8, touch, answer.words);
    judge(reader, &seen, read_fits, &answer, "touch");
    if (guestmem_walk(&world.vm, count_entry, &count) != 0 || count == 0 ||
        count > SLOTS + THREADS_MAX + 1 || guestmem_get_stats(&world.vm, &stats) != GUESTMEM_OK ||
        stats.reservations > SLOTS + THREADS_MAX + 1) {
        give_up("reader %u: a walk or the statistics are of no state", reader->number);
    }
    reader->tally.turns++;
}

/* ------------------------------------------------------------------------- the thread */

static void one_thing(struct reader *reader)
{
    uint32_t choice = next_random(&reader->random);
    struct slot *slot = &world.slots[choice / 16 % SLOTS];

    switch (choice % 16) {
    case 0:
    case 1:
    case 2:
        fault(reader, slot);
        break;
    case 3:
        fault_in_ram(reader, choice / 16);
        break;
    case 4:
    case 5:
    case 6:
        read_slot(reader, slot);
        break;
    case 7:
        load_word(reader, slot);
        break;
    case 8:
    case 9:
        load_word(reader, &world.ram[choice / 16 % RAM_PAGES]);
        break;
    case 10:
        if (choice / 16 % 8 == 0) {
            take_a_turn(reader, &world.ram[choice / 128 % RAM_PAGES]);
            break;
        }
        look_up(reader, slot);
        break;
    default:
        look_up(reader, slot);
        break;
    }
}

/* As a vcpu's exit: a few things in one section. Spans are for those who have one. */
static void section(struct reader *reader)
{
    unsigned count = next_random(&reader->random) % 8;

    guestmem_read_begin(&world.vm);
    if (reader->registered && world.gives_pointers) {
        switch (next_random(&reader->random) % 8) {
        case 0:
        case 1:
            use_span(reader, &world.slots[next_random(&reader->random) % SLOTS]);
            break;
        case 2:
            use_pieces(reader);
            break;
        default:
            break;
        }
    }
    for (unsigned i = 0; i < count; i++) {
        one_thing(reader);
    }
    guestmem_read_end(&world.vm);
    reader->tally.sections++;
}

void *reader_run(void *argument)
{
    struct reader *reader = argument;

    reader->vcpu.vm = &world.vm;
    if (reader->registered && guestmem_reader_register(&world.vm) != GUESTMEM_OK) {
        give_up("reader %u can't register", reader->number);
    }
    while (!atomic_load(&world.stop)) {
        section(reader);
        one_thing(reader);
    }
    if (reader->registered && guestmem_reader_unregister(&world.vm) != GUESTMEM_OK) {
        give_up("reader %u can't unregister", reader->number);
    }
    return NULL;
}
