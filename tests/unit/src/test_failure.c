/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * What is said of a failure, and when.
 */
#include "unit_vm.h"

#include <vka/object.h>

static void each_error_has_a_text_of_its_own(void **state)
{
    (void)state;
    for (int a = GUESTMEM_OK; a >= GUESTMEM_ENOSUP; a--) {
        assert_string_not_equal(guestmem_strerror(a), "unknown error");
        for (int b = GUESTMEM_OK; b > a; b--) {
            assert_string_not_equal(guestmem_strerror(a), guestmem_strerror(b));
        }
    }
    assert_string_equal(guestmem_strerror(1), "unknown error");
    assert_string_equal(guestmem_strerror(GUESTMEM_ENOSUP - 1), "unknown error");
    assert_string_equal(guestmem_strerror(INT32_MIN), "unknown error");
    assert_string_equal(guestmem_strerror(INT32_MAX), "unknown error");
}

static void a_failure_names_call_range_step_and_what_is_in_the_way(void **state)
{
    struct unit *u = *state;
    const struct guestmem_failure *failure = guestmem_last_failure(&u->vm);
    char text[256];

    unit_reserve(u, 0x5000, 0x2000);
    assert_null(vm_reserve_memory_at(&u->vm, 0x4000, 0x1001, unit_fault, NULL));
    assert_string_equal(failure->operation, "vm_reserve_memory_at");
    assert_int_equal(failure->base, 0x4000);
    assert_int_equal(failure->size, 0x1001);
    assert_int_equal(failure->other_base, 0x5000);
    assert_int_equal(failure->other_size, 0x2000);
    assert_true(guestmem_failure_text(failure, text, sizeof(text)) > 0);
    assert_non_null(strstr(text, "vm_reserve_memory_at"));
    assert_non_null(strstr(text, "0x4000"));
    assert_non_null(strstr(text, "0x5000"));
    assert_non_null(strstr(text, failure->step));
}

/* As snprintf(): the length that it takes, and a text that is cut but ended. */
static void a_text_that_is_too_long_is_cut(void **state)
{
    struct unit *u = *state;
    const struct guestmem_failure *failure = guestmem_last_failure(&u->vm);
    char text[8] = "xxxxxxx";
    int length;

    assert_int_equal(guestmem_failure_text(NULL, text, sizeof(text)), strlen("no error"));
    assert_string_equal(text, "no erro");
    assert_int_equal(vm_memory_make_anon(&u->vm, 0, 0), -1);
    length = guestmem_failure_text(failure, NULL, 0);
    assert_true(length > 20);
    assert_int_equal(guestmem_failure_text(failure, text, sizeof(text)), length);
    assert_int_equal(strlen(text), 7);
}

static void at_first_nothing_has_failed(void **state)
{
    struct unit *u = *state;

    assert_int_equal(guestmem_last_failure(&u->vm)->error, GUESTMEM_OK);
    assert_null(guestmem_last_failure(NULL));
    unit_reserve(u, 0x1000, PAGE);
    assert_int_equal(guestmem_last_failure(&u->vm)->error, GUESTMEM_OK);
}

static vka_object_t hoard[256];

/* Leave pieces of 1 MiB: no 2 MiB stand together. Returns how many were taken. */
static size_t fragment(struct unit *u)
{
    size_t count = 0;

    while (count < 256 && vka_alloc_untyped(u->vka, 20, &hoard[count]) == 0) {
        count++;
    }
    assert_in_range(count, 8, 255);
    for (size_t i = 0; i < count; i += 2) {
        vka_free_object(u->vka, &hoard[i]);
    }
    return count;
}

static void defragment(struct unit *u, size_t count)
{
    for (size_t i = 1; i < count; i += 2) {
        vka_free_object(u->vka, &hoard[i]);
    }
}

/* What failed on the way to a success is counted, and isn't the VM's last failure. */
static void a_call_that_found_another_way_reports_nothing(void **state)
{
    struct unit *u = *state;
    size_t count = fragment(u);
    vm_memory_reservation_t *res = unit_reserve(u, 2 * MIB, 4 * MIB);

    assert_int_equal(map_frame_alloc_reservation(&u->vm, res), 0);
    unit_check_leaf(u, 2 * MIB, 12);
    assert_true(u->space->stats.fallbacks[1] > 0);
    assert_int_equal(guestmem_last_failure(&u->vm)->error, GUESTMEM_OK);
    assert_int_equal(vm_free_reserved_memory(&u->vm, res), 0);
    defragment(u, count);
}

