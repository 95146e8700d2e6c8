/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * From the parts in which the guest CPU makes an access back to what the guest's instruction does,
 * and from there to exits of natural size and alignment.
 *
 *   ldr x0, [0x...e6]      the element:           |   8 bytes   |
 *   the guest CPU reads    e0..e3, e4..e7, e8..eb, ec..ef  (the span; parts that lie outside of the
 *                                                            element are asked of nobody)
 *   exits                  e6 (2), e8 (4), ec (2)
 *
 * The first part of an instruction finds the instruction: it is one behind the last one found in
 * this block, of the same direction, and its address comes out right with the registers and the
 * guest's tables as they are. An element is answered as a whole, page by page, when its first part
 * comes; later parts take what is there.
 */
#include <string.h>

#include "cpu.h"

/* ----------------------------------------------------------------------- one natural access */

/* In one piece, as other CPUs expect of it. */
static uint64_t load_natural(const void *bytes, unsigned size)
{
    switch (size) {
    case 1:
        return __atomic_load_n((const uint8_t *)bytes, __ATOMIC_RELAXED);
    case 2:
        return __atomic_load_n((const uint16_t *)bytes, __ATOMIC_RELAXED);
    case 4:
        return __atomic_load_n((const uint32_t *)bytes, __ATOMIC_RELAXED);
    default:
        return __atomic_load_n((const uint64_t *)bytes, __ATOMIC_RELAXED);
    }
}

static void store_natural(void *bytes, uint64_t data, unsigned size)
{
    switch (size) {
    case 1:
        __atomic_store_n((uint8_t *)bytes, (uint8_t)data, __ATOMIC_RELAXED);
        break;
    case 2:
        __atomic_store_n((uint16_t *)bytes, (uint16_t)data, __ATOMIC_RELAXED);
        break;
    case 4:
        __atomic_store_n((uint32_t *)bytes, (uint32_t)data, __ATOMIC_RELAXED);
        break;
    default:
        __atomic_store_n((uint64_t *)bytes, data, __ATOMIC_RELAXED);
        break;
    }
}

/* Do it where memory is mapped after all: outside windows, or since the VMM mapped it. */
static bool try_memory(struct engine_cpu *cpu, uint64_t gpa, unsigned size, bool write,
                       uint64_t *data)
{
    void *bytes;

    cpu_lock(cpu);
    bytes = stage2_bytes(cpu->engine, gpa, size, write);
    if (bytes != NULL && write) {
        store_natural(bytes, *data, size);
    } else if (bytes != NULL) {
        *data = load_natural(bytes, size);
    }
    cpu_unlock(cpu);
    if (bytes != NULL && view_of_guest(cpu, gpa) == NULL) {
        cpu->outside = gpa;
        if (++cpu->outside_count == cpu->outside_limit) {
            atomic_store(&cpu->attention, 1);
        }
    }
    return bytes != NULL;
}

/* Ask the VMM. False: to be looked at again. */
static bool ask(struct engine_cpu *cpu, uint64_t gpa, unsigned size, bool write, uint64_t *data)
{
    cpu->exit.address = gpa;
    cpu->exit.size = size;
    cpu->exit.write = write;
    cpu->exit.fetch = cpu->fetching;
    cpu->exit.data = *data;
    cpu_leave(cpu, ENGINE_EXIT_MEMORY);
    if (cpu->answer == ENGINE_RESTART) {
        return false;
    }
    if (cpu->answer == ENGINE_ADVANCE && !write) {
        *data = cpu->answer_data;
    }
    return true;
}

/* Until the access is done, by memory or by the VMM. */
static void natural(struct engine_cpu *cpu, uint64_t gpa, unsigned size, bool write, uint64_t *data)
{
    while (!try_memory(cpu, gpa, size, write, data) && !ask(cpu, gpa, size, write, data)) {
    }
}

/* -------------------------------------------------------------------------- the instruction */

static uint64_t extended(uint64_t value, unsigned option)
{
    switch (option) {
    case 2:
        return (uint32_t)value;
    case 6:
        return (uint64_t)(int32_t)value;
    default:
        return value;
    }
}

