/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Guest programs for vcpus that work on the same memory; x0 is the vcpu's number where it is used.
 */
#pragma once

#include <stdint.h>

/* x3 times: fill the x2 words of this vcpu, every second one from x1, and check them all. */
static const uint32_t code_hammer[] __attribute__((unused)) = {
    0xd2800004, /* mov x4, #0x0 */
    0x8b040405, /* add x5, x0, x4, lsl #1 */
    0x8b006086, /* add x6, x4, x0, lsl #24 */
    0x8b0380c6, /* add x6, x6, x3, lsl #32 */
    0xf8257826, /* str x6, [x1, x5, lsl #3] */
    0x91000484, /* add x4, x4, #0x1 */
    0xeb02009f, /* cmp x4, x2 */
    0x54ffff41, /* b.ne . - 24 */
    0xd2800004, /* mov x4, #0x0 */
    0x8b040405, /* add x5, x0, x4, lsl #1 */
    0x8b006086, /* add x6, x4, x0, lsl #24 */
    0x8b0380c6, /* add x6, x6, x3, lsl #32 */
    0xf8657827, /* ldr x7, [x1, x5, lsl #3] */
    0xeb0700df, /* cmp x6, x7 */
    0x540000e1, /* b.ne . + 28 */
    0x91000484, /* add x4, x4, #0x1 */
    0xeb02009f, /* cmp x4, x2 */
    0x54ffff01, /* b.ne . - 32 */
    0xf1000463, /* subs x3, x3, #0x1 */
    0x54fffda1, /* b.ne . - 76 */
    0xd4000002, /* hvc #0x0 */
    0xd4000022, /* hvc #0x1 */
};

/* x3 times: store the count to the device at x1, add what x1 + 8 says to x9. */
static const uint32_t code_device[] __attribute__((unused)) = {
    0xd2800004, /* mov x4, #0x0 */
    0xd2800009, /* mov x9, #0x0 */
    0x8b008086, /* add x6, x4, x0, lsl #32 */
    0xf9000026, /* str x6, [x1] */
    0xf9400427, /* ldr x7, [x1, #8] */
    0x8b070129, /* add x9, x9, x7 */
    0x91000484, /* add x4, x4, #0x1 */
    0xeb03009f, /* cmp x4, x3 */
    0x54ffff41, /* b.ne . - 24 */
    0xd4000002, /* hvc #0x0 */
};

/* x3 times: take the lock at x1 by exclusives, count at x2. */
static const uint32_t code_spinlock[] __attribute__((unused)) = {
    0x885ffc24, /* ldaxr w4, [x1] */
    0x35ffffe4, /* cbnz w4, . - 4 */
    0x52800025, /* mov w5, #0x1 */
    0x88067c25, /* stxr w6, w5, [x1] */
    0x35ffff86, /* cbnz w6, . - 16 */
    0xf9400047, /* ldr x7, [x2] */
    0x910004e7, /* add x7, x7, #0x1 */
    0xf9000047, /* str x7, [x2] */
    0x889ffc3f, /* stlr wzr, [x1] */
    0xf1000463, /* subs x3, x3, #0x1 */
    0x54fffec1, /* b.ne . - 40 */
    0xd4000002, /* hvc #0x0 */
};

/* x3 times: count at x1 by LDADD, at x1 + 8 by CAS, at x1 + 16 by exclusives. */
static const uint32_t code_atomics[] __attribute__((unused)) = {
    0xd2800024, /* mov x4, #0x1 */
    0xf8240025, /* ldadd x4, x5, [x1] */
    0xf9400426, /* ldr x6, [x1, #8] */
    0x91002029, /* add x9, x1, #0x8 */
    0x9100402a, /* add x10, x1, #0x10 */
    0x910004c7, /* add x7, x6, #0x1 */
    0xaa0603e8, /* mov x8, x6 */
    0xc8e8fd27, /* casal x8, x7, [x9] */
    0xeb06011f, /* cmp x8, x6 */
    0xaa0803e6, /* mov x6, x8 */
    0x54ffff61, /* b.ne . - 20 */
    0xc85f7d46, /* ldxr x6, [x10] */
    0x910004c6, /* add x6, x6, #0x1 */
    0xc8077d46, /* stxr w7, x6, [x10] */
    0x35ffffa7, /* cbnz w7, . - 12 */
    0xf1000463, /* subs x3, x3, #0x1 */
    0x54fffe21, /* b.ne . - 60 */
    0xd4000002, /* hvc #0x0 */
};

/* Every 64 bytes of the x2 from x1 on, this vcpu stores a word's own address; then it checks them.
 */
