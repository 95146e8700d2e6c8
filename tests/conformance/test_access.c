/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * guestmem/access.h: reading, writing, filling, copying, loads and stores.
 */
#include <guestmem/access.h>
#include <string.h>

#include "conformance.h"

enum { BYTES_MAX = 5 * 1024 * 1024 };

static uint8_t out[BYTES_MAX];
static uint8_t back[BYTES_MAX];

static void make_ram(vm_t *vm, uintptr_t start, size_t size)
{
    GM_CHECK_EQ(vm_ram_register_at(vm, start, size, false), 0);
}

static void make_pattern(uint8_t *bytes, size_t size, unsigned seed)
{
    for (size_t i = 0; i < size; i++) {
        bytes[i] = (uint8_t)(i * 37 + (i >> 8) + seed);
    }
}

/* Write; the guest and a read see the same; and so do both after the guest wrote. */
static void check_write_and_read(struct gm_env *env, vm_t *vm, uintptr_t gpa, size_t size)
{
    GM_CHECK(size <= BYTES_MAX);
    make_pattern(out, size, (unsigned)gpa);
    GM_CHECK_EQ(guestmem_ram_write(vm, gpa, out, size), GUESTMEM_OK);
    memset(back, 0, size);
    GM_CHECK_EQ(guestmem_ram_read(vm, gpa, back, size), GUESTMEM_OK);
    GM_CHECK_BYTES(back, out, size);
    memset(back, 0, size);
    if (gm_test_guest_read(env, vm, gpa, back, size)) {
        GM_CHECK_BYTES(back, out, size);
    }
    out[size / 2] ^= 0xff;
    if (gm_test_guest_write(env, vm, gpa + size / 2, &out[size / 2], 1)) {
        GM_CHECK_EQ(guestmem_ram_read(vm, gpa, back, size), GUESTMEM_OK);
        GM_CHECK_BYTES(back, out, size);
    }
}

/* That a call refuses with this error, says so, and changes nothing. */
#define REFUSES(env, vm, expected, call)                           \
    CHANGES_NOTHING(env, {                                         \
        GM_CHECK_EQ(call, expected);                               \
        GM_CHECK_EQ(guestmem_last_failure(vm)->error, (expected)); \
    })

static void the_guest_reads_what_was_written_and_back(struct gm_env *env, vm_t *vm)
{
    static const size_t sizes[] = {1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 64, 100, 4095, 4096};

    make_ram(vm, BASE, 4 * GM_PAGE);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        for (uintptr_t gpa = BASE + GM_PAGE - 3; gpa < BASE + GM_PAGE + 3; gpa++) {
            check_write_and_read(env, vm, gpa, sizes[i]);
        }
    }
}

static void ranges_cross_frames_of_all_sizes(struct gm_env *env, vm_t *vm)
{
    make_ram(vm, BASE - GM_PAGE, 4 * GM_MIB + 2 * GM_PAGE);
    GM_CHECK_LEAF(env, vm, BASE - GM_PAGE, GM_BITS_4K, "rw", false);
    GM_CHECK_LEAF(env, vm, BASE, GM_BITS_2M, "rw", false);
    check_write_and_read(env, vm, BASE - 3, 6);
    check_write_and_read(env, vm, BASE - GM_PAGE, 4 * GM_MIB + 2 * GM_PAGE);
}

/* RAM, lazy pages of a device model, a page of create_*, pages of the guest's vspace, the caller's.
 */
