/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "terminal.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "stop.h"

/* --------------------------------------------------------------------------------------- mode */

static struct termios saved_mode;
static struct termios raw_mode;
static volatile sig_atomic_t is_raw;

int terminal_raw(void)
{
    if (tcgetattr(STDIN_FILENO, &saved_mode) != 0) {
        return errno;
    }
    raw_mode = saved_mode;
    cfmakeraw(&raw_mode);
    is_raw = 1;
    if (tcsetattr(STDIN_FILENO, TCSAFLUSH, &raw_mode) != 0) {
        is_raw = 0;
        return errno;
    }
    return 0;
}

void terminal_restore(void)
{
    if (is_raw) {
        is_raw = 0;
        tcsetattr(STDIN_FILENO, TCSADRAIN, &saved_mode);
    }
}

void terminal_again(void)
{
    if (is_raw) {
        tcsetattr(STDIN_FILENO, TCSADRAIN, &raw_mode);
    }
}

bool terminal_colours(void)
{
    const char *term = getenv("TERM");
    const char *no_colour = getenv("NO_COLOR");

    return isatty(STDOUT_FILENO) && (no_colour == NULL || no_colour[0] == '\0') && term != NULL &&
           strcmp(term, "dumb") != 0;
}

/* ------------------------------------------------------------------------------ a guest at rest */

/*
 * A guest at its prompt asks for input and does nothing else; one that works asks now and then.
 * Many questions in little time are the former: wait for input, rather than answer millions of
 * them.
 */
enum {
    QUESTIONS = 64,
    QUESTIONS_NS = 2000000,
    WAIT_MS = 10,
};

static bool guest_only_asks(bool start_again)
{
    static unsigned questions;
    static uint64_t first_ns;
    struct timespec now;
    uint64_t now_ns;

    if (start_again) {
        questions = 0;
        return false;
    }
    clock_gettime(CLOCK_MONOTONIC, &now);
    now_ns = (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
    if (questions == 0 || now_ns - first_ns > QUESTIONS_NS) {
        questions = 0;
        first_ns = now_ns;
    }
    if (++questions < QUESTIONS) {
        return false;
    }
    questions = 0;
    return true;
}

/* ------------------------------------------------------------------------------------- output */

static int output_error;
static char last_put = '\n';

bool terminal_output_works(int *error)
{
    if (error != NULL) {
        *error = output_error;
    }
    return output_error == 0;
}

void terminal_flush(void)
{
    if (output_error == 0 && fflush(stdout) != 0) {
        output_error = errno;
        stop_ask(STOP_OUTPUT);
    }
}

void terminal_put(char byte, void *cookie)
{
    (void)cookie;
    guest_only_asks(true);
    last_put = byte;
    if (output_error == 0 && putchar(byte) == EOF) {
        output_error = errno;
        stop_ask(STOP_OUTPUT);
    }
    if (byte == '\n') {
        terminal_flush();
    }
}

void terminal_end_line(void)
{
    if (last_put != '\n') {
        fputs(is_raw ? "\r\n" : "\n", stdout);
        last_put = '\n';
    }
    terminal_flush();
}

/* -------------------------------------------------------------------------------------- input */

/* The next byte typed, or -1. */
static int read_byte(void)
{
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    unsigned char byte;
    ssize_t got;

    if (poll(&input, 1, guest_only_asks(false) ? WAIT_MS : 0) <= 0) {
        return -1;
    }
    got = read(STDIN_FILENO, &byte, 1);
    if (got == 0 || (got < 0 && errno != EINTR && errno != EAGAIN)) {
        stop_ask(STOP_LEFT); /* the terminal is gone */
    }
    guest_only_asks(true);
    return got == 1 ? byte : -1;
}

enum { CTRL_A = 1 };

int terminal_get(void *cookie)
{
    static bool escaped;
    int byte;

    (void)cookie;
    terminal_flush();
    byte = read_byte();
    if (byte == CTRL_A && !escaped) {
        escaped = true;
        return -1;
    }
    if (byte < 0 || !escaped) {
        return byte;
    }
    escaped = false;
    if (byte == 'x' || byte == 'X') {
        stop_ask(STOP_LEFT);
        return -1;
    }
    if (byte == 'a' || byte == CTRL_A) {
        return CTRL_A;
    }
    fputs("\r\nCtrl-A X leaves, Ctrl-A A sends Ctrl-A\r\n", stdout);
    return -1;
}

int terminal_get_nothing(void *cookie)
{
    (void)cookie;
    terminal_flush();
    if (guest_only_asks(false)) {
        poll(NULL, 0, WAIT_MS);
    }
    return -1;
}
