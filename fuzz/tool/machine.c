/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The tool's VMM, with firmware, a device tree and scripts that nobody would give it. The guest
 * doesn't run: the input plays it at the serial line.
 */
#include <stdlib.h>
#include <string.h>

#include <guestmem/guestmem.h>
#include <guestmem/host_vm.h>
#include <utils/util.h>
#include <zlib.h>

#include "bringup.h"
#include "device_tree.h"
#include "script.h"
#include "tool.h"

static struct guestmem_host *host;
static struct uboot_vmm_environment environment;
static struct guestmem_host_counts at_rest;

/* ------------------------------------------------------------------------------- the machine */

static void swallow(char byte, void *cookie)
{
    (void)byte;
    (void)cookie;
}

static int say_nothing(void *cookie)
{
    (void)cookie;
    return -1;
}

static int set_lazy(vm_t *vm, void *cookie)
{
    struct guestmem_policy policy;

    (void)cookie;
    guestmem_policy_default(&policy);
    policy.populate = GUESTMEM_POPULATE_LAZY;
    return guestmem_set_policy(vm, &policy);
}

static void open_once(void)
{
    if (host == NULL) {
        zf_log_set_output_level(ZF_LOG_NONE);
        FUZZ_CHECK_EQ(bringup(bringup_memory(MACHINE_RAM, 21), 21, &host, &environment), 0);
        guestmem_host_count(host, &at_rest);
    }
}

bool machine_begin(struct uboot_vmm *vmm, struct uboot_vmm_config *config)
{
    open_once();
    config->environment = environment;
    config->ram_bytes = MACHINE_RAM;
    config->console = (struct uboot_vmm_console){.put = swallow, .get = say_nothing};
    config->prepare = set_lazy;
    return uboot_vmm_create(vmm, config) == 0;
}

void machine_end(struct uboot_vmm *vmm)
{
    struct guestmem_host_counts now;

    uboot_vmm_destroy(vmm);
    FUZZ_CHECK_EQ(guestmem_host_vm_destroy(&vmm->vm), 0);
    guestmem_host_count(host, &now);
    FUZZ_CHECK_EQ(now.slots_used, at_rest.slots_used);
    FUZZ_CHECK_EQ(now.frames_4k + now.frames_2m, at_rest.frames_4k + at_rest.frames_2m);
    FUZZ_CHECK_EQ(now.tables + now.other_objects, at_rest.tables + at_rest.other_objects);
    FUZZ_CHECK_EQ(now.vmm_mappings, at_rest.vmm_mappings);
    FUZZ_CHECK_EQ(now.vmm_reserved_bytes, at_rest.vmm_reserved_bytes);
    FUZZ_CHECK_EQ(now.malloc_bytes, at_rest.malloc_bytes);
    FUZZ_CHECK_EQ(now.free_bytes, at_rest.free_bytes);
}

/* ------------------------------------------------------------------------------- firmware */

enum { FIRMWARE_MAX = 5 * 4096, TREE_ROOM = 4096, ABSENT = 8 };

/* Devices anywhere, in ascending order and disjoint, as a tree is read. */
static size_t choose_absent(struct fuzz_input *input, struct uboot_vmm_range *absent)
{
    size_t count = fuzz_byte(input) % (ABSENT + 1);
    uintptr_t at = 0;

    for (size_t i = 0; i < count; i++) {
        at += (uintptr_t)fuzz_byte(input) << (fuzz_byte(input) % 24);
        absent[i] =
            (struct uboot_vmm_range){at, 1 + ((size_t)fuzz_byte(input) << (fuzz_byte(input) % 22))};
        at += absent[i].size;
    }
    return count;
}

/* The firmware is in the flash, zeroes behind it, and the tree at the start of RAM. */
static void check_loaded(struct uboot_vmm *vmm, const struct uboot_vmm_config *config)
{
    static uint8_t seen[FIRMWARE_MAX + 4096];
    size_t whole = (config->firmware_bytes + 4095) & ~(size_t)4095;

    FUZZ_CHECK_EQ(uboot_vmm_read(vmm, 0, seen, whole), 0);
    FUZZ_CHECK(memcmp(seen, config->firmware, config->firmware_bytes) == 0);
    for (size_t i = config->firmware_bytes; i < whole; i++) {
        FUZZ_CHECK(seen[i] == 0);
    }
    FUZZ_CHECK_EQ(uboot_vmm_read(vmm, whole, seen, 1), -1);
    if (config->device_tree != NULL) {
        FUZZ_CHECK_EQ(uboot_vmm_read(vmm, UBOOT_VMM_RAM_BASE, seen, config->device_tree_bytes), 0);
        FUZZ_CHECK(memcmp(seen, config->device_tree, config->device_tree_bytes) == 0);
    }
}