static void make_mixture(struct gm_env *env, vm_t *vm)
{
    vspace_t *own = &vm->mem.vm_vspace;
    seL4_CPtr frames[2];
    reservation_t claim;

    make_ram(vm, BASE, 2 * GM_PAGE);
    GM_CHECK_EQ(map_frame_alloc_reservation(vm, reserve(vm, BASE + 2 * GM_PAGE, GM_PAGE)), 0);
    GM_CHECK_NOT_NULL(create_allocated_reservation_frame(vm, BASE + 3 * GM_PAGE, seL4_AllRights,
                                                         default_error_fault_callback, NULL));
    claim =
        vspace_reserve_range_at(own, (void *)(BASE + 4 * GM_PAGE), 2 * GM_PAGE, seL4_AllRights, 1);
    GM_CHECK_EQ(vspace_new_pages_at_vaddr(own, (void *)(BASE + 4 * GM_PAGE), 2, GM_BITS_4K, claim),
                0);
    gm_env_frames(env, GM_BITS_4K, 2, frames);
    GM_CHECK_EQ(vm_map_reservation_frames(vm, reserve(vm, BASE + 6 * GM_PAGE, 2 * GM_PAGE), frames,
                                          2, GM_BITS_4K),
                0);
}

static void ranges_cross_memory_of_all_kinds(struct gm_env *env, vm_t *vm)
{
    make_mixture(env, vm);
    check_write_and_read(env, vm, BASE + 1, 8 * GM_PAGE - 2);
    for (uintptr_t page = 0; page < 7; page++) {
        check_write_and_read(env, vm, BASE + (page + 1) * GM_PAGE - 2, 4);
    }
    vspace_unmap_pages(&vm->mem.vm_vspace, (void *)(BASE + 5 * GM_PAGE), 1, GM_BITS_4K,
                       VSPACE_FREE);
    REFUSES(env, vm, GUESTMEM_EUNMAPPED, guestmem_ram_read(vm, BASE, back, 8 * GM_PAGE));
    check_write_and_read(env, vm, BASE + 1, 5 * GM_PAGE - 2);
    check_write_and_read(env, vm, BASE + 6 * GM_PAGE, 2 * GM_PAGE);
}

static void memory_that_starts_and_ends_inside_pages_is_reached_to_the_byte(struct gm_env *env,
                                                                            vm_t *vm)
{
    uint8_t byte = 0;

    make_ram(vm, 0x503, 2 * GM_PAGE);
    check_write_and_read(env, vm, 0x503, 2 * GM_PAGE);
    for (unsigned seen = 0; seen < 2; seen++) {
        GM_CHECK_EQ(guestmem_ram_read(vm, 0x503 + 2 * GM_PAGE - 1, &byte, 1), GUESTMEM_OK);
        GM_CHECK_EQ(guestmem_ram_read(vm, 0x502, back, 2), GUESTMEM_EUNMAPPED);
        GM_CHECK_EQ(guestmem_ram_read(vm, 0x503 + 2 * GM_PAGE - 1, back, 2), GUESTMEM_EUNMAPPED);
        GM_CHECK_EQ(guestmem_ram_load(vm, 0x500, 4, &(uint64_t){0}), GUESTMEM_EUNMAPPED);
    }
}

static void lazy_memory_is_populated_frame_by_frame(struct gm_env *env, vm_t *vm)
{
    struct guestmem_policy policy;
    struct guestmem_stats stats;

    guestmem_policy_default(&policy);
    policy.populate = GUESTMEM_POPULATE_LAZY;
    policy.frame_bits_max = GM_BITS_4K;
    GM_CHECK_EQ(guestmem_set_policy(vm, &policy), GUESTMEM_OK);
    make_ram(vm, BASE, 64 * GM_PAGE);
    GM_CHECK_EQ(map_frame_alloc_reservation(vm, reserve(vm, BASE + 64 * GM_PAGE, 2 * GM_PAGE)), 0);
    GM_CHECK_EQ(guestmem_ram_read(vm, BASE + 5 * GM_PAGE - 1, back, 2), GUESTMEM_OK);
    GM_CHECK_EQ(guestmem_get_stats(vm, &stats), GUESTMEM_OK);
    GM_CHECK_EQ(stats.frames[0], 2);
    GM_CHECK_FILLED(back, 0, 2);
    check_write_and_read(env, vm, BASE + 63 * GM_PAGE, 2 * GM_PAGE);
    GM_CHECK_EQ(guestmem_get_stats(vm, &stats), GUESTMEM_OK);
    GM_CHECK_EQ(stats.frames[0], 4);
    GM_CHECK_NO_LEAF(env, vm, BASE);
    GM_CHECK_NO_LEAF(env, vm, BASE + 65 * GM_PAGE);
}

