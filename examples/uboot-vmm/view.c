/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The VMM's own view of guest memory, by the public interfaces alone.
 */
#include <string.h>

#include <guestmem/access.h>
#include <sel4vm/guest_ram.h>

#include "internal.h"

/*
 * Each frame size has a window of its own: a page table, once made, stays where small frames were,
 * and keeps large ones out. Cacheable or not must be as the guest sees it: two views of a frame
 * that differ there are undefined on Arm.
 */
int uboot_vmm_windows_make(struct uboot_vmm *vmm)
{
    static const size_t bits[2] = {seL4_PageBits, seL4_LargePageBits};

    for (int size = 1; size >= 0; size--) {
        for (int device = 0; device < 2; device++) {
            struct uboot_vmm_window *window = &vmm->windows[size][device];
            window->reservation =
                vspace_reserve_range_aligned(&vmm->vm.mem.vmm_vspace, (size_t)1 << bits[size],
                                             bits[size], seL4_AllRights, !device, &window->base);
            if (window->reservation.res == NULL) {
                return uboot_vmm_fail(vmm, "no addresses to look at frames of %zu bits",
                                      bits[size]);
            }
        }
    }
    return 0;
}

void uboot_vmm_windows_drop(struct uboot_vmm *vmm)
{
    struct uboot_vmm_window *window = &vmm->windows[0][0];

    for (size_t i = 0; i < 4; i++) {
        if (window[i].reservation.res != NULL) {
            vspace_free_reservation(&vmm->vm.mem.vmm_vspace, window[i].reservation);
            window[i].reservation.res = NULL;
        }
    }
}

/* Of the frame that the guest sees at `gpa`; not by vspace_get_cookie(), which has its doubts about
 * 0.
 */
static size_t frame_bits(struct uboot_vmm *vmm, uintptr_t gpa)
{
    return vmm->vm.mem.vm_vspace.get_cookie(&vmm->vm.mem.vm_vspace, (void *)gpa);
}

struct look {
    uboot_vmm_piece_fn piece;
    void *cookie;
    bool looked; /* `piece` was called */
};

static const char not_ours[] = "not memory of this VM";

static int look_failed(struct uboot_vmm *vmm, const char *why)
{
    vmm->look_error = why;
    return -1;
}

static int library_failed(struct uboot_vmm *vmm)
{
    return look_failed(vmm, guestmem_strerror(guestmem_last_failure(&vmm->vm)->error));
}

static int look_at_ram(vm_t *vm, uintptr_t gpa, void *vaddr, size_t size, size_t offset,
                       void *cookie)
{
    struct look *look = cookie;

    (void)vm;
    (void)gpa;
    (void)offset;
    look->looked = true;
    return look->piece(vaddr, size, look->cookie);
}

static int note_device(const struct guestmem_map_entry *entry, void *cookie)
{
    struct guestmem_map_entry *wanted = cookie;

    if (wanted->base - entry->base >= entry->size || entry->kind == GUESTMEM_KIND_POOL) {
        return 0;
    }
    wanted->device = entry->device;
    return 1;
}

/* The window for frames of this size, as the guest sees the one at `gpa`. */
static const struct uboot_vmm_window *window_for(struct uboot_vmm *vmm, uintptr_t gpa, size_t bits)
{
    struct guestmem_map_entry entry = {.base = gpa};

    if (bits != seL4_PageBits && bits != seL4_LargePageBits) {
        return NULL;
    }
    guestmem_walk(&vmm->vm, note_device, &entry);
    return &vmm->windows[bits == seL4_LargePageBits][entry.device];
}

/* Show the frame that holds `gpa` to the VMM for the length of one piece, up to `size` bytes. */
static int look_shared(struct uboot_vmm *vmm, uintptr_t gpa, size_t *size, const struct look *look)
{
    vspace_t *own = &vmm->vm.mem.vmm_vspace;
    const struct uboot_vmm_window *window;
    size_t bits, offset;
    int err;

    err = guestmem_populate(&vmm->vm, gpa, 1);
    if (err != GUESTMEM_OK) {
        return err == GUESTMEM_EUNMAPPED ? look_failed(vmm, not_ours) : library_failed(vmm);
    }
    bits = frame_bits(vmm, gpa);
    window = window_for(vmm, gpa, bits);
    offset = gpa & (((uintptr_t)1 << bits) - 1);
    if (window == NULL ||
        vspace_share_mem_at_vaddr(&vmm->vm.mem.vm_vspace, own, (void *)(gpa - offset), 1, bits,
                                  window->base, window->reservation) != 0) {
        return look_failed(vmm, "can't be shown to the VMM");
    }
    if (*size > ((size_t)1 << bits) - offset) {
        *size = ((size_t)1 << bits) - offset;
    }
    err = look->piece((char *)window->base + offset, *size, look->cookie);
    vspace_unmap_pages(own, window->base, 1, bits, VSPACE_FREE);
    return err;
}

