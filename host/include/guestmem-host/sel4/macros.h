/*
 * SPDX-License-Identifier: BSD-2-Clause
 * Copyright 2026 the guestmem authors
 *
 * The macros of seL4's headers that users of the memory interfaces meet.
 */
#pragma once

#define LIBSEL4_BIT(n) (1ul << (n))
#define LIBSEL4_UNUSED __attribute__((unused))
#define LIBSEL4_INLINE_FUNC static inline
#define SEL4_DEPRECATED(text) __attribute__((deprecated(text)))

/* Makes an enum as wide as a register, as the kernel's interface needs it. */
#define SEL4_FORCE_LONG_ENUM(type) _enum_pad_##type = ((1ULL << ((sizeof(long) * 8) - 1)) - 1)
