/*
 * SPDX-License-Identifier: BSD-2-Clause
 * Copyright 2026 the guestmem authors
 *
 * A red-black tree with the order that the reference's tree has (ranges that meet are equal, an
 * address is a range of no bytes), nodes from malloc; a sorted array with a plain binary search;
 * the library's index; and the index behind the cache that a thread has of what it found.
 */
#include "bench_lookup.h"

#include <stdlib.h>

#include <bsd/sys/tree.h>

#include "bench_vm.h"
#include "lookup_cache.h"
#include "range_index.h"

/* The two loops over a find function, which is part of them as it is of code that calls it. */
#define LOOKUP_LOOPS(structure, made_type)                                                  \
    static void *structure##_found(void *made, uintptr_t addr)                              \
    {                                                                                       \
        return structure##_find((made_type *)made, addr);                                   \
    }                                                                                       \
    static uintptr_t structure##_latency(void *made, const uintptr_t *at, size_t count,     \
                                         uintptr_t zero)                                    \
    {                                                                                       \
        uintptr_t found = 0;                                                                \
                                                                                            \
        for (size_t i = 0; i < count; i++) {                                                \
            found = (uintptr_t)structure##_find((made_type *)made, at[i] + (found & zero)); \
        }                                                                                   \
        return found;                                                                       \
    }                                                                                       \
    static uintptr_t structure##_throughput(void *made, const uintptr_t *at, size_t count)  \
    {                                                                                       \
        uintptr_t found = 0;                                                                \
                                                                                            \
        for (size_t i = 0; i < count; i++) {                                                \
            found += (uintptr_t)structure##_find((made_type *)made, at[i]);                 \
        }                                                                                   \
        return found;                                                                       \
    }

static void *need(size_t bytes)
{
    void *block = calloc(1, bytes);

    bench_require(block != NULL, "have memory");
    return block;
}

/* ------------------------------------------------------------------------------ red-black tree */

struct tree_node {
    RB_ENTRY(tree_node) link;
    uintptr_t base;
    size_t size;
    void *item;
};

RB_HEAD(tree_head, tree_node);

static int tree_compare(const struct tree_node *left, const struct tree_node *right)
{
    if (left->base < right->base) {
        return left->base + left->size <= right->base ? -1 : 0;
    }
    return right->base + right->size <= left->base ? 1 : 0;
}

RB_GENERATE_INTERNAL(tree_head, tree_node, link, tree_compare, static __attribute__((unused)))

struct tree {
    struct tree_head head;
    size_t count;
    struct tree_node **nodes; /* of the ranges in ascending order */
};

static struct tree_node *tree_node_at(struct tree *tree, uintptr_t addr)
{
    struct tree_node key = {.base = addr, .size = 0};

    return RB_FIND(tree_head, &tree->head, &key);
}

static inline void *tree_find(struct tree *tree, uintptr_t addr)
{
    struct tree_node *node = tree_node_at(tree, addr);

    return node != NULL ? node->item : NULL;
}

LOOKUP_LOOPS(tree, struct tree)

static void tree_insert(void *made, const struct lookup_ranges *ranges, const unsigned *which,
                        size_t count)
{
    struct tree *tree = made;

    (void)ranges;
    for (size_t i = 0; i < count; i++) {
        RB_INSERT(tree_head, &tree->head, tree->nodes[which[i]]);
    }
}

static void tree_remove(void *made, const struct lookup_ranges *ranges, const unsigned *which,
                        size_t count)
{
    struct tree *tree = made;

    for (size_t i = 0; i < count; i++) {
        RB_REMOVE(tree_head, &tree->head, tree_node_at(tree, ranges->at[which[i]].base));
    }
}

static void *tree_make(const struct lookup_ranges *ranges)
{
    struct tree *tree = need(sizeof(*tree));

    tree->count = ranges->count;
    tree->nodes = need(ranges->count * sizeof(struct tree_node *));
    for (size_t i = 0; i < ranges->count; i++) {
        const struct lookup_range *range = &ranges->at[ranges->order[i]];
        struct tree_node *node = need(sizeof(*node));

        node->base = range->base;
        node->size = range->last - range->base + 1;
        node->item = range->item;
        tree->nodes[ranges->order[i]] = node;
    }
    tree_insert(tree, ranges, ranges->order, ranges->count);
    return tree;
}

static void tree_drop(void *made)
{
    struct tree *tree = made;

    for (size_t i = 0; i < tree->count; i++) {
        free(tree->nodes[i]);
    }
    free(tree->nodes);
    free(tree);
}

