/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Frames that are a device's, or were somebody else's: how they are mapped, and what they hold.
 */
#include "unit_vm.h"

#include <guestmem/access.h>
#include <vka/object.h>

#define BASE ((uintptr_t)0x40000000)

/* A frame of the test's own at a physical address. */
static seL4_CPtr frame_at(struct unit *u, uintptr_t paddr)
{
    vka_object_t *frame = &u->frames[u->frame_count++];

    assert_int_equal(vka_alloc_frame_at(u->vka, 12, paddr, frame), 0);
    return frame->cptr;
}

static bool is_device_leaf(struct unit *u, uintptr_t gpa)
{
    struct guestmem_host_leaf leaf;

    assert_true(unit_leaf(u, gpa, &leaf));
    return leaf.device;
}

static void set_type(struct unit *u, enum guestmem_memory_type type)
{
    struct guestmem_policy policy;

    assert_int_equal(guestmem_get_policy(&u->vm, &policy), GUESTMEM_OK);
    policy.memory_type = type;
    assert_int_equal(guestmem_set_policy(&u->vm, &policy), GUESTMEM_OK);
}

/* One frame of normal memory, one of a device. */
static void map_two(struct unit *u, uintptr_t base, bool *normal, bool *device)
{
    seL4_CPtr caps[2] = {unit_frame(u, 12), frame_at(u, UNIT_DEVICE + base % (256 * PAGE))};

    assert_int_equal(
        vm_map_reservation_frames(&u->vm, unit_reserve(u, base, 2 * PAGE), caps, 2, 12), 0);
    *normal = is_device_leaf(u, base);
    *device = is_device_leaf(u, base + PAGE);
}

static void given_frames_are_mapped_as_the_policy_says(void **state)
{
    struct unit *u = *state;
    bool normal;
    bool device;
    uint16_t bytes;

    map_two(u, BASE, &normal, &device);
    assert_true(!normal && device);
    assert_int_equal(guestmem_ram_read(&u->vm, BASE + PAGE - 1, &bytes, 2), GUESTMEM_ENOSUP);
    assert_int_equal(guestmem_last_failure(&u->vm)->other_base, BASE + PAGE);
    assert_int_equal(guestmem_last_failure(&u->vm)->other_size, PAGE);
    set_type(u, GUESTMEM_MEMORY_DEVICE);
    map_two(u, BASE + 2 * PAGE, &normal, &device);
    assert_true(normal && device);
    set_type(u, GUESTMEM_MEMORY_NORMAL);
    map_two(u, BASE + 4 * PAGE, &normal, &device);
    assert_true(!normal && !device);
    set_type(u, GUESTMEM_MEMORY_AUTO);
    map_two(u, BASE + 6 * PAGE, &normal, &device);
    assert_true(!normal && device);
}

static vm_frame_t give_device_ram(uintptr_t addr, void *cookie)
{
    struct unit *u = cookie;

    return (vm_frame_t){.cptr = frame_at(u, UNIT_DEVICE_RAM + addr % MIB),
                        .rights = seL4_AllRights,
                        .vaddr = addr,
                        .size_bits = 12};
}

/* RAM is normal memory, wherever it lies. */
static void what_is_given_as_ram_is_mapped_as_ram(void **state)
{
    struct unit *u = *state;

    assert_int_equal(vm_ram_register_at_custom_iterator(&u->vm, BASE, 2 * PAGE, give_device_ram, u),
                     0);
    assert_false(is_device_leaf(u, BASE));
    assert_int_equal(
        vm_map_reservation(&u->vm, unit_reserve(u, BASE + 2 * PAGE, PAGE), give_device_ram, u), 0);
    assert_true(is_device_leaf(u, BASE + 2 * PAGE));
}

static vka_object_t hoard[32];

/* Take device RAM but its last so many bytes. */
static size_t take_device_ram_but(struct unit *u, size_t left)
{
    size_t count = 0;
    uintptr_t at = UNIT_DEVICE_RAM;

    for (size_t bytes = UNIT_DEVICE_RAM_BYTES / 2; bytes >= left; bytes /= 2) {
        assert_int_equal(
            vka_alloc_untyped_at(u->vka, (uint32_t)__builtin_ctzl(bytes), at, &hoard[count++]), 0);
        at += bytes;
    }
    return count;
}

static void check_clear(struct unit *u, uintptr_t base, size_t size)
{
    for (uintptr_t at = base; at < base + size; at += PAGE) {
        struct guestmem_host_leaf leaf;
        const uint8_t *bytes;

        assert_true(unit_leaf(u, at, &leaf));
        bytes = guestmem_host_phys(u->host, leaf.paddr, PAGE);
        for (size_t i = 0; i < PAGE; i += 64) {
            assert_int_equal(bytes[i], 0);
        }
    }
}

