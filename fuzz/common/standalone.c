/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * A fuzz target without a fuzzer: each argument is an input, a folder of them, or a list (*.hex):
 * an input a line, in hexadecimal.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fuzz.h"

static void give_up(const char *path, const char *why)
{
    fprintf(stderr, "%s: %s\n", path, why);
    exit(2);
}

static unsigned long run_file(const char *path, size_t size)
{
    uint8_t *bytes = malloc(size > 0 ? size : 1); /* no more: a read behind it is to be seen */
    FILE *file = fopen(path, "rb");

    if (bytes == NULL || file == NULL) {
        give_up(path, "can't be read");
    }
    if (fread(bytes, 1, size, file) != size) {
        give_up(path, "is shorter than it was");
    }
    fclose(file);
    LLVMFuzzerTestOneInput(bytes, size);
    free(bytes);
    return 1;
}

static unsigned digit(char c)
{
    return c <= '9' ? (unsigned)(c - '0') : (unsigned)(c - 'a' + 10);
}

/* No more is allocated than the input has: a read behind it is to be seen. */
static void run_line(const char *path, const char *line)
{
    size_t length = strspn(line, "0123456789abcdef");
    uint8_t *bytes = malloc(length > 1 ? length / 2 : 1);

    if (bytes == NULL || line[length] != '\n' || length % 2 != 0) {
        give_up(path, "has a line that is no input");
    }
    for (size_t i = 0; i < length / 2; i++) {
        bytes[i] = (uint8_t)(digit(line[2 * i]) << 4 | digit(line[2 * i + 1]));
    }
    LLVMFuzzerTestOneInput(bytes, length / 2);
    free(bytes);
}

static unsigned long run_list(const char *path)
{
    FILE *file = fopen(path, "r");
    unsigned long inputs = 0;
    char *line = NULL;
    size_t room = 0;

    if (file == NULL) {
        give_up(path, "can't be read");
    }
    while (getline(&line, &room, file) >= 0) {
        run_line(path, line);
        inputs++;
    }
    free(line);
    fclose(file);
    return inputs;
}

static bool is_list(const char *path)
{
    const char *dot = strrchr(path, '.');

    return dot != NULL && strcmp(dot, ".hex") == 0;
}

static unsigned long run(const char *path);

static unsigned long run_folder(const char *path)
{
    struct dirent **entries;
    int count = scandir(path, &entries, NULL, alphasort);
    unsigned long inputs = 0;

    if (count < 0) {
        give_up(path, "can't be read");
    }
    for (int i = 0; i < count; i++) {
        char inside[4096];

        snprintf(inside, sizeof(inside), "%s/%s", path, entries[i]->d_name);
        if (entries[i]->d_name[0] != '.') {
            inputs += run(inside);
        }
        free(entries[i]);
    }
    free(entries);
    return inputs;
}

static unsigned long run(const char *path)
{
    struct stat info;

    if (stat(path, &info) != 0) {
        give_up(path, "can't be read");
    }
    if (S_ISDIR(info.st_mode)) {
        return run_folder(path);
    }
    return is_list(path) ? run_list(path) : run_file(path, (size_t)info.st_size);
}

int main(int argc, char **argv)
{
    unsigned long inputs = 0;

    for (int i = 1; i < argc; i++) {
        inputs += run(argv[i]);
    }
    printf("%lu inputs\n", inputs);
    if (inputs == 0) {
        fprintf(stderr, "usage: %s INPUT|LIST.hex|FOLDER...\n", argv[0]);
        return 2;
    }
    return 0;
}
