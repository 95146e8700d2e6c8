/*
 * SPDX-License-Identifier: BSD-2-Clause
 * Copyright 2026 the guestmem authors
 *
 * The recorder: a root task that asks the real kernel and writes its answers to the serial port of
 * QEMU's virt machine. It uses the boot information and invocations only, and maps the port itself,
 * because a kernel that prints tells every refused invocation, and those are most of the answers.
 */
#include <stdint.h>
#include <stdio.h>

#include <sel4runtime.h>

#include "../model.h"

enum {
    UART_PADDR = 0x09000000,
    UART_FLAGS = 0x18 / 4,
    UART_FULL = 1 << 5, /* transmit queue full */
};

#define UART_VADDR 0x5000000000ul

static volatile uint32_t *uart;

static void put(const char *text)
{
    for (; *text != '\0'; text++) {
        while (uart != NULL && (uart[UART_FLAGS] & UART_FULL) != 0) {
        }
        if (uart != NULL) {
            uart[0] = (uint32_t)*text;
        }
    }
}

_Noreturn static void stop(void)
{
    for (;;) {
        seL4_Yield();
    }
}

void model_fail(const char *where, const char *what)
{
    put("model: ");
    put(where);
    put(": ");
    put(what);
    put("\nmodel: FAILED\n");
    stop();
}

/* An untyped of at least 2^bits bytes, preferably no larger; it contains `paddr` if that isn't 0.
 */
static seL4_CPtr find_untyped(seL4_BootInfo *info, bool device, unsigned bits, seL4_Word paddr)
{
    seL4_CPtr best = 0;
    unsigned best_bits = 64;

    for (seL4_CPtr cap = info->untyped.start; cap < info->untyped.end; cap++) {
        const seL4_UntypedDesc *desc = &info->untypedList[cap - info->untyped.start];

        if ((desc->isDevice != 0) != device || desc->sizeBits < bits ||
            desc->sizeBits >= best_bits || (paddr != 0 && desc->paddr != paddr)) {
            continue;
        }
        best = cap;
        best_bits = desc->sizeBits;
    }
    return best;
}

/* Slots: the frame's, then its page tables' */
static bool map_uart(seL4_BootInfo *info)
{
    seL4_CPtr slot = info->empty.start;
    seL4_CPtr frame = slot++;
    seL4_CPtr device = find_untyped(info, true, seL4_PageBits, UART_PADDR);
    seL4_CPtr memory = find_untyped(info, false, seL4_PageTableBits + 2, 0);
    int error = seL4_Untyped_Retype(device, seL4_ARM_SmallPageObject, 0, seL4_CapInitThreadCNode, 0,
                                    0, frame, 1);

    while (error == 0) {
        error = seL4_ARM_Page_Map(frame, seL4_CapInitThreadVSpace, UART_VADDR, seL4_AllRights, 0);
        if (error != seL4_FailedLookup) {
            break;
        }
        error = seL4_Untyped_Retype(memory, seL4_ARM_PageTableObject, 0, seL4_CapInitThreadCNode, 0,
                                    0, slot, 1);
        if (error == 0) {
            error = seL4_ARM_PageTable_Map(slot++, seL4_CapInitThreadVSpace, UART_VADDR,
                                           seL4_ARM_Default_VMAttributes);
        }
    }
    uart = error == 0 ? (volatile uint32_t *)UART_VADDR : NULL;
    return error == 0;
}

static void print_answer(void *cookie, const struct model_world *world, unsigned step,
                         const char *text, const struct model_answer *answer)
{
    char line[MODEL_LINE_MAX];

    (void)cookie;
    (void)text;
    model_answer_format(line, sizeof(line), world->sequence, step, answer);
    put(line);
    put("\n");
}

int main(void)
{
    seL4_BootInfo *info = sel4runtime_bootinfo();
    struct model_port port = {
        .root_cnode = seL4_CapInitThreadCNode,
        .asid_pool = seL4_CapInitThreadASIDPool,
        .asid_control = seL4_CapASIDControl,
        .normal = find_untyped(info, false, MODEL_NORMAL_BITS + 1, 0),
        .device = find_untyped(info, true, MODEL_DEVICE_BITS + 1, 0),
        .far = find_untyped(info, true, MODEL_FAR_BITS, MODEL_FAR_PADDR),
        .first_slot = info->empty.start + 16,
        .slot_count = info->empty.end - info->empty.start - 16,
    };
    struct model_sink sink = {.answer = print_answer};
    struct model_totals totals;
    char line[MODEL_LINE_MAX];

    if (!map_uart(info)) {
        stop();
    }
    put("model: begin\n");
    totals = model_run(&port, &sink);
    model_totals_format(line, sizeof(line), &totals);
    put(line);
    put("\n");
    stop();
}
