/* numbers.c: Numbers in int8 kernels that are derived from scales or weights: constants in the code or, in
 * updatable nets, members of the model struct. */
// SPDX-License-Identifier: Apache-2.0
#include <string.h>
#include "kernel/lower.h"

enum { MOST_NUMBERS = 64 };

struct Numbers {
  Buf *buf;
  int n;
  const char *name[MOST_NUMBERS];
  union {
    int32_t whole[MOST_NUMBERS];
    float real[MOST_NUMBERS];
  } value;
};

static Numbers *lowered_numbers(Lower *l, bool real) {
  const int64_t none = 1;
  Numbers **of = &l->numbers[real];
  if (*of) return *of;
  *of = NEW(l->arena, Numbers);
  (*of)->buf = lower_constants(l, real ? "reals" : "numbers", real ? F32 : I32, 1, &none, &(*of)->value);
  return *of;
}

/* The index of the number with this name. If the name is new, it is appended. */
static int number_index(Lower *l, Numbers *of, const char *name) {
  for (int i = 0; i < of->n; i++)
    if (strcmp(of->name[i], name) == 0) return i;
  if (of->n == MOST_NUMBERS) nest_misuse(l->b, "too many numbers");
  of->name[of->n++] = name;
  of->buf->dim[0] = of->buf->room[0] = of->n;
  return of->n - 1;
}

Val lower_number(Lower *l, const char *name, int32_t value) {
  if (!l->updatable) return num_i32(l->b, value);
  Numbers *of = lowered_numbers(l, false);
  const int at = number_index(l, of, name);
  of->value.whole[at] = value;
  return nest_load(l->b, nest_at(l->b, of->buf, NEST_Z + at), 1);
}

Val lower_real(Lower *l, const char *name, float value) {
  if (!l->updatable) return num(l->b, (double)value);
  Numbers *of = lowered_numbers(l, true);
  const int at = number_index(l, of, name);
  of->value.real[at] = value;
  return nest_load(l->b, nest_at(l->b, of->buf, NEST_Z + at), 1);
}

bool lower_assumes(const Lower *l, bool holds) { return l->updatable || holds; }

void lower_needs(Lower *l, bool holds, const char *what) {
  if (l->updatable && !holds) vec_push(l->arena, l->broken, what);
}
