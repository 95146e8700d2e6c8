/*
 * SPDX-License-Identifier: BSD-2-Clause
 * Copyright 2026 the guestmem authors
 */
#include "fixture.h"

#include <string.h>

static void every_object_takes_exactly_its_size(void **state)
{
    static const struct {
        seL4_Word type, bits;
        unsigned size;
    } objects[] = {
        {seL4_ARM_SmallPageObject, 0, 12}, {seL4_ARM_LargePageObject, 0, 21},
        {seL4_ARM_HugePageObject, 0, 30},  {seL4_ARM_PageTableObject, 0, 12},
        {seL4_ARM_VSpaceObject, 0, 13},    {seL4_ARM_VCPUObject, 0, 12},
        {seL4_TCBObject, 0, 11},           {seL4_EndpointObject, 0, 4},
        {seL4_NotificationObject, 0, 5},   {seL4_CapTableObject, 4, 9},
        {seL4_UntypedObject, 14, 14},
    };

    (void)state;
    for (size_t k = 0; k < ARRAY_SIZE(objects); k++) {
        seL4_CPtr exact = untyped(objects[k].size);

        assert_ok(retype(exact, objects[k].type, objects[k].bits, SLOT, 1));
        assert_answer(retype(exact, objects[k].type, objects[k].bits, SLOT + 1, 1),
                      seL4_NotEnoughMemory);
        assert_int_equal(seL4_GetMR(0), 0);
        assert_ok(delete_cap(SLOT));
        if (objects[k].size > 4) {
            seL4_CPtr half = untyped(objects[k].size - 1);

            assert_answer(retype(half, objects[k].type, objects[k].bits, SLOT, 1),
                          seL4_NotEnoughMemory);
            assert_int_equal(seL4_GetMR(0), BIT(objects[k].size - 1));
        }
    }
}

static void retype_aligns_up_and_fills_ascending_slots(void **state)
{
    seL4_CPtr from = untyped(22);
    uint64_t base;

    (void)state;
    assert_ok(retype(from, seL4_ARM_SmallPageObject, 0, SLOT, 1));
    base = paddr_of(SLOT);
    assert_ok(retype(from, seL4_ARM_LargePageObject, 0, SLOT + 1, 1));
    assert_int_equal(paddr_of(SLOT + 1), base + MIB(2));
    assert_answer(retype(from, seL4_ARM_SmallPageObject, 0, SLOT + 2, 1), seL4_NotEnoughMemory);

    from = untyped(16);
    assert_ok(retype(from, seL4_ARM_SmallPageObject, 0, SLOT + 10, 16));
    for (unsigned k = 1; k < 16; k++) {
        assert_int_equal(paddr_of(SLOT + 10 + k), paddr_of(SLOT + 10) + KIB(4) * k);
    }
}

static void one_call_makes_at_most_256_objects(void **state)
{
    seL4_CPtr from = untyped(22);

    (void)state;
    assert_answer(retype(from, seL4_ARM_SmallPageObject, 0, SLOT, 257), seL4_RangeError);
    assert_int_equal(seL4_GetMR(0), 1);
    assert_int_equal(seL4_GetMR(1), 256);
    assert_answer(retype(from, seL4_ARM_SmallPageObject, 0, SLOT, 0), seL4_RangeError);
    assert_ok(retype(from, seL4_ARM_SmallPageObject, 0, SLOT, 256));
}

static void a_used_slot_in_the_window_stops_the_whole_call(void **state)
{
    seL4_CPtr from = untyped(16);

    (void)state;
    make(untyped(12), seL4_ARM_SmallPageObject, 0, SLOT + 3);
    assert_answer(retype(from, seL4_ARM_SmallPageObject, 0, SLOT, 4), seL4_DeleteFirst);
    assert_true(is_empty(SLOT));
    assert_ok(retype(from, seL4_ARM_SmallPageObject, 0, SLOT, 3));
}

