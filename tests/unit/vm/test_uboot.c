/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Debian's U-Boot, unmodified, to its prompt and to its poweroff. 128 MiB of RAM at 0x40000000 with
 * the device tree at its start, the image at 0 in frames that the guest only reads, a PL011 at
 * 0x09000000 by fault callback.
 */
#include "vm_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libfdt.h>
#include <sel4vmmplatsupport/guest_memory_util.h>

static const char image_path[] = "/usr/lib/u-boot/qemu_arm64/u-boot.bin";

#define FLASH_BYTES UINT64_C(0x200000)
#define ENVIRONMENT UINT64_C(0x04000000)
#define ENVIRONMENT_BYTES UINT64_C(0x40000)
#define UART UINT64_C(0x09000000)
#define RAM UINT64_C(0x40000000)
#define RAM_BYTES UINT64_C(0x08000000)

enum { UART_DR = 0x00, UART_FR = 0x18, UART_FR_RXFE = 0x10, UART_FR_TXFF = 0x20 };
enum { PSCI_SYSTEM_OFF = 0x84000008, SKIPPED = 77, TREE_BYTES = 4096, OUTPUT_BYTES = 65536 };

struct board {
    struct guestmem_host *host;
    vm_t vm;
    char output[OUTPUT_BYTES];
    size_t output_bytes;
    const char *input;  /* what U-Boot reads next */
    const char *script; /* what it reads at its prompts */
    unsigned flag_reads;
    unsigned flash_writes;
    seL4_Word flash_data;
    bool off;
};

static bool ends_with(const struct board *board, const char *text)
{
    size_t length = strlen(text);

    return board->output_bytes >= length &&
           memcmp(board->output + board->output_bytes - length, text, length) == 0;
}

static void put(struct board *board, char byte)
{
    assert_true(board->output_bytes < OUTPUT_BYTES - 1);
    board->output[board->output_bytes++] = byte;
    if (ends_with(board, "stop autoboot")) {
        board->input = "\n";
    } else if (ends_with(board, "=> ")) {
        board->input = board->script;
        board->script = "";
    }
}

static memory_fault_result_t uart(vm_t *vm, vm_vcpu_t *vcpu, uintptr_t addr, size_t size,
                                  void *cookie)
{
    struct board *board = cookie;
    uintptr_t offset = addr - UART;

    (void)vm;
    (void)size;
    if (!is_vcpu_read_fault(vcpu)) {
        if (offset == UART_DR) {
            put(board, (char)get_vcpu_fault_data(vcpu));
        }
    } else if (offset == UART_FR) {
        /* `go` flushes the UART, and that loops until it is full: so it is, every other time. */
        set_vcpu_fault_data(vcpu, (*board->input != 0 ? 0 : UART_FR_RXFE) |
                                      (board->flag_reads++ % 2 != 0 ? UART_FR_TXFF : 0));
    } else {
        set_vcpu_fault_data(vcpu,
                            offset == UART_DR && *board->input != 0 ? (uint8_t)*board->input++ : 0);
    }
    advance_vcpu_fault(vcpu);
    return FAULT_HANDLED;
}

static memory_fault_result_t flash_write(vm_t *vm, vm_vcpu_t *vcpu, uintptr_t addr, size_t size,
                                         void *cookie)
{
    struct board *board = cookie;

    (void)vm;
    (void)size;
    (void)addr;
    if (is_vcpu_read_fault(vcpu)) {
        return FAULT_ERROR;
    }
    board->flash_writes++;
    board->flash_data = get_vcpu_fault_data(vcpu);
    advance_vcpu_fault(vcpu);
    return FAULT_HANDLED;
}

static int psci(vm_vcpu_t *vcpu, uint32_t hsr, void *cookie)
{
    struct board *board = cookie;
    seL4_UserContext regs;

    assert_int_equal(hsr >> 26, 0x17);
    assert_int_equal(vm_get_thread_context(vcpu, &regs), 0);
    if ((uint32_t)regs.x0 == PSCI_SYSTEM_OFF) {
        board->off = true;
        guestmem_host_vm_stop(vcpu->vm);
        return 0;
    }
    regs.x0 = UINT64_MAX;
    assert_int_equal(vm_set_thread_context(vcpu, regs), 0);
    advance_vcpu_fault(vcpu);
    return 0;
}

/* ------------------------------------------------------------------------------- device tree */

