/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * U-Boot's answers, one function a command: what the guest says, against what the VMM sees there.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "script_internal.h"

/* A command's numbers, its bytes per unit, and the row in which the result goes. */
struct question {
    struct uboot_script *script;
    struct uboot_vmm *vmm;
    uint64_t number[SCRIPT_WORDS_MAX];
    size_t count; /* of numbers */
    unsigned width;
    struct uboot_check *check;
};

/* A loop over one range as the VMM sees it, value by value. */
struct values {
    uint64_t (*expect)(void *cookie); /* the value that the next one must be */
    void *cookie;
    unsigned width;
    uint64_t same; /* leading values that are as expected */
    bool differs;
};

static int compare_values(void *bytes, size_t size, void *cookie)
{
    struct values *values = cookie;

    for (size_t at = 0; at + values->width <= size; at += values->width) {
        uint64_t seen = 0;
        memcpy(&seen, (char *)bytes + at, values->width);
        if (seen != values->expect(values->cookie)) {
            values->differs = true;
            return 1;
        }
        values->same++;
    }
    return 0;
}

static bool all_as_expected(struct question *question, uint64_t addr, uint64_t count,
                            uint64_t (*expect)(void *cookie), void *cookie)
{
    struct values values = {.expect = expect, .cookie = cookie, .width = question->width};
    int err;

    if (addr % question->width != 0) {
        snprintf(question->check->vmm, sizeof(question->check->vmm), "unaligned: can't check");
        return false;
    }
    err = uboot_vmm_look(question->vmm, addr, count * question->width, compare_values, &values);

    if (err < 0) {
        snprintf(question->check->vmm, sizeof(question->check->vmm), "%s",
                 question->vmm->look_error);
        return false;
    }
    if (values.differs) {
        addr += values.same * question->width;
        snprintf(question->check->vmm, sizeof(question->check->vmm), "differs at %llx",
                 (unsigned long long)addr);
        return false;
    }
    return true;
}

static void say_bytes(char *text, size_t size, uint64_t bytes, const char *what)
{
    if (bytes >= 1 << 20 && bytes % (1 << 20) == 0) {
        snprintf(text, size, "%llu MiB %s", (unsigned long long)(bytes >> 20), what);
    } else if (bytes >= 1 << 10 && bytes % (1 << 10) == 0) {
        snprintf(text, size, "%llu KiB %s", (unsigned long long)(bytes >> 10), what);
    } else {
        snprintf(text, size, "%llu B %s", (unsigned long long)bytes, what);
    }
}

/* ----------------------------------------------------------------------------------------- mw */

static uint64_t same_value(void *cookie)
{
    return *(uint64_t *)cookie;
}

static bool check_mw(struct question *question)
{
    uint64_t count = question->count > 2 ? question->number[2] : 1;
    uint64_t value = question->number[1];
    uint64_t bytes = count * question->width;

    if (question->width < 8) {
        value &= ((uint64_t)1 << (8 * question->width)) - 1;
    }
    say_bytes(question->check->guest, sizeof(question->check->guest), bytes, "written");
    if (!all_as_expected(question, question->number[0], count, same_value, &value)) {
        return false;
    }
    say_bytes(question->check->vmm, sizeof(question->check->vmm), bytes, "as written");
    return true;
}

/* ---------------------------------------------------------------------------------------- md */

struct dump {
    const char *at; /* in the answer, at a value or behind the last of a line */
    unsigned digits;
    uint64_t addr; /* that the dump must be at */
    unsigned width;
    bool broken;
};

/* Step over a line's end and the next one's address, which must be the right one. */
static void dump_next_line(struct dump *dump)
{
    char *end;
    uint64_t addr;

    if (dump->at[0] == ' ' && dump->at[1] != ' ') {
        return;
    }
    dump->at += strcspn(dump->at, "\n");
    dump->at += *dump->at == '\n' ? 1 : 0;
    addr = strtoull(dump->at, &end, 16);
    dump->broken = dump->broken || addr != dump->addr || *end != ':';
    dump->at = *end == ':' ? end + 1 : end;
}

