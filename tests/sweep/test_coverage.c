/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The sweep's table against the headers: every public function has a row, or a reason for having none.
 */
#include "sweep.h"

/* All that the headers declare, found in them when this was built. */
static const char *const declared[] = {
#include "public_functions.inc"
};

static const struct {
    const char *function;
    const char *reason;
} exempt[] = {
    {"vm_get_reservation_memory_region", "void: reads two fields"},
    {"default_error_fault_callback", "answers one constant"},
    {"vm_guest_ram_read_callback", "copies bytes, always 0"},
    {"vm_guest_ram_write_callback", "copies bytes, always 0"},
    {"vm_guest_add_iospace", "always refuses here, before asking for anything: see tests/defects"},
    {"vm_run", "of the VM runtime"},
    {"vcpu_start", "of the VM runtime"},
    {"vm_register_unhandled_mem_fault_callback", "of the VM runtime"},
    {"vm_register_notification_callback", "of the VM runtime"},
    {"vm_register_unhandled_vcpu_fault_callback", "of the VM runtime"},
    {"vm_register_smc_handler_callback", "of the VM runtime"},
    {"guestmem_strerror", "a text for a number, never NULL"},
    {"guestmem_last_failure", "reads a field; the sweep itself uses it at each point"},
    {"guestmem_failure_text", "formats; the sweep itself uses it at each point"},
    {"guestmem_policy_default", "void: fills in constants"},
    {"guestmem_read_begin", "void: opens a section"},
    {"guestmem_read_end", "void: ends a section"},
    {"guestmem_generation", "reads a number"},
    {"guestmem_swap", "turns the bytes of a number; so do the two made of it"},
    {"guestmem_span_is_valid", "compares two numbers"},
    {"guestmem_reservation_at", "a look-up: NULL means that nothing is there"},
    {"vspace.get_cap", "a look-up: 0 means that nothing is there"},
    {"vspace.get_root", "reads a field"},
    {"vspace.get_cookie", "a look-up: 0 means that nothing is there"},
    {"vspace.allocated_object", "a hook that others may set, ignored by default"},
};

static bool has_row(const char *function)
{
    const struct sweep_call *call;

    for (size_t i = 0; (call = sweep_call_at(i)) != NULL; i++) {
        if (strcmp(call->function, function) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_exempt(const char *function)
{
    for (size_t i = 0; i < sizeof(exempt) / sizeof(exempt[0]); i++) {
        if (strcmp(exempt[i].function, function) == 0) {
            return exempt[i].reason != NULL;
        }
    }
    return false;
}

static bool is_declared(const char *function)
{
    for (size_t i = 0; i < sizeof(declared) / sizeof(declared[0]); i++) {
        if (strcmp(declared[i], function) == 0) {
            return true;
        }
    }
    return false;
}

static void every_public_function_has_a_row_or_a_reason(struct gm_env *env, vm_t *vm)
{
    (void)env;
    (void)vm;
    GM_CHECK(sizeof(declared) / sizeof(declared[0]) > 60); /* the headers were found */
    for (size_t i = 0; i < sizeof(declared) / sizeof(declared[0]); i++) {
        if (has_row(declared[i]) == is_exempt(declared[i])) {
            GM_FAIL("%s has %s", declared[i],
                    is_exempt(declared[i]) ? "both a row and a reason for none" : "no row in the sweep");
        }
    }
}

static void every_row_and_reason_is_of_a_public_function(struct gm_env *env, vm_t *vm)
{
    const struct sweep_call *call;

    (void)env;
    (void)vm;
    for (size_t i = 0; (call = sweep_call_at(i)) != NULL; i++) {
        if (!is_declared(call->function)) {
            GM_FAIL("no header declares %s", call->function);
        }
    }
    for (size_t i = 0; i < sizeof(exempt) / sizeof(exempt[0]); i++) {
        if (!is_declared(exempt[i].function)) {
            GM_FAIL("no header declares %s", exempt[i].function);
        }
    }
}

/* vspace_t of the guest: no function is missing, so that no caller meets a null pointer. */
static void every_function_of_the_guests_vspace_is_set(struct gm_env *env, vm_t *vm)
{
    const vspace_t *own = &vm->mem.vm_vspace;

    (void)env;
    GM_CHECK(own->new_pages != NULL && own->map_pages != NULL && own->new_pages_at_vaddr != NULL &&
             own->map_pages_at_vaddr != NULL && own->deferred_rights_map_pages_at_vaddr != NULL &&
             own->unmap_pages != NULL && own->tear_down != NULL && own->reserve_range_aligned != NULL &&
             own->reserve_range_at != NULL && own->reserve_deferred_rights_range_at != NULL &&
             own->free_reservation != NULL && own->free_reservation_by_vaddr != NULL && own->get_cap != NULL &&
             own->get_root != NULL && own->get_cookie != NULL && own->share_mem_at_vaddr != NULL &&
             own->allocated_object != NULL);
}

static const struct gm_case cases[] = {
    GM_CASE(every_public_function_has_a_row_or_a_reason),
    GM_CASE(every_row_and_reason_is_of_a_public_function),
    GM_CASE(every_function_of_the_guests_vspace_is_set),
};
const struct gm_suite coverage_suite = GM_SUITE("coverage", cases);
