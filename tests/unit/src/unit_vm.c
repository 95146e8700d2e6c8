/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "unit_vm.h"

#include <vka/object.h>

static int open_unit(void **state, enum guestmem_host_flavour flavour, bool device_ram)
{
    const struct guestmem_host_region regions[] = {
        {.paddr = UNIT_DEVICE, .bytes = UNIT_DEVICE_BYTES, .device_ram = false},
        {.paddr = UNIT_DEVICE_RAM, .bytes = UNIT_DEVICE_RAM_BYTES, .device_ram = true},
    };
    const struct guestmem_host_config config = {
        .ram_bytes = UNIT_RAM_BYTES,
        .ram_base = UNIT_RAM_BASE,
        .regions = regions,
        .region_count = device_ram ? 2 : 1,
        .flavour = flavour,
        .cnode_bits = 16,
    };
    static char name[] = "unit";
    struct unit *u = calloc(1, sizeof(*u));
    vm_t *vm;

    assert_non_null(u);
    vm = &u->vm;
    assert_int_equal(guestmem_host_create(&config, &u->host), 0);
    u->before = unit_snapshot(u);
    u->vka = guestmem_host_vka(u->host);
    u->give_bits = 12;
    vm->vka = u->vka;
    vm->simple = guestmem_host_simple(u->host);
    vm->io_ops = guestmem_host_io_ops(u->host);
    vm->vm_name = name;
    vm->mem.vmm_vspace = *guestmem_host_vspace(u->host);
    assert_int_equal(vka_alloc_vspace_root(u->vka, &u->root), 0);
    vm->mem.vm_vspace_root = u->root;
    assert_int_equal(simple_ASIDPool_assign(vm->simple, u->root.cptr), seL4_NoError);
    assert_int_equal(vm_memory_init(vm), 0);
    assert_int_equal(vm_init_guest_vspace(&vm->mem.vmm_vspace, &vm->mem.vmm_vspace,
                                          &vm->mem.vm_vspace, u->vka, u->root.cptr),
                     0);
    u->space = gm_space_of(vm);
    assert_non_null(u->space);
    *state = u;
    return 0;
}

int unit_setup(void **state)
{
    return open_unit(state, GUESTMEM_HOST_OWNS_DEVICES, false);
}

int unit_setup_device_ram(void **state)
{
    return open_unit(state, GUESTMEM_HOST_OWNS_DEVICES, true);
}

int unit_setup_boot_frames(void **state)
{
    return open_unit(state, GUESTMEM_HOST_BOOT_FRAMES, false);
}

int unit_teardown(void **state)
{
    struct unit *u = *state;
    struct guestmem_host_snapshot *after;
    bool same;

    guestmem_host_fail(u->host, 0, 0, false);
    assert_int_equal(guestmem_destroy(&u->vm), GUESTMEM_OK);
    for (size_t i = 0; i < u->frame_count; i++) {
        vka_free_object(u->vka, &u->frames[i]);
    }
    vka_free_object(u->vka, &u->root);
    after = unit_snapshot(u);
    same = guestmem_host_snapshot_same(u->before, after, stderr);
    guestmem_host_snapshot_free(after);
    guestmem_host_snapshot_free(u->before);
    guestmem_host_destroy(u->host);
    free(u);
    return same ? 0 : -1;
}

struct unit *unit_of(vm_t *vm)
{
    return (struct unit *)(void *)((char *)vm - offsetof(struct unit, vm));
}

memory_fault_result_t unit_fault(vm_t *vm, vm_vcpu_t *vcpu, uintptr_t addr, size_t length,
                                 void *cookie)
{
    (void)vm;
    (void)vcpu;
    (void)addr;
    (void)length;
    (void)cookie;
    return FAULT_HANDLED;
}

vm_memory_reservation_t *unit_reserve(struct unit *u, uintptr_t base, size_t size)
{
    vm_memory_reservation_t *res = vm_reserve_memory_at(&u->vm, base, size, unit_fault, NULL);

    assert_non_null(res);
    return res;
}