static void rom_is_written_by_the_vmm(struct gm_env *env, vm_t *vm)
{
    make_ram(vm, BASE, 4 * GM_PAGE);
    GM_CHECK_EQ(guestmem_set_rights(vm, BASE + GM_PAGE, GM_PAGE, seL4_CanRead), GUESTMEM_OK);
    GM_CHECK_EQ(guestmem_set_rights(vm, BASE + 2 * GM_PAGE, GM_PAGE, seL4_NoRights), GUESTMEM_OK);
    make_pattern(out, 4 * GM_PAGE, 9);
    GM_CHECK_EQ(guestmem_ram_write(vm, BASE, out, 4 * GM_PAGE), GUESTMEM_OK);
    GM_CHECK_EQ(guestmem_ram_read(vm, BASE, back, 4 * GM_PAGE), GUESTMEM_OK);
    GM_CHECK_BYTES(back, out, 4 * GM_PAGE);
    GM_CHECK_LEAF(env, vm, BASE + GM_PAGE, GM_BITS_4K, "r", false);
}

static void a_devices_memory_is_refused_and_named(struct gm_env *env, vm_t *vm)
{
    uintptr_t at = BASE + GM_PAGE;
    const struct guestmem_failure *failure;

    make_ram(vm, BASE, GM_PAGE);
    GM_CHECK_EQ(map_ut_alloc_reservation_with_base_paddr(vm, env->device_base,
                                                         reserve(vm, at, 2 * GM_PAGE)),
                0);
    memset(back, 0x5a, 16);
    REFUSES(env, vm, GUESTMEM_ENOSUP, guestmem_ram_read(vm, at - 8, back, 16));
    GM_CHECK_FILLED(back, 0x5a, 16);
    failure = guestmem_last_failure(vm);
    GM_CHECK_EQ(failure->base, at - 8);
    GM_CHECK_EQ(failure->size, 16);
    GM_CHECK_EQ(failure->other_base, at);
    GM_CHECK_EQ(failure->other_size, 2 * GM_PAGE);
    REFUSES(env, vm, GUESTMEM_ENOSUP, guestmem_ram_store(vm, at + 4, 4, 1));
    GM_CHECK_NOT_NULL(create_device_reservation_frame(vm, env->device_base + GM_MIB, seL4_AllRights,
                                                      default_error_fault_callback, NULL));
    REFUSES(env, vm, GUESTMEM_ENOSUP,
            guestmem_ram_read(vm, env->device_base + GM_MIB, back, GM_PAGE));
}

