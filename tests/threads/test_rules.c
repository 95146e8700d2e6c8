/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * What guestmem/threads.h says of several threads, one sentence after the other: threads are
 * stopped where it matters, and others then do, or don't, get on.
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <time.h>

#include <guestmem/access.h>
#include <guestmem/guestmem.h>
#include <guestmem/runtime.h>
#include <guestmem/threads.h>
#include <sel4vm/guest_ram.h>
#include <sel4vmmplatsupport/guest_memory_util.h>

#include "gm_test.h"

#define BASE ((uintptr_t)0x40000000)
#define RAM (BASE + 64 * GM_MIB)
#define OTHER (BASE + 128 * GM_MIB)

enum { SOON_MS = 50, LONG_MS = 20000 };

/* ---------------------------------------------------------------------------- threads */

/* Opened once; whoever waits goes on. */
struct gate {
    pthread_mutex_t mutex;
    pthread_cond_t opened;
    bool is_open;
};

#define GATE                                                       \
    {                                                              \
        PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false \
    }

static void gate_open(struct gate *gate)
{
    pthread_mutex_lock(&gate->mutex);
    gate->is_open = true;
    pthread_cond_broadcast(&gate->opened);
    pthread_mutex_unlock(&gate->mutex);
}

/* Whether it was opened before so many milliseconds were over. */
static bool gate_wait(struct gate *gate, unsigned ms)
{
    struct timespec end;
    bool is_open;
    int error = 0;

    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += ms / 1000;
    end.tv_nsec += (long)(ms % 1000) * 1000000;
    if (end.tv_nsec >= 1000000000) {
        end.tv_sec++;
        end.tv_nsec -= 1000000000;
    }
    pthread_mutex_lock(&gate->mutex);
    while (!gate->is_open && error == 0) {
        error = pthread_cond_timedwait(&gate->opened, &gate->mutex, &end);
    }
    is_open = gate->is_open;
    pthread_mutex_unlock(&gate->mutex);
    return is_open;
}

/* A thread beside the test's own, which alone checks: what this one found is in its fields. */
struct beside {
    void (*work)(struct beside *beside);
    vm_t *vm;
    bool registers;
    vm_memory_reservation_t *res;
    vm_t *other_vm;
    struct gate arrived; /* where it is to be stopped */
    struct gate go_on;   /* from there */
    struct gate finished;
    int result;
    int more;
    bool held; /* what was to hold did */
    pthread_t thread;
};

static _Thread_local struct beside *here;

static void *beside_run(void *argument)
{
    struct beside *beside = argument;

    here = beside;
    if (beside->registers && guestmem_reader_register(beside->vm) != GUESTMEM_OK) {
        return NULL;
    }
    beside->work(beside);
    if (beside->registers) {
        guestmem_reader_unregister(beside->vm);
    }
    gate_open(&beside->finished);
    return NULL;
}

static void start(struct beside *beside)
{
    GM_CHECK_EQ(pthread_create(&beside->thread, NULL, beside_run, beside), 0);
}

static void join(struct beside *beside)
{
    GM_CHECK(gate_wait(&beside->finished, LONG_MS));
    pthread_join(beside->thread, NULL);
}

#define BESIDE(...)                                                   \
    {                                                                 \
        .arrived = GATE, .go_on = GATE, .finished = GATE, __VA_ARGS__ \
    }

static void share(vm_t *vm)
{
    int error = guestmem_reader_register(vm);

    GM_CHECK(error == GUESTMEM_OK || (gm_env_is_shared() && error == GUESTMEM_EBUSY));
}

/* A callback that stops where its thread is to be stopped; the cookie is that thread's, or NULL. */
static memory_fault_result_t stop_here(vm_t *vm, vm_vcpu_t *vcpu, uintptr_t addr, size_t length,
                                       void *cookie)
{
    struct beside *beside = cookie;

    (void)vm;
    (void)vcpu;
    (void)addr;
    (void)length;
    if (here == beside) {
        gate_open(&beside->arrived);
        gate_wait(&beside->go_on, LONG_MS);
    }
    beside->more++;
    return FAULT_HANDLED;
}

static void fault(struct beside *beside)
{
    beside->result = (int)gm_env_fault(beside->vm, BASE, 4);
}

static void free_it(struct beside *beside)
{
    beside->result = vm_free_reserved_memory(beside->vm, beside->res);
}

/* ---------------------------------------------------------------- readers never wait */

