/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * A whole address space: bring-up and the end in every half-built state, and long random sequences
 * of calls, in which any request may fail: a call that fails changes nothing, the counts are right,
 * and at the end everything is as it was.
 */
#include "unit_vm.h"

#define LOW ((uintptr_t)0x40000000)

enum { WINDOW_PAGES = 3072, HELD = 64 };

/* ---- bring-up and the end ---- */

static void the_vspace_and_the_book_keeping_may_come_in_either_order(void **state)
{
    struct unit *u = *state;

    assert_int_equal(guestmem_destroy(&u->vm), GUESTMEM_OK);
    assert_int_equal(vm_init_guest_vspace(NULL, &u->vm.mem.vmm_vspace, &u->vm.mem.vm_vspace, u->vka,
                                          u->root.cptr),
                     0);
    assert_null(vm_reserve_memory_at(&u->vm, LOW, PAGE, unit_fault, NULL));
    assert_non_null(vspace_new_pages(&u->vm.mem.vm_vspace, seL4_AllRights, 1, 12));
    assert_int_equal(vm_memory_init(&u->vm), 0);
    assert_non_null(vm_reserve_memory_at(&u->vm, LOW, PAGE, unit_fault, NULL));
}

static void a_half_built_vm_can_be_destroyed(void **state)
{
    struct unit *u = *state;
    vm_t blank = {.io_ops = u->vm.io_ops, .vka = u->vka, .simple = u->vm.simple};

    assert_int_equal(guestmem_destroy(NULL), GUESTMEM_EINVAL);
    assert_int_equal(guestmem_destroy(&blank), GUESTMEM_OK);
    assert_int_equal(vm_memory_init(&blank), 0);
    assert_null(guestmem_last_failure(&blank));
    assert_int_equal(guestmem_destroy(&blank), GUESTMEM_OK);
    assert_int_equal(guestmem_destroy(&blank), GUESTMEM_OK);
    assert_int_equal(guestmem_destroy(&u->vm), GUESTMEM_OK);
    assert_int_equal(vm_init_guest_vspace(NULL, &u->vm.mem.vmm_vspace, &u->vm.mem.vm_vspace, u->vka,
                                          u->root.cptr),
                     0);
    assert_int_equal(guestmem_destroy(&u->vm), GUESTMEM_OK); /* with no book-keeping */
}

static void bring_up_without_memory_fails_and_leaves_nothing(void **state)
{
    struct unit *u = *state;
    struct guestmem_host_snapshot *before;
    vspace_t other = {0};

    assert_int_equal(guestmem_destroy(&u->vm), GUESTMEM_OK);
    before = unit_snapshot(u);
    guestmem_host_fail(u->host, GUESTMEM_HOST_FAIL_MALLOC, 1, true);
    assert_int_equal(vm_memory_init(&u->vm), -1);
    assert_int_equal(
        vm_init_guest_vspace(NULL, &u->vm.mem.vmm_vspace, &other, u->vka, u->root.cptr), -1);
    guestmem_host_fail(u->host, 0, 0, false);
    assert_int_equal(vm_init_guest_vspace(NULL, NULL, &other, u->vka, u->root.cptr), -1);
    assert_int_equal(vm_init_guest_vspace(NULL, &u->vm.mem.vmm_vspace, NULL, u->vka, u->root.cptr),
                     -1);
    assert_int_equal(vm_init_guest_vspace(NULL, &u->vm.mem.vmm_vspace, &other, NULL, u->root.cptr),
                     -1);
    assert_int_equal(vm_init_guest_vspace(NULL, &u->vm.mem.vmm_vspace, &other, u->vka, 0), -1);
    assert_int_equal(vm_memory_init(NULL), -1);
    unit_check_same(u, before);
}

static memory_fault_result_t destroy_inside(vm_t *vm, vm_vcpu_t *vcpu, uintptr_t addr,
                                            size_t length, void *cookie)
{
    (void)vcpu;
    (void)addr;
    (void)length;
    (void)cookie;
    assert_int_equal(guestmem_destroy(vm), GUESTMEM_EBUSY);
    vspace_tear_down(&vm->mem.vm_vspace, VSPACE_FREE);
    assert_int_equal(vm_free_reserved_memory(vm, guestmem_reservation_at(vm, addr)), -1);
    return FAULT_HANDLED;
}

