/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The starting states. All of them leave what lies at and above CALL_AT alone.
 */
#include "sweep.h"

static void leave_empty(struct sweep *sweep)
{
    (void)sweep;
}

/* Something of everything: devices, some in one page; memory with and without views; a pool in use. */
static void fill_half(struct sweep *sweep)
{
    static const uint8_t text[] = "bytes of the VMM";
    vm_t *vm = sweep->vm;
    uintptr_t addr;

    sweep_set_policy(vm, GUESTMEM_POPULATE_EAGER, GM_BITS_4K);
    for (unsigned i = 0; i < 9; i++) {
        sweep_reserve(vm, STATE_AT + i * 0x800, 0x700);
    }
    GM_CHECK_EQ(map_frame_alloc_reservation(vm, sweep_reserve(vm, STATE_AT + GM_MIB, 3 * GM_PAGE)), 0);
    GM_CHECK_EQ(vm_ram_register_at(vm, STATE_AT + 4 * GM_MIB + 0x500, 4 * GM_PAGE, false), 0);
    GM_CHECK_EQ(vm_ram_register_at(vm, STATE_AT + 8 * GM_MIB, 2 * GM_PAGE, false), 0);
    vm_ram_mark_allocated(vm, STATE_AT + 8 * GM_MIB, 0x123);
    GM_CHECK_EQ(vm_ram_touch(vm, STATE_AT + 4 * GM_MIB + 0xffc, sizeof(text), vm_guest_ram_write_callback,
                             (void *)text),
                0);
    GM_CHECK_EQ(vm_memory_make_anon(vm, STATE_AT + 16 * GM_MIB, 64 * GM_PAGE), 0);
    GM_CHECK_NOT_NULL(vm_reserve_anon_memory(vm, 0x2345, 1, default_error_fault_callback, NULL, &addr));
    GM_CHECK_NOT_NULL(vm_reserve_anon_memory(vm, 0x1000, 0x8000, default_error_fault_callback, NULL, &addr));
    GM_CHECK_NOT_NULL(create_allocated_reservation_frame(vm, STATE_AT + 32 * GM_MIB, seL4_CanRead,
                                                         default_error_fault_callback, NULL));
    GM_CHECK_NOT_NULL(vspace_new_pages(&vm->mem.vm_vspace, seL4_AllRights, 2, GM_BITS_4K));
    sweep_set_policy(vm, GUESTMEM_POPULATE_EAGER, GM_BITS_2M);
}

enum { PIECE_BITS = 14, PIECES_MAX = 100 };
static vka_object_t held[PIECES_MAX];
static size_t held_count;

/* Every second 16 KiB of all memory is taken: what is left comes in small pieces. */
static void fragment(struct sweep *sweep)
{
    vka_object_t piece[PIECES_MAX];
    size_t count = 0;
    vka_object_t large;

    while (count < PIECES_MAX && vka_alloc_untyped(sweep->env->vka, PIECE_BITS, &piece[count]) == 0) {
        count++;
    }
    GM_CHECK(count > 16 && count < PIECES_MAX);
    held_count = 0;
    for (size_t i = 0; i < count; i++) {
        if (i % 2 == 0) {
            held[held_count++] = piece[i];
        } else {
            vka_free_object(sweep->env->vka, &piece[i]);
        }
    }
    GM_CHECK_NE(vka_alloc_untyped(sweep->env->vka, PIECE_BITS + 1, &large), 0);
}

static void defragment(struct sweep *sweep)
{
    for (size_t i = 0; i < held_count; i++) {
        vka_free_object(sweep->env->vka, &held[i]);
    }
}

