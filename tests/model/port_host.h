/*
 * SPDX-License-Identifier: BSD-2-Clause
 * Copyright 2026 the guestmem authors
 *
 * A host environment, and what the sequences need of it.
 */
#ifndef GUESTMEM_TESTS_MODEL_PORT_HOST_H
#define GUESTMEM_TESTS_MODEL_PORT_HOST_H

#include <guestmem/host.h>

#include "model.h"

/*
 * The environment stands for a kernel with stage 2 of `pa_bits`, 40 or 44. Ends the program with a
 * line about what is missing if it can't be had.
 */
struct guestmem_host *model_port_create(unsigned pa_bits, struct model_port *port);

#endif
