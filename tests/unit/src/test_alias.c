/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The VMM's views of guest frames, and touching RAM through them.
 */
#include "unit_vm.h"

#include "alias.h"

#define BASE ((uintptr_t)0x40000000)

static void write_at(struct unit *u, uintptr_t gpa, const void *bytes, size_t size)
{
    assert_int_equal(vm_ram_touch(&u->vm, gpa, size, vm_guest_ram_write_callback, (void *)bytes),
                     0);
}

static void read_at(struct unit *u, uintptr_t gpa, void *bytes, size_t size)
{
    assert_int_equal(vm_ram_touch(&u->vm, gpa, size, vm_guest_ram_read_callback, bytes), 0);
}

static void register_ram(struct unit *u, uintptr_t base, size_t size)
{
    assert_int_equal(vm_ram_register_at(&u->vm, base, size, false), 0);
}

static size_t views(struct unit *u)
{
    return u->space->stats.alias_frames[0] + u->space->stats.alias_frames[1];
}

/* No view is made before the first touch: it costs a second cap and mapping. */
static void a_view_is_made_at_the_first_touch_and_kept(void **state)
{
    struct unit *u = *state;
    struct guestmem_host_counts before;
    struct guestmem_host_counts after;
    char byte = 1;

    register_ram(u, BASE, 8 * MIB);
    assert_int_equal(views(u), 0);
    write_at(u, BASE + 3 * MIB, &byte, 1);
    assert_int_equal(views(u), 1);
    guestmem_host_count(u->host, &before);
    write_at(u, BASE + 4 * MIB - 1, &byte, 1);
    guestmem_host_count(u->host, &after);
    assert_int_equal(before.invocations, after.invocations);
    assert_int_equal(views(u), 1);
}

/*
 *      0x..500                                       frames: 4K ... | 2M | 4K
 *      |    what is written, and read back    |      over all borders of them
 */
static void bytes_cross_pages_frames_and_views(void **state)
{
    struct unit *u = *state;
    size_t size = 4 * MIB + 0x1234;
    unsigned char *written = malloc(size);
    unsigned char *read = calloc(1, size);

    for (size_t i = 0; i < size; i++) {
        written[i] = (unsigned char)(i * 31 + i / 4096);
    }
    register_ram(u, BASE + 2 * MIB - 0x3500, 4 * MIB + 0x6000);
    write_at(u, BASE + 2 * MIB - 0x3123, written, size);
    read_at(u, BASE + 2 * MIB - 0x3123, read, size);
    assert_memory_equal(written, read, size);
    free(written);
    free(read);
}

/* What the VMM writes is in the guest's frame, at the right place. */
static void the_guest_sees_what_the_vmm_writes(void **state)
{
    struct unit *u = *state;
    struct guestmem_host_leaf leaf;
    unsigned char *memory;

    register_ram(u, BASE, 4 * MIB);
    write_at(u, BASE + 2 * MIB + 0x1ffe, "abcd", 4);
    assert_true(unit_leaf(u, BASE + 2 * MIB, &leaf));
    memory = guestmem_host_phys(u->host, leaf.paddr, 2 * MIB);
    assert_memory_equal(memory + 0x1ffe, "abcd", 4);
}

static int find_cap(vm_t *vm, uintptr_t addr, void *view, size_t size, size_t offset, void *cookie)
{
    seL4_CPtr cap = vspace_get_cap(&vm->mem.vmm_vspace, view);

    (void)addr;
    (void)offset;
    (void)cookie;
    assert_int_not_equal(cap, seL4_CapNull);
    assert_true(((uintptr_t)view & (PAGE - 1)) + size <= PAGE);
    return seL4_ARM_Page_CleanInvalidate_Data(cap, 0, PAGE);
}

static void the_vmms_vspace_finds_the_cap_of_a_view(void **state)
{
    struct unit *u = *state;

    register_ram(u, BASE + 0x500, 3 * PAGE);
    assert_int_equal(vm_ram_touch(&u->vm, BASE + 0x600, 2 * PAGE, find_cap, NULL), 0);
}

struct pieces {
    uintptr_t next;
    size_t count;
    size_t stop_at;
};

static int note_piece(vm_t *vm, uintptr_t addr, void *view, size_t size, size_t offset,
                      void *cookie)
{
    struct pieces *pieces = cookie;

    (void)vm;
    assert_non_null(view);
    assert_true(addr == pieces->next);
    assert_int_equal((addr ^ (addr + size - 1)) & ~(PAGE - 1), 0);
    assert_int_equal(offset, addr - (BASE + 0x700));
    pieces->next = addr + size;
    pieces->count++;
    return pieces->count == pieces->stop_at ? 42 : 0;
}

