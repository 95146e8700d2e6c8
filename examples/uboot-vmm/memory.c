/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The guest's memory: every range that uboot_vmm.h draws, by the call that makes it. Ranges at
 * fixed physical addresses come first, before anything else can take those.
 */
#include <stdlib.h>
#include <string.h>

#include <guestmem/guestmem.h>
#include <sel4vm/guest_memory_helpers.h>
#include <sel4vm/guest_ram.h>
#include <sel4vmmplatsupport/guest_memory_util.h>
#include <vka/object.h>

#include "device_tree.h"
#include "internal.h"

enum {
    ENVIRONMENT_BASE = 0x04000000,
    ENVIRONMENT_BYTES = 0x40000,
    SHARED_BASE = 0x05000000,
    FRAMES_BASE = 0x05200000,
    FRAMES_BYTES = 0x404000,
    MAYBE_BASE = 0x05800000,
    MAYBE_BYTES = 0x203000,
    WINDOW_BASE = 0x06000000,
    UART_BASE = 0x09000000,
    PAGE = 0x1000,
    DEVICE_TREE_ROOM = 0x4000,
};

static size_t page_up(size_t bytes)
{
    return (bytes + PAGE - 1) & ~(size_t)(PAGE - 1);
}

static int failed(struct uboot_vmm *vmm, const char *area)
{
    char text[160];

    guestmem_failure_text(guestmem_last_failure(&vmm->vm), text, sizeof(text));
    return uboot_vmm_fail(vmm, "%s: %s", area, text);
}

static struct uboot_vmm_area *add(struct uboot_vmm *vmm, const char *name, uintptr_t base,
                                  size_t size)
{
    struct uboot_vmm_area *area = &vmm->areas[vmm->area_count++];

    *area = (struct uboot_vmm_area){.name = name, .base = base, .size = size};
    if (vmm->config.progress != NULL) {
        vmm->config.progress(name, vmm->config.progress_cookie);
    }
    return area;
}

static int reserve(struct uboot_vmm *vmm, struct uboot_vmm_area *area,
                   memory_fault_callback_fn callback, void *cookie)
{
    area->reservation = vm_reserve_memory_at(&vmm->vm, area->base, area->size, callback, cookie);
    return area->reservation == NULL ? failed(vmm, area->name) : 0;
}

static int make_backed(struct uboot_vmm *vmm, const char *name, struct uboot_vmm_range range,
                       int (*back)(vm_t *vm, vm_memory_reservation_t *reservation))
{
    struct uboot_vmm_area *area = add(vmm, name, range.base, range.size);

    if (reserve(vmm, area, default_error_fault_callback, NULL) != 0) {
        return -1;
    }
    return back(&vmm->vm, area->reservation) != 0 ? failed(vmm, name) : 0;
}

/* Memory at a given physical address is taken at once: nobody keeps it for later. */
static int set_eager(vm_t *vm, vm_memory_reservation_t *reservation)
{
    struct guestmem_policy policy;
    int err = guestmem_reservation_get_policy(vm, reservation, &policy);

    policy.populate = GUESTMEM_POPULATE_EAGER;
    return err != 0 ? err : guestmem_reservation_set_policy(vm, reservation, &policy);
}

static int back_identity(vm_t *vm, vm_memory_reservation_t *reservation)
{
    return set_eager(vm, reservation) != 0 ? -1 : map_ut_alloc_reservation(vm, reservation);
}

static int back_window(vm_t *vm, vm_memory_reservation_t *reservation)
{
    uintptr_t paddr = uboot_vmm_of(vm)->config.environment.window.base;

    if (set_eager(vm, reservation) != 0) {
        return -1;
    }
    return map_ut_alloc_reservation_with_base_paddr(vm, paddr, reservation);
}

