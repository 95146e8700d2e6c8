/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Firmware and script, as they are when this is built.
 */
    .section .rodata
    .balign 4096
    .global uboot_image, uboot_image_end, uboot_script
uboot_image:
    .incbin UBOOT_IMAGE
uboot_image_end:
uboot_script:
    .incbin UBOOT_SCRIPT
    .byte 0

    .section .note.GNU-stack, "", %progbits
