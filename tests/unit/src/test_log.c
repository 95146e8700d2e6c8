/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The compatible functions print one line a failure, and nothing else does: what it says, and the
 * range that it, or the last failure, names.
 */
#include "unit_vm.h"

#include <guestmem/access.h>
#include <guestmem/threads.h>
#include <stdio.h>
#include <unistd.h>

#define BASE ((uintptr_t)0x40000000)

static FILE *captured;
static int stderr_before;

static void start_capture(void)
{
    captured = tmpfile();
    assert_non_null(captured);
    fflush(stderr);
    stderr_before = dup(STDERR_FILENO);
    assert_true(stderr_before >= 0);
    assert_true(dup2(fileno(captured), STDERR_FILENO) >= 0);
}

/* What was printed since, which is at most one line. */
static void end_capture(char *line, size_t size)
{
    size_t length;

    fflush(stderr);
    assert_true(dup2(stderr_before, STDERR_FILENO) >= 0);
    close(stderr_before);
    rewind(captured);
    length = fread(line, 1, size - 1, captured);
    line[length] = '\0';
    fclose(captured);
}

#define SAYS(expected, call)                                              \
    do {                                                                  \
        char line_[512];                                                  \
        start_capture();                                                  \
        (void)(call);                                                     \
        end_capture(line_, sizeof(line_));                                \
        if (strstr(line_, expected) == NULL) {                            \
            fail_msg("'%s' isn't in '%s'", expected, line_);              \
        }                                                                 \
        assert_ptr_equal(strchr(line_, '\n'), line_ + strlen(line_) - 1); \
    } while (0)

#define IS_SILENT(call)                    \
    do {                                   \
        char line_[512];                   \
        start_capture();                   \
        (void)(call);                      \
        end_capture(line_, sizeof(line_)); \
        assert_string_equal(line_, "");    \
    } while (0)

static void calls_without_a_vm_say_so(void **state)
{
    struct unit *u = *state;
    vspace_t vspace;

    SAYS("vm_reserve_memory_at [0x40000000, +0x1000): no VM",
         vm_reserve_memory_at(NULL, BASE, PAGE, unit_fault, NULL));
    SAYS("vm_memory_handle_fault: no VM", vm_memory_handle_fault(NULL, NULL, BASE, 4));
    SAYS("vm_memory_init: no VM", vm_memory_init(NULL));
    SAYS("initialised already", vm_memory_init(&u->vm));
    SAYS("vm_init_guest_vspace: invalid argument",
         vm_init_guest_vspace(NULL, NULL, &vspace, u->vka, u->root.cptr));
    IS_SILENT(guestmem_ram_read(NULL, BASE, &vspace, 1));
    IS_SILENT(guestmem_get_policy(NULL, NULL));
}

static void a_vm_for_which_there_are_no_bytes_is_told(void **state)
{
    struct unit *u = *state;
    vm_t blank = {.io_ops = u->vm.io_ops};
    vspace_t vspace;

    guestmem_host_fail(u->host, GUESTMEM_HOST_FAIL_MALLOC, 1, true);
    SAYS("vm_memory_init: no memory for book-keeping", vm_memory_init(&blank));
    SAYS("vm_init_guest_vspace: no memory for book-keeping",
         vm_init_guest_vspace(&u->vm.mem.vmm_vspace, &u->vm.mem.vmm_vspace, &vspace, u->vka,
                              u->root.cptr));
    guestmem_host_fail(u->host, 0, 0, false);
}