static int make_fixed(struct uboot_vmm *vmm)
{
    const struct uboot_vmm_environment *environment = &vmm->config.environment;
    struct uboot_vmm_range window = {WINDOW_BASE, environment->window.size};
    struct uboot_vmm_area *area;

    if (make_backed(vmm, "identity", environment->identity, back_identity) != 0 ||
        make_backed(vmm, "window", window, back_window) != 0) {
        return -1;
    }
    area = add(vmm, "device", environment->device_page, PAGE);
    area->view = create_device_reservation_frame(&vmm->vm, area->base, seL4_AllRights,
                                                 uboot_vmm_dropped_fault, area);
    return area->view == NULL ? failed(vmm, area->name) : 0;
}

static int make_shared(struct uboot_vmm *vmm)
{
    struct uboot_vmm_area *area = add(vmm, "shared", SHARED_BASE, PAGE);

    area->view = create_allocated_reservation_frame(&vmm->vm, area->base, seL4_CanRead,
                                                    uboot_vmm_dropped_fault, area);
    return area->view == NULL ? failed(vmm, area->name) : 0;
}

static int make_ram(struct uboot_vmm *vmm)
{
    struct uboot_vmm_area *area = add(vmm, "ram", UBOOT_VMM_RAM_BASE, vmm->config.ram_bytes);

    return vm_ram_register_at(&vmm->vm, area->base, area->size, false) != 0
               ? failed(vmm, area->name)
               : 0;
}

/* -------------------------------------------------------------------------------------- flash */

/* The guest may read flash, and no more: the frames are ours, handed over one by one, read-only. */
static vm_frame_t flash_frame(uintptr_t addr, void *cookie)
{
    struct uboot_vmm_flash *flash = cookie;
    size_t page = (addr - flash->base) / PAGE;
    vm_frame_t frame = {.vaddr = addr, .rights = seL4_CanRead, .size_bits = seL4_PageBits};

    if (page < flash->frame_count) {
        frame.cptr = flash->frames[page].cptr;
    }
    return frame;
}

static int flash_take(struct uboot_vmm *vmm, struct uboot_vmm_flash *flash, size_t bytes)
{
    size_t count = bytes / PAGE;

    flash->frames = calloc(count, sizeof(*flash->frames));
    if (flash->frames == NULL) {
        return uboot_vmm_fail(vmm, "flash: no memory for a list of %zu frames", count);
    }
    while (flash->frame_count < count) {
        if (vka_alloc_frame(vmm->vm.vka, seL4_PageBits, &flash->frames[flash->frame_count]) != 0) {
            return uboot_vmm_fail(vmm, "flash: no memory for frame %zu of %zu",
                                  flash->frame_count + 1, count);
        }
        flash->frame_count++;
    }
    return 0;
}

static int make_flash(struct uboot_vmm *vmm, struct uboot_vmm_flash *flash, const char *name,
                      struct uboot_vmm_range range)
{
    struct uboot_vmm_area *area = add(vmm, name, range.base, range.size);

    flash->base = range.base;
    if (flash_take(vmm, flash, range.size) != 0 ||
        reserve(vmm, area, uboot_vmm_dropped_fault, area) != 0) {
        return -1;
    }
    if (vm_map_reservation(&vmm->vm, area->reservation, flash_frame, flash) != 0) {
        return failed(vmm, name);
    }
    return 0;
}

static void flash_give(struct uboot_vmm *vmm, struct uboot_vmm_flash *flash)
{
    while (flash->frame_count > 0) {
        vka_free_object(vmm->vm.vka, &flash->frames[--flash->frame_count]);
    }
    free(flash->frames);
    flash->frames = NULL;
}

/* -------------------------------------------------------------------------- emulated devices */

/* Reserve what of [base, end) no area holds; devices that aren't there may surround ones that are.
 */
static int make_absent(struct uboot_vmm *vmm, uintptr_t base, uintptr_t end)
{
    while (base < end) {
        uintptr_t stop = end;
        uintptr_t next = end;

        for (size_t i = 0; i < vmm->area_count; i++) {
            const struct uboot_vmm_area *area = &vmm->areas[i];
            if (area->base < stop && (area->base > base || base - area->base < area->size)) {
                stop = area->base > base ? area->base : base;
                next = area->base + area->size;
            }
        }
        if (stop > base && vm_reserve_memory_at(&vmm->vm, base, stop - base, uboot_vmm_absent_fault,
                                                vmm) == NULL) {
            return failed(vmm, "absent device");
        }
        base = next;
    }
    return 0;
}