/* Frames come at their first use, and some have. */
static void populate_half(struct sweep *sweep)
{
    vm_t *vm = sweep->vm;
    uint8_t byte;

    sweep_set_policy(vm, GUESTMEM_POPULATE_LAZY, GM_BITS_4K);
    GM_CHECK_EQ(map_frame_alloc_reservation(vm, sweep_reserve(vm, STATE_AT, 8 * GM_PAGE)), 0);
    GM_CHECK_EQ(gm_env_fault(vm, STATE_AT + 3 * GM_PAGE, 4), FAULT_RESTART);
    GM_CHECK_EQ(gm_env_fault(vm, STATE_AT + 5 * GM_PAGE, 4), FAULT_RESTART);
    GM_CHECK_EQ(vm_ram_register_at(vm, STATE_AT + GM_MIB, 8 * GM_PAGE, false), 0);
    GM_CHECK_EQ(vm_ram_touch(vm, STATE_AT + GM_MIB + 2 * GM_PAGE, 1, vm_guest_ram_read_callback, &byte), 0);
    GM_CHECK_EQ(guestmem_populate(vm, STATE_AT + GM_MIB + 6 * GM_PAGE, GM_PAGE), GUESTMEM_OK);
    sweep_set_policy(vm, GUESTMEM_POPULATE_LAZY, GM_BITS_2M);
}

/* Frames that another VM and the VMM have too, and pages that belong to several devices. */
static void share_pages(struct sweep *sweep)
{
    vm_t *vm = sweep->vm;
    vspace_t *own = &vm->mem.vm_vspace;
    vspace_t *to;
    reservation_t claim;
    void *view;

    sweep_reserve(vm, STATE_AT + 0x100, 0x80);
    sweep_reserve(vm, STATE_AT + 0x180, 0x2000);
    GM_CHECK_EQ(vm_ram_register_at(vm, STATE_AT + GM_MIB, 3 * GM_PAGE, false), 0);
    sweep->other = gm_env_new_vm(sweep->env);
    to = &sweep->other->mem.vm_vspace;
    claim = vspace_reserve_range_at(to, (void *)STATE_AT, 3 * GM_PAGE, seL4_CanRead, 1);
    GM_CHECK_EQ(vspace_share_mem_at_vaddr(own, to, (void *)(STATE_AT + GM_MIB), 3, GM_BITS_4K, (void *)STATE_AT,
                                          claim),
                0);
    view = create_allocated_reservation_frame(vm, STATE_AT + 4 * GM_MIB, seL4_CanRead, default_error_fault_callback,
                                              NULL);
    GM_CHECK_NOT_NULL(view);
    GM_CHECK_EQ(vm_ram_touch(vm, STATE_AT + GM_MIB, GM_PAGE, vm_guest_ram_write_callback, view), 0);
}

/* Much was there and most of it is gone: arrays have room, pools and RAM have holes. */
static void free_most(struct sweep *sweep)
{
    vm_t *vm = sweep->vm;

    fill_half(sweep);
    for (unsigned i = 0; i < 9; i += 2) {
        vm_memory_reservation_t *res = guestmem_reservation_at(vm, STATE_AT + i * 0x800);

        GM_CHECK_EQ(vm_free_reserved_memory(vm, res), 0);
    }
    GM_CHECK_EQ(vm_free_reserved_memory(vm, guestmem_reservation_at(vm, STATE_AT + GM_MIB)), 0);
    GM_CHECK_EQ(vm_free_reserved_memory(vm, guestmem_reservation_at(vm, STATE_AT + 16 * GM_MIB)), 0);
    GM_CHECK_EQ(guestmem_ram_discard(vm, STATE_AT + 4 * GM_MIB + GM_PAGE, 2 * GM_PAGE), GUESTMEM_OK);
    GM_CHECK_EQ(guestmem_created_destroy(vm, STATE_AT + 32 * GM_MIB), GUESTMEM_OK);
    vm_ram_free(vm, STATE_AT + 8 * GM_MIB, 0x100);
    GM_CHECK_EQ(vm->mem.num_ram_regions, 4);
}

const struct sweep_state sweep_empty = {"empty", NULL, NULL, leave_empty, false};
const struct sweep_state sweep_half_full = {"half full", NULL, NULL, fill_half, false};
const struct sweep_state sweep_fragmented = {"fragmented", fragment, defragment, leave_empty, true};
const struct sweep_state sweep_lazy = {"lazy", NULL, NULL, populate_half, false};
const struct sweep_state sweep_shared = {"shared pages", NULL, NULL, share_pages, false};
const struct sweep_state sweep_after_frees = {"after frees", NULL, NULL, free_most, false};
const struct sweep_state sweep_device_ram = {"device RAM", NULL, NULL, leave_empty, false};
const struct sweep_state sweep_boot_frames = {"frames of boot information", NULL, NULL, leave_empty, false};
