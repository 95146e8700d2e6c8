/*
 * SPDX-License-Identifier: BSD-2-Clause
 * Copyright 2026 the guestmem authors
 *
 * bench-uboot [FIRMWARE]: U-Boot to its prompt, on bare Unicorn and through the VMM runtime. The two
 * take turns, each run in a process of its own that starts from nothing, so that neither inherits
 * the other's warm memory; both must print the same text. The result is the median of the ratios of
 * neighbouring runs, which leaves out whatever else the machine was doing at the time.
 */
#include "bench_vm.h"
#include "uboot.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PAIRS = 11 };

typedef double (*runner)(const struct uboot_image *, const struct uboot_image *,
                         struct uboot_console *);

/* In memory that is shared with the process of the run. */
struct outcome {
    double seconds;
    struct uboot_console console;
};

static void run_apart(runner run, const struct uboot_image *firmware, const struct uboot_image *dtb,
                      struct outcome *outcome)
{
    int status = 0;
    pid_t child;

    memset(outcome, 0, sizeof(*outcome));
    child = fork();
    bench_require(child >= 0, "fork");
    if (child == 0) {
        outcome->seconds = run(firmware, dtb, &outcome->console);
        _exit(outcome->seconds > 0 ? 0 : 1);
    }
    bench_require(waitpid(child, &status, 0) == child, "wait for the run");
    bench_require(WIFEXITED(status) && WEXITSTATUS(status) == 0, "reach the prompt");
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
    struct outcome *shared = mmap(NULL, 2 * sizeof(*shared), PROT_READ | PROT_WRITE,
                                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    bench_require(shared != MAP_FAILED, "share memory with the runs");
    bench_require(uboot_firmware_load(path, &firmware), "load the firmware");
    bench_require(uboot_devicetree_build(&dtb), "build the device tree");
    for (unsigned i = 0; i < PAIRS; i++) {
        run_apart(uboot_run_bare, &firmware, &dtb, &shared[0]);
        run_apart(uboot_run_vmm, &firmware, &dtb, &shared[1]);
        require_same_output(&shared[0].console, &shared[1].console);
        bare[i] = shared[0].seconds;
        vmm[i] = shared[1].seconds;
        ratios[i] = vmm[i] / bare[i];
    }
    bench_result("uboot_prompt_bare", bench_median(bare, PAIRS), "s");
    bench_result("uboot_prompt_vmm", bench_median(vmm, PAIRS), "s");
    bench_result("uboot_prompt_ratio", bench_median(ratios, PAIRS), "x");
    free(firmware.bytes);
    free(dtb.bytes);
    return 0;
}
