/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The VMM as guestmem-run brings it up: whatever ends it, and whatever fails while it is made, the
 * environment is afterwards as it was before.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <guestmem/guestmem.h>
#include <guestmem/host.h>
#include <guestmem/host_vm.h>
#include <utils/zf_log.h>

#include "bringup.h"
#include "uboot_vmm.h"

enum { RAM_BYTES = 4 << 20 };

/* mov w0, #8; movk w0, #0x8400, lsl 16; smc #0: PSCI's SYSTEM_OFF */
static const uint32_t powers_off[] = {0x52800100, 0x72b08000, 0xd4000003};
/* the same with 9, SYSTEM_RESET */
static const uint32_t resets[] = {0x52800120, 0x72b08000, 0xd4000003};
/* PSCI's VERSION by HVC; store it at the start of RAM; off */
static const uint32_t asks_version[] = {0x52b08000, 0xd4000002, 0xd2a80001, 0xb9000020,
                                        0x52800100, 0x72b08000, 0xd4000003};
/* read a word of RAM, flash, shared page and identity each, then jump to 0xdead0000 */
static const uint32_t wanders[] = {0xd2a80000, 0xb9400001, 0xd2a0a000, 0xb9400001,
                                   0xd2a18000, 0xb9400001, 0xd2bbd5a0, 0xd61f0000};
/* store to flash, then to nowhere */
static const uint32_t stores[] = {0xd2800000, 0xb9000001, 0xd2bbd5a0, 0xb9000001};

static struct guestmem_host *host;
static struct uboot_vmm_environment environment;
static struct uboot_vmm vmm;
static enum guestmem_populate populate;

static void put(char byte, void *cookie)
{
    (void)byte;
    (void)cookie;
}

static int get(void *cookie)
{
    (void)cookie;
    return -1;
}

static int set_populate(vm_t *vm, void *cookie)
{
    struct guestmem_policy policy;

    (void)cookie;
    guestmem_policy_default(&policy);
    policy.populate = populate;
    return guestmem_set_policy(vm, &policy);
}

static int create(const uint32_t *firmware, size_t bytes)
{
    struct uboot_vmm_config config = {
        .environment = environment,
        .ram_bytes = RAM_BYTES,
        .firmware = firmware,
        .firmware_bytes = bytes,
        .console = {.put = put, .get = get},
        .prepare = set_populate,
    };

    return uboot_vmm_create(&vmm, &config);
}

static void destroy(void)
{
    uboot_vmm_destroy(&vmm);
    assert_int_equal(guestmem_host_vm_destroy(&vmm.vm), 0);
}

static int set_up(void **state)
{
    (void)state;
    populate = GUESTMEM_POPULATE_EAGER;
    zf_log_set_output_level(ZF_LOG_NONE);
    return bringup(bringup_memory(RAM_BYTES, 21), 21, &host, &environment);
}

static int tear_down(void **state)
{
    (void)state;
    guestmem_host_destroy(host);
    return 0;
}

static void assert_as_before(struct guestmem_host_snapshot *before)
{
    struct guestmem_host_snapshot *after = guestmem_host_snapshot(host);

    assert_non_null(after);
    assert_true(guestmem_host_snapshot_same(before, after, stderr));
    guestmem_host_snapshot_free(after);
}

#define RUN_TO(firmware, end_wanted) run_to(firmware, sizeof(firmware), end_wanted)

static void run_to(const uint32_t *firmware, size_t bytes, enum uboot_vmm_end end)
{
    bool clean = end == UBOOT_VMM_POWEROFF || end == UBOOT_VMM_RESET;

    assert_int_equal(create(firmware, bytes), 0);
    assert_int_equal(uboot_vmm_run(&vmm), clean ? 0 : -1);
    assert_int_equal(vmm.end, end);
}

static void every_end_leaves_the_environment_as_it_was(void **state)
{
    struct guestmem_host_snapshot *before = guestmem_host_snapshot(host);

    (void)state;
    for (int lazy = 0; lazy < 2; lazy++) {
        populate = lazy ? GUESTMEM_POPULATE_LAZY : GUESTMEM_POPULATE_EAGER;
        RUN_TO(powers_off, UBOOT_VMM_POWEROFF);
        destroy();
        assert_as_before(before);
        RUN_TO(resets, UBOOT_VMM_RESET);
        destroy();
        assert_as_before(before);
        RUN_TO(wanders, UBOOT_VMM_NOWHERE);
        assert_int_equal(vmm.fault.addr, 0xdead0000);
        assert_int_equal(vmm.fault.pc, 0xdead0000);
        destroy();
        assert_as_before(before);
    }
    guestmem_host_snapshot_free(before);
}

