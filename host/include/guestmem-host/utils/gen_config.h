/*
 * SPDX-License-Identifier: BSD-2-Clause
 * Copyright 2026 the guestmem authors
 *
 * Where a seL4 tree has the configuration of the utils library; here all of it is in autoconf.h.
 */
#pragma once

#include <autoconf.h>
