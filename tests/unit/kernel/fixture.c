/*
 * SPDX-License-Identifier: BSD-2-Clause
 * Copyright 2026 the guestmem authors
 */
#include "fixture.h"

struct guestmem_host *host;
vka_t *vka;

int fixture_setup(void **state)
{
    static const struct guestmem_host_region regions[] = {{DEVICE_BASE, MIB(64), false}};
    struct guestmem_host_config config = {.ram_bytes = GIB(4), .regions = regions,
                                          .region_count = 1};

    (void)state;
    if (guestmem_host_create(&config, &host) != 0) {
        return -1;
    }
    vka = guestmem_host_vka(host);
    return 0;
}

int fixture_teardown(void **state)
{
    (void)state;
    guestmem_host_destroy(host);
    return 0;
}

seL4_CPtr untyped(unsigned bits)
{
    vka_object_t object;

    assert_ok(vka_alloc_untyped(vka, bits, &object));
    return object.cptr;
}

seL4_CPtr device_untyped(unsigned bits)
{
    vka_object_t object;

    assert_ok(vka_alloc_untyped_at(vka, bits, DEVICE_BASE, &object));
    return object.cptr;
}

seL4_Error retype(seL4_CPtr from, seL4_Word type, seL4_Word bits, seL4_CPtr slot, seL4_Word count)
{
    return seL4_Untyped_Retype(from, type, bits, ROOT, 0, 0, slot, count);
}

seL4_CPtr make(seL4_CPtr from, seL4_Word type, seL4_Word bits, seL4_CPtr slot)
{
    assert_ok(retype(from, type, bits, slot, 1));
    return slot;
}

seL4_Error copy(seL4_CPtr from, seL4_CPtr to, seL4_CapRights_t rights)
{
    return seL4_CNode_Copy(ROOT, to, DEPTH, ROOT, from, DEPTH, rights);
}

seL4_Error delete_cap(seL4_CPtr slot)
{
    return seL4_CNode_Delete(ROOT, slot, DEPTH);
}

seL4_Error revoke_cap(seL4_CPtr slot)
{
    return seL4_CNode_Revoke(ROOT, slot, DEPTH);
}

/* SaveCaller looks at nothing but the slot: DeleteFirst where a cap is. */
bool is_empty(seL4_CPtr slot)
{
    return seL4_CNode_SaveCaller(ROOT, slot, DEPTH) == seL4_NoError;
}

seL4_CPtr space(void)
{
    vka_object_t root;

    assert_ok(vka_alloc_vspace_root(vka, &root));
    assert_ok(simple_ASIDPool_assign(guestmem_host_simple(host), root.cptr));
    return root.cptr;
}

void tables(seL4_CPtr root, uint64_t gpa)
{
    vka_object_t table;
    seL4_Error err;

    do {
        assert_ok(vka_alloc_page_table(vka, &table));
        err = seL4_ARM_PageTable_Map(table.cptr, root, gpa, seL4_ARM_Default_VMAttributes);
    } while (err == seL4_NoError);
    assert_answer(err, seL4_DeleteFirst);
    vka_free_object(vka, &table);
}

seL4_Error map(seL4_CPtr frame, seL4_CPtr root, uint64_t gpa, seL4_CapRights_t rights)
{
    return seL4_ARM_Page_Map(frame, root, gpa, rights, seL4_ARM_Default_VMAttributes);
}

bool leaf_at(seL4_CPtr root, uint64_t gpa, struct guestmem_host_leaf *leaf)
{
    struct guestmem_host_leaf found;

    if (!guestmem_host_translate(host, root, gpa, &found)) {
        return false;
    }
    if (leaf != NULL) {
        *leaf = found;
    }
    return true;
}

uint64_t paddr_of(seL4_CPtr frame)
{
    seL4_ARM_Page_GetAddress_t got = seL4_ARM_Page_GetAddress(frame);

    assert_ok(got.error);
    return got.paddr;
}

uint8_t *bytes_of(seL4_CPtr frame)
{
    uint8_t *bytes = guestmem_host_phys(host, paddr_of(frame), 4096);

    assert_non_null(bytes);
    return bytes;
}
