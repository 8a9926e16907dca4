/* table.h: Hash map from strings to pointers (open addressing, arena-allocated). */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_TABLE_H
#define CNNC_TABLE_H
#include "base/arena.h"

typedef struct Slot {
  const char *key;
  void *thing;
} Slot;
typedef struct Table {
  Slot *slot;
  int n, room;
} Table;                                                        /* all zero: an empty table */
void *table_find(const Table *, const char *key);               /* NULL if the string is missing */
void table_set(Arena *, Table *, const char *key, void *thing); /* adds or replaces; key is not copied */
#endif
