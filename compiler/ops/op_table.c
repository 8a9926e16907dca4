/* op_table.c: the operators and losses by name: ops.def and losses.def as tables. */
// SPDX-License-Identifier: Apache-2.0
#include <string.h>
#include "ops/op.h"

#define OP(name) extern const Op op_##name;
#define LATER(name, group)
#include "ops/ops.def"
#undef OP
#undef LATER

const Op *const op_table[] = {
#define OP(name) &op_##name,
#define LATER(name, group)
#include "ops/ops.def"
#undef OP
#undef LATER
  NULL,
};

const Op *op_find(const char *name) {
  for (int i = 0; op_table[i]; i++)
    if (!strcmp(op_table[i]->name, name)) return op_table[i];
  return NULL;
}

const char *const op_later_names[] = {
#define OP(name)
#define LATER(name, group) #name,
#include "ops/ops.def"
#undef OP
#undef LATER
  NULL,
};

bool op_later(const char *name, const char **group) {
  static const struct { const char *name, *group; } later[] = {
#define OP(name)
#define LATER(name, group) {#name, group},
#include "ops/ops.def"
#undef OP
#undef LATER
  };
  for (size_t i = 0; i < sizeof later / sizeof *later; i++)
    if (!strcmp(later[i].name, name)) {
      if (group) *group = later[i].group;
      return true;
    }
  return false;
}

#define LOSS(name, ...) extern const Op op_loss_##name, op_loss_##name##_scale, op_loss_##name##_gradient;
#define LATER(name) extern const Op op_loss_##name;
#include "ops/losses/losses.def"
#undef LOSS
#undef LATER

const Op *const loss_table[] = {
#define LOSS(name, ...) &op_loss_##name,
#define LATER(name) &op_loss_##name,
#include "ops/losses/losses.def"
#undef LOSS
#undef LATER
  NULL,
};

const Loss losses[] = {
#define LOSS(name, ...) {&op_loss_##name, &op_loss_##name##_scale, &op_loss_##name##_gradient, {__VA_ARGS__}},
#define LATER(name)
#include "ops/losses/losses.def"
#undef LOSS
#undef LATER
  {NULL, NULL, NULL, {NULL}},
};
