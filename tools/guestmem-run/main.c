/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * guestmem-run: the U-Boot VMM on a Linux host.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <guestmem/guestmem.h>
#include <guestmem/host.h>
#include <guestmem/host_vm.h>
#include <utils/zf_log.h>
#include <zlib.h>

#include "bringup.h"
#include "device_tree.h"
#include "file.h"
#include "options.h"
#include "print.h"
#include "progress.h"
#include "report.h"
#include "script.h"
#include "stop.h"
#include "terminal.h"
#include "trace.h"
#include "uboot_vmm.h"

enum {
    DEVICE_TREE_MOST = 16 << 20,
    SCRIPT_MOST = 1 << 20,
};

/* Everything that a run holds; run_drop() accepts it at any stage. */
struct run {
    struct options options;
    struct file firmware;
    struct file device_tree;
    struct file script_text;
    struct uboot_device_tree tree_info;
    struct trace *trace;
    struct guestmem_host *host;
    struct uboot_vmm vmm;
    bool vmm_made; /* perhaps half */
    struct uboot_script *script;
    uint64_t run_ns;
};

/* ------------------------------------------------------------------------------------- inputs */

static int load_device_tree(struct run *run)
{
    const char *path = run->options.device_tree;
    int status = file_read(&run->device_tree, path, "device tree", DEVICE_TREE_MOST);

    if (status != STATUS_OK) {
        return status;
    }
    if (uboot_device_tree_read(&run->tree_info, run->device_tree.bytes, run->device_tree.size,
                               run->options.ram_bytes) != 0) {
        return complain("device tree %s: %s", path, run->tree_info.error);
    }
    return STATUS_OK;
}

static int load_inputs(struct run *run)
{
    int status =
        file_read(&run->firmware, run->options.firmware, "firmware", UBOOT_VMM_FLASH_BYTES);

    if (status == STATUS_OK && run->options.device_tree != NULL) {
        status = load_device_tree(run);
    }
    if (status == STATUS_OK && run->options.script != NULL) {
        status = file_read(&run->script_text, run->options.script, "script", SCRIPT_MOST);
    }
    return status;
}

/* What the guest can come to use must be there, or it would be killed in the middle. */
static int check_memory(struct options *options)
{
    bool given = options->memory_bytes != 0;
    uint64_t wanted = given ? options->memory_bytes : options->ram_bytes;
    uint64_t available = bringup_available();

    if (wanted > available) {
        return complain("%s: %" PRIu64 " MiB is more than this machine can give (%" PRIu64
                        " MiB)%s",
                        given ? "--memory" : "--ram", wanted >> 20, available >> 20,
                        options->lazy && !given ? "; --memory gives a lazy guest less" : "");
    }
    if (!given) {
        options->memory_bytes = bringup_memory(options->ram_bytes, options->frame_bits);
    }
    return STATUS_OK;
}

static int open_trace(struct run *run)
{
    if (run->options.trace == NULL) {
        return STATUS_OK;
    }
    run->trace = trace_open(run->options.trace);
    if (run->trace == NULL) {
        return complain("trace %s: %s", run->options.trace, strerror(errno));
    }
    return STATUS_OK;
}

/* ------------------------------------------------------------------------------------- the VM */

/* The script's answers to the guest; with nothing more to send, the run is over. */
static int script_get(void *cookie)
{
    struct run *run = cookie;
    int byte = uboot_script_get(run->script);

    if (uboot_script_done(run->script)) {
        stop_ask(STOP_DONE);
    }
    return byte >= 0 ? byte : terminal_get_nothing(NULL);
}

static void script_put(char byte, void *cookie)
{
    uboot_script_put(byte, ((struct run *)cookie)->script);
}

static uint32_t crc32_step(uint32_t crc, const void *bytes, size_t size)
{
    return (uint32_t)crc32_z(crc, bytes, size);
}

static bool stop_is_asked(void *cookie)
{
    (void)cookie;
    return stop_reason() != STOP_NONE;
}

