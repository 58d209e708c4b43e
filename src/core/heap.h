/*
 * heap.h - a bounded priority queue of numbers: smallest key first, equal keys by number.
 */
#ifndef ONRAMP_CORE_HEAP_H
#define ONRAMP_CORE_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct onramp_heap_item {
    int64_t key;
    uint32_t id;
};

struct onramp_heap {
    struct onramp_heap_item *items;
    size_t size, room;
};

bool onramp_heap_init(struct onramp_heap *heap, size_t room); /* false: out of memory */
void onramp_heap_clear(struct onramp_heap *heap);
void onramp_heap_push(struct onramp_heap *heap, int64_t key, uint32_t id); /* never more than `room` */
struct onramp_heap_item onramp_heap_pop(struct onramp_heap *heap);         /* not from an empty one */
void onramp_heap_remove(struct onramp_heap *heap, uint32_t id);            /* wherever it is, if it is there */

#endif
