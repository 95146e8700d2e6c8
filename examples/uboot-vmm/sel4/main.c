/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The U-Boot VMM as root task: boots the firmware that is linked in, types the script that is, and
 * tells what came of it. The last line begins with "uboot-vmm:".
 */
#include <stdio.h>

#include <guestmem/guestmem.h>
#include <sel4/sel4.h>
#include <utils/util.h>

#include "bringup.h"
#include "crc32.h"
#include "print.h"
#include "script.h"
#include "uboot_vmm.h"

enum { RAM_BYTES = 128 << 20 };

extern const char uboot_image[];
extern const char uboot_image_end[];
extern const char uboot_script[];

static struct uboot_vmm vmm;
static struct uboot_script *script;

/* The port adds a carriage return to each newline; the guest sends both. */
static void put(char byte, void *cookie)
{
    (void)cookie;
    if (byte != '\r') {
        putchar(byte);
    }
}

static void console_put(char byte, void *cookie)
{
    (void)cookie;
    uboot_script_put(byte, script);
}

static int console_get(void *cookie)
{
    (void)cookie;
    return uboot_script_get(script);
}

/* A script that doesn't end with poweroff ends the run when its last line is answered. */
static bool script_is_done(void *cookie)
{
    (void)cookie;
    return uboot_script_done(script);
}

static int make_vm(void)
{
    struct uboot_vmm_config config = {
        .ram_bytes = RAM_BYTES,
        .firmware = uboot_image,
        .firmware_bytes = (size_t)(uboot_image_end - uboot_image),
        .console = {.put = console_put, .get = console_get},
        .stop_asked = script_is_done,
    };
    const char *error = bringup(&config.environment);

    if (error != NULL) {
        printf("uboot-vmm: %s\n", error);
        return -1;
    }
    if (uboot_vmm_create(&vmm, &config) != 0) {
        printf("uboot-vmm: can't make the VM: %s\n", vmm.error);
        return -1;
    }
    return 0;
}

static int open_script(void)
{
    struct uboot_script_config config = {
        .vmm = &vmm, .text = uboot_script, .crc32 = crc32_step, .put = put};
    char error[200];

    script = uboot_script_open(&config, error, sizeof(error));
    if (script == NULL) {
        printf("uboot-vmm: script: %s\n", error);
        return -1;
    }
    return 0;
}

static const char *end_name(void)
{
    static const char *const names[] = {
        [UBOOT_VMM_RUNNING] = "running",
        [UBOOT_VMM_POWEROFF] = "power off",
        [UBOOT_VMM_RESET] = "reset",
        [UBOOT_VMM_STOPPED] = "the end of the script",
        [UBOOT_VMM_NOWHERE] = "an access to nowhere",
        [UBOOT_VMM_EXCEPTION] = "an exception that this VM doesn't know",
        [UBOOT_VMM_FAILED] = "a failure",
    };

    return names[vmm.end];
}

/* Why the guest could go no further, as far as it is known here. */
static void print_fault(void)
{
    char text[200];

    if (vmm.end == UBOOT_VMM_NOWHERE || vmm.end == UBOOT_VMM_EXCEPTION) {
        printf("\nuboot-vmm: pc 0x%zx, address 0x%zx, data 0x%zx\n", (size_t)vmm.fault.pc,
               (size_t)vmm.fault.addr, (size_t)vmm.fault.data);
    } else if (vmm.end == UBOOT_VMM_FAILED) {
        guestmem_failure_text(guestmem_last_failure(&vmm.vm), text, sizeof(text));
        printf("\nuboot-vmm: the memory's last failure: %s\n", text);
    }
}

static void run(void)
{
    char place[400];

    zf_log_set_output_level(ZF_LOG_NONE); /* what ends a run is told below */
    uboot_vmm_run(&vmm);
    uboot_print_checks(script, false);
    uboot_print_map(&vmm, false);
    print_fault();
    uboot_script_place(script, place, sizeof(place));
    printf("\nuboot-vmm: ended by %s, %zu checks failed, script %s\n", end_name(),
           uboot_script_failures(script), uboot_script_over(script) ? "done" : place);
}

int main(void)
{
    if (make_vm() == 0 && open_script() == 0) {
        run();
    }
    uboot_script_close(script);
    uboot_vmm_destroy(&vmm);
    printf("uboot-vmm: the end\n");
    seL4_TCB_Suspend(seL4_CapInitThreadTCB); /* nobody is there to return to */
    return 0;
}
