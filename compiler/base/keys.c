/* keys.c: Hash map from sequences of numbers to pointers (open addressing, at most half full). */
// SPDX-License-Identifier: Apache-2.0
#include "base/keys.h"
#include <string.h>

void key_add(Arena *arena, Key *key, int64_t number) { vec_push(arena, key->words, number); }

void key_add_text(Arena *arena, Key *key, const char *s) {
  const size_t n = strlen(s);
  key_add(arena, key, (int64_t)n);
  for (size_t i = 0; i < n; i++) key_add(arena, key, s[i]);
}

void key_add_double(Arena *arena, Key *key, double number) {
  int64_t bits;
  memcpy(&bits, &number, sizeof bits);
  key_add(arena, key, bits);
}

void key_close(Key *key) {
  uint64_t hash = 0;
  for (int i = 0; i < key->words.n; i++)
    hash = (hash ^ (uint64_t)key->words.data[i]) * 0x9e3779b97f4a7c15u >> 7 ^ hash << 57;
  key->hash = hash;
}

bool key_equal(const Key *a, const Key *b) {
  return a->hash == b->hash && a->words.n == b->words.n &&
         !memcmp(a->words.data, b->words.data, sizeof *a->words.data * (size_t)a->words.n);
}

const Key *key_copy(Arena *arena, const Key *key) {
  Key *copy = NEW(arena, Key);
  copy->hash = key->hash;
  copy->words.n = copy->words.room = key->words.n;
  copy->words.data = NEW_ARRAY(arena, int64_t, key->words.n + 1);
  memcpy(copy->words.data, key->words.data, sizeof *key->words.data * (size_t)key->words.n);
  return copy;
}

/* ---- the map ---- */
static KeySlot *key_slot(const KeyTable *table, const Key *key) {
  for (uint64_t at = key->hash ^ key->hash >> 32;; at++) {
    KeySlot *slot = &table->slot[at & (uint64_t)(table->room - 1)];
    if (!slot->key || key_equal(slot->key, key)) return slot;
  }
}

void *key_table_find(const KeyTable *table, const Key *key) {
  return table->room ? key_slot(table, key)->thing : NULL;
}

void key_table_set(Arena *arena, KeyTable *table, const Key *key, void *thing) {
  if (2 * (table->n + 1) > table->room) {
    KeyTable larger = {.n = table->n, .room = table->room ? 2 * table->room : 8};
    larger.slot = NEW_ARRAY(arena, KeySlot, larger.room);
    for (int i = 0; i < table->room; i++)
      if (table->slot[i].key) *key_slot(&larger, table->slot[i].key) = table->slot[i];
    *table = larger;
  }
  KeySlot *slot = key_slot(table, key);
  table->n += slot->key == NULL;
  *slot = (KeySlot){key, thing};
}
