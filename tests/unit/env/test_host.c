/*
 * SPDX-License-Identifier: BSD-2-Clause
 * Copyright 2026 the guestmem authors
 */
#include "fixture.h"

#include <errno.h>
#include <string.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static void one_environment_lives_at_a_time(void **state)
{
    struct guestmem_host *second = NULL;

    (void)state;
    assert_int_equal(guestmem_host_create(NULL, &second), -EBUSY);
    assert_null(second);
    guestmem_host_destroy(host);
    assert_int_equal(guestmem_host_create(NULL, &host), 0);
    guestmem_host_destroy(NULL);
}

static void unsound_configurations_are_refused(void **state)
{
    static const struct guestmem_host_region twice[] = {{MIB(1), MIB(2), false},
                                                        {MIB(2), MIB(2), false}};
    static const struct guestmem_host_region odd[] = {{0x1001, 0x1000, false}};
    static const struct guestmem_host_region far[] = {{GIB(1024), 0x1000, false}};
    static const struct guestmem_host_region on_ram[] = {{0x80000000, 0x1000, false}};
    static const struct guestmem_host_region many_pages[] = {{0, MIB(4), false}};
    const struct guestmem_host_config bad[] = {
        {.ram_bytes = 100},
        {.ram_base = 1},
        {.ram_base = GIB(1023), .ram_bytes = GIB(2)},
        {.cnode_bits = 9},
        {.cnode_bits = 40},
        {.pa_bits = 48},
        {.flavour = (enum guestmem_host_flavour)9},
        {.regions = twice, .region_count = 2},
        {.regions = odd, .region_count = 1},
        {.regions = far, .region_count = 1},
        {.regions = on_ram, .region_count = 1},
        {.regions = many_pages, .region_count = 1, .flavour = GUESTMEM_HOST_BOOT_FRAMES,
         .cnode_bits = 10},
    };

    (void)state;
    guestmem_host_destroy(host);
    for (size_t k = 0; k < ARRAY_SIZE(bad); k++) {
        assert_int_equal(guestmem_host_create(&bad[k], &host), -EINVAL);
    }
    assert_int_equal(guestmem_host_create(NULL, &host), 0);
}

static void physical_memory_is_found_by_address(void **state)
{
    off_t offset;
    uint8_t byte = 0x42;

    (void)state;
    assert_non_null(guestmem_host_phys(host, DEVICE_BASE, MIB(64)));
    assert_null(guestmem_host_phys(host, DEVICE_BASE, MIB(64) + 1));
    assert_null(guestmem_host_phys(host, DEVICE_BASE - 1, 1));
    assert_true(guestmem_host_phys_offset(host, DEVICE_BASE + 5, &offset));
    assert_int_equal(pwrite(guestmem_host_memfd(host), &byte, 1, offset), 1);
    assert_int_equal(*(uint8_t *)guestmem_host_phys(host, DEVICE_BASE + 5, 1), 0x42);
    assert_false(guestmem_host_phys_offset(host, 0, &offset));
}

static void io_ops_map_devices_where_their_memory_is(void **state)
{
    ps_io_mapper_t *mapper = &guestmem_host_io_ops(host)->io_mapper;
    uint8_t *mapped = ps_io_map(mapper, DEVICE_BASE + 0x1000, 0x1000, 0, PS_MEM_NORMAL);

    (void)state;
    assert_ptr_equal(mapped, guestmem_host_phys(host, DEVICE_BASE + 0x1000, 0x1000));
    ps_io_unmap(mapper, mapped, 0x1000);
    assert_null(ps_io_map(mapper, 0x1000, 0x1000, 0, PS_MEM_NORMAL));
}

struct seen {
    unsigned calls;
    uint64_t gpa, bytes;
};

static void note(void *cookie, uint64_t gpa, uint64_t bytes)
{
    struct seen *seen = cookie;

    seen->calls++;
    seen->gpa = gpa;
    seen->bytes = bytes;
}

