/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Finding addresses for a large frame in a space whose tables are where they are: the guest's own
 * space, which has tables, plays the VMM's.
 *
 *      [ page table | .. | .. ][ nothing mapped ]
 *       2 MiB each: in the way   the frame fits
 */
#include "unit_vm.h"

#include "place.h"

#define BASE ((uintptr_t)0x40000000)
#define VIEW (2 * MIB)

/* The space, whose reservations come from a list of addresses: so many blocked ones, then BASE. */
static struct {
    struct unit *u;
    vspace_t vspace;
    size_t blocked; /* SIZE_MAX: all of them */
    bool refuses;   /* behind those that are blocked */
    size_t taken;
    size_t freed;
} fake;

static seL4_CPtr get_root(vspace_t *vspace)
{
    (void)vspace;
    return fake.u->root.cptr;
}

static reservation_t reserve(vspace_t *vspace, size_t bytes, size_t size_bits,
                             seL4_CapRights_t rights, int cacheable, void **vaddr)
{
    (void)vspace;
    (void)rights;
    (void)cacheable;
    assert_int_equal(bytes, VIEW);
    assert_int_equal(size_bits, 21);
    if (fake.refuses && fake.taken == fake.blocked) {
        return (reservation_t){NULL};
    }
    *vaddr = (void *)(fake.taken < fake.blocked ? BASE : BASE + VIEW);
    fake.taken++;
    return (reservation_t){&fake};
}

static void free_one(vspace_t *vspace, reservation_t reservation)
{
    (void)vspace;
    assert_ptr_equal(reservation.res, &fake);
    fake.freed++;
}

/* Take a place of `frame` there; what is returned is checked. */
static int take(struct unit *u, seL4_CPtr frame, size_t blocked, bool refuses)
{
    vspace_t *own = u->space->vmm;
    void *base = NULL;
    reservation_t reservation = {NULL};
    int error;

    fake.u = u;
    fake.vspace = *own;
    fake.vspace.get_root = get_root;
    fake.vspace.reserve_range_aligned = reserve;
    fake.vspace.free_reservation = free_one;
    fake.blocked = blocked;
    fake.refuses = refuses;
    fake.taken = 0;
    fake.freed = 0;
    u->space->vmm = &fake.vspace;
    error = gm_place_take(u->space, frame, 1, VIEW, 1, false, &base, &reservation);
    u->space->vmm = own;
    if (error == GUESTMEM_OK) {
        assert_ptr_equal(base, (void *)(BASE + VIEW));
        assert_ptr_equal(reservation.res, &fake);
        assert_int_equal(fake.freed, fake.taken - 1);
    } else {
        assert_int_equal(fake.freed, fake.taken);
    }
    return error;
}

static seL4_CPtr prepare(struct unit *u)
{
    assert_int_equal(map_frame_alloc_reservation(&u->vm, unit_reserve(u, BASE, PAGE)), 0);
    return unit_frame(u, 21);
}

static void stretches_with_tables_are_passed_over(void **state)
{
    struct unit *u = *state;
    seL4_CPtr frame = prepare(u);

    for (size_t blocked = 0; blocked < 5; blocked++) {
        assert_int_equal(take(u, frame, blocked, false), GUESTMEM_OK);
        assert_int_equal(fake.taken, blocked + 1);
        assert_int_equal(seL4_ARM_Page_Unmap(frame), seL4_NoError);
    }
}

static void a_space_without_another_stretch_is_an_error(void **state)
{
    struct unit *u = *state;
    seL4_CPtr frame = prepare(u);

    assert_int_equal(take(u, frame, 0, true), GUESTMEM_EVMM);
    assert_int_equal(take(u, frame, 3, true), GUESTMEM_EVMM);
    assert_int_equal(fake.taken, 3);
}

static void the_search_gives_up_some_time(void **state)
{
    struct unit *u = *state;
    seL4_CPtr frame = prepare(u);

    assert_int_equal(take(u, frame, SIZE_MAX, false), GUESTMEM_EVMM);
    assert_in_range(fake.taken, 100, 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(stretches_with_tables_are_passed_over),
        UNIT_TEST(a_space_without_another_stretch_is_an_error),
        UNIT_TEST(the_search_gives_up_some_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
