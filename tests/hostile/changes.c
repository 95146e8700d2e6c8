/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * What the VMM does to a VM's memory, from its callbacks and between programs.
 */
#include "hostile.h"

#include <inttypes.h>
#include <string.h>

static struct slot *any_slot(struct player *player)
{
    return &player->slots[one_in(12) ? SMALL_SLOTS + random_below(LARGE_SLOTS)
                                     : random_below(SMALL_SLOTS)];
}

static void remake(struct player *player)
{
    struct slot *slot = any_slot(player);

    if (slot_free(slot)) {
        (void)slot_make(slot, (enum kind)random_below(KINDS));
    }
}

/* Somebody else takes what was just freed, so that it has a new owner at once. */
static void trade(struct player *player)
{
    struct player *other = &world.players[1 - player->number];
    struct slot *mine = any_slot(player);
    enum kind kind = mine->kind;
    struct slot *theirs = &other->slots[mine->number];

    if (!other->alive || !slot_free(theirs) || !slot_free(mine)) {
        return;
    }
    if (slot_make(theirs, kind)) {
        count_one("changes", "trade");
    }
}

static void rights(struct player *player)
{
    static const enum kind kinds[] = {KIND_MAPPED, KIND_ROM, KIND_HIDDEN};
    struct slot *slot = any_slot(player);

    if (slot->kind != KIND_RAM && slot->kind != KIND_MAPPED && slot->kind != KIND_ROM &&
        slot->kind != KIND_HIDDEN) {
        return;
    }
    (void)slot_restrict(slot, slot->ram && one_in(3) ? KIND_RAM : kinds[random_below(3)]);
}

static void discard(struct player *player)
{
    struct slot *slot = any_slot(player);
    unsigned first = random_below(SLOT_PAGES);
    uint64_t base = slot->base + first * PAGE;
    uint64_t size = (1 + random_below(SLOT_PAGES - first)) * PAGE;

    if (!slot->ram || slot->kind == KIND_ROM || slot->kind == KIND_HIDDEN) {
        return;
    }
    if (slot->number >= SMALL_SLOTS) {
        base = slot->base;
        size = slot->size;
    }
    paint(player, base, size, POISON);
    if (guestmem_ram_discard(&player->vm, base, size) != GUESTMEM_OK) {
        paint(player, base, size, fill_byte(player));
        count_one("changes", "discard: failed");
        return;
    }
    for (uint64_t at = base; at < base + size; at += PAGE) {
        CHECK(page_bytes(player, at) == NULL, "VM %u: discarded memory is still mapped",
              player->number);
    }
    count_one("changes", "discard");
}

static void page_again(struct player *player)
{
    for (unsigned i = 0; i < SMALL_SLOTS; i++) {
        for (unsigned n = random_below(8); n > 0 && slot_page_again(&player->slots[i]); n--) {
            count_one("changes", "created page again");
        }
    }
}

static void populate(struct player *player)
{
    const struct slot *slot = any_slot(player);
    int err = guestmem_populate(&player->vm, slot->base + random_below(SLOT_PAGES) * PAGE, PAGE);

    count_one("changes", err == GUESTMEM_OK ? "populate" : "populate: failed");
}

/* All views are given back when the way to keep them changes. */
static void views(struct player *player)
{
    struct guestmem_policy policy;
    int err;

    CHECK(guestmem_get_policy(&player->vm, &policy) == GUESTMEM_OK, "no policy");
    policy.views = (enum guestmem_views)random_below(3);
    policy.view_bytes_max = 1 + random_below(0x800000);
    err = guestmem_set_policy(&player->vm, &policy);
    CHECK(err == GUESTMEM_OK || guestmem_host_failed(world.host, NULL), "VM %u: views: %s",
          player->number, guestmem_strerror(err));
    count_one("changes", err == GUESTMEM_OK ? "views given back" : "views: failed");
}

/* ------------------------------------------------------------------------------- accesses */

/* What the VMM may read there: the guest's own, and poison where the guest can't look. */
static void check_read(const struct player *player, uint64_t gpa, const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        const struct slot *slot = slot_at((struct player *)player, gpa + i);
        bool hidden = slot != NULL && slot->kind == KIND_HIDDEN;

        CHECK(hidden ? bytes[i] == POISON : is_own(player, bytes[i]),
              "VM %u: the VMM reads 0x%02x at 0x%" PRIx64, player->number, bytes[i], gpa + i);
    }
}

