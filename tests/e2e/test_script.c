/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The script engine against a guest that lies: each kind of check must fail for a wrong answer, and
 * for memory that isn't as the guest says. The guest, and the VMM's view, are played here.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <zlib.h>

#include "script.h"

/* ---------------------------------------------------------------------------- the VMM, played */

enum { BASE = 0x40000000, BYTES = 0x10000 };

static unsigned char memory[BYTES];
static struct uboot_vmm vmm;
static struct vm_ram_region region;

struct uboot_vmm_area *uboot_vmm_area_at(struct uboot_vmm *of, uintptr_t gpa)
{
    return gpa - BASE < BYTES ? &of->areas[0] : NULL;
}

struct uboot_vmm_area *uboot_vmm_area_named(struct uboot_vmm *of, const char *name)
{
    return strcmp(name, "ram") == 0 ? &of->areas[0] : NULL;
}

/* In odd pieces, as frames of several sizes would give. */
int uboot_vmm_look(struct uboot_vmm *of, uintptr_t gpa, size_t size, uboot_vmm_piece_fn piece,
                   void *cookie)
{
    if (gpa < BASE || gpa - BASE > BYTES || size > BYTES - (gpa - BASE)) {
        of->look_error = "not memory of this VM";
        return -1;
    }
    while (size > 0) {
        size_t here = 0x1000 - (gpa & 0xfff);
        int err;
        here = here > size ? size : here;
        err = piece(memory + (gpa - BASE), here, cookie);
        if (err != 0) {
            return err;
        }
        gpa += here;
        size -= here;
    }
    return 0;
}

int uboot_vmm_read(struct uboot_vmm *of, uintptr_t gpa, void *bytes, size_t size)
{
    if (gpa < BASE || gpa - BASE > BYTES || size > BYTES - (gpa - BASE)) {
        of->look_error = "not memory of this VM";
        return -1;
    }
    memcpy(bytes, memory + (gpa - BASE), size);
    return 0;
}

int uboot_vmm_write(struct uboot_vmm *of, uintptr_t gpa, const void *bytes, size_t size)
{
    if (gpa < BASE || gpa - BASE > BYTES || size > BYTES - (gpa - BASE)) {
        of->look_error = "not memory of this VM";
        return -1;
    }
    memcpy(memory + (gpa - BASE), bytes, size);
    return 0;
}

/* -------------------------------------------------------------------------- the guest, played */

static struct uboot_script *script;
static char said[4096]; /* what the script typed */

static void swallow(char byte, void *cookie)
{
    (void)byte;
    (void)cookie;
}

static uint32_t crc32_step(uint32_t crc, const void *bytes, size_t size)
{
    return (uint32_t)crc32_z(crc, bytes, size);
}

static void say(const char *text)
{
    while (*text != '\0') {
        uboot_script_put(*text++, script);
    }
}

/* Take a typed line and echo it. False: nothing was typed. */
static bool hear(void)
{
    int byte = uboot_script_get(script);
    char echo[2] = "";

    if (byte < 0) {
        return false;
    }
    for (; byte >= 0 && byte != '\r'; byte = uboot_script_get(script)) {
        echo[0] = (char)byte;
        strncat(said, echo, sizeof(said) - strlen(said) - 1);
        say(echo);
    }
    strncat(said, "|", sizeof(said) - strlen(said) - 1);
    say("\r\n");
    return true;
}

static void start(const char *text)
{
    struct uboot_script_config config = {
        .vmm = &vmm, .text = text, .crc32 = crc32_step, .put = swallow};
    char error[200];

    said[0] = '\0';
    script = uboot_script_open(&config, error, sizeof(error));
    assert_non_null(script);
    say("U-Boot\r\nHit any key to stop autoboot");
    assert_true(hear());
    assert_string_equal(said, "|");
    said[0] = '\0';
    say("=> ");
}

/* Give the guest's answer to each line in turn; NULL ends them. The script must be done then. */
static void answer(const char *const answers[])
{
    for (; *answers != NULL; answers++) {
        assert_true(hear());
        say(*answers);
        say("=> ");
    }
    assert_false(hear());
    assert_true(uboot_script_done(script));
}

/* A script of one command, one answer: whether the check passes. */
static bool passes(const char *text, const char *guest_says)
{
    const char *answers[] = {guest_says, NULL};
    size_t count;
    bool passed;

    start(text);
    answer(answers);
    passed = uboot_script_checks(script, &count)[0].passed;
    assert_int_equal(count, 1);
    assert_int_equal(uboot_script_failures(script), passed ? 0 : 1);
    uboot_script_close(script);
    return passed;
}

static int set_up(void **state)
{
    (void)state;
    memset(&vmm, 0, sizeof(vmm));
    vmm.areas[0] = (struct uboot_vmm_area){.name = "ram", .base = BASE, .size = BYTES};
    region = (struct vm_ram_region){.start = BASE, .size = BYTES};
    vmm.vm.mem.ram_regions = &region;
    vmm.vm.mem.num_ram_regions = 1;
    for (size_t i = 0; i < BYTES; i++) {
        memory[i] = (unsigned char)(i * 7 + i / 256);
    }
    return 0;
}

