/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The VMM's callbacks: they check what they are told, change memory, and answer anything.
 */
#include "hostile.h"

#include <inttypes.h>

enum { LATER_BADGE = 1 };

/* ------------------------------------------------------------------------------- what is told */

static const struct expectation *foretold(const struct player *player, const vm_vcpu_t *vcpu,
                                          uint64_t ip)
{
    const struct program *program = &player->program[vcpu->vcpu_id];
    uint64_t index = (ip - HOME_CODE(vcpu->vcpu_id)) / 4;

    if (!program->plain || index >= program->count || !program->expected[index].known) {
        return NULL;
    }
    return &program->expected[index];
}

static uint64_t register_of(vm_vcpu_t *vcpu, unsigned n)
{
    seL4_UserContext c;
    const seL4_Word *const fields[] = {
        &c.x0,  &c.x1,  &c.x2,  &c.x3,  &c.x4,  &c.x5,  &c.x6,  &c.x7,  &c.x8,  &c.x9,  &c.x10,
        &c.x11, &c.x12, &c.x13, &c.x14, &c.x15, &c.x16, &c.x17, &c.x18, &c.x19, &c.x20, &c.x21,
        &c.x22, &c.x23, &c.x24, &c.x25, &c.x26, &c.x27, &c.x28, &c.x29, &c.x30};

    CHECK(vm_get_thread_context(vcpu, &c) == 0, "registers can't be got in a callback");
    return n == 31 ? 0 : n == 32 ? c.pc : *fields[n];
}

/* The largest aligned piece that starts at `offset` of the access, and stays in its element. */
static size_t piece(const struct expectation *e, uint64_t address, uint64_t offset)
{
    uint64_t left = e->element - offset % e->element;
    size_t size = 8;

    while ((address + offset) % size != 0 || size > left) {
        size /= 2;
    }
    return size;
}

static void check_data(vm_vcpu_t *vcpu, const struct expectation *e, uint64_t offset, size_t size)
{
    uint64_t value = register_of(vcpu, e->rt[offset / e->element]) >> offset % e->element * 8;
    uint64_t data = get_vcpu_fault_data(vcpu);

    if (size < 8) {
        value &= (UINT64_C(1) << size * 8) - 1;
    }
    CHECK(data == value, "a store of %zu bytes has 0x%" PRIx64 " for 0x%" PRIx64, size, data,
          value);
}

static void check_foretold(vm_vcpu_t *vcpu, const struct expectation *e, uint64_t addr, size_t size)
{
    uint64_t index = e->index == 0 ? 0 : register_of(vcpu, e->index) << e->shift;
    uint64_t address = register_of(vcpu, e->base) + index + (uint64_t)(int64_t)e->offset;
    uint64_t offset = addr - address;
    bool write = !is_vcpu_read_fault(vcpu);

    CHECK(offset < e->total && size == piece(e, address, offset),
          "a fault of %zu bytes at 0x%" PRIx64 ", of an access of %u at 0x%" PRIx64, size, addr,
          e->total, address);
    CHECK(write ? e->store : e->load, "a load came as a store, or the other way round");
    if (write && !e->vector) {
        check_data(vcpu, e, offset, size);
    }
    count_one("faults checked", "as foretold");
}

static void check_fault(struct player *player, vm_vcpu_t *vcpu, uintptr_t addr, size_t size)
{
    uint64_t ip = get_vcpu_fault_ip(vcpu);
    const struct expectation *e = foretold(player, vcpu, ip);

    CHECK(size == 1 || size == 2 || size == 4 || size == 8, "a fault of %zu bytes", size);
    CHECK(addr % size == 0, "a fault of %zu bytes at 0x%" PRIxPTR ", pc 0x%" PRIx64, size, addr,
          ip);
    CHECK(get_vcpu_fault_address(vcpu) == addr && get_vcpu_fault_size(vcpu) == size,
          "the callback's range isn't the fault's");
    if (!is_vcpu_read_fault(vcpu)) {
        uint64_t data = get_vcpu_fault_data(vcpu);

        CHECK(is_own(player, data), "VM %u stores 0x%" PRIx64 ", not its own", player->number,
              data);
    }
    if (e != NULL) {
        check_foretold(vcpu, e, addr, size);
    } else {
        count_one("faults checked", "range and owner only");
    }
}

