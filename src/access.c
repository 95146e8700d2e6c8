/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * guestmem/access.h: bytes and words.
 *
 *      the part used last    -> move the bytes
 *      a section, the index  -> all of it is seen: move the bytes part by part
 *      the turn              -> check, populate, show (show.h); move the bytes; note what is seen
 */
#include <guestmem/access.h>

#include <string.h>

#include "alias.h"
#include "look.h"
#include "reservation.h"
#include "window.h"

/* A call that moves bytes between the VMM's memory, or none, and one guest range. */
struct access {
    const char *name;
    uintptr_t gpa;
    size_t size;
    void (*move)(const struct access *access, char *at, size_t offset, size_t size);
    char *bytes;    /* the VMM's */
    uint64_t value; /* of a fill or a store */
    bool release;   /* of a store; of a load: acquire */
    bool invalid;   /* what else there is of arguments */
    bool is_code;   /* the guest may run it afterwards */
};

static uintptr_t last_of(const struct access *access)
{
    return access->gpa + (access->size - 1);
}

/* -------------------------------------------------------------------------------- many parts */

static int move_parts(const struct gm_look *look, const struct access *access)
{
    uintptr_t last = last_of(access);

    for (uintptr_t at = access->gpa;;) {
        struct gm_seen_part part;
        int error = gm_look_at(look, at, last, &part);
        uintptr_t until;

        if (error != GUESTMEM_OK) {
            return error;
        }
        until = part.last < last ? part.last : last;
        access->move(access, gm_seen_address(&part, at), at - access->gpa, until - at + 1);
        if (until == last) {
            return GUESTMEM_OK;
        }
        at = until + 1;
    }
}

/* Done, if all of it has been seen before. */
static bool move_seen(struct gm_space *space, const struct access *access)
{
    struct gm_section section = gm_section_begin(space);
    struct gm_look look = gm_look_in_section(space);
    struct gm_seen_part part;
    bool has = gm_look_has(&look, access->gpa, access->size, false, &part);

    if (has) {
        gm_look_remember(space, &section, &part, last_of(access));
        if (part.base <= access->gpa) {
            access->move(access, gm_seen_address(&part, access->gpa), 0, access->size);
        } else {
            move_parts(&look, access);
        }
    }
    gm_section_end(space, &section);
    return has;
}

/* All of it is shown. */
static int sync_parts(struct gm_space *space, uintptr_t base, uintptr_t last)
{
    for (uintptr_t at = base;;) {
        struct gm_seen_part part;
        int error = gm_show_at(space, at, last, &part);
        uintptr_t until = part.last < last ? part.last : last;

        if (error == GUESTMEM_OK) {
            error = gm_alias_sync(space, gm_reservation_find(space, at), at, until);
        }
        if (error != GUESTMEM_OK || until == last) {
            return error;
        }
        at = until + 1;
    }
}

/* `keep`: what was populated is kept, since bytes have moved there. */
static int move_shown(struct gm_space *space, const struct access *access, bool *keep)
{
    struct gm_look look = {.space = space};
    int error = access->move == NULL ? GUESTMEM_OK : move_parts(&look, access);

    *keep = error == GUESTMEM_OK;
    if (error == GUESTMEM_OK && access->is_code) {
        error = sync_parts(space, access->gpa, last_of(access));
        *keep = error == GUESTMEM_OK || access->move != NULL;
    }
    return error;
}

/* The whole way, for whatever the short ones don't do. Not inlined: they would save registers for
 * it. */
__attribute__((noinline)) static int move(vm_t *vm, const struct access *access)
{
    struct gm_space *space = gm_space_of(vm);
    struct guestmem_buffer range = {access->gpa, access->size};
    struct gm_show show = {.ranges = &range, .count = 1};
    int error;

    if (space == NULL) {
        return GUESTMEM_EINVAL;
    }
    if (!access->invalid && !access->is_code && move_seen(space, access)) {
        return GUESTMEM_OK;
    }
    show.space = gm_begin(vm);
    error = access->invalid ? gm_fail(space, GUESTMEM_EINVAL, "check the arguments", 0)
                            : gm_show_begin(&show);
    if (error == GUESTMEM_OK) {
        bool keep;

        error = move_shown(space, access, &keep);
        gm_show_end(&show, keep);
    }
    return gm_end(space, error, access->name, access->gpa, access->size);
}

/* -------------------------------------------------------------------------------- many bytes */

/* The sizes that rings and registers are made of are moved by one instruction. */
static inline void copy(void *to, const void *from, size_t size)
{
    if (size == 4) {
        memcpy(to, from, 4);
    } else if (size == 8) {
        memcpy(to, from, 8);
    } else {
        memcpy(to, from, size);
    }
}