/* --------------------------------------------------------------------------------- the checks */

static void crc32_must_be_what_the_vmm_computes(void **state)
{
    char text[64];

    (void)state;
    snprintf(text, sizeof(text), "crc32 for 40000010 ... ==> %08lx\r\n",
             crc32_z(0, memory + 16, 0x2345));
    assert_true(passes("crc32 40000010 2345", text));
    memory[0x10 + 0x2344] ^= 1;
    assert_false(passes("crc32 40000010 2345", text));
    assert_false(passes("crc32 40000010 2345", "nonsense\r\n"));
    assert_false(passes("crc32 50000000 10", text));
    assert_false(passes("crc32 wrong words", text));
}

static void md_must_show_what_the_vmm_sees(void **state)
{
    static const char whole[] =
        "40000000: 150e0700 312a231c 4d463f38 69625b54  ......#*18?FMT[b\r\n"
        "40000010: 857e7770                             pw~.\r\n";
    char text[sizeof(whole)];

    (void)state;
    assert_true(passes("md.l 40000000 5", whole));
    for (size_t i = 0; i < sizeof(whole); i++) {
        bool shown = (i >= 10 && i < 45 && whole[i] != ' ') || (i >= 75 && i < 83);
        memcpy(text, whole, sizeof(text));
        text[i] = whole[i] == '0' ? '1' : '0';
        if (shown) {
            assert_false(passes("md.l 40000000 5", text));
        }
    }
    assert_false(passes("md.l 40000000 6", whole));
    assert_false(passes("md.l 40000010 1", whole));
    assert_false(passes("md.l 40000000 5", ""));
    assert_true(passes("md.w 40000002 2", "40000002: 150e 231c                        ..#.\r\n") ==
                (memory[3] == 0x15 && memory[5] == 0x23));
    assert_true(passes("md.b 40000fff 2", "40000fff: 08 10                            ..\r\n") ==
                (memory[0xfff] == 0x08 && memory[0x1000] == 0x10));
}

static void mw_must_have_written(void **state)
{
    (void)state;
    memset(memory + 0x1ff0, 0x5a, 0x20);
    assert_true(passes("mw.l 40001ff0 5a5a5a5a 8", ""));
    assert_true(passes("mw.b 40001ff0 15a 20", "")); /* U-Boot takes the low byte */
    assert_false(passes("mw.l 40001ff0 5a5a5a5a 9", ""));
    assert_false(passes("mw.q 40001ff0 5a5a5a5a 1", ""));
    assert_false(passes("mw.l 40001ff1 5a5a5a5a 1", ""));
    assert_false(passes("mw.l 40001ff0", ""));
}

static void cp_and_cmp_must_agree_with_the_vmm(void **state)
{
    (void)state;
    memcpy(memory + 0x8000, memory + 0x100, 0x1000);
    assert_true(passes("cp.l 40000100 40008000 400", ""));
    assert_true(passes("cmp.l 40000100 40008000 400", "Total of 1024 word(s) were the same\r\n"));
    memory[0x8000 + 0x801] ^= 1;
    assert_false(passes("cp.l 40000100 40008000 400", ""));
    assert_false(passes("cmp.l 40000100 40008000 400", "Total of 1024 word(s) were the same\r\n"));
    assert_true(passes("cmp.l 40000100 40008000 400", "word at 0x40000900 != word at 0x40008800\r\n"
                                                      "Total of 512 word(s) were the same\r\n"));
    assert_false(passes("cmp.l 40000100 40008000 400", "\r\n"));
}

static void bdinfo_must_tell_the_ram(void **state)
{
    (void)state;
    assert_true(passes("bdinfo", "-> start    = 0x0000000040000000\r\n"
                                 "-> size     = 0x0000000000010000\r\n"));
    assert_false(passes("bdinfo", "-> start    = 0x0000000040000000\r\n"
                                  "-> size     = 0x0000000000020000\r\n"));
    assert_false(passes("bdinfo", "-> start    = 0x0000000040000000\r\n"));
    assert_false(passes("bdinfo", ""));
}

static void unknown_commands_fail(void **state)
{
    (void)state;
    assert_false(passes("frobnicate", "Unknown command 'frobnicate' - try 'help'\r\n"));
    assert_false(passes("mw.l 40000000 1", "Unknown command 'mw' - try 'help'\r\n"));
}

