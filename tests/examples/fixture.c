/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "fixture.h"

#include <stdlib.h>
#include <string.h>

#include <guestmem/threads.h>

enum {
    TABLE = MACHINE_RAM + 0x300000, /* what the guest is to do, entries of 24 bytes */
    WRITES = 4,                     /* kinds: log2 of the size, and this */
};

struct entry {
    uint64_t address; /* 0: the end */
    uint64_t value;
    uint64_t kind;
};

static const uint32_t guest[] = {
    0xd2a80613,             /* again:  mov x19, #TABLE */
    0xf9400261,             /* next:   ldr x1, [x19] */
    0xb4000301,             /*         cbz x1, end */
    0xf9400662,             /*         ldr x2, [x19, #8] */
    0xf9400a63,             /*         ldr x3, [x19, #16] */
    0x10000064,             /*         adr x4, kinds */
    0x8b030c84,             /*         add x4, x4, x3, lsl #3 */
    0xd61f0080,             /*         br x4 */
    0x39400022, 0x1400000e, /* kinds:  ldrb w2, [x1]; b done */
    0x79400022, 0x1400000c, /*         ldrh w2, [x1]; b done */
    0xb9400022, 0x1400000a, /*         ldr w2, [x1]; b done */
    0xf9400022, 0x14000008, /*         ldr x2, [x1]; b done */
    0x39000022, 0x14000006, /*         strb w2, [x1]; b done */
    0x79000022, 0x14000004, /*         strh w2, [x1]; b done */
    0xb9000022, 0x14000002, /*         str w2, [x1]; b done */
    0xf9000022,             /*         str x2, [x1] */
    0xf9000662,             /* done:   str x2, [x19, #8] */
    0x91006273,             /*         add x19, x19, #24 */
    0x17ffffe8,             /*         b next */
    0xd2a12001,             /* end:    mov x1, #MACHINE_COUNTER */
    0xb9001422,             /*         str w2, [x1, #MACHINE_BOARD + BOARD_END - MACHINE_COUNTER] */
    0x17ffffe4,             /*         b again */
};

/* Whether the same tests run once more with VMs that are shared between threads. */
static bool is_shared(void)
{
    const char *shared = getenv("GUESTMEM_TEST_SHARED");

    return shared != NULL && strcmp(shared, "1") == 0;
}

int fixture_set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));

    assert_non_null(fixture);
    assert_int_equal(guestmem_host_create(NULL, &fixture->host), 0);
    fixture->environment = (struct machine_environment){
        .vka = guestmem_host_vka(fixture->host),
        .simple = guestmem_host_simple(fixture->host),
        .vspace = guestmem_host_vspace(fixture->host),
        .io_ops = guestmem_host_io_ops(fixture->host),
        .endpoint = guestmem_host_endpoint(fixture->host),
        .stop = guestmem_host_vm_stop,
    };
    assert_int_equal(machine_create(&fixture->machine, &fixture->environment, true), 0);
    if (is_shared()) {
        assert_int_equal(guestmem_reader_register(&fixture->machine.vm), 0);
    }
    *state = fixture;
    return 0;
}

int fixture_tear_down(void **state)
{
    struct fixture *fixture = *state;

    machine_destroy(&fixture->machine);
    assert_int_equal(guestmem_host_vm_destroy(&fixture->machine.vm), 0);
    guestmem_host_destroy(fixture->host);
    free(fixture);
    return 0;
}

static int go_on(struct fixture *fixture)
{
    int result;

    if (!fixture->running) {
        fixture->running = true;
        result = machine_run(&fixture->machine, guest, sizeof(guest));
    } else {
        result = vm_run(&fixture->machine.vm);
    }
    return result;
}

int guest_does(struct fixture *fixture, struct guest_access *accesses, size_t count)
{
    vm_t *vm = &fixture->machine.vm;
    struct entry entries[GUEST_ACCESSES_MAX + 1] = {0};
    int result;

    assert_in_range(count, 1, GUEST_ACCESSES_MAX);
    for (size_t i = 0; i < count; i++) {
        entries[i].address = accesses[i].address;
        entries[i].value = accesses[i].value;
        entries[i].kind = (uint64_t)__builtin_ctz(accesses[i].size) + WRITES * accesses[i].write;
    }
    assert_int_equal(guestmem_ram_write(vm, TABLE, entries, sizeof(entries)), 0);
    result = go_on(fixture);
    assert_int_equal(guestmem_ram_read(vm, TABLE, entries, sizeof(entries)), 0);
    for (size_t i = 0; i < count; i++) {
        accesses[i].value = entries[i].value;
    }
    return result;
}

uint64_t guest_reads(struct fixture *fixture, uint64_t address, unsigned size)
{
    struct guest_access access = {.address = address, .size = size};

    assert_int_equal(guest_does(fixture, &access, 1), 0);
    return access.value;
}

void guest_writes(struct fixture *fixture, uint64_t address, unsigned size, uint64_t value)
{
    struct guest_access access = {.address = address, .size = size, .write = true, .value = value};

    assert_int_equal(guest_does(fixture, &access, 1), 0);
}
