/*
 * SPDX-License-Identifier: BSD-2-Clause
 * Copyright 2026 the guestmem authors
 *
 * A check at compile time.
 */
#pragma once

#ifdef __cplusplus
#define compile_time_assert(name, expr) static_assert((expr), #name)
#else
#define compile_time_assert(name, expr) _Static_assert((expr), #name)
#endif
