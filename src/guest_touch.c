/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * sel4vm/guest_ram.h: touching RAM, by the same look-up as guestmem/access.h.
 */
/* first: a tree's headers lean on this one */
#include <sel4vm/guest_vm.h>

#include <sel4vm/guest_ram.h>
#include <string.h>

#include "look.h"
#include "window.h"

/* One touch under way. */
struct touch {
    vm_t *vm;
    uintptr_t start;
    uintptr_t last;
    ram_touch_callback_fn callback;
    void *cookie;
};

/* How far it is, and where. */
struct progress {
    uintptr_t at;
    struct gm_seen_part part;
    bool has_turn;
    unsigned pinned; /* in the window, while a callback may use the part; 0: nothing */
};

static void unpin(struct gm_space *space, struct progress *progress)
{
    gm_window_unpin(space, progress->pinned);
    progress->pinned = 0;
}

/* Find the part of the next piece, since it is behind the present part or a callback took that
 * away. What isn't noted is found under the turn, which is kept from then on. */
static int find_part(struct gm_space *space, const struct touch *touch, struct progress *progress)
{
    struct gm_look look = {.space = space};

    if (!progress->has_turn) {
        look = gm_look_in_section(space);
        if (gm_look_at(&look, progress->at, touch->last, &progress->part) == GUESTMEM_OK &&
            gm_seen_is_ram(&progress->part)) {
            return GUESTMEM_OK;
        }
        gm_turn_take(space);
        progress->has_turn = true;
    }
    unpin(space, progress);
    if (gm_show_at(space, progress->at, touch->last, &progress->part) != GUESTMEM_OK) {
        return space->failure.error;
    }
    if (!gm_seen_is_ram(&progress->part)) { /* as a callback left it */
        return gm_fail(space, GUESTMEM_EUNMAPPED, "go on where there is no RAM any more", 0);
    }
    if (space->taking == 0) {
        gm_room_settle(space); /* the view stays, however the next call ends */
    }
    progress->pinned = gm_seen_slot(&progress->part);
    gm_window_pin(space, progress->pinned);
    return GUESTMEM_OK;
}

/* Call the callback piece by piece. */
static int touch_all(struct gm_space *space, const struct touch *touch, struct progress *progress)
{
    const uintptr_t mask = ((uintptr_t)1 << seL4_PageBits) - 1;
    const struct gm_seen_part *part = &progress->part;

    for (;;) {
        uintptr_t at = progress->at;
        uintptr_t last = (at | mask) < touch->last ? at | mask : touch->last;
        int result;

        if (at > part->last || part->generation != gm_generation(space)) {
            int error = find_part(space, touch, progress);

            if (error != GUESTMEM_OK) {
                gm_turn_take(space); /* which the end gives back */
                return gm_end_logged(space, error, "vm_ram_touch", touch->start,
                                     touch->last - touch->start + 1);
            }
        }
        result = touch->callback(touch->vm, at, gm_seen_address(part, at), last - at + 1,
                                 at - touch->start, touch->cookie);
        if (result != 0 || last == touch->last) {
            return result;
        }
        progress->at = last + 1;
    }
}

/* All of it has been seen, and the calling thread is in a section. */
static int touch_seen(struct gm_space *space, const struct touch *touch,
                      const struct gm_seen_part *part)
{
    struct progress progress = {.at = touch->start, .part = *part};
    bool alone = !space->readers.shared; /* else only who has the turn may write this */
    int result;

    if (alone) {
        space->busy++;
    }
    result = touch_all(space, touch, &progress);
    if (alone) {
        space->busy--;
    }
    if (progress.has_turn) {
        unpin(space, &progress);
        gm_turn_give(space);
    }
    return result;
}

static int touch_shown(struct gm_space *space, const struct touch *touch)
{
    struct progress progress = {
        .at = touch->start, .part = {.generation = GM_SEEN_NEVER}, .has_turn = true};
    int result;

    space->busy++;
    result = touch_all(space, touch, &progress);
    space->busy--;
    unpin(space, &progress);
    gm_window_settle(space);
    return result;
}

