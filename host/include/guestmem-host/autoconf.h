/*
 * SPDX-License-Identifier: BSD-2-Clause
 * Copyright 2026 the guestmem authors
 *
 * The configuration that the host environment stands for: AArch64 with hypervisor support, not
 * MCS. A kernel's stage 2 has 40 bits here; a program that wants the four-level layout of 44 bits
 * is built with GUESTMEM_HOST_PA_BITS_44 and brings its environment up with pa_bits = 44.
 */
#pragma once

#define CONFIG_ARCH_ARM 1
#define CONFIG_ARCH_AARCH64 1
#define CONFIG_ARCH_ARM_V8A 1
#define CONFIG_ARM_HYPERVISOR_SUPPORT 1
#define CONFIG_WORD_SIZE 64
#define CONFIG_SEL4_ARCH_AARCH64 1

#if defined(GUESTMEM_HOST_PA_BITS_44)
#define CONFIG_ARM_PA_SIZE_BITS_44 1
#else
#define CONFIG_ARM_PA_SIZE_BITS_40 1
#endif

#define CONFIG_MAX_NUM_NODES 4
#define CONFIG_NUM_PRIORITIES 256
#define CONFIG_RETYPE_FAN_OUT_LIMIT 256
#define CONFIG_MAX_NUM_BOOTINFO_UNTYPED_CAPS 230
#define CONFIG_SEL4UTILS_STACK_SIZE 65536
