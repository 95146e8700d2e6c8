/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * What boot information says of physical addresses, and how that decides about device memory.
 */
#include "unit_vm.h"

#include "memory_kind.h"

struct untyped {
    uintptr_t base;
    size_t bits;
    bool device;
};

/*
 *      0x1000_0000   0x1020_0000          0x8000_0000            top - 1 GiB
 *      [ device     ][ device    ]        [ normal     ]         [ device    ]
 */
static const struct untyped untypeds[] = {
    {0x80000000, 28, false},
    {0x10000000, 21, true},
    {0x10200000, 21, true},
    {UINTPTR_MAX - 0x3fffffff, 30, true},
};

static unsigned asked;

static int count(void *data)
{
    (void)data;
    return sizeof(untypeds) / sizeof(untypeds[0]);
}

static seL4_CPtr nth(void *data, int n, size_t *bits, uintptr_t *paddr, bool *device)
{
    (void)data;
    *bits = untypeds[n].bits;
    *paddr = untypeds[n].base;
    *device = untypeds[n].device;
    asked++;
    return 1;
}

static void check_kind(struct gm_space *space, uintptr_t paddr, bool listed, bool device)
{
    const struct gm_memory_kind *kind = gm_memory_kind_at(space, paddr);

    assert_int_equal(kind->listed, listed);
    assert_int_equal(kind->device, device);
    assert_true(kind->base <= paddr && paddr <= kind->last);
}

static void each_address_has_the_kind_of_its_untyped(void **state)
{
    simple_t simple = {.untyped_count = count, .nth_untyped = nth};
    struct gm_space space = {.simple = &simple};

    (void)state;
    check_kind(&space, 0x10000000, true, true);
    check_kind(&space, 0x101fffff, true, true);
    check_kind(&space, 0x10200000, true, true);
    check_kind(&space, 0x103fffff, true, true);
    check_kind(&space, 0x10400000, false, false);
    check_kind(&space, 0x0fffffff, false, false);
    check_kind(&space, 0x8fffffff, true, false);
    check_kind(&space, 0x90000000, false, false);
    check_kind(&space, 0, false, false);
    check_kind(&space, UINTPTR_MAX, true, true);
    check_kind(&space, UINTPTR_MAX - 0x40000000, false, false);
}

static void the_last_answer_is_kept_for_its_whole_untyped(void **state)
{
    simple_t simple = {.untyped_count = count, .nth_untyped = nth};
    struct gm_space space = {.simple = &simple};

    (void)state;
    check_kind(&space, 0x80000000, true, false);
    asked = 0;
    check_kind(&space, 0x8ffff000, true, false);
    assert_int_equal(asked, 0);
    check_kind(&space, 0x10000000, true, true);
    assert_true(asked > 0);
}

static void without_boot_information_nothing_is_known(void **state)
{
    simple_t simple = {0};
    struct gm_space space = {0};

    (void)state;
    check_kind(&space, 0x10000000, false, false);
    space.simple = &simple;
    check_kind(&space, 0x10000000, false, false);
}

/* ---- what follows for mappings ---- */

static struct guestmem_host_leaf leaf_at(struct unit *u, uintptr_t gpa)
{
    struct guestmem_host_leaf leaf;

    assert_true(unit_leaf(u, gpa, &leaf));
    return leaf;
}

static void devices_are_mapped_as_device_memory_and_ram_is_not(void **state)
{
    struct unit *u = *state;

    unit_reserve(u, 0x1000, PAGE);
    unit_reserve(u, 0x2000, PAGE);
    unit_reserve(u, 0x3000, PAGE);
    assert_int_equal(map_ut_alloc_reservation_with_base_paddr(
                         &u->vm, UNIT_DEVICE + 5 * PAGE, guestmem_reservation_at(&u->vm, 0x1000)),
                     0);
    assert_int_equal(map_ut_alloc_reservation_with_base_paddr(
                         &u->vm, UNIT_RAM_BASE + 32 * MIB, guestmem_reservation_at(&u->vm, 0x2000)),
                     0);
    assert_int_equal(map_frame_alloc_reservation(&u->vm, guestmem_reservation_at(&u->vm, 0x3000)),
                     0);
    assert_true(leaf_at(u, 0x1000).device);
    assert_true(leaf_at(u, 0x1000).paddr == UNIT_DEVICE + 5 * PAGE);
    assert_false(leaf_at(u, 0x2000).device);
    assert_false(leaf_at(u, 0x3000).device);
}

