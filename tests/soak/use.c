/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * What is done with ranges that are backed. Each is known to be full of one byte, or not known.
 */
#include "soak.h"

#include <string.h>

static vm_t *vm(void)
{
    return &soak.me->vm;
}

static bool has_bytes(const struct item *item)
{
    return item->kind != ITEM_NONE && item->kind != ITEM_RESERVED && item->kind != ITEM_CLAIM &&
           !item->device && !item->refuses;
}

static void check_bytes(const struct item *item, const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; item->value != VALUE_UNKNOWN && i < size; i++) {
        if (bytes[i] != item->value) {
            soak_fail("0x%jx holds %#x, not %#x", (uintmax_t)(item->base + i), bytes[i],
                      (unsigned)item->value);
        }
    }
}

/* -------------------------------------------------------------------------------- access.h */

static void read_all(struct item *item)
{
    call_arm();
    if (call_ended(guestmem_ram_read(vm(), item->base, soak.bytes, item->size))) {
        check_bytes(item, soak.bytes, item->size);
    }
}

/* After a failure some bytes may have moved: views may have been too few for all of it. */
static void write_all(struct item *item)
{
    uint8_t byte = (uint8_t)soak_below(256);
    bool fill = soak_one_in(2);
    bool done;

    memset(soak.bytes, byte, fill ? 0 : item->size);
    call_arm();
    done = call_ended(fill ? guestmem_ram_fill(vm(), item->base, byte, item->size)
                           : guestmem_ram_write(vm(), item->base, soak.bytes, item->size));
    item->value = done ? byte : VALUE_UNKNOWN;
}

static void copy_between(struct item *item)
{
    struct item *other = &soak.me->items[soak_below(ITEMS)];
    size_t size = item->size < other->size ? item->size : other->size;
    bool whole = size == other->size;

    if (!has_bytes(other)) {
        return;
    }
    call_arm();
    if (!call_ended(guestmem_ram_copy(vm(), other->base, item->base, size)) || !whole) {
        other->value = VALUE_UNKNOWN;
    } else {
        other->value = item->value;
    }
}

static void load_and_store(struct item *item)
{
    size_t bytes = (size_t)1 << soak_below(4);
    uintptr_t at = (item->base + bytes - 1) & ~(bytes - 1);
    uint64_t all = 0x0101010101010101u * (unsigned)(item->value & 0xff);
    uint64_t value;

    if (at + bytes > item->base + item->size) {
        return;
    }
    call_arm();
    if (call_ended(guestmem_ram_load_acquire(vm(), at, bytes, &value))) {
        check_bytes(item, (const uint8_t *)&value, bytes);
    }
    call_arm();
    call_ended(guestmem_ram_store_release(vm(), at, bytes, all));
}

/* Pointers are had only where views stay, and as far as they fit. A reader on another thread may
 * have views given back: the section keeps them. */
static void point_at(struct item *item)
{
    struct guestmem_span span;

    guestmem_read_begin(vm());
    call_arm();
    if (call_may_fail(guestmem_ram_span(vm(), item->base, item->size, &span))) {
        SOAK_CHECK(soak.in_burst || guestmem_span_is_valid(vm(), &span));
        check_bytes(item, span.address, span.size);
    }
    guestmem_read_end(vm());
}

static void list_pieces(struct item *item)
{
    size_t half = item->size / 2;
    struct guestmem_buffer buffers[] = {{item->base, half}, {item->base + half, half}};
    struct guestmem_iovec pieces[12];
    size_t count;

    if (item->kind != ITEM_RAM || half == 0) {
        return;
    }
    guestmem_read_begin(vm());
    call_arm();
    if (call_may_fail(guestmem_ram_iovec(vm(), buffers, 2, pieces, 12, &count))) {
        check_bytes(item, pieces[0].iov_base, pieces[0].iov_len);
    }
    guestmem_read_end(vm());
}

static void sync_code(struct item *item)
{
    call_arm();
    call_may_fail(guestmem_ram_sync_code(vm(), item->base, item->size));
}

/* -------------------------------------------------------------------------------------- RAM */

static void touch(struct item *item)
{
    if (item->kind != ITEM_RAM) {
        return;
    }
    call_arm();
    if (call_ended_compatible(vm_ram_touch(vm(), item->base, item->size, vm_guest_ram_read_callback,
                                           soak.bytes) == 0)) {
        check_bytes(item, soak.bytes, item->size);
    }
}

static void mark(struct item *item)
{
    uintptr_t base;
    size_t size;

    if (item->kind != ITEM_RAM) {
        return;
    }
    call_arm();
    if (call_ended(guestmem_ram_mark(vm(), item->base, item->size, !item->marked))) {
        item->marked = !item->marked;
    }
    vm_ram_find_largest_free_region(vm(), &base, &size);
}