static vm_frame_t give_nothing_for_long(uintptr_t addr, void *cookie)
{
    struct beside *beside = cookie;
    vm_frame_t none = {0};

    (void)addr;
    gate_open(&beside->arrived);
    gate_wait(&beside->go_on, LONG_MS);
    return none;
}

static void map_for_long(struct beside *beside)
{
    beside->result = vm_map_reservation(beside->vm, beside->res, give_nothing_for_long, beside);
}

/* All that a vcpu and its devices do when nothing is new to them. */
static void read_all(struct beside *beside)
{
    uint8_t bytes[64];
    uint64_t word;

    guestmem_read_begin(beside->vm);
    beside->held = guestmem_reservation_at(beside->vm, BASE) == beside->res &&
                   guestmem_reservation_at(beside->vm, BASE + GM_MIB) == NULL &&
                   gm_env_fault(beside->vm, BASE, 4) == FAULT_HANDLED &&
                   gm_env_fault(beside->vm, BASE + GM_MIB, 4) == FAULT_UNHANDLED &&
                   guestmem_ram_read(beside->vm, RAM + 100, bytes, sizeof(bytes)) == 0 &&
                   guestmem_ram_store(beside->vm, RAM + 2 * GM_MIB, 8, 7) == 0 &&
                   guestmem_ram_load(beside->vm, RAM + 2 * GM_MIB, 8, &word) == 0 && word == 7;
    guestmem_read_end(beside->vm);
}

static void readers_go_on_while_a_change_gets_nowhere(struct gm_env *env, vm_t *vm)
{
    struct gm_fault_log log = {.answer = FAULT_HANDLED};
    struct beside change = BESIDE(.work = map_for_long, .vm = vm);
    struct beside visitor = BESIDE(.work = read_all, .vm = vm);
    struct beside itself = BESIDE(.work = read_all, .vm = vm);
    uint64_t word;

    (void)env;
    share(vm);
    visitor.res = vm_reserve_memory_at(vm, BASE, GM_PAGE, gm_fault_note, &log);
    itself.res = visitor.res;
    change.res = vm_reserve_memory_at(vm, OTHER, GM_PAGE, gm_fault_note, &log);
    GM_CHECK_EQ(vm_ram_register_at(vm, RAM, 4 * GM_MIB, false), 0);
    GM_CHECK_EQ(guestmem_ram_load(vm, RAM, 8, &word), GUESTMEM_OK);
    GM_CHECK_EQ(guestmem_ram_load(vm, RAM + 2 * GM_MIB, 8, &word), GUESTMEM_OK);
    start(&change);
    GM_CHECK(gate_wait(&change.arrived, LONG_MS));
    start(&visitor);
    join(&visitor);
    GM_CHECK(visitor.held);
    read_all(&itself); /* which is registered */
    GM_CHECK(itself.held);
    GM_CHECK(!gate_wait(&change.finished, 0));
    gate_open(&change.go_on);
    join(&change);
    GM_CHECK_EQ(change.result, -1);
}

/* ------------------------------------------------------------- callbacks and freeing */

static void a_free_waits_for_a_callback_which_is_not_entered_again(struct gm_env *env, vm_t *vm)
{
    struct gm_fault_log log = {.answer = FAULT_HANDLED};
    struct beside vcpu = BESIDE(.work = fault, .vm = vm, .registers = true);
    struct beside freer = BESIDE(.work = free_it, .vm = vm);
    vm_memory_reservation_t *other;

    (void)env;
    share(vm);
    freer.res = vm_reserve_memory_at(vm, BASE, GM_PAGE, stop_here, &vcpu);
    start(&vcpu);
    GM_CHECK(gate_wait(&vcpu.arrived, LONG_MS));
    start(&freer);
    GM_CHECK(!gate_wait(&freer.finished, SOON_MS));
    GM_CHECK_EQ(gm_env_fault(vm, BASE, 4), FAULT_UNHANDLED);
    GM_CHECK_NULL(guestmem_reservation_at(vm, BASE));
    other = vm_reserve_memory_at(vm, BASE, GM_PAGE, gm_fault_note, &log); /* the range is free */
    GM_CHECK_NOT_NULL(other);
    GM_CHECK_EQ(gm_env_fault(vm, BASE, 4), FAULT_HANDLED);
    GM_CHECK_EQ(log.count, 1);
    GM_CHECK_EQ(vm_free_reserved_memory(vm, other), 0);
    GM_CHECK(!gate_wait(&freer.finished, 0));
    gate_open(&vcpu.go_on);
    join(&freer);
    join(&vcpu);
    GM_CHECK_EQ(freer.result, 0);
    GM_CHECK_EQ(vcpu.result, FAULT_HANDLED);
    GM_CHECK_EQ(vcpu.more, 1);
}