static void the_policy_overrides_what_the_untypeds_say(void **state)
{
    struct unit *u = *state;
    vm_memory_reservation_t *framebuffer = unit_reserve(u, 0x1000, PAGE);
    vm_memory_reservation_t *strange = unit_reserve(u, 0x2000, PAGE);
    struct guestmem_policy policy;

    guestmem_policy_default(&policy);
    policy.memory_type = GUESTMEM_MEMORY_NORMAL;
    assert_int_equal(guestmem_reservation_set_policy(&u->vm, framebuffer, &policy), GUESTMEM_OK);
    policy.memory_type = GUESTMEM_MEMORY_DEVICE;
    assert_int_equal(guestmem_reservation_set_policy(&u->vm, strange, &policy), GUESTMEM_OK);
    assert_int_equal(map_ut_alloc_reservation_with_base_paddr(&u->vm, UNIT_DEVICE, framebuffer), 0);
    assert_int_equal(map_frame_alloc_reservation(&u->vm, strange), 0);
    assert_false(leaf_at(u, 0x1000).device);
    assert_true(leaf_at(u, 0x2000).device);
}

/* RAM is RAM, also where a platform has set it aside as device untyped. */
static void registered_ram_is_never_device_memory(void **state)
{
    struct unit *u = *state;

    assert_int_equal(vm_ram_register_at(&u->vm, UNIT_DEVICE_RAM, 2 * MIB, true), 0);
    assert_false(leaf_at(u, UNIT_DEVICE_RAM).device);
    assert_true(leaf_at(u, UNIT_DEVICE_RAM).paddr == UNIT_DEVICE_RAM);
    assert_int_equal(vm_ram_register_at(&u->vm, 0x1000, PAGE, false), 0);
    assert_false(leaf_at(u, 0x1000).device);
}

/* Fill device RAM as a first guest would, free it, and look what the next one gets. */
static void device_ram_is_cleared_before_the_next_guest_sees_it(void **state)
{
    struct unit *u = *state;
    unsigned char *memory = guestmem_host_phys(u->host, UNIT_DEVICE_RAM, UNIT_DEVICE_RAM_BYTES);
    vm_memory_reservation_t *res;

    assert_non_null(memory);
    for (unsigned round = 0; round < 3; round++) {
        memset(memory, 0xab, UNIT_DEVICE_RAM_BYTES);
        res = unit_reserve(u, 2 * MIB - PAGE, 2 * MIB + PAGE);
        if (round == 0) {
            assert_int_equal(map_maybe_device_reservation(&u->vm, res), 0);
        } else {
            assert_int_equal(vm_free_reserved_memory(&u->vm, res), 0);
            assert_int_equal(vm_ram_register_at(&u->vm, 2 * MIB - PAGE, 2 * MIB + PAGE, false), 0);
            res = guestmem_reservation_at(&u->vm, 2 * MIB);
        }
        for (uintptr_t gpa = 2 * MIB - PAGE; gpa < 4 * MIB; gpa += PAGE) {
            struct guestmem_host_leaf leaf = leaf_at(u, gpa);
            uintptr_t offset = gpa & (((uintptr_t)1 << leaf.size_bits) - 1);
            unsigned char *page = guestmem_host_phys(u->host, leaf.paddr + offset, PAGE);

            for (size_t i = 0; i < PAGE; i += 64) {
                assert_int_equal(page[i], 0);
            }
        }
        assert_int_equal(vm_free_reserved_memory(&u->vm, res), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_address_has_the_kind_of_its_untyped),
        cmocka_unit_test(the_last_answer_is_kept_for_its_whole_untyped),
        cmocka_unit_test(without_boot_information_nothing_is_known),
        UNIT_TEST(devices_are_mapped_as_device_memory_and_ram_is_not),
        UNIT_TEST(the_policy_overrides_what_the_untypeds_say),
        UNIT_TEST_DEVICE_RAM(registered_ram_is_never_device_memory),
        UNIT_TEST_DEVICE_RAM(device_ram_is_cleared_before_the_next_guest_sees_it),
    };

    return cmocka_run_group_tests_name("memory_kind", tests, NULL, NULL);
}