static uint64_t dumped_value(void *cookie)
{
    struct dump *dump = cookie;
    char *end = NULL;
    uint64_t value;

    dump_next_line(dump);
    value = strtoull(dump->at, &end, 16);
    dump->broken = dump->broken || end != dump->at + 1 + dump->digits;
    dump->at = end;
    dump->addr += dump->width;
    return dump->broken ? ~value : value;
}

static bool check_md(struct question *question)
{
    uint64_t count = question->count > 1 ? question->number[1] : 0x40;
    struct dump dump = {
        .at = question->script->answer,
        .digits = 2 * question->width,
        .addr = question->number[0],
        .width = question->width,
    };

    say_bytes(question->check->guest, sizeof(question->check->guest), count * question->width,
              "shown");
    if (!all_as_expected(question, question->number[0], count, dumped_value, &dump) ||
        dump.broken) {
        return false;
    }
    say_bytes(question->check->vmm, sizeof(question->check->vmm), count * question->width,
              "the same");
    return true;
}

/* ------------------------------------------------------------------------------- cp and cmp */

enum { CHUNK = 1 << 16 };

/* How many leading units of two ranges are the same, as the VMM sees them. -1: not all memory. */
static int64_t same_units(struct question *question, uint64_t a, uint64_t b, uint64_t count)
{
    static unsigned char left[CHUNK], right[CHUNK];
    uint64_t bytes = count * question->width;

    for (uint64_t at = 0; at < bytes; at += CHUNK) {
        size_t here = bytes - at < CHUNK ? (size_t)(bytes - at) : CHUNK;
        if (uboot_vmm_read(question->vmm, a + at, left, here) != 0 ||
            uboot_vmm_read(question->vmm, b + at, right, here) != 0) {
            snprintf(question->check->vmm, sizeof(question->check->vmm), "%s",
                     question->vmm->look_error);
            return -1;
        }
        for (size_t i = 0; i < here; i++) {
            if (left[i] != right[i]) {
                return (int64_t)((at + i) / question->width);
            }
        }
    }
    return (int64_t)count;
}

static bool check_cp(struct question *question)
{
    uint64_t bytes = question->number[2] * question->width;
    int64_t same =
        same_units(question, question->number[0], question->number[1], question->number[2]);

    say_bytes(question->check->guest, sizeof(question->check->guest), bytes, "copied");
    if (same < 0) {
        return false;
    }
    say_bytes(question->check->vmm, sizeof(question->check->vmm), (uint64_t)same * question->width,
              "the same");
    return (uint64_t)same == question->number[2];
}

static bool check_cmp(struct question *question)
{
    const char *total = strstr(question->script->answer, "Total of ");
    int64_t same =
        same_units(question, question->number[0], question->number[1], question->number[2]);
    unsigned long long said = total == NULL ? 0 : strtoull(total + strlen("Total of "), NULL, 10);

    snprintf(question->check->guest, sizeof(question->check->guest), "%llu the same", said);
    if (same < 0) {
        return false;
    }
    snprintf(question->check->vmm, sizeof(question->check->vmm), "%lld the same", (long long)same);
    return total != NULL && said == (unsigned long long)same;
}

/* ------------------------------------------------------------------------------------- crc32 */

struct crc {
    uint32_t (*step)(uint32_t crc, const void *bytes, size_t size);
    uint32_t value;
};

static int crc_piece(void *bytes, size_t size, void *cookie)
{
    struct crc *crc = cookie;

    crc->value = crc->step(crc->value, bytes, size);
    return 0;
}

