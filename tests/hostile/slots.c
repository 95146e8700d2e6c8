/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Making a slot something, and nothing again. What is given back is painted with poison first, so
 * that whoever still sees it, or gets it without its having been cleared, shows it.
 */
#include "hostile.h"

#include <string.h>

#include <sel4vmmplatsupport/guest_memory_util.h>

const char *const kind_names[KINDS] = {[KIND_HOLE] = "hole",
                                       [KIND_RAM] = "ram",
                                       [KIND_LAZY] = "lazy ram",
                                       [KIND_MAPPED] = "mapped",
                                       [KIND_ROM] = "read-only",
                                       [KIND_HIDDEN] = "no rights",
                                       [KIND_PAGES] = "pages",
                                       [KIND_LENT] = "lent frames",
                                       [KIND_ITERATED] = "lazy iterator",
                                       [KIND_ANY] = "maybe device",
                                       [KIND_DEVICE] = "device frames",
                                       [KIND_EMULATED] = "emulated",
                                       [KIND_ANON] = "anonymous ram"};

static uint64_t home_of(unsigned number)
{
    return number < SMALL_SLOTS ? ARENA + (uint64_t)number * SLOT_BYTES
                                : LARGE + (number - SMALL_SLOTS) * LARGE_BYTES;
}

static bool is_large(const struct slot *slot)
{
    return slot->number >= SMALL_SLOTS;
}

static void slot_reset(struct slot *slot)
{
    slot->kind = KIND_HOLE;
    slot->base = home_of(slot->number);
    slot->size = is_large(slot) ? LARGE_BYTES : SLOT_BYTES;
    slot->ram = false;
    slot->read_only = 0;
    memset(slot->parts, 0, sizeof(slot->parts));
}

struct slot *slot_at(struct player *player, uint64_t gpa)
{
    for (unsigned i = 0; i < SLOTS; i++) {
        struct slot *slot = &player->slots[i];

        if (slot->kind != KIND_HOLE && gpa - slot->base < slot->size) {
            return slot;
        }
    }
    return NULL;
}

bool slot_has_frames(const struct slot *slot)
{
    return slot->kind != KIND_HOLE && slot->kind != KIND_EMULATED;
}

/* ------------------------------------------------------------------------------- the frames */

enum kind slot_kind_at(const struct slot *slot, uint64_t gpa)
{
    bool read_only = slot->kind == KIND_PAGES && slot->read_only >> (gpa - slot->base) / PAGE & 1;

    return read_only ? KIND_ROM : slot->kind;
}

static uint8_t paint_of(const struct slot *slot, uint64_t gpa)
{
    switch (slot_kind_at(slot, gpa)) {
    case KIND_ROM:
        return rom_byte(slot->player);
    case KIND_HIDDEN:
        return POISON;
    default:
        return fill_byte(slot->player);
    }
}

void slot_paint(const struct slot *slot)
{
    for (uint64_t gpa = slot->base; gpa < slot->base + slot->size; gpa += PAGE) {
        paint(slot->player, gpa, PAGE, paint_of(slot, gpa));
    }
}

/* Memory that is new to the guest is clear, whatever it was. */
static void check_clear(const struct slot *slot)
{
    for (uint64_t at = 0; at < slot->size; at += PAGE) {
        const void *bytes = page_bytes(slot->player, slot->base + at);

        CHECK(bytes == NULL || all_are(bytes, PAGE, 0), "VM %u: new memory (%s) isn't clear",
              slot->player->number, kind_names[slot->kind]);
    }
}

/* By the allocator, which is never made to fail here; the kernel's answer may be. */
void *frame_bytes(const vka_object_t *frame)
{
    uintptr_t paddr =
        vka_utspace_paddr(guestmem_host_vka(world.host), frame->ut, frame->type, frame->size_bits);

    return guestmem_host_phys(world.host, paddr, PAGE);
}

static vka_object_t *lent_of(const struct slot *slot)
{
    return &slot->player->lent[slot->number * SLOT_PAGES];
}

/* The VMM's frames hold what the guest may see from before they are mapped. */
static bool take_lent(const struct slot *slot)
{
    vka_object_t *lent = lent_of(slot);

    for (unsigned i = 0; i < SLOT_PAGES; i++) {
        if (lent[i].cptr == 0 &&
            vka_alloc_frame(guestmem_host_vka(world.host), seL4_PageBits, &lent[i]) != 0) {
            lent[i].cptr = 0;
            return false;
        }
        memset(frame_bytes(&lent[i]), fill_byte(slot->player), PAGE);
    }
    return true;
}

static vm_frame_t next_lent(uintptr_t addr, void *cookie)
{
    const struct slot *slot = cookie;
    vm_frame_t frame = {.rights = seL4_AllRights, .vaddr = addr, .size_bits = seL4_PageBits};

    frame.cptr = lent_of(slot)[(addr - slot->base) / PAGE].cptr;
    return frame;
}