/* ------------------------------------------------------------------------------- the answers */

static memory_fault_result_t answer_data(struct player *player, vm_vcpu_t *vcpu)
{
    CHECK(set_vcpu_fault_data(vcpu, random_data(player)) == 0, "data refused");
    advance_vcpu_fault(vcpu);
    return FAULT_HANDLED;
}

static memory_fault_result_t answer_nothing(struct player *player, vm_vcpu_t *vcpu)
{
    (void)player;
    advance_vcpu_fault(vcpu);
    return FAULT_HANDLED;
}

static memory_fault_result_t answer_later(struct player *player, vm_vcpu_t *vcpu)
{
    player->pending |= 1U << vcpu->vcpu_id;
    guestmem_host_vm_notify(&player->vm, LATER_BADGE);
    return FAULT_HANDLED;
}

static memory_fault_result_t answer_twice(struct player *player, vm_vcpu_t *vcpu)
{
    (void)player;
    advance_vcpu_fault(vcpu);
    restart_vcpu_fault(vcpu);
    advance_vcpu_fault(vcpu);
    return FAULT_RESTART;
}

static memory_fault_result_t answer_restart(struct player *player, vm_vcpu_t *vcpu)
{
    (void)player;
    (void)vcpu;
    return FAULT_RESTART;
}

static memory_fault_result_t answer_ignore(struct player *player, vm_vcpu_t *vcpu)
{
    (void)player;
    (void)vcpu;
    return FAULT_IGNORE;
}

static memory_fault_result_t answer_unhandled(struct player *player, vm_vcpu_t *vcpu)
{
    (void)player;
    (void)vcpu;
    return FAULT_UNHANDLED;
}

static memory_fault_result_t answer_error(struct player *player, vm_vcpu_t *vcpu)
{
    (void)player;
    (void)vcpu;
    return FAULT_ERROR;
}

/* The instruction is given up, and the vcpu goes on behind it with other registers. */
static memory_fault_result_t answer_registers(struct player *player, vm_vcpu_t *vcpu)
{
    seL4_UserContext context;

    CHECK(vm_get_thread_context(vcpu, &context) == 0, "registers can't be got in a callback");
    context.pc = one_in(2) ? context.x30 : get_vcpu_fault_ip(vcpu) + 4;
    context.x3 = random_data(player);
    CHECK(vm_set_thread_context(vcpu, context) == 0, "registers can't be set in a callback");
    restart_vcpu_fault(vcpu);
    return FAULT_HANDLED;
}

static memory_fault_result_t answer_stop(struct player *player, vm_vcpu_t *vcpu)
{
    (void)vcpu;
    guestmem_host_vm_stop(&player->vm);
    return FAULT_RESTART;
}

static memory_fault_result_t answer(struct player *player, vm_vcpu_t *vcpu)
{
    static const struct {
        const char *name;
        memory_fault_result_t (*give)(struct player *player, vm_vcpu_t *vcpu);
        unsigned weight;
    } answers[] = {
        {"handled, data", answer_data, 10},       {"handled, no data", answer_nothing, 4},
        {"handled, later", answer_later, 3},      {"handled, twice", answer_twice, 2},
        {"restart", answer_restart, 4},           {"ignore", answer_ignore, 5},
        {"unhandled", answer_unhandled, 2},       {"error", answer_error, 1},
        {"other registers", answer_registers, 1}, {"stop", answer_stop, 1},
    };
    unsigned i = 0;

    for (unsigned at = random_below(33); at >= answers[i].weight; i++) {
        at -= answers[i].weight;
    }
    count_one("answers", answers[i].name);
    return answers[i].give(player, vcpu);
}

/* ------------------------------------------------------------------------------- callbacks */

/* Changes to this VM or the other, or the other VM's guest. */
static void do_things(struct player *player)
{
    struct player *other = &world.players[1 - player->number];

    while (one_in(3)) {
        change_something(one_in(4) && other->alive ? other : player);
    }
    if (world.depth == 1 && one_in(5)) {
        count_one("programs", "inside a callback");
        player_run(other);
    }
}