struct inner_free {
    vm_memory_reservation_t *res;
    int result;
};

static memory_fault_result_t free_another(vm_t *vm, vm_vcpu_t *vcpu, uintptr_t addr, size_t length,
                                          void *cookie)
{
    struct inner_free *inner = cookie;

    (void)vcpu;
    (void)addr;
    (void)length;
    inner->result = vm_free_reserved_memory(vm, inner->res);
    return FAULT_HANDLED;
}

/* Two callbacks that free each other's reservation would wait for ever. */
static void a_callback_cannot_free_what_another_thread_is_at(struct gm_env *env, vm_t *vm)
{
    struct beside vcpu = BESIDE(.work = fault, .vm = vm);
    struct inner_free inner = {0};

    (void)env;
    share(vm);
    inner.res = vm_reserve_memory_at(vm, BASE, GM_PAGE, stop_here, &vcpu);
    GM_CHECK_NOT_NULL(vm_reserve_memory_at(vm, OTHER, GM_PAGE, free_another, &inner));
    start(&vcpu);
    GM_CHECK(gate_wait(&vcpu.arrived, LONG_MS));
    GM_CHECK_EQ(gm_env_fault(vm, OTHER, 4), FAULT_HANDLED);
    GM_CHECK_EQ(inner.result, -1);
    GM_CHECK_EQ(guestmem_last_failure(vm)->error, GUESTMEM_EBUSY);
    GM_CHECK_EQ(gm_env_fault(vm, BASE, 4), FAULT_HANDLED); /* nothing has changed */
    gate_open(&vcpu.go_on);
    join(&vcpu);
    GM_CHECK_EQ(vcpu.more, 2);
    GM_CHECK_EQ(gm_env_fault(vm, OTHER, 4), FAULT_HANDLED);
    GM_CHECK_EQ(inner.result, 0);
    GM_CHECK_EQ(gm_env_fault(vm, BASE, 4), FAULT_UNHANDLED);
}

static memory_fault_result_t free_elsewhere(vm_t *vm, vm_vcpu_t *vcpu, uintptr_t addr,
                                            size_t length, void *cookie)
{
    (void)vm;
    (void)vcpu;
    (void)addr;
    (void)length;
    free_it(cookie);
    return FAULT_HANDLED;
}

/* The same where the callbacks are of two VMs. */
static void nor_where_that_is_another_vm(struct gm_env *env, vm_t *vm)
{
    vm_t *second = gm_env_new_vm(env);
    struct beside vcpu = BESIDE(.work = fault, .vm = second);
    struct beside freer = BESIDE(.work = free_it, .vm = second);

    share(vm);
    share(second);
    freer.res = vm_reserve_memory_at(second, BASE, GM_PAGE, stop_here, &vcpu);
    GM_CHECK_NOT_NULL(vm_reserve_memory_at(vm, BASE, GM_PAGE, free_elsewhere, &freer));
    start(&vcpu);
    GM_CHECK(gate_wait(&vcpu.arrived, LONG_MS));
    GM_CHECK_EQ(gm_env_fault(vm, BASE, 4), FAULT_HANDLED);
    GM_CHECK_EQ(freer.result, -1);
    gate_open(&vcpu.go_on);
    join(&vcpu);
    GM_CHECK_EQ(gm_env_fault(vm, BASE, 4), FAULT_HANDLED);
    GM_CHECK_EQ(freer.result, 0);
}

static vm_frame_t free_another_instead(uintptr_t addr, void *cookie)
{
    struct beside *beside = cookie;
    vm_frame_t none = {0};

    (void)addr;
    free_it(beside);
    return none;
}

/* Its thread has the turn, which the callback may want. */
static void an_iterator_cannot_free_what_another_thread_is_at(struct gm_env *env, vm_t *vm)
{
    struct gm_fault_log log = {.answer = FAULT_HANDLED};
    struct beside vcpu = BESIDE(.work = fault, .vm = vm);
    struct beside inner = BESIDE(.vm = vm);
    vm_memory_reservation_t *mapped;

    (void)env;
    share(vm);
    inner.res = vm_reserve_memory_at(vm, BASE, GM_PAGE, stop_here, &vcpu);
    mapped = vm_reserve_memory_at(vm, OTHER, GM_PAGE, gm_fault_note, &log);
    start(&vcpu);
    GM_CHECK(gate_wait(&vcpu.arrived, LONG_MS));
    GM_CHECK_EQ(vm_map_reservation(vm, mapped, free_another_instead, &inner), -1);
    GM_CHECK_EQ(inner.result, -1);
    gate_open(&vcpu.go_on);
    join(&vcpu);
    GM_CHECK_EQ(vm_map_reservation(vm, mapped, free_another_instead, &inner), -1);
    GM_CHECK_EQ(inner.result, 0);
}

