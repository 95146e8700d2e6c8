/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The @ lines of a script: what the VMM does, and what it checks besides the commands' answers.
 */
#include <stdio.h>
#include <string.h>

#include "script_internal.h"

static struct uboot_check *row(struct uboot_script *script, const char *line)
{
    return script_check_add(script, line + 1);
}

static void unfit(struct uboot_script *script, const char *line)
{
    struct uboot_check *check = row(script, line);

    snprintf(check->vmm, sizeof(check->vmm), "can't make sense of this");
    script_check_result(script, check, false);
}

static void done_or_not(struct uboot_script *script, const char *line, int err)
{
    struct uboot_check *check;

    if (err != 0) {
        check = row(script, line);
        snprintf(check->vmm, sizeof(check->vmm), "%s", script->config.vmm->look_error);
        script_check_result(script, check, false);
    }
}

static void do_write(struct uboot_script *script, const char *line)
{
    const char *quote = strchr(line, '"');
    const char *last = quote == NULL ? NULL : strrchr(quote + 1, '"');
    struct script_words words;
    uint64_t addr, value;
    uint32_t word;

    script_words_cut(&words, line);
    // NOLINTNEXTLINE(bugprone-branch-clone) the questions come in this order
    if (words.count < 3 || !script_number(words.word[1], &addr)) {
        unfit(script, line);
    } else if (last != NULL) {
        done_or_not(
            script, line,
            uboot_vmm_write(script->config.vmm, addr, quote + 1, (size_t)(last - quote - 1)));
    } else if (script_number(words.word[2], &value)) {
        word = (uint32_t)value;
        done_or_not(script, line, uboot_vmm_write(script->config.vmm, addr, &word, sizeof(word)));
    } else {
        unfit(script, line);
    }
}

/* Any mixing of offset and seed will do that makes neighbours and pages differ. */
uint32_t script_pattern(uint64_t offset, uint32_t seed)
{
    uint64_t mixed = (offset + seed) * 0x9e3779b97f4a7c15ULL;

    mixed ^= mixed >> 29;
    mixed *= 0xbf58476d1ce4e5b9ULL;
    return (uint32_t)(mixed >> 32);
}

static void do_fill(struct uboot_script *script, const char *line)
{
    uint32_t block[1024];
    struct script_words words;
    uint64_t addr, size, seed;
    int err = 0;

    script_words_cut(&words, line);
    if (words.count < 4 || !script_number(words.word[1], &addr) ||
        !script_number(words.word[2], &size) || !script_number(words.word[3], &seed)) {
        unfit(script, line);
        return;
    }
    for (uint64_t at = 0; at < size && err == 0; at += sizeof(block)) {
        size_t here = size - at < sizeof(block) ? (size_t)(size - at) : sizeof(block);
        for (size_t i = 0; i < sizeof(block) / sizeof(block[0]); i++) {
            block[i] = script_pattern(at + 4 * i, (uint32_t)seed);
        }
        err = uboot_vmm_write(script->config.vmm, addr + at, block, here);
    }
    done_or_not(script, line, err);
}

static void do_read(struct uboot_script *script, const char *line)
{
    struct uboot_check *check;
    struct script_words words;
    uint64_t addr, value;
    uint32_t seen = 0;

    script_words_cut(&words, line);
    if (words.count < 3 || !script_number(words.word[1], &addr) ||
        !script_number(words.word[2], &value)) {
        unfit(script, line);
        return;
    }
    check = row(script, line);
    if (uboot_vmm_read(script->config.vmm, addr, &seen, sizeof(seen)) != 0) {
        snprintf(check->vmm, sizeof(check->vmm), "%s", script->config.vmm->look_error);
        script_check_result(script, check, false);
        return;
    }
    snprintf(check->vmm, sizeof(check->vmm), "%08x", (unsigned)seen);
    script_check_result(script, check, seen == value);
}

static void do_trapped(struct uboot_script *script, const char *line)
{
    const struct uboot_vmm_area *area;
    struct uboot_check *check;
    struct script_words words;
    uint64_t addr, value;

    script_words_cut(&words, line);
    if (words.count < 3 || !script_number(words.word[1], &addr) ||
        !script_number(words.word[2], &value)) {
        unfit(script, line);
        return;
    }
    check = row(script, line);
    area = uboot_vmm_area_at(script->config.vmm, addr);
    if (area == NULL || area->writes == 0) {
        snprintf(check->vmm, sizeof(check->vmm), "no write has trapped");
        script_check_result(script, check, false);
        return;
    }
    snprintf(check->vmm, sizeof(check->vmm), "%08x to %llx", (unsigned)area->last_data,
             (unsigned long long)area->last_write);
    script_check_result(script, check,
                        area->last_write == addr && (uint32_t)area->last_data == (uint32_t)value);
}

/* ----------------------------------------------------------------------------- plain text ones */

static const char *argument(const char *line)
{
    line += strcspn(line, " \t");
    return line + strspn(line, " \t");
}

static void do_expect(struct uboot_script *script, const char *line)
{
    struct uboot_check *check = row(script, line);
    bool found = script->answer != NULL && strstr(script->answer, argument(line)) != NULL;

    snprintf(check->guest, sizeof(check->guest), "%s", found ? "said so" : "didn't say so");
    script_check_result(script, check, found);
}

static void do_send(struct uboot_script *script, const char *line)
{
    script_send(script, argument(line), true);
}

static void do_until(struct uboot_script *script, const char *line)
{
    snprintf(script->until, sizeof(script->until), "%s ", argument(line));
}

static void do_title(struct uboot_script *script, const char *line)
{
    struct uboot_check *check = script_check_add(script, argument(line));

    check->is_title = true;
    check->passed = true;
}

static const struct directive {
    const char *name;
    void (*run)(struct uboot_script *script, const char *line);
} directives[] = {
    {"@expect", do_expect}, {"@fill", do_fill},       {"@read", do_read},   {"@title", do_title},
    {"@send", do_send},     {"@trapped", do_trapped}, {"@until", do_until}, {"@write", do_write},
};

static const struct directive *directive_of(const char *line)
{
    size_t length = strcspn(line, " \t");

    for (size_t i = 0; i < sizeof(directives) / sizeof(directives[0]); i++) {
        if (strlen(directives[i].name) == length &&
            strncmp(directives[i].name, line, length) == 0) {
            return &directives[i];
        }
    }
    return NULL;
}

bool script_directive_known(const char *line)
{
    return directive_of(line) != NULL && argument(line)[0] != '\0';
}

void script_directive(struct uboot_script *script, const char *line)
{
    const struct directive *directive = directive_of(line);

    if (directive == NULL) {
        unfit(script, line);
        return;
    }
    directive->run(script, line);
}
