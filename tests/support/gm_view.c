/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Checks of what the guest sees. A side that can't tell says so, once a case.
 */
#include <string.h>

#include "gm_test.h"

static const char blind[] = "what the guest sees can't be told here";
static const char no_attributes[] = "whether a guest's mapping is a device's can't be told here";

static enum gm_env_view look(struct gm_env *env, vm_t *vm, uintptr_t gpa, struct gm_env_leaf *leaf)
{
    enum gm_env_view view = gm_env_guest_view(env, vm, gpa, leaf);

    if (view == GM_VIEW_BLIND) {
        gm_test_unchecked(blind);
    }
    return view;
}

static void check_mapped(const char *file, int line, enum gm_env_view view, uintptr_t gpa)
{
    if (view == GM_VIEW_NONE) {
        gm_test_fail(file, line, "nothing is mapped at gpa %#zx", (size_t)gpa);
    }
}

void gm_test_check_leaf(const char *file, int line, struct gm_env *env, vm_t *vm, uintptr_t gpa,
                        size_t size_bits, const char *rights, bool device)
{
    struct gm_env_leaf leaf;
    enum gm_env_view view = look(env, vm, gpa, &leaf);
    const char *seen;

    check_mapped(file, line, view, gpa);
    if (view != GM_VIEW_LEAF) {
        return;
    }
    seen = leaf.read ? (leaf.write ? "rw" : "r") : "-";
    if (leaf.blind) {
        gm_test_unchecked(no_attributes);
        leaf.device = device;
    }
    if (leaf.size_bits != size_bits || leaf.device != device || strcmp(seen, rights) != 0) {
        gm_test_fail(file, line, "gpa %#zx: %zu bits, %s, %s; not %zu bits, %s, %s", (size_t)gpa,
                     leaf.size_bits, seen, leaf.device ? "device" : "normal", size_bits, rights,
                     device ? "device" : "normal");
    }
}

void gm_test_check_paddr(const char *file, int line, struct gm_env *env, vm_t *vm, uintptr_t gpa,
                         uintptr_t paddr)
{
    struct gm_env_leaf leaf;
    enum gm_env_view view = look(env, vm, gpa, &leaf);

    check_mapped(file, line, view, gpa);
    if (view == GM_VIEW_LEAF && leaf.paddr != paddr) {
        gm_test_fail(file, line, "gpa %#zx shows %#zx, not %#zx", (size_t)gpa, (size_t)leaf.paddr,
                     (size_t)paddr);
    }
}

void gm_test_check_no_leaf(const char *file, int line, struct gm_env *env, vm_t *vm, uintptr_t gpa)
{
    struct gm_env_leaf leaf;

    if (look(env, vm, gpa, &leaf) == GM_VIEW_LEAF) {
        gm_test_fail(file, line, "gpa %#zx is mapped, to %#zx", (size_t)gpa, (size_t)leaf.paddr);
    }
}

static bool copy(struct gm_env *env, vm_t *vm, uintptr_t gpa, void *bytes, size_t size, bool write)
{
    enum gm_env_view view = gm_env_guest_copy(env, vm, gpa, bytes, size, write);

    if (view == GM_VIEW_BLIND) {
        gm_test_unchecked(blind);
    }
    if (view == GM_VIEW_NONE) {
        gm_test_fail(__FILE__, __LINE__, "the guest can't %s [%#zx, +%#zx)", write ? "write" : "read",
                     (size_t)gpa, size);
    }
    return view == GM_VIEW_LEAF;
}

bool gm_test_guest_read(struct gm_env *env, vm_t *vm, uintptr_t gpa, void *to, size_t size)
{
    return copy(env, vm, gpa, to, size, false);
}

bool gm_test_guest_write(struct gm_env *env, vm_t *vm, uintptr_t gpa, const void *from, size_t size)
{
    return copy(env, vm, gpa, (void *)(uintptr_t)from, size, true);
}

void gm_test_check_guest_filled(const char *file, int line, struct gm_env *env, vm_t *vm,
                                uintptr_t gpa, int value, size_t size)
{
    static uint8_t bytes[16 * GM_KIB];

    for (size_t done = 0, piece; done < size; done += piece) {
        piece = size - done < sizeof(bytes) ? size - done : sizeof(bytes);
        if (!copy(env, vm, gpa + done, bytes, piece, false)) {
            return;
        }
        gm_test_check_filled(file, line, bytes, value, piece);
    }
}