/* Nor does it wait where that is another VM's, whose turn it has second. */
static void nor_can_one_of_another_vm(struct gm_env *env, vm_t *vm)
{
    vm_t *second = gm_env_new_vm(env);
    struct gm_fault_log log = {.answer = FAULT_HANDLED};
    struct beside vcpu = BESIDE(.work = fault, .vm = second);
    struct beside inner = BESIDE(.vm = second);
    vm_memory_reservation_t *mapped;

    share(vm);
    share(second);
    inner.res = vm_reserve_memory_at(second, BASE, GM_PAGE, stop_here, &vcpu);
    mapped = vm_reserve_memory_at(vm, OTHER, GM_PAGE, gm_fault_note, &log);
    start(&vcpu);
    GM_CHECK(gate_wait(&vcpu.arrived, LONG_MS));
    GM_CHECK_EQ(vm_map_reservation(vm, mapped, free_another_instead, &inner), -1);
    GM_CHECK_EQ(inner.result, -1);
    GM_CHECK_EQ(guestmem_last_failure(second)->error, GUESTMEM_EBUSY);
    gate_open(&vcpu.go_on);
    join(&vcpu);
    GM_CHECK_EQ(vm_map_reservation(vm, mapped, free_another_instead, &inner), -1);
    GM_CHECK_EQ(inner.result, 0);
    GM_CHECK_NULL(guestmem_reservation_at(second, BASE));
}

/* ------------------------------------------------------------------- taking away */

static void use_a_span(struct beside *beside)
{
    struct guestmem_span span;

    guestmem_read_begin(beside->vm);
    beside->result = guestmem_ram_span(beside->vm, RAM, GM_PAGE, &span);
    gate_open(&beside->arrived);
    gate_wait(&beside->go_on, LONG_MS);
    beside->held = *(volatile uint8_t *)span.address == 0x5a;
    guestmem_read_end(beside->vm);
}

static void discard(struct beside *beside)
{
    beside->result = guestmem_ram_discard(beside->vm, RAM, 4 * GM_MIB);
}

/* And adding doesn't: not before that, and not while the discard waits. */
static void what_is_taken_away_stays_until_the_sections_of_before_end(struct gm_env *env, vm_t *vm)
{
    struct beside reader = BESIDE(.work = use_a_span, .vm = vm, .registers = true);
    struct beside taker = BESIDE(.work = discard, .vm = vm);
    struct gm_fault_log log = {.answer = FAULT_HANDLED};

    (void)env;
    share(vm);
    GM_CHECK_EQ(vm_ram_register_at(vm, RAM, 4 * GM_MIB, false), 0);
    GM_CHECK_EQ(guestmem_ram_fill(vm, RAM, 0x5a, GM_PAGE), GUESTMEM_OK);
    start(&reader);
    GM_CHECK(gate_wait(&reader.arrived, LONG_MS));
    GM_CHECK_NOT_NULL(vm_reserve_memory_at(vm, BASE, GM_PAGE, gm_fault_note, &log));
    GM_CHECK_NOT_NULL(vm_reserve_memory_at(vm, OTHER, GM_PAGE, gm_fault_note, &log));
    start(&taker);
    GM_CHECK(!gate_wait(&taker.finished, SOON_MS));
    GM_CHECK_EQ(gm_env_fault(vm, BASE, 4), FAULT_HANDLED);
    gate_open(&reader.go_on);
    join(&taker);
    join(&reader);
    GM_CHECK_EQ(reader.result, GUESTMEM_OK);
    GM_CHECK_EQ(taker.result, GUESTMEM_OK);
    GM_CHECK(reader.held);
}

/* In a section of its own VM, free something of the other's. */
static void free_crosswise(struct beside *beside)
{
    guestmem_read_begin(beside->vm);
    gate_open(&beside->arrived);
    gate_wait(&beside->go_on, LONG_MS);
    beside->result = vm_free_reserved_memory(beside->other_vm, beside->res);
    guestmem_read_end(beside->vm);
}