static void move_from_guest(const struct access *access, char *at, size_t offset, size_t size)
{
    memcpy(access->bytes + offset, at, size);
}

static void move_to_guest(const struct access *access, char *at, size_t offset, size_t size)
{
    memcpy(at, access->bytes + offset, size);
}

static void fill(const struct access *access, char *at, size_t offset, size_t size)
{
    (void)offset;
    memset(at, (int)access->value, size);
}

static bool writes_code(const vm_t *vm)
{
    return vm != NULL && vm->mem.clean_cache;
}

/* Not inlined, as below: what they save registers for isn't done on the short way. */
__attribute__((noinline)) static int read_further(struct gm_here here, vm_t *vm, uintptr_t gpa,
                                                  void *to, size_t size)
{
    const char *from = gm_look_further(here, gpa, size);

    if (from == NULL || to == NULL) {
        return move(vm, &(struct access){.name = "guestmem_ram_read",
                                         .gpa = gpa,
                                         .size = size,
                                         .move = move_from_guest,
                                         .bytes = to,
                                         .invalid = to == NULL});
    }
    copy(to, from, size);
    return GUESTMEM_OK;
}

int guestmem_ram_read(vm_t *vm, uintptr_t gpa, void *to, size_t size)
{
    struct gm_here here = gm_here(vm, gpa);
    const char *from = gm_look_again(here, gpa, size);

    if (from == NULL || to == NULL) {
        return read_further(here, vm, gpa, to, size);
    }
    copy(to, from, size);
    return GUESTMEM_OK;
}

__attribute__((noinline)) static int write_further(struct gm_here here, vm_t *vm, uintptr_t gpa,
                                                   const void *from, size_t size)
{
    char *to = gm_look_further(here, gpa, size);

    if (to == NULL || from == NULL || writes_code(vm)) {
        return move(vm, &(struct access){.name = "guestmem_ram_write",
                                         .gpa = gpa,
                                         .size = size,
                                         .move = move_to_guest,
                                         .bytes = (char *)(uintptr_t)from,
                                         .invalid = from == NULL,
                                         .is_code = writes_code(vm)});
    }
    copy(to, from, size);
    return GUESTMEM_OK;
}

int guestmem_ram_write(vm_t *vm, uintptr_t gpa, const void *from, size_t size)
{
    struct gm_here here = gm_here(vm, gpa);
    char *to = gm_look_again(here, gpa, size);

    if (to == NULL || from == NULL || writes_code(vm)) {
        return write_further(here, vm, gpa, from, size);
    }
    copy(to, from, size);
    return GUESTMEM_OK;
}

int guestmem_ram_fill(vm_t *vm, uintptr_t gpa, uint8_t byte, size_t size)
{
    return move(vm, &(struct access){.name = "guestmem_ram_fill",
                                     .gpa = gpa,
                                     .size = size,
                                     .move = fill,
                                     .value = byte,
                                     .is_code = writes_code(vm)});
}

int guestmem_ram_sync_code(vm_t *vm, uintptr_t gpa, size_t size)
{
    return move(vm,
                &(struct access){
                    .name = "guestmem_ram_sync_code", .gpa = gpa, .size = size, .is_code = true});
}

/* ------------------------------------------------------------------------ from guest to guest */

static size_t least(size_t a, size_t b, size_t c)
{
    size_t ab = a < b ? a : b;

    return ab < c ? ab : c;
}

/* The parts of two addresses, both in use until the next two are asked for. */
static int look_at_both(const struct gm_look *look, uintptr_t to, uintptr_t to_last, uintptr_t from,
                        uintptr_t from_last, struct gm_seen_part *target,
                        struct gm_seen_part *source)
{
    int error = gm_look_at(look, from, from_last, source);

    if (error != GUESTMEM_OK || look->seen != NULL) {
        return error == GUESTMEM_OK ? gm_look_at(look, to, to_last, target) : error;
    }
    gm_window_hold(look->space, gm_seen_slot(source));
    error = gm_look_at(look, to, to_last, target);
    gm_window_release(look->space);
    return error;
}

/* The first `left` bytes are still to be moved: as many of their last ones as both parts hold. */
static int copy_last(const struct gm_look *look, uintptr_t to, uintptr_t from, size_t left,
                     size_t *moved)
{
    uintptr_t to_last = to + (left - 1);
    uintptr_t from_last = from + (left - 1);
    struct gm_seen_part target;
    struct gm_seen_part source;
    int error = look_at_both(look, to_last, to_last, from_last, from_last, &target, &source);

    if (error == GUESTMEM_OK) {
        *moved = least(left, to_last - target.base + 1, from_last - source.base + 1);
        memmove(gm_seen_address(&target, to_last) + 1 - *moved,
                gm_seen_address(&source, from_last) + 1 - *moved, *moved);
    }
    return error;
}

