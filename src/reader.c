/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "reader.h"

#include <string.h>

#include "failure.h"
#include "space.h"

_Thread_local struct gm_thread gm_thread;

/* ---------------------------------------------------------------------------------- sections */

/*
 * The epoch is loaded with acquire: who announces one has seen what was published before it. The
 * store is seq_cst: it comes before the loads of what is published, which are seq_cst too; so either a
 * change that looks at the readers afterwards sees this one, or this one sees what it published. An
 * old epoch only makes changes wait that needn't.
 */
static void announce(struct gm_reader *reader, const struct gm_readers *readers)
{
    uint64_t epoch = atomic_load_explicit(&readers->epoch, memory_order_acquire);

    atomic_store_explicit(&reader->epoch, epoch, memory_order_seq_cst);
}

/* release: what was read in the section was read before a change takes it for ended. */
static void leave(struct gm_reader *reader)
{
    atomic_store_explicit(&reader->epoch, 0, memory_order_release);
}

/* The same for those that share a count. Counted late, for an epoch long gone, it is taken for one of
 * the present epoch or of the one before, and keeps that from ending: move_on(). */
static uint64_t visit(struct gm_readers *readers)
{
    uint64_t epoch = atomic_load_explicit(&readers->epoch, memory_order_acquire);

    atomic_fetch_add_explicit(&readers->visitors[epoch & 1], 1, memory_order_seq_cst);
    return epoch;
}

struct gm_section gm_section_begin(struct gm_space *space)
{
    struct gm_section section = {NULL, 0};

    if (!space->readers.shared) {
        return section;
    }
    section.reader = gm_reader_here(space);
    if (section.reader == NULL) {
        section.visited = visit(&space->readers);
    } else if (section.reader->depth++ == 0) {
        announce(section.reader, &space->readers);
    }
    return section;
}

void gm_section_end(struct gm_space *space, const struct gm_section *section)
{
    if (section->reader != NULL) {
        if (--section->reader->depth == 0) {
            leave(section->reader);
        }
    } else if (section->visited != 0) {
        /* release, as in leave() */
        atomic_fetch_sub_explicit(&space->readers.visitors[section->visited & 1], 1,
                                  memory_order_release);
    }
}

struct gm_recent *gm_section_recent(struct gm_space *space, const struct gm_section *section)
{
    if (section->reader != NULL) {
        return &section->reader->recent;
    }
    return section->visited != 0 ? NULL : &space->recent;
}

void gm_readers_pause_here(void)
{
    for (struct gm_reader *reader = gm_thread.readers; reader != NULL; reader = reader->next_here) {
        if (reader->depth > 0) {
            leave(reader);
        }
    }
}

void gm_readers_resume_here(void)
{
    for (struct gm_reader *reader = gm_thread.readers; reader != NULL; reader = reader->next_here) {
        if (reader->depth > 0) {
            announce(reader, &reader->space->readers);
        }
    }
}

unsigned gm_reader_set_aside(struct gm_reader *reader)
{
    unsigned depth = reader->depth;

    if (depth > 0) {
        reader->depth = 0;
        leave(reader);
    }
    return depth;
}

void gm_reader_put_back(struct gm_reader *reader, unsigned depth)
{
    if (depth > 0) {
        reader->depth = depth;
        announce(reader, &reader->space->readers);
    }
}

/* ----------------------------------------------------------------------------------- waiting */

void gm_readers_relax(struct gm_space *space)
{
    if (space->readers.wait != NULL) {
        space->readers.wait(space->readers.wait_cookie);
    } else {
        seL4_Yield();
    }
}

uint64_t gm_readers_epoch(const struct gm_space *space)
{
    /* relaxed: only who has the turn writes it */
    return atomic_load_explicit(&space->readers.epoch, memory_order_relaxed);
}

/* Move the epoch on, unless somebody is still in the one before. */
static bool move_on(struct gm_readers *readers)
{
    uint64_t epoch = atomic_load_explicit(&readers->epoch, memory_order_relaxed);

    for (const struct gm_reader *reader = readers->list; reader != NULL; reader = reader->next) {
        /* seq_cst: after what was published before; see announce() */
        uint64_t announced = atomic_load_explicit(&reader->epoch, memory_order_seq_cst);

        if (announced != 0 && announced != epoch) {
            return false;
        }
    }
    if (atomic_load_explicit(&readers->visitors[(epoch + 1) & 1], memory_order_seq_cst) != 0) {
        return false;
    }
    atomic_store_explicit(&readers->epoch, epoch + 1, memory_order_seq_cst);
    return true;
}

bool gm_readers_have_left(struct gm_space *space, uint64_t epoch)
{
    while (gm_readers_epoch(space) < epoch + 2) {
        if (!move_on(&space->readers)) {
            return false;
        }
    }
    return true;
}

void gm_readers_wait(struct gm_space *space)
{
    uint64_t epoch = gm_readers_epoch(space);

    if (!space->readers.shared) {
        return;
    }
    while (!gm_readers_have_left(space, epoch)) {
        gm_readers_relax(space);
    }
    gm_parcels_collect(space);
}

/* ------------------------------------------------------------------------------------ parcels */

void *gm_parcel_new(struct gm_space *space, size_t size)
{
    struct gm_parcel *parcel = gm_alloc(space, sizeof(*parcel) + size);

    if (parcel == NULL) {
        return NULL;
    }
    parcel->size = sizeof(*parcel) + size;
    return parcel + 1;
}

void gm_parcel_free(struct gm_space *space, void *block)
{
    struct gm_parcel *parcel = block == NULL ? NULL : (struct gm_parcel *)block - 1;

    if (parcel != NULL) {
        gm_free(space, parcel, parcel->size);
    }
}