static uint64_t any_place(const struct player *player, size_t *size)
{
    const struct slot *slot = any_slot((struct player *)player);

    *size = 1 + random_below(one_in(8) ? 3 * PAGE : 64);
    return slot->base + random_below(SLOT_BYTES);
}

static void read_some(struct player *player)
{
    static uint8_t bytes[3 * PAGE];
    size_t size;
    uint64_t gpa = any_place(player, &size);
    int err = guestmem_ram_read(&player->vm, gpa, bytes, size);

    if (err == GUESTMEM_OK) {
        check_read(player, gpa, bytes, size);
    }
    count_one("changes", err == GUESTMEM_OK ? "read" : "read: refused");
}

static bool is_writable(struct player *player, uint64_t gpa, size_t size)
{
    const struct slot *slot = slot_at(player, gpa);

    return slot != NULL && gpa + size <= slot->base + slot->size && slot->kind != KIND_ROM &&
           slot->kind != KIND_HIDDEN && slot->read_only == 0;
}

static void write_some(struct player *player)
{
    static uint8_t bytes[3 * PAGE];
    size_t size;
    uint64_t gpa = any_place(player, &size);
    int err;

    if (!is_writable(player, gpa, size)) {
        return;
    }
    memset(bytes, fill_byte(player), size);
    err = one_in(2) ? guestmem_ram_write(&player->vm, gpa, bytes, size)
                    : guestmem_ram_fill(&player->vm, gpa, rom_byte(player), size);
    count_one("changes", err == GUESTMEM_OK ? "write" : "write: refused");
}

static void copy_some(struct player *player)
{
    size_t size;
    uint64_t from = any_place(player, &size);
    const struct slot *slot = slot_at(player, from);
    uint64_t to = any_slot(player)->base + random_below(SLOT_BYTES);

    if (!is_writable(player, to, size) || slot == NULL || slot->kind == KIND_HIDDEN ||
        from + size > slot->base + slot->size) {
        return;
    }
    count_one("changes", guestmem_ram_copy(&player->vm, to, from, size) == GUESTMEM_OK
                             ? "copy"
                             : "copy: refused");
}

static void load_and_store(struct player *player)
{
    size_t size;
    uint64_t gpa = any_place(player, &size) & ~UINT64_C(7);
    uint64_t value;

    if (!is_writable(player, gpa, 8) ||
        guestmem_ram_load_acquire(&player->vm, gpa, 8, &value) != GUESTMEM_OK) {
        return;
    }
    CHECK(is_own(player, value), "VM %u: the VMM loads 0x%" PRIx64, player->number, value);
    CHECK(guestmem_ram_store_release(&player->vm, gpa, 8, random_data(player)) == GUESTMEM_OK ||
              guestmem_host_failed(world.host, NULL),
          "VM %u: what was loaded can't be stored", player->number);
    count_one("changes", "load and store");
}

static int touch_piece(vm_t *vm, uintptr_t gpa, void *bytes, size_t size, size_t offset,
                       void *player)
{
    (void)vm;
    (void)offset;
    check_read(player, gpa, bytes, size);
    return 0;
}

static void touch(struct player *player)
{
    size_t size;
    uint64_t gpa = any_place(player, &size);
    int err = vm_ram_touch(&player->vm, gpa, size, touch_piece, player);

    count_one("changes", err == 0 ? "touch" : "touch: refused");
}

static void pieces(struct player *player)
{
    struct guestmem_iovec vectors[8];
    struct guestmem_buffer buffers[2];
    size_t count;

    for (unsigned i = 0; i < 2; i++) {
        buffers[i].base = any_place(player, &buffers[i].size);
    }
    if (guestmem_ram_iovec(&player->vm, buffers, 2, vectors, 8, &count) != GUESTMEM_OK) {
        count_one("changes", "buffers: refused");
        return;
    }
    check_read(player, buffers[0].base, vectors[0].iov_base, 1);
    count_one("changes", "buffers");
}

void change_something(struct player *player)
{
    static void (*const changes[])(struct player *) = {
        remake,  remake,     remake,    trade,     trade,      rights, rights,
        discard, discard,    populate,  read_some, touch,      views,  load_and_store,
        pieces,  write_some, copy_some, read_some, page_again,
    };

    changes[random_below(sizeof(changes) / sizeof(*changes))](player);
}
