/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Access on its short ways, and where the VMM's view of memory, or the caches' upkeep, fails on the way.
 */
#include "unit_vm.h"

#include <guestmem/access.h>

#include "frames_sources.h"

#define BASE ((uintptr_t)0x40000000)
#define OTHER ((uintptr_t)0x50000000)
#define VIEW (2 * MIB)

/* ------------------------------------------------------------- cache operations that fail */

/* The call, from 1, that fails; 0: none. */
static unsigned clean_fails_at;
static unsigned unify_fails_at;

seL4_Error __real_seL4_ARM_Page_CleanInvalidate_Data(seL4_CPtr frame, seL4_Word from, seL4_Word to);
seL4_Error __wrap_seL4_ARM_Page_CleanInvalidate_Data(seL4_CPtr frame, seL4_Word from, seL4_Word to);
seL4_Error __real_seL4_ARM_Page_Unify_Instruction(seL4_CPtr frame, seL4_Word from, seL4_Word to);
seL4_Error __wrap_seL4_ARM_Page_Unify_Instruction(seL4_CPtr frame, seL4_Word from, seL4_Word to);

seL4_Error __wrap_seL4_ARM_Page_CleanInvalidate_Data(seL4_CPtr frame, seL4_Word from, seL4_Word to)
{
    return clean_fails_at > 0 && --clean_fails_at == 0
               ? seL4_IllegalOperation
               : __real_seL4_ARM_Page_CleanInvalidate_Data(frame, from, to);
}

seL4_Error __wrap_seL4_ARM_Page_Unify_Instruction(seL4_CPtr frame, seL4_Word from, seL4_Word to)
{
    return unify_fails_at > 0 && --unify_fails_at == 0
               ? seL4_IllegalOperation
               : __real_seL4_ARM_Page_Unify_Instruction(frame, from, to);
}

/* --------------------------------------------------------------------------------- helpers */

static void make_ram(struct unit *u, uintptr_t base, size_t size)
{
    assert_int_equal(vm_ram_register_at(&u->vm, base, size, false), 0);
}

static void set_views(struct unit *u, enum guestmem_views views)
{
    struct guestmem_policy policy;

    assert_int_equal(guestmem_get_policy(&u->vm, &policy), GUESTMEM_OK);
    policy.views = views;
    assert_int_equal(guestmem_set_policy(&u->vm, &policy), GUESTMEM_OK);
}

/* Whether all of [gpa, gpa + size) is `byte`. */
static bool is_filled(struct unit *u, uintptr_t gpa, uint8_t byte, size_t size)
{
    static uint8_t bytes[4 * VIEW];

    assert_true(size <= sizeof(bytes));
    assert_int_equal(guestmem_ram_read(&u->vm, gpa, bytes, size), GUESTMEM_OK);
    return bytes[0] == byte && memcmp(bytes, bytes + 1, size - 1) == 0;
}

/* ----------------------------------------------------------------------------------- tests */

static int touch_nothing(vm_t *vm, uintptr_t addr, void *vaddr, size_t size, size_t offset,
                         void *cookie)
{
    (void)vm;
    (void)addr;
    (void)vaddr;
    (void)size;
    (void)offset;
    (*(unsigned *)cookie)++;
    return 0;
}

