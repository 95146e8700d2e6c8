/*
 * SPDX-License-Identifier: BSD-2-Clause
 * Copyright 2026 the guestmem authors
 */
#include "fixture.h"

static seL4_CPtr take(void)
{
    seL4_CPtr slot = 0;

    assert_int_equal(vka_cspace_alloc(vka, &slot), 0);
    return slot;
}

static void slots_come_descending_in_groups_of_64_and_groups_ascending(void **state)
{
    seL4_CPtr before = take();

    (void)state;
    while (before % 64 != 0) { /* the rest of the first group */
        seL4_CPtr slot = take();

        if (slot / 64 != before / 64) {
            assert_int_equal(slot % 64, 63);
            before = slot;
            break;
        }
        assert_int_equal(slot, before - 1);
        before = slot;
    }
    for (unsigned k = 1; k < 64; k++) {
        assert_int_equal(take(), before - k);
    }
    assert_int_equal(take(), before + 64);
}

static void a_freed_slot_is_taken_again_lowest_group_first(void **state)
{
    seL4_CPtr slots[300];

    (void)state;
    for (unsigned k = 0; k < 300; k++) {
        slots[k] = take();
    }
    vka_cspace_free(vka, slots[250]);
    vka_cspace_free(vka, slots[100]);
    vka_cspace_free(vka, slots[20]);
    assert_int_equal(take(), slots[20]);
    assert_int_equal(take(), slots[100]);
    assert_int_equal(take(), slots[250]);
}

static void every_slot_can_be_taken_once(void **state)
{
    struct guestmem_host_config config = {.cnode_bits = 10};
    static bool seen[1024];
    seL4_CPtr slot;
    unsigned count = 0;

    (void)state;
    guestmem_host_destroy(host);
    assert_int_equal(guestmem_host_create(&config, &host), 0);
    vka = guestmem_host_vka(host);
    while (vka_cspace_alloc(vka, &slot) == 0) {
        assert_true(slot < 1024);
        assert_false(seen[slot]);
        seen[slot] = true;
        count++;
    }
    assert_int_equal(count, 1024 - seL4_NumInitialCaps - 2); /* endpoint, one untyped */
}

static void a_path_is_what_every_invocation_takes(void **state)
{
    cspacepath_t path;

    (void)state;
    assert_int_equal(vka_cspace_alloc_path(vka, &path), 0);
    assert_ok(seL4_Untyped_Retype(untyped(12), seL4_ARM_SmallPageObject, 0, path.root, path.dest,
                                  path.destDepth, path.offset, 1));
    assert_ok(seL4_ARM_Page_Unmap(path.capPtr));
    assert_ok(seL4_CNode_Delete(path.root, path.capPtr, (seL4_Uint8)path.capDepth));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(slots_come_descending_in_groups_of_64_and_groups_ascending),
        test(a_freed_slot_is_taken_again_lowest_group_first),
        test(every_slot_can_be_taken_once),
        test(a_path_is_what_every_invocation_takes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