/* ------------------------------------------------------------------------------- sorted array */

static inline void *sorted_find(const struct lookup_ranges *ranges, uintptr_t addr)
{
    size_t low = 0;
    size_t high = ranges->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (addr < ranges->at[middle].base) {
            high = middle;
        } else if (addr > ranges->at[middle].last) {
            low = middle + 1;
        } else {
            return ranges->at[middle].item;
        }
    }
    return NULL;
}

LOOKUP_LOOPS(sorted, struct lookup_ranges)

static void *sorted_make(const struct lookup_ranges *ranges)
{
    struct lookup_ranges *sorted = need(sizeof(*sorted));

    *sorted = *ranges;
    return sorted;
}

/* ------------------------------------------------------------------------------ guestmem's index
 */

struct indexed {
    struct gm_range_index index;
    struct gm_lookup_cache cache;
    size_t room;                   /* of top[] */
    struct gm_range_chunk **spare; /* chunks that aren't in use */
    size_t spare_count;
};

static inline void *index_find(struct indexed *made, uintptr_t addr)
{
    return gm_range_index_find(&made->index, addr);
}

static inline void *guestmem_find(struct indexed *made, uintptr_t addr)
{
    return gm_lookup_cache_find(&made->cache, &made->index, addr, 1);
}

LOOKUP_LOOPS(index, struct indexed)
LOOKUP_LOOPS(guestmem, struct indexed)

static struct gm_range_chunk *take_chunk(struct indexed *made)
{
    if (made->spare_count > 0) {
        return made->spare[--made->spare_count];
    }
    return need(sizeof(struct gm_range_chunk));
}

static void index_insert(void *indexed, const struct lookup_ranges *ranges, const unsigned *which,
                         size_t count)
{
    struct indexed *made = indexed;

    for (size_t i = 0; i < count; i++) {
        const struct lookup_range *range = &ranges->at[which[i]];
        struct gm_range_chunk *spare = NULL;

        if (gm_range_index_needs_chunk(&made->index, range->base)) {
            spare = take_chunk(made);
        }
        gm_range_index_insert(&made->index, range->base, range->last, range->item, spare);
    }
}

static void index_remove(void *indexed, const struct lookup_ranges *ranges, const unsigned *which,
                         size_t count)
{
    struct indexed *made = indexed;

    for (size_t i = 0; i < count; i++) {
        struct gm_range_chunk *unused =
            gm_range_index_remove(&made->index, ranges->at[which[i]].base);

        if (unused != NULL) {
            made->spare[made->spare_count++] = unused;
        }
    }
}

static void *index_make(const struct lookup_ranges *ranges)
{
    struct indexed *made = need(sizeof(*made));

    made->room = ranges->count; /* more than it can become */
    made->index.top = need(made->room * sizeof(made->index.top[0]));
    made->spare = need(made->room * sizeof(struct gm_range_chunk *));
    index_insert(made, ranges, ranges->order, ranges->count);
    return made;
}

static void index_drop(void *indexed)
{
    struct indexed *made = indexed;

    for (size_t i = 0; i < made->index.count; i++) {
        free(made->index.top[i].chunk);
    }
    for (size_t i = 0; i < made->spare_count; i++) {
        free(made->spare[i]);
    }
    free(made->spare);
    free(made->index.top);
    free(made);
}

size_t lookup_index_bytes(const void *indexed)
{
    const struct gm_range_index *index = &((const struct indexed *)indexed)->index;

    /* room for top[] grows by half */
    return index->count * (sizeof(struct gm_range_chunk) + sizeof(struct gm_range_top) * 3 / 2);
}

bool lookup_remembers(void *indexed, uintptr_t addr)
{
    struct indexed *made = indexed;
    const struct gm_lookup_entry *entry = gm_lookup_cache_entry(&made->cache, addr);

    return addr - entry->base < entry->size;
}

const struct lookup_structure lookup_structures[] = {
    {"tree", tree_make, tree_drop, tree_found, tree_latency, tree_throughput, tree_insert,
     tree_remove},
    {"", index_make, index_drop, guestmem_found, guestmem_latency, guestmem_throughput,
     index_insert, index_remove},
    {"index", index_make, index_drop, index_found, index_latency, index_throughput, NULL, NULL},
    {"sorted", sorted_make, free, sorted_found, sorted_latency, sorted_throughput, NULL, NULL},
};

const unsigned lookup_structure_count = sizeof(lookup_structures) / sizeof(lookup_structures[0]);