static int destroy_at_touch(vm_t *vm, uintptr_t addr, void *view, size_t size, size_t offset,
                            void *cookie)
{
    (void)view;
    (void)size;
    (void)offset;
    (void)cookie;
    destroy_inside(vm, NULL, addr == LOW + PAGE ? LOW : 0, 1, NULL);
    return 0;
}

static void destroy_at_give(struct unit *u, uintptr_t addr)
{
    destroy_inside(&u->vm, NULL, addr, 1, NULL);
}

static void callbacks_and_iterators_cannot_destroy_the_vm(void **state)
{
    struct unit *u = *state;
    vm_memory_reservation_t *res;

    assert_non_null(vm_reserve_memory_at(&u->vm, LOW, PAGE, destroy_inside, NULL));
    assert_int_equal(vm_memory_handle_fault(&u->vm, NULL, LOW, 4), FAULT_HANDLED);
    unit_check_failure(u, GUESTMEM_EBUSY);
    u->give_hook = destroy_at_give;
    res = unit_reserve(u, LOW + MIB, 2 * PAGE);
    assert_int_equal(vm_map_reservation(&u->vm, res, unit_give, u), 0);
    assert_int_equal(vm_ram_register_at(&u->vm, LOW + 2 * MIB, PAGE, false), 0);
    assert_int_equal(vm_ram_touch(&u->vm, LOW + 2 * MIB, PAGE, destroy_at_touch, NULL), 0);
    assert_int_equal(vm_memory_handle_fault(&u->vm, NULL, LOW, 4), FAULT_HANDLED);
}

/* ---- random sequences ---- */

struct soak {
    struct unit *u;
    struct unit_random random;
    seL4_CPtr frames[HELD]; /* the caller's: mapped or not, the library never owns them */
    bool taken[HELD];
};

static size_t below(struct soak *s, size_t most)
{
    return unit_random_below(&s->random, most);
}

static uintptr_t random_page(struct soak *s)
{
    return LOW - 2 * MIB + below(s, WINDOW_PAGES) * PAGE;
}

static size_t random_size(struct soak *s)
{
    static const size_t sizes[] = {PAGE,   3 * PAGE, 17 * PAGE, 2 * MIB, 2 * MIB + 5 * PAGE,
                                   0x1234, 0x80};

    return sizes[below(s, sizeof(sizes) / sizeof(sizes[0]))];
}

/* One of the reservations, or NULL; `kinds` has a bit for each kind that will do. */
static vm_memory_reservation_t *random_reservation(struct soak *s, unsigned kinds)
{
    vm_memory_reservation_t *found = NULL;
    struct gm_range_pos pos;
    size_t count = 0;

    for (bool more = gm_range_index_first(gm_index_root(&s->u->space->index), &pos); more;
         more = gm_range_index_next(gm_index_root(&s->u->space->index), &pos)) {
        vm_memory_reservation_t *res = gm_range_index_item(gm_index_root(&s->u->space->index), pos);

        if ((1u << res->kind & kinds) != 0 && below(s, ++count) == 0) {
            found = res;
        }
    }
    return found;
}

enum {
    GUEST = 1 << GM_RESERVATION_GUEST,
    RAM = 1 << GM_RESERVATION_RAM,
    CREATED = 1 << GM_RESERVATION_CREATED,
    ANY = GUEST | RAM | CREATED,
};

/* Some pages of a reservation, or of what is around it. */
static uintptr_t random_part(struct soak *s, unsigned kinds, size_t *size)
{
    vm_memory_reservation_t *res = random_reservation(s, kinds);

    *size = (1 + below(s, 6)) * PAGE;
    if (res == NULL) {
        return random_page(s);
    }
    *size = below(s, 6) == 0 ? gm_page_count(res) * PAGE : *size;
    return gm_page_base(res) + (below(s, 3) == 0 ? 0 : below(s, gm_page_count(res)) * PAGE);
}

static int do_reserve(struct soak *s)
{
    uintptr_t base = random_page(s) + (below(s, 4) == 0 ? below(s, 4096) : 0);

    return vm_reserve_memory_at(&s->u->vm, base, random_size(s), unit_fault, NULL) == NULL ? -1 : 0;
}

static int map_by_address(struct soak *s, vm_memory_reservation_t *res)
{
    uintptr_t paddr = UNIT_RAM_BASE + 40 * MIB + below(s, 2048) * PAGE;

    paddr += res == NULL ? 0 : res->base % PAGE;
    return map_ut_alloc_reservation_with_base_paddr(&s->u->vm, paddr, res);
}

