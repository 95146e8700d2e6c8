/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "unit_vm.h"

static void the_defaults_are_what_a_new_vm_has(void **state)
{
    struct unit *u = *state;
    struct guestmem_policy defaults;
    struct guestmem_policy policy;

    memset(&defaults, 0xff, sizeof(defaults));
    guestmem_policy_default(&defaults);
    assert_int_equal(guestmem_get_policy(&u->vm, &policy), GUESTMEM_OK);
    assert_int_equal(policy.frame_bits_max, 21);
    assert_int_equal(policy.populate, GUESTMEM_POPULATE_EAGER);
    assert_int_equal(policy.memory_type, GUESTMEM_MEMORY_AUTO);
    assert_int_equal(policy.discarded, GUESTMEM_DISCARDED_POPULATES);
    assert_int_equal(policy.call_bytes_max, 16 * MIB);
    assert_int_equal(policy.populate_around_bits, 0);
    assert_int_equal(policy.untyped_bits_max, defaults.untyped_bits_max);
    assert_int_equal(policy.frame_bits_max, defaults.frame_bits_max);
    assert_int_equal(policy.call_bytes_max, defaults.call_bytes_max);
}

/* Every value of every field is kept, in the VM's policy and in a reservation's. */
static void every_policy_is_kept_field_by_field(void **state)
{
    static const unsigned frame_bits[] = {12, 21, 30};
    struct unit *u = *state;
    vm_memory_reservation_t *res = unit_reserve(u, 0x1000, PAGE);

    for (unsigned i = 0; i < 3 * 2 * 3 * 2 * 36; i++) {
        struct guestmem_policy policy = {
            .frame_bits_max = frame_bits[i % 3],
            .populate = (enum guestmem_populate)(i / 3 % 2),
            .memory_type = (enum guestmem_memory_type)(i / 6 % 3),
            .discarded = (enum guestmem_discarded)(i / 18 % 2),
            .call_bytes_max = (size_t)1 << (i % 60),
            .untyped_bits_max = 12 + i / 36,
            .populate_around_bits = i % 20 == 0 ? 0 : 11 + i % 20,
        };
        struct guestmem_policy kept;

        assert_int_equal(guestmem_set_policy(&u->vm, &policy), GUESTMEM_OK);
        assert_int_equal(guestmem_get_policy(&u->vm, &kept), GUESTMEM_OK);
        assert_int_equal(kept.frame_bits_max, policy.frame_bits_max);
        assert_int_equal(kept.populate, policy.populate);
        assert_int_equal(kept.memory_type, policy.memory_type);
        assert_int_equal(kept.discarded, policy.discarded);
        assert_int_equal(kept.call_bytes_max, policy.call_bytes_max);
        assert_int_equal(kept.untyped_bits_max, policy.untyped_bits_max);
        assert_int_equal(kept.populate_around_bits, policy.populate_around_bits);
        assert_int_equal(guestmem_reservation_set_policy(&u->vm, res, &policy), GUESTMEM_OK);
        assert_int_equal(guestmem_reservation_get_policy(&u->vm, res, &kept), GUESTMEM_OK);
        assert_int_equal(kept.untyped_bits_max, policy.untyped_bits_max);
        assert_int_equal(kept.memory_type, policy.memory_type);
        assert_int_equal(kept.populate_around_bits, policy.populate_around_bits);
    }
}

