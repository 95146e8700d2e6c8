/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * A space for which there is no allocator, or one that gives nothing.
 */
#include "unit_vm.h"

static bool refuses;
static bool gives_nothing;

int __real_ps_new_stdlib_malloc_ops(ps_malloc_ops_t *ops);
int __wrap_ps_new_stdlib_malloc_ops(ps_malloc_ops_t *ops);

static int answer_null(void *cookie, size_t size, void **block)
{
    (void)cookie;
    (void)size;
    *block = NULL;
    return 0;
}

int __wrap_ps_new_stdlib_malloc_ops(ps_malloc_ops_t *ops)
{
    int error = __real_ps_new_stdlib_malloc_ops(ops);

    if (gives_nothing) {
        ops->malloc = answer_null;
    }
    return refuses ? -1 : error;
}

static int init_again(struct unit *u, vspace_t *vspace)
{
    return vm_init_guest_vspace(u->space->vmm, u->space->vmm, vspace, u->vka, u->root.cptr);
}

static void a_space_without_an_allocator_is_not_made(void **state)
{
    struct unit *u = *state;
    struct guestmem_host_snapshot *before = unit_snapshot(u);
    vspace_t vspace = {0};

    refuses = true;
    assert_int_not_equal(init_again(u, &vspace), 0);
    refuses = false;
    unit_check_same(u, before);
    before = unit_snapshot(u);
    gives_nothing = true;
    assert_int_not_equal(init_again(u, &vspace), 0);
    gives_nothing = false;
    unit_check_same(u, before);
    assert_null(vspace.data);
    assert_int_equal(init_again(u, &vspace), 0);
    vspace_tear_down(&vspace, VSPACE_FREE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(a_space_without_an_allocator_is_not_made),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