static void what_is_not_all_backed_is_found_before_the_first_byte_moves(struct gm_env *env,
                                                                        vm_t *vm)
{
    make_ram(vm, BASE, 4 * GM_PAGE);
    make_ram(vm, BASE + 5 * GM_PAGE, GM_PAGE);
    reserve(vm, BASE + 6 * GM_PAGE, GM_PAGE);
    GM_CHECK_EQ(guestmem_ram_fill(vm, BASE, 0x11, 4 * GM_PAGE), GUESTMEM_OK);
    memset(out, 0x22, 8 * GM_PAGE);
    /* a hole in the middle; an end behind a hole; emulated pages */
    REFUSES(env, vm, GUESTMEM_EUNMAPPED, guestmem_ram_write(vm, BASE, out, 6 * GM_PAGE));
    REFUSES(env, vm, GUESTMEM_EUNMAPPED, guestmem_ram_write(vm, BASE, out, 4 * GM_PAGE + 1));
    REFUSES(env, vm, GUESTMEM_EUNMAPPED, guestmem_ram_fill(vm, BASE + 5 * GM_PAGE, 3, GM_PAGE + 1));
    REFUSES(env, vm, GUESTMEM_EUNMAPPED, guestmem_ram_copy(vm, BASE, BASE + GM_PAGE, 4 * GM_PAGE));
    REFUSES(env, vm, GUESTMEM_EUNMAPPED, guestmem_ram_copy(vm, BASE + GM_PAGE, BASE, 4 * GM_PAGE));
    GM_CHECK_EQ(guestmem_ram_read(vm, BASE, back, 4 * GM_PAGE), GUESTMEM_OK);
    GM_CHECK_FILLED(back, 0x11, 4 * GM_PAGE);
    memset(back, 0x33, 8 * GM_PAGE);
    REFUSES(env, vm, GUESTMEM_EUNMAPPED, guestmem_ram_read(vm, BASE, back, 6 * GM_PAGE));
    REFUSES(env, vm, GUESTMEM_EUNMAPPED, guestmem_ram_read(vm, BASE - 1, back, 2));
    GM_CHECK_FILLED(back, 0x33, 8 * GM_PAGE);
}

static void empty_wrapping_and_endless_ranges_are_refused(struct gm_env *env, vm_t *vm)
{
    make_ram(vm, BASE, 2 * GM_PAGE);
    for (unsigned seen = 0; seen < 2; seen++) {
        REFUSES(env, vm, GUESTMEM_EINVAL, guestmem_ram_read(vm, BASE, back, 0));
        REFUSES(env, vm, GUESTMEM_EINVAL, guestmem_ram_write(vm, BASE, out, 0));
        REFUSES(env, vm, GUESTMEM_EINVAL, guestmem_ram_fill(vm, BASE, 0, 0));
        REFUSES(env, vm, GUESTMEM_EINVAL, guestmem_ram_copy(vm, BASE, BASE + 8, 0));
        REFUSES(env, vm, GUESTMEM_EINVAL, guestmem_ram_sync_code(vm, BASE, 0));
        REFUSES(env, vm, GUESTMEM_ERANGE, guestmem_ram_read(vm, BASE, back, SIZE_MAX));
        REFUSES(env, vm, GUESTMEM_ERANGE, guestmem_ram_fill(vm, UINTPTR_MAX, 0, 2));
        REFUSES(env, vm, GUESTMEM_ERANGE, guestmem_ram_read(vm, env->guest_end - 1, back, 2));
        REFUSES(env, vm, GUESTMEM_ERANGE, guestmem_ram_copy(vm, BASE, UINTPTR_MAX, 2));
        REFUSES(env, vm, GUESTMEM_EINVAL, guestmem_ram_read(vm, BASE, NULL, 1));
        REFUSES(env, vm, GUESTMEM_EINVAL, guestmem_ram_write(vm, BASE, NULL, 1));
        GM_CHECK_EQ(guestmem_ram_read(vm, BASE, back, 1), GUESTMEM_OK);
    }
    GM_CHECK_EQ(guestmem_ram_read(NULL, BASE, back, 1), GUESTMEM_EINVAL);
    GM_CHECK_EQ(guestmem_ram_write(NULL, BASE, out, 1), GUESTMEM_EINVAL);
    GM_CHECK_EQ(guestmem_ram_fill(NULL, BASE, 0, 1), GUESTMEM_EINVAL);
    GM_CHECK_EQ(guestmem_ram_copy(NULL, BASE, BASE, 1), GUESTMEM_EINVAL);
    GM_CHECK_EQ(guestmem_ram_load(NULL, BASE, 1, &(uint64_t){0}), GUESTMEM_EINVAL);
    GM_CHECK_EQ(guestmem_ram_store(NULL, BASE, 1, 0), GUESTMEM_EINVAL);
    GM_CHECK_EQ(guestmem_ram_sync_code(NULL, BASE, 1), GUESTMEM_EINVAL);
}