static void pieces_ascend_within_pages_until_one_says_stop(void **state)
{
    struct unit *u = *state;
    struct pieces pieces = {.next = BASE + 0x700};

    register_ram(u, BASE + 0x500, 2 * MIB);
    register_ram(u, BASE + 2 * MIB + PAGE, MIB);
    assert_int_equal(vm_ram_touch(&u->vm, BASE + 0x700, 3 * PAGE, note_piece, &pieces), 0);
    assert_int_equal(pieces.count, 4);
    pieces = (struct pieces){.next = BASE + 0x700, .stop_at = 3};
    assert_int_equal(vm_ram_touch(&u->vm, BASE + 0x700, MIB, note_piece, &pieces), 42);
    assert_int_equal(pieces.count, 3);
    assert_int_equal(vm_ram_touch(&u->vm, BASE + 0x700, 2 * MIB + 1, note_piece, &pieces), -1);
    assert_int_equal(pieces.count, 3);
}

static void ranges_that_are_not_ram_are_not_touched(void **state)
{
    struct unit *u = *state;
    struct pieces pieces = {0};
    vm_memory_reservation_t *res = unit_reserve(u, BASE + MIB, PAGE);

    register_ram(u, BASE, PAGE);
    assert_int_equal(map_frame_alloc_reservation(&u->vm, res), 0);
    assert_int_equal(vm_ram_touch(&u->vm, BASE, PAGE + 1, note_piece, &pieces), -1);
    assert_int_equal(vm_ram_touch(&u->vm, BASE - 1, 2, note_piece, &pieces), -1);
    assert_int_equal(vm_ram_touch(&u->vm, BASE + MIB, 1, note_piece, &pieces), -1);
    unit_check_failure(u, GUESTMEM_EUNMAPPED);
    assert_int_equal(vm_ram_touch(&u->vm, BASE, 0, note_piece, &pieces), -1);
    unit_check_failure(u, GUESTMEM_EINVAL);
    assert_int_equal(vm_ram_touch(&u->vm, BASE, SIZE_MAX, note_piece, &pieces), -1);
    unit_check_failure(u, GUESTMEM_ERANGE);
    assert_int_equal(vm_ram_touch(&u->vm, BASE, 1, NULL, &pieces), -1);
    unit_check_failure(u, GUESTMEM_EINVAL);
    assert_int_equal(pieces.count, 0);
}

/* A callback that frees what is touched next, or puts other RAM in its place. */
static int replace_the_next(vm_t *vm, uintptr_t addr, void *view, size_t size, size_t offset,
                            void *cookie)
{
    (void)size;
    (void)offset;
    *(unsigned char *)view = 9;
    if (addr == BASE) {
        vm_memory_reservation_t *next = guestmem_reservation_at(vm, BASE + PAGE);

        assert_int_equal(vm_free_reserved_memory(vm, next), 0);
        if (cookie != NULL) {
            assert_int_equal(vm_ram_register_at(vm, BASE + PAGE, PAGE, false), 0);
            write_at(cookie, BASE + PAGE, "x", 1);
        }
    }
    return 0;
}

static void a_touch_sees_what_its_callback_took_away(void **state)
{
    struct unit *u = *state;
    unsigned char byte = 0;

    register_ram(u, BASE, PAGE);
    register_ram(u, BASE + PAGE, PAGE);
    assert_int_equal(vm_ram_touch(&u->vm, BASE, 2 * PAGE, replace_the_next, u), 0);
    read_at(u, BASE + PAGE, &byte, 1);
    assert_int_equal(byte, 9);
    assert_int_equal(vm_ram_touch(&u->vm, BASE, 2 * PAGE, replace_the_next, NULL), -1);
    unit_check_failure(u, GUESTMEM_EUNMAPPED);
}

static int free_itself(vm_t *vm, uintptr_t addr, void *view, size_t size, size_t offset,
                       void *cookie)
{
    (void)view;
    (void)size;
    (void)offset;
    (void)cookie;
    assert_int_equal(vm_free_reserved_memory(vm, guestmem_reservation_at(vm, addr)), 0);
    return 0;
}

static void the_last_piece_may_free_the_ram_that_it_is_in(void **state)
{
    struct unit *u = *state;

    register_ram(u, BASE, PAGE);
    assert_int_equal(vm_ram_touch(&u->vm, BASE + 5, 10, free_itself, NULL), 0);
    assert_int_equal(views(u), 0);
    assert_int_equal(u->vm.mem.num_ram_regions, 0);
}

