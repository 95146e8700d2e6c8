/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * create_allocated_reservation_frame(), create_device_reservation_frame().
 */
#include <string.h>

#include "conformance.h"

static void *create(vm_t *vm, uintptr_t addr, seL4_CapRights_t rights)
{
    return create_allocated_reservation_frame(vm, addr, rights, default_error_fault_callback, NULL);
}

static void *create_device(vm_t *vm, uintptr_t addr, seL4_CapRights_t rights)
{
    return create_device_reservation_frame(vm, addr, rights, default_error_fault_callback, NULL);
}

/* A VM whose view of the VMM's space notes how frames are mapped there; the VMM's own functions
 * work. */
static vspace_t real_vmm;
static int noted_cacheable;
static bool noted_write;
static unsigned noted_count;

static void note(seL4_CapRights_t rights, int cacheable)
{
    noted_cacheable = cacheable;
    noted_write =
        seL4_CapRights_get_capAllowRead(rights) && seL4_CapRights_get_capAllowWrite(rights);
    noted_count++;
}

static reservation_t noted_reserve(vspace_t *vspace, size_t bytes, size_t size_bits,
                                   seL4_CapRights_t rights, int cacheable, void **vaddr)
{
    note(rights, cacheable);
    return real_vmm.reserve_range_aligned(vspace, bytes, size_bits, rights, cacheable, vaddr);
}

static void *noted_map(vspace_t *vspace, seL4_CPtr caps[], uintptr_t cookies[],
                       seL4_CapRights_t rights, size_t num_pages, size_t size_bits, int cacheable)
{
    note(rights, cacheable);
    return real_vmm.map_pages(vspace, caps, cookies, rights, num_pages, size_bits, cacheable);
}

static void watch_vmm(vm_t *vm)
{
    real_vmm = vm->mem.vmm_vspace;
    vm->mem.vmm_vspace.reserve_range_aligned = noted_reserve;
    vm->mem.vmm_vspace.map_pages = noted_map;
    noted_count = 0;
}

static void a_created_page_is_seen_by_guest_and_vmm(struct gm_env *env, vm_t *vm)
{
    char *page = create(vm, BASE, seL4_AllRights);
    char seen[5];

    GM_CHECK_NOT_NULL(page);
    GM_CHECK_LEAF(env, vm, BASE, GM_BITS_4K, "rw", false);
    memcpy(page + 0x40, "hello", 5);
    if (gm_test_guest_read(env, vm, BASE + 0x40, seen, 5)) {
        GM_CHECK_BYTES(seen, "hello", 5);
    }
    if (gm_test_guest_write(env, vm, BASE + 0xffb, "there", 5)) {
        GM_CHECK_BYTES(page + 0xffb, "there", 5);
    }
}

static void a_created_page_is_cleared(struct gm_env *env, vm_t *vm)
{
    uint8_t *page = create(vm, BASE, seL4_AllRights);

    GM_CHECK_NOT_NULL(page);
    GM_CHECK_EQ((uintptr_t)page % GM_PAGE, 0);
    GM_CHECK_FILLED(page, 0, GM_PAGE);
    GM_CHECK_GUEST_FILLED(env, vm, BASE, 0, GM_PAGE);
}

static void the_guest_has_the_rights_asked_for_and_the_vmm_all(struct gm_env *env, vm_t *vm)
{
    char *read_only = create(vm, BASE, seL4_CanRead);
    char *none = create(vm, BASE + GM_PAGE, seL4_NoRights);
    char *write_only = create(vm, BASE + 2 * GM_PAGE, seL4_CanWrite);

    GM_CHECK(read_only != NULL && none != NULL && write_only != NULL);
    GM_CHECK_LEAF(env, vm, BASE, GM_BITS_4K, "r", false);
    GM_CHECK_LEAF(env, vm, BASE + GM_PAGE, GM_BITS_4K, "-", false);
    GM_CHECK_LEAF(env, vm, BASE + 2 * GM_PAGE, GM_BITS_4K, "-", false);
    read_only[7] = none[7] = write_only[7] = 9;
    GM_CHECK_GUEST_FILLED(env, vm, BASE + 7, 9, 1);
}

static void what_the_rights_forbid_calls_the_callback(struct gm_env *env, vm_t *vm)
{
    struct gm_fault_log log = {.answer = FAULT_HANDLED};

    (void)env;
    GM_CHECK_NOT_NULL(
        create_allocated_reservation_frame(vm, BASE, seL4_CanRead, gm_fault_note, &log));
    GM_CHECK_EQ(gm_env_fault(vm, BASE + 0x10, 4), FAULT_HANDLED);
    GM_CHECK_EQ(log.count, 1);
    GM_CHECK_EQ(gm_env_fault(vm, BASE + GM_PAGE - 2, 4), FAULT_UNHANDLED);
    GM_CHECK_EQ(log.count, 1);
}

