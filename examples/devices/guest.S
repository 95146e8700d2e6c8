/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The guest that uses the three devices, as their drivers would, and tells the board what it finds.
 * guest_words.h is this, assembled (guest_words.sh); so nobody needs an assembler for AArch64.
 */
    .equ COUNTER, 0x09000000
    .equ BOARD, 0x09000010
    .equ OUTBOX, 0x09001000
    .equ INBOX, 0x09002000
    .equ DISK, 0x09003000
    .equ RING, 0x40100000   // descriptors; the other parts of the ring are
    .equ AVAILABLE, 0x100   // at these offsets
    .equ USED, 0x200
    .equ HEADER, 0x40101000 // a request's header, its data, and its status
    .equ DATA, 0x40102000
    .equ DATA_READ, 0x40103000
    .equ TABLE, 0x40104000  // for indirect descriptors
    .equ STATUS, 0x40105000
    .equ TEXT_BYTES, 20

    // Numbers, in the same instructions with each assembler.
    .macro mov32 reg, value
    movz \reg, #(\value) & 0xffff
    movk \reg, #((\value) >> 16) & 0xffff, lsl #16
    .endm

    .macro mov64 reg, value
    mov32 \reg, \value
    movk \reg, #((\value) >> 32) & 0xffff, lsl #32
    movk \reg, #((\value) >> 48) & 0xffff, lsl #48
    .endm

    // If \reg isn't \value, step \step of the part failed, and the next part begins.
    .macro expect step, reg, value
    mov w9, #\step
    mov64 x10, \value
    cmp \reg, x10
    b.ne told
    .endm

    // Narrow loads: libsel4vm leaves the register's upper bits as they are, so they are cleared.
    .macro load op, reg, address:vararg
    mov x\reg, #0
    \op w\reg, \address
    .endm

    .macro part number, next
    mov w28, #\number << 16
    adr x27, \next
    .endm

start:
    mov32 x19, BOARD

