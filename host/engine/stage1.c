/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The guest's own translation: Arm ARM DDI 0487, "The AArch64 Virtual Memory System Architecture".
 * Used to find the instruction behind an access, so permissions are of no interest.
 */
#include "cpu.h"

#include <string.h>

bool stage1_enabled(struct engine_cpu *cpu)
{
    return register_system(cpu->uc, SYSTEM_SCTLR_EL1) & 1;
}

/* log2 of the granule, from the field TG0 or TG1, which count differently. */
static unsigned granule_bits(uint64_t tcr, bool upper)
{
    static const uint8_t lower_bits[4] = {12, 16, 14, 12};
    static const uint8_t upper_bits[4] = {12, 14, 12, 16};

    return upper ? upper_bits[tcr >> 30 & 3] : lower_bits[tcr >> 14 & 3];
}

static bool read_entry(struct engine_cpu *cpu, uint64_t gpa, uint64_t *entry)
{
    const void *bytes = stage2_bytes(cpu->engine, gpa, sizeof(*entry), false);

    if (bytes == NULL) {
        return false;
    }
    memcpy(entry, bytes, sizeof(*entry));
    return true;
}

bool stage1_translate(struct engine_cpu *cpu, uint64_t va, uint64_t *gpa)
{
    bool upper = va >> 55 & 1;
    uint64_t tcr;
    uint64_t table;
    unsigned granule;
    unsigned va_bits;
    unsigned shift;

    if (!stage1_enabled(cpu)) {
        *gpa = va;
        return true;
    }
    tcr = register_system(cpu->uc, SYSTEM_TCR_EL1);
    table = register_system(cpu->uc, upper ? SYSTEM_TTBR1_EL1 : SYSTEM_TTBR0_EL1) &
            UINT64_C(0x0000fffffffffffe);
    granule = granule_bits(tcr, upper);
    va_bits = 64 - (tcr >> (upper ? 16 : 0) & 63);
    if (va_bits <= granule || va_bits > 52) {
        return false;
    }
    va &= (UINT64_C(1) << va_bits) - 1;
    shift = granule + (va_bits - granule - 1) / (granule - 3) * (granule - 3);
    for (;; shift -= granule - 3) {
        uint64_t index = va >> shift;
        uint64_t entry;

        va &= (UINT64_C(1) << shift) - 1;
        if (!read_entry(cpu, table + index * sizeof(entry), &entry) || !(entry & 1)) {
            return false;
        }
        table = entry & UINT64_C(0x0000fffffffff000) & ~((UINT64_C(1) << granule) - 1);
        if (shift == granule) {
            *gpa = table | va;
            return entry & 2;
        }
        if (!(entry & 2)) {
            *gpa = (table & ~((UINT64_C(1) << shift) - 1)) | va;
            return true;
        }
    }
}
