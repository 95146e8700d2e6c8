/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Whose is a byte? See hostile.h.
 */
#include "hostile.h"

#include <inttypes.h>
#include <string.h>

enum { DATA_REGISTERS = 16, VECTOR_BYTES = 512 };

#define BYTES(b) ((uint64_t)(b)*UINT64_C(0x0101010101010101))

uint8_t fill_byte(const struct player *player)
{
    return player->number == 0 ? 0xa3 : 0x86;
}

uint8_t rom_byte(const struct player *player)
{
    return player->number == 0 ? 0x63 : 0x46;
}

/* Ones, in the lowest bit of each byte or in a bit that no byte may have, where it isn't own. */
static uint64_t not_own(unsigned number, uint64_t w)
{
    if (number == 0) {
        return (w & BYTES(0x1c)) | (((w ^ w >> 1) | (w ^ w >> 5)) & BYTES(1));
    }
    return (w & BYTES(0x39)) | ((w >> 1 ^ w >> 2) & BYTES(1));
}

bool is_own(const struct player *player, uint64_t word)
{
    return not_own(player->number, word) == 0;
}

static uint64_t word_at(const void *bytes, size_t at, size_t size)
{
    uint64_t word = 0;

    memcpy(&word, (const char *)bytes + at, size - at < 8 ? size - at : 8);
    return word;
}

bool all_own(const struct player *player, const void *bytes, size_t size, size_t *at)
{
    uint64_t any = 0;

    for (size_t i = 0; i < size; i += 8) {
        any |= not_own(player->number, word_at(bytes, i, size));
    }
    if (any == 0) {
        return true;
    }
    for (*at = 0; is_own(player, word_at(bytes, *at, size)); *at += 8) {
    }
    return false;
}

bool all_are(const void *bytes, size_t size, uint8_t byte)
{
    uint64_t any = 0;

    for (size_t i = 0; i < size; i += 8) {
        any |= word_at(bytes, i, size) ^ BYTES(byte);
    }
    return any == 0;
}

void *page_bytes(const struct player *player, uint64_t gpa)
{
    struct guestmem_host_leaf leaf;

    if (!guestmem_host_translate(world.host, player->vm.mem.vm_vspace_root.cptr, gpa, &leaf)) {
        return NULL;
    }
    return guestmem_host_phys(world.host,
                              leaf.paddr + (gpa & ((UINT64_C(1) << leaf.size_bits) - 1)), PAGE);
}

void paint(const struct player *player, uint64_t base, uint64_t size, uint8_t byte)
{
    for (uint64_t gpa = base & ~UINT64_C(0xfff); gpa < base + size; gpa += PAGE) {
        void *bytes = page_bytes(player, gpa);

        if (bytes != NULL) {
            memset(bytes, byte, PAGE);
        }
    }
}

/* ------------------------------------------------------------------------------- registers */

void look_at_registers(struct player *player, unsigned vcpu)
{
    seL4_UserContext context;
    const seL4_Word *const x[DATA_REGISTERS] = {
        &context.x0,  &context.x1,  &context.x2,  &context.x3, &context.x4,  &context.x5,
        &context.x6,  &context.x7,  &context.x8,  &context.x9, &context.x10, &context.x11,
        &context.x12, &context.x13, &context.x14, &context.x15};

    CHECK(vm_get_thread_context(player->vcpu[vcpu], &context) == 0, "registers can't be got");
    for (unsigned i = 0; i < DATA_REGISTERS; i++) {
        CHECK(is_own(player, *x[i]), "VM %u, vcpu %u: x%u has 0x%016" PRIx64 ", not its own",
              player->number, vcpu, i, (uint64_t)*x[i]);
    }
}

/* ------------------------------------------------------------------------------- memory */

static void look_at_page(const struct player *player, const struct slot *slot, uint64_t gpa)
{
    const uint64_t *bytes = page_bytes(player, gpa);
    enum kind kind = slot_kind_at(slot, gpa);
    size_t at;

    if (bytes == NULL) {
        return;
    }
    if (kind == KIND_ROM) {
        CHECK(all_are(bytes, PAGE, rom_byte(player)),
              "VM %u: read-only memory at 0x%" PRIx64 " was written", player->number, gpa);
    } else if (kind == KIND_HIDDEN) {
        CHECK(all_are(bytes, PAGE, POISON),
              "VM %u: memory without rights at 0x%" PRIx64 " was written", player->number, gpa);
    } else if (!all_own(player, bytes, PAGE, &at)) {
        fail("VM %u: memory at 0x%" PRIx64 " (%s) has 0x%016" PRIx64 ", not its own",
             player->number, gpa + at, kind_names[kind], bytes[at / 8]);
    }
}

void look_at_memory(struct player *player, bool large)
{
    for (unsigned i = 0; i < (large ? SLOTS : SMALL_SLOTS); i++) {
        const struct slot *slot = &player->slots[i];

        for (uint64_t at = 0; at < slot->size && slot_has_frames(slot); at += PAGE) {
            look_at_page(player, slot, slot->base + at);
        }
    }
    if (player->has_foreign) {
        CHECK(all_are(frame_bytes(&player->foreign), PAGE, POISON),
              "the VMM's own memory was written");
    }
}

/* Code must be as it was written; and the vector registers that the program's first instructions
 * stored, from before it, must be own. */
void look_at_home(struct player *player)
{
    size_t at;
    const uint64_t *dump = page_bytes(player, HOME_DUMP);

    for (unsigned i = 0; i < player->vcpu_count; i++) {
        const struct program *program = &player->program[i];
        const void *code = page_bytes(player, HOME_CODE(i));

        CHECK(code != NULL && memcmp(code, program->code, program->count * 4) == 0,
              "VM %u: its code was written", player->number);
    }
    CHECK(dump != NULL, "VM %u has lost its memory", player->number);
    if (!all_own(player, dump, PAGE, &at)) {
        fail("VM %u, vcpu %zu: v%zu had 0x%016" PRIx64 ", not its own", player->number, at / 2048,
             at % 2048 / 16, dump[at / 8]);
    }
}