static int set_policy(vm_t *vm, void *cookie)
{
    const struct options *options = cookie;
    struct guestmem_policy policy;

    guestmem_policy_default(&policy);
    policy.frame_bits_max = options->frame_bits;
    policy.populate = options->lazy ? GUESTMEM_POPULATE_LAZY : GUESTMEM_POPULATE_EAGER;
    policy.populate_around_bits = options->around_bits;
    return guestmem_set_policy(vm, &policy);
}

static struct uboot_vmm_console console_of(struct run *run)
{
    struct uboot_vmm_console script = {.put = script_put, .get = script_get, .cookie = run};
    struct uboot_vmm_console terminal = {.put = terminal_put, .get = terminal_get};
    struct uboot_vmm_console silent = {.put = terminal_put, .get = terminal_get_nothing};

    return run->options.script != NULL ? script : run->options.console ? terminal : silent;
}

static int make_vm(struct run *run)
{
    struct uboot_vmm_config config = {
        .ram_bytes = run->options.ram_bytes,
        .firmware = run->firmware.bytes,
        .firmware_bytes = run->firmware.size,
        .device_tree = run->device_tree.bytes,
        .device_tree_bytes = run->tree_info.bytes,
        .absent = run->tree_info.absent,
        .absent_count = run->tree_info.absent_count,
        .console = console_of(run),
        .prepare = set_policy,
        .prepare_cookie = &run->options,
        .progress = progress_step,
        .stop_asked = stop_is_asked,
    };
    int err = bringup(run->options.memory_bytes, run->options.frame_bits, &run->host,
                      &config.environment);

    if (err != 0) {
        complain("can't bring up %" PRIu64 " MiB of memory: %s", run->options.memory_bytes >> 20,
                 strerror(-err));
        return STATUS_FAILED;
    }
    run->vmm_made = true;
    if (uboot_vmm_create(&run->vmm, &config) != 0) {
        progress_end();
        complain("can't make the VM: %s", run->vmm.error);
        return STATUS_FAILED;
    }
    return STATUS_OK;
}

static int open_script(struct run *run)
{
    struct uboot_script_config config = {
        .vmm = &run->vmm,
        .text = run->script_text.bytes,
        .crc32 = crc32_step,
        .put = terminal_put,
    };
    char error[200];

    if (run->options.script == NULL) {
        return STATUS_OK;
    }
    run->script = uboot_script_open(&config, error, sizeof(error));
    if (run->script == NULL) {
        return complain("script %s: %s", run->options.script, error);
    }
    return STATUS_OK;
}

static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

static void halt(void *vm)
{
    guestmem_host_vm_stop(vm);
}

static int run_guest(struct run *run)
{
    uint64_t start = now_ns();

    if (run->options.console) {
        int err = terminal_raw();
        if (err != 0) {
            return complain("can't set the terminal's mode: %s", strerror(err));
        }
        fputs("guestmem-run: Ctrl-A X leaves\r\n", stdout);
    }
    zf_log_set_output_level(ZF_LOG_NONE); /* what ends a run is told by status_of_guest() */
    trace_watch(run->trace, &run->vmm);
    stop_halts_with(halt, &run->vmm.vm);
    uboot_vmm_run(&run->vmm);
    stop_halts_with_nothing();
    run->run_ns = now_ns() - start;
    terminal_end_line();
    terminal_restore();
    return STATUS_OK;
}

/* ------------------------------------------------------------------------------------ the end */

/* Where a script stood when the run ended before it; nothing without one. */
static void complain_of_end(struct run *run, const char *how)
{
    char place[400] = "";

    if (run->script != NULL) {
        uboot_script_place(run->script, place, sizeof(place));
    }
    complain("%s%s%s", how, place[0] == '\0' ? "" : ": ", place);
}