static uint64_t effective_address(uc_engine *uc, const struct decode_memory *op, uint64_t pc)
{
    uint64_t base = op->address == DECODE_PC_RELATIVE ? pc : register_x(uc, op->rn);

    if (op->address == DECODE_BASE_REGISTER) {
        uint64_t index = op->rm == 31 ? 0 : register_x(uc, op->rm);

        return base + (extended(index, op->option) << op->shift);
    }
    return base + (uint64_t)op->immediate;
}

static uint64_t low_bytes(uint64_t value, unsigned bytes)
{
    return bytes < 8 ? value & ((UINT64_C(1) << bytes * 8) - 1) : value;
}

static uint64_t general(uc_engine *uc, unsigned n)
{
    return n == 31 ? 0 : register_x(uc, n);
}

/* What the element's register holds. */
static uint64_t element_data(uc_engine *uc, const struct decode_memory *op, unsigned i)
{
    unsigned n = op->rt[i / op->per_register];
    uint64_t halves[2] = {0, 0};

    if (op->vector) {
        register_v(uc, n, halves);
        return low_bytes(halves[i % op->per_register], op->bytes);
    }
    if (op->joined) {
        return low_bytes(general(uc, n), 4) | general(uc, op->rt[1]) << 32;
    }
    return low_bytes(general(uc, n), op->bytes);
}

/* The virtual address with the page offset of `gpa` that is nearest to `va`. */
static uint64_t nearest(uint64_t va, uint64_t gpa)
{
    uint64_t here = (va & ~(uint64_t)(PAGE_BYTES - 1)) | (gpa & (PAGE_BYTES - 1));

    if (here + PAGE_BYTES / 2 < va) {
        return here + PAGE_BYTES;
    }
    return here > va + PAGE_BYTES / 2 ? here - PAGE_BYTES : here;
}

/* Where the guest CPU may look for the element: itself, or two of its size where it isn't aligned.
 */
static uint64_t span_base(const struct element *element)
{
    return element->va & ~(uint64_t)(element->bytes - 1);
}

static unsigned span_bytes(const struct element *element)
{
    return element->va % element->bytes == 0 ? element->bytes : 2 * element->bytes;
}

/* Which of the span's bytes the part [va, va + size) is; 0: it isn't all in the span. */
static uint16_t span_mask(const struct element *element, uint64_t va, unsigned size)
{
    uint64_t offset = va - span_base(element);

    if (offset >= span_bytes(element) || size > span_bytes(element) - offset) {
        return 0;
    }
    return (uint16_t)(((1U << size) - 1) << offset);
}

/* Whether the guest's tables have `gpa` at the virtual address. */
static bool is_at(struct engine_cpu *cpu, uint64_t va, uint64_t gpa)
{
    uint64_t there;

    return stage1_translate(cpu, va, &there) && there == gpa;
}

/* The element of the present instruction that this part belongs to and has not come for yet. */
static struct element *element_of(struct engine_cpu *cpu, uint64_t gpa, unsigned size)
{
    struct operation *op = &cpu->op;

    for (unsigned i = 0; i < op->count; i++) {
        struct element *element = &op->elements[i];
        uint64_t va = nearest(element->va, gpa);
        uint16_t mask = span_mask(element, va, size);

        if (mask != 0 && (element->seen & mask) == 0 && !element->all_seen && is_at(cpu, va, gpa)) {
            return element;
        }
    }
    return NULL;
}

/* The instructions at `pc` up to the end of its page; NULL: they can't be found. */
static const uint32_t *code_at(struct engine_cpu *cpu, uint64_t pc)
{
    uint64_t gpa;

    if (pc % 4 != 0 || !stage1_translate(cpu, pc, &gpa)) {
        return NULL;
    }
    return stage2_bytes(cpu->engine, gpa, 4, false);
}

bool access_address(struct engine_cpu *cpu, uint64_t pc, uint64_t *va, bool *write)
{
    const uint32_t *code = code_at(cpu, pc);
    struct decode_memory memory;

    if (code == NULL || !decode_memory(*code, &memory)) {
        return false;
    }
    *va = effective_address(cpu->uc, &memory, pc);
    *write = memory.store;
    return true;
}