static void both_ends_of_the_space_are_reached(struct gm_env *env, vm_t *vm)
{
    make_ram(vm, 0, GM_PAGE);
    make_ram(vm, env->guest_end - GM_PAGE, GM_PAGE);
    check_write_and_read(env, vm, 0, GM_PAGE);
    check_write_and_read(env, vm, env->guest_end - GM_PAGE, GM_PAGE);
    check_write_and_read(env, vm, env->guest_end - 1, 1);
    check_write_and_read(env, vm, 0, 1);
}

static void a_fill_fills_all_and_no_more(struct gm_env *env, vm_t *vm)
{
    make_ram(vm, BASE, 6 * GM_PAGE);
    GM_CHECK_EQ(guestmem_ram_fill(vm, BASE, 0x11, 6 * GM_PAGE), GUESTMEM_OK);
    GM_CHECK_EQ(guestmem_ram_fill(vm, BASE + GM_PAGE - 1, 0xee, 3 * GM_PAGE), GUESTMEM_OK);
    GM_CHECK_GUEST_FILLED(env, vm, BASE, 0x11, GM_PAGE - 1);
    GM_CHECK_GUEST_FILLED(env, vm, BASE + GM_PAGE - 1, 0xee, 3 * GM_PAGE);
    GM_CHECK_GUEST_FILLED(env, vm, BASE + 4 * GM_PAGE - 1, 0x11, 2 * GM_PAGE + 1);
}

/* Overlapping by more and by less than a page, both ways, in two reservations. */
static void a_copy_is_as_if_by_a_buffer_between(struct gm_env *env, vm_t *vm)
{
    static const intptr_t distances[] = {0, 1, -1, 100, -100, 5000, -5000, 20000, -20000};
    const size_t all = 16 * GM_PAGE;
    const size_t size = 5 * GM_PAGE + 123;
    const uintptr_t from = 5 * GM_PAGE + 77;

    (void)env;
    make_ram(vm, BASE, 7 * GM_PAGE);
    make_ram(vm, BASE + 7 * GM_PAGE, 9 * GM_PAGE);
    for (size_t i = 0; i < sizeof(distances) / sizeof(distances[0]); i++) {
        uintptr_t to = from + (uintptr_t)distances[i];

        make_pattern(out, all, (unsigned)i);
        GM_CHECK_EQ(guestmem_ram_write(vm, BASE, out, all), GUESTMEM_OK);
        GM_CHECK_EQ(guestmem_ram_copy(vm, BASE + to, BASE + from, size), GUESTMEM_OK);
        memmove(out + to, out + from, size);
        GM_CHECK_EQ(guestmem_ram_read(vm, BASE, back, all), GUESTMEM_OK);
        GM_CHECK_BYTES(back, out, all);
    }
}

static void words_are_loaded_and_stored_in_the_machines_order(struct gm_env *env, vm_t *vm)
{
    const uint64_t value = 0x8877665544332211;

    (void)env;
    make_ram(vm, BASE, GM_PAGE);
    for (unsigned seen = 0; seen < 2; seen++) {
        for (size_t size = 1; size <= 8; size *= 2) {
            uint64_t mask = size == 8 ? UINT64_MAX : ((uint64_t)1 << (8 * size)) - 1;
            uint64_t read = UINT64_MAX;
            uintptr_t gpa = BASE + 0x40 + size;

            GM_CHECK_EQ(guestmem_ram_fill(vm, BASE, 0xa5, GM_PAGE), GUESTMEM_OK);
            GM_CHECK_EQ(guestmem_ram_store(vm, gpa, size, value), GUESTMEM_OK);
            GM_CHECK_EQ(guestmem_ram_load(vm, gpa, size, &read), GUESTMEM_OK);
            GM_CHECK_EQ(read, value & mask);
            GM_CHECK_EQ(guestmem_ram_store_release(vm, gpa, size, ~value), GUESTMEM_OK);
            GM_CHECK_EQ(guestmem_ram_load_acquire(vm, gpa, size, &read), GUESTMEM_OK);
            GM_CHECK_EQ(read, ~value & mask);
            GM_CHECK_EQ(guestmem_ram_read(vm, gpa - 1, back, size + 2), GUESTMEM_OK);
            GM_CHECK_EQ(back[0], 0xa5);
            GM_CHECK_EQ(back[size + 1], 0xa5);
            GM_CHECK_EQ(memcmp(back + 1, &(uint64_t){~value}, size), 0);
        }
    }
}