static void sections_of_two_vms_do_not_wait_for_each_other(struct gm_env *env, vm_t *vm)
{
    vm_t *second = gm_env_new_vm(env);
    struct beside one =
        BESIDE(.work = free_crosswise, .vm = vm, .registers = true, .other_vm = second);
    struct beside two =
        BESIDE(.work = free_crosswise, .vm = second, .registers = true, .other_vm = vm);
    struct gm_fault_log log = {.answer = FAULT_HANDLED};

    share(vm);
    share(second);
    one.res = vm_reserve_memory_at(second, BASE, GM_PAGE, gm_fault_note, &log);
    two.res = vm_reserve_memory_at(vm, BASE, GM_PAGE, gm_fault_note, &log);
    start(&one);
    start(&two);
    GM_CHECK(gate_wait(&one.arrived, LONG_MS) && gate_wait(&two.arrived, LONG_MS));
    gate_open(&one.go_on);
    gate_open(&two.go_on);
    join(&one);
    join(&two);
    GM_CHECK_EQ(one.result, 0);
    GM_CHECK_EQ(two.result, 0);
    GM_CHECK_NULL(guestmem_reservation_at(vm, BASE));
    GM_CHECK_NULL(guestmem_reservation_at(second, BASE));
    GM_CHECK_EQ(guestmem_reader_unregister(second), GUESTMEM_OK);
}

/* How many calls of a busy thread ended while the test's own thread waited for its turn. */
struct queue {
    atomic_bool stop;
    atomic_uint done;
    bool waiting;
    unsigned first;
    unsigned most;
    unsigned waits;
};

static struct queue queue;

static void note_wait(void *cookie)
{
    unsigned now = atomic_load(&queue.done);

    (void)cookie;
    if (here == NULL) {
        queue.first = queue.waiting ? queue.first : now;
        queue.most = now - queue.first > queue.most ? now - queue.first : queue.most;
        queue.waits += !queue.waiting;
        queue.waiting = true;
    }
    sched_yield();
}

static void change_all_the_time(struct beside *beside)
{
    while (!atomic_load(&queue.stop)) {
        beside->res = vm_reserve_memory_at(beside->vm, OTHER, GM_PAGE, stop_here, NULL);
        atomic_fetch_add(&queue.done, 1);
        beside->result |= vm_free_reserved_memory(beside->vm, beside->res);
        atomic_fetch_add(&queue.done, 1);
    }
}

static void who_asks_first_has_the_turn_first(struct gm_env *env, vm_t *vm)
{
    enum { WAITS = 20, TRIES = 1000000 };
    struct beside busy = BESIDE(.work = change_all_the_time, .vm = vm, .registers = true);

    (void)env;
    share(vm);
    GM_CHECK_EQ(guestmem_set_wait(vm, note_wait, NULL), GUESTMEM_OK);
    start(&busy);
    for (unsigned i = 0; queue.waits < WAITS && i < TRIES; i++) {
        struct guestmem_policy policy;

        queue.waiting = false;
        GM_CHECK_EQ(guestmem_get_policy(vm, &policy), GUESTMEM_OK);
    }
    atomic_store(&queue.stop, true);
    join(&busy);
    GM_CHECK_EQ(guestmem_set_wait(vm, NULL, NULL), GUESTMEM_OK);
    GM_CHECK_EQ(busy.result, 0);
    GM_CHECK_EQ(queue.waits, WAITS);
    GM_CHECK(queue.most <= 1); /* the one that had it */
}

/* ------------------------------------------------------------- waiting for the turn in a fault */

/* What a change does to a lazy reservation while a vcpu's fault there waits for its turn. */
struct taking_away {
    struct beside *vcpu;
    struct gm_fault_log *instead; /* not NULL: another reservation takes its place */
    bool waited;
    int result;
};

static void say_who_waits(void *cookie)
{
    (void)cookie;
    if (here != NULL) {
        gate_open(&here->arrived);
    }
    sched_yield();
}

static vm_frame_t take_away(uintptr_t addr, void *cookie)
{
    struct taking_away *taking = cookie;
    vm_t *vm = taking->vcpu->vm;
    vm_frame_t none = {0};

    (void)addr;
    pthread_create(&taking->vcpu->thread, NULL, beside_run, taking->vcpu);
    taking->waited = gate_wait(&taking->vcpu->arrived, LONG_MS);
    taking->result = vm_free_reserved_memory(vm, guestmem_reservation_at(vm, BASE));
    if (taking->instead != NULL) {
        vm_reserve_memory_at(vm, BASE, GM_PAGE, gm_fault_note, taking->instead);
    }
    return none;
}