static void an_untyped_starts_again_only_when_all_its_children_are_gone(void **state)
{
    seL4_CPtr from = untyped(13);

    (void)state;
    assert_ok(retype(from, seL4_ARM_SmallPageObject, 0, SLOT, 2));
    assert_ok(delete_cap(SLOT));
    assert_answer(retype(from, seL4_ARM_SmallPageObject, 0, SLOT, 1), seL4_NotEnoughMemory);
    assert_ok(delete_cap(SLOT + 1));
    assert_ok(retype(from, seL4_ARM_SmallPageObject, 0, SLOT, 2));
}

static void a_copy_keeps_the_memory_in_use(void **state)
{
    seL4_CPtr from = untyped(12);

    (void)state;
    make(from, seL4_ARM_SmallPageObject, 0, SLOT);
    assert_ok(copy(SLOT, SLOT + 1, seL4_AllRights));
    assert_ok(delete_cap(SLOT));
    assert_answer(retype(from, seL4_ARM_SmallPageObject, 0, SLOT, 1), seL4_NotEnoughMemory);
    assert_ok(delete_cap(SLOT + 1));
    assert_ok(retype(from, seL4_ARM_SmallPageObject, 0, SLOT, 1));
}

static void revoke_deletes_every_cap_derived_from_it(void **state)
{
    seL4_CPtr from = untyped(16);

    (void)state;
    make(from, seL4_UntypedObject, 14, SLOT);
    make(SLOT, seL4_ARM_SmallPageObject, 0, SLOT + 1);
    assert_ok(copy(SLOT + 1, SLOT + 2, seL4_CanRead));
    make(from, seL4_EndpointObject, 0, SLOT + 3);
    assert_ok(revoke_cap(from));
    for (seL4_CPtr slot = SLOT; slot < SLOT + 4; slot++) {
        assert_true(is_empty(slot));
    }
    assert_ok(retype(from, seL4_ARM_SmallPageObject, 0, SLOT, 16));
}

static void normal_memory_is_cleared_before_it_is_used_again(void **state)
{
    seL4_CPtr from = untyped(21);
    uint8_t *bytes;

    (void)state;
    make(from, seL4_ARM_LargePageObject, 0, SLOT);
    bytes = guestmem_host_phys(host, paddr_of(SLOT), MIB(2));
    memset(bytes, 0x5a, MIB(2));
    assert_ok(delete_cap(SLOT));
    assert_int_equal(bytes[0], 0x5a); /* not when it is given back */
    assert_ok(retype(from, seL4_ARM_SmallPageObject, 0, SLOT, 1));
    for (size_t k = 0; k < MIB(2); k++) {
        assert_int_equal(bytes[k], 0);
    }
}

static void memory_written_through_a_mapping_is_cleared_too(void **state)
{
    seL4_CPtr from = untyped(12);
    vspace_t *vmm = guestmem_host_vspace(host);
    seL4_CPtr frame = make(from, seL4_ARM_SmallPageObject, 0, SLOT);
    volatile uint8_t *bytes;

    (void)state;
    for (unsigned round = 0; round < 3; round++) {
        bytes = vspace_map_pages(vmm, &frame, NULL, seL4_AllRights, 1, seL4_PageBits, 1);
        assert_non_null((void *)bytes);
        assert_int_equal(bytes[100], 0);
        bytes[100] = 1;
        vspace_unmap_pages(vmm, (void *)bytes, 1, seL4_PageBits, VSPACE_PRESERVE);
        assert_ok(delete_cap(frame));
        make(from, seL4_ARM_SmallPageObject, 0, frame);
    }
}

static void small_objects_leave_no_trace_in_the_next_frame(void **state)
{
    seL4_CPtr from = untyped(13), endpoints;

    (void)state;
    endpoints = make(from, seL4_UntypedObject, 12, SLOT);
    make(endpoints, seL4_CapTableObject, 4, SLOT + 1);
    assert_ok(revoke_cap(from));
    make(from, seL4_ARM_SmallPageObject, 0, SLOT);
    for (unsigned k = 0; k < 4096; k++) {
        assert_int_equal(bytes_of(SLOT)[k], 0);
    }
}