static void words_of_other_sizes_or_places_are_refused(struct gm_env *env, vm_t *vm)
{
    static const size_t sizes[] = {0, 3, 5, 6, 7, 9, 16, 64, SIZE_MAX};
    uint64_t value = 42;

    make_ram(vm, BASE, GM_PAGE);
    for (unsigned seen = 0; seen < 2; seen++) {
        for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
            REFUSES(env, vm, GUESTMEM_EINVAL, guestmem_ram_load(vm, BASE, sizes[i], &value));
            REFUSES(env, vm, GUESTMEM_EINVAL, guestmem_ram_store(vm, BASE, sizes[i], 0));
        }
        for (size_t size = 2; size <= 8; size *= 2) {
            REFUSES(env, vm, GUESTMEM_EINVAL,
                    guestmem_ram_load_acquire(vm, BASE + size / 2, size, &value));
            REFUSES(env, vm, GUESTMEM_EINVAL,
                    guestmem_ram_store_release(vm, BASE + size / 2, size, 0));
        }
        REFUSES(env, vm, GUESTMEM_EINVAL, guestmem_ram_load(vm, BASE, 4, NULL));
        GM_CHECK_EQ(value, 42);
        GM_CHECK_EQ(guestmem_ram_read(vm, BASE, back, GM_PAGE), GUESTMEM_OK);
        GM_CHECK_FILLED(back, 0, GM_PAGE);
    }
}

static void byte_orders_are_turned_both_ways(struct gm_env *env, vm_t *vm)
{
    (void)env;
    (void)vm;
    GM_CHECK_EQ(guestmem_swap(0x11, 1), 0x11);
    GM_CHECK_EQ(guestmem_swap(0x1122, 2), 0x2211);
    GM_CHECK_EQ(guestmem_swap(0x11223344, 4), 0x44332211);
    GM_CHECK_EQ(guestmem_swap(0x1122334455667788, 8), 0x8877665544332211);
    for (size_t size = 1; size <= 8; size *= 2) {
        uint64_t one = guestmem_be(1, size);

        GM_CHECK_EQ(((const uint8_t *)&one)[size - 1], __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__);
        one = guestmem_le(1, size);
        GM_CHECK_EQ(((const uint8_t *)&one)[0], __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__);
    }
}

/* One round of all calls. */
static void use_all(vm_t *vm)
{
    uint64_t value;

    GM_CHECK_EQ(guestmem_ram_write(vm, BASE + 5, out, 3 * GM_MIB), GUESTMEM_OK);
    GM_CHECK_EQ(guestmem_ram_read(vm, BASE + 2 * GM_MIB - 8, back, 16), GUESTMEM_OK);
    GM_CHECK_EQ(guestmem_ram_fill(vm, BASE + GM_MIB, 3, 100), GUESTMEM_OK);
    GM_CHECK_EQ(guestmem_ram_copy(vm, BASE, BASE + 2 * GM_MIB, GM_MIB), GUESTMEM_OK);
    GM_CHECK_EQ(guestmem_ram_load(vm, BASE + 64, 4, &value), GUESTMEM_OK);
    GM_CHECK_EQ(guestmem_ram_store(vm, BASE + 4 * GM_MIB - 8, 8, value), GUESTMEM_OK);
    GM_CHECK_EQ(vm_ram_touch(vm, BASE + 4 * GM_MIB - 8, 16, vm_guest_ram_read_callback, back), 0);
}

