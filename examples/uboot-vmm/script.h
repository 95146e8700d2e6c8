/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * A script typed at U-Boot's prompt, each answer checked against the VMM's own view of guest
 * memory.
 *
 * A line is a U-Boot command. `{name}` in it stands for the start of the area of that name (see
 * uboot_vmm.h), in hexadecimal; `{name.mid}`, `{name.end}`, `{name.size}` and `{name+1000}`,
 * `{name.end-1000}` for what they say. The answers of bdinfo, cmp, cp, crc32, md and mw are checked
 * without being asked for. Lines that begin with # are comments, and with @ are for the VMM:
 *
 *   @write ADDR "TEXT"       the VMM writes the text there
 *   @write ADDR VALUE        the VMM writes 32 bits there
 *   @fill ADDR SIZE SEED     the VMM fills the range with numbers that look random
 *   @read ADDR VALUE         the VMM reads 32 bits there: they must be VALUE
 *   @trapped ADDR VALUE      the guest's last write that trapped must have been this one
 *   @expect TEXT             the last answer must contain the text
 *   @send LINE               a command whose answer isn't checked
 *   @until TEXT              the next line's answer ends with TEXT instead of the prompt
 *   @title TEXT              a heading for the checks that follow
 *
 * Numbers are hexadecimal, as at the prompt.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "uboot_vmm.h"

/* One thing that was checked. */
struct uboot_check {
    unsigned line; /* of the script */
    bool is_title; /* a heading, nothing checked */
    bool passed;
    char what[72];  /* the command */
    char guest[40]; /* what the guest answered, */
    char vmm[40];   /* and what the VMM sees */
};

struct uboot_script_config {
    struct uboot_vmm *vmm;
    const char *text; /* zero-terminated; stays the caller's, and alive */
    uint32_t (*crc32)(uint32_t crc, const void *bytes, size_t size);
    void *console_cookie;
    void (*put)(char byte, void *console_cookie); /* the guest's output, as it comes */
};

struct uboot_script;

/* Read through the script. NULL: a sentence is in `error`. */
struct uboot_script *uboot_script_open(const struct uboot_script_config *config, char *error,
                                       size_t error_size);
void uboot_script_close(struct uboot_script *script);

/* The serial line's other end: cookie is the script. */
void uboot_script_put(char byte, void *cookie);
int uboot_script_get(void *cookie);

/* All lines are sent, answered and checked. */
bool uboot_script_done(const struct uboot_script *script);
/* The same, or the last line is out, and the guest is off: after a poweroff there is no prompt. */
bool uboot_script_over(const struct uboot_script *script);

/* What it waits for, as a sentence: the place in the script. */
void uboot_script_place(const struct uboot_script *script, char *text, size_t size);

const struct uboot_check *uboot_script_checks(const struct uboot_script *script, size_t *count);
size_t uboot_script_failures(const struct uboot_script *script);
