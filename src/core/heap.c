/*
 * heap.c - a binary heap in an array.
 */
#include "core/heap.h"

#include <assert.h>
#include <stdlib.h>

static bool before(struct onramp_heap_item a, struct onramp_heap_item b)
{
    return a.key < b.key || (a.key == b.key && a.id < b.id);
}

static void swap(struct onramp_heap *h, size_t a, size_t b)
{
    struct onramp_heap_item item = h->items[a];
    h->items[a] = h->items[b];
    h->items[b] = item;
}

static void rise(struct onramp_heap *h, size_t at)
{
    while (at > 0 && before(h->items[at], h->items[(at - 1) / 2])) {
        swap(h, at, (at - 1) / 2);
        at = (at - 1) / 2;
    }
}

static void sink(struct onramp_heap *h, size_t at)
{
    for (;;) {
        size_t least = at, left = 2 * at + 1, right = left + 1;
        if (left < h->size && before(h->items[left], h->items[least]))
            least = left;
        if (right < h->size && before(h->items[right], h->items[least]))
            least = right;
        if (least == at)
            return;
        swap(h, at, least);
        at = least;
    }
}

static void take_out(struct onramp_heap *h, size_t at)
{
    h->items[at] = h->items[--h->size];
    if (at < h->size) {
        rise(h, at);
        sink(h, at);
    }
}

bool onramp_heap_init(struct onramp_heap *heap, size_t room)
{
    *heap = (struct onramp_heap){.items = calloc(room, sizeof *heap->items), .room = room};
    return heap->items != NULL;
}

void onramp_heap_clear(struct onramp_heap *heap)
{
    free(heap->items);
    *heap = (struct onramp_heap){0};
}

void onramp_heap_push(struct onramp_heap *heap, int64_t key, uint32_t id)
{
    assert(heap->size < heap->room);
    heap->items[heap->size++] = (struct onramp_heap_item){key, id};
    rise(heap, heap->size - 1);
}

struct onramp_heap_item onramp_heap_pop(struct onramp_heap *heap)
{
    assert(heap->size > 0);
    struct onramp_heap_item first = heap->items[0];
    take_out(heap, 0);
    return first;
}

void onramp_heap_remove(struct onramp_heap *heap, uint32_t id)
{
    for (size_t i = 0; i < heap->size; i++)
        if (heap->items[i].id == id) {
            take_out(heap, i);
            return;
        }
}