static void what_was_seen_once_takes_nothing_more(struct gm_env *env, vm_t *vm)
{
    struct gm_env_counts before;
    struct gm_env_counts after;

    make_ram(vm, BASE, 4 * GM_MIB);
    make_ram(vm, BASE + 4 * GM_MIB, 4 * GM_PAGE);
    use_all(vm);
    gm_env_count(env, &before);
    use_all(vm);
    use_all(vm);
    gm_env_count(env, &after);
    if (!before.complete) {
        gm_test_unchecked("invocations can't be counted here");
    }
    GM_CHECK_EQ(after.invocations, before.invocations);
    GM_CHECK_EQ(after.slots, before.slots);
    GM_CHECK_EQ(after.heap_bytes, before.heap_bytes);
    GM_CHECK_EQ(after.objects, before.objects);
}

static void what_was_freed_or_discarded_is_not_seen_any_more(struct gm_env *env, vm_t *vm)
{
    (void)env;
    make_ram(vm, BASE, 4 * GM_MIB);
    make_ram(vm, BASE + 4 * GM_MIB, 4 * GM_MIB);
    GM_CHECK_EQ(guestmem_ram_fill(vm, BASE, 0x77, 8 * GM_MIB), GUESTMEM_OK);
    GM_CHECK_EQ(guestmem_ram_discard(vm, BASE + 2 * GM_MIB, 2 * GM_MIB), GUESTMEM_OK);
    GM_CHECK_EQ(guestmem_ram_read(vm, BASE + 2 * GM_MIB - 8, back, 16), GUESTMEM_OK);
    GM_CHECK_FILLED(back, 0x77, 8);
    GM_CHECK_FILLED(back + 8, 0, 8); /* populated anew */
    GM_CHECK_EQ(vm_free_reserved_memory(vm, guestmem_reservation_at(vm, BASE)), 0);
    GM_CHECK_EQ(guestmem_ram_read(vm, BASE, back, 1), GUESTMEM_EUNMAPPED);
    GM_CHECK_EQ(guestmem_ram_read(vm, BASE + 4 * GM_MIB - 1, back, 2), GUESTMEM_EUNMAPPED);
    GM_CHECK_EQ(guestmem_ram_read(vm, BASE + 4 * GM_MIB, back, 4 * GM_MIB), GUESTMEM_OK);
    GM_CHECK_FILLED(back, 0x77, 4 * GM_MIB);
    make_ram(vm, BASE, GM_PAGE);
    GM_CHECK_EQ(guestmem_ram_read(vm, BASE, back, 1), GUESTMEM_OK);
    GM_CHECK_EQ(back[0], 0);
}

static void frames_are_unmapped_under_accesses_by_their_vspace(struct gm_env *env, vm_t *vm)
{
    vspace_t *own = &vm->mem.vm_vspace;
    seL4_CPtr frames[3];
    void *at;

    gm_env_frames(env, GM_BITS_4K, 3, frames);
    at = vspace_map_pages(own, frames, NULL, seL4_AllRights, 3, GM_BITS_4K, 1);
    GM_CHECK_NOT_NULL(at);
    GM_CHECK_EQ(guestmem_ram_fill(vm, (uintptr_t)at, 0x31, 3 * GM_PAGE), GUESTMEM_OK);
    vspace_unmap_pages(own, (char *)at + GM_PAGE, 1, GM_BITS_4K, VSPACE_PRESERVE);
    gm_env_check_frame(env, frames[1]);
    GM_CHECK_EQ(guestmem_ram_read(vm, (uintptr_t)at + GM_PAGE, back, 1), GUESTMEM_EUNMAPPED);
    GM_CHECK_EQ(guestmem_ram_read(vm, (uintptr_t)at, back, GM_PAGE), GUESTMEM_OK);
    GM_CHECK_EQ(guestmem_ram_read(vm, (uintptr_t)at + 2 * GM_PAGE, back, GM_PAGE), GUESTMEM_OK);
    GM_CHECK_FILLED(back, 0x31, GM_PAGE);
}