static void views_go_with_their_frames(void **state)
{
    struct unit *u = *state;
    struct guestmem_host_counts before;
    struct guestmem_host_counts after;
    char *bytes = calloc(1, 6 * MIB);

    register_ram(u, BASE, 6 * MIB + 3 * PAGE);
    guestmem_host_count(u->host, &before);
    write_at(u, BASE, bytes, 6 * MIB);
    assert_int_equal(views(u), 3);
    assert_int_equal(guestmem_ram_discard(&u->vm, BASE + 2 * MIB, 2 * MIB), GUESTMEM_OK);
    assert_int_equal(views(u), 2);
    assert_int_equal(guestmem_ram_discard(&u->vm, BASE, 6 * MIB), GUESTMEM_OK);
    assert_int_equal(views(u), 0);
    guestmem_host_count(u->host, &after);
    assert_int_equal(after.vmm_mappings, before.vmm_mappings);
    assert_int_equal(after.vmm_reserved_bytes, before.vmm_reserved_bytes);
    free(bytes);
}

/* Two mappings of one frame with different attributes are a hazard on Arm (the reference's D30). */
static void a_view_has_the_attributes_of_the_guests_mapping(void **state)
{
    struct unit *u = *state;
    unsigned char *page =
        create_allocated_reservation_frame(&u->vm, BASE, seL4_CanRead, unit_fault, NULL);
    unsigned char *device =
        create_device_reservation_frame(&u->vm, UNIT_DEVICE, seL4_AllRights, unit_fault, NULL);
    struct gm_extents *alias;

    assert_non_null(page);
    assert_non_null(device);
    page[7] = 1;
    device[7] = 1;
    alias = &guestmem_reservation_at(&u->vm, BASE)->backing->alias;
    assert_int_equal(alias->at[0].device, 0);
    alias = &guestmem_reservation_at(&u->vm, UNIT_DEVICE)->backing->alias;
    assert_int_equal(alias->at[0].device, 1);
    assert_int_equal(*(unsigned char *)guestmem_host_phys(u->host, UNIT_DEVICE + 7, 1), 1);
}

static void rights_of_the_guest_do_not_bind_the_vmm(void **state)
{
    struct unit *u = *state;
    struct guestmem_host_leaf leaf;

    register_ram(u, BASE, 2 * MIB);
    assert_int_equal(guestmem_set_rights(&u->vm, BASE, 2 * MIB, seL4_NoRights), GUESTMEM_OK);
    write_at(u, BASE + 5, "y", 1);
    assert_true(unit_leaf(u, BASE, &leaf));
    assert_true(!leaf.read && !leaf.write);
    assert_int_equal(guestmem_set_rights(&u->vm, BASE, 2 * MIB, seL4_CanWrite), GUESTMEM_EINVAL);
}

static int touch_all(struct unit *u)
{
    static char bytes[3 * PAGE + 100];

    return vm_ram_touch(&u->vm, BASE + 50, sizeof(bytes), vm_guest_ram_write_callback, bytes);
}

static void undo_nothing(struct unit *u)
{
    (void)u;
}

static void views_are_made_all_or_none(void **state)
{
    struct unit *u = *state;

    unit_policy(u, 12, GUESTMEM_POPULATE_EAGER);
    register_ram(u, BASE, 8 * PAGE);
    assert_true(unit_fail_each(u, touch_all, undo_nothing) > 6);
    assert_int_equal(views(u), 4);
    assert_int_equal(u->space->stats.slots,
                     8 + 4 + u->space->stats.tables +
                         guestmem_reservation_at(&u->vm, BASE)->backing->memory.untypeds.count);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(a_view_is_made_at_the_first_touch_and_kept),
        UNIT_TEST(bytes_cross_pages_frames_and_views),
        UNIT_TEST(the_guest_sees_what_the_vmm_writes),
        UNIT_TEST(the_vmms_vspace_finds_the_cap_of_a_view),
        UNIT_TEST(pieces_ascend_within_pages_until_one_says_stop),
        UNIT_TEST(ranges_that_are_not_ram_are_not_touched),
        UNIT_TEST(a_touch_sees_what_its_callback_took_away),
        UNIT_TEST(the_last_piece_may_free_the_ram_that_it_is_in),
        UNIT_TEST(views_go_with_their_frames),
        UNIT_TEST(a_view_has_the_attributes_of_the_guests_mapping),
        UNIT_TEST(rights_of_the_guest_do_not_bind_the_vmm),
        UNIT_TEST(views_are_made_all_or_none),
    };

    return cmocka_run_group_tests_name("alias", tests, NULL, NULL);
}