static void firmware_gets_answers_by_hvc(void **state)
{
    uint32_t version = 0;

    (void)state;
    RUN_TO(asks_version, UBOOT_VMM_POWEROFF);
    assert_int_equal(uboot_vmm_read(&vmm, UBOOT_VMM_RAM_BASE, &version, sizeof(version)), 0);
    assert_int_equal(version, 2);
    destroy();
}

static void stores_to_flash_are_dropped_and_noted(void **state)
{
    const struct uboot_vmm_area *flash;
    uint32_t first = 0;

    (void)state;
    RUN_TO(stores, UBOOT_VMM_NOWHERE);
    assert_int_equal(vmm.fault.addr, 0xdead0000);
    assert_false(vmm.fault.is_read);
    flash = uboot_vmm_area_named(&vmm, "flash");
    assert_int_equal(flash->writes, 1);
    assert_int_equal(flash->last_write, 0);
    assert_int_equal(uboot_vmm_read(&vmm, 0, &first, sizeof(first)), 0);
    assert_int_equal(first, stores[0]);
    destroy();
}

/* The VMM's view of every area, whatever backs it. */
static void the_vmm_reads_what_it_wrote(void **state)
{
    unsigned char out[0x3000];
    unsigned char in[0x3000];

    (void)state;
    for (size_t i = 0; i < sizeof(out); i++) {
        out[i] = (unsigned char)(i ^ (i >> 8));
    }
    assert_int_equal(create(powers_off, sizeof(powers_off)), 0);
    for (size_t i = 0; i < vmm.area_count; i++) {
        const struct uboot_vmm_area *area = &vmm.areas[i];
        size_t size = area->size < sizeof(out) ? area->size : sizeof(out);
        uintptr_t at = area->base + area->size - size; /* the end, over frames' borders */
        if (strcmp(area->name, "uart") == 0) {
            assert_int_not_equal(uboot_vmm_read(&vmm, at, in, size), 0);
            continue;
        }
        memset(in, 0, sizeof(in));
        assert_int_equal(uboot_vmm_write(&vmm, at, out, size), 0);
        assert_int_equal(uboot_vmm_read(&vmm, at, in, size), 0);
        assert_memory_equal(in, out, size);
    }
    assert_int_not_equal(uboot_vmm_read(&vmm, UBOOT_VMM_RAM_BASE + RAM_BYTES - 1, in, 2), 0);
    destroy();
}

/* Each request fails in turn, until all of it succeeds. */
static void a_failure_anywhere_leaves_the_environment_as_it_was(void **state)
{
    struct guestmem_host_snapshot *before = guestmem_host_snapshot(host);
    unsigned failures = 0;

    (void)state;
    for (unsigned k = 1;; k++) {
        int err;
        guestmem_host_fail(host, GUESTMEM_HOST_FAIL_ANY, k, false);
        err = create(powers_off, sizeof(powers_off));
        if (!guestmem_host_failed(host, NULL)) {
            assert_int_equal(err, 0);
            break;
        }
        guestmem_host_fail(host, 0, 0, false);
        failures += err != 0 ? 1 : 0;
        assert_true(err == 0 || vmm.error[0] != '\0');
        destroy();
        assert_as_before(before);
    }
    guestmem_host_fail(host, 0, 0, false);
    destroy();
    assert_as_before(before);
    guestmem_host_snapshot_free(before);
    print_message("failure points visited: %u\n", failures);
    assert_true(failures > 100);
}

static void firmware_must_fit(void **state)
{
    (void)state;
    assert_int_equal(create(powers_off, 0), -1);
    assert_non_null(strstr(vmm.error, "firmware of 0 bytes"));
    destroy();
    assert_int_equal(create(powers_off, UBOOT_VMM_FLASH_BYTES + 1), -1);
    assert_non_null(strstr(vmm.error, "the flash holds"));
    destroy();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_end_leaves_the_environment_as_it_was),
        TEST(firmware_gets_answers_by_hvc),
        TEST(stores_to_flash_are_dropped_and_noted),
        TEST(the_vmm_reads_what_it_wrote),
        TEST(a_failure_anywhere_leaves_the_environment_as_it_was),
        TEST(firmware_must_fit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