void slots_give_lent(struct player *player)
{
    for (unsigned i = 0; i < SMALL_SLOTS * SLOT_PAGES; i++) {
        if (player->lent[i].cptr != 0) {
            vka_free_object(guestmem_host_vka(world.host), &player->lent[i]);
        }
    }
}

/* ------------------------------------------------------------------------------- making */

static void set_policy(struct slot *slot, bool lazy)
{
    static const unsigned around[] = {0, 0, 13, 16};
    struct guestmem_policy policy;

    CHECK(guestmem_get_policy(&slot->player->vm, &policy) == GUESTMEM_OK, "no policy");
    policy.populate = lazy ? GUESTMEM_POPULATE_LAZY : GUESTMEM_POPULATE_EAGER;
    policy.frame_bits_max = one_in(4) ? 12 : 21;
    policy.populate_around_bits = around[random_below(4)];
    policy.untyped_bits_max = is_large(slot) ? 30 : 12 + random_below(4);
    policy.discarded = one_in(4) ? GUESTMEM_DISCARDED_REFUSES : GUESTMEM_DISCARDED_POPULATES;
    CHECK(guestmem_set_policy(&slot->player->vm, &policy) == GUESTMEM_OK, "policy refused");
}

static bool reserve(struct slot *slot, unsigned part, uint64_t offset, uint64_t size)
{
    slot->parts[part] =
        vm_reserve_memory_at(&slot->player->vm, slot->base + offset, size, on_fault, slot);
    return slot->parts[part] != NULL;
}

static bool make_page(struct slot *slot, unsigned i)
{
    uint64_t base = slot->base + i * PAGE;
    bool read_only = one_in(3);
    seL4_CapRights_t rights = read_only ? seL4_CanRead : seL4_AllRights;
    uint8_t *view =
        create_allocated_reservation_frame(&slot->player->vm, base, rights, on_fault, slot);

    if (view == NULL) {
        return false;
    }
    CHECK(all_are(view, PAGE, 0), "VM %u: a created page isn't clear", slot->player->number);
    slot->parts[i] = guestmem_reservation_at(&slot->player->vm, base);
    slot->read_only &= ~(1U << i);
    slot->read_only |= (unsigned)read_only << i;
    paint(slot->player, base, PAGE, read_only ? rom_byte(slot->player) : fill_byte(slot->player));
    return true;
}

static bool make_pages(struct slot *slot)
{
    for (unsigned i = 0; i < SLOT_PAGES; i++) {
        if (!make_page(slot, i)) {
            return false;
        }
    }
    return true;
}

/* Two on one page, one across two pages, one of a byte; the rest is a hole. */
static bool make_emulated(struct slot *slot)
{
    return reserve(slot, 0, 0, 0x7ff) && reserve(slot, 1, 0x7ff, 0x1001) &&
           reserve(slot, 2, 0x2002, 1) && reserve(slot, 3, 0x2100, slot->size - 0x2100);
}

static bool make_ram(struct slot *slot)
{
    vm_t *vm = &slot->player->vm;

    slot->ram = true;
    if (slot->kind == KIND_ANON) {
        slot->base = vm_ram_register(vm, slot->size);
        if (slot->base == 0) {
            return false;
        }
    } else if (vm_ram_register_at(vm, slot->base, slot->size, false) != 0) {
        return false;
    }
    slot->parts[0] = guestmem_reservation_at(vm, slot->base);
    return true;
}

static bool make_lent(struct slot *slot)
{
    vm_t *vm = &slot->player->vm;
    seL4_CPtr caps[SLOT_PAGES];

    if (!take_lent(slot) || !reserve(slot, 0, 0, slot->size)) {
        return false;
    }
    if (slot->kind == KIND_ITERATED) {
        return vm_map_reservation(vm, slot->parts[0], next_lent, slot) == 0;
    }
    for (unsigned i = 0; i < SLOT_PAGES; i++) {
        caps[i] = lent_of(slot)[i].cptr;
    }
    return vm_map_reservation_frames(vm, slot->parts[0], caps, SLOT_PAGES, seL4_PageBits) == 0;
}

static bool make_mapped(struct slot *slot)
{
    vm_t *vm = &slot->player->vm;
    uint64_t device = DEVICE_PADDR + random_below(DEVICE_BYTES / SLOT_BYTES) * SLOT_BYTES;

    if (!reserve(slot, 0, 0, slot->size)) {
        return false;
    }
    switch (slot->kind) {
    case KIND_ANY:
        return map_maybe_device_reservation(vm, slot->parts[0]) == 0;
    case KIND_DEVICE:
        return map_ut_alloc_reservation_with_base_paddr(vm, device, slot->parts[0]) == 0;
    default:
        return map_frame_alloc_reservation(vm, slot->parts[0]) == 0;
    }
}

static bool make(struct slot *slot)
{
    set_policy(slot, slot->kind == KIND_LAZY || slot->kind == KIND_ITERATED);
    switch (slot->kind) {
    case KIND_RAM:
    case KIND_LAZY:
    case KIND_ANON:
        return make_ram(slot);
    case KIND_PAGES:
        return make_pages(slot);
    case KIND_LENT:
    case KIND_ITERATED:
        return make_lent(slot);
    case KIND_EMULATED:
        return make_emulated(slot);
    default:
        return make_mapped(slot);
    }
}

