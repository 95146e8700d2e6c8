/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * What the rest of the library knows of an architecture. One folder each; AArch64 is the only one.
 */
#pragma once

#include <autoconf.h>

#if defined(CONFIG_ARCH_AARCH64)
#include "aarch64/stage2.h"
#else
#error "guestmem: this architecture is not supported yet; AArch64 is"
#endif
