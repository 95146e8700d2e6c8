/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The fields of a syndrome (ESR_EL2; HSR on 32-bit Arm): Arm ARM DDI 0487, "ESR_EL2".
 */
#pragma once

#define HSR_MAX_EXCEPTION (0x3f)

#define HSR_EXCEPTION_CLASS_SHIFT (26)
#define HSR_EXCEPTION_CLASS_MASK ((unsigned int)HSR_MAX_EXCEPTION << HSR_EXCEPTION_CLASS_SHIFT)
#define HSR_EXCEPTION_CLASS(hsr) (((hsr)&HSR_EXCEPTION_CLASS_MASK) >> HSR_EXCEPTION_CLASS_SHIFT)

#define HSR_IL_SHIFT (25)
#define HSR_IL_MASK (1 << HSR_IL_SHIFT)
#define HSR_IL(hsr) (((hsr)&HSR_IL_MASK) >> HSR_IL_SHIFT)

#define HSR_ISS_MASK (HSR_IL_MASK - 1)
