/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Rounds of random calls on two VMs: reserve, back, touch, change rights, discard, free, destroy, some
 * of them with a request that fails. What a call did must show, what failed must not; memory that
 * was never written reads zero, whoever had it before; and in the end the environment is as it was.
 * The sequence depends on the seed alone.
 */
#include "random.h"

#include <stdio.h>
#include <stdlib.h>
#include <utils/util.h>

static uint32_t next(struct game *game)
{
    game->seed ^= game->seed << 13;
    game->seed ^= game->seed >> 7;
    game->seed ^= game->seed << 17;
    return (uint32_t)(game->seed >> 16);
}

uint32_t game_below(struct game *game, uint32_t limit)
{
    return next(game) % limit;
}

/* ------------------------------------------------------------------------ failures */

/* Let one of the next requests fail, sometimes. */
static void arm(struct game *game)
{
    bool sticky = game_below(game, 2) == 0;
    unsigned kinds = sticky ? GM_FAIL_SLOT | GM_FAIL_OBJECT | GM_FAIL_MALLOC | GM_FAIL_VMM_MAP : GM_FAIL_ANY;

    if (game_below(game, 8) == 0) {
        gm_env_fail(game->env, kinds & gm_env_fail_kinds(game->env), 1 + game_below(game, 24), sticky);
    }
}

/* The call is over: it succeeded, or a request of it failed. */
static bool ended(struct game *game, bool done)
{
    bool struck = gm_env_failed(game->env, NULL);

    gm_env_fail(game->env, 0, 0, false);
    if (!done && !struck) {
        char text[256];

        guestmem_failure_text(guestmem_last_failure(game->vm), text, sizeof(text));
        GM_FAIL("a call failed with nothing in its way: %s", text);
    }
    game->failed += !done;
    return done;
}

/* ---------------------------------------------------------------------- making things */

static void choose_policy(struct game *game)
{
    struct guestmem_policy policy;

    guestmem_policy_default(&policy);
    policy.populate = game_below(game, 2) ? GUESTMEM_POPULATE_LAZY : GUESTMEM_POPULATE_EAGER;
    policy.frame_bits_max = game_below(game, 4) ? GM_BITS_4K : GM_BITS_2M;
    policy.untyped_bits_max = 12 + game_below(game, 12);
    policy.populate_around_bits = game_below(game, 2) ? 12 + game_below(game, 5) : 0;
    GM_CHECK_EQ(guestmem_set_policy(game->vm, &policy), GUESTMEM_OK);
}

static void choose_range(struct game *game, struct item *item)
{
    bool large = game_below(game, 64) == 0;

    item->base = item->area + (game_below(game, 2) ? game_below(game, GM_PAGE) : 0);
    item->size = large ? 2 * GM_MIB + game_below(game, GM_PAGE) : 1 + game_below(game, 8 * GM_PAGE);
    item->value = 0;
}

static void make_reserved(struct game *game, struct item *item)
{
    arm(game);
    item->res = vm_reserve_memory_at(game->vm, item->base, item->size, default_error_fault_callback, NULL);
    if (ended(game, item->res != NULL)) {
        item->kind = ITEM_RESERVED;
    }
}

static void make_ram(struct game *game, struct item *item)
{
    choose_policy(game);
    arm(game);
    if (ended(game, vm_ram_register_at(game->vm, item->base, item->size, false) == 0)) {
        item->kind = ITEM_RAM;
        item->marked = false;
    }
}

static void make_created(struct game *game, struct item *item)
{
    item->base = item->area;
    item->size = GM_PAGE;
    arm(game);
    item->view = create_allocated_reservation_frame(game->vm, item->base, seL4_CanRead,
                                                    default_error_fault_callback, NULL);
    if (ended(game, item->view != NULL)) {
        item->kind = ITEM_CREATED;
        GM_CHECK_FILLED(item->view, 0, GM_PAGE);
        memset(item->view, 0xc7, GM_PAGE);
        GM_CHECK_GUEST_FILLED(game->env, game->vm, item->base, 0xc7, GM_PAGE);
    }
}

static void make_pages(struct game *game, struct item *item)
{
    item->size = (1 + game_below(game, 4)) * GM_PAGE;
    arm(game);
    item->view = vspace_new_pages(&game->vm->mem.vm_vspace, seL4_AllRights, item->size / GM_PAGE, GM_BITS_4K);
    if (ended(game, item->view != NULL)) {
        item->kind = ITEM_PAGES;
        item->base = (uintptr_t)item->view;
    }
}

