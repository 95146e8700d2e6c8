/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * guestmem-run on a terminal: a user types at U-Boot's prompt, and the terminal is as it was after
 * every way out. RUN in the environment is the program.
 */
#include <poll.h>
#include <pty.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>
#include <utmp.h>

#include <cmocka.h>

enum { WAIT_S = 60 };

/* A program on a terminal of its own; we sit at the other end. */
struct session {
    int terminal;
    int held; /* the program's end, held open so that its mode can be looked at afterwards */
    pid_t child;
    struct termios before;
    char seen[1 << 16];
    size_t seen_bytes;
};

static struct session session;

static void start(const char *const arguments[])
{
    memset(&session, 0, sizeof(session));
    assert_int_equal(openpty(&session.terminal, &session.held, NULL, NULL, NULL), 0);
    assert_int_equal(tcgetattr(session.held, &session.before), 0);
    session.child = fork();
    assert_true(session.child >= 0);
    if (session.child == 0) {
        close(session.terminal);
        login_tty(session.held);
        setenv("TERM", "xterm", 1);
        execv(getenv("RUN"), (char *const *)arguments);
        _exit(127);
    }
}

/* Read until the text has come; false after a minute, or when the other end is gone. */
static bool see(const char *text)
{
    time_t end = time(NULL) + WAIT_S;
    struct pollfd from = {.fd = session.terminal, .events = POLLIN};

    while (strstr(session.seen, text) == NULL) {
        ssize_t got;
        if (time(NULL) > end || session.seen_bytes + 1 >= sizeof(session.seen)) {
            print_error("no '%s' in: %s\n", text, session.seen);
            return false;
        }
        if (poll(&from, 1, 100) <= 0) {
            continue;
        }
        got = read(session.terminal, session.seen + session.seen_bytes,
                   sizeof(session.seen) - session.seen_bytes - 1);
        if (got <= 0) {
            print_error("gone before '%s': %s\n", text, session.seen);
            return false;
        }
        session.seen_bytes += (size_t)got;
        session.seen[session.seen_bytes] = '\0';
    }
    return true;
}

static void forget(void)
{
    session.seen_bytes = 0;
    session.seen[0] = '\0';
}

static void type(const char *text)
{
    forget();
    assert_int_equal(write(session.terminal, text, strlen(text)), (ssize_t)strlen(text));
}

/* Wait for the end, and read on meanwhile, so that nobody waits for us. Returns the wait status. */
static int finish(void)
{
    time_t end = time(NULL) + WAIT_S;
    int status = 0;

    while (waitpid(session.child, &status, WNOHANG) == 0) {
        struct pollfd from = {.fd = session.terminal, .events = POLLIN};
        if (time(NULL) > end) {
            kill(session.child, SIGKILL);
            fail_msg("it didn't end: %s", session.seen);
        }
        if (poll(&from, 1, 20) > 0 && session.seen_bytes + 1 < sizeof(session.seen)) {
            ssize_t got = read(session.terminal, session.seen + session.seen_bytes,
                               sizeof(session.seen) - session.seen_bytes - 1);
            session.seen_bytes += got > 0 ? (size_t)got : 0;
            session.seen[session.seen_bytes] = '\0';
        }
    }
    return status;
}

static bool is_raw(void)
{
    struct termios now;

    assert_int_equal(tcgetattr(session.held, &now), 0);
    return (now.c_lflag & (ICANON | ECHO | ISIG)) == 0;
}

static void assert_restored(void)
{
    struct termios now;

    assert_int_equal(tcgetattr(session.held, &now), 0);
    assert_int_equal(now.c_iflag, session.before.c_iflag);
    assert_int_equal(now.c_oflag, session.before.c_oflag);
    assert_int_equal(now.c_lflag, session.before.c_lflag);
    assert_int_equal(now.c_cflag, session.before.c_cflag);
    close(session.terminal);
    close(session.held);
}

static void assert_ends_with(int status)
{
    int got = finish();

    assert_true(WIFEXITED(got));
    assert_int_equal(WEXITSTATUS(got), status);
    assert_restored();
}

static void start_at_prompt(const char *const arguments[])
{
    start(arguments);
    assert_true(see("autoboot"));
    type("\r");
    assert_true(see("=> "));
    assert_true(is_raw());
}

static const char *const console[] = {"guestmem-run", "--console", NULL};

static void typing_reaches_the_guest_and_ctrl_a_x_leaves(void **state)
{
    (void)state;
    start_at_prompt(console);
    type("crc32 0 0\r"); /* nothing: its CRC is 0 */
    assert_true(see("==> 00000000"));
    type("\x01x");
    assert_ends_with(0);
}

static void ctrl_c_goes_to_the_guest(void **state)
{
    (void)state;
    start_at_prompt(console);
    type("sleep 1000\r");
    assert_true(see("sleep 1000\r\n"));
    type("\x03");
    assert_true(see("=> "));
    type("\x01X");
    assert_ends_with(0);
}

