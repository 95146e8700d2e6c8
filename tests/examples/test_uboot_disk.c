/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The example's disk, and a driver that nobody wrote for it: U-Boot's for virtio block devices,
 * unmodified, in the VM of examples/uboot-vmm.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <libfdt.h>
#include <zlib.h>

#include <guestmem/guestmem.h>
#include <guestmem/host.h>
#include <guestmem/host_vm.h>

#include "bringup.h"
#include "disk.h"
#include "script.h"
#include "uboot_vmm.h"

#define DISK_AT UINT64_C(0x0a000000)

enum {
    SKIPPED = 77,
    RAM_BYTES = 64 << 20,
    TREE_BYTES = 65536,
    FIRMWARE_MAX = 4 << 20,
    FIRST = 4, /* sectors that the script writes, */
    COUNT = 8, /* and how many */
};

static const char firmware_path[] = "/usr/lib/u-boot/qemu_arm64/u-boot.bin";

static const char commands[] = "virtio scan\n"
                               "virtio info\n"
                               "@expect (64 x 512)\n"
                               "@fill {ram+1000000} 1000 3\n"
                               "virtio write {ram+1000000} 4 8\n"
                               "@expect 8 blocks written: OK\n"
                               "virtio read {ram+1100000} 4 8\n"
                               "@expect 8 blocks read: OK\n"
                               "cmp.l {ram+1000000} {ram+1100000} 400\n"
                               "@expect Total of 1024 word(s) were the same\n"
                               "crc32 {ram+1100000} 1000\n"
                               "virtio read {ram+1100000} 40 1\n"
                               "@expect ERROR\n"
                               "poweroff\n";

static struct guestmem_host *host;
static struct uboot_vmm vmm;
static struct uboot_script *script;
static struct disk disk;
static char firmware[FIRMWARE_MAX];
static size_t firmware_bytes;

/* RAM is lazy, so that the device populates some of it too. */
static int add_disk(vm_t *vm, void *cookie)
{
    struct guestmem_policy policy;

    (void)cookie;
    guestmem_policy_default(&policy);
    policy.populate = GUESTMEM_POPULATE_LAZY;
    if (guestmem_set_policy(vm, &policy) != GUESTMEM_OK) {
        return -1;
    }
    return disk_create(&disk, vm, DISK_AT);
}

static void console_put(char byte, void *cookie)
{
    (void)cookie;
    uboot_script_put(byte, script);
}

static int console_get(void *cookie)
{
    (void)cookie;
    return uboot_script_get(script);
}

static void show(char byte, void *cookie)
{
    (void)cookie;
    putchar(byte);
}

static uint32_t crc32_step(uint32_t crc, const void *bytes, size_t size)
{
    return (uint32_t)crc32_z(crc, bytes, size);
}

static bool is_done(void *cookie)
{
    (void)cookie;
    return uboot_script_done(script);
}

/* The VM's own device tree, at the start of RAM, gets a node more. */
static void describe_disk(void)
{
    static char tree[TREE_BYTES];
    fdt64_t reg[2] = {cpu_to_fdt64(DISK_AT), cpu_to_fdt64(DISK_BYTES)};
    int node;

    assert_int_equal(uboot_vmm_read(&vmm, UBOOT_VMM_RAM_BASE, tree, sizeof(tree)), 0);
    assert_int_equal(fdt_open_into(tree, tree, sizeof(tree)), 0);
    node = fdt_add_subnode(tree, 0, "virtio_mmio@a000000");
    assert_true(node > 0);
    assert_int_equal(fdt_setprop_string(tree, node, "compatible", "virtio,mmio"), 0);
    assert_int_equal(fdt_setprop(tree, node, "reg", reg, sizeof(reg)), 0);
    assert_int_equal(fdt_pack(tree), 0);
    assert_int_equal(uboot_vmm_write(&vmm, UBOOT_VMM_RAM_BASE, tree, fdt_totalsize(tree)), 0);
}

static void create(void)
{
    struct uboot_vmm_config config = {
        .ram_bytes = RAM_BYTES,
        .firmware = firmware,
        .firmware_bytes = firmware_bytes,
        .console = {.put = console_put, .get = console_get},
        .prepare = add_disk,
        .stop_asked = is_done,
    };
    struct uboot_script_config script_config = {
        .vmm = &vmm, .text = commands, .crc32 = crc32_step, .put = show};
    char error[200] = "";

    assert_int_equal(bringup(bringup_memory(RAM_BYTES, 21), 21, &host, &config.environment), 0);
    assert_int_equal(uboot_vmm_create(&vmm, &config), 0);
    describe_disk();
    script = uboot_script_open(&script_config, error, sizeof(error));
    assert_string_equal(error, "");
    assert_non_null(script);
}

static void destroy(void)
{
    uboot_script_close(script);
    uboot_vmm_destroy(&vmm);
    assert_int_equal(guestmem_host_vm_destroy(&vmm.vm), 0);
    guestmem_host_destroy(host);
}

static void uboot_reads_and_writes_the_disk(void **state)
{
    uint8_t sent[COUNT * DISK_SECTOR];

    (void)state;
    create();
    assert_int_equal(uboot_vmm_run(&vmm), 0);
    assert_int_equal(vmm.end, UBOOT_VMM_POWEROFF);
    assert_true(uboot_script_over(script));
    assert_int_equal(uboot_script_failures(script), 0);
    assert_int_equal(uboot_vmm_read(&vmm, UBOOT_VMM_RAM_BASE + 0x1000000, sent, sizeof(sent)), 0);
    assert_memory_equal(disk.sectors + FIRST * DISK_SECTOR, sent, sizeof(sent));
    assert_int_equal(disk.resets_asked, 0);
    assert_int_equal(disk.writes, 1);
    assert_true(disk.failed > 0); /* sectors that are not there */
    destroy();
}

static bool load_firmware(void)
{
    FILE *file = fopen(firmware_path, "rb");

    if (file == NULL) {
        return false;
    }
    firmware_bytes = fread(firmware, 1, sizeof(firmware), file);
    fclose(file);
    return firmware_bytes > 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(uboot_reads_and_writes_the_disk)};

    if (!load_firmware()) {
        printf("SKIPPED: %s is missing (Debian package: u-boot-qemu)\n", firmware_path);
        return SKIPPED;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
