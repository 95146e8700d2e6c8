/*
 * SPDX-License-Identifier: BSD-2-Clause
 * Copyright 2026 the guestmem authors
 *
 * One line, one invocation. A line's words are read as they are needed, so that what an invocation
 * is asked stands in one place: its function below.
 */
#include <string.h>

#include "parse.h"

static seL4_Word word_count_of(int error, seL4_Word lookup_failure)
{
    switch (error) {
    case seL4_InvalidArgument:
    case seL4_InvalidCapability:
    case seL4_NotEnoughMemory:
        return 1;
    case seL4_RangeError:
        return 2;
    case seL4_FailedLookup:
        /* source flag and kind, then what that kind of lookup failure says */
        switch (lookup_failure) {
        case seL4_MissingCapability:
            return 3;
        case seL4_DepthMismatch:
            return 4;
        case seL4_GuardMismatch:
            return 5;
        default:
            return 2;
        }
    default:
        return 0;
    }
}

static void take_answer(struct model_answer *answer, int error)
{
    answer->error = error;
    answer->word_count =
        (unsigned)word_count_of(error, error == seL4_FailedLookup ? seL4_GetMR(1) : 0);
    for (int k = 0; k < (int)answer->word_count; k++) {
        answer->words[k] = seL4_GetMR(k);
    }
}

/* retype UNTYPED TYPE BITS DESTINATION [xCOUNT] */
static int step_retype(struct model_parse *parse, struct model_answer *answer)
{
    seL4_CPtr untyped = model_parse_cap(parse);
    seL4_Word type = model_parse_type(parse);
    seL4_Word bits = model_parse_number(parse);
    struct model_path to;
    seL4_Word count;

    (void)answer;
    model_parse_window(parse, &to, &count);
    return seL4_Untyped_Retype(untyped, type, bits, to.root, to.index, to.depth, to.offset, count);
}

static int step_copy(struct model_parse *parse, struct model_answer *answer)
{
    struct model_path from = model_parse_path(parse, false);
    struct model_path to = model_parse_path(parse, true);

    (void)answer;
    return seL4_CNode_Copy(to.root, to.index, (seL4_Uint8)to.depth, from.root, from.index,
                           (seL4_Uint8)from.depth, model_parse_rights(parse));
}

static int step_mint(struct model_parse *parse, struct model_answer *answer)
{
    struct model_path from = model_parse_path(parse, false);
    struct model_path to = model_parse_path(parse, true);
    seL4_CapRights_t rights = model_parse_rights(parse);

    (void)answer;
    return seL4_CNode_Mint(to.root, to.index, (seL4_Uint8)to.depth, from.root, from.index,
                           (seL4_Uint8)from.depth, rights, model_parse_number(parse));
}

static int step_move(struct model_parse *parse, struct model_answer *answer)
{
    struct model_path from = model_parse_path(parse, false);
    struct model_path to = model_parse_path(parse, true);

    (void)answer;
    return seL4_CNode_Move(to.root, to.index, (seL4_Uint8)to.depth, from.root, from.index,
                           (seL4_Uint8)from.depth);
}

static int step_mutate(struct model_parse *parse, struct model_answer *answer)
{
    struct model_path from = model_parse_path(parse, false);
    struct model_path to = model_parse_path(parse, true);

    (void)answer;
    return seL4_CNode_Mutate(to.root, to.index, (seL4_Uint8)to.depth, from.root, from.index,
                             (seL4_Uint8)from.depth, model_parse_number(parse));
}

/* rotate SOURCE PIVOT DESTINATION SOURCE-DATA PIVOT-DATA: source to pivot, pivot to destination */
static int step_rotate(struct model_parse *parse, struct model_answer *answer)
{
    struct model_path from = model_parse_path(parse, false);
    struct model_path pivot = model_parse_path(parse, false);
    struct model_path to = model_parse_path(parse, true);
    seL4_Word from_data = model_parse_number(parse);
    seL4_Word pivot_data = model_parse_number(parse);

    (void)answer;
    return seL4_CNode_Rotate(to.root, to.index, (seL4_Uint8)to.depth, pivot_data, pivot.root,
                             pivot.index, (seL4_Uint8)pivot.depth, from_data, from.root, from.index,
                             (seL4_Uint8)from.depth);
}

static int step_delete(struct model_parse *parse, struct model_answer *answer)
{
    struct model_path path = model_parse_path(parse, false);

    (void)answer;
    return seL4_CNode_Delete(path.root, path.index, (seL4_Uint8)path.depth);
}

static int step_revoke(struct model_parse *parse, struct model_answer *answer)
{
    struct model_path path = model_parse_path(parse, false);

    (void)answer;
    return seL4_CNode_Revoke(path.root, path.index, (seL4_Uint8)path.depth);
}

/* cancel ENDPOINT: cancels sends with its badge */
static int step_cancel(struct model_parse *parse, struct model_answer *answer)
{
    struct model_path path = model_parse_path(parse, false);

    (void)answer;
    return seL4_CNode_CancelBadgedSends(path.root, path.index, (seL4_Uint8)path.depth);
}

/* savecaller SLOT: keeps whoever waits for a reply, and nobody does */
static int step_savecaller(struct model_parse *parse, struct model_answer *answer)
{
    struct model_path path = model_parse_path(parse, true);

    (void)answer;
    return seL4_CNode_SaveCaller(path.root, path.index, (seL4_Uint8)path.depth);
}