static bool check_crc32(struct question *question)
{
    const char *arrow = strstr(question->script->answer, "==> ");
    struct crc crc = {.step = question->script->config.crc32};
    char value[9];

    snprintf(question->check->guest, sizeof(question->check->guest), "%.8s",
             arrow == NULL ? "no answer" : arrow + strlen("==> "));
    if (uboot_vmm_look(question->vmm, question->number[0], question->number[1], crc_piece, &crc) !=
        0) {
        snprintf(question->check->vmm, sizeof(question->check->vmm), "%s",
                 question->vmm->look_error);
        return false;
    }
    snprintf(value, sizeof(value), "%08x", (unsigned)crc.value);
    snprintf(question->check->vmm, sizeof(question->check->vmm), "%s", value);
    return arrow != NULL && strcmp(value, question->check->guest) == 0;
}

/* ------------------------------------------------------------------------------------ bdinfo */

static bool bdinfo_value(const char *answer, const char *name, uint64_t *value)
{
    const char *at = strstr(answer, name);

    if (at == NULL) {
        return false;
    }
    at = strstr(at, "0x");
    if (at == NULL) {
        return false;
    }
    *value = strtoull(at, NULL, 16);
    return true;
}

static bool check_bdinfo(struct question *question)
{
    const struct vm_ram_region *region = question->vmm->vm.mem.ram_regions;
    const char *answer = question->script->answer;
    uint64_t start = 0;
    uint64_t size = 0;
    bool found = bdinfo_value(answer, "-> start", &start) && bdinfo_value(answer, "-> size", &size);

    snprintf(question->check->guest, sizeof(question->check->guest), "RAM %llx + %llx",
             (unsigned long long)start, (unsigned long long)size);
    if (question->vmm->vm.mem.num_ram_regions < 1) {
        return false;
    }
    snprintf(question->check->vmm, sizeof(question->check->vmm), "RAM %llx + %llx",
             (unsigned long long)region->start, (unsigned long long)region->size);
    return found && strcmp(question->check->guest, question->check->vmm) == 0;
}

/* ------------------------------------------------------------------------------------------- */

static const struct command {
    const char *name;
    size_t fewest;  /* numbers */
    unsigned width; /* bytes a unit, unless said otherwise */
    bool (*check)(struct question *question);
} commands[] = {
    {"bdinfo", 0, 1, check_bdinfo}, {"cmp", 3, 4, check_cmp}, {"cp", 3, 4, check_cp},
    {"crc32", 2, 1, check_crc32},   {"md", 1, 4, check_md},   {"mw", 2, 4, check_mw},
};

static const struct command *command_named(const char *name)
{
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        if (strcmp(commands[i].name, name) == 0) {
            return &commands[i];
        }
    }
    return NULL;
}

bool script_is_checked(const char *line)
{
    struct script_words words;

    script_words_cut(&words, line);
    return words.count > 0 && command_named(words.word[0]) != NULL;
}

static bool take_numbers(struct question *question, const struct script_words *words, size_t fewest)
{
    for (size_t i = 1; i < words->count; i++) {
        if (!script_number(words->word[i], &question->number[i - 1])) {
            return false;
        }
        question->count++;
    }
    return question->count >= fewest;
}

void script_check_answer(struct uboot_script *script)
{
    const char *unknown = script->answer == NULL ? NULL : strstr(script->answer, "Unknown command");
    struct question question = {.script = script, .vmm = script->config.vmm};
    const struct command *command;
    struct script_words words;

    script_words_cut(&words, script->line);
    command = words.count == 0 ? NULL : command_named(words.word[0]);
    if (command == NULL && unknown == NULL) {
        return;
    }
    question.check = script_check_add(script, script->line);
    if (unknown != NULL || command == NULL) {
        snprintf(question.check->guest, sizeof(question.check->guest), "unknown command");
        script_check_result(script, question.check, false);
        return;
    }
    question.width = words.width != 0 ? words.width : command->width;
    if (!take_numbers(&question, &words, command->fewest)) {
        snprintf(question.check->vmm, sizeof(question.check->vmm), "can't check these arguments");
        script_check_result(script, question.check, false);
        return;
    }
    script_check_result(script, question.check, command->check(&question));
}
