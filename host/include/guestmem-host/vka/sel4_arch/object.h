/*
 * SPDX-License-Identifier: BSD-2-Clause
 * Copyright 2026 the guestmem authors
 *
 * All objects are in vka/object.h.
 */
#pragma once

#include <vka/object.h>