static void node(void *tree, const char *name, const char *compatible, uint64_t base, uint64_t size)
{
    uint64_t reg[2] = {cpu_to_fdt64(base), cpu_to_fdt64(size)};

    fdt_begin_node(tree, name);
    if (compatible != NULL) {
        fdt_property(tree, "compatible", compatible, (int)strlen(compatible) + 1);
    }
    if (size != 0) {
        fdt_property(tree, "reg", reg, sizeof(reg));
    }
}

static void clock_node(void *tree)
{
    node(tree, "clock", "fixed-clock", 0, 0);
    fdt_property_u32(tree, "#clock-cells", 0);
    fdt_property_u32(tree, "clock-frequency", 24000000);
    fdt_property_u32(tree, "phandle", 1);
    fdt_end_node(tree);
}

static void uart_node(void *tree)
{
    static const char names[] = "uartclk\0apb_pclk";
    uint32_t clocks[2] = {cpu_to_fdt32(1), cpu_to_fdt32(1)};

    node(tree, "pl011@9000000", "arm,pl011", UART, 0x1000);
    fdt_property(tree, "clocks", clocks, sizeof(clocks));
    fdt_property(tree, "clock-names", names, sizeof(names));
    fdt_end_node(tree);
}

static void cpu_nodes(void *tree)
{
    fdt_begin_node(tree, "cpus");
    fdt_property_u32(tree, "#address-cells", 1);
    fdt_property_u32(tree, "#size-cells", 0);
    node(tree, "cpu@0", "arm,cortex-a57", 0, 0);
    fdt_property_string(tree, "device_type", "cpu");
    fdt_property_u32(tree, "reg", 0);
    fdt_end_node(tree);
    fdt_end_node(tree);
}

static void tree_build(void *tree)
{
    fdt_create(tree, TREE_BYTES);
    fdt_finish_reservemap(tree);
    node(tree, "", "linux,dummy-virt", 0, 0);
    fdt_property_u32(tree, "#address-cells", 2);
    fdt_property_u32(tree, "#size-cells", 2);
    node(tree, "memory@40000000", NULL, RAM, RAM_BYTES);
    fdt_property_string(tree, "device_type", "memory");
    fdt_end_node(tree);
    node(tree, "psci", "arm,psci-1.0", 0, 0);
    fdt_property_string(tree, "method", "smc");
    fdt_end_node(tree);
    clock_node(tree);
    uart_node(tree);
    node(tree, "timer", "arm,armv8-timer", 0, 0);
    fdt_end_node(tree);
    cpu_nodes(tree);
    fdt_begin_node(tree, "chosen");
    fdt_property_string(tree, "stdout-path", "/pl011@9000000");
    fdt_end_node(tree);
    fdt_end_node(tree);
    assert_int_equal(fdt_finish(tree), 0);
}

/* ------------------------------------------------------------------------------- the board */

/* Read-only frames at 0 with the image in them, put there before the guest sees them. */
static void load_image(struct board *board)
{
    FILE *file = fopen(image_path, "rb");
    vm_memory_reservation_t *flash =
        vm_reserve_memory_at(&board->vm, 0, FLASH_BYTES, flash_write, board);
    size_t bytes = 0;

    assert_non_null(file);
    assert_non_null(flash);
    assert_int_equal(map_frame_alloc_reservation(&board->vm, flash), 0);
    for (uint64_t gpa = 0; gpa < FLASH_BYTES; gpa += 4096) {
        struct guestmem_host_leaf leaf;
        uint64_t offset;

        assert_true(
            guestmem_host_translate(board->host, board->vm.mem.vm_vspace_root.cptr, gpa, &leaf));
        offset = gpa & ((UINT64_C(1) << leaf.size_bits) - 1);
        bytes += fread(guestmem_host_phys(board->host, leaf.paddr + offset, 4096), 1, 4096, file);
    }
    fclose(file);
    assert_true(bytes > 0);
    assert_int_equal(guestmem_set_rights(&board->vm, 0, FLASH_BYTES, seL4_CanRead), 0);
}