static void a_second_vm_has_memory_of_its_own(struct gm_env *env, vm_t *vm)
{
    vm_t *other = gm_env_new_vm(env);

    make_ram(vm, BASE, GM_PAGE);
    make_ram(other, BASE, GM_PAGE);
    for (unsigned i = 0; i < 3; i++) {
        GM_CHECK_EQ(guestmem_ram_store(vm, BASE, 4, 0x1000 + i), GUESTMEM_OK);
        GM_CHECK_EQ(guestmem_ram_store(other, BASE, 4, 0x2000 + i), GUESTMEM_OK);
        GM_CHECK_EQ(guestmem_ram_read(vm, BASE, back, 4), GUESTMEM_OK);
        GM_CHECK_EQ(guestmem_ram_read(other, BASE, back + 4, 4), GUESTMEM_OK);
        GM_CHECK_EQ(memcmp(back, (uint32_t[]){0x1000 + i, 0x2000 + i}, 8), 0);
    }
}

static void code_is_synced_where_it_is_memory(struct gm_env *env, vm_t *vm)
{
    make_ram(vm, BASE - 2 * GM_PAGE, 4 * GM_MIB + 2 * GM_PAGE);
    vm->mem.clean_cache = 1;
    check_write_and_read(env, vm, BASE - GM_PAGE - 7, 3 * GM_MIB);
    GM_CHECK_EQ(guestmem_ram_fill(vm, BASE, 0, 8), GUESTMEM_OK);
    GM_CHECK_EQ(guestmem_ram_copy(vm, BASE + 1, BASE, 5000), GUESTMEM_OK);
    vm->mem.clean_cache = 0;
    GM_CHECK_EQ(guestmem_ram_sync_code(vm, BASE - 2 * GM_PAGE, 4 * GM_MIB + 2 * GM_PAGE),
                GUESTMEM_OK);
    REFUSES(env, vm, GUESTMEM_EUNMAPPED, guestmem_ram_sync_code(vm, BASE - 3 * GM_PAGE, GM_PAGE));
}

static const struct gm_case cases[] = {
    GM_CASE(the_guest_reads_what_was_written_and_back),
    GM_CASE(ranges_cross_frames_of_all_sizes),
    GM_CASE(ranges_cross_memory_of_all_kinds),
    GM_CASE(memory_that_starts_and_ends_inside_pages_is_reached_to_the_byte),
    GM_CASE(lazy_memory_is_populated_frame_by_frame),
    GM_CASE(rom_is_written_by_the_vmm),
    GM_CASE(a_devices_memory_is_refused_and_named),
    GM_CASE(what_is_not_all_backed_is_found_before_the_first_byte_moves),
    GM_CASE(empty_wrapping_and_endless_ranges_are_refused),
    GM_CASE(both_ends_of_the_space_are_reached),
    GM_CASE(a_fill_fills_all_and_no_more),
    GM_CASE(a_copy_is_as_if_by_a_buffer_between),
    GM_CASE(words_are_loaded_and_stored_in_the_machines_order),
    GM_CASE(words_of_other_sizes_or_places_are_refused),
    GM_CASE(byte_orders_are_turned_both_ways),
    GM_CASE(what_was_seen_once_takes_nothing_more),
    GM_CASE(what_was_freed_or_discarded_is_not_seen_any_more),
    GM_CASE(frames_are_unmapped_under_accesses_by_their_vspace),
    GM_CASE(a_second_vm_has_memory_of_its_own),
    GM_CASE(code_is_synced_where_it_is_memory),
};

const struct gm_suite access_suite = GM_SUITE("access", cases);