static void check_taken_away(vm_t *vm, struct gm_fault_log *instead, memory_fault_result_t result)
{
    struct gm_fault_log log = {.answer = FAULT_HANDLED};
    struct beside vcpu = BESIDE(.work = fault, .vm = vm);
    struct taking_away taking = {.vcpu = &vcpu, .instead = instead};
    vm_memory_reservation_t *lazy = vm_reserve_memory_at(vm, BASE, GM_PAGE, gm_fault_note, &log);
    vm_memory_reservation_t *mapped = vm_reserve_memory_at(vm, OTHER, GM_PAGE, gm_fault_note, &log);

    GM_CHECK_EQ(map_frame_alloc_reservation(vm, lazy), 0);
    GM_CHECK_EQ(map_vm_memory_reservation(vm, mapped, take_away, &taking), -1);
    join(&vcpu);
    GM_CHECK(taking.waited);
    GM_CHECK_EQ(taking.result, 0);
    GM_CHECK_EQ(vcpu.result, result);
    GM_CHECK_EQ(log.count, 0);
    GM_CHECK_EQ(vm_free_reserved_memory(vm, mapped), 0);
}

/* It is looked up once more: the fault is answered by what is there then. */
static void a_fault_that_waited_for_its_turn_finds_what_is_there_then(struct gm_env *env, vm_t *vm)
{
    struct gm_fault_log instead = {.answer = FAULT_HANDLED};
    struct guestmem_policy policy;

    (void)env;
    share(vm);
    GM_CHECK_EQ(guestmem_get_policy(vm, &policy), GUESTMEM_OK);
    policy.populate = GUESTMEM_POPULATE_LAZY;
    GM_CHECK_EQ(guestmem_set_policy(vm, &policy), GUESTMEM_OK);
    GM_CHECK_EQ(guestmem_set_wait(vm, say_who_waits, NULL), GUESTMEM_OK);
    check_taken_away(vm, NULL, FAULT_UNHANDLED);
    check_taken_away(vm, &instead, FAULT_HANDLED);
    GM_CHECK_EQ(instead.count, 1);
    GM_CHECK_EQ(guestmem_set_wait(vm, NULL, NULL), GUESTMEM_OK);
}

/* ------------------------------------------------------------------------------- the end */

static void stay(struct beside *beside)
{
    gate_open(&beside->arrived);
    gate_wait(&beside->go_on, LONG_MS);
}

static void a_vm_with_readers_is_not_destroyed(struct gm_env *env, vm_t *vm)
{
    struct beside reader = BESIDE(.work = stay, .vm = vm, .registers = true);

    (void)env;
    start(&reader);
    GM_CHECK(gate_wait(&reader.arrived, LONG_MS));
    GM_CHECK_EQ(guestmem_destroy(vm), GUESTMEM_EBUSY);
    share(vm); /* there may be one, this thread's */
    GM_CHECK_EQ(guestmem_destroy(vm), GUESTMEM_EBUSY);
    gate_open(&reader.go_on);
    join(&reader);
    GM_CHECK_EQ(guestmem_destroy(vm), GUESTMEM_OK);
}

static const struct gm_case cases[] = {
    GM_CASE(readers_go_on_while_a_change_gets_nowhere),
    GM_CASE(a_free_waits_for_a_callback_which_is_not_entered_again),
    GM_CASE(a_callback_cannot_free_what_another_thread_is_at),
    GM_CASE(nor_where_that_is_another_vm),
    GM_CASE(an_iterator_cannot_free_what_another_thread_is_at),
    GM_CASE(nor_can_one_of_another_vm),
    GM_CASE(what_is_taken_away_stays_until_the_sections_of_before_end),
    GM_CASE(sections_of_two_vms_do_not_wait_for_each_other),
    GM_CASE(who_asks_first_has_the_turn_first),
    GM_CASE(a_fault_that_waited_for_its_turn_finds_what_is_there_then),
    GM_CASE(a_vm_with_readers_is_not_destroyed),
};

static const struct gm_suite rules = GM_SUITE("rules", cases);

int main(int argc, char **argv)
{
    static const struct gm_suite *const suites[] = {&rules, NULL};

    return gm_test_run(argc, argv, suites);
}