static int make_emulated(struct uboot_vmm *vmm)
{
    if (reserve(vmm, add(vmm, "uart", UART_BASE, PAGE), uboot_vmm_uart_fault, vmm) != 0) {
        return -1;
    }
    for (size_t i = 0; i < vmm->config.absent_count; i++) {
        const struct uboot_vmm_range *range = &vmm->config.absent[i];
        if (make_absent(vmm, range->base, range->base + range->size) != 0) {
            return -1;
        }
    }
    return 0;
}

int uboot_vmm_memory_make(struct uboot_vmm *vmm)
{
    struct uboot_vmm_range code = {0, page_up(vmm->config.firmware_bytes)};
    struct uboot_vmm_range environment = {ENVIRONMENT_BASE, ENVIRONMENT_BYTES};
    struct uboot_vmm_range frames = {FRAMES_BASE, FRAMES_BYTES};
    struct uboot_vmm_range maybe = {MAYBE_BASE, MAYBE_BYTES};

    if (make_fixed(vmm) != 0 || make_ram(vmm) != 0 || make_shared(vmm) != 0 ||
        make_flash(vmm, &vmm->flash[0], "flash", code) != 0 ||
        make_flash(vmm, &vmm->flash[1], "environment", environment) != 0 ||
        make_backed(vmm, "frames", frames, map_frame_alloc_reservation) != 0 ||
        make_backed(vmm, "maybe", maybe, map_maybe_device_reservation) != 0) {
        return -1;
    }
    return make_emulated(vmm);
}

void uboot_vmm_memory_drop(struct uboot_vmm *vmm)
{
    guestmem_destroy(&vmm->vm);
    uboot_vmm_windows_drop(vmm);
    flash_give(vmm, &vmm->flash[0]);
    flash_give(vmm, &vmm->flash[1]);
}

/* ------------------------------------------------------------------------------------ loading */

static int erase(void *bytes, size_t size, void *cookie)
{
    (void)cookie;
    memset(bytes, 0xff, size);
    return 0;
}

static int load_device_tree(struct uboot_vmm *vmm)
{
    const void *tree = vmm->config.device_tree;
    size_t bytes = vmm->config.device_tree_bytes;
    void *built = NULL;
    int err = 0;

    if (tree == NULL) {
        built = malloc(DEVICE_TREE_ROOM);
        bytes = built == NULL ? 0 : uboot_device_tree_build(vmm, built, DEVICE_TREE_ROOM);
        tree = built;
    }
    if (bytes == 0) {
        err = uboot_vmm_fail(vmm, "no memory for the device tree");
    } else if (uboot_vmm_write(vmm, UBOOT_VMM_RAM_BASE, tree, bytes) != 0) {
        err = uboot_vmm_fail(vmm, "can't put %zu bytes of device tree into the RAM: %s", bytes,
                             vmm->look_error);
    }
    free(built);
    return err;
}

int uboot_vmm_memory_load(struct uboot_vmm *vmm)
{
    if (vmm->config.progress != NULL) {
        vmm->config.progress("firmware", vmm->config.progress_cookie);
    }
    if (uboot_vmm_write(vmm, 0, vmm->config.firmware, vmm->config.firmware_bytes) != 0) {
        return uboot_vmm_fail(vmm, "can't write the firmware into the flash: %s", vmm->look_error);
    }
    if (uboot_vmm_look(vmm, ENVIRONMENT_BASE, ENVIRONMENT_BYTES, erase, NULL) != 0) {
        return uboot_vmm_fail(vmm, "can't erase the environment flash: %s", vmm->look_error);
    }
    return load_device_tree(vmm);
}