/* What was used lately is used again without a look at anything else, but for the arguments. */
static void memory_used_lately_excuses_no_argument(void **state)
{
    struct unit *u = *state;
    uint64_t value = 5;
    unsigned touched = 0;

    make_ram(u, BASE, PAGE);
    assert_int_equal(guestmem_ram_store(&u->vm, BASE, 8, 7), GUESTMEM_OK);
    assert_int_equal(guestmem_ram_load(&u->vm, BASE, 8, &value), GUESTMEM_OK);
    assert_int_equal(value, 7);
    assert_int_equal(guestmem_ram_read(&u->vm, BASE, NULL, 8), GUESTMEM_EINVAL);
    assert_int_equal(guestmem_ram_write(&u->vm, BASE, NULL, 8), GUESTMEM_EINVAL);
    assert_int_equal(guestmem_ram_load(&u->vm, BASE, 8, NULL), GUESTMEM_EINVAL);
    assert_int_equal(guestmem_ram_load(&u->vm, BASE, 3, &value), GUESTMEM_EINVAL);
    assert_int_equal(guestmem_ram_load(&u->vm, BASE + 4, 8, &value), GUESTMEM_EINVAL);
    assert_int_equal(guestmem_ram_load_acquire(&u->vm, BASE, 8, NULL), GUESTMEM_EINVAL);
    assert_int_equal(guestmem_ram_load_acquire(&u->vm, BASE, 5, &value), GUESTMEM_EINVAL);
    assert_int_equal(guestmem_ram_store(&u->vm, BASE, 6, 1), GUESTMEM_EINVAL);
    assert_int_equal(guestmem_ram_store(&u->vm, BASE + 2, 4, 1), GUESTMEM_EINVAL);
    assert_int_equal(guestmem_ram_store_release(&u->vm, BASE + 1, 2, 1), GUESTMEM_EINVAL);
    assert_int_equal(vm_ram_touch(&u->vm, BASE, 8, NULL, NULL), -1);
    unit_check_failure(u, GUESTMEM_EINVAL);
    assert_int_equal(vm_ram_touch(&u->vm, BASE, 8, touch_nothing, &touched), 0);
    assert_int_equal(touched, 1);
    assert_int_equal(value, 7);
    assert_int_equal(guestmem_ram_load_acquire(&u->vm, BASE, 8, &value), GUESTMEM_OK);
    assert_int_equal(value, 7);
}

/* Access goes to whatever is backed; touching goes to RAM. */
static void memory_used_lately_is_not_touched_unless_it_is_ram(void **state)
{
    struct unit *u = *state;
    vm_memory_reservation_t *res = unit_reserve(u, BASE, PAGE);
    unsigned touched = 0;

    assert_int_equal(map_frame_alloc_reservation(&u->vm, res), 0);
    assert_int_equal(guestmem_ram_store(&u->vm, BASE, 8, 7), GUESTMEM_OK);
    assert_int_equal(guestmem_ram_store(&u->vm, BASE, 8, 8), GUESTMEM_OK);
    assert_int_equal(vm_ram_touch(&u->vm, BASE, 8, touch_nothing, &touched), -1);
    unit_check_failure(u, GUESTMEM_EUNMAPPED);
    assert_int_equal(touched, 0);
}

/* Where the k-th view can't be had, for each k: an error, and the same call succeeds afterwards.
 * Returns how many failed. */
static unsigned fail_each_view(struct unit *u, int (*call)(struct unit *u))
{
    for (unsigned k = 1;; k++) {
        int error;
        bool struck;

        guestmem_host_fail(u->host, GUESTMEM_HOST_FAIL_VMM_MAP, k, false);
        error = call(u);
        struck = guestmem_host_failed(u->host, NULL);
        guestmem_host_fail(u->host, 0, 0, false);
        if (!struck) {
            assert_int_equal(error, GUESTMEM_OK);
            return k - 1;
        }
        assert_int_equal(error, GUESTMEM_EVMM);
        unit_check_failure(u, GUESTMEM_EVMM);
        assert_int_equal(call(u), GUESTMEM_OK);
    }
}

static int copy_up(struct unit *u)
{
    return guestmem_ram_copy(&u->vm, OTHER, BASE, 3 * VIEW);
}

static int copy_down(struct unit *u)
{
    return guestmem_ram_copy(&u->vm, BASE, BASE + PAGE, 3 * VIEW);
}