static int status_of_script(struct run *run)
{
    if (run->script == NULL) {
        return STATUS_OK;
    }
    if (!uboot_script_over(run->script)) {
        complain_of_end(run, "the guest ended before the script");
        return STATUS_FAILED;
    }
    return uboot_script_failures(run->script) == 0 ? STATUS_OK : STATUS_FAILED;
}

static int status_of_guest(struct run *run)
{
    switch (run->vmm.end) {
    case UBOOT_VMM_POWEROFF:
    case UBOOT_VMM_RESET:
        return status_of_script(run);
    default:
        report_fault(&run->vmm, run->host, run->options.memory_bytes);
        if (run->script != NULL) {
            complain_of_end(run, "the guest failed");
        }
        return STATUS_FAILED;
    }
}

static int status_of_stop(struct run *run)
{
    char text[80];

    switch (stop_reason()) {
    case STOP_SIGNAL:
        snprintf(text, sizeof(text), "ended by signal %d (%s)", stop_signal(),
                 strsignal(stop_signal()));
        complain_of_end(run, text);
        return STATUS_SIGNAL + stop_signal();
    case STOP_TIMEOUT:
        snprintf(text, sizeof(text), "timeout after %u s", run->options.timeout_s);
        complain_of_end(run, text);
        return STATUS_TIMEOUT;
    case STOP_DONE:
        return status_of_script(run);
    default:
        return STATUS_OK;
    }
}

static void report(struct run *run)
{
    if (run->script != NULL) {
        uboot_print_checks(run->script, terminal_colours());
    }
    if (run->options.map) {
        uboot_print_map(&run->vmm, terminal_colours());
    }
    if (run->options.stats) {
        report_stats(&run->vmm, run->host, run->run_ns);
    }
    terminal_flush();
}

/* Put the VM together, run it, and tell. */
static int run_all(struct run *run)
{
    int status = load_inputs(run);

    if (status != STATUS_OK || (status = check_memory(&run->options)) != STATUS_OK ||
        (status = open_trace(run)) != STATUS_OK) {
        return status;
    }
    stop_install(run->options.timeout_s);
    progress_start();
    status = make_vm(run);
    progress_end();
    if (status != STATUS_OK || (status = open_script(run)) != STATUS_OK) {
        return status;
    }
    if (stop_reason() == STOP_NONE && (status = run_guest(run)) != STATUS_OK) {
        return status;
    }
    report(run);
    return stop_reason() == STOP_NONE ? status_of_guest(run) : status_of_stop(run);
}

static int run_drop(struct run *run, int status)
{
    int trace_error = trace_close(run->trace);

    if (run->vmm_made) {
        uboot_vmm_destroy(&run->vmm);
        guestmem_host_vm_destroy(&run->vmm.vm);
    }
    uboot_script_close(run->script);
    guestmem_host_destroy(run->host);
    file_drop(&run->firmware);
    file_drop(&run->device_tree);
    file_drop(&run->script_text);
    if (trace_error != 0) {
        complain("trace %s: %s", run->options.trace, strerror(trace_error));
        return status == STATUS_OK ? STATUS_FAILED : status;
    }
    return status;
}

/* A reader that went away is nobody's error, but the status says so, as a shell would. */
static int status_of_output(int status)
{
    int error;

    terminal_flush();
    if (terminal_output_works(&error)) {
        return status;
    }
    if (error == EPIPE) {
        return STATUS_SIGNAL + 13;
    }
    complain("standard output: %s", strerror(error));
    return STATUS_FAILED;
}

/* A standard stream that was closed would be the number of the next file opened, guest memory
 * included. Something stands in for it that fails as a closed one does. */
static void occupy_streams(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF) {
            (void)!open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
        }
    }
}

int main(int argc, char **argv)
{
    static struct run run;
    int status;

    occupy_streams();
    if (!options_parse(&run.options, argc, argv, &status)) {
        return status;
    }
    atexit(terminal_restore);
    status = run_all(&run);
    return status_of_output(run_drop(&run, status));
}
