/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bringup.h"

#ifndef GUESTMEM_VERSION
#define GUESTMEM_VERSION "0"
#endif

static const char default_firmware[] = "/usr/lib/u-boot/qemu_arm64/u-boot.bin";

enum {
    DEFAULT_RAM = 128 << 20,
    DEFAULT_SCRIPT_TIMEOUT = 120,
    PAGE = 4096,
};

enum option_code {
    OPTION_FIRMWARE = 'f',
    OPTION_RAM = 'r',
    OPTION_DTB = 'd',
    OPTION_SCRIPT = 's',
    OPTION_CONSOLE = 'c',
    OPTION_HELP = 'h',
    OPTION_VERSION = 'V',
    OPTION_FRAME_SIZE = 256,
    OPTION_POPULATE,
    OPTION_AROUND,
    OPTION_MEMORY,
    OPTION_TRACE,
    OPTION_MAP,
    OPTION_STATS,
    OPTION_TIMEOUT,
};

static const char help[] =
    "Usage: guestmem-run [OPTION]...\n"
    "Run firmware in a VM whose memory guestmem manages; U-Boot for 64-bit Arm by default.\n"
    "\n"
    "  -f, --firmware FILE     image, placed in flash at 0 (default: Debian's u-boot-qemu)\n"
    "  -r, --ram SIZE          RAM at 0x40000000, such as 512M or 2G (default 128M)\n"
    "  -d, --dtb FILE          device tree for the guest (default: one that describes the VM);\n"
    "                          devices in it that the VM doesn't have read as all ones\n"
    "  -s, --script FILE       type FILE's lines at the prompt, and check each answer\n"
    "  -c, --console           be the guest's terminal; Ctrl-A X leaves (default on a terminal)\n"
    "      --frame-size SIZE   largest frame: auto, 4K, 2M or 1G (default auto: 2M)\n"
    "      --populate WHEN     eager or lazy (default eager)\n"
    "      --around SIZE       with lazy: what surrounds an access comes too, such as 64K\n"
    "      --memory SIZE       with lazy: memory for the guest, less than its RAM, such as 64M\n"
    "      --trace FILE        write each guest access that faults as a trace event (JSON)\n"
    "      --map               print the memory map at the end\n"
    "      --stats             print statistics at the end\n"
    "      --timeout SECONDS   give up after that (default: 120 with --script, else never)\n"
    "  -h, --help              show this\n"
    "  -V, --version           show the version\n"
    "\n"
    "Exit status: 0 all went well, 1 the guest or a check failed, 2 bad option or file,\n"
    "124 timeout, 128 + N ended by signal N (130: Ctrl-C), 141 nobody reads the output.\n";

static const struct option long_options[] = {
    {"firmware", required_argument, NULL, OPTION_FIRMWARE},
    {"ram", required_argument, NULL, OPTION_RAM},
    {"dtb", required_argument, NULL, OPTION_DTB},
    {"script", required_argument, NULL, OPTION_SCRIPT},
    {"console", no_argument, NULL, OPTION_CONSOLE},
    {"frame-size", required_argument, NULL, OPTION_FRAME_SIZE},
    {"populate", required_argument, NULL, OPTION_POPULATE},
    {"around", required_argument, NULL, OPTION_AROUND},
    {"memory", required_argument, NULL, OPTION_MEMORY},
    {"trace", required_argument, NULL, OPTION_TRACE},
    {"map", no_argument, NULL, OPTION_MAP},
    {"stats", no_argument, NULL, OPTION_STATS},
    {"timeout", required_argument, NULL, OPTION_TIMEOUT},
    {"help", no_argument, NULL, OPTION_HELP},
    {"version", no_argument, NULL, OPTION_VERSION},
    {NULL, 0, NULL, 0},
};

int complain(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    fputs("guestmem-run: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    return STATUS_USAGE;
}

/* A number with an optional K, M, G or T behind it. */
static bool parse_size(const char *text, uint64_t *size)
{
    static const char units[] = "KMGT";
    char *end;
    unsigned shift = 0;
    const char *unit;

    errno = 0;
    *size = strtoull(text, &end, 0);
    if (end == text || errno != 0 || strchr(text, '-') != NULL) {
        return false;
    }
    if (*end != '\0') {
        unit = strchr(units, *end >= 'a' ? *end - 'a' + 'A' : *end);
        if (unit == NULL || end[1] != '\0') {
            return false;
        }
        shift = 10 * (unsigned)(unit - units + 1);
    }
    if (*size > UINT64_MAX >> shift) {
        return false;
    }
    *size <<= shift;
    return true;
}

static int set_ram(struct options *options, const char *text)
{
    if (!parse_size(text, &options->ram_bytes)) {
        return complain("--ram %s: not a size; 128M, 2G or 134217728 are", text);
    }
    if (options->ram_bytes == 0) {
        return complain("--ram %s: a guest needs some RAM", text);
    }
    if (options->ram_bytes % PAGE != 0) {
        return complain("--ram %s: not a multiple of 4K", text);
    }
    return STATUS_OK;
}

static int set_frame_size(struct options *options, const char *text)
{
    static const struct {
        const char *name;
        unsigned bits;
    } sizes[] = {{"auto", 21}, {"4K", 12}, {"2M", 21}, {"1G", 30}};

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        if (strcasecmp(text, sizes[i].name) == 0) {
            options->frame_bits = sizes[i].bits;
            return STATUS_OK;
        }
    }
    return complain("--frame-size %s: auto, 4K, 2M or 1G", text);
}