static int board_set_up(void **state)
{
    struct board *board = calloc(1, sizeof(*board));
    struct guestmem_host_config config = {.ram_bytes = UINT64_C(512) << 20};
    char tree[TREE_BYTES];

    assert_non_null(board);
    board->input = "";
    assert_int_equal(guestmem_host_create(&config, &board->host), 0);
    assert_int_equal(vm_init(&board->vm, guestmem_host_vka(board->host),
                             guestmem_host_simple(board->host), *guestmem_host_vspace(board->host),
                             guestmem_host_io_ops(board->host), guestmem_host_endpoint(board->host),
                             "u-boot"),
                     0);
    assert_int_equal(vm_ram_register_at(&board->vm, RAM, RAM_BYTES, false), 0);
    assert_int_equal(vm_ram_register_at(&board->vm, ENVIRONMENT, ENVIRONMENT_BYTES, false), 0);
    load_image(board);
    tree_build(tree);
    fixture_write(&board->vm, RAM, tree, sizeof(tree));
    assert_non_null(vm_reserve_memory_at(&board->vm, UART, 0x1000, uart, board));
    *state = board;
    return 0;
}

static int board_tear_down(void **state)
{
    struct board *board = *state;

    assert_int_equal(guestmem_host_vm_destroy(&board->vm), 0);
    guestmem_host_destroy(board->host);
    free(board);
    return 0;
}

static void board_run(struct board *board, const char *script)
{
    seL4_UserContext context = {.pc = 0, .x0 = RAM, .spsr = FIXTURE_EL1H};
    vm_vcpu_t *vcpu = vm_create_vcpu(&board->vm, 100);

    assert_non_null(vcpu);
    board->script = script;
    assert_int_equal(vm_register_unhandled_vcpu_fault_callback(vcpu, psci, board), 0);
    assert_int_equal(vm_set_thread_context(vcpu, context), 0);
    assert_int_equal(vcpu_start(vcpu), 0);
    assert_int_equal(vm_run(&board->vm), 0);
}

static void u_boot_comes_to_its_prompt_and_powers_off(void **state)
{
    struct board *board = *state;

    board_run(board, "poweroff\n");
    assert_true(board->off);
    assert_non_null(strstr(board->output, "DRAM:  128 MiB"));
    assert_non_null(strstr(board->output, "poweroff ..."));
}

static void u_boots_answers_are_what_the_vmm_sees(void **state)
{
    struct board *board = *state;

    board_run(board,
              "mw.l 42000000 deadbeef 40000; crc32 42000000 100000; mw.l 40 12345678; md.l 40 1;"
              "mw.q 43000001 1122334455667788; poweroff\n");
    assert_true(board->off);
    assert_non_null(strstr(board->output, "==> 95b418c5"));
    assert_int_equal(fixture_read(&board->vm, 0x42000000, 4), 0xdeadbeef);
    assert_int_equal(fixture_read(&board->vm, 0x420ffffc, 4), 0xdeadbeef);
    assert_int_equal(fixture_read(&board->vm, 0x42100000, 4), 0);
    assert_int_equal(fixture_read(&board->vm, 0x43000001, 8), 0x1122334455667788);
    assert_int_equal(board->flash_writes, 1);
    assert_int_equal(board->flash_data, 0x12345678);
}

static void a_jump_to_nowhere_out_of_u_boot_is_reported(void **state)
{
    struct board *board = *state;
    seL4_UserContext context = {.pc = 0, .x0 = RAM, .spsr = FIXTURE_EL1H};
    vm_vcpu_t *vcpu = vm_create_vcpu(&board->vm, 100);
    struct guestmem_host_vm_exit exit;

    board->script = "go 6000000\n";
    assert_int_equal(vm_set_thread_context(vcpu, context), 0);
    assert_int_equal(vcpu_start(vcpu), 0);
    assert_int_equal(vm_run(&board->vm), -1);
    guestmem_host_vm_get_exit(&board->vm, &exit);
    assert_int_equal(exit.reason, GUESTMEM_HOST_VM_FETCH);
    assert_int_equal(exit.pc, 0x6000000);
    assert_int_equal(exit.address, 0x6000000);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, board_set_up, board_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(u_boot_comes_to_its_prompt_and_powers_off),
        TEST(u_boots_answers_are_what_the_vmm_sees),
        TEST(a_jump_to_nowhere_out_of_u_boot_is_reported),
    };
    FILE *file = fopen(image_path, "rb");

    if (file == NULL) {
        printf("SKIPPED: %s is missing (Debian package: u-boot-qemu)\n", image_path);
        return SKIPPED;
    }
    fclose(file);
    return cmocka_run_group_tests_name("u-boot", tests, NULL, NULL);
}
