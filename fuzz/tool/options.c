/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The command line: whatever is accepted is in bounds.
 */
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "options.h"
#include "tool.h"

enum { WORDS = 12, WORD_MAX = 24 };

/* What users type, or nearly; or anything. */
static char *choose_word(struct fuzz_input *input, char *word)
{
    static const char *const words[] = {
        "--ram", "--frame-size", "--populate", "--around",  "--memory", "--timeout", "--script",
        "--dtb", "--firmware",   "--trace",    "--map",     "--stats",  "--console", "lazy",
        "eager", "2M",           "4K",         "1G",        "64K",      "-c",        "-r",
        "128M",  "16777216",     "0x1000000",  "99999999T", "-1"};
    unsigned choice = fuzz_byte(input);
    size_t length;

    if (choice < 0xe0) {
        return strcpy(word, words[choice % (sizeof(words) / sizeof(words[0]))]);
    }
    length = choice & 15;
    for (size_t i = 0; i < length; i++) {
        word[i] = (char)fuzz_byte(input);
    }
    word[length] = '\0';
    return word;
}

static void check(const struct options *options)
{
    FUZZ_CHECK(options->firmware != NULL);
    FUZZ_CHECK(options->ram_bytes > 0 && options->ram_bytes % 4096 == 0);
    FUZZ_CHECK(options->memory_bytes % 4096 == 0);
    FUZZ_CHECK(options->memory_bytes == 0 || (options->lazy && options->memory_bytes >= 16 << 20));
    FUZZ_CHECK(options->frame_bits == 12 || options->frame_bits == 21 || options->frame_bits == 30);
    FUZZ_CHECK(options->around_bits == 0 ||
               (options->lazy && options->around_bits >= 12 && options->around_bits <= 30));
    FUZZ_CHECK(options->timeout_s <= 1000000);
    FUZZ_CHECK(options->script == NULL || (options->timeout_s > 0 && !options->console));
}

/* Complaints and help go nowhere. */
static int silence(int fd)
{
    int kept = dup(fd);
    int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);

    FUZZ_CHECK(kept >= 0 && nowhere >= 0);
    fflush(NULL);
    dup2(nowhere, fd);
    close(nowhere);
    return kept;
}

static void speak(int fd, int kept)
{
    fflush(NULL);
    dup2(kept, fd);
    close(kept);
}

void fuzz_options(struct fuzz_input *input)
{
    static char words[WORDS][WORD_MAX];
    char *arguments[WORDS + 2] = {(char[]){"guestmem-run"}};
    struct options options;
    int count = 1;
    int status = -1;
    int out;
    int err;
    bool goes_on;

    while (fuzz_more(input) && count <= WORDS) {
        arguments[count] = choose_word(input, words[count - 1]);
        count++;
    }
    arguments[count] = NULL;
    out = silence(STDOUT_FILENO);
    err = silence(STDERR_FILENO);
    optind = 0; /* from the start */
    goes_on = options_parse(&options, count, arguments, &status);
    speak(STDOUT_FILENO, out);
    speak(STDERR_FILENO, err);
    if (goes_on) {
        FUZZ_CHECK_EQ(status, STATUS_OK);
        check(&options);
    } else {
        FUZZ_CHECK(status == STATUS_OK || status == STATUS_USAGE);
    }
}