/* map FRAME SPACE ADDRESS [RIGHTS] [cached|device] */
static int step_map(struct model_parse *parse, struct model_answer *answer)
{
    seL4_CPtr frame = model_parse_cap(parse);
    seL4_CPtr space = model_parse_cap(parse);
    seL4_Word address = model_parse_number(parse);
    seL4_CapRights_t rights = model_parse_rights(parse);
    bool device = model_parse_accept(parse, "device");

    (void)answer;
    return seL4_ARM_Page_Map(frame, space, address, rights,
                             device ? 0 : seL4_ARM_Default_VMAttributes);
}

static int step_unmap(struct model_parse *parse, struct model_answer *answer)
{
    (void)answer;
    return seL4_ARM_Page_Unmap(model_parse_cap(parse));
}

/* The address is told from the base of the pool it lies in. */
static int step_address(struct model_parse *parse, struct model_answer *answer)
{
    seL4_ARM_Page_GetAddress_t got = seL4_ARM_Page_GetAddress(model_parse_cap(parse));

    if (got.error == 0) {
        answer->word_count = 1;
        answer->words[0] = model_parse_relative(parse, got.paddr);
    }
    return got.error;
}

static int step_table(struct model_parse *parse, struct model_answer *answer)
{
    seL4_CPtr table = model_parse_cap(parse);
    seL4_CPtr space = model_parse_cap(parse);

    (void)answer;
    return seL4_ARM_PageTable_Map(table, space, model_parse_number(parse),
                                  seL4_ARM_Default_VMAttributes);
}

static int step_untable(struct model_parse *parse, struct model_answer *answer)
{
    (void)answer;
    return seL4_ARM_PageTable_Unmap(model_parse_cap(parse));
}

static int step_assign(struct model_parse *parse, struct model_answer *answer)
{
    seL4_CPtr pool = model_parse_cap(parse);

    (void)answer;
    return seL4_ARM_ASIDPool_Assign(pool, model_parse_cap(parse));
}

/* cache WHICH FRAME START END */
static int step_cache(struct model_parse *parse, struct model_answer *answer)
{
    int which = model_parse_cache(parse);
    seL4_CPtr frame = model_parse_cap(parse);
    seL4_Word start = model_parse_number(parse);
    seL4_Word end = model_parse_number(parse);

    (void)answer;
    switch (which) {
    case MODEL_CLEAN:
        return seL4_ARM_Page_Clean_Data(frame, start, end);
    case MODEL_INVALIDATE:
        return seL4_ARM_Page_Invalidate_Data(frame, start, end);
    case MODEL_CLEAN_INVALIDATE:
        return seL4_ARM_Page_CleanInvalidate_Data(frame, start, end);
    default:
        return seL4_ARM_Page_Unify_Instruction(frame, start, end);
    }
}

/* spacecache WHICH SPACE START END */
static int step_spacecache(struct model_parse *parse, struct model_answer *answer)
{
    int which = model_parse_cache(parse);
    seL4_CPtr space = model_parse_cap(parse);
    seL4_Word start = model_parse_number(parse);
    seL4_Word end = model_parse_number(parse);

    (void)answer;
    switch (which) {
    case MODEL_CLEAN:
        return seL4_ARM_VSpace_Clean_Data(space, start, end);
    case MODEL_INVALIDATE:
        return seL4_ARM_VSpace_Invalidate_Data(space, start, end);
    case MODEL_CLEAN_INVALIDATE:
        return seL4_ARM_VSpace_CleanInvalidate_Data(space, start, end);
    default:
        return seL4_ARM_VSpace_Unify_Instruction(space, start, end);
    }
}

/* pool CONTROL UNTYPED DESTINATION: makes an ASID pool of the untyped */
static int step_pool(struct model_parse *parse, struct model_answer *answer)
{
    seL4_CPtr control = model_parse_cap(parse);
    seL4_CPtr untyped = model_parse_cap(parse);
    struct model_path to = model_parse_path(parse, true);

    (void)answer;
    return seL4_ARM_ASIDControl_MakePool(control, untyped, to.root, to.index, (seL4_Uint8)to.depth);
}

static const struct {
    const char *verb;
    int (*run)(struct model_parse *parse, struct model_answer *answer);
} steps[] = {
    {"retype", step_retype},
    {"copy", step_copy},
    {"mint", step_mint},
    {"move", step_move},
    {"mutate", step_mutate},
    {"rotate", step_rotate},
    {"delete", step_delete},
    {"revoke", step_revoke},
    {"cancel", step_cancel},
    {"map", step_map},
    {"unmap", step_unmap},
    {"address", step_address},
    {"cache", step_cache},
    {"table", step_table},
    {"untable", step_untable},
    {"assign", step_assign},
    {"pool", step_pool},
    {"spacecache", step_spacecache},
    {"savecaller", step_savecaller},
};

bool model_step(struct model_world *world, const char *line, struct model_answer *answer)
{
    struct model_parse parse = {.world = world, .line = line, .at = line};

    memset(answer, 0, sizeof(*answer));
    if (model_parse_accept(&parse, "slots")) {
        model_parse_slots(&parse);
        return false;
    }
    for (size_t k = 0; k < sizeof(steps) / sizeof(steps[0]); k++) {
        if (model_parse_accept(&parse, steps[k].verb)) {
            int error = steps[k].run(&parse, answer);

            if (error != 0) {
                take_answer(answer, error);
            }
            model_parse_end(&parse);
            return true;
        }
    }
    model_parse_fail(&parse, "unknown verb");
}
