/* keys.h: Keys (sequences of 64-bit words), and a hash map from keys to pointers. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_KEYS_H
#define CNNC_KEYS_H
#include <stdbool.h>
#include <stdint.h>
#include "base/arena.h"

typedef struct Key {
  uint64_t hash; /* set by key_close */
  VEC(int64_t) words;
} Key;
void key_add(Arena *, Key *, int64_t);
void key_add_text(Arena *, Key *, const char *);
void key_add_double(Arena *, Key *, double); /* adds the bits of the number: -0 differs from 0 */
void key_close(Key *);                       /* sets the hash; must be called after the last word is added */
bool key_equal(const Key *, const Key *);
const Key *key_copy(Arena *, const Key *);

typedef struct KeySlot {
  const Key *key;
  void *thing;
} KeySlot;
typedef struct KeyTable {
  KeySlot *slot;
  int n, room;
} KeyTable;                                          /* all zero: an empty table */
void *key_table_find(const KeyTable *, const Key *); /* NULL if the key is missing */
void key_table_set(Arena *, KeyTable *, const Key *key,
                   void *thing); /* adds or replaces; key is not copied */
#endif
