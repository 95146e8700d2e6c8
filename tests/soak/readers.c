/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Two threads that read a VM while the soak changes it: one registers as a reader, one doesn't.
 * What they find is right by what tests/threads checks; here they come and go.
 */
#include "soak.h"

#include <pthread.h>
#include <semaphore.h>

enum { READERS = 2 };

static struct reader {
    pthread_t thread;
    sem_t begin;
    bool registers;
    uint64_t random;
    uint8_t bytes[4 * PAGE];
} readers[READERS];

static struct {
    struct player *player; /* NULL: no more */
    uintptr_t base[ITEMS]; /* where its ranges were at the beginning */
    atomic_bool stop;
    atomic_uint registered;
    atomic_uint_fast64_t read;
    sem_t ready, over;
} burst;

static uint32_t next(struct reader *reader, uint32_t limit)
{
    reader->random = reader->random * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(reader->random >> 33) % limit;
}

static void read_something(struct reader *reader)
{
    vm_t *vm = &burst.player->vm;
    vm_vcpu_t vcpu = {.vm = vm};
    uintptr_t at = burst.base[next(reader, ITEMS)] + next(reader, 2 * PAGE);
    struct guestmem_span span;
    uint64_t value;

    switch (next(reader, 8)) {
    case 0:
        guestmem_reservation_at(vm, at);
        break;
    case 1:
        vm_memory_handle_fault(vm, &vcpu, at, 1);
        break;
    case 2:
        guestmem_ram_load(vm, at & ~(uintptr_t)7, 8, &value);
        break;
    case 3:
        vm_ram_touch(vm, at, 64, vm_guest_ram_read_callback, reader->bytes);
        break;
    case 4:
        if (reader->registers && guestmem_ram_span(vm, at, PAGE, &span) == GUESTMEM_OK) {
            reader->bytes[0] = *(volatile uint8_t *)span.address;
        }
        break;
    default:
        guestmem_ram_read(vm, at, reader->bytes, 1 + next(reader, sizeof(reader->bytes)));
        break;
    }
    atomic_fetch_add_explicit(&burst.read, 1, memory_order_relaxed);
}

static void read_on(struct reader *reader)
{
    vm_t *vm = &burst.player->vm;
    bool registered = reader->registers && guestmem_reader_register(vm) == GUESTMEM_OK;

    atomic_fetch_add(&burst.registered, registered);
    sem_post(&burst.ready);
    while (!atomic_load(&burst.stop)) {
        guestmem_read_begin(vm);
        for (unsigned i = 0; i < 4; i++) {
            read_something(reader);
        }
        guestmem_read_end(vm);
    }
    if (registered) {
        SOAK_CHECK(guestmem_reader_unregister(vm) == GUESTMEM_OK);
    }
    sem_post(&burst.over);
}

static void *reader_run(void *argument)
{
    struct reader *reader = argument;

    for (;;) {
        sem_wait(&reader->begin);
        if (burst.player == NULL) {
            return NULL;
        }
        read_on(reader);
    }
}

void readers_start(void)
{
    sem_init(&burst.ready, 0, 0);
    sem_init(&burst.over, 0, 0);
    for (unsigned i = 0; i < READERS; i++) {
        readers[i].registers = i == 0;
        readers[i].random = soak.seed + i;
        sem_init(&readers[i].begin, 0, 0);
        SOAK_CHECK(pthread_create(&readers[i].thread, NULL, reader_run, &readers[i]) == 0);
    }
}

void readers_stop(void)
{
    burst.player = NULL;
    for (unsigned i = 0; i < READERS; i++) {
        sem_post(&readers[i].begin);
        pthread_join(readers[i].thread, NULL);
    }
}

/* The VM becomes shared before the others come to it. False: its bring-up as such failed. */
static bool make_shared(struct player *player)
{
    if (!player->shared) {
        soak.me = player;
        call_arm();
        player->shared = call_ended(guestmem_reader_register(&player->vm));
    }
    return player->shared;
}

static void begin(struct player *player)
{
    burst.player = player;
    atomic_store(&burst.stop, false);
    atomic_store(&burst.registered, 0);
    for (size_t i = 0; i < ITEMS; i++) {
        burst.base[i] = player->items[i].base;
    }
    for (unsigned i = 0; i < READERS; i++) {
        sem_post(&readers[i].begin);
    }
    for (unsigned i = 0; i < READERS; i++) {
        sem_wait(&burst.ready);
    }
}

void readers_burst(struct player *player, void (*steps)(void))
{
    if (!make_shared(player)) {
        return;
    }
    begin(player);
    soak.in_burst = true;
    soak.me = player;
    if (atomic_load(&burst.registered) > 0) {
        SOAK_CHECK(guestmem_destroy(&player->vm) == GUESTMEM_EBUSY);
    }
    steps();
    soak.in_burst = false;
    atomic_store(&burst.stop, true);
    for (unsigned i = 0; i < READERS; i++) {
        sem_wait(&burst.over);
    }
    soak.totals.bursts++;
    soak.totals.read = atomic_load(&burst.read);
}
