/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Vcpus that run guest code: it fills lazy memory and looks at it again, and works a device.
 */
#include "soak.h"

#include <string.h>

#include "vcpus_code.h"

#define CODE_BASE ((uintptr_t)0x70000000)
#define CODE_STRIDE ((uintptr_t)0x1000)
#define DATA_BASE ((uintptr_t)0x71000000)
#define DATA_BYTES (32 * PAGE)
#define GUEST_DEVICE ((uintptr_t)0x72000000)

enum { EL1H = 0x3c5, CLASS_HVC = 0x16 };

/* HVC 0: a program's end. The vcpu waits there until it is given another place to go on from. */
static int on_trap(vm_vcpu_t *vcpu, uint32_t hsr, void *cookie)
{
    struct player *player = cookie;

    if (hsr >> 26 != CLASS_HVC || (hsr & 0xffff) != 0) {
        atomic_fetch_add(&player->wrong, 1);
        guestmem_host_vm_stop(vcpu->vm);
    } else if (atomic_fetch_add(&player->done, 1) + 1 == player->vcpu_count) {
        guestmem_host_vm_stop(vcpu->vm);
    }
    return 0;
}

static bool claim_memory(vm_t *vm)
{
    struct guestmem_policy policy;

    call_arm();
    if (!call_ended_compatible(vm_ram_register_at(vm, CODE_BASE, 2 * CODE_STRIDE, false) == 0)) {
        return false;
    }
    guestmem_policy_default(&policy);
    policy.populate = GUESTMEM_POPULATE_LAZY;
    policy.frame_bits_max = 12;
    policy.untyped_bits_max = 12 + soak_below(4);
    policy.populate_around_bits = soak_one_in(2) ? 12 + soak_below(4) : 0;
    SOAK_CHECK(guestmem_set_policy(vm, &policy) == GUESTMEM_OK);
    call_arm();
    if (!call_ended_compatible(vm_ram_register_at(vm, DATA_BASE, DATA_BYTES, false) == 0)) {
        return false;
    }
    call_arm();
    return call_ended_compatible(vm_reserve_memory_at(vm, GUEST_DEVICE, PAGE, soak_fault, NULL) !=
                                 NULL);
}

/* Written once, before it is run: whoever changes code makes the guest CPU keep a few bytes. */
static bool load_code(vm_t *vm)
{
    int error;

    vm->mem.clean_cache = 1;
    call_arm();
    error = guestmem_ram_write(vm, CODE_BASE, code_lazy, sizeof(code_lazy));
    if (!call_ended(error)) {
        return false;
    }
    call_arm();
    return call_ended(
        guestmem_ram_write(vm, CODE_BASE + CODE_STRIDE, code_device, sizeof(code_device)));
}

bool guest_up(struct player *player)
{
    vm_t *vm = &player->vm;

    player->parallel = soak_one_in(4) && !soak.no_threads;
    player->vcpu_count = player->parallel ? VCPUS : 1 + soak_below(VCPUS);
    for (unsigned n = 0; n < player->vcpu_count; n++) {
        player->vcpu[n] = vm_create_vcpu(vm, 1);
        SOAK_CHECK(player->vcpu[n] != NULL);
        SOAK_CHECK(vm_register_unhandled_vcpu_fault_callback(player->vcpu[n], on_trap, player) ==
                   0);
    }
    if (player->parallel) {
        SOAK_CHECK(guestmem_host_vm_set_parallel(vm, true) == 0);
    }
    return claim_memory(vm) && load_code(vm);
}

static void start_vcpus(struct player *player)
{
    bool device = soak_one_in(3);
    seL4_UserContext context = {.pc = CODE_BASE + (device ? CODE_STRIDE : 0), .spsr = EL1H};

    context.x1 = device ? GUEST_DEVICE : DATA_BASE;
    context.x2 = DATA_BYTES;
    context.x3 = 1 + soak_below(20);
    for (unsigned n = 0; n < player->vcpu_count; n++) {
        context.x0 = n;
        if (player->has_run) {
            restart_vcpu_fault(player->vcpu[n]); /* it waits where it made its last exit */
        }
        SOAK_CHECK(vm_set_thread_context(player->vcpu[n], context) == 0);
        SOAK_CHECK(vcpu_start(player->vcpu[n]) == 0);
    }
}

/* What stopped it is that memory was short, for lazy memory or for readers: then it goes on where
 * it was, once there is some. */
static bool may_go_on(struct player *player)
{
    bool struck = guestmem_host_failed(soak.host, NULL);
    struct guestmem_host_vm_exit exit;
    char text[256];

    guestmem_host_vm_get_exit(&player->vm, &exit);
    if (exit.reason != GUESTMEM_HOST_VM_POPULATE && !(struck && player->parallel)) {
        guestmem_host_vm_exit_text(&exit, text, sizeof(text));
        soak_fail("the guest stopped: %s", text);
    }
    return true;
}

void guest_run(struct player *player)
{
    bool failed = false;

    if (!player->has_code) {
        return;
    }
    soak.me = player;
    if (soak_one_in(2)) {
        call_arm();
        call_ended(guestmem_ram_discard(&player->vm, DATA_BASE, DATA_BYTES));
    }
    start_vcpus(player);
    player->has_run = true;
    atomic_store(&player->done, 0);
    call_arm();
    for (unsigned tries = 0; tries < 4 && atomic_load(&player->done) < player->vcpu_count;
         tries++) {
        failed = vm_run(&player->vm) != 0 && may_go_on(player);
        guestmem_host_fail(soak.host, 0, 0, false);
    }
    SOAK_CHECK(atomic_load(&player->wrong) == 0);
    SOAK_CHECK(!failed || !soak.flavour->roomy);
    soak.totals.guest_runs++;
}
