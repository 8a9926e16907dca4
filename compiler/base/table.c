/* table.c: Hash map from strings to pointers: open addressing, at most half full. */
// SPDX-License-Identifier: Apache-2.0
#include "base/table.h"
#include <stdint.h>
#include <string.h>

static uint64_t hash(const char *key) { /* FNV-1a */
  uint64_t h = 14695981039346656037u;
  for (; *key; key++) h = (h ^ (unsigned char)*key) * 1099511628211u;
  return h ^ h >> 32;
}

static Slot *slot_find(const Table *table, const char *key) {
  for (uint64_t at = hash(key);; at++) {
    Slot *slot = &table->slot[at & (uint64_t)(table->room - 1)];
    if (!slot->key || strcmp(slot->key, key) == 0) return slot;
  }
}

void *table_find(const Table *table, const char *key) {
  return table->room ? slot_find(table, key)->thing : NULL;
}

void table_set(Arena *arena, Table *table, const char *key, void *thing) {
  if (2 * (table->n + 1) > table->room) {
    Table larger = {.room = table->room ? 2 * table->room : 8};
    larger.slot = NEW_ARRAY(arena, Slot, larger.room);
    for (int i = 0; i < table->room; i++)
      if (table->slot[i].key) *slot_find(&larger, table->slot[i].key) = table->slot[i];
    larger.n = table->n;
    *table = larger;
  }
  Slot *slot = slot_find(table, key);
  table->n += slot->key == NULL;
  *slot = (Slot){key, thing};
}