/* A large piece of normal memory, then small ones of device RAM; and the other way round. */
static void device_ram_is_clear_whatever_was_taken_before(void **state)
{
    struct unit *u = *state;
    uint8_t *bytes = guestmem_host_phys(u->host, UNIT_DEVICE_RAM, UNIT_DEVICE_RAM_BYTES);
    size_t count = take_device_ram_but(u, 16 * PAGE);
    struct guestmem_host_leaf leaf;

    memset(bytes, 0xaa, UNIT_DEVICE_RAM_BYTES);
    assert_int_equal(vm_ram_register_at(&u->vm, BASE, 2 * MIB + 13 * PAGE, false), 0);
    assert_true(unit_leaf(u, BASE + 2 * MIB, &leaf));
    assert_in_range(leaf.paddr, UNIT_DEVICE_RAM, UNIT_DEVICE_RAM + UNIT_DEVICE_RAM_BYTES);
    assert_true(unit_leaf(u, BASE + 2 * MIB + 12 * PAGE, &leaf));
    assert_in_range(leaf.paddr, UNIT_DEVICE_RAM, UNIT_DEVICE_RAM + UNIT_DEVICE_RAM_BYTES);
    check_clear(u, BASE, 2 * MIB + 13 * PAGE);
    assert_int_equal(vm_free_reserved_memory(&u->vm, guestmem_reservation_at(&u->vm, BASE)), 0);
    memset(bytes, 0xaa, UNIT_DEVICE_RAM_BYTES);
    assert_int_equal(vm_ram_register_at(&u->vm, BASE + PAGE, 2 * MIB - PAGE, false), 0);
    check_clear(u, BASE + PAGE, 2 * MIB - PAGE);
    for (size_t i = 0; i < count; i++) {
        vka_free_object(u->vka, &hoard[i]);
    }
}

/* A whole large frame of normal memory, and one small one of device RAM. */
static void one_page_of_device_ram_is_clear_behind_normal_memory(void **state)
{
    struct unit *u = *state;
    uint8_t *bytes = guestmem_host_phys(u->host, UNIT_DEVICE_RAM, UNIT_DEVICE_RAM_BYTES);
    size_t count = take_device_ram_but(u, 16 * PAGE);
    struct guestmem_host_leaf leaf;

    memset(bytes, 0xaa, UNIT_DEVICE_RAM_BYTES);
    assert_int_equal(vm_ram_register_at(&u->vm, BASE, 2 * MIB + PAGE, false), 0);
    unit_check_leaf(u, BASE, 21);
    assert_true(unit_leaf(u, BASE + 2 * MIB, &leaf));
    assert_in_range(leaf.paddr, UNIT_DEVICE_RAM, UNIT_DEVICE_RAM + UNIT_DEVICE_RAM_BYTES);
    check_clear(u, BASE + 2 * MIB, PAGE);
    for (size_t i = 0; i < count; i++) {
        vka_free_object(u->vka, &hoard[i]);
    }
}

static void check_frame_is_refused(struct unit *u, seL4_CPtr *caps, size_t count, size_t bits)
{
    const struct guestmem_failure *failure = guestmem_last_failure(&u->vm);
    vm_memory_reservation_t *res = unit_reserve(u, BASE, 2 * PAGE);

    assert_int_equal(vm_map_reservation_frames(&u->vm, res, caps, count, bits), -1);
    assert_int_equal(failure->error, GUESTMEM_EFRAME);
    assert_int_equal(failure->cause, 0);
    assert_int_equal(failure->base, BASE);
    assert_int_equal(failure->size, 2 * PAGE);
    assert_int_equal(vm_free_reserved_memory(&u->vm, res), 0);
}

static vm_frame_t give_wrong_size(uintptr_t addr, void *cookie)
{
    return (vm_frame_t){
        .cptr = unit_frame(cookie, 12), .rights = seL4_AllRights, .vaddr = addr, .size_bits = 13};
}

/* Found without asking the kernel. */
static void frames_that_are_none_have_no_cause(void **state)
{
    struct unit *u = *state;
    seL4_CPtr caps[2] = {unit_frame(u, 12), seL4_CapNull};
    vm_memory_reservation_t *res;

    check_frame_is_refused(u, caps, 2, 12);
    check_frame_is_refused(u, caps, 1, 12);
    res = unit_reserve(u, BASE, PAGE);
    assert_int_equal(vm_map_reservation(&u->vm, res, give_wrong_size, u), -1);
    assert_int_equal(guestmem_last_failure(&u->vm)->error, GUESTMEM_EFRAME);
    assert_int_equal(guestmem_last_failure(&u->vm)->cause, 0);
}

/* The largest that both addresses are aligned to is taken at once. */
static void memory_at_an_address_is_taken_in_the_largest_untypeds(void **state)
{
    struct unit *u = *state;
    uintptr_t paddr = UNIT_RAM_BASE + 16 * MIB;

    unit_policy(u, 12, GUESTMEM_POPULATE_EAGER);
    assert_int_equal(map_ut_alloc_reservation_with_base_paddr(
                         &u->vm, paddr, unit_reserve(u, BASE + 3 * PAGE, 8 * PAGE)),
                     0);
    assert_int_equal(u->space->stats.untypeds, 1);
    assert_int_equal(
        map_ut_alloc_reservation_with_base_paddr(&u->vm, paddr + 32 * PAGE + PAGE,
                                                 unit_reserve(u, BASE + 32 * PAGE, 7 * PAGE)),
        0);
    assert_int_equal(u->space->stats.untypeds, 1 + 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(given_frames_are_mapped_as_the_policy_says),
        UNIT_TEST_DEVICE_RAM(what_is_given_as_ram_is_mapped_as_ram),
        UNIT_TEST_DEVICE_RAM(device_ram_is_clear_whatever_was_taken_before),
        UNIT_TEST_DEVICE_RAM(one_page_of_device_ram_is_clear_behind_normal_memory),
        UNIT_TEST(frames_that_are_none_have_no_cause),
        UNIT_TEST(memory_at_an_address_is_taken_in_the_largest_untypeds),
    };

    return cmocka_run_group_tests_name("given", tests, NULL, NULL);
}