void unit_policy(struct unit *u, unsigned frame_bits_max, enum guestmem_populate populate)
{
    struct guestmem_policy policy;

    assert_int_equal(guestmem_get_policy(&u->vm, &policy), GUESTMEM_OK);
    policy.frame_bits_max = frame_bits_max;
    policy.populate = populate;
    assert_int_equal(guestmem_set_policy(&u->vm, &policy), GUESTMEM_OK);
}

seL4_CPtr unit_frame(struct unit *u, size_t bits)
{
    vka_object_t *frame = &u->frames[u->frame_count];

    assert_true(u->frame_count < UNIT_FRAMES_MAX);
    assert_int_equal(vka_alloc_frame(u->vka, (uint32_t)bits, frame), 0);
    u->frame_count++;
    return frame->cptr;
}

vm_frame_t unit_give(uintptr_t addr, void *cookie)
{
    struct unit *u = cookie;
    vm_frame_t frame = {.rights = seL4_AllRights, .vaddr = addr, .size_bits = u->give_bits};

    if (u->give_hook != NULL) {
        u->give_hook(u, addr);
    }
    u->give_calls++;
    if (u->give_calls != u->give_fail_at) {
        frame.cptr = unit_frame(u, u->give_bits);
    }
    return frame;
}

void unit_release(vm_t *vm, seL4_CPtr frame, size_t size_bits, void *cookie)
{
    (void)vm;
    (void)frame;
    (void)size_bits;
    ((struct unit *)cookie)->released++;
}

bool unit_leaf(struct unit *u, uintptr_t gpa, struct guestmem_host_leaf *leaf)
{
    return guestmem_host_translate(u->host, u->root.cptr, gpa, leaf);
}

void unit_check_leaf(struct unit *u, uintptr_t gpa, unsigned size_bits)
{
    struct guestmem_host_leaf leaf;

    assert_true(unit_leaf(u, gpa, &leaf));
    assert_int_equal(leaf.size_bits, size_bits);
}

void unit_check_no_leaf(struct unit *u, uintptr_t gpa)
{
    struct guestmem_host_leaf leaf;

    assert_false(unit_leaf(u, gpa, &leaf));
}

struct guestmem_host_snapshot *unit_snapshot(struct unit *u)
{
    struct guestmem_host_snapshot *snapshot = guestmem_host_snapshot(u->host);

    assert_non_null(snapshot);
    return snapshot;
}

void unit_check_same(struct unit *u, struct guestmem_host_snapshot *before)
{
    struct guestmem_host_snapshot *now = unit_snapshot(u);
    bool same = guestmem_host_snapshot_same(before, now, stderr);

    guestmem_host_snapshot_free(now);
    guestmem_host_snapshot_free(before);
    assert_true(same);
}

void unit_check_failure(struct unit *u, int error)
{
    const struct guestmem_failure *failure = guestmem_last_failure(&u->vm);

    assert_non_null(failure);
    assert_non_null(failure->operation);
    assert_non_null(failure->step);
    assert_int_equal(failure->error, error);
    if (error > GUESTMEM_ENOSLOT || error == GUESTMEM_EGRAIN || error == GUESTMEM_ENOSUP) {
        assert_int_equal(failure->cause, 0); /* nobody else was asked */
    }
}

size_t unit_fail_each(struct unit *u, int (*call)(struct unit *u), void (*undo)(struct unit *u))
{
    for (uint64_t k = 1;; k++) {
        struct guestmem_host_snapshot *before = unit_snapshot(u);
        bool struck;
        int result;

        guestmem_host_fail(u->host, GUESTMEM_HOST_FAIL_ANY, k, false);
        result = call(u);
        struck = guestmem_host_failed(u->host, NULL);
        guestmem_host_fail(u->host, 0, 0, false);
        if (result != 0) {
            assert_true(struck);
            unit_check_same(u, before);
            continue;
        }
        guestmem_host_snapshot_free(before);
        if (!struck) {
            return (size_t)(k - 1);
        }
        undo(u);
    }
}