// ------------------------------------------------------------------------------------ the counter
    part 0, mailbox
    mov32 x20, COUNTER
    mov w0, #1
    strb w0, [x20, #0xe] // CONTROL: on
    mov w0, #100
    strh w0, [x20, #0xc] // LIMIT
    mov w0, #41
    str w0, [x20, #8] // ADD
    ldr x1, [x20]
    expect 1, x1, 41
    load ldrb, 1, [x20, #0xf] // STATUS
    expect 2, x1, 0
    mov w0, #59
    str w0, [x20, #8]
    load ldrb, 1, [x20, #0xf]
    expect 3, x1, 1
    mov w0, #1
    strb w0, [x20, #0xf]
    load ldrb, 1, [x20, #0xf]
    expect 4, x1, 0
    load ldr, 1, [x20] // the halves of COUNT
    expect 5, x1, 100
    mov w0, #7
    str w0, [x20, #4]
    ldr x1, [x20]
    expect 6, x1, 0x700000064
    load ldrh, 1, [x20] // not in this size: 0
    expect 7, x1, 0
    str w0, [x20, #0xc] // three registers at once: nothing
    load ldrh, 1, [x20, #0xc]
    expect 8, x1, 100
    mov w9, #0
    b told

// ------------------------------------------------------------------------------------ the mailbox
mailbox:
    part 1, disk
    mov32 x20, OUTBOX
    mov32 x21, INBOX
    adr x0, text
    add x1, x20, #8
    mov w2, #TEXT_BYTES
1:  ldrb w3, [x0], #1
    strb w3, [x1], #1
    subs w2, w2, #1
    b.ne 1b
    mov w0, #TEXT_BYTES
    str w0, [x20, #4] // length
    mov w0, #1
    stlr w0, [x20] // number, with release: after the text
    str w0, [x21]  // ring
2:  ldar w1, [x21]
    cmp w1, #1
    b.ne 2b
    load ldr, 1, [x21, #4]
    expect 1, x1, TEXT_BYTES
    adr x0, answer
    add x1, x21, #8
    mov w2, #TEXT_BYTES
3:  ldrb w3, [x0], #1
    load ldrb, 4, [x1]
    mov w9, #2
    cmp w4, w3
    b.ne told
    add x1, x1, #1
    subs w2, w2, #1
    b.ne 3b
    mov w0, #-1
    str w0, [x20, #4] // a length that can't be
    mov w0, #2
    stlr w0, [x20]
    str w0, [x21]
4:  ldar w1, [x21]
    cmp w1, #2
    b.ne 4b
    load ldr, 1, [x21, #4]
    expect 3, x1, 0
    mov w9, #0
    b told

// --------------------------------------------------------------------------------------- the disk
    .macro describe table, at, address, length, flags, next
    mov64 x0, \address
    str x0, [\table, #\at * 16]
    mov64 x0, \length | \flags << 32 | \next << 48
    str x0, [\table, #\at * 16 + 8]
    .endm

    .macro set offset, value
    mov32 w0, \value
    str w0, [x20, #\offset]
    .endm

    // What the request is to do, and with which sector.
    .macro header what, sector
    mov32 x1, HEADER
    mov x0, #\what
    str x0, [x1]
    mov x0, #\sector
    str x0, [x1, #8]
    .endm

disk:
    part 2, end
    mov32 x20, DISK
    mov32 x21, RING
    mov w22, #0 // requests so far
    load ldr, 1, [x20]
    expect 1, x1, 0x74726976
    load ldr, 1, [x20, #8] // a block device
    expect 2, x1, 2
    set 0x70, 0
    set 0x70, 3 // acknowledged, and there is a driver
    set 0x14, 0
    load ldr, 1, [x20, #0x10] // features: indirect descriptors
    and x1, x1, #1 << 28
    expect 3, x1, 1 << 28
    set 0x24, 0
    set 0x20, 1 << 28
    set 0x24, 1
    set 0x20, 1 // version 1
    set 0x70, 11
    load ldr, 1, [x20, #0x70]
    expect 4, x1, 11 // the device agrees
    set 0x30, 0
    set 0x38, 8 // descriptors
    set 0x80, RING
    set 0x84, 0
    set 0x90, RING + AVAILABLE
    set 0x94, 0
    set 0xa0, RING + USED
    set 0xa4, 0
    set 0x44, 1
    set 0x70, 15

    // Write sector 5: its first and last words are enough.
    mov32 x1, DATA
    mov64 x2, 0x1122334455667788
    str x2, [x1]
    str x2, [x1, #504]
    header 1, 5
    describe x21, 0, HEADER, 16, 1, 1
    describe x21, 1, DATA, 512, 1, 2
    describe x21, 2, STATUS, 1, 2, 0
    mov w0, #0
    bl request
    expect 5, x1, 0

    // Read sectors 4 and 5, through a table, into a buffer in two parts.
    header 0, 4
    mov32 x1, TABLE
    describe x1, 0, HEADER, 16, 1, 1
    describe x1, 1, DATA_READ, 100, 3, 2
    describe x1, 2, DATA_READ + 100, 924, 3, 3
    describe x1, 3, STATUS, 1, 2, 0
    describe x21, 3, TABLE, 64, 4, 0
    mov w0, #3
    bl request
    expect 6, x1, 0
    mov32 x2, DATA_READ
    ldr x1, [x2, #504]
    expect 7, x1, 0
    ldr x1, [x2, #512]
    expect 8, x1, 0x1122334455667788
    ldr x1, [x2, #1016]
    expect 9, x1, 0x1122334455667788
    ldr w1, [x21, #USED + 4 + 8 + 4] // bytes that the device wrote: data and status
    expect 10, x1, 1025

    // A sector that there isn't.
    header 1, 64
    mov w0, #0
    bl request
    expect 11, x1, 1
    mov w9, #0
    b told

    // Hand over the chain that starts at descriptor w0, wait for it. x1: its status; 255: the
    // device is in a state that needs a reset.
request:
    mov32 x2, STATUS
    mov w1, #254
    strb w1, [x2]
    and w1, w22, #7
    add x2, x21, #AVAILABLE + 4
    strh w0, [x2, w1, uxtw #1]
    add w22, w22, #1
    add x2, x21, #AVAILABLE + 2
    stlrh w22, [x2] // release: the chain before its index
    set 0x50, 0
    add x2, x21, #USED + 2
5:  load ldr, 3, [x20, #0x70]
    mov x1, #255
    tbnz w3, #6, 6f
    ldarh w1, [x2] // acquire: the index before what it tells of
    cmp w1, w22
    b.ne 5b
    mov32 x2, STATUS
    load ldrb, 1, [x2]
6:  ret

// ------------------------------------------------------------------------------------------- both
told: // the part, and its step w9
    orr w0, w28, w9
    str w0, [x19]
    br x27

end:
    str w0, [x19, #4]
    b .

text:
    .ascii "hello from the guest"
answer:
    .ascii "HELLO FROM THE GUEST"
    .balign 8
