/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The system runs out of something while an environment and a VM come to be and are used: an error,
 * and nothing is left behind.
 */
#include "failing_system.h"
#include "vm_fixture.h"

#include <errno.h>
#include <stdlib.h>

/* From nothing to a vcpu and back: has it all worked? */
static bool life(void)
{
    struct fixture fixture = {0};
    bool lived;

    if (guestmem_host_create(NULL, &fixture.host) != 0) {
        assert_null(fixture.host);
        return false;
    }
    lived = fixture_vm_init(&fixture, &fixture.vm, "test") == 0 &&
            vm_ram_register_at(&fixture.vm, FIXTURE_RAM, FIXTURE_RAM_BYTES, false) == 0 &&
            vm_create_vcpu(&fixture.vm, 100) != NULL;
    assert_int_equal(guestmem_host_vm_destroy(&fixture.vm), 0);
    guestmem_host_destroy(fixture.host);
    return lived;
}

static void whatever_runs_out_a_vm_is_made_whole_or_not_at_all(void **state)
{
    struct system_use before, after;
    bool struck = true;
    unsigned k;

    (void)state;
    assert_true(life()); /* what a process takes once */
    before = system_use();
    for (k = 1; struck; k++) {
        bool lived;

        system_fail(k);
        lived = life();
        struck = system_failed();
        system_fail(0);
        after = system_use();
        assert_int_equal(after.blocks, before.blocks);
        assert_int_equal(after.file, before.file);
        assert_int_equal(lived, !struck);
    }
    assert_true(k > 30);
}

/* ---------------------------------------------------------------------- an environment in use */

struct step {
    const char *name;
    bool (*take)(struct guestmem_host *host); /* and give it back: has it been there? */
};

static bool take_snapshot(struct guestmem_host *host)
{
    struct guestmem_host_snapshot *snapshot = guestmem_host_snapshot(host);

    system_rest();
    guestmem_host_snapshot_free(snapshot);
    return snapshot != NULL;
}

static bool take_pages(struct guestmem_host *host)
{
    vspace_t *vmm = guestmem_host_vspace(host);
    void *pages = vspace_new_pages(vmm, seL4_AllRights, 3, seL4_PageBits);

    system_rest();
    if (pages != NULL) {
        vspace_unmap_pages(vmm, pages, 3, seL4_PageBits, VSPACE_FREE);
    }
    return pages != NULL;
}

static bool take_share(struct guestmem_host *host)
{
    vspace_t *vmm = guestmem_host_vspace(host);
    void *pages = vspace_new_pages(vmm, seL4_AllRights, 2, seL4_PageBits);
    void *again = pages == NULL
                      ? NULL
                      : vspace_share_mem(vmm, vmm, pages, 2, seL4_PageBits, seL4_AllRights, 1);

    system_rest();
    if (again != NULL) {
        vspace_unmap_pages(vmm, again, 2, seL4_PageBits, VSPACE_FREE);
    }
    if (pages != NULL) {
        vspace_unmap_pages(vmm, pages, 2, seL4_PageBits, VSPACE_FREE);
    }
    return again != NULL;
}

static bool take_stack(struct guestmem_host *host)
{
    vspace_t *vmm = guestmem_host_vspace(host);
    void *top = vspace_new_sized_stack(vmm, 2);

    system_rest();
    if (top != NULL) {
        vspace_free_sized_stack(vmm, top, 2);
    }
    return top != NULL;
}

/* Two of them at once: the first goes again if the second can't be made. */
static bool take_cnodes(struct guestmem_host *host)
{
    enum { SLOT = 500000 };
    vka_t *vka = guestmem_host_vka(host);
    vka_object_t untyped;
    bool made;

    if (vka_alloc_untyped(vka, 14, &untyped) != 0) {
        return false;
    }
    made = seL4_Untyped_Retype(untyped.cptr, seL4_CapTableObject, 6, seL4_CapInitThreadCNode, 0, 0,
                               SLOT, 2) == seL4_NoError;
    system_rest();
    assert_int_equal(seL4_CNode_Revoke(seL4_CapInitThreadCNode, untyped.cptr, seL4_WordBits), 0);
    vka_free_object(vka, &untyped);
    return made;
}

static bool take_block(struct guestmem_host *host)
{
    ps_malloc_ops_t *ops = &guestmem_host_io_ops(host)->malloc_ops;
    void *block = NULL;
    int err = ps_calloc(ops, 3, 100, &block);

    assert_int_equal(err, block == NULL ? ENOMEM : 0);
    return block != NULL && ps_free(ops, 300, block) == 0;
}

static bool take_many_reservations(struct guestmem_host *host)
{
    enum { MANY = 200 };
    vspace_t *vmm = guestmem_host_vspace(host);
    reservation_t reservations[MANY];
    void *vaddr;
    unsigned count = 0;
    bool all = true;

    while (all && count < MANY) {
        reservations[count] = vspace_reserve_range(vmm, 4096, seL4_AllRights, 1, &vaddr);
        all = reservations[count].res != NULL;
        count += all;
    }
    system_rest();
    while (count > 0) {
        vspace_free_reservation(vmm, reservations[--count]);
    }
    return all;
}

static void sweep(struct guestmem_host *host, const struct step *step)
{
    struct guestmem_host_snapshot *before = guestmem_host_snapshot(host);
    struct guestmem_host_snapshot *after;
    bool struck = true;

    assert_non_null(before);
    for (unsigned k = 1; struck; k++) {
        bool taken;

        system_fail(k);
        taken = step->take(host);
        struck = system_failed();
        system_fail(0);
        if (taken == struck) {
            fail_msg("%s: request %u %s", step->name, k, struck ? "failed unseen" : "didn't fail");
        }
        after = guestmem_host_snapshot(host);
        assert_true(guestmem_host_snapshot_same(before, after, stderr));
        guestmem_host_snapshot_free(after);
    }
    guestmem_host_snapshot_free(before);
}

static void whatever_runs_out_a_request_is_granted_whole_or_not_at_all(void **state)
{
    static const struct step steps[] = {
        {"snapshot", take_snapshot},
        {"pages", take_pages},
        {"share", take_share},
        {"stack", take_stack},
        {"CNodes", take_cnodes},
        {"block", take_block},
        {"reservations", take_many_reservations},
    };
    struct fixture *fixture = *state;

    for (unsigned i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
        sweep(fixture->host, &steps[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whatever_runs_out_a_vm_is_made_whole_or_not_at_all),
        cmocka_unit_test_setup_teardown(whatever_runs_out_a_request_is_granted_whole_or_not_at_all,
                                        fixture_set_up, fixture_tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
