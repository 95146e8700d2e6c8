/*
 * SPDX-License-Identifier: BSD-2-Clause
 * Copyright 2026 the guestmem authors
 *
 * One line to standard error a message: "LEVEL function@file:line text". ZF_LOGF ends the program,
 * as it does in a seL4 tree. Messages below the output level are dropped.
 */
#pragma once

#include <stdbool.h>

#include <utils/attribute.h>

#define ZF_LOG_VERBOSE 1
#define ZF_LOG_DEBUG 2
#define ZF_LOG_INFO 3
#define ZF_LOG_WARN 4
#define ZF_LOG_ERROR 5
#define ZF_LOG_FATAL 0xFFFF
#define ZF_LOG_NONE 0xFFFF

#ifdef __cplusplus
extern "C" {
#endif

/* The lowest level that is still written; ZF_LOG_WARN at first. */
void zf_log_set_output_level(int level);

void guestmem_host_log(int level, const char *function, const char *file, int line,
                       const char *format, ...) FORMAT(printf, 5, 6);
void guestmem_host_log_fatal(const char *function, const char *file, int line,
                             const char *format, ...) FORMAT(printf, 4, 5) NORETURN;

#ifdef __cplusplus
}
#endif

#define ZF_LOG_WRITE(level, ...) guestmem_host_log(level, __func__, __FILE__, __LINE__, __VA_ARGS__)
#define ZF_LOGV(...) ZF_LOG_WRITE(ZF_LOG_VERBOSE, __VA_ARGS__)
#define ZF_LOGD(...) ZF_LOG_WRITE(ZF_LOG_DEBUG, __VA_ARGS__)
#define ZF_LOGI(...) ZF_LOG_WRITE(ZF_LOG_INFO, __VA_ARGS__)
#define ZF_LOGW(...) ZF_LOG_WRITE(ZF_LOG_WARN, __VA_ARGS__)
#define ZF_LOGE(...) ZF_LOG_WRITE(ZF_LOG_ERROR, __VA_ARGS__)
#define ZF_LOGF(...) guestmem_host_log_fatal(__func__, __FILE__, __LINE__, __VA_ARGS__)

#define _GUESTMEM_LOG_IF(condition, log, ...) \
    do { \
        if (condition) { \
            log(__VA_ARGS__); \
        } \
    } while (0)
#define ZF_LOGV_IF(cond, ...) _GUESTMEM_LOG_IF(cond, ZF_LOGV, __VA_ARGS__)
#define ZF_LOGD_IF(cond, ...) _GUESTMEM_LOG_IF(cond, ZF_LOGD, __VA_ARGS__)
#define ZF_LOGI_IF(cond, ...) _GUESTMEM_LOG_IF(cond, ZF_LOGI, __VA_ARGS__)
#define ZF_LOGW_IF(cond, ...) _GUESTMEM_LOG_IF(cond, ZF_LOGW, __VA_ARGS__)
#define ZF_LOGE_IF(cond, ...) _GUESTMEM_LOG_IF(cond, ZF_LOGE, __VA_ARGS__)
#define ZF_LOGF_IF(cond, ...) _GUESTMEM_LOG_IF(cond, ZF_LOGF, __VA_ARGS__)
#define ZF_LOGF_IFERR(err, ...) _GUESTMEM_LOG_IF((err) != 0, ZF_LOGF, __VA_ARGS__)
