/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "probe.h"

#include <errno.h>
#include <string.h>

#include <utils/util.h>

#include <sel4/sel4_arch/mapping.h>
#include <sel4utils/api.h>
#include <sel4utils/mapping.h>
#include <vka/capops.h>
#include <vka/object.h>

#include "root.h"

enum { TABLES = 3, CODE = 0, BUFFER = 1, PAGES = 2, PRIORITY = 255 };
enum { SYNDROME_STATUS = 0x3f, STATUS_KIND = 0x3c, STATUS_LEVEL = 3, NOT_MAPPED = 0x04, NO_RIGHT = 0x0c };
#define WINDOW_BITS 30
#define WINDOWS 3ul /* one a frame size, so that tables for small frames are not in large ones' way */

/* x0: from, x1: to, x2: bytes. Words where all is aligned; ends with an undefined instruction. */
extern const char probe_code[];
extern const char probe_code_end[];
__asm__(".pushsection .rodata\n"
        ".balign 8\n"
        "probe_code:\n"
        "    orr x4, x0, x1\n"
        "    orr x4, x4, x2\n"
        "    tst x4, #7\n"
        "    b.ne 2f\n"
        "1:  cbz x2, 3f\n"
        "    ldr x3, [x0], #8\n"
        "    str x3, [x1], #8\n"
        "    sub x2, x2, #8\n"
        "    b 1b\n"
        "2:  cbz x2, 3f\n"
        "    ldrb w3, [x0], #1\n"
        "    strb w3, [x1], #1\n"
        "    sub x2, x2, #1\n"
        "    b 2b\n"
        "3:  .inst 0\n"
        "probe_code_end:\n"
        ".popsection\n");

static struct {
    seL4_CPtr tcb;
    seL4_CPtr endpoint;
    seL4_CPtr reply;
    seL4_CPtr guest_page[PAGES]; /* caps for the guest's mappings */
    seL4_CPtr table[TABLES];
    unsigned table_count; /* mapped now */
    char *page;           /* the root task's mappings */
    seL4_CPtr space;
    uintptr_t base;
    uintptr_t window;
    seL4_CPtr shown;
} probe;

static vka_object_t object_of(int error, vka_object_t object, const char *what)
{
    root_require(error == 0, what);
    return object;
}

static void make_pages(void)
{
    cspacepath_t path;

    probe.page = vspace_new_pages(&root.vspace, seL4_AllRights, PAGES, seL4_PageBits);
    root_require(probe.page != NULL, "make the probe's pages");
    memcpy(probe.page, probe_code, (size_t)(probe_code_end - probe_code));
    for (unsigned i = 0; i < PAGES; i++) {
        cspacepath_t from = root_path(vspace_get_cap(&root.vspace, probe.page + i * PROBE_BYTES));

        seL4_ARM_Page_Unify_Instruction(from.capPtr, 0, PROBE_BYTES);
        root_require(vka_cspace_alloc_path(&root.vka, &path) == 0, "take a slot");
        root_require(vka_cnode_copy(&path, &from, seL4_AllRights) == seL4_NoError, "copy a page's cap");
        probe.guest_page[i] = path.capPtr;
    }
}

static void make_objects(void)
{
    vka_object_t object = {0};

    for (unsigned i = 0; i < TABLES; i++) {
        probe.table[i] = object_of(vka_alloc_page_table(&root.vka, &object), object, "make a table").cptr;
    }
    probe.tcb = object_of(vka_alloc_tcb(&root.vka, &object), object, "make a thread").cptr;
    probe.endpoint = object_of(vka_alloc_endpoint(&root.vka, &object), object, "make an endpoint").cptr;
    root_require(vka_cspace_alloc(&root.vka, &probe.shown) == 0, "take a slot");
}

