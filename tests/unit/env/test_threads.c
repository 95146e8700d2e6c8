/*
 * SPDX-License-Identifier: BSD-2-Clause
 * Copyright 2026 the guestmem authors
 *
 * The environment's calls from several threads: each is done as a whole, and nothing gets lost.
 */
#include "fixture.h"

#include <pthread.h>
#include <stdatomic.h>

enum { THREADS = 4, ROUNDS = 300, OBJECTS = 8 };

static atomic_uint wrong;

/* Take frames, map them where the VMM sees them, write, look again, and give all of it back. */
static bool round_of_frames(uint64_t mark)
{
    vspace_t *vspace = guestmem_host_vspace(host);
    vka_object_t frames[OBJECTS];
    seL4_CPtr caps[OBJECTS];
    volatile uint64_t *seen;
    bool right = true;

    for (unsigned i = 0; i < OBJECTS; i++) {
        if (vka_alloc_frame(vka, 12, &frames[i]) != 0) {
            return false;
        }
        caps[i] = frames[i].cptr;
    }
    seen = vspace_map_pages(vspace, caps, NULL, seL4_AllRights, OBJECTS, 12, 1);
    for (unsigned i = 0; seen != NULL && i < OBJECTS; i++) {
        right = right && seen[i * 512] == 0;
        seen[i * 512] = mark + i;
    }
    for (unsigned i = 0; seen != NULL && i < OBJECTS; i++) {
        right = right && seen[i * 512] == mark + i;
    }
    if (seen != NULL) {
        vspace_unmap_pages(vspace, (void *)seen, OBJECTS, 12, NULL);
    }
    for (unsigned i = 0; i < OBJECTS; i++) {
        vka_free_object(vka, &frames[i]);
    }
    return right && seen != NULL;
}

static bool round_of_malloc(void)
{
    ps_malloc_ops_t *ops = &guestmem_host_io_ops(host)->malloc_ops;
    void *block = NULL;

    return ps_malloc(ops, 100, &block) == 0 && ps_free(ops, 100, block) == 0;
}

static void *work(void *cookie)
{
    for (uint64_t i = 0; i < ROUNDS; i++) {
        if (!round_of_frames((uint64_t)(uintptr_t)cookie << 32 | i << 8) || !round_of_malloc()) {
            wrong++;
        }
    }
    return NULL;
}

static void threads_take_and_give_back(void **state)
{
    struct guestmem_host_snapshot *before = guestmem_host_snapshot(host);
    struct guestmem_host_snapshot *after;
    pthread_t threads[THREADS];

    (void)state;
    wrong = 0;
    for (uintptr_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, work, (void *)(i + 1)), 0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    assert_int_equal(wrong, 0);
    after = guestmem_host_snapshot(host);
    assert_true(guestmem_host_snapshot_same(before, after, stderr));
    guestmem_host_snapshot_free(before);
    guestmem_host_snapshot_free(after);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(threads_take_and_give_back),
    };

    return cmocka_run_group_tests_name("threads", tests, NULL, NULL);
}