static void a_watcher_hears_of_what_goes_or_changes_and_not_of_what_comes(void **state)
{
    seL4_CPtr root = space(), from = untyped(12);
    struct seen seen = {0};
    vka_object_t table;

    (void)state;
    assert_int_equal(guestmem_host_watch(host, SLOT, note, &seen), -EINVAL);
    assert_int_equal(guestmem_host_watch(host, root, note, &seen), 0);
    assert_int_equal(guestmem_host_watch(host, root, note, &seen), -EBUSY);
    tables(root, 0);
    make(from, seL4_ARM_SmallPageObject, 0, SLOT);
    assert_ok(map(SLOT, root, 0x3000, seL4_AllRights));
    assert_int_equal(seen.calls, 0);
    assert_ok(map(SLOT, root, 0x3000, seL4_CanRead));
    assert_int_equal(seen.calls, 1);
    assert_int_equal(seen.gpa, 0x3000);
    assert_int_equal(seen.bytes, 0x1000);
    assert_ok(seL4_ARM_Page_Unmap(SLOT));
    assert_int_equal(seen.calls, 2);
    assert_ok(map(SLOT, root, 0x3000, seL4_AllRights));
    assert_ok(revoke_cap(from));
    assert_int_equal(seen.calls, 3);
    assert_ok(vka_alloc_page_table(vka, &table));
    assert_ok(seL4_ARM_PageTable_Map(table.cptr, root, MIB(2), 0));
    vka_free_object(vka, &table);
    assert_int_equal(seen.calls, 4);
    assert_int_equal(seen.gpa, MIB(2));
    assert_int_equal(seen.bytes, MIB(2));
    guestmem_host_unwatch(host, root);
    make(from, seL4_ARM_SmallPageObject, 0, SLOT);
    assert_ok(map(SLOT, root, 0x3000, seL4_AllRights));
    assert_ok(delete_cap(SLOT));
    assert_int_equal(seen.calls, 4);
}

static void a_watch_ends_with_its_space(void **state)
{
    seL4_CPtr root = make(untyped(13), seL4_ARM_VSpaceObject, 0, SLOT);
    struct seen seen = {0};

    (void)state;
    assert_ok(simple_ASIDPool_assign(guestmem_host_simple(host), root));
    assert_int_equal(guestmem_host_watch(host, root, note, &seen), 0);
    assert_ok(delete_cap(root));
    assert_int_equal(seen.calls, 1);
    assert_int_equal(seen.bytes, seL4_UserTop + 1);
    root = space();
    assert_int_equal(guestmem_host_watch(host, root, note, &seen), 0);
}

static void counts_say_what_is_there(void **state)
{
    struct guestmem_host_counts before, after;
    vka_object_t frame, root;

    (void)state;
    guestmem_host_count(host, &before);
    assert_int_equal(before.invocations, 0);
    assert_int_equal(before.slots_used, 0);
    assert_int_equal(before.free_bytes, GIB(4));
    assert_ok(vka_alloc_frame(vka, 21, &frame));
    assert_ok(vka_alloc_vspace_root(vka, &root));
    assert_ok(seL4_ARM_Page_Unmap(frame.cptr));
    guestmem_host_count(host, &after);
    assert_int_equal(after.frames_2m, 1);
    assert_int_equal(after.tables, before.tables + 1);
    assert_int_equal(after.unmaps, 1);
    assert_int_equal(after.object_allocs, 2);
    assert_int_equal(after.slot_allocs, 2);
    assert_int_equal(after.free_bytes, GIB(4) - MIB(2) - KIB(8));
}

/* Of a program that measures its coverage: write it. */
int __llvm_profile_write_file(void) __attribute__((weak));

static void keep_coverage(int signal_number)
{
    (void)signal_number;
    if (__llvm_profile_write_file != NULL) {
        __llvm_profile_write_file();
    }
    signal(SIGABRT, SIG_DFL); /* abort() goes on to it */
}