/* Every byte of a device that isn't there is claimed, by it or by what is there. */
static void check_absent(struct uboot_vmm *vmm, const struct uboot_vmm_config *config)
{
    for (size_t i = 0; i < config->absent_count; i++) {
        const struct uboot_vmm_range *range = &config->absent[i];

        FUZZ_CHECK(guestmem_reservation_at(&vmm->vm, range->base) != NULL);
        FUZZ_CHECK(guestmem_reservation_at(&vmm->vm, range->base + range->size / 2) != NULL);
        FUZZ_CHECK(guestmem_reservation_at(&vmm->vm, range->base + (range->size - 1)) != NULL);
    }
}

void fuzz_firmware(struct fuzz_input *input)
{
    static uint8_t firmware[FIRMWARE_MAX];
    struct uboot_vmm_range absent[ABSENT];
    size_t stretch = 1 + fuzz_below(input, 64);
    struct uboot_vmm_config config = {.firmware = firmware, .absent = absent};
    static struct uboot_vmm vmm;
    bool fits;

    config.absent_count = choose_absent(input, absent);
    if (fuzz_flag(input)) {
        config.device_tree = input->at;
        config.device_tree_bytes = input->left;
    }
    config.firmware_bytes = input->left * stretch % (FIRMWARE_MAX + 1);
    for (size_t i = 0; i < config.firmware_bytes; i++) {
        firmware[i] = input->at[i % input->left];
    }
    fits =
        config.firmware_bytes > 0 && (config.device_tree == NULL || config.device_tree_bytes > 0);
    if (machine_begin(&vmm, &config)) {
        FUZZ_CHECK(fits);
        check_loaded(&vmm, &config);
        check_absent(&vmm, &config);
    } else {
        FUZZ_CHECK(!fits);
        FUZZ_CHECK(vmm.error[0] != '\0');
    }
    machine_end(&vmm);
}

/* --------------------------------------------------------------------------------- scripts */

static uint32_t crc32_step(uint32_t crc, const void *bytes, size_t size)
{
    return (uint32_t)crc32_z(crc, bytes, size);
}

/* Up to the next byte 0xff: the input is the script, and then the guest's answers. */
static char *take_text(struct fuzz_input *input)
{
    const uint8_t *end = memchr(input->at, 0xff, input->left);
    size_t length = end == NULL ? input->left : (size_t)(end - input->at);
    char *text = malloc(length + 1);

    FUZZ_CHECK(text != NULL);
    memcpy(text, input->at, length);
    text[length] = '\0';
    input->at += length + (end != NULL);
    input->left -= length + (end != NULL);
    return text;
}

static void say(struct uboot_script *script, const char *text)
{
    for (; *text != '\0'; text++) {
        uboot_script_put(*text, script);
    }
}

/* Say something, take what the script types, echo it, say the next. */
static void converse(struct uboot_script *script, struct fuzz_input *input)
{
    unsigned lines = 0;

    say(script, "\n=> ");
    while (!uboot_script_done(script) && lines++ < 64) {
        char *answer = take_text(input);
        int byte;

        while ((byte = uboot_script_get(script)) >= 0) {
            uboot_script_put((char)byte, script);
        }
        say(script, "\n");
        say(script, answer);
        say(script, "\n=> ");
        free(answer);
    }
}

static void check_results(const struct uboot_script *script)
{
    size_t failures = 0;
    size_t count;
    const struct uboot_check *checks = uboot_script_checks(script, &count);
    char place[200];

    for (size_t i = 0; i < count; i++) {
        failures += !checks[i].passed;
        FUZZ_CHECK(checks[i].what[sizeof(checks[i].what) - 1] == '\0');
        FUZZ_CHECK(checks[i].guest[sizeof(checks[i].guest) - 1] == '\0');
        FUZZ_CHECK(checks[i].vmm[sizeof(checks[i].vmm) - 1] == '\0');
    }
    FUZZ_CHECK_EQ(uboot_script_failures(script), failures);
    uboot_script_place(script, place, sizeof(place));
}

/* A script that can't be read is refused with a sentence. */
static void run_script(struct uboot_vmm *vmm, const char *text, struct fuzz_input *input)
{
    struct uboot_script_config config = {
        .vmm = vmm, .text = text, .crc32 = crc32_step, .put = swallow};
    char error[160] = "";
    struct uboot_script *script = uboot_script_open(&config, error, sizeof(error));

    if (script == NULL) {
        FUZZ_CHECK(error[0] != '\0');
        return;
    }
    converse(script, input);
    check_results(script);
    uboot_script_close(script);
}

void fuzz_script(struct fuzz_input *input)
{
    static const uint8_t firmware[4] = {1, 2, 3, 4};
    static struct uboot_vmm vmm;
    struct uboot_vmm_config config = {.firmware = firmware, .firmware_bytes = sizeof(firmware)};
    char *text = take_text(input);

    FUZZ_CHECK(machine_begin(&vmm, &config));
    run_script(&vmm, text, input);
    machine_end(&vmm);
    free(text);
}
