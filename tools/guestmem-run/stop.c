/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "stop.h"

#include <signal.h>
#include <stddef.h>
#include <sys/time.h>

#include "terminal.h"

static volatile sig_atomic_t reason_asked;
static volatile sig_atomic_t signal_caught;
static void (*volatile halt_fn)(void *cookie);
static void *volatile halt_cookie;

void stop_ask(enum stop_reason reason)
{
    void (*halt)(void *cookie) = halt_fn;

    if (reason_asked == STOP_NONE) {
        reason_asked = (sig_atomic_t)reason;
    }
    if (halt != NULL) {
        halt(halt_cookie);
    }
}

enum stop_reason stop_reason(void)
{
    return (enum stop_reason)reason_asked;
}

int stop_signal(void)
{
    return signal_caught;
}

void stop_halts_with(void (*halt)(void *cookie), void *cookie)
{
    halt_cookie = cookie;
    halt_fn = halt;
    if (reason_asked != STOP_NONE) {
        halt(cookie);
    }
}

void stop_halts_with_nothing(void)
{
    halt_fn = NULL;
}

static void on_signal(int number)
{
    if (number == SIGALRM) {
        stop_ask(STOP_TIMEOUT);
        return;
    }
    if (signal_caught == 0) {
        signal_caught = number;
    }
    stop_ask(STOP_SIGNAL);
}

/* A crash: the terminal first, then what would have happened anyway. */
static void on_crash(int number)
{
    terminal_restore();
    signal(number, SIG_DFL);
    raise(number);
}

static void on_continue(int number)
{
    (void)number;
    terminal_again();
}

static void catch (int number, void (*handler)(int number))
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART | SA_ONSTACK};

    sigemptyset(&action.sa_mask);
    sigaction(number, &action, NULL);
}

/* What was ignored from the start stays so: nohup, and jobs in a script's background. */
static bool is_ignored(int number)
{
    struct sigaction action;

    return sigaction(number, NULL, &action) == 0 && action.sa_handler == SIG_IGN;
}

/* A sanitizer's handler stays, and reports. */
static void catch_crash(int number)
{
    struct sigaction action;

    if (sigaction(number, NULL, &action) == 0 && !(action.sa_flags & SA_SIGINFO) &&
        action.sa_handler == SIG_DFL) {
        catch (number, on_crash);
    }
}

void stop_install(unsigned timeout_s)
{
    static const int ends[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
    struct itimerval timer = {.it_value = {.tv_sec = timeout_s}};

    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        if (!is_ignored(ends[i])) {
            catch (ends[i], on_signal);
        }
    }
    catch (SIGALRM, on_signal);
    catch (SIGPIPE, SIG_IGN);
    catch (SIGXFSZ, SIG_IGN);
    catch_crash(SIGABRT);
    catch_crash(SIGBUS);
    catch_crash(SIGSEGV);
    catch (SIGCONT, on_continue);
    if (timeout_s != 0) {
        setitimer(ITIMER_REAL, &timer, NULL);
    }
}
