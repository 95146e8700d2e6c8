/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Who may run: one thread at a time, in the order of asking. guestmem_host_vm_enter() and _leave()
 * are its two calls; a thread that has the turn may take it again.
 */
#pragma once

#include <stdbool.h>

/* Let those who wait have their turns, if any do. */
bool turns_wanted(void);
void turns_pass(void);

/* Give the turn up altogether while waiting for something; answers what turns_take_back() needs. */
unsigned turns_give_up(void);
void turns_take_back(unsigned depth);

/* The calling thread works in the turn that another thread has, which keeps it until this one is
 * done. Such a thread can't give it up. */
void turns_borrow(void);
bool turns_are_borrowed(void);