static void a_failure_is_one_line_with_its_range(void **state)
{
    struct unit *u = *state;
    uintptr_t addr = 0;

    unit_reserve(u, BASE, PAGE);
    SAYS("vm_reserve_memory_at [0x40000000, +0x2000): ",
         vm_reserve_memory_at(&u->vm, BASE, 2 * PAGE, unit_fault, NULL));
    SAYS("is taken by [0x40000000, +0x1000)\n",
         vm_reserve_memory_at(&u->vm, BASE, 2 * PAGE, unit_fault, NULL));
    SAYS("vm_reserve_anon_memory [0x0, +0x3000): ",
         vm_reserve_anon_memory(&u->vm, 3 * PAGE, 1, unit_fault, NULL, &addr));
    SAYS("vm_free_reserved_memory [0x0, +0x0): ", vm_free_reserved_memory(&u->vm, NULL));
    SAYS("vspace_unmap_pages [0x40000000, +0x5000): ",
         vspace_unmap_pages(&u->vm.mem.vm_vspace, (void *)BASE, 5, 12, VSPACE_FREE));
    SAYS("vspace_unmap_pages [0x40000000, +0xa00000): ",
         vspace_unmap_pages(&u->vm.mem.vm_vspace, (void *)BASE, 5, 21, VSPACE_FREE));
    SAYS("vspace_free_reservation_by_vaddr [0x70000000, +0x0): ",
         vspace_free_reservation_by_vaddr(&u->vm.mem.vm_vspace, (void *)0x70000000));
    SAYS("vm_guest_add_iospace [0x0, +0x0): ", vm_guest_add_iospace(&u->vm, NULL, 0));
    SAYS("vm_ram_find_largest_free_region [0x0, +0x0): ",
         vm_ram_find_largest_free_region(&u->vm, &addr, NULL));
    IS_SILENT(guestmem_created_destroy(&u->vm, BASE));
}

static void calls_that_succeed_are_silent(void **state)
{
    struct unit *u = *state;
    vspace_t *v = &u->vm.mem.vm_vspace;
    reservation_t reservation = {NULL};

    IS_SILENT(reservation = vspace_reserve_range_at(v, (void *)BASE, PAGE, seL4_AllRights, 1));
    IS_SILENT(vspace_new_pages_at_vaddr(v, (void *)BASE, 1, 12, reservation));
    IS_SILENT(vspace_free_reservation(v, reservation));
    IS_SILENT(vspace_unmap_pages(v, (void *)BASE, 1, 12, VSPACE_FREE));
    IS_SILENT(reservation = vspace_reserve_range_at(v, (void *)BASE, PAGE, seL4_AllRights, 1));
    IS_SILENT(vspace_free_reservation_by_vaddr(v, (void *)BASE));
    IS_SILENT(vm_ram_register_at(&u->vm, BASE, PAGE, false));
    IS_SILENT(vm_memory_make_anon(&u->vm, 4 * BASE, PAGE));
    IS_SILENT(vm_ram_register(&u->vm, PAGE));
    IS_SILENT(
        create_allocated_reservation_frame(&u->vm, 2 * BASE, seL4_AllRights, unit_fault, NULL));
    IS_SILENT(vspace_tear_down(v, VSPACE_FREE));
}

static void a_guests_mistake_is_one_line(void **state)
{
    struct unit *u = *state;
    vm_vcpu_t vcpu = {.vm = &u->vm};

    assert_int_equal(vm_ram_register_at(&u->vm, BASE, 4 * PAGE, false), 0);
    SAYS("guest access to RAM at [0x40000123, +0x4) that its rights or a discard forbid",
         vm_memory_handle_fault(&u->vm, &vcpu, BASE + 0x123, 4));
    SAYS("guest access to [0x1234, +0x2), which allows none",
         default_error_fault_callback(&u->vm, &vcpu, 0x1234, 2, NULL));
}

static memory_fault_result_t destroy_inside(vm_t *vm, vm_vcpu_t *vcpu, uintptr_t addr, size_t size,
                                            void *cookie)
{
    const struct guestmem_failure *failure = guestmem_last_failure(vm);
    struct unit *u = cookie;

    (void)vcpu;
    (void)addr;
    (void)size;
    assert_int_equal(guestmem_destroy(vm), GUESTMEM_EBUSY);
    unit_check_failure(u, GUESTMEM_EBUSY);
    assert_string_equal(failure->operation, "guestmem_destroy");
    assert_int_equal(failure->base, 0);
    assert_int_equal(failure->size, u->space->last + 1);
    assert_int_equal(guestmem_reader_register(vm), GUESTMEM_EBUSY);
    unit_check_failure(u, GUESTMEM_EBUSY);
    assert_int_equal(guestmem_created_destroy(vm, BASE), GUESTMEM_EUNMAPPED);
    SAYS("vspace_tear_down [0x0, +0x", vspace_tear_down(&vm->mem.vm_vspace, VSPACE_FREE));
    unit_check_failure(u, GUESTMEM_EBUSY);
    assert_string_equal(failure->operation, "vspace_tear_down");
    assert_int_equal(failure->base, 0);
    assert_int_equal(failure->size, u->space->last + 1);
    return FAULT_HANDLED;
}