static void allocate(struct item *item)
{
    uintptr_t base;

    (void)item;
    call_arm();
    base = vm_ram_allocate(vm(), PAGE);
    if (call_may_fail_compatible(base != 0)) {
        guestmem_host_fail(soak.host, 0, 0, false);
        vm_ram_free(vm(), base, PAGE);
    }
}

/* All of it, or a page: what comes in its place is clear. The caller's frames don't come back. */
static void discard(struct item *item)
{
    bool all = soak_one_in(2);
    uintptr_t page = (item->base + PAGE - 1) & ~(PAGE - 1);
    int error;

    if (item->kind != ITEM_RAM || (!all && page + PAGE > item->base + item->size)) {
        return;
    }
    call_arm();
    error = guestmem_ram_discard(vm(), all ? item->base : page, all ? item->size : PAGE);
    if (error == GUESTMEM_EGRAIN && (!all || item->base >= RAM_BASE)) {
        guestmem_host_fail(soak.host, 0, 0, false); /* a large frame, or another's untyped */
    } else if (call_ended(error)) {
        item->value = all ? 0 : VALUE_UNKNOWN;
        /* nothing will be there any more, or somebody else may take it */
        item->refuses |= item->cap_count != 0 || item->base >= RAM_BASE;
    }
}

/* -------------------------------------------------------------------------- the guest's side */

static void populate(struct item *item)
{
    call_arm();
    call_may_fail(guestmem_populate(vm(), item->base, item->size));
}

static void change_rights(struct item *item)
{
    const seL4_CapRights_t rights[] = {seL4_AllRights, seL4_CanRead, seL4_NoRights};

    call_arm();
    call_may_fail(guestmem_set_rights(vm(), item->base, item->size, rights[soak_below(3)]));
}

static void fault(struct item *item)
{
    vm_vcpu_t vcpu = {.vm = vm()};
    memory_fault_result_t result;
    bool struck;

    call_arm();
    result = vm_memory_handle_fault(vm(), &vcpu, item->base + soak_below((uint32_t)item->size), 1);
    struck = guestmem_host_failed(soak.host, NULL);
    guestmem_host_fail(soak.host, 0, 0, false);
    soak.totals.failed += result == FAULT_ERROR;
    SOAK_CHECK(result != FAULT_UNHANDLED || item->view != NULL || item->kind == ITEM_CLAIM);
    SOAK_CHECK(result != FAULT_ERROR || struck || !soak.flavour->roomy || item->kind == ITEM_RAM);
}

/* Show the first page to the VMM, or to another VM, for a while. */
static void share(struct item *item)
{
    vspace_t *from = &vm()->mem.vm_vspace;
    struct player *other = &soak.players[soak_below(PLAYERS)];
    bool with_vmm = other == soak.me || !other->live || soak.in_burst;
    vspace_t *to = with_vmm ? guestmem_host_vspace(soak.host) : &other->vm.mem.vm_vspace;
    void *page = (void *)((item->base + PAGE - 1) & ~(PAGE - 1));
    void *shown = NULL;
    reservation_t claim;

    claim = vspace_reserve_range_aligned(to, PAGE, 12, seL4_AllRights, 1, &shown);
    if (claim.res == NULL) {
        return;
    }
    call_arm();
    if (call_may_fail_compatible(vspace_share_mem_at_vaddr(from, to, page, 1, 12, shown, claim) ==
                                 0)) {
        vspace_unmap_pages(to, shown, 1, 12, VSPACE_FREE);
    }
    vspace_free_reservation(to, claim);
}

static int count_entry(const struct guestmem_map_entry *entry, void *count)
{
    *(size_t *)count += entry->size != 0;
    return 0;
}

static void look_at_all(struct item *item)
{
    struct guestmem_stats stats;
    size_t count = 0;

    (void)item;
    SOAK_CHECK(guestmem_get_stats(vm(), &stats) == GUESTMEM_OK);
    SOAK_CHECK(guestmem_walk(vm(), count_entry, &count) == 0);
    SOAK_CHECK(count >= stats.reservations);
}

void item_use(struct item *item)
{
    static void (*const on_bytes[])(struct item *) = {
        read_all,       read_all, write_all,   write_all, copy_between,
        load_and_store, point_at, list_pieces, sync_code, touch,
        touch,          mark,     allocate,    discard,   discard,
    };
    static void (*const on_all[])(struct item *) = {
        populate, change_rights, fault, fault, share, look_at_all,
    };

    if (has_bytes(item) && !soak_one_in(3)) {
        on_bytes[soak_below(sizeof(on_bytes) / sizeof(on_bytes[0]))](item);
    } else {
        on_all[soak_below(sizeof(on_all) / sizeof(on_all[0]))](item);
    }
}