static memory_fault_result_t fault(struct player *player, vm_vcpu_t *vcpu, uintptr_t addr,
                                   size_t size)
{
    check_fault(player, vcpu, addr, size);
    if (++player->faults > FAULTS_MAX) {
        return FAULT_ERROR;
    }
    do_things(player);
    return answer(player, vcpu);
}

memory_fault_result_t on_fault(vm_t *vm, vm_vcpu_t *vcpu, uintptr_t addr, size_t size, void *cookie)
{
    struct slot *slot = cookie;
    memory_fault_result_t result;

    CHECK(&slot->player->vm == vm, "a fault came to another VM's callback");
    CHECK(addr - slot->base < slot->size && slot->base + slot->size - addr >= size,
          "a fault at 0x%" PRIxPTR " came to the callback of 0x%" PRIx64, addr, slot->base);
    slot->inside++;
    result = fault(slot->player, vcpu, addr, size);
    slot->inside--;
    return result;
}

memory_fault_result_t on_unhandled(vm_t *vm, vm_vcpu_t *vcpu, uintptr_t addr, size_t size,
                                   void *cookie)
{
    struct player *player = cookie;

    CHECK(&player->vm == vm, "a fault came to another VM's callback");
    return fault(player, vcpu, addr, size);
}

void on_seen(vm_t *vm, const struct guestmem_host_vm_fault *fault, void *cookie)
{
    static const char *const results[] = {
        [FAULT_HANDLED] = "faults handled",     [FAULT_UNHANDLED] = "faults unhandled",
        [FAULT_RESTART] = "faults restarted",   [FAULT_IGNORE] = "faults ignored",
        [FAULT_ERROR] = "faults with an error",
    };
    struct player *player = cookie;
    const struct slot *slot = slot_at(player, fault->address);
    const char *name = kind_names[slot == NULL ? KIND_HOLE : slot->kind];

    (void)vm;
    count_one("faults at", name);
    count_one(results[fault->result], name);
    count_one("faults by", fault->fetch ? "fetch" : fault->write ? "store" : "load");
}

int on_notification(vm_t *vm, seL4_Word badge, seL4_MessageInfo_t tag, void *cookie)
{
    struct player *player = cookie;

    (void)vm;
    (void)badge;
    (void)tag;
    for (unsigned i = 0; i < player->vcpu_count; i++) {
        if (player->pending >> i & 1) {
            set_vcpu_fault_data(player->vcpu[i], random_data(player));
            advance_vcpu_fault(player->vcpu[i]);
        }
    }
    player->pending = 0;
    return 0;
}

/* ------------------------------------------------------------------------------- traps */

static void behind(vm_vcpu_t *vcpu)
{
    seL4_UserContext context;

    CHECK(vm_get_thread_context(vcpu, &context) == 0, "registers can't be got at a trap");
    context.pc += 4;
    CHECK(vm_set_thread_context(vcpu, context) == 0, "registers can't be set at a trap");
    restart_vcpu_fault(vcpu);
}

static void end_program(struct player *player, const vm_vcpu_t *vcpu)
{
    bool all = true;

    player->done[vcpu->vcpu_id] = true;
    for (unsigned i = 0; i < player->vcpu_count; i++) {
        all = all && player->done[i];
    }
    if (all) {
        guestmem_host_vm_stop(&player->vm);
    }
}

int on_trap(vm_vcpu_t *vcpu, uint32_t hsr, void *cookie)
{
    struct player *player = cookie;

    if (hsr >> 26 == 0x16 && (hsr & 0xffff) == 0) {
        end_program(player, vcpu); /* and no answer: it waits for its next program */
        return 0;
    }
    count_one("traps", hsr >> 26 == 0x16 ? "HVC" : hsr >> 26 == 1 ? "WFI" : "others");
    if (++player->faults > FAULTS_MAX || one_in(40)) {
        return -1;
    }
    do_things(player);
    if (one_in(30)) {
        advance_vcpu_fault(vcpu); /* WFI: sleeps for a millisecond */
    } else {
        behind(vcpu);
    }
    return 0;
}

int on_smc(vm_vcpu_t *vcpu, seL4_UserContext *regs)
{
    struct player *player = player_of(vcpu->vm);

    count_one("traps", "SMC");
    regs->x0 = random_data(player);
    do_things(player);
    return one_in(40) ? -1 : 0;
}