static int set_populate(struct options *options, const char *text)
{
    options->lazy = strcmp(text, "lazy") == 0;
    if (!options->lazy && strcmp(text, "eager") != 0) {
        return complain("--populate %s: eager or lazy", text);
    }
    return STATUS_OK;
}

static int set_around(struct options *options, const char *text)
{
    uint64_t size;

    if (!parse_size(text, &size) || size < PAGE || size > 1 << 30 || (size & (size - 1)) != 0) {
        return complain("--around %s: a power of two from 4K to 1G", text);
    }
    options->around_bits = (unsigned)__builtin_ctzll(size);
    return STATUS_OK;
}

static int set_memory(struct options *options, const char *text)
{
    if (!parse_size(text, &options->memory_bytes) || options->memory_bytes % PAGE != 0) {
        return complain("--memory %s: not a size that is a multiple of 4K", text);
    }
    if (options->memory_bytes < BRINGUP_MEMORY_LEAST) {
        return complain("--memory %s: a guest needs %d MiB at least", text,
                        BRINGUP_MEMORY_LEAST >> 20);
    }
    return STATUS_OK;
}

static int set_timeout(struct options *options, const char *text)
{
    char *end;
    unsigned long seconds;

    errno = 0;
    seconds = strtoul(text, &end, 10);
    if (end == text || *end != '\0' || errno != 0 || text[0] == '-' || seconds == 0 ||
        seconds > 1000000) {
        return complain("--timeout %s: not a number of seconds from 1 to 1000000", text);
    }
    options->timeout_s = (unsigned)seconds;
    return STATUS_OK;
}

static int set_option(struct options *options, int code)
{
    switch (code) {
    case OPTION_FIRMWARE:
        options->firmware = optarg;
        return STATUS_OK;
    case OPTION_RAM:
        return set_ram(options, optarg);
    case OPTION_DTB:
        options->device_tree = optarg;
        return STATUS_OK;
    case OPTION_SCRIPT:
        options->script = optarg;
        return STATUS_OK;
    case OPTION_CONSOLE:
        options->console = true;
        return STATUS_OK;
    case OPTION_FRAME_SIZE:
        return set_frame_size(options, optarg);
    case OPTION_POPULATE:
        return set_populate(options, optarg);
    case OPTION_AROUND:
        return set_around(options, optarg);
    case OPTION_MEMORY:
        return set_memory(options, optarg);
    case OPTION_TRACE:
        options->trace = optarg;
        return STATUS_OK;
    case OPTION_MAP:
        options->map = true;
        return STATUS_OK;
    case OPTION_STATS:
        options->stats = true;
        return STATUS_OK;
    case OPTION_TIMEOUT:
        return set_timeout(options, optarg);
    default: /* getopt has said what is wrong */
        fputs("Try 'guestmem-run --help'.\n", stderr);
        return STATUS_USAGE;
    }
}

/* What can only be said once all options are known. */
static int settle(struct options *options)
{
    bool terminal = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);

    if (options->script != NULL && options->console) {
        return complain("--script and --console: one of them");
    }
    if (!options->lazy && (options->around_bits != 0 || options->memory_bytes != 0)) {
        return complain("%s: needs --populate lazy",
                        options->around_bits != 0 ? "--around" : "--memory");
    }
    if (options->console && !terminal) {
        return complain("--console: standard input and output must be a terminal");
    }
    if (options->script == NULL) {
        options->console = terminal;
    } else if (options->timeout_s == 0) {
        options->timeout_s = DEFAULT_SCRIPT_TIMEOUT;
    }
    return STATUS_OK;
}

static bool print_and_end(const char *text, int *status)
{
    *status = STATUS_OK;
    if (fputs(text, stdout) == EOF || fflush(stdout) != 0) {
        complain("standard output: %s", strerror(errno));
        *status = STATUS_FAILED;
    }
    return false;
}

bool options_parse(struct options *options, int argc, char **argv, int *status)
{
    int code;

    *options = (struct options){
        .firmware = default_firmware,
        .ram_bytes = DEFAULT_RAM,
        .frame_bits = 21,
    };
    while ((code = getopt_long(argc, argv, "f:r:d:s:chV", long_options, NULL)) != -1) {
        if (code == OPTION_HELP) {
            return print_and_end(help, status);
        }
        if (code == OPTION_VERSION) {
            return print_and_end("guestmem-run " GUESTMEM_VERSION "\n", status);
        }
        *status = set_option(options, code);
        if (*status != STATUS_OK) {
            return false;
        }
    }
    if (optind < argc) {
        *status = complain("%s: an argument that isn't an option", argv[optind]);
        return false;
    }
    *status = settle(options);
    return *status == STATUS_OK;
}