/* What `misuse` does ends the program with a line on standard error that has `text` in it. */
static void assert_fatal(void (*misuse)(void), const char *text)
{
    char line[512] = "";
    size_t length = 0;
    int fds[2], status;
    ssize_t got;
    pid_t child;

    assert_int_equal(pipe(fds), 0);
    child = fork();
    if (child == 0) {
        dup2(fds[1], STDERR_FILENO);
        signal(SIGABRT, keep_coverage);
        misuse();
        _exit(0);
    }
    close(fds[1]);
    while ((got = read(fds[0], line + length, sizeof(line) - 1 - length)) > 0) {
        length += (size_t)got;
    }
    close(fds[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    assert_non_null(strstr(line, text));
}

static void free_a_slot_with_a_cap(void)
{
    vka_object_t frame;

    vka_alloc_frame(vka, 12, &frame);
    vka_cspace_free(vka, frame.cptr);
}

static void free_a_slot_twice(void)
{
    seL4_CPtr slot = 0;

    vka_cspace_alloc(vka, &slot);
    vka_cspace_free(vka, slot);
    vka_cspace_free(vka, slot);
}

static void free_memory_in_use(void)
{
    vka_object_t frame;

    vka_alloc_frame(vka, 12, &frame);
    vka_utspace_free(vka, frame.type, frame.size_bits, frame.ut);
}

static void free_the_wrong_size(void)
{
    void *block;

    ps_malloc(&guestmem_host_io_ops(host)->malloc_ops, 64, &block);
    ps_free(&guestmem_host_io_ops(host)->malloc_ops, 65, block);
}

static void free_what_is_no_cookie(void)
{
    vka_object_t frame;

    vka_alloc_frame(vka, 12, &frame);
    vka_utspace_free(vka, seL4_ARM_LargePageObject, 21, frame.ut);
}

static void free_what_is_no_reservation(void)
{
    vspace_free_reservation(guestmem_host_vspace(host), (reservation_t){.res = &host});
}

static void ask_nobody_for_a_path(void)
{
    cspacepath_t path;

    vka_cspace_make_path(NULL, 1, &path);
}

/* Linux has no mapping left in which the page would be gone, and nobody could be told. */
static void unmap_without_mappings(void)
{
    vspace_t *vspace = guestmem_host_vspace(host);
    void *page = vspace_new_pages(vspace, seL4_AllRights, 1, 12);

    setrlimit(RLIMIT_AS, &(struct rlimit){1, 1});
    vspace_unmap_pages(vspace, page, 1, 12, vka);
}

static void misuse_that_loses_memory_is_fatal(void **state)
{
    (void)state;
    assert_fatal(free_a_slot_with_a_cap, "still holds a cap");
    assert_fatal(free_a_slot_twice, "was not taken");
    assert_fatal(free_memory_in_use, "still lives");
    assert_fatal(free_the_wrong_size, "ps_free of 65 bytes");
    assert_fatal(free_what_is_no_cookie, "is of no object of type");
    assert_fatal(free_what_is_no_reservation, "is no reservation");
    assert_fatal(ask_nobody_for_a_path, "no vka or no result");
    assert_fatal(unmap_without_mappings, "can't be unmapped");
}

static void four_levels_reach_44_bits(void **state)
{
    struct guestmem_host_config config = {.pa_bits = 44};
    vka_object_t root, table;

    (void)state;
    guestmem_host_destroy(host);
    assert_int_equal(guestmem_host_create(&config, &host), 0);
    vka = guestmem_host_vka(host);
    assert_ok(vka_alloc_object(vka, seL4_ARM_VSpaceObject, 0, &root));
    assert_ok(simple_ASIDPool_assign(guestmem_host_simple(host), root.cptr));
    make(untyped(12), seL4_ARM_SmallPageObject, 0, SLOT);
    for (unsigned bits = 39; bits > 12; bits -= 9) {
        assert_answer(map(SLOT, root.cptr, GIB(16384) - 4096, seL4_AllRights), seL4_FailedLookup);
        assert_int_equal(seL4_GetMR(2), bits);
        assert_ok(vka_alloc_page_table(vka, &table));
        assert_ok(seL4_ARM_PageTable_Map(table.cptr, root.cptr, GIB(16384) - 4096, 0));
    }
    assert_ok(map(SLOT, root.cptr, GIB(16384) - 4096, seL4_AllRights));
    assert_true(leaf_at(root.cptr, GIB(16384) - 1, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(one_environment_lives_at_a_time),
        test(unsound_configurations_are_refused),
        test(physical_memory_is_found_by_address),
        test(io_ops_map_devices_where_their_memory_is),
        test(a_watcher_hears_of_what_goes_or_changes_and_not_of_what_comes),
        test(a_watch_ends_with_its_space),
        test(counts_say_what_is_there),
        test(misuse_that_loses_memory_is_fatal),
        test(four_levels_reach_44_bits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