void gm_parcel_retire(struct gm_space *space, void *block, uint64_t epoch)
{
    struct gm_parcel *parcel = block == NULL ? NULL : (struct gm_parcel *)block - 1;

    if (parcel == NULL) {
        return;
    }
    if (!space->readers.shared) {
        gm_parcel_free(space, block);
        return;
    }
    parcel->epoch = epoch;
    parcel->next = space->readers.retired;
    space->readers.retired = parcel;
}

void gm_parcels_collect(struct gm_space *space)
{
    struct gm_parcel **link = &space->readers.retired;

    while (*link != NULL) {
        struct gm_parcel *parcel = *link;

        if (gm_readers_have_left(space, parcel->epoch)) {
            *link = parcel->next;
            gm_free(space, parcel, parcel->size);
        } else {
            link = &parcel->next;
        }
    }
}

bool gm_readers_are_there(const struct gm_space *space)
{
    const struct gm_reader *reader = space->readers.list;

    return reader != NULL &&
           (reader != gm_reader_here(space) || reader->next != NULL || reader->depth > 0);
}

static void unlink_reader(struct gm_space *space, const struct gm_reader *reader)
{
    struct gm_reader **link = &space->readers.list;

    while (*link != reader) {
        link = &(*link)->next;
    }
    *link = reader->next;
    for (link = &gm_thread.readers; *link != reader; link = &(*link)->next_here) {
    }
    *link = reader->next_here;
}

/* relaxed: each number by itself is what it is; they are not of one moment */
void gm_faults_add(struct guestmem_stats *stats, const struct gm_fault_counts *counts)
{
    stats->faults += atomic_load_explicit(&counts->all, memory_order_relaxed);
    stats->faults_unhandled += atomic_load_explicit(&counts->unhandled, memory_order_relaxed);
}

void gm_readers_drop(struct gm_space *space)
{
    struct gm_reader *reader = space->readers.list;

    if (reader != NULL) {
        unlink_reader(space, reader);
        gm_free(space, reader, sizeof(*reader));
    }
    if (space->readers.shared) {
        gm_turn_give(space);
    }
    while (space->readers.retired != NULL) {
        struct gm_parcel *parcel = space->readers.retired;

        space->readers.retired = parcel->next;
        gm_free(space, parcel, parcel->size);
    }
}

/* -------------------------------------------------------------------------------- the public */

int guestmem_reader_register(vm_t *vm)
{
    struct gm_space *space = gm_begin(vm);
    struct gm_reader *reader = NULL;
    int error = GUESTMEM_OK;

    if (space == NULL) {
        return GUESTMEM_EINVAL;
    }
    if (gm_reader_here(space) != NULL) {
        error = gm_fail(space, GUESTMEM_EBUSY, "register the thread a second time", 0);
    } else if (!space->readers.shared && gm_space_is_busy(space)) {
        error = gm_fail(space, GUESTMEM_EBUSY, "share the VM from inside a callback", 0);
    } else {
        reader = gm_alloc(space, sizeof(*reader));
        error = reader != NULL ? GUESTMEM_OK
                               : gm_fail(space, GUESTMEM_ENOMEM, "note the reader", 0);
    }
    if (error == GUESTMEM_OK && !space->readers.shared) {
        error = gm_space_share(space);
    }
    if (error != GUESTMEM_OK) {
        gm_free(space, reader, sizeof(*reader));
        return gm_end(space, error, "guestmem_reader_register", 0, 0);
    }
    memset(reader, 0, sizeof(*reader));
    reader->space = space;
    reader->next = space->readers.list;
    space->readers.list = reader;
    reader->next_here = gm_thread.readers;
    gm_thread.readers = reader;
    return gm_end(space, GUESTMEM_OK, "guestmem_reader_register", 0, 0);
}

int guestmem_reader_unregister(vm_t *vm)
{
    struct gm_space *space = gm_begin(vm);
    struct gm_reader *reader;
    int error = GUESTMEM_OK;

    if (space == NULL) {
        return GUESTMEM_EINVAL;
    }
    reader = gm_reader_here(space);
    if (reader == NULL) {
        error = gm_fail(space, GUESTMEM_EINVAL, "find the thread among the readers", 0);
    } else if (reader->depth > 0 || gm_thread.callbacks > 0) {
        error = gm_fail(space, GUESTMEM_EBUSY, "end a reader inside its section or a callback", 0);
    } else {
        unlink_reader(space, reader);
        gm_faults_add(&space->stats, &reader->faults); /* they stay the VM's */
        gm_free(space, reader, sizeof(*reader));
    }
    return gm_end(space, error, "guestmem_reader_unregister", 0, 0);
}

void guestmem_read_begin(vm_t *vm)
{
    struct gm_space *space = gm_space_of(vm);
    struct gm_reader *reader = space == NULL ? NULL : gm_reader_here(space);

    if (reader != NULL && reader->depth++ == 0) {
        announce(reader, &space->readers);
    }
}

void guestmem_read_end(vm_t *vm)
{
    struct gm_space *space = gm_space_of(vm);
    struct gm_reader *reader = space == NULL ? NULL : gm_reader_here(space);

    if (reader != NULL && reader->depth > 0 && --reader->depth == 0) {
        leave(reader);
    }
}

uint64_t guestmem_generation(vm_t *vm)
{
    const struct gm_space *space = gm_space_of(vm);

    return space == NULL ? 0 : gm_generation(space);
}

int guestmem_set_wait(vm_t *vm, void (*wait)(void *cookie), void *cookie)
{
    struct gm_space *space = gm_begin(vm);

    if (space == NULL) {
        return GUESTMEM_EINVAL;
    }
    space->readers.wait = wait;
    space->readers.wait_cookie = cookie;
    return gm_end(space, GUESTMEM_OK, "guestmem_set_wait", 0, 0);
}
