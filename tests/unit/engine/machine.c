/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "machine.h"

#include <stdlib.h>
#include <string.h>

int machine_set_up(void **state)
{
    struct machine *m = calloc(1, sizeof(*m));
    uint32_t hvc = GC_HVC(255);

    assert_non_null(m);
    m->host = fake_stage2_create();
    m->read_only = fake_stage2_map(m->host, READ_ONLY, 0x1000, false);
    m->ram = fake_stage2_map(m->host, RAM, RAM_BYTES, true);
    m->outside = fake_stage2_map(m->host, OUTSIDE, 0x1000, true);
    for (unsigned i = 0; i < 0x1000; i++) {
        m->read_only[i] = (uint8_t)i;
        m->outside[i] = (uint8_t)(3 * i);
    }
    memcpy(m->ram + (VECTORS - RAM) + 0x200, &hvc, sizeof(hvc));
    assert_int_equal(engine_create(m->host, 1, &m->engine), 0);
    assert_int_equal(engine_window_add(m->engine, READ_ONLY, 0x2000), 0);
    assert_int_equal(engine_window_add(m->engine, RAM, RAM_BYTES), 0);
    assert_int_equal(engine_cpu_create(m->engine, &m->cpu), 0);
    m->context.pc = RAM;
    m->context.spsr = EL1H;
    *state = m;
    return 0;
}

int machine_tear_down(void **state)
{
    struct machine *m = *state;

    engine_cpu_destroy(m->cpu);
    engine_destroy(m->engine);
    fake_stage2_destroy(m->host);
    free(m);
    return 0;
}

uint64_t device_data(uint64_t address, unsigned size)
{
    uint64_t data = 0;

    for (unsigned i = 0; i < size; i++) {
        data |= (uint64_t)(uint8_t)(address + i) << i * 8;
    }
    return data;
}

struct engine_exit go_on(struct machine *m)
{
    struct engine_exit exit;

    for (;;) {
        engine_cpu_run(m->cpu, SLICE, &exit);
        if (exit.kind == ENGINE_EXIT_MEMORY && !exit.fetch) {
            assert_true(m->seen_count < SEEN_MAX);
            m->seen[m->seen_count++] = exit;
            engine_cpu_answer(m->cpu, ENGINE_ADVANCE, device_data(exit.address, exit.size));
        } else if (exit.kind != ENGINE_EXIT_SLICE && exit.kind != ENGINE_EXIT_OUTSIDE) {
            engine_cpu_get_context(m->cpu, &m->context);
            return exit;
        }
    }
}

struct engine_exit run(struct machine *m, const uint32_t *code, size_t bytes)
{
    memcpy(m->ram, code, bytes);
    engine_invalidate(m->engine, RAM, 0x1000);
    m->seen_count = 0;
    m->context.pc = RAM;
    engine_cpu_set_context(m->cpu, &m->context);
    return go_on(m);
}

void assert_seen(const struct machine *m, unsigned i, uint64_t address, unsigned size, bool write)
{
    assert_true(i < m->seen_count);
    assert_int_equal(m->seen[i].address, address);
    assert_int_equal(m->seen[i].size, size);
    assert_int_equal(m->seen[i].write, write);
}