static void operation_set(struct engine_cpu *cpu, const struct decode_memory *memory, uint64_t pc,
                          bool write)
{
    struct operation *op = &cpu->op;
    uint64_t va = effective_address(cpu->uc, memory, pc);

    memset(op, 0, sizeof(*op));
    op->block = cpu->block_number;
    op->pc = pc;
    op->exact = true;
    op->write = write;
    op->both = memory->load && memory->store;
    op->count = memory->count;
    for (unsigned i = 0; i < op->count; i++) {
        op->elements[i].va = va + (uint64_t)i * memory->bytes;
        op->elements[i].bytes = memory->bytes;
        op->elements[i].data = element_data(cpu->uc, memory, i);
    }
}

/* Find the instruction of the part, at `pc` or behind it, and make it the present one. */
static struct element *operation_find(struct engine_cpu *cpu, uint64_t pc, uint64_t gpa,
                                      unsigned size, bool write)
{
    const uint32_t *code = code_at(cpu, pc);
    struct decode_memory memory;

    if (code == NULL) {
        return NULL;
    }
    for (;; pc += 4, code++) {
        if (decode_memory(*code, &memory) && (write ? memory.store : memory.load)) {
            struct element *element;

            operation_set(cpu, &memory, pc, write);
            element = element_of(cpu, gpa, size);
            if (element != NULL) {
                return element;
            }
        }
        if (decode_is_branch(*code) || (pc + 4) % PAGE_BYTES == 0) {
            return NULL;
        }
    }
}

static struct element *element_look(struct engine_cpu *cpu, uint64_t gpa, unsigned size, bool write)
{
    struct operation *op = &cpu->op;
    struct element *element = NULL;

    if (op->block != cpu->block_number || !op->exact) {
        return operation_find(cpu, cpu->block, gpa, size, write);
    }
    if (write == op->write) {
        element = element_of(cpu, gpa, size);
    }
    if (element == NULL) { /* an exclusive store reads, then writes */
        uint64_t pc = op->both && write && !op->write ? op->pc : op->pc + 4;

        element = operation_find(cpu, pc, gpa, size, write);
    }
    return element;
}

/* The element for a part; the present instruction's, or the next one's, or NULL. */
static struct element *element_find(struct engine_cpu *cpu, uint64_t gpa, unsigned size, bool write)
{
    struct element *element;

    cpu_lock(cpu);
    element = element_look(cpu, gpa, size, write);
    cpu_unlock(cpu);
    return element;
}

/* An instruction that isn't known: its parts are taken as they come. */
static struct element *element_as_is(struct engine_cpu *cpu, uint64_t gpa, unsigned size,
                                     uint64_t data)
{
    struct operation *op = &cpu->op;

    memset(op, 0, sizeof(*op));
    op->block = cpu->block_number;
    op->pc = cpu->block;
    op->count = 1;
    op->elements[0].va = gpa;
    op->elements[0].bytes = size;
    op->elements[0].data = data;
    return &op->elements[0];
}

/* ------------------------------------------------------------------------------- the answer */

/* The largest natural access at `va` that ends at `end` or before. */
static unsigned natural_size(uint64_t va, uint64_t end)
{
    unsigned size = 8;

    while (va % size != 0 || size > end - va) {
        size /= 2;
    }
    return size;
}

typedef bool (*answer_fn)(struct engine_cpu *cpu, uint64_t gpa, unsigned size, bool write,
                          uint64_t *data);

/* In a window the host does what is memory: doing it here too would do it twice, and another CPU
 * may have changed it in between. True: the VMM has answered it. */
static bool unless_memory(struct engine_cpu *cpu, uint64_t gpa, unsigned size, bool write,
                          uint64_t *data)
{
    struct guestmem_host_leaf leaf;
    bool memory;

    for (;;) {
        cpu_lock(cpu);
        memory = stage2_leaf(cpu->engine, gpa, write, &leaf);
        cpu_unlock(cpu);
        if (memory || ask(cpu, gpa, size, write, data)) {
            return !memory;
        }
    }
}