static void the_vmm_sees_the_page_with_the_guests_attributes(struct gm_env *env, vm_t *vm)
{
    watch_vmm(vm);
    GM_CHECK_NOT_NULL(create(vm, BASE, seL4_CanRead));
    GM_CHECK_NE(noted_count, 0);
    GM_CHECK_NE(noted_cacheable, 0);
    GM_CHECK(noted_write);
    noted_count = 0;
    GM_CHECK_NOT_NULL(create_device(vm, env->device_base, seL4_CanRead));
    GM_CHECK_NE(noted_count, 0);
    GM_CHECK_EQ(noted_cacheable, 0);
    GM_CHECK(noted_write);
}

static void the_vmms_own_vspace_knows_the_cap_of_its_view(struct gm_env *env, vm_t *vm)
{
    void *page = create(vm, BASE, seL4_AllRights);
    seL4_CPtr cap = vspace_get_cap(env->vmm, page);

    GM_CHECK_NE(cap, seL4_CapNull);
    GM_CHECK_NE(cap, vspace_get_cap(&vm->mem.vm_vspace, (void *)BASE));
    GM_CHECK_PADDR(env, vm, BASE, gm_env_frame_paddr(cap));
}

static void pages_can_be_created_at_both_ends_of_the_space(struct gm_env *env, vm_t *vm)
{
    GM_CHECK_NOT_NULL(create(vm, 0, seL4_AllRights));
    GM_CHECK_NOT_NULL(create(vm, env->guest_end - GM_PAGE, seL4_CanRead));
    GM_CHECK_LEAF(env, vm, 0, GM_BITS_4K, "rw", false);
    GM_CHECK_LEAF(env, vm, env->guest_end - 1, GM_BITS_4K, "r", false);
    CHANGES_NOTHING(env, GM_CHECK_NULL(create(vm, env->guest_end, seL4_AllRights)));
    CHANGES_NOTHING(env, GM_CHECK_NULL(create(vm, UINTPTR_MAX - GM_PAGE + 1, seL4_AllRights)));
}

static void an_address_that_is_not_page_aligned_is_refused(struct gm_env *env, vm_t *vm)
{
    CHANGES_NOTHING(env, GM_CHECK_NULL(create(vm, BASE + 0x10, seL4_AllRights)));
    CHANGES_NOTHING(env, GM_CHECK_NULL(create_device(vm, env->device_base + 0x10, seL4_AllRights)));
}

static void creating_without_a_callback_or_a_vm_is_refused(struct gm_env *env, vm_t *vm)
{
    CHANGES_NOTHING(env, {
        GM_CHECK_NULL(create_allocated_reservation_frame(vm, BASE, seL4_AllRights, NULL, NULL));
        GM_CHECK_NULL(
            create_device_reservation_frame(vm, env->device_base, seL4_AllRights, NULL, NULL));
        GM_CHECK_NULL(create(NULL, BASE, seL4_AllRights));
        GM_CHECK_NULL(create_device(NULL, env->device_base, seL4_AllRights));
    });
}

static void creating_where_something_is_reserved_is_refused(struct gm_env *env, vm_t *vm)
{
    reserve(vm, BASE + 0x800, 4);
    CHANGES_NOTHING(env, GM_CHECK_NULL(create(vm, BASE, seL4_AllRights)));
    reserve(vm, env->device_base, GM_PAGE);
    CHANGES_NOTHING(env, GM_CHECK_NULL(create_device(vm, env->device_base, seL4_AllRights)));
    GM_CHECK_NO_LEAF(env, vm, BASE);
}

static void a_created_page_is_reserved(struct gm_env *env, vm_t *vm)
{
    GM_CHECK_NOT_NULL(create(vm, BASE, seL4_AllRights));
    CHANGES_NOTHING(env, GM_CHECK(refused(vm, BASE + 0xfff, 1)));
    CHANGES_NOTHING(env, GM_CHECK_NULL(create(vm, BASE, seL4_AllRights)));
    reserve(vm, BASE + GM_PAGE, 1);
}

static void created_pages_keep_their_addresses(struct gm_env *env, vm_t *vm)
{
    enum { COUNT = 64 };
    uint8_t *pages[COUNT];

    for (unsigned i = 0; i < COUNT; i++) {
        pages[i] = create(vm, BASE + i * GM_PAGE, i % 2 ? seL4_CanRead : seL4_AllRights);
        GM_CHECK_NOT_NULL(pages[i]);
        pages[i][0] = (uint8_t)i;
    }
    for (unsigned i = 0; i < COUNT; i++) {
        GM_CHECK_EQ(pages[i][0], i);
        GM_CHECK_GUEST_FILLED(env, vm, BASE + i * GM_PAGE, (int)i, 1);
    }
}

