/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Who calls has the turn of a shared VM while the call changes something, and has it no more behind
 * it, however the call ended.
 */
#include "unit_vm.h"

#include <guestmem/access.h>
#include <guestmem/threads.h>

#include "reader.h"
#include "turn.h"

#define BASE ((uintptr_t)0x40000000)
#define RAM ((uintptr_t)0x50000000)
#define LAZY ((uintptr_t)0x60000000)

static void check_turn_is_free(struct unit *u)
{
    const struct gm_turn *turn = &u->space->turn;

    assert_null(turn->owner);
    assert_int_equal(turn->depth, 0);
    assert_int_equal(turn->next, turn->present);
    assert_int_equal(gm_thread.turns, 0);
    assert_int_equal(u->space->readers.visitors[0] + u->space->readers.visitors[1], 0);
    for (const struct gm_reader *reader = gm_thread.readers; reader != NULL;
         reader = reader->next_here) {
        assert_int_equal(reader->depth == 0, reader->epoch == 0);
    }
}

#define GIVES_TURN(u, result, call)     \
    do {                                \
        assert_int_equal(call, result); \
        check_turn_is_free(u);          \
    } while (0)

static memory_fault_result_t fault_at(struct unit *u, uintptr_t addr, size_t size)
{
    return vm_memory_handle_fault(&u->vm, &(vm_vcpu_t){.vm = &u->vm}, addr, size);
}

static int copy_byte(vm_t *vm, uintptr_t addr, void *vaddr, size_t size, size_t offset,
                     void *cookie)
{
    struct unit *u = cookie;

    (void)vm;
    (void)addr;
    (void)vaddr;
    (void)size;
    (void)offset;
    return u->space->turn.depth > 1 ? -1 : 0;
}

static void map_and_free(struct unit *u)
{
    vm_memory_reservation_t *res = unit_reserve(u, BASE, 2 * PAGE);
    seL4_CPtr caps[2] = {unit_frame(u, 12), unit_frame(u, 12)};

    check_turn_is_free(u);
    GIVES_TURN(u, 0, vm_map_reservation_frames(&u->vm, res, caps, 2, 12));
    GIVES_TURN(u, -1, vm_map_reservation_frames(&u->vm, res, caps, 2, 12));
    GIVES_TURN(u, -1, vm_map_reservation_frames(&u->vm, res, caps, 1, 12));
    GIVES_TURN(u, 0, vm_free_reserved_memory(&u->vm, res));
    GIVES_TURN(u, -1, vm_map_reservation_frames(&u->vm, res, caps, 2, 12));
    GIVES_TURN(u, -1, vm_free_reserved_memory(&u->vm, res));
}

static void use_the_vspace(struct unit *u)
{
    vspace_t *v = &u->vm.mem.vm_vspace;
    void *vaddr = NULL;
    reservation_t reservation =
        vspace_reserve_range_aligned(v, 3 * PAGE, 12, seL4_AllRights, 1, &vaddr);

    assert_non_null(reservation.res);
    check_turn_is_free(u);
    GIVES_TURN(u, 0, vspace_new_pages_at_vaddr(v, vaddr, 3, 12, reservation));
    GIVES_TURN(u, 12, vspace_get_cookie(v, vaddr));
    GIVES_TURN(u, 0, vspace_get_cap(v, (char *)vaddr + MIB));
    GIVES_TURN(u, true,
               vspace_reserve_range_aligned(v, 0, 12, seL4_AllRights, 1, &vaddr).res == NULL);
    reservation = vspace_reserve_range_at(v, (void *)BASE, 3 * PAGE, seL4_AllRights, 1);
    check_turn_is_free(u);
    GIVES_TURN(u, 0, v->share_mem_at_vaddr(v, v, vaddr, 3, 12, (void *)BASE, reservation));
    GIVES_TURN(u, -1, v->share_mem_at_vaddr(v, v, vaddr, 3, 12, (void *)BASE, reservation));
    vspace_unmap_pages(v, (void *)BASE, 3, 12, VSPACE_FREE);
    check_turn_is_free(u);
    vspace_free_reservation(v, reservation);
    check_turn_is_free(u);
    vspace_free_reservation_by_vaddr(v, vaddr);
    check_turn_is_free(u);
    vspace_unmap_pages(v, vaddr, 3, 12, VSPACE_FREE);
    check_turn_is_free(u);
}