/* The whole way. */
static int show_and_touch(const struct touch *touch, size_t size)
{
    struct guestmem_buffer range = {touch->start, size};
    struct gm_space *space = gm_begin(touch->vm);
    struct gm_show show = {
        .space = space, .ranges = &range, .count = 1, .ram_only = true, .with_devices = true};
    int error = GUESTMEM_EINVAL;
    int result;

    if (space == NULL) {
        return gm_end_logged(space, error, "vm_ram_touch", touch->start, size);
    }
    gm_turn_take(space); /* the end of showing gives one back */
    error = touch->callback == NULL ? gm_fail(space, error, "there is no callback", 0)
                                    : gm_show_begin(&show);
    if (error == GUESTMEM_OK) {
        gm_show_end(&show, true);
    }
    if (gm_end_logged(space, error, "vm_ram_touch", touch->start, size) != 0) {
        gm_turn_give(space);
        return -1;
    }
    result = touch_shown(space, touch);
    gm_turn_give(space);
    return result;
}

/* All but the short way. Views that may be evicted are held on to, which takes the turn. */
__attribute__((noinline)) static int touch_range(struct gm_space *space, const struct touch *touch,
                                                 size_t size)
{
    struct gm_section section;
    struct gm_look look;
    struct gm_seen_part part;
    bool has;
    int result = 0;

    /* A thread that isn't registered has no section that a change by its callback could end. */
    if (space == NULL || touch->callback == NULL ||
        (space->readers.shared && gm_reader_here(space) == NULL)) {
        return show_and_touch(touch, size);
    }
    section = gm_section_begin(space);
    look = gm_look_in_section(space);
    has = gm_look_has(&look, touch->start, size, true, &part) && gm_seen_slot(&part) == 0;
    if (has) {
        gm_look_remember(space, &section, &part, touch->last);
        gm_look_at(&look, touch->start, touch->start, &part);
        result = touch_seen(space, touch, &part);
    }
    gm_section_end(space, &section);
    return has ? result : show_and_touch(touch, size);
}

/* All of it is in one part, and the calling thread is in a section. Not inlined, so that the touch
 * of a piece saves no registers for it. */
__attribute__((noinline)) static int touch_part(struct gm_here here, const struct touch *touch)
{
    return touch_seen(here.space, touch, here.part);
}

/* Devices touch a descriptor at a time: one piece takes the short way. */
int vm_ram_touch(vm_t *vm, uintptr_t addr, size_t size, ram_touch_callback_fn touch_callback,
                 void *cookie)
{
    const uintptr_t mask = ((uintptr_t)1 << seL4_PageBits) - 1;
    uintptr_t last = addr + (size - 1);
    struct gm_here here = gm_here(vm, addr);
    char *at = gm_look_again(here, addr, size);
    int result;

    if (at == NULL || !gm_seen_is_ram(here.part) || touch_callback == NULL) {
        return touch_range(here.space, &(struct touch){vm, addr, last, touch_callback, cookie},
                           size);
    }
    if (((addr ^ last) & ~mask) != 0) {
        return touch_part(here, &(struct touch){vm, addr, last, touch_callback, cookie});
    }
    if (here.space->readers.shared) { /* as in touch_seen() */
        return touch_callback(vm, addr, at, size, 0, cookie);
    }
    here.space->busy++;
    result = touch_callback(vm, addr, at, size, 0, cookie);
    here.space->busy--;
    return result;
}

int vm_guest_ram_read_callback(vm_t *vm, uintptr_t guest_addr, void *vaddr, size_t size,
                               size_t offset, void *buf)
{
    (void)vm;
    (void)guest_addr;
    memcpy((char *)buf + offset, vaddr, size);
    return 0;
}

int vm_guest_ram_write_callback(vm_t *vm, uintptr_t guest_addr, void *vaddr, size_t size,
                                size_t offset, void *buf)
{
    (void)vm;
    (void)guest_addr;
    memcpy(vaddr, (const char *)buf + offset, size);
    return 0;
}