static int copy_first(const struct gm_look *look, uintptr_t to, uintptr_t from, size_t left,
                      size_t *moved)
{
    struct gm_seen_part target;
    struct gm_seen_part source;
    int error = look_at_both(look, to, to + (left - 1), from, from + (left - 1), &target, &source);

    if (error == GUESTMEM_OK) {
        *moved = least(left, target.last - to + 1, source.last - from + 1);
        memmove(gm_seen_address(&target, to), gm_seen_address(&source, from), *moved);
    }
    return error;
}

/* In the direction in which nothing is overwritten before it is read. */
static int copy_parts(const struct gm_look *look, uintptr_t to, uintptr_t from, size_t size)
{
    size_t moved = 0;
    int error = GUESTMEM_OK;

    for (size_t done = 0; error == GUESTMEM_OK && done < size; done += moved) {
        error = to > from ? copy_last(look, to, from, size - done, &moved)
                          : copy_first(look, to + done, from + done, size - done, &moved);
    }
    return error;
}

static bool copy_seen(struct gm_space *space, uintptr_t to, uintptr_t from, size_t size)
{
    struct gm_section section = gm_section_begin(space);
    struct gm_look look = gm_look_in_section(space);
    struct gm_seen_part part;
    bool has =
        gm_look_has(&look, to, size, false, &part) && gm_look_has(&look, from, size, false, &part);

    if (has) {
        copy_parts(&look, to, from, size);
    }
    gm_section_end(space, &section);
    return has;
}

static int copy_shown(vm_t *vm, uintptr_t to, uintptr_t from, size_t size)
{
    struct guestmem_buffer ranges[] = {{from, size}, {to, size}};
    struct gm_show show = {.space = gm_begin(vm), .ranges = ranges, .count = 2};
    struct gm_look look = {.space = show.space};
    int error = gm_show_begin(&show);

    if (error == GUESTMEM_OK) {
        bool keep;

        error = copy_parts(&look, to, from, size);
        keep = error == GUESTMEM_OK;
        if (keep && writes_code(vm)) {
            error = sync_parts(show.space, to, to + (size - 1));
        }
        gm_show_end(&show, keep);
    }
    return gm_end(show.space, error, "guestmem_ram_copy", ranges[show.at & 1].base, size);
}

int guestmem_ram_copy(vm_t *vm, uintptr_t to, uintptr_t from, size_t size)
{
    struct gm_space *space = gm_space_of(vm);

    if (space == NULL) {
        return GUESTMEM_EINVAL;
    }
    if (!writes_code(vm) && copy_seen(space, to, from, size)) {
        return GUESTMEM_OK;
    }
    return copy_shown(vm, to, from, size);
}

/* -------------------------------------------------------------------------- one load or store */

/* relaxed is what one access takes: single, and ordered with nothing else. */
static inline uint64_t load_at(const void *at, size_t size, int order)
{
    switch (size) {
    case 1:
        return __atomic_load_n((const uint8_t *)at, order);
    case 2:
        return __atomic_load_n((const uint16_t *)at, order);
    case 4:
        return __atomic_load_n((const uint32_t *)at, order);
    default:
        return __atomic_load_n((const uint64_t *)at, order);
    }
}

static inline void store_at(void *at, size_t size, uint64_t value, int order)
{
    switch (size) {
    case 1:
        __atomic_store_n((uint8_t *)at, (uint8_t)value, order);
        break;
    case 2:
        __atomic_store_n((uint16_t *)at, (uint16_t)value, order);
        break;
    case 4:
        __atomic_store_n((uint32_t *)at, (uint32_t)value, order);
        break;
    default:
        __atomic_store_n((uint64_t *)at, value, order);
        break;
    }
}

/* Of a power of two up to 8 bytes, at a multiple of it: then the VMM's address is one too. */
static inline bool is_word(uintptr_t gpa, size_t size)
{
    return size - 1 < 8 && ((size | gpa) & (size - 1)) == 0;
}

static void load_part(const struct access *access, char *at, size_t offset, size_t size)
{
    uint64_t value =
        access->release ? load_at(at, size, __ATOMIC_ACQUIRE) : load_at(at, size, __ATOMIC_RELAXED);

    (void)offset;
    memcpy(access->bytes, &value, sizeof(value));
}