/* Views that don't stay are made again and again while one copy is under way. */
static void a_copy_that_loses_its_view_says_so_and_can_be_repeated(void **state)
{
    struct unit *u = *state;

    make_ram(u, BASE, 4 * VIEW);
    make_ram(u, OTHER, 4 * VIEW);
    assert_int_equal(guestmem_ram_fill(&u->vm, BASE, 0x5a, 4 * VIEW), GUESTMEM_OK);
    set_views(u, GUESTMEM_VIEWS_NONE);
    assert_true(fail_each_view(u, copy_up) >= 6);
    assert_true(is_filled(u, OTHER, 0x5a, 3 * VIEW));
    assert_true(fail_each_view(u, copy_down) >= 3);
    assert_true(is_filled(u, BASE, 0x5a, 4 * VIEW));
}

static const uint8_t code[3 * VIEW] = {1, 2, 3};

static int write_code(struct unit *u)
{
    return guestmem_ram_write(&u->vm, BASE, code, sizeof(code));
}

static int sync_code(struct unit *u)
{
    return guestmem_ram_sync_code(&u->vm, BASE, sizeof(code));
}

static void code_whose_view_is_lost_before_the_caches_are_done_is_an_error(void **state)
{
    struct unit *u = *state;
    uint64_t word;

    make_ram(u, BASE, 3 * VIEW);
    set_views(u, GUESTMEM_VIEWS_NONE);
    u->vm.mem.clean_cache = true;
    assert_true(fail_each_view(u, write_code) >= 6); /* to write, and for the caches */
    assert_true(fail_each_view(u, sync_code) >= 3);
    assert_int_equal(guestmem_ram_load(&u->vm, BASE, 4, &word), GUESTMEM_OK);
    assert_int_equal(word, 0x030201);
}

static void a_cache_operation_that_fails_fails_the_call(void **state)
{
    struct unit *u = *state;
    uint64_t word;

    make_ram(u, BASE, VIEW);
    u->vm.mem.clean_cache = true;
    clean_fails_at = 1;
    assert_int_equal(guestmem_ram_write(&u->vm, BASE, code, 4), GUESTMEM_EKERNEL);
    unit_check_failure(u, GUESTMEM_EKERNEL);
    assert_int_equal(guestmem_last_failure(&u->vm)->cause, seL4_IllegalOperation);
    assert_int_equal(guestmem_ram_load(&u->vm, BASE, 4, &word), GUESTMEM_OK);
    assert_int_equal(word, 0x030201); /* the bytes are there: they can't be taken back */
    unify_fails_at = 1;
    assert_int_equal(guestmem_ram_sync_code(&u->vm, BASE, 4), GUESTMEM_EKERNEL);
    assert_int_equal(guestmem_last_failure(&u->vm)->cause, seL4_IllegalOperation);
    assert_int_equal(clean_fails_at + unify_fails_at, 0);
    assert_int_equal(guestmem_ram_sync_code(&u->vm, BASE, 4), GUESTMEM_OK);
}

/* What was device RAM is cleared before a guest gets it, caches included. */
static void a_frame_that_cannot_be_cleaned_is_not_clear(void **state)
{
    struct unit *u = *state;
    seL4_CPtr frame = unit_frame(u, 12);
    struct guestmem_host_snapshot *before = unit_snapshot(u);

    clean_fails_at = 1;
    assert_int_equal(gm_memory_clear(u->space, frame, 0), GUESTMEM_EKERNEL);
    assert_int_equal(clean_fails_at, 0);
    unit_check_same(u, before);
    assert_int_equal(gm_memory_clear(u->space, frame, 0), GUESTMEM_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(memory_used_lately_excuses_no_argument),
        UNIT_TEST(memory_used_lately_is_not_touched_unless_it_is_ram),
        UNIT_TEST(a_copy_that_loses_its_view_says_so_and_can_be_repeated),
        UNIT_TEST(code_whose_view_is_lost_before_the_caches_are_done_is_an_error),
        UNIT_TEST(a_cache_operation_that_fails_fails_the_call),
        UNIT_TEST(a_frame_that_cannot_be_cleaned_is_not_clear),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