static void check_device_page(struct gm_env *env, vm_t *vm)
{
    uintptr_t addr = env->device_base + 3 * GM_PAGE;
    char *page = create_device(vm, addr, seL4_AllRights);
    char seen[4];

    GM_CHECK_NOT_NULL(page);
    GM_CHECK_LEAF(env, vm, addr, GM_BITS_4K, "rw", true);
    GM_CHECK_PADDR(env, vm, addr + 5, addr + 5);
    memcpy(page + 16, "dev!", 4);
    if (gm_test_guest_read(env, vm, addr + 16, seen, 4)) {
        GM_CHECK_BYTES(seen, "dev!", 4);
    }
}

static void a_device_page_is_the_device_itself(struct gm_env *env, vm_t *vm)
{
    check_device_page(env, vm);
}

static void a_device_page_comes_from_boot_information_too(struct gm_env *env, vm_t *vm)
{
    check_device_page(env, vm);
}

static void a_device_page_has_the_guests_rights(struct gm_env *env, vm_t *vm)
{
    struct gm_fault_log log = {.answer = FAULT_IGNORE};

    GM_CHECK_NOT_NULL(
        create_device_reservation_frame(vm, env->device_base, seL4_CanRead, gm_fault_note, &log));
    GM_CHECK_LEAF(env, vm, env->device_base, GM_BITS_4K, "r", true);
    GM_CHECK_EQ(gm_env_fault(vm, env->device_base + 4, 4), FAULT_IGNORE);
    GM_CHECK_EQ(log.count, 1);
}

static void the_first_page_of_a_device_leaves_the_others_usable(struct gm_env *env, vm_t *vm)
{
    for (unsigned i = 0; i < 8; i++) {
        GM_CHECK_NOT_NULL(create_device(vm, env->device_base + i * GM_PAGE, seL4_AllRights));
        GM_CHECK_PADDR(env, vm, env->device_base + i * GM_PAGE, env->device_base + i * GM_PAGE);
    }
}

static void a_device_page_that_does_not_exist_is_refused(struct gm_env *env, vm_t *vm)
{
    CHANGES_NOTHING(env, GM_CHECK_NULL(create_device(vm, env->nowhere, seL4_AllRights)));
    reserve(vm, env->nowhere, GM_PAGE);
}

static void a_device_page_that_another_vm_has_is_refused(struct gm_env *env, vm_t *vm)
{
    vm_t *other = gm_env_new_vm(env);

    GM_CHECK_NOT_NULL(create_device(other, env->device_base, seL4_AllRights));
    CHANGES_NOTHING(env, GM_CHECK_NULL(create_device(vm, env->device_base, seL4_AllRights)));
    gm_env_drop_vm(env, other);
    GM_CHECK_NOT_NULL(create_device(vm, env->device_base, seL4_AllRights));
}

static void a_created_page_at_a_ram_address_is_cacheable(struct gm_env *env, vm_t *vm)
{
    uintptr_t paddr = gm_env_free_paddr(env, GM_BITS_4K);

    GM_CHECK_NOT_NULL(create_device(vm, paddr, seL4_AllRights));
    GM_CHECK_LEAF(env, vm, paddr, GM_BITS_4K, "rw", false);
    GM_CHECK_PADDR(env, vm, paddr, paddr);
}

static void a_created_page_is_normal_memory(struct gm_env *env, vm_t *vm)
{
    void *page = create(vm, BASE, seL4_AllRights);
    uintptr_t paddr;

    GM_CHECK_NOT_NULL(page);
    paddr = gm_env_frame_paddr(vspace_get_cap(env->vmm, page));
    GM_CHECK(paddr - env->device_ram_base >= env->device_ram_bytes);
}

static const struct gm_case cases[] = {
    GM_CASE(a_created_page_is_seen_by_guest_and_vmm),
    GM_CASE(a_created_page_is_cleared),
    GM_CASE(the_guest_has_the_rights_asked_for_and_the_vmm_all),
    GM_CASE(what_the_rights_forbid_calls_the_callback),
    GM_CASE(the_vmm_sees_the_page_with_the_guests_attributes),
    GM_CASE(the_vmms_own_vspace_knows_the_cap_of_its_view),
    GM_CASE(pages_can_be_created_at_both_ends_of_the_space),
    GM_CASE(an_address_that_is_not_page_aligned_is_refused),
    GM_CASE(creating_without_a_callback_or_a_vm_is_refused),
    GM_CASE(creating_where_something_is_reserved_is_refused),
    GM_CASE(a_created_page_is_reserved),
    GM_CASE(created_pages_keep_their_addresses),
    GM_CASE(a_device_page_is_the_device_itself),
    GM_CASE_WITH(a_device_page_comes_from_boot_information_too, .boot_frames = true),
    GM_CASE(a_device_page_has_the_guests_rights),
    GM_CASE(the_first_page_of_a_device_leaves_the_others_usable),
    GM_CASE(a_device_page_that_does_not_exist_is_refused),
    GM_CASE(a_device_page_that_another_vm_has_is_refused),
    GM_CASE(a_created_page_at_a_ram_address_is_cacheable),
    GM_CASE_WITH(a_created_page_is_normal_memory, .device_ram = true),
};

const struct gm_suite create_suite = GM_SUITE("create", cases);
