/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Touching what was seen before: the short ways refuse and divide as the long one does.
 */
#include "unit_vm.h"

#include <guestmem/access.h>
#include <guestmem/threads.h>

#define BASE ((uintptr_t)0x40000000)
#define NO_RAM (BASE + 4 * PAGE)

static struct {
    size_t calls;
    size_t sizes[8];
    int result;
    uint64_t busy; /* of the space, inside */
} seen;

static int piece(vm_t *vm, uintptr_t addr, void *vaddr, size_t size, size_t offset, void *cookie)
{
    struct unit *u = cookie;

    (void)addr;
    (void)vaddr;
    (void)offset;
    assert_ptr_equal(vm, &u->vm);
    seen.busy = u->space->busy;
    seen.sizes[seen.calls++ % 8] = size;
    return seen.result;
}

static int touch(struct unit *u, uintptr_t addr, size_t size)
{
    memset(&seen.sizes, 0, sizeof(seen.sizes));
    seen.calls = 0;
    return vm_ram_touch(&u->vm, addr, size, piece, u);
}

static void make(struct unit *u)
{
    unit_policy(u, 12, GUESTMEM_POPULATE_EAGER);
    assert_int_equal(vm_ram_register_at(&u->vm, BASE, 4 * PAGE, false), 0);
    assert_int_equal(map_frame_alloc_reservation(&u->vm, unit_reserve(u, NO_RAM, 4 * PAGE)), 0);
}

static void see(struct unit *u, uintptr_t addr, size_t size)
{
    static uint8_t bytes[4 * PAGE];

    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(guestmem_ram_read(&u->vm, addr, bytes, size), GUESTMEM_OK);
    }
}

/* One page at a time, whichever it is. */
static void check_pieces(struct unit *u)
{
    for (unsigned i = 0; i < 3; i++) {
        for (uintptr_t page = 1; page < 4; page++) {
            assert_int_equal(touch(u, BASE + page * PAGE - 8, 24), 0);
            assert_int_equal(seen.calls, 2);
            assert_int_equal(seen.sizes[0], 8);
            assert_int_equal(seen.sizes[1], 16);
            assert_int_equal(touch(u, BASE + page * PAGE - 8, 8), 0);
            assert_int_equal(seen.calls, 1);
        }
        assert_int_equal(touch(u, BASE, 4 * PAGE), 0);
        assert_int_equal(seen.calls, 4);
        see(u, BASE, 4 * PAGE);
    }
}

static void no_piece_crosses_a_page(void **state)
{
    struct unit *u = *state;

    make(u);
    check_pieces(u);
    assert_int_equal(guestmem_reader_register(&u->vm), GUESTMEM_OK);
    check_pieces(u);
    guestmem_read_begin(&u->vm);
    check_pieces(u);
    guestmem_read_end(&u->vm);
}

static void check_results(struct unit *u)
{
    for (unsigned i = 0; i < 3; i++) {
        seen.result = 17;
        assert_int_equal(touch(u, BASE + 16, 8), 17);
        assert_int_equal(touch(u, BASE + PAGE - 4, 8), 17);
        assert_int_equal(seen.calls, 1);
        seen.result = 0;
        assert_int_equal(touch(u, BASE + 16, 8), 0);
        see(u, BASE + 16, 8);
    }
}

static void what_the_callback_answers_is_the_result(void **state)
{
    struct unit *u = *state;

    make(u);
    check_results(u);
    assert_int_equal(guestmem_reader_register(&u->vm), GUESTMEM_OK);
    check_results(u);
    guestmem_read_begin(&u->vm);
    check_results(u);
    guestmem_read_end(&u->vm);
}

static void what_is_no_ram_is_refused_although_it_was_seen(void **state)
{
    struct unit *u = *state;

    make(u);
    for (unsigned i = 0; i < 3; i++) {
        see(u, NO_RAM, 4 * PAGE);
        assert_int_equal(touch(u, NO_RAM, 8), -1);
        see(u, NO_RAM + 8, 8);
        assert_int_equal(touch(u, NO_RAM + 8, 8), -1);
        assert_int_equal(touch(u, NO_RAM + PAGE - 4, 8), -1);
        assert_int_equal(touch(u, NO_RAM - 4, 8), -1);
        assert_int_equal(seen.calls, 0);
        see(u, BASE, 8);
        assert_int_equal(vm_ram_touch(&u->vm, BASE, 8, NULL, u), -1);
    }
}

/* Until the VM is shared the memory can't be taken away under the callback. */
static void a_vm_is_busy_while_it_is_touched(void **state)
{
    struct unit *u = *state;

    make(u);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(touch(u, BASE, 8), 0);
        assert_int_equal(seen.busy, 1);
        assert_int_equal(touch(u, BASE + PAGE - 4, 8), 0);
        assert_int_equal(seen.busy, 1);
        assert_int_equal(u->space->busy, 0);
        see(u, BASE, 2 * PAGE);
    }
    assert_int_equal(guestmem_reader_register(&u->vm), GUESTMEM_OK);
    guestmem_read_begin(&u->vm);
    for (unsigned i = 0; i < 3; i++) {
        see(u, BASE, 2 * PAGE);
        assert_int_equal(touch(u, BASE, 8), 0);
        assert_int_equal(seen.busy, 0);
        assert_int_equal(touch(u, BASE + PAGE - 4, 8), 0);
        assert_int_equal(seen.busy, 0);
    }
    guestmem_read_end(&u->vm);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(no_piece_crosses_a_page),
        UNIT_TEST(what_the_callback_answers_is_the_result),
        UNIT_TEST(what_is_no_ram_is_refused_although_it_was_seen),
        UNIT_TEST(a_vm_is_busy_while_it_is_touched),
    };

    return cmocka_run_group_tests_name("touch", tests, NULL, NULL);
}