static void make(struct game *game, struct item *item)
{
    choose_range(game, item);
    switch (game_below(game, 8)) {
    case 0:
        make_created(game, item);
        break;
    case 1:
        make_pages(game, item);
        break;
    case 2:
    case 3:
    case 4:
        make_ram(game, item);
        break;
    default:
        make_reserved(game, item);
        break;
    }
}

/* --------------------------------------------------------------------------- backing */

static vm_frame_t give(uintptr_t addr, void *cookie)
{
    const struct item *item = cookie;
    size_t index = (addr >> GM_BITS_4K) - (item->base >> GM_BITS_4K);

    return (vm_frame_t){item->caps[index], seL4_AllRights, addr, GM_BITS_4K};
}

/* It runs with failures armed: the frames are freed with their item. */
static void take_back(vm_t *vm, seL4_CPtr frame, size_t size_bits, void *cookie)
{
    struct item *item = cookie;

    (void)vm;
    (void)size_bits;
    GM_CHECK_NE(frame, seL4_CapNull);
    item->released++;
}

static void bring(struct game *game, struct item *item)
{
    item->cap_count = ((item->base + item->size - 1) >> GM_BITS_4K) - (item->base >> GM_BITS_4K) + 1;
    GM_CHECK(item->cap_count <= ITEM_CAPS);
    gm_env_frames(game->env, GM_BITS_4K, item->cap_count, item->caps);
}

static void give_up(struct game *game, struct item *item)
{
    for (size_t i = 0; i < item->cap_count; i++) {
        gm_env_check_frame(game->env, item->caps[i]);
        gm_env_frame_free(game->env, item->caps[i]);
    }
    item->cap_count = 0;
    item->released = 0;
}

static bool back_brought(struct game *game, struct item *item, bool array)
{
    bool done;

    bring(game, item);
    arm(game);
    if (array) {
        done = vm_map_reservation_frames(game->vm, item->res, item->caps, item->cap_count, GM_BITS_4K) == 0;
    } else {
        done = guestmem_map_iterator(game->vm, item->res, give, take_back, item) == GUESTMEM_OK;
    }
    if (!ended(game, done)) {
        give_up(game, item);
    }
    return done;
}

static bool back_own(struct game *game, struct item *item, bool maybe_device)
{
    arm(game);
    return ended(game, (maybe_device ? map_maybe_device_reservation(game->vm, item->res)
                                     : map_frame_alloc_reservation(game->vm, item->res)) == 0);
}

static void back(struct game *game, struct item *item)
{
    unsigned way = game_below(game, 4);
    struct guestmem_policy policy;
    bool brought = way < 2 && item->size <= 8 * GM_PAGE;

    choose_policy(game);
    GM_CHECK_EQ(guestmem_get_policy(game->vm, &policy), GUESTMEM_OK);
    GM_CHECK_EQ(guestmem_reservation_set_policy(game->vm, item->res, &policy), GUESTMEM_OK);
    if (brought ? back_brought(game, item, way == 0) : back_own(game, item, way == 3)) {
        item->kind = brought ? ITEM_BROUGHT : ITEM_BACKED;
    }
}

/* ------------------------------------------------------------------------------ using */

static bool populate(struct game *game, struct item *item)
{
    arm(game);
    return ended(game, guestmem_populate(game->vm, item->base, item->size) == GUESTMEM_OK);
}

/* The guest may have lost its rights: have it look, and write, with all of them. */
static void give_rights(struct game *game, const struct item *item)
{
    GM_CHECK_EQ(guestmem_set_rights(game->vm, item->base, item->size, seL4_AllRights), GUESTMEM_OK);
}

/* Check that the guest sees what was written last, or nothing but zeroes; then write something else. */
static void use_backed(struct game *game, struct item *item)
{
    if (populate(game, item)) {
        give_rights(game, item);
        GM_CHECK_GUEST_FILLED(game->env, game->vm, item->base, item->value, item->size);
        item->value = (uint8_t)(1 + game_below(game, 255));
        memset(game->bytes, item->value, item->size);
        gm_test_guest_write(game->env, game->vm, item->base, game->bytes, item->size);
    }
}