static int do_map(struct soak *s)
{
    vm_memory_reservation_t *res = random_reservation(s, GUEST);

    switch (below(s, 4)) {
    case 0:
        return map_maybe_device_reservation(&s->u->vm, res);
    case 1:
        return map_by_address(s, res);
    default:
        return map_frame_alloc_reservation(&s->u->vm, res);
    }
}

static vm_frame_t give_held(uintptr_t addr, void *cookie)
{
    struct soak *s = cookie;
    vm_frame_t frame = {
        .rights = below(s, 2) ? seL4_AllRights : seL4_CanRead, .vaddr = addr, .size_bits = 12};
    size_t i = 0;

    while (i < HELD && s->taken[i]) {
        i++;
    }
    if (i < HELD) {
        s->taken[i] = true;
        frame.cptr = s->frames[i];
    }
    return frame;
}

static void release_held(vm_t *vm, seL4_CPtr frame, size_t size_bits, void *cookie)
{
    struct soak *s = cookie;

    (void)vm;
    assert_int_equal(size_bits, 12);
    for (size_t i = 0; i < HELD; i++) {
        if (s->frames[i] == frame) {
            assert_true(s->taken[i]);
            s->taken[i] = false;
            return;
        }
    }
    fail_msg("a frame was released that wasn't given");
}

static int do_map_given(struct soak *s)
{
    return guestmem_map_iterator(&s->u->vm, random_reservation(s, GUEST), give_held, release_held,
                                 s);
}

static int do_free(struct soak *s)
{
    vm_memory_reservation_t *res = random_reservation(s, ANY);

    if (res == NULL || (res->kind == GM_RESERVATION_CREATED && below(s, 2))) {
        return guestmem_created_destroy(&s->u->vm, res == NULL ? random_page(s) : res->base);
    }
    return vm_free_reserved_memory(&s->u->vm, res);
}

static int do_register(struct soak *s)
{
    switch (below(s, 5)) {
    case 0:
        return vm_ram_register(&s->u->vm, random_size(s)) == 0 ? -1 : 0;
    case 1:
        return vm_ram_register_at(&s->u->vm, UNIT_RAM_BASE + 40 * MIB + below(s, 512) * PAGE,
                                  random_size(s), true);
    default:
        return vm_ram_register_at(&s->u->vm, random_page(s), random_size(s), false);
    }
}

static int do_touch(struct soak *s)
{
    char bytes[5000];
    vm_memory_reservation_t *res = random_reservation(s, RAM);
    uintptr_t base = res == NULL ? random_page(s) : res->base + below(s, res->size);

    memset(bytes, 1, sizeof(bytes));
    return vm_ram_touch(&s->u->vm, base, 1 + below(s, sizeof(bytes)), vm_guest_ram_write_callback,
                        bytes);
}

static int do_discard(struct soak *s)
{
    size_t size;
    uintptr_t base = random_part(s, RAM, &size);

    return guestmem_ram_discard(&s->u->vm, base, size);
}

static int do_populate(struct soak *s)
{
    size_t size;
    uintptr_t base = random_part(s, RAM | GUEST, &size);

    return guestmem_populate(&s->u->vm, base, size);
}

static int do_rights(struct soak *s)
{
    size_t size;
    uintptr_t base = random_part(s, ANY, &size);

    return guestmem_set_rights(&s->u->vm, base, size, below(s, 2) ? seL4_CanRead : seL4_AllRights);
}

static int do_fault(struct soak *s)
{
    size_t size;
    uintptr_t addr = random_part(s, ANY, &size) + 0xffc;
    memory_fault_result_t result = vm_memory_handle_fault(&s->u->vm, NULL, addr, 8);

    return result == FAULT_ERROR ? -1 : 0;
}

static int do_create(struct soak *s)
{
    return create_allocated_reservation_frame(&s->u->vm, random_page(s), seL4_CanRead, unit_fault,
                                              NULL) == NULL;
}

static int do_new_pages(struct soak *s)
{
    return vspace_new_pages(&s->u->vm.mem.vm_vspace, seL4_AllRights, 1 + below(s, 5), 12) == NULL;
}

static int do_unmap_pages(struct soak *s)
{
    vm_memory_reservation_t *res = random_reservation(s, 1 << GM_RESERVATION_VSPACE);
    uintptr_t page = res == NULL ? 0 : res->base + below(s, gm_page_count(res)) * PAGE;

    vspace_unmap_pages(&s->u->vm.mem.vm_vspace, (void *)page, 1 + below(s, 3), 12, VSPACE_FREE);
    return 0; /* it answers nothing */
}

