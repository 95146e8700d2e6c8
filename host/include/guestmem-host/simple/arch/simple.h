/*
 * SPDX-License-Identifier: BSD-2-Clause
 * Copyright 2026 the guestmem authors
 *
 * The part of simple that is Arm's: interrupts, which the host environment doesn't have.
 */
#pragma once

#include <stdint.h>

#include <sel4/sel4.h>
#include <vka/cspacepath_t.h>

/* slots of the first caps that are empty here: null, IO ports, IO space, SMMU (2), SC, SMC */
#define SIMPLE_SKIPPED_INIT_CAPS 7

typedef seL4_Error (*simple_get_IRQ_handler_fn)(void *data, int irq, seL4_CNode cnode,
                                                seL4_Word index, uint8_t depth);
typedef seL4_Error (*simple_get_IRQ_trigger_fn)(void *data, int irq, int trigger, int core,
                                                seL4_CNode root, seL4_Word index, uint8_t depth);

typedef struct arch_simple {
    simple_get_IRQ_handler_fn irq;
    simple_get_IRQ_trigger_fn irq_trigger;
    void *data;
} arch_simple_t;
