/*
 * SPDX-License-Identifier: BSD-2-Clause
 * Copyright 2026 the guestmem authors
 *
 * The conditional forms are in utils/zf_log.h.
 */
#pragma once

#include <utils/zf_log.h>