static int do_anonymous(struct soak *s)
{
    uintptr_t addr;

    if (below(s, 8) == 0) {
        return vm_memory_make_anon(&s->u->vm, below(s, 16) * 4 * MIB, 4 * MIB);
    }
    return vm_reserve_anon_memory(&s->u->vm, random_size(s), (size_t)1 << below(s, 22), unit_fault,
                                  NULL, &addr) == NULL;
}

static int do_policy(struct soak *s)
{
    unit_policy(s->u, below(s, 2) ? 12 : 21,
                below(s, 2) ? GUESTMEM_POPULATE_LAZY : GUESTMEM_POPULATE_EAGER);
    return 0;
}

static int (*const calls[])(struct soak *s) = {
    do_reserve, do_reserve, do_map,    do_map,      do_map_given, do_free,        do_free,
    do_free,    do_touch,   do_touch,  do_register, do_discard,   do_populate,    do_rights,
    do_fault,   do_fault,   do_create, do_policy,   do_new_pages, do_unmap_pages, do_anonymous,
};

static int count_entry(const struct guestmem_map_entry *entry, void *cookie)
{
    size_t *frames = cookie;

    for (size_t i = 0; i < GUESTMEM_SIZE_COUNT; i++) {
        frames[i] += entry->frames[i];
    }
    return 0;
}

/* What the walk, the statistics and the kernel say is the same. */
static void check_counts(struct soak *s)
{
    size_t frames[GUESTMEM_SIZE_COUNT] = {0};
    struct guestmem_stats stats;
    struct guestmem_host_leaf leaf;
    uintptr_t page = random_page(s);

    assert_int_equal(guestmem_get_stats(&s->u->vm, &stats), GUESTMEM_OK);
    assert_int_equal(guestmem_walk(&s->u->vm, count_entry, frames), 0);
    assert_memory_equal(frames, stats.frames, sizeof(frames));
    assert_int_equal(unit_leaf(s->u, page, &leaf),
                     vspace_get_cap(&s->u->vm.mem.vm_vspace, (void *)page) != seL4_CapNull);
}

/* One call, in which one request may fail. */
static bool step(struct soak *s)
{
    int (*call)(struct soak *) = calls[below(s, sizeof(calls) / sizeof(calls[0]))];
    struct guestmem_host_snapshot *before = unit_snapshot(s->u);
    uint64_t k = below(s, 2) ? 1 + below(s, 40) : 0;
    int result;

    guestmem_host_fail(s->u->host, GUESTMEM_HOST_FAIL_ANY, k,
                       below(s, 4) == 0 && call != do_rights);
    result = call(s);
    guestmem_host_fail(s->u->host, 0, 0, false);
    if (result != 0) {
        unit_check_same(s->u, before);
    } else {
        guestmem_host_snapshot_free(before);
    }
    return result == 0;
}

static void run(struct unit *u, uint64_t seed, unsigned steps)
{
    struct soak *s = calloc(1, sizeof(*s));
    size_t good = 0;

    assert_non_null(s);
    s->u = u;
    s->random.state = seed;
    for (size_t i = 0; i < HELD; i++) {
        s->frames[i] = unit_frame(u, 12);
    }
    for (unsigned i = 0; i < steps; i++) {
        good += step(s);
        check_counts(s);
    }
    assert_in_range(good, steps / 5, steps * 4 / 5);
    assert_int_equal(guestmem_destroy(&u->vm), GUESTMEM_OK);
    for (size_t i = 0; i < HELD; i++) {
        assert_false(s->taken[i]);
    }
    free(s);
}

static void random_sequences_change_nothing_that_fails(void **state)
{
    run(*state, 41, 3000);
}

static void random_sequences_with_device_ram_change_nothing_that_fails(void **state)
{
    run(*state, 42, 3000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(the_vspace_and_the_book_keeping_may_come_in_either_order),
        UNIT_TEST(a_half_built_vm_can_be_destroyed),
        UNIT_TEST(bring_up_without_memory_fails_and_leaves_nothing),
        UNIT_TEST(callbacks_and_iterators_cannot_destroy_the_vm),
        UNIT_TEST(random_sequences_change_nothing_that_fails),
        UNIT_TEST_DEVICE_RAM(random_sequences_with_device_ram_change_nothing_that_fails),
    };

    return cmocka_run_group_tests_name("space", tests, NULL, NULL);
}