static void device_memory_is_never_cleared(void **state)
{
    seL4_CPtr from = device_untyped(12);

    (void)state;
    make(from, seL4_ARM_SmallPageObject, 0, SLOT);
    bytes_of(SLOT)[7] = 0x77;
    assert_ok(delete_cap(SLOT));
    make(from, seL4_ARM_SmallPageObject, 0, SLOT);
    assert_int_equal(paddr_of(SLOT), DEVICE_BASE);
    assert_int_equal(bytes_of(SLOT)[7], 0x77);
}

static void device_untypeds_give_frames_and_untypeds_only(void **state)
{
    seL4_CPtr from = device_untyped(22);

    (void)state;
    for (seL4_Word type = 0; type < seL4_ObjectTypeCount; type++) {
        bool allowed = type == seL4_UntypedObject || type == seL4_ARM_SmallPageObject ||
                       type == seL4_ARM_LargePageObject;
        seL4_Error err;

        if (type == seL4_ARM_HugePageObject) {
            continue; /* larger than the untyped */
        }
        err = retype(from, type, 12, SLOT, 1);
        assert_int_equal(err, allowed ? seL4_NoError : seL4_InvalidArgument);
        if (allowed) {
            assert_ok(delete_cap(SLOT));
        } else {
            assert_int_equal(seL4_GetMR(0), 1);
        }
    }
}

static void arguments_are_refused_in_the_kernels_order(void **state)
{
    seL4_CPtr from = untyped(16);

    (void)state;
    assert_answer(retype(from, seL4_ObjectTypeCount, 99, SLOT, 0), seL4_InvalidArgument);
    assert_int_equal(seL4_GetMR(0), 0);
    assert_answer(retype(from, seL4_UntypedObject, 48, SLOT, 0), seL4_RangeError);
    assert_int_equal(seL4_GetMR(1), seL4_MaxUntypedBits);
    assert_answer(retype(from, seL4_UntypedObject, 3, SLOT, 0), seL4_InvalidArgument);
    assert_int_equal(seL4_GetMR(0), 1);
    assert_answer(retype(from, seL4_CapTableObject, 0, SLOT, 0), seL4_InvalidArgument);
    assert_answer(seL4_Untyped_Retype(from, seL4_EndpointObject, 0, from, 0, 0, SLOT, 1),
                  seL4_FailedLookup);
    assert_int_equal(seL4_GetMR(1), seL4_MissingCapability);
    assert_answer(retype(from, seL4_EndpointObject, 0, BIT(20), 1), seL4_RangeError);
    assert_int_equal(seL4_GetMR(1), BIT(20) - 1);
    assert_answer(retype(from, seL4_EndpointObject, 0, BIT(20) - 1, 2), seL4_RangeError);
    assert_int_equal(seL4_GetMR(1), 1);
}

static void an_untyped_that_was_copied_is_full(void **state)
{
    seL4_CPtr from = untyped(13);

    (void)state;
    assert_ok(copy(from, SLOT, seL4_AllRights));
    assert_answer(retype(from, seL4_ARM_SmallPageObject, 0, SLOT + 1, 1), seL4_NotEnoughMemory);
    make(SLOT, seL4_ARM_SmallPageObject, 0, SLOT + 1);
    assert_answer(copy(from, SLOT + 2, seL4_AllRights), seL4_RevokeFirst);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(every_object_takes_exactly_its_size),
        test(retype_aligns_up_and_fills_ascending_slots),
        test(one_call_makes_at_most_256_objects),
        test(a_used_slot_in_the_window_stops_the_whole_call),
        test(an_untyped_starts_again_only_when_all_its_children_are_gone),
        test(a_copy_keeps_the_memory_in_use),
        test(revoke_deletes_every_cap_derived_from_it),
        test(normal_memory_is_cleared_before_it_is_used_again),
        test(memory_written_through_a_mapping_is_cleared_too),
        test(small_objects_leave_no_trace_in_the_next_frame),
        test(device_memory_is_never_cleared),
        test(device_untypeds_give_frames_and_untypeds_only),
        test(arguments_are_refused_in_the_kernels_order),
        test(an_untyped_that_was_copied_is_full),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