static void directives_check_and_do(void **state)
{
    static const char text[] = "# a comment\n"
                               "@title A title\n"
                               "@write 40000100 \"two words\"\n"
                               "@write {ram+200} cafe0001\n"
                               "@fill 40001000 1003 7\n"
                               "version\n"
                               "  @expect U-Boot 2\n"
                               "@expect not said\n"
                               "@read {ram+200} cafe0001\n"
                               "@read {ram.end-4} 1\n"
                               "@trapped 40000004 5\n";
    const char *answers[] = {"U-Boot 2023.01\r\n", NULL};
    static const bool wanted[] = {true, true, false, true, false, true};
    const struct uboot_check *checks;
    size_t count;
    unsigned char behind = memory[0x1000 + 0x1003];

    (void)state;
    vmm.areas[0].writes = 1;
    vmm.areas[0].last_write = 0x40000004;
    vmm.areas[0].last_data = 5;
    start(text);
    answer(answers);
    checks = uboot_script_checks(script, &count);
    assert_int_equal(count, 6);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(checks[i].passed, wanted[i]);
    }
    assert_true(checks[0].is_title);
    assert_memory_equal(memory + 0x100, "two words", 9);
    assert_int_equal(memory[0x1000 + 0x1003], behind);
    assert_int_not_equal(memcmp(memory + 0x1000, memory + 0x1800, 0x800), 0);
    assert_int_equal(uboot_script_failures(script), 2);
    uboot_script_close(script);
}

static void a_trapped_write_must_be_the_one(void **state)
{
    (void)state;
    vmm.areas[0].writes = 1;
    vmm.areas[0].last_write = 0x40000004;
    vmm.areas[0].last_data = 5;
    assert_false(passes("version\n@trapped 40000008 5", ""));
    assert_false(passes("version\n@trapped 40000004 6", ""));
    vmm.areas[0].writes = 0;
    assert_false(passes("version\n@trapped 40000004 5", ""));
}

static void names_stand_for_addresses(void **state)
{
    const char *answers[] = {"", NULL};

    (void)state;
    start("echo {ram} {ram.end} {ram.mid+10} {ram.size} {ram-1000}\n");
    answer(answers);
    assert_string_equal(said, "echo 40000000 40010000 40008010 10000 3ffff000|");
    uboot_script_close(script);
}

static void until_waits_for_another_prompt(void **state)
{
    (void)state;
    start("@until ?\nnm.l 40000000\n@until ?\n5\n@send q\n");
    assert_true(hear());
    say("40000000: 00000000 ? ");
    assert_true(hear());
    say("40000000: 00000005 ? ");
    assert_true(hear());
    assert_false(uboot_script_done(script));
    say("=> ");
    assert_string_equal(said, "nm.l 40000000|5|q|");
    assert_true(uboot_script_done(script));
    uboot_script_close(script);
}

static void a_last_line_may_end_the_guest(void **state)
{
    char place[400];

    (void)state;
    start("version\npoweroff\n# the end\n\n");
    assert_true(hear());
    assert_false(uboot_script_over(script));
    uboot_script_place(script, place, sizeof(place));
    assert_string_equal(place, "no answer to line 1: version");
    say("=> ");
    assert_true(hear());
    assert_true(uboot_script_over(script));
    assert_false(uboot_script_done(script));
    uboot_script_close(script);
}

static void a_last_line_that_is_to_be_checked_may_not(void **state)
{
    (void)state;
    start("md.l ffffffff00000000 1\n");
    assert_true(hear());
    assert_false(uboot_script_over(script)); /* a guest that ends now has crashed */
    uboot_script_close(script);
}

static void what_is_wrong_is_told_with_its_line(void **state)
{
    static const struct {
        const char *text;
        const char *error;
    } cases[] = {
        {"version\nmd {nowhere}\n", "line 2: "},
        {"md {ram\n", "line 1: "},
        {"md {ram.half}\n", "line 1: "},
        {"md {ram+zz}\n", "line 1: "},
        {"\n\n@frob\n", "line 3: "},
        {"@expect\n", "line 1: "},
        {"# nothing\n\n", "no line"},
        {"", "no line"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct uboot_script_config config = {.vmm = &vmm, .text = cases[i].text, .put = swallow};
        char error[200] = "";
        assert_null(uboot_script_open(&config, error, sizeof(error)));
        assert_memory_equal(error, cases[i].error, strlen(cases[i].error));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(crc32_must_be_what_the_vmm_computes, set_up),
        cmocka_unit_test_setup(md_must_show_what_the_vmm_sees, set_up),
        cmocka_unit_test_setup(mw_must_have_written, set_up),
        cmocka_unit_test_setup(cp_and_cmp_must_agree_with_the_vmm, set_up),
        cmocka_unit_test_setup(bdinfo_must_tell_the_ram, set_up),
        cmocka_unit_test_setup(unknown_commands_fail, set_up),
        cmocka_unit_test_setup(directives_check_and_do, set_up),
        cmocka_unit_test_setup(a_trapped_write_must_be_the_one, set_up),
        cmocka_unit_test_setup(names_stand_for_addresses, set_up),
        cmocka_unit_test_setup(until_waits_for_another_prompt, set_up),
        cmocka_unit_test_setup(a_last_line_may_end_the_guest, set_up),
        cmocka_unit_test_setup(a_last_line_that_is_to_be_checked_may_not, set_up),
        cmocka_unit_test_setup(what_is_wrong_is_told_with_its_line, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
