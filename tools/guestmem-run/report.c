/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "report.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <guestmem/guestmem.h>
#include <guestmem/host_vm.h>

#include "print.h"
#include "terminal.h"

/* --------------------------------------------------------------------------------- statistics */

static void row(const char *name, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void row(const char *name, const char *format, ...)
{
    va_list args;

    printf("  %-26s  ", name);
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    putchar('\n');
}

static double mib(uint64_t bytes)
{
    return (double)bytes / (1 << 20);
}

static uint64_t bytes_of(const size_t frames[GUESTMEM_SIZE_COUNT])
{
    return ((uint64_t)frames[0] << 12) + ((uint64_t)frames[1] << 21) + ((uint64_t)frames[2] << 30);
}

void report_stats(struct uboot_vmm *vmm, struct guestmem_host *host, uint64_t run_ns)
{
    struct guestmem_host_counts counts;
    struct guestmem_stats stats;
    char frames[64];

    uboot_print_heading("Statistics", terminal_colours());
    if (guestmem_get_stats(&vmm->vm, &stats) != GUESTMEM_OK) {
        return;
    }
    guestmem_host_count(host, &counts);
    uboot_say_frames(frames, sizeof(frames), stats.frames);
    row("frames in the guest", "%s", frames);
    row("memory in them", "%.1f MiB", mib(bytes_of(stats.frames)));
    uboot_say_frames(frames, sizeof(frames), stats.alias_frames);
    row("of them seen by the VMM", "%s", frames);
    uboot_say_frames(frames, sizeof(frames), stats.fallbacks);
    row("fallbacks to smaller", "%s", frames);
    row("reservations", "%zu", stats.reservations);
    row("cap slots", "%zu", stats.slots);
    row("untypeds", "%zu", stats.untypeds);
    row("stage-2 tables", "%zu", stats.tables);
    row("book-keeping", "%zu bytes", stats.bytes);
    row("guest faults",
        "%" PRIu64 " (%" PRIu64 " populated, %" PRIu64 " without memory, %" PRIu64 " unhandled)",
        stats.faults, stats.faults_populated, stats.faults_failed, stats.faults_unhandled);
    row("frames beside an access", "%" PRIu64, stats.frames_around);
    row("kernel invocations",
        "%" PRIu64 " (%" PRIu64 " maps, %" PRIu64 " retypes, %" PRIu64 " copies)",
        counts.invocations, counts.maps, counts.retypes, counts.copies);
    row("guest ran", "%.2f s", (double)run_ns / 1e9);
}

/* -------------------------------------------------------------------------------------- fault */

struct around {
    struct uboot_vmm *vmm;
    uintptr_t addr;
    struct guestmem_map_entry below;
    struct guestmem_map_entry above;
    bool has_below;
    bool has_above;
};

static int visit_around(const struct guestmem_map_entry *entry, void *cookie)
{
    struct around *around = cookie;

    if (entry->base > around->addr) {
        around->above = *entry;
        around->has_above = true;
        return 1;
    }
    around->below = *entry;
    around->has_below = true;
    return 0;
}

static void report_around(struct uboot_vmm *vmm, uintptr_t addr)
{
    struct around around = {.vmm = vmm, .addr = addr};

    guestmem_walk(&vmm->vm, visit_around, &around);
    uboot_print_map_heading(stderr);
    if (around.has_below) {
        uboot_print_map_entry(stderr, vmm, &around.below);
    }
    if (!around.has_below || addr - around.below.base >= around.below.size) {
        fprintf(stderr, "  0x%010" PRIxPTR "  <- nothing here\n", addr);
    }
    if (around.has_above) {
        uboot_print_map_entry(stderr, vmm, &around.above);
    }
}

static void report_nowhere(const struct uboot_vmm_event *fault)
{
    if (fault->pc == fault->addr) {
        fprintf(stderr, "guestmem-run: the guest jumped to nowhere: pc 0x%" PRIxPTR "\n",
                fault->pc);
    } else {
        fprintf(stderr,
                "guestmem-run: the guest %s nowhere: pc 0x%" PRIxPTR ", address 0x%" PRIxPTR
                ", %zu bytes\n",
                fault->is_read ? "read" : "wrote", fault->pc, fault->addr, fault->size);
    }
}

static bool is_access(const struct guestmem_host_vm_exit *end)
{
    return end->reason == GUESTMEM_HOST_VM_ACCESS || end->reason == GUESTMEM_HOST_VM_POPULATE;
}

static int visit_ram(const struct guestmem_map_entry *entry, void *cookie)
{
    *(uint64_t *)cookie += entry->kind == GUESTMEM_KIND_RAM ? bytes_of(entry->frames) : 0;
    return 0;
}

static void report_shortage(struct uboot_vmm *vmm, struct guestmem_host *host,
                            uint64_t memory_bytes)
{
    struct guestmem_host_counts counts;
    uint64_t ram = 0;

    guestmem_walk(&vmm->vm, visit_ram, &ram);
    guestmem_host_count(host, &counts);
    fprintf(stderr,
            "guestmem-run: %.1f MiB of the guest's %.1f MiB of RAM are populated; of %.1f MiB of "
            "memory %.1f MiB are free\n"
            "guestmem-run: give it more memory (--memory), or have it use less (--ram, "
            "--frame-size 4K)\n",
            mib(ram), mib(vmm->config.ram_bytes), mib(memory_bytes), mib(counts.free_bytes));
}

void report_fault(struct uboot_vmm *vmm, struct guestmem_host *host, uint64_t memory_bytes)
{
    const struct uboot_vmm_event *fault = &vmm->fault;
    struct guestmem_host_vm_exit end;
    char text[200];

    if (vmm->end == UBOOT_VMM_NOWHERE) {
        report_nowhere(fault);
        report_around(vmm, fault->addr);
    } else if (vmm->end == UBOOT_VMM_EXCEPTION) {
        fprintf(stderr,
                "guestmem-run: the guest did what this VM doesn't have: pc 0x%" PRIxPTR
                ", syndrome 0x%" PRIx64 "\n",
                fault->pc, (uint64_t)fault->data);
        report_around(vmm, fault->pc);
    } else {
        guestmem_host_vm_get_exit(&vmm->vm, &end);
        guestmem_host_vm_exit_text(&end, text, sizeof(text));
        fprintf(stderr, "guestmem-run: %s\n", text);
        if (end.reason == GUESTMEM_HOST_VM_POPULATE) {
            report_shortage(vmm, host, memory_bytes);
        }
        report_around(vmm, is_access(&end) ? end.address : end.pc);
    }
}