static void a_failure_that_undoes_much_still_says_what_failed(void **state)
{
    struct unit *u = *state;
    vm_memory_reservation_t *res = unit_reserve(u, 2 * MIB, 128 * MIB);

    assert_int_equal(map_frame_alloc_reservation(&u->vm, res), -1);
    unit_check_failure(u, GUESTMEM_ENOFRAME);
    assert_string_equal(guestmem_last_failure(&u->vm)->operation, "map_frame_alloc_reservation");
    assert_int_not_equal(guestmem_last_failure(&u->vm)->cause, 0); /* what the allocator answered */
    assert_int_equal(guestmem_last_failure(&u->vm)->size, 128 * MIB);
}

static void every_compatible_call_takes_a_null_vm(void **state)
{
    struct unit *u = *state;
    vm_t blank = {0};
    vm_t *vms[] = {NULL, &blank};
    uintptr_t addr = 0;
    size_t size = 0;

    for (size_t i = 0; i < 2; i++) {
        vm_t *vm = vms[i];

        assert_null(vm_reserve_memory_at(vm, 0x1000, PAGE, unit_fault, NULL));
        assert_null(vm_reserve_anon_memory(vm, PAGE, 1, unit_fault, NULL, &addr));
        assert_int_equal(vm_memory_make_anon(vm, 0x1000, PAGE), -1);
        assert_int_equal(vm_free_reserved_memory(vm, NULL), -1);
        assert_int_equal(vm_map_reservation(vm, NULL, unit_give, u), -1);
        assert_int_equal(vm_map_reservation_frames(vm, NULL, NULL, 0, 12), -1);
        assert_int_equal(vm_memory_handle_fault(vm, NULL, 0x1000, 4), FAULT_ERROR);
        assert_int_equal(vm_ram_touch(vm, 0x1000, 1, vm_guest_ram_read_callback, &addr), -1);
        assert_int_equal(vm_ram_find_largest_free_region(vm, &addr, &size), -1);
        assert_int_equal(vm_ram_register(vm, PAGE), 0);
        assert_int_equal(vm_ram_register_at(vm, 0x1000, PAGE, false), -1);
        assert_int_equal(vm_ram_register_at_custom_iterator(vm, 0x1000, PAGE, unit_give, u), -1);
        vm_ram_mark_allocated(vm, 0x1000, PAGE);
        assert_int_equal(vm_ram_allocate(vm, PAGE), 0);
        vm_ram_free(vm, 0x1000, PAGE);
        assert_null(
            create_allocated_reservation_frame(vm, 0x1000, seL4_AllRights, unit_fault, NULL));
        assert_null(create_device_reservation_frame(vm, 0x1000, seL4_AllRights, unit_fault, NULL));
        assert_int_equal(map_frame_alloc_reservation(vm, NULL), -1);
        assert_int_equal(map_ut_alloc_reservation_with_base_paddr(vm, 0, NULL), -1);
        assert_int_equal(vm_arm_ipa_to_pa(vm, 0x1000, 1), 0);
        assert_null(guestmem_reservation_at(vm, 0));
        assert_int_equal(guestmem_populate(vm, 0x1000, 1), GUESTMEM_EINVAL);
        assert_int_equal(guestmem_set_rights(vm, 0x1000, 1, seL4_AllRights), GUESTMEM_EINVAL);
        assert_int_equal(guestmem_created_destroy(vm, 0x1000), GUESTMEM_EINVAL);
        assert_int_equal(guestmem_ram_discard(vm, 0x1000, PAGE), GUESTMEM_EINVAL);
        assert_int_equal(guestmem_ram_mark(vm, 0x1000, PAGE, true), GUESTMEM_EINVAL);
        assert_int_equal(guestmem_set_policy(vm, NULL), GUESTMEM_EINVAL);
        assert_int_equal(guestmem_get_stats(vm, NULL), GUESTMEM_EINVAL);
        assert_int_equal(guestmem_walk(vm, NULL, NULL), GUESTMEM_EINVAL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_error_has_a_text_of_its_own),
        UNIT_TEST(a_failure_names_call_range_step_and_what_is_in_the_way),
        UNIT_TEST(a_text_that_is_too_long_is_cut),
        UNIT_TEST(at_first_nothing_has_failed),
        UNIT_TEST(a_call_that_found_another_way_reports_nothing),
        UNIT_TEST(a_failure_that_undoes_much_still_says_what_failed),
        UNIT_TEST(every_compatible_call_takes_a_null_vm),
    };

    return cmocka_run_group_tests_name("failure", tests, NULL, NULL);
}