static void ctrl_a_a_types_ctrl_a_and_others_help(void **state)
{
    (void)state;
    start_at_prompt(console);
    type("ersion\x01"
         "av\r"); /* U-Boot's line editor: Ctrl-A goes to the start of the line */
    assert_true(see("U-Boot 20"));
    type("\x01h");
    assert_true(see("Ctrl-A X leaves"));
    type("\x01x");
    assert_ends_with(0);
}

static void poweroff_ends_it(void **state)
{
    (void)state;
    start_at_prompt(console);
    type("poweroff\r");
    assert_ends_with(0);
}

static void a_terminal_is_a_console_unasked(void **state)
{
    const char *plain[] = {"guestmem-run", NULL};

    (void)state;
    start_at_prompt(plain);
    type("\x01x");
    assert_ends_with(0);
}

static void assert_signal_ends_with(int number)
{
    start_at_prompt(console);
    assert_int_equal(kill(session.child, number), 0);
    assert_ends_with(128 + number);
    assert_non_null(strstr(session.seen, "ended by signal"));
}

static void signals_leave_the_terminal_as_it_was(void **state)
{
    (void)state;
    assert_signal_ends_with(SIGINT);
    assert_signal_ends_with(SIGTERM);
    assert_signal_ends_with(SIGHUP);
    assert_signal_ends_with(SIGQUIT);
}

static void assert_crash_restores(int number)
{
    int status;

    start_at_prompt(console);
    assert_int_equal(kill(session.child, number), 0);
    status = finish();
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), number);
    assert_restored();
}

static void an_abort_leaves_the_terminal_as_it_was(void **state)
{
    (void)state;
    assert_crash_restores(SIGABRT);
}

static void a_crash_leaves_the_terminal_as_it_was(void **state)
{
    (void)state;
#ifdef __SANITIZE_ADDRESS__
    print_message("skipped: crashes are the sanitizer's to report\n");
    skip();
#endif
    assert_crash_restores(SIGSEGV);
    assert_crash_restores(SIGBUS);
}

static void a_timeout_leaves_the_terminal_as_it_was(void **state)
{
    const char *arguments[] = {"guestmem-run", "--console", "--timeout", "8", NULL};

    (void)state;
    start_at_prompt(arguments);
    assert_ends_with(124);
}

static void a_guest_that_fails_leaves_the_terminal_as_it_was(void **state)
{
    (void)state;
    start_at_prompt(console);
    type("md.l deadbee0 1\r");
    assert_ends_with(1);
    assert_non_null(strstr(session.seen, "read nowhere: pc 0x"));
}

static void raw_mode_comes_back_after_a_stop(void **state)
{
    int status;

    (void)state;
    start_at_prompt(console);
    assert_int_equal(kill(session.child, SIGSTOP), 0);
    assert_int_equal(waitpid(session.child, &status, WUNTRACED), session.child);
    assert_int_equal(tcsetattr(session.held, TCSANOW, &session.before), 0); /* as a shell does */
    assert_int_equal(kill(session.child, SIGCONT), 0);
    type("version\r");
    assert_true(see("U-Boot 20"));
    assert_true(is_raw());
    type("\x01x");
    assert_ends_with(0);
}

static void leave_with_map(void)
{
    const char *arguments[] = {"guestmem-run", "--console", "--map", NULL};

    start_at_prompt(arguments);
    type("\x01x");
    assert_ends_with(0);
    assert_non_null(strstr(session.seen, "Memory map"));
}

static void colours_are_for_terminals_without_no_color(void **state)
{
    (void)state;
    unsetenv("NO_COLOR");
    leave_with_map();
    assert_non_null(strstr(session.seen, "\033[1mMemory map"));
    setenv("NO_COLOR", "1", 1);
    leave_with_map();
    assert_null(strstr(session.seen, "\033[1m"));
    unsetenv("NO_COLOR");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(typing_reaches_the_guest_and_ctrl_a_x_leaves),
        cmocka_unit_test(ctrl_c_goes_to_the_guest),
        cmocka_unit_test(ctrl_a_a_types_ctrl_a_and_others_help),
        cmocka_unit_test(poweroff_ends_it),
        cmocka_unit_test(a_terminal_is_a_console_unasked),
        cmocka_unit_test(signals_leave_the_terminal_as_it_was),
        cmocka_unit_test(an_abort_leaves_the_terminal_as_it_was),
        cmocka_unit_test(a_crash_leaves_the_terminal_as_it_was),
        cmocka_unit_test(a_timeout_leaves_the_terminal_as_it_was),
        cmocka_unit_test(a_guest_that_fails_leaves_the_terminal_as_it_was),
        cmocka_unit_test(raw_mode_comes_back_after_a_stop),
        cmocka_unit_test(colours_are_for_terminals_without_no_color),
    };

    if (getenv("RUN") == NULL) {
        fprintf(stderr, "RUN must be the program's path\n");
        return 2;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