static void a_field_out_of_range_is_refused_and_the_policy_stays(void **state)
{
    struct unit *u = *state;
    vm_memory_reservation_t *res = unit_reserve(u, 0x1000, PAGE);
    struct guestmem_policy bad[12];
    struct guestmem_policy kept;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        guestmem_policy_default(&bad[i]);
    }
    bad[0].frame_bits_max = 13;
    bad[1].frame_bits_max = 0;
    bad[2].populate = (enum guestmem_populate)2;
    bad[3].memory_type = (enum guestmem_memory_type)3;
    bad[4].discarded = (enum guestmem_discarded)2;
    bad[5].call_bytes_max = 0;
    bad[6].untyped_bits_max = 11;
    bad[7].untyped_bits_max = 48;
    bad[8].populate = (enum guestmem_populate) - 1;
    bad[9].populate_around_bits = 11;
    bad[10].populate_around_bits = 31;
    bad[11].populate_around_bits = (unsigned)-1;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(guestmem_set_policy(&u->vm, &bad[i]), GUESTMEM_EINVAL);
        unit_check_failure(u, GUESTMEM_EINVAL);
        assert_int_equal(guestmem_reservation_set_policy(&u->vm, res, &bad[i]), GUESTMEM_EINVAL);
    }
    assert_int_equal(guestmem_set_policy(&u->vm, NULL), GUESTMEM_EINVAL);
    assert_int_equal(guestmem_get_policy(&u->vm, &kept), GUESTMEM_OK);
    assert_int_equal(kept.frame_bits_max, 21);
    assert_int_equal(kept.untyped_bits_max, 30);
}

static void a_reservation_keeps_the_policy_of_its_making(void **state)
{
    struct unit *u = *state;
    vm_memory_reservation_t *before = unit_reserve(u, 2 * MIB, 2 * MIB);
    vm_memory_reservation_t *after;

    unit_policy(u, 12, GUESTMEM_POPULATE_LAZY);
    after = unit_reserve(u, 4 * MIB, 2 * MIB);
    assert_int_equal(map_frame_alloc_reservation(&u->vm, before), 0);
    assert_int_equal(map_frame_alloc_reservation(&u->vm, after), 0);
    unit_check_leaf(u, 2 * MIB, 21);
    unit_check_no_leaf(u, 4 * MIB);
}

static void the_policy_of_what_is_backed_stays(void **state)
{
    struct unit *u = *state;
    vm_memory_reservation_t *res = unit_reserve(u, 0x1000, PAGE);
    struct guestmem_policy policy;

    guestmem_policy_default(&policy);
    assert_int_equal(map_frame_alloc_reservation(&u->vm, res), 0);
    assert_int_equal(guestmem_reservation_set_policy(&u->vm, res, &policy), GUESTMEM_EMAPPED);
    unit_check_failure(u, GUESTMEM_EMAPPED);
}

/* Lazy or not, frames at given physical addresses are taken at once, before somebody else has them.
 */
static void frames_by_address_are_never_lazy(void **state)
{
    struct unit *u = *state;
    vm_memory_reservation_t *res;

    unit_policy(u, 21, GUESTMEM_POPULATE_LAZY);
    res = unit_reserve(u, UNIT_DEVICE, PAGE);
    assert_int_equal(map_ut_alloc_reservation(&u->vm, res), 0);
    unit_check_leaf(u, UNIT_DEVICE, 12);
}

static void mapping_at_once_is_not_for_the_policy_to_say(void **state)
{
    struct unit *u = *state;
    vm_memory_reservation_t *res;

    unit_policy(u, 21, GUESTMEM_POPULATE_LAZY);
    res = unit_reserve(u, 0x1000, 2 * PAGE);
    assert_int_equal(map_vm_memory_reservation(&u->vm, res, unit_give, u), 0);
    assert_int_equal(u->give_calls, 2);
    unit_check_leaf(u, 0x2000, 12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(the_defaults_are_what_a_new_vm_has),
        UNIT_TEST(every_policy_is_kept_field_by_field),
        UNIT_TEST(a_field_out_of_range_is_refused_and_the_policy_stays),
        UNIT_TEST(a_reservation_keeps_the_policy_of_its_making),
        UNIT_TEST(the_policy_of_what_is_backed_stays),
        UNIT_TEST(frames_by_address_are_never_lazy),
        UNIT_TEST(mapping_at_once_is_not_for_the_policy_to_say),
    };

    return cmocka_run_group_tests_name("policy", tests, NULL, NULL);
}
