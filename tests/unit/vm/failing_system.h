/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * A system that runs out: memory, mappings, files and Unicorn's instances are asked for through
 * here (CMakeLists.txt has the linker's --wrap for each function), and the k-th request fails.
 */
#pragma once

#include <stdbool.h>

void system_fail(unsigned k); /* the k-th request from now on; 0: none */
void system_rest(void);       /* from now on no more do */
bool system_failed(void);     /* has one since system_fail()? */

/* What is held: blocks of memory, and the lowest number that a file would get. */
struct system_use {
    long blocks;
    int file;
};
struct system_use system_use(void);