/* On an MCS kernel a thread needs time, and its fault an object to be answered with. */
static seL4_CPtr make_time(void)
{
#ifdef CONFIG_KERNEL_MCS
    enum { BUDGET_US = 10000 };
    vka_object_t object = {0};
    seL4_CPtr context = object_of(vka_alloc_sched_context(&root.vka, &object), object, "make time").cptr;

    root_require(api_sched_ctrl_configure(simple_get_sched_ctrl(&root.simple, 0), context, BUDGET_US,
                                          BUDGET_US, 0, 0) == seL4_NoError,
                 "configure time");
    probe.reply = object_of(vka_alloc_reply(&root.vka, &object), object, "make a reply").cptr;
    return context;
#else
    return seL4_CapNull;
#endif
}

void probe_start(void)
{
    seL4_CPtr context = make_time();
    void *window;
    reservation_t reservation;

    make_objects();
    make_pages();
    reservation = vspace_reserve_range_aligned(&root.vspace, WINDOWS << WINDOW_BITS, WINDOW_BITS,
                                               seL4_AllRights, 1, &window);
    root_require(reservation.res != NULL, "reserve room for the probe's windows");
    probe.window = (uintptr_t)window;
    root_require(api_tcb_configure(probe.tcb, probe.endpoint, seL4_CapNull, context, seL4_CapInitThreadCNode,
                                   0, seL4_CapInitThreadVSpace, 0, 0, seL4_CapNull) == seL4_NoError,
                 "configure the probe's thread");
    root_require(api_tcb_set_sched_params(probe.tcb, seL4_CapInitThreadTCB, PRIORITY, PRIORITY, context,
                                          probe.endpoint) == seL4_NoError,
                 "set its priority");
}

void *probe_buffer(void)
{
    return probe.page + PROBE_BYTES;
}

/* ------------------------------------------------------------------------------ in and out */

static int map_page(seL4_CPtr page, seL4_CPtr space, uintptr_t addr)
{
    int error = seL4_ARM_Page_Map(page, space, addr, seL4_AllRights, seL4_ARM_Default_VMAttributes);

    while (error == seL4_FailedLookup && probe.table_count < TABLES) {
        error = seL4_ARM_PageTable_Map(probe.table[probe.table_count], space, addr,
                                       seL4_ARM_Default_VMAttributes);
        if (error != seL4_NoError) {
            break;
        }
        probe.table_count++;
        error = seL4_ARM_Page_Map(page, space, addr, seL4_AllRights, seL4_ARM_Default_VMAttributes);
    }
    return error;
}

static int set_space(seL4_CPtr space)
{
    return api_tcb_set_space(probe.tcb, probe.endpoint, seL4_CapInitThreadCNode, 0, space, 0);
}

bool probe_enter(seL4_CPtr space)
{
    bool own = space == seL4_CapInitThreadVSpace;
    int error = seL4_NoError;

    probe.space = space;
    probe.base = own ? (uintptr_t)probe.page : PROBE_GPA;
    for (unsigned i = 0; i < PAGES && !own && error == seL4_NoError; i++) {
        error = map_page(probe.guest_page[i], space, PROBE_GPA + i * PROBE_BYTES);
    }
    if (error == seL4_NoError) {
        error = set_space(space);
    }
    if (error != seL4_NoError) {
        probe_leave();
    }
    return error == seL4_NoError;
}

/* The thread holds a cap of the guest's root, which may be deleted next. */
void probe_leave(void)
{
    set_space(seL4_CapInitThreadVSpace);
    if (probe.space != seL4_CapInitThreadVSpace) {
        for (unsigned i = 0; i < PAGES; i++) {
            seL4_ARM_Page_Unmap(probe.guest_page[i]);
        }
        while (probe.table_count > 0) {
            seL4_ARM_PageTable_Unmap(probe.table[--probe.table_count]);
        }
    }
}

/* ------------------------------------------------------------------------------------ runs */

static struct probe_answer wait_for_end(void)
{
    seL4_MessageInfo_t info = api_recv(probe.endpoint, NULL, probe.reply);
    struct probe_answer answer = {.end = PROBE_ODD};