static bool always(struct engine_cpu *cpu, uint64_t gpa, unsigned size, bool write, uint64_t *data)
{
    natural(cpu, gpa, size, write, data);
    return true;
}

static void answer_bytes(struct engine_cpu *cpu, struct element *element, unsigned first,
                         unsigned size, uint64_t gpa, bool write, answer_fn answer_it)
{
    uint64_t data = low_bytes(element->data >> first * 8, size);
    uint64_t mask = low_bytes(UINT64_MAX, size) << first * 8;

    cpu->fetching = false;
    if (answer_it(cpu, gpa, size, write, &data)) {
        element->data = (element->data & ~mask) | (data << first * 8 & mask);
        element->done |= (uint8_t)(((1U << size) - 1) << first);
    }
}

/* Answer what of the element lies in the page of `gpa`, once. Whether any of that is answered. */
static bool answer(struct engine_cpu *cpu, struct element *element, uint64_t gpa, bool write,
                   answer_fn answer_it)
{
    uint64_t page = nearest(element->va, gpa) & ~(uint64_t)(PAGE_BYTES - 1);
    uint64_t va = element->va > page ? element->va : page;
    uint64_t end = element->va + element->bytes;
    bool any = false;

    if (end > page + PAGE_BYTES) {
        end = page + PAGE_BYTES;
    }
    while (va < end) {
        unsigned size = natural_size(va, end);
        unsigned first = (unsigned)(va - element->va);

        if (!(element->done >> first & 1)) {
            answer_bytes(cpu, element, first, size,
                         (gpa & ~(uint64_t)(PAGE_BYTES - 1)) + va % PAGE_BYTES, write, answer_it);
        }
        any = any || (element->done >> first & 1);
        va += size;
    }
    return any;
}

/* The bytes of the part [va, va + size) that are the element's; 0 elsewhere. */
static uint64_t part_of(const struct element *element, uint64_t va, unsigned size)
{
    int64_t shift = (int64_t)(va - element->va) * 8;
    uint64_t data = low_bytes(element->data, element->bytes);

    if (shift >= 64 || shift <= -64) {
        return 0;
    }
    return low_bytes(shift >= 0 ? data >> shift : data << -shift, size);
}

/* ----------------------------------------------------------------------- the guest CPU's calls */

/* The guest CPU translates before it runs, so what it reads at its own pc is an instruction. */
static bool is_fetch(struct engine_cpu *cpu, uint64_t gpa, bool write)
{
    uint64_t pc;
    bool is;

    if (write) {
        return false;
    }
    uc_reg_read(cpu->uc, UC_ARM64_REG_PC, &pc);
    cpu_lock(cpu);
    is = (pc ^ gpa) % PAGE_BYTES == 0 && is_at(cpu, pc, gpa);
    if (pc % 4 != 0) { /* it may be read in two parts */
        is = is || is_at(cpu, nearest(pc, gpa), gpa);
    }
    cpu_unlock(cpu);
    return is;
}

/* Code at an address that isn't a multiple of 4 never runs: what is read doesn't matter, and nobody
 * is asked for it. The exception comes where the block would begin. */
static bool is_misplaced(struct engine_cpu *cpu)
{
    uint64_t pc;

    uc_reg_read(cpu->uc, UC_ARM64_REG_PC, &pc);
    return pc % 4 != 0;
}

static uint64_t fetch(struct engine_cpu *cpu, uint64_t gpa)
{
    uint64_t data = 0;

    uc_reg_read(cpu->uc, UC_ARM64_REG_PC, &cpu->op.pc);
    cpu->op.exact = false;
    cpu->fetching = true;
    natural(cpu, gpa, 4, false, &data);
    if (view_of_guest(cpu, gpa) == NULL) { /* code outside windows: worth one at once */
        cpu->outside = gpa;
        cpu->outside_count = cpu->outside_limit;
        atomic_store(&cpu->attention, 1);
    }
    return data;
}

static struct element *take_part(struct engine_cpu *cpu, uint64_t gpa, unsigned size, bool write,
                                 uint64_t data)
{
    struct element *element = element_find(cpu, gpa, size, write);

    if (element == NULL) {
        element = element_as_is(cpu, gpa, size, data);
    }
    element->seen |= span_mask(element, nearest(element->va, gpa), size);
    return element;
}

