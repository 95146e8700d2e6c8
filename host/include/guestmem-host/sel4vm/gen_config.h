/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * What a seL4 tree generates from its build options for the VM library. On the host,
 * CONFIG_LIB_SEL4VM_DEFER_MEMORY_MAP is given on the compiler's command line, or left out: out is
 * the tree's default too.
 */
#pragma once