    if (seL4_MessageInfo_get_label(info) == seL4_Fault_UserException) {
        answer.end = PROBE_DONE;
    } else if (seL4_MessageInfo_get_label(info) == seL4_Fault_VMFault) {
        unsigned status = seL4_GetMR(seL4_VMFault_FSR) & SYNDROME_STATUS;

        answer.addr = seL4_GetMR(seL4_VMFault_Addr);
        answer.status = status;
        answer.level = status & STATUS_LEVEL;
        answer.end = (status & STATUS_KIND) == NOT_MAPPED ? PROBE_NOT_MAPPED
                     : (status & STATUS_KIND) == NO_RIGHT ? PROBE_NO_RIGHT
                                                          : PROBE_ODD;
    }
    seL4_TCB_Suspend(probe.tcb);
    return answer;
}

static struct probe_answer run(uintptr_t from, uintptr_t to, size_t size)
{
    seL4_UserContext registers = {.pc = probe.base, .x0 = from, .x1 = to, .x2 = size};
    int error = seL4_TCB_WriteRegisters(probe.tcb, true, 0, sizeof(registers) / sizeof(seL4_Word), &registers);

    root_require(error == seL4_NoError, "start the probe");
    return wait_for_end();
}

struct probe_answer probe_read(uintptr_t addr, size_t size)
{
    return run(addr, probe.base + BUFFER * PROBE_BYTES, size);
}

struct probe_answer probe_write(uintptr_t addr, size_t size)
{
    return run(probe.base + BUFFER * PROBE_BYTES, addr, size);
}

struct probe_answer probe_rewrite(uintptr_t addr)
{
    return run(addr, addr, 1);
}

/* --------------------------------------------------------------------------------- windows */

static int map_frame(seL4_CPtr frame, uintptr_t addr)
{
    return seL4_ARM_Page_Map(frame, seL4_CapInitThreadVSpace, addr, seL4_AllRights,
                             seL4_ARM_Default_VMAttributes);
}

static uintptr_t window_for(size_t bits)
{
    uintptr_t index = bits == seL4_PageBits ? 0 : bits == seL4_LargePageBits ? 1 : 2;

    return probe.window + (index << WINDOW_BITS);
}

/* Map a frame in the window of its size; tables that this takes stay there. */
static bool map_window(seL4_CPtr frame, size_t bits)
{
    uintptr_t addr = window_for(bits);
    vka_object_t table;
    int error = map_frame(frame, addr);

    while (error == seL4_FailedLookup && seL4_MappingFailedLookupLevel() > bits &&
           vka_alloc_page_table(&root.vka, &table) == 0) {
        error = seL4_ARM_PageTable_Map(table.cptr, seL4_CapInitThreadVSpace, addr,
                                       seL4_ARM_Default_VMAttributes);
        root_require(error == seL4_NoError, "map a table for the probe's windows");
        error = map_frame(frame, addr);
    }
    return error == seL4_NoError;
}

void *probe_show(seL4_CPtr frame, size_t bits)
{
    cspacepath_t from = root_path(frame);
    cspacepath_t to = root_path(probe.shown);
    seL4_Word end = 1ul << bits;

    vka_cnode_delete(&to);
    if (vka_cnode_copy(&to, &from, seL4_AllRights) != seL4_NoError) {
        return NULL;
    }
    if (!map_window(probe.shown, bits) ||
        seL4_ARM_Page_Clean_Data(probe.shown, end - sizeof(seL4_Word), end) != seL4_NoError) {
        probe_hide();
        return NULL;
    }
    return (void *)window_for(bits);
}

void probe_hide(void)
{
    cspacepath_t path = root_path(probe.shown);

    vka_cnode_delete(&path);
}

bool probe_try_map(seL4_CPtr frame, size_t bits)
{
    bool done = map_window(frame, bits);

    if (done) {
        seL4_ARM_Page_Unmap(frame);
    }
    return done;
}