static void use_ram(struct game *game, struct item *item)
{
    bool done;

    arm(game);
    done = vm_ram_touch(game->vm, item->base, item->size, vm_guest_ram_read_callback, game->bytes) == 0;
    if (!ended(game, done)) {
        return;
    }
    GM_CHECK_FILLED(game->bytes, item->value, item->size);
    item->value = (uint8_t)(1 + game_below(game, 255));
    memset(game->bytes, item->value, item->size);
    GM_CHECK_EQ(vm_ram_touch(game->vm, item->base, item->size, vm_guest_ram_write_callback, game->bytes), 0);
    give_rights(game, item);
    GM_CHECK_GUEST_FILLED(game->env, game->vm, item->base, item->value, item->size);
}

/* Give the whole of it back: what comes in its place is clear. */
static void discard(struct game *game, struct item *item)
{
    arm(game);
    if (ended(game, guestmem_ram_discard(game->vm, item->base, item->size) == GUESTMEM_OK)) {
        item->value = 0;
    }
}

static void discard_page(struct game *game, struct item *item)
{
    uintptr_t page = (item->base + GM_PAGE - 1) & ~(GM_PAGE - 1);
    bool inside = page + GM_PAGE <= item->base + item->size;
    int error;

    if (!inside || item->value == 0) {
        return;
    }
    arm(game);
    error = guestmem_ram_discard(game->vm, page, GM_PAGE);
    if (error == GUESTMEM_EGRAIN) {
        gm_env_fail(game->env, 0, 0, false); /* a large frame */
        return;
    }
    if (ended(game, error == GUESTMEM_OK)) {
        GM_CHECK_EQ(vm_ram_touch(game->vm, page, GM_PAGE, vm_guest_ram_read_callback, game->bytes), 0);
        GM_CHECK_FILLED(game->bytes, 0, GM_PAGE);
        memset(game->bytes, item->value, GM_PAGE);
        GM_CHECK_EQ(vm_ram_touch(game->vm, page, GM_PAGE, vm_guest_ram_write_callback, game->bytes), 0);
    }
}

static void mark(struct game *game, struct item *item)
{
    arm(game);
    if (ended(game, guestmem_ram_mark(game->vm, item->base, item->size, !item->marked) == GUESTMEM_OK)) {
        item->marked = !item->marked;
    }
}

static void change_rights(struct game *game, struct item *item)
{
    const seL4_CapRights_t rights[] = {seL4_AllRights, seL4_CanRead, seL4_NoRights};

    if (populate(game, item)) {
        arm(game);
        ended(game, guestmem_set_rights(game->vm, item->base, item->size, rights[game_below(game, 3)]) == GUESTMEM_OK);
    }
}

static void fault(struct game *game, struct item *item)
{
    memory_fault_result_t result;

    arm(game);
    result = gm_env_fault(game->vm, item->base + game_below(game, (uint32_t)item->size), 1);
    if (gm_env_failed(game->env, NULL)) {
        game->failed++;
    } else {
        GM_CHECK(result == FAULT_RESTART || result == FAULT_ERROR); /* ERROR: it is there, the callback says */
    }
    gm_env_fail(game->env, 0, 0, false);
}

/* Giving back asks for nothing: it succeeds whatever is armed. */
static void drop(struct game *game, struct item *item)
{
    gm_env_fail(game->env, gm_env_fail_kinds(game->env), 1, true);
    switch (item->kind) {
    case ITEM_CREATED:
        GM_CHECK_EQ(guestmem_created_destroy(game->vm, item->base), GUESTMEM_OK);
        break;
    case ITEM_PAGES:
        vspace_unmap_pages(&game->vm->mem.vm_vspace, item->view, item->size / GM_PAGE, GM_BITS_4K, VSPACE_FREE);
        break;
    default:
        GM_CHECK_EQ(vm_free_reserved_memory(game->vm, guestmem_reservation_at(game->vm, item->base)), 0);
        break;
    }
    GM_CHECK(!gm_env_failed(game->env, NULL));
    gm_env_fail(game->env, 0, 0, false);
    GM_CHECK_NULL(guestmem_reservation_at(game->vm, item->base));
    give_up(game, item);
    item->kind = ITEM_NONE;
}