static void store_part(const struct access *access, char *at, size_t offset, size_t size)
{
    (void)offset;
    if (access->release) {
        store_at(at, size, access->value, __ATOMIC_RELEASE);
    } else {
        store_at(at, size, access->value, __ATOMIC_RELAXED);
    }
}

/* `order` is a constant of the caller's, so that there is one instruction for each size. */
static inline int load_further(struct gm_here here, vm_t *vm, uintptr_t gpa, size_t size,
                               uint64_t *value, int order, const char *name)
{
    bool invalid = value == NULL || !is_word(gpa, size);
    const char *at = invalid ? NULL : gm_look_further(here, gpa, size);

    if (at == NULL) {
        return move(vm, &(struct access){.name = name,
                                         .gpa = gpa,
                                         .size = size,
                                         .move = load_part,
                                         .bytes = (char *)value,
                                         .release = order == __ATOMIC_ACQUIRE,
                                         .invalid = invalid});
    }
    *value = load_at(at, size, order);
    return GUESTMEM_OK;
}

__attribute__((noinline)) static int load_relaxed(struct gm_here here, vm_t *vm, uintptr_t gpa,
                                                  size_t size, uint64_t *value)
{
    return load_further(here, vm, gpa, size, value, __ATOMIC_RELAXED, "guestmem_ram_load");
}

__attribute__((noinline)) static int load_acquire(struct gm_here here, vm_t *vm, uintptr_t gpa,
                                                  size_t size, uint64_t *value)
{
    return load_further(here, vm, gpa, size, value, __ATOMIC_ACQUIRE, "guestmem_ram_load_acquire");
}

int guestmem_ram_load(vm_t *vm, uintptr_t gpa, size_t size, uint64_t *value)
{
    struct gm_here here = gm_here(vm, gpa);
    const char *at = gm_look_again(here, gpa, size);

    if (at == NULL || value == NULL || !is_word(gpa, size)) {
        return load_relaxed(here, vm, gpa, size, value);
    }
    *value = load_at(at, size, __ATOMIC_RELAXED);
    return GUESTMEM_OK;
}

int guestmem_ram_load_acquire(vm_t *vm, uintptr_t gpa, size_t size, uint64_t *value)
{
    struct gm_here here = gm_here(vm, gpa);
    const char *at = gm_look_again(here, gpa, size);

    if (at == NULL || value == NULL || !is_word(gpa, size)) {
        return load_acquire(here, vm, gpa, size, value);
    }
    *value = load_at(at, size, __ATOMIC_ACQUIRE);
    return GUESTMEM_OK;
}

static inline int store_further(struct gm_here here, vm_t *vm, uintptr_t gpa, size_t size,
                                uint64_t value, int order, const char *name)
{
    char *at = is_word(gpa, size) ? gm_look_further(here, gpa, size) : NULL;

    if (at == NULL) {
        return move(vm, &(struct access){.name = name,
                                         .gpa = gpa,
                                         .size = size,
                                         .move = store_part,
                                         .value = value,
                                         .release = order == __ATOMIC_RELEASE,
                                         .invalid = !is_word(gpa, size)});
    }
    store_at(at, size, value, order);
    return GUESTMEM_OK;
}

__attribute__((noinline)) static int store_relaxed(struct gm_here here, vm_t *vm, uintptr_t gpa,
                                                   size_t size, uint64_t value)
{
    return store_further(here, vm, gpa, size, value, __ATOMIC_RELAXED, "guestmem_ram_store");
}

__attribute__((noinline)) static int store_release(struct gm_here here, vm_t *vm, uintptr_t gpa,
                                                   size_t size, uint64_t value)
{
    return store_further(here, vm, gpa, size, value, __ATOMIC_RELEASE,
                         "guestmem_ram_store_release");
}

int guestmem_ram_store(vm_t *vm, uintptr_t gpa, size_t size, uint64_t value)
{
    struct gm_here here = gm_here(vm, gpa);
    char *at = gm_look_again(here, gpa, size);

    if (at == NULL || !is_word(gpa, size)) {
        return store_relaxed(here, vm, gpa, size, value);
    }
    store_at(at, size, value, __ATOMIC_RELAXED);
    return GUESTMEM_OK;
}

int guestmem_ram_store_release(vm_t *vm, uintptr_t gpa, size_t size, uint64_t value)
{
    struct gm_here here = gm_here(vm, gpa);
    char *at = gm_look_again(here, gpa, size);

    if (at == NULL || !is_word(gpa, size)) {
        return store_release(here, vm, gpa, size, value);
    }
    store_at(at, size, value, __ATOMIC_RELEASE);
    return GUESTMEM_OK;
}