static void taking_down_from_inside_names_the_whole_space(void **state)
{
    struct unit *u = *state;

    assert_non_null(vm_reserve_memory_at(&u->vm, BASE, PAGE, destroy_inside, u));
    assert_int_equal(vm_memory_handle_fault(&u->vm, &(vm_vcpu_t){.vm = &u->vm}, BASE, 1),
                     FAULT_HANDLED);
}

/* Of calls that are about the VM as a whole, and about one page. */
static void failures_of_our_own_functions_name_their_range(void **state)
{
    struct unit *u = *state;
    const struct guestmem_failure *failure = guestmem_last_failure(&u->vm);
    vm_memory_reservation_t *stale = unit_reserve(u, BASE, PAGE);
    struct guestmem_policy policy;

    assert_int_equal(vm_free_reserved_memory(&u->vm, stale), 0);
    assert_int_equal(guestmem_created_destroy(&u->vm, BASE), GUESTMEM_EUNMAPPED);
    assert_true(failure->base == BASE && failure->size == PAGE);
    assert_int_equal(guestmem_get_stats(&u->vm, NULL), GUESTMEM_EINVAL);
    assert_true(failure->base == 0 && failure->size == 0);
    assert_int_equal(guestmem_created_destroy(&u->vm, BASE), GUESTMEM_EUNMAPPED);
    assert_int_equal(guestmem_walk(&u->vm, NULL, NULL), GUESTMEM_EINVAL);
    unit_check_failure(u, GUESTMEM_EINVAL);
    assert_true(failure->base == 0 && failure->size == 0);
    assert_int_equal(guestmem_get_policy(&u->vm, NULL), GUESTMEM_EINVAL);
    assert_string_equal(failure->operation, "guestmem_get_policy");
    assert_true(failure->base == 0 && failure->size == 0);
    assert_int_equal(guestmem_set_policy(&u->vm, NULL), GUESTMEM_EINVAL);
    assert_string_equal(failure->operation, "guestmem_set_policy");
    assert_true(failure->base == 0 && failure->size == 0);
    guestmem_policy_default(&policy);
    assert_int_equal(guestmem_reservation_set_policy(&u->vm, stale, &policy), GUESTMEM_ESTALE);
    assert_true(failure->base == 0 && failure->size == 0);
    assert_int_equal(guestmem_reservation_get_policy(&u->vm, stale, &policy), GUESTMEM_ESTALE);
    assert_true(failure->base == 0 && failure->size == 0);
    assert_int_equal(guestmem_map_iterator(&u->vm, stale, unit_give, NULL, u), GUESTMEM_ESTALE);
    assert_true(failure->base == 0 && failure->size == 0);
    assert_int_equal(vm_map_reservation(&u->vm, stale, unit_give, u), -1);
    assert_true(failure->base == 0 && failure->size == 0);
    assert_int_equal(guestmem_created_destroy(&u->vm, BASE), GUESTMEM_EUNMAPPED);
    assert_int_equal(vm_map_reservation_frames(&u->vm, stale, NULL, 0, 12), -1);
    assert_true(failure->base == 0 && failure->size == 0);
    assert_int_equal(guestmem_created_destroy(&u->vm, BASE), GUESTMEM_EUNMAPPED);
    assert_int_equal(map_frame_alloc_reservation(&u->vm, stale), -1);
    assert_true(failure->base == 0 && failure->size == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(calls_without_a_vm_say_so),
        UNIT_TEST(a_vm_for_which_there_are_no_bytes_is_told),
        UNIT_TEST(a_failure_is_one_line_with_its_range),
        UNIT_TEST(calls_that_succeed_are_silent),
        UNIT_TEST(a_guests_mistake_is_one_line),
        UNIT_TEST(taking_down_from_inside_names_the_whole_space),
        UNIT_TEST(failures_of_our_own_functions_name_their_range),
    };

    return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