static int look_in_area(struct uboot_vmm *vmm, const struct uboot_vmm_area *area, uintptr_t gpa,
                        size_t size, struct look *look)
{
    if (area->view != NULL) {
        return look->piece(area->view + (gpa - area->base), size, look->cookie);
    }
    if (strcmp(area->name, "ram") == 0) {
        int err;

        look->looked = false;
        err = vm_ram_touch(&vmm->vm, gpa, size, look_at_ram, look);

        return err != 0 && !look->looked ? library_failed(vmm) : err;
    }
    while (size > 0) {
        size_t done = size;
        int err = look_shared(vmm, gpa, &done, look);
        if (err != 0) {
            return err;
        }
        gpa += done;
        size -= done;
    }
    return 0;
}

struct uboot_vmm_area *uboot_vmm_area_at(struct uboot_vmm *vmm, uintptr_t gpa)
{
    for (size_t i = 0; i < vmm->area_count; i++) {
        if (gpa - vmm->areas[i].base < vmm->areas[i].size) {
            return &vmm->areas[i];
        }
    }
    return NULL;
}

struct uboot_vmm_area *uboot_vmm_area_named(struct uboot_vmm *vmm, const char *name)
{
    for (size_t i = 0; i < vmm->area_count; i++) {
        if (strcmp(vmm->areas[i].name, name) == 0) {
            return &vmm->areas[i];
        }
    }
    return NULL;
}

int uboot_vmm_look(struct uboot_vmm *vmm, uintptr_t gpa, size_t size, uboot_vmm_piece_fn piece,
                   void *cookie)
{
    struct look look = {.piece = piece, .cookie = cookie};

    vmm->look_error = "the VMM can't use it";
    while (size > 0) {
        const struct uboot_vmm_area *area = uboot_vmm_area_at(vmm, gpa);
        size_t here;
        int err;

        if (area == NULL) {
            return look_failed(vmm, not_ours);
        }
        here = area->base + area->size - gpa;
        if (here > size) {
            here = size;
        }
        err = look_in_area(vmm, area, gpa, here, &look);
        if (err != 0) {
            return err;
        }
        gpa += here;
        size -= here;
    }
    return 0;
}

static int copy_out(void *bytes, size_t size, void *cookie)
{
    char **to = cookie;

    memcpy(*to, bytes, size);
    *to += size;
    return 0;
}

/* What became of an access by the library: done; not, and why; or left to be looked at frame by
 * frame, since some of it is a device's. */
enum accessed { ACCESSED, REFUSED, LEFT };

static enum accessed accessed(struct uboot_vmm *vmm, int error)
{
    if (error == GUESTMEM_OK || error == GUESTMEM_ENOSUP) {
        return error == GUESTMEM_OK ? ACCESSED : LEFT;
    }
    look_failed(vmm, error == GUESTMEM_EUNMAPPED ? not_ours : guestmem_strerror(error));
    return REFUSED;
}

int uboot_vmm_read(struct uboot_vmm *vmm, uintptr_t gpa, void *bytes, size_t size)
{
    enum accessed done = accessed(vmm, guestmem_ram_read(&vmm->vm, gpa, bytes, size));

    return done == LEFT ? uboot_vmm_look(vmm, gpa, size, copy_out, &bytes) : -(done == REFUSED);
}

struct copy_in {
    struct uboot_vmm *vmm;
    uintptr_t gpa;
    const char *from;
};

/* As guestmem_ram_write() does where clean_cache is set. */
static int clean(struct uboot_vmm *vmm, uintptr_t gpa, void *bytes, size_t size)
{
    size_t bits = frame_bits(vmm, gpa);
    seL4_CPtr cap = vspace_get_cap(&vmm->vm.mem.vmm_vspace, bytes);
    seL4_Word start = gpa & (((uintptr_t)1 << bits) - 1);

    if (cap == seL4_CapNull || seL4_ARM_Page_CleanInvalidate_Data(cap, start, start + size) != 0) {
        return -1;
    }
    return (int)seL4_ARM_Page_Unify_Instruction(cap, start, start + size);
}

static int copy_in(void *bytes, size_t size, void *cookie)
{
    struct copy_in *copy = cookie;

    memcpy(bytes, copy->from, size);
    if (clean(copy->vmm, copy->gpa, bytes, size) != 0) {
        return -1;
    }
    copy->from += size;
    copy->gpa += size;
    return 0;
}

int uboot_vmm_write(struct uboot_vmm *vmm, uintptr_t gpa, const void *bytes, size_t size)
{
    struct copy_in copy = {.vmm = vmm, .gpa = gpa, .from = bytes};
    enum accessed done = accessed(vmm, guestmem_ram_write(&vmm->vm, gpa, bytes, size));

    return done == LEFT ? uboot_vmm_look(vmm, gpa, size, copy_in, &copy) : -(done == REFUSED);
}