static void use_ram(struct unit *u)
{
    uint8_t bytes[16];
    struct guestmem_span span;

    unit_policy(u, 12, GUESTMEM_POPULATE_LAZY);
    GIVES_TURN(u, 0, vm_ram_register_at(&u->vm, LAZY, 8 * PAGE, false));
    GIVES_TURN(u, FAULT_RESTART, fault_at(u, LAZY, 4));
    GIVES_TURN(u, FAULT_RESTART, fault_at(u, LAZY, 4));
    GIVES_TURN(u, FAULT_RESTART, fault_at(u, LAZY + 2 * PAGE - 4, 8));
    unit_policy(u, 12, GUESTMEM_POPULATE_EAGER);
    GIVES_TURN(u, 0, vm_ram_register_at(&u->vm, RAM, 8 * PAGE, false));
    GIVES_TURN(u, FAULT_UNHANDLED, fault_at(u, RAM + 8 * PAGE, 4));
    for (unsigned seen = 0; seen < 3; seen++) {
        GIVES_TURN(u, GUESTMEM_OK, guestmem_ram_read(&u->vm, RAM + PAGE - 8, bytes, 16));
        GIVES_TURN(u, GUESTMEM_OK, guestmem_ram_copy(&u->vm, RAM, RAM + 3 * PAGE - 8, 16));
        GIVES_TURN(u, GUESTMEM_OK, guestmem_ram_span(&u->vm, RAM, 16, &span));
        GIVES_TURN(u, 0, vm_ram_touch(&u->vm, RAM + PAGE - 8, 16, copy_byte, u));
        GIVES_TURN(u, 0, vm_ram_touch(&u->vm, RAM + 4, 2, copy_byte, u));
        GIVES_TURN(u, -1, vm_ram_touch(&u->vm, RAM + 8 * PAGE - 8, 16, copy_byte, u));
        GIVES_TURN(u, GUESTMEM_EUNMAPPED, guestmem_ram_read(&u->vm, RAM + 8 * PAGE - 8, bytes, 16));
    }
    GIVES_TURN(u, GUESTMEM_OK, guestmem_ram_discard(&u->vm, RAM, PAGE));
    GIVES_TURN(u, GUESTMEM_EUNMAPPED, guestmem_ram_discard(&u->vm, RAM, 9 * PAGE));
    GIVES_TURN(u, GUESTMEM_OK, guestmem_set_rights(&u->vm, RAM + PAGE, PAGE, seL4_CanRead));
}

static void a_reader_has_the_turn_no_more(void **state)
{
    struct unit *u = *state;

    assert_int_equal(guestmem_reader_register(&u->vm), GUESTMEM_OK);
    check_turn_is_free(u);
    map_and_free(u);
    use_the_vspace(u);
    use_ram(u);
}

static void a_visitor_has_the_turn_no_more(void **state)
{
    struct unit *u = *state;

    assert_int_equal(guestmem_reader_register(&u->vm), GUESTMEM_OK);
    assert_int_equal(guestmem_reader_unregister(&u->vm), GUESTMEM_OK);
    check_turn_is_free(u);
    map_and_free(u);
    use_the_vspace(u);
    use_ram(u);
}

/* Inside a section the announcement is as before. */
static void a_reader_in_a_section_has_the_turn_no_more(void **state)
{
    struct unit *u = *state;

    assert_int_equal(guestmem_reader_register(&u->vm), GUESTMEM_OK);
    guestmem_read_begin(&u->vm);
    map_and_free(u);
    use_the_vspace(u);
    use_ram(u);
    assert_int_equal(gm_reader_here(u->space)->depth, 1);
    guestmem_read_end(&u->vm);
    check_turn_is_free(u);
}

/* What a callback may know of the turn: there is none, so that it may wait for others. */
static memory_fault_result_t needs_no_turn(vm_t *vm, vm_vcpu_t *vcpu, uintptr_t addr, size_t size,
                                           void *cookie)
{
    struct unit *u = cookie;

    (void)vm;
    (void)vcpu;
    (void)addr;
    (void)size;
    check_turn_is_free(u);
    assert_int_equal(gm_reader_here(u->space) == NULL ? 0 : gm_reader_here(u->space)->epoch, 0);
    assert_int_equal(guestmem_reader_unregister(vm),
                     gm_reader_here(u->space) == NULL ? GUESTMEM_EINVAL : GUESTMEM_EBUSY);
    return FAULT_HANDLED;
}

static void callbacks_run_without_turn_and_section(void **state)
{
    struct unit *u = *state;
    struct guestmem_stats stats;

    assert_non_null(vm_reserve_memory_at(&u->vm, BASE, PAGE, needs_no_turn, u));
    assert_int_equal(guestmem_reader_register(&u->vm), GUESTMEM_OK);
    GIVES_TURN(u, FAULT_HANDLED, fault_at(u, BASE, 4));
    guestmem_read_begin(&u->vm);
    assert_int_equal(fault_at(u, BASE, 4), FAULT_HANDLED);
    assert_int_equal(gm_reader_here(u->space)->epoch, gm_readers_epoch(u->space));
    assert_int_equal(gm_reader_here(u->space)->depth, 1);
    guestmem_read_end(&u->vm);
    GIVES_TURN(u, FAULT_UNHANDLED, fault_at(u, BASE + PAGE, 4));
    assert_int_equal(guestmem_get_stats(&u->vm, &stats), GUESTMEM_OK);
    assert_int_equal(stats.faults, 3);
    assert_int_equal(stats.faults_unhandled, 1);
    assert_int_equal(guestmem_reader_unregister(&u->vm), GUESTMEM_OK);
    GIVES_TURN(u, FAULT_HANDLED, fault_at(u, BASE, 4));
    GIVES_TURN(u, FAULT_UNHANDLED, fault_at(u, BASE + PAGE, 4));
    GIVES_TURN(u, FAULT_UNHANDLED, fault_at(u, BASE + PAGE - 2, 4));
    assert_int_equal(guestmem_get_stats(&u->vm, &stats), GUESTMEM_OK);
    assert_int_equal(stats.faults, 6);
    assert_int_equal(stats.faults_unhandled, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(a_reader_has_the_turn_no_more),
        UNIT_TEST(a_visitor_has_the_turn_no_more),
        UNIT_TEST(a_reader_in_a_section_has_the_turn_no_more),
        UNIT_TEST(callbacks_run_without_turn_and_section),
    };

    return cmocka_run_group_tests_name("turn", tests, NULL, NULL);
}
