/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * A trace file in the trace-event format (JSON), one event an access, for Perfetto and browsers.
 */
#pragma once

#include "uboot_vmm.h"

struct trace;

/* Returns NULL and sets errno. An existing file is replaced. */
struct trace *trace_open(const char *path);
/* Write what is left, and close. Accepts NULL. Returns 0, or the errno of the first failed write.
 */
int trace_close(struct trace *trace);

/* From now on, write the VM's faults into it. Accepts NULL. */
void trace_watch(struct trace *trace, struct uboot_vmm *vmm);
