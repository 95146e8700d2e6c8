/*
 * SPDX-License-Identifier: BSD-2-Clause
 * Copyright 2026 the guestmem authors
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <utils/zf_log.h>

static int output_level = ZF_LOG_WARN;

void zf_log_set_output_level(int level)
{
    output_level = level;
}

__attribute__((format(printf, 5, 0))) static void write_line(const char *level,
                                                             const char *function, const char *file,
                                                             int line, const char *format,
                                                             va_list arguments)
{
    flockfile(stderr);
    fprintf(stderr, "%s %s@%s:%d ", level, function, file, line);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    funlockfile(stderr);
}

void guestmem_host_log(int level, const char *function, const char *file, int line,
                       const char *format, ...)
{
    static const char *const names[] = {"?", "VERBOSE", "DEBUG", "INFO", "WARN", "ERROR"};
    va_list arguments;

    if (level < output_level) {
        return;
    }
    va_start(arguments, format);
    write_line(level <= ZF_LOG_ERROR ? names[level] : "FATAL", function, file, line, format,
               arguments);
    va_end(arguments);
}

void guestmem_host_log_fatal(const char *function, const char *file, int line, const char *format,
                             ...)
{
    va_list arguments;

    va_start(arguments, format);
    write_line("FATAL", function, file, line, format, arguments);
    va_end(arguments);
    abort();
}