bool slot_restrict(struct slot *slot, enum kind kind)
{
    static const struct {
        enum kind kind;
        const char *name;
    } names[] = {{KIND_ROM, "rights: read-only"}, {KIND_HIDDEN, "rights: none"}};
    seL4_CapRights_t rights = seL4_AllRights;
    const char *name = "rights: all";

    for (unsigned i = 0; i < 2; i++) {
        if (kind == names[i].kind) {
            rights = i == 0 ? seL4_CanRead : seL4_NoRights;
            name = names[i].name;
        }
    }
    if (guestmem_set_rights(&slot->player->vm, slot->base, slot->size, rights) != GUESTMEM_OK) {
        return false;
    }
    slot->kind = kind;
    slot_paint(slot); /* after it, for those who go by the old rights to see it */
    count_one("changes", name);
    return true;
}

static bool fits(const struct slot *slot, enum kind kind)
{
    return !is_large(slot) || kind == KIND_RAM || kind == KIND_LAZY || kind == KIND_MAPPED ||
           kind == KIND_ROM || kind == KIND_HIDDEN || kind == KIND_EMULATED;
}

bool slot_make(struct slot *slot, enum kind kind)
{
    bool restricted = kind == KIND_ROM || kind == KIND_HIDDEN;

    if (kind == KIND_HOLE || !fits(slot, kind)) {
        return false;
    }
    slot->kind = restricted ? KIND_MAPPED : kind;
    if (!make(slot)) {
        CHECK(slot_free(slot), "what was half made can't be freed");
        count_one("changes", "make: failed");
        return false;
    }
    if (slot->kind == KIND_DEVICE || slot->kind == KIND_LENT || slot->kind == KIND_ITERATED) {
        slot_paint(slot);
    } else if (slot->kind != KIND_PAGES && slot_has_frames(slot)) {
        check_clear(slot);
        slot_paint(slot);
    }
    if (restricted && !slot_restrict(slot, kind)) {
        return false;
    }
    count_one("made", kind_names[kind]);
    return true;
}

/* ------------------------------------------------------------------------------- freeing */

static bool free_part(struct slot *slot, unsigned part)
{
    vm_t *vm = &slot->player->vm;

    if (slot->parts[part] == NULL) {
        return true;
    }
    if (slot->kind == KIND_PAGES
            ? guestmem_created_destroy(vm, slot->base + part * PAGE) != GUESTMEM_OK
            : vm_free_reserved_memory(vm, slot->parts[part]) != 0) {
        return false;
    }
    slot->parts[part] = NULL;
    return true;
}

/* From inside one of its callbacks it must fail: the one that is running is the first to be tried.
 */
static bool refuses(struct slot *slot)
{
    unsigned only = 0;

    if (slot->kind == KIND_PAGES || slot->kind == KIND_EMULATED) {
        return true;
    }
    CHECK(!free_part(slot, only), "a reservation was freed from inside its callback");
    count_one("changes", "free: refused, inside");
    return true;
}

bool slot_free(struct slot *slot)
{
    const char *name = kind_names[slot->kind];

    if (slot->kind == KIND_HOLE) {
        return true;
    }
    if (slot->inside > 0 && refuses(slot)) {
        return false;
    }
    if (slot_has_frames(slot)) {
        paint(slot->player, slot->base, slot->size, POISON);
    }
    for (unsigned i = 0; i < PARTS; i++) {
        CHECK(free_part(slot, i), "VM %u: slot %u (%s) can't be freed", slot->player->number,
              slot->number, name);
    }
    for (uint64_t at = 0; at < slot->size; at += PAGE) {
        CHECK(page_bytes(slot->player, slot->base + at) == NULL,
              "VM %u: freed memory (%s) is still mapped", slot->player->number, name);
    }
    slot_reset(slot);
    count_one("freed", name);
    return true;
}

/* One page of a slot of them, again and again: those of a block that was never used come first. */
bool slot_page_again(struct slot *slot)
{
    unsigned i = random_below(SLOT_PAGES);

    if (slot->kind != KIND_PAGES || slot->inside > 0 || slot->parts[i] == NULL) {
        return false;
    }
    paint(slot->player, slot->base + i * PAGE, PAGE, POISON);
    CHECK(free_part(slot, i), "VM %u: a created page can't be freed", slot->player->number);
    return make_page(slot, i);
}

void slots_start(struct player *player)
{
    for (unsigned i = 0; i < SLOTS; i++) {
        struct slot *slot = &player->slots[i];

        slot->player = player;
        slot->number = i;
        slot_reset(slot);
        (void)slot_make(slot, is_large(slot) ? KIND_RAM + (enum kind)random_below(2)
                                             : (enum kind)random_below(KINDS));
    }
}
