/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Running one program on each vcpu of a VM, and what must hold afterwards.
 */
#include "hostile.h"

#include <string.h>

#include "../../host/engine/engine.h"

enum { SLICE_MAX = 20, ANY_KINDS = 31 };

static struct player *running[PLAYERS];

struct player *player_of(const vm_t *vm)
{
    return vm == &world.players[0].vm ? &world.players[0] : &world.players[1];
}

/* ------------------------------------------------------------------------------- how long */

void __real_engine_cpu_run(struct engine_cpu *cpu, unsigned blocks, struct engine_exit *exit);
void __wrap_engine_cpu_run(struct engine_cpu *cpu, unsigned blocks, struct engine_exit *exit);

static void count_exit(const struct engine_exit *exit)
{
    static const char *const names[] = {
        [ENGINE_EXIT_MEMORY] = "access",
        [ENGINE_EXIT_OPAQUE] = "access, opaque",
        [ENGINE_EXIT_TRAP] = "trap",
        [ENGINE_EXIT_WAIT] = "WFI",
        [ENGINE_EXIT_SLICE] = "slice",
        [ENGINE_EXIT_KICKED] = "kicked",
        [ENGINE_EXIT_OUTSIDE] = "outside windows",
        [ENGINE_EXIT_BROKEN] = "can't go on",
    };

    count_one("exits", names[exit->kind]);
}

/* The engine counts blocks of guest code, so a program's end doesn't depend on a clock. Slices are
 * short, so that vcpus take turns in the middle of their programs. */
void __wrap_engine_cpu_run(struct engine_cpu *cpu, unsigned blocks, struct engine_exit *exit)
{
    struct player *player = running[world.depth - 1];
    unsigned slice = player->vcpu_count > 1 ? 1 + random_below(SLICE_MAX) : BLOCKS_MAX;
    unsigned used;

    if (slice > blocks) {
        slice = blocks;
    }
    __real_engine_cpu_run(cpu, slice, exit);
    count_exit(exit);
    used = slice - exit->left;
    exit->left = 0;
    count_many("programs", "blocks of code run", used);
    player->blocks_left -= (int)used + 1;
    if (player->blocks_left <= 0 && !player->over) {
        player->over = true;
        count_one("ends", "of all its blocks");
        guestmem_host_vm_stop(&player->vm);
    }
}

/* ------------------------------------------------------------------------------- before */

/* What waits is given up: the registers are set anew. */
static void start_vcpu(struct player *player, unsigned n)
{
    const struct program *program = &player->program[n];
    vm_vcpu_t *vcpu = player->vcpu[n];
    seL4_UserContext context = program->context;
    const struct {
        seL4_Word reg;
        uint64_t value;
    } system[] = {
        {seL4_VCPUReg_SCTLR, 0x30d00800},
        {seL4_VCPUReg_CPACR, 3 << 20},
        {seL4_VCPUReg_VBAR, program->vbar},
        {seL4_VCPUReg_TTBR0, HOME_TABLES(n)},
        {seL4_VCPUReg_TTBR1, HOME_TABLES(n)},
        {seL4_VCPUReg_TCR, 25 | 25 << 16 | UINT64_C(2) << 30},
        {seL4_VCPUReg_MAIR, 0xff},
        {seL4_VCPUReg_SP_EL1, HOME_DUMP + n * 2048},
    };

    restart_vcpu_fault(vcpu);
    for (unsigned i = 0; i < sizeof(system) / sizeof(*system); i++) {
        CHECK(vm_set_arm_vcpu_reg(vcpu, system[i].reg, system[i].value) == 0,
              "a system register can't be set");
    }
    CHECK(vm_set_thread_context(vcpu, context) == 0, "registers can't be set");
    CHECK(vcpu_start(vcpu) == 0, "a vcpu can't be started");
    player->done[n] = false;
}

static void load_program(struct player *player, unsigned n)
{
    uint8_t *code = page_bytes(player, HOME_CODE(n));

    program_make(player, n);
    memcpy(code, player->program[n].code, player->program[n].count * 4);
    guestmem_host_vm_code_changed(&player->vm, HOME_CODE(n), PAGE);
    if (player->program[n].mmu) {
        tables_make(player, n);
    }
    start_vcpu(player, n);
    count_one("programs", "all");
    world.programs++;
}

static void arm_failure(void)
{
    guestmem_host_fail(world.host, 0, 0, false);
    if (one_in(4)) {
        guestmem_host_fail(world.host, 1U << random_below(5), 1 + random_below(20), one_in(4));
    }
}

static void disarm_failure(void)
{
    if (guestmem_host_failed(world.host, NULL)) {
        count_one("changes", "failing requests");
    }
    guestmem_host_fail(world.host, 0, 0, false);
}

/* ------------------------------------------------------------------------------- after */

static void count_end(struct player *player, int result)
{
    static const char *const names[] = {
        [GUESTMEM_HOST_VM_NOT_RUN] = "not run",
        [GUESTMEM_HOST_VM_STOPPED] = "stopped",
        [GUESTMEM_HOST_VM_ACCESS] = "access",
        [GUESTMEM_HOST_VM_FETCH] = "fetch",
        [GUESTMEM_HOST_VM_POPULATE] = "populating failed",
        [GUESTMEM_HOST_VM_TRAP] = "trap",
        [GUESTMEM_HOST_VM_NOTIFICATION] = "notification",
        [GUESTMEM_HOST_VM_CPU] = "guest CPU",
        [GUESTMEM_HOST_VM_NO_VCPU] = "no vcpu",
    };
    struct guestmem_host_vm_exit exit;
    char text[200];

    guestmem_host_vm_get_exit(&player->vm, &exit);
    CHECK((result == 0) == (exit.reason == GUESTMEM_HOST_VM_STOPPED), "vm_run() gave %d for %d",
          result, exit.reason);
    CHECK(guestmem_host_vm_exit_text(&exit, text, sizeof(text)) > 0, "no words for the exit");
    count_one("ends", names[exit.reason]);
    if (exit.reason == GUESTMEM_HOST_VM_CPU) {
        count_one("guest CPU's reasons", exit.why);
    }
    if (world.verbose) {
        printf("program %lu: VM %u: %s\n", (unsigned long)world.number, player->number, text);
    }
}

static void look(struct player *player)
{
    bool large = one_in(64) || world.look_always;

    for (unsigned i = 0; i < player->vcpu_count; i++) {
        look_at_registers(player, i);
    }
    look_at_home(player);
    for (unsigned i = 0; i < PLAYERS; i++) {
        if (world.players[i].alive) {
            look_at_memory(&world.players[i], large);
        }
    }
}

void player_run(struct player *player)
{
    bool outermost = world.depth == 0;

    if (!player->alive || player->running) {
        return;
    }
    guestmem_host_fail(world.host, 0, 0, false);
    for (unsigned i = 0; i < player->vcpu_count; i++) {
        load_program(player, i);
    }
    player->blocks_left = BLOCKS_MAX;
    player->over = false;
    player->faults = 0;
    player->pending = 0;
    player->running = true;
    running[world.depth++] = player;
    if (outermost) {
        arm_failure();
    }
    count_end(player, vm_run(&player->vm));
    disarm_failure();
    world.depth--;
    player->running = false;
    look(player);
}