static void use(struct game *game, struct item *item)
{
    switch (game_below(game, 8)) {
    case 0:
        fault(game, item);
        break;
    case 1:
        change_rights(game, item);
        break;
    case 2:
        if (item->kind == ITEM_RAM) {
            discard(game, item);
        }
        break;
    case 3:
        if (item->kind == ITEM_RAM) {
            discard_page(game, item);
        }
        break;
    case 4:
        if (item->kind == ITEM_RAM) {
            mark(game, item);
        }
        break;
    default:
        if (item->kind == ITEM_RAM) {
            use_ram(game, item);
        } else if (item->kind == ITEM_BACKED) {
            use_backed(game, item);
        }
        break;
    }
}

/* ------------------------------------------------------------------------------ the game */

static void end_vm(struct game *game, struct player *player)
{
    gm_env_drop_vm(game->env, player->vm);
    for (size_t i = 0; i < GAME_ITEMS; i++) {
        give_up(game, &player->items[i]);
    }
    player->vm = NULL;
}

static void start_vm(struct game *game, struct player *player)
{
    memset(player, 0, sizeof(*player));
    player->vm = gm_env_new_vm(game->env);
    for (size_t i = 0; i < GAME_ITEMS; i++) {
        player->items[i].area = CALL_AT + i * 16 * GM_MIB;
    }
}

static void play_round(struct game *game)
{
    struct player *player = &game->players[game_below(game, GAME_PLAYERS)];
    struct item *item = &player->items[game_below(game, GAME_ITEMS)];

    game->vm = player->vm;
    if (game_below(game, 1000) == 0) {
        end_vm(game, player);
        start_vm(game, player);
    } else if (item->kind == ITEM_NONE) {
        make(game, item);
    } else if (game_below(game, 6) == 0) {
        drop(game, item);
    } else if (item->kind == ITEM_RESERVED) {
        back(game, item);
    } else if (item->kind != ITEM_CREATED && item->kind != ITEM_PAGES) {
        use(game, item);
    }
}

void game_play(struct gm_env *env, uint64_t seed, unsigned rounds)
{
    struct game *game = calloc(1, sizeof(*game));
    struct gm_env_snapshot *before = gm_env_snapshot(env);

    GM_CHECK_NOT_NULL(game);
    game->env = env;
    game->seed = seed;
    for (size_t i = 0; i < GAME_PLAYERS; i++) {
        start_vm(game, &game->players[i]);
    }
    for (unsigned round = 0; round < rounds; round++) {
        gm_test_context("round %u of seed %#llx", round, (unsigned long long)seed);
        play_round(game);
    }
    for (size_t i = 0; i < GAME_PLAYERS; i++) {
        end_vm(game, &game->players[i]);
    }
    gm_env_check_same(env, before);
    printf("seed %#llx: %u rounds, %u of them with a call that failed\n", (unsigned long long)seed, rounds,
           game->failed);
    free(game);
}

static void rounds_on_normal_memory_end_as_they_began(struct gm_env *env, vm_t *vm)
{
    (void)vm;
    game_play(env, 0x1234567, 40000);
}

/* Frames of device RAM go from one VM to the other without passing through the kernel's clearing. */
static void rounds_with_device_ram_end_as_they_began(struct gm_env *env, vm_t *vm)
{
    (void)vm;
    game_play(env, 0xfeedbeef, 40000);
}

/* So little memory and so few slots that frames of 2 MiB are seldom to be had. */
static void rounds_where_memory_is_short_end_as_they_began(struct gm_env *env, vm_t *vm)
{
    (void)vm;
    game_play(env, 0x5eed, 20000);
}

static const struct gm_case cases[] = {
    GM_CASE_WITH(rounds_on_normal_memory_end_as_they_began, .cnode_bits = 14),
    GM_CASE_WITH(rounds_with_device_ram_end_as_they_began, .cnode_bits = 14, .device_ram = true),
    GM_CASE_WITH(rounds_where_memory_is_short_end_as_they_began, .ram_bytes = 16 * GM_MIB, .cnode_bits = 14),
};
const struct gm_suite random_suite = GM_SUITE("random", cases);

int main(int argc, char **argv)
{
    static const struct gm_suite *const suites[] = {&random_suite, NULL};

    zf_log_set_output_level(ZF_LOG_FATAL); /* the library logs each failure */
    return gm_test_run(argc, argv, suites);
}
