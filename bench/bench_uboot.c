/*
 * SPDX-License-Identifier: BSD-2-Clause
 * Copyright 2026 the guestmem authors
 *
 * bench-uboot [FIRMWARE]: U-Boot to its prompt, on bare Unicorn and through the VMM runtime. The
 * two take turns, each run in a process of its own that starts from nothing, so that neither
 * inherits the other's warm memory; both must print the same text. The result is the median of the
 * ratios of neighbouring runs, which leaves out whatever else the machine was doing at the time.
 */
#include "bench_vm.h"
#include "uboot.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PAIRS = 11 };

struct outcome {
    const struct uboot_image *firmware;
    const struct uboot_image *dtb;
    double seconds;
    struct uboot_console console;
};

static void run_bare(void *shared)
{
    struct outcome *outcome = shared;

    outcome->seconds = uboot_run_bare(outcome->firmware, outcome->dtb, &outcome->console);
}

static void run_vmm(void *shared)
{
    struct outcome *outcome = shared;

    outcome->seconds = uboot_run_vmm(outcome->firmware, outcome->dtb, &outcome->console);
}

static double time_to_prompt(void (*run)(void *), struct outcome *outcome)
{
    memset(&outcome->console, 0, sizeof(outcome->console));
    bench_run_apart(run, outcome);
    bench_require(outcome->seconds > 0, "reach the prompt");
    return outcome->seconds;
}

static void require_same_output(const struct uboot_console *bare, const struct uboot_console *vmm)
{
    if (bare->length == vmm->length && memcmp(bare->output, vmm->output, bare->length) == 0) {
        return;
    }
    fprintf(stderr, "bare Unicorn printed:\n%.*s\nthe VMM's guest printed:\n%.*s\n",
            (int)bare->length, bare->output, (int)vmm->length, vmm->output);
    bench_require(false, "print the same on both sides");
}

int main(int argc, char **argv)
{
    const char *path = argc > 1 ? argv[1] : "/usr/lib/u-boot/qemu_arm64/u-boot.bin";
    struct uboot_image firmware;
    struct uboot_image dtb;
    double ratios[PAIRS], bare[PAIRS], vmm[PAIRS];
    struct outcome *outcome = bench_share(2 * sizeof(*outcome));

    bench_require(uboot_firmware_load(path, &firmware), "load the firmware");
    bench_require(uboot_devicetree_build(&dtb), "build the device tree");
    outcome[0] = outcome[1] = (struct outcome){.firmware = &firmware, .dtb = &dtb};
    for (unsigned i = 0; i < PAIRS; i++) {
        bare[i] = time_to_prompt(run_bare, &outcome[0]);
        vmm[i] = time_to_prompt(run_vmm, &outcome[1]);
        require_same_output(&outcome[0].console, &outcome[1].console);
        ratios[i] = vmm[i] / bare[i];
    }
    bench_result("uboot_prompt_bare", bench_median(bare, PAIRS), "s");
    bench_result("uboot_prompt_vmm", bench_median(vmm, PAIRS), "s");
    bench_result("uboot_prompt_ratio", bench_median(ratios, PAIRS), "x");
    free(firmware.bytes);
    free(dtb.bytes);
    return 0;
}