uint64_t access_read(uc_engine *uc, uint64_t offset, unsigned size, void *cookie)
{
    struct gap *gap = cookie;
    struct engine_cpu *cpu = gap->cpu;
    uint64_t gpa = gap->base + offset;
    struct element *element;

    (void)uc;
    if (is_fetch(cpu, gpa, false)) {
        return is_misplaced(cpu) ? 0 : fetch(cpu, gpa);
    }
    element = take_part(cpu, gpa, size, false, 0);
    (void)answer(cpu, element, gpa, false, always);
    return part_of(element, nearest(element->va, gpa), size);
}

void access_write(uc_engine *uc, uint64_t offset, unsigned size, uint64_t value, void *cookie)
{
    struct gap *gap = cookie;
    struct engine_cpu *cpu = gap->cpu;
    uint64_t gpa = gap->base + offset;

    (void)uc;
    (void)answer(cpu, take_part(cpu, gpa, size, true, low_bytes(value, size)), gpa, true, always);
}

/*
 * In a window the host's instruction does the access: all of the element at once, except that
 * stores may come byte by byte, and that loads across pages come as two aligned ones.
 */
static void mark_seen(struct element *element, uint64_t gpa, enum window_access access)
{
    uint64_t va = nearest(element->va, gpa);

    if (access == WINDOW_WRITE_BYTE) {
        element->seen |= span_mask(element, va, 1);
    } else if (access == WINDOW_READ && element->va % PAGE_BYTES > PAGE_BYTES - element->bytes) {
        element->seen |= span_mask(element, va & ~(uint64_t)(element->bytes - 1), element->bytes);
    } else {
        element->all_seen = true;
    }
}

/* The element's bytes that lie in the page of `gpa`, to where they belong in it. */
static void place_answer(const struct element *element, uint64_t gpa, uint8_t *page)
{
    uint64_t start = nearest(element->va, gpa) & ~(uint64_t)(PAGE_BYTES - 1);

    for (unsigned i = 0; i < element->bytes; i++) {
        uint64_t offset = element->va + i - start;

        if (offset < PAGE_BYTES) {
            page[offset] = (uint8_t)(element->data >> i * 8);
        }
    }
}

/* An access that can't be taken apart, as one without a syndrome is on the real thing. What comes
 * back from here is a restart. */
static void opaque(struct engine_cpu *cpu, uint64_t gpa, bool write)
{
    cpu->op.exact = false;
    cpu->op.pc = cpu->block;
    cpu->exit.address = gpa;
    cpu->exit.write = write;
    cpu_leave(cpu, ENGINE_EXIT_OPAQUE);
}

/* What the page shows but for the answer. */
static void copy_page(struct engine_cpu *cpu, uint64_t gpa, uint8_t *page)
{
    const void *behind;

    cpu_lock(cpu);
    behind = stage2_bytes(cpu->engine, gpa & ~(uint64_t)(PAGE_BYTES - 1), PAGE_BYTES, false);
    if (behind != NULL) {
        memcpy(page, behind, PAGE_BYTES);
    } else {
        memset(page, 0, PAGE_BYTES);
    }
    cpu_unlock(cpu);
}

bool access_in_window(struct engine_cpu *cpu, uint64_t gpa, enum window_access access,
                      uint8_t *page)
{
    bool write = access != WINDOW_READ;
    struct element *element;

    if (is_fetch(cpu, gpa, write)) {
        if (is_misplaced(cpu)) {
            memset(page, 0, PAGE_BYTES);
            return false;
        }
        (void)fetch(cpu, gpa);
        return true;
    }
    element = element_find(cpu, gpa, 1, write);
    if (element == NULL) {
        opaque(cpu, gpa, write);
        return true;
    }
    if (!answer(cpu, element, gpa, write, unless_memory)) {
        return true;
    }
    mark_seen(element, gpa, access);
    (void)answer(cpu, element, gpa, write, always); /* the rest of it is memory */
    copy_page(cpu, gpa, page);
    if (!write) {
        place_answer(element, gpa, page);
    }
    return false;
}