static const uint32_t code_lazy[] __attribute__((unused)) = {
    0x8b020026, /* add x6, x1, x2 */
    0x8b000c25, /* add x5, x1, x0, lsl #3 */
    0xf90000a5, /* str x5, [x5] */
    0x910100a5, /* add x5, x5, #0x40 */
    0xeb0600bf, /* cmp x5, x6 */
    0x54ffffa3, /* b.cc . - 12 */
    0x8b000c25, /* add x5, x1, x0, lsl #3 */
    0xf94000a7, /* ldr x7, [x5] */
    0xeb0500ff, /* cmp x7, x5 */
    0x540000a1, /* b.ne . + 20 */
    0x910100a5, /* add x5, x5, #0x40 */
    0xeb0600bf, /* cmp x5, x6 */
    0x54ffff63, /* b.cc . - 20 */
    0xd4000002, /* hvc #0x0 */
    0xd4000022, /* hvc #0x1 */
};

/* x3 times: take the lock that the device at x1 keeps, count at x2. */
static const uint32_t code_device_lock[] __attribute__((unused)) = {
    0xb9400024, /* ldr w4, [x1] */
    0x34ffffe4, /* cbz w4, . - 4 */
    0xf9400047, /* ldr x7, [x2] */
    0x910004e7, /* add x7, x7, #0x1 */
    0xf9000047, /* str x7, [x2] */
    0xb900003f, /* str wzr, [x1] */
    0xf1000463, /* subs x3, x3, #0x1 */
    0x54ffff21, /* b.ne . - 28 */
    0xd4000002, /* hvc #0x0 */
};

/* x3 times: wait until the word at x1 is this vcpu's, odd or even, and count it up. */
static const uint32_t code_ping_pong[] __attribute__((unused)) = {
    0xf9400024, /* ldr x4, [x1] */
    0x92400085, /* and x5, x4, #0x1 */
    0xeb0000bf, /* cmp x5, x0 */
    0x54ffffa1, /* b.ne . - 12 */
    0x91000484, /* add x4, x4, #0x1 */
    0xf9000024, /* str x4, [x1] */
    0xf1000463, /* subs x3, x3, #0x1 */
    0x54ffff21, /* b.ne . - 28 */
    0xd4000002, /* hvc #0x0 */
};

/* Count at x2 and then at x1, until the word at x3 isn't 0. */
static const uint32_t code_progress[] __attribute__((unused)) = {
    0xd2800004, /* mov x4, #0x0 */
    0x91000484, /* add x4, x4, #0x1 */
    0xf9000044, /* str x4, [x2] */
    0xf9000024, /* str x4, [x1] */
    0xf9400065, /* ldr x5, [x3] */
    0xb4ffff85, /* cbz x5, . - 16 */
    0xd4000002, /* hvc #0x0 */
};

/* x3 times: store to x1; then 1 to x2. */
static const uint32_t code_poke[] __attribute__((unused)) = {
    0xf9000023, /* str x3, [x1] */
    0xf1000463, /* subs x3, x3, #0x1 */
    0x54ffffc1, /* b.ne . - 8 */
    0xd2800024, /* mov x4, #0x1 */
    0xf9000044, /* str x4, [x2] */
    0xd4000002, /* hvc #0x0 */
};

/* WFI until the word at x1 isn't 0. */
static const uint32_t code_wait_for_word[] __attribute__((unused)) = {
    0xd503207f, /* wfi */
    0xf9400024, /* ldr x4, [x1] */
    0xb4ffffc4, /* cbz x4, . - 8 */
    0xd4000002, /* hvc #0x0 */
};

/* x3 times: call x1. */
static const uint32_t code_run_code[] __attribute__((unused)) = {
    0xd63f0020, /* blr x1 */
    0xf1000463, /* subs x3, x3, #0x1 */
    0x54ffffc1, /* b.ne . - 8 */
    0xd4000002, /* hvc #0x0 */
};

/* When the word at x6 is 1: the instruction w2 to x1, IC IVAU, 2 to x6. */
static const uint32_t code_set_code[] __attribute__((unused)) = {
    0xf94000c5, /* ldr x5, [x6] */
    0xb4ffffe5, /* cbz x5, . - 4 */
    0xb9000022, /* str w2, [x1] */
    0xd50b7b21, /* dc cvau, x1 */
    0xd5033b9f, /* dsb ish */
    0xd50b7521, /* ic ivau, x1 */
    0xd5033b9f, /* dsb ish */
    0xd2800045, /* mov x5, #0x2 */
    0xf90000c5, /* str x5, [x6] */
    0xd4000002, /* hvc #0x0 */
};

/* Call x1, what x0 is then to x4; 1 to x6; when that is 2, call x1 again. */
static const uint32_t code_run_page[] __attribute__((unused)) = {
    0xd63f0020, /* blr x1 */
    0xaa0003e4, /* mov x4, x0 */
    0xd2800025, /* mov x5, #0x1 */
    0xf90000c5, /* str x5, [x6] */
    0xf94000c5, /* ldr x5, [x6] */
    0xf10008bf, /* cmp x5, #0x2 */
    0x54ffffc1, /* b.ne . - 8 */
    0xd5033fdf, /* isb */
    0xd63f0020, /* blr x1 */
    0xd4000002, /* hvc #0x0 */
};
