/* merge_sizes.c: Function merging with parameters: if flash is limited, layers that differ only in numbers
 * share a function, whose first parameters are these numbers. Each nest is proved with its own numbers, and
 * its call passes exactly these numbers, so the merged function needs no proof. A stack array gets the
 * largest of its sizes in the merged functions. */
// SPDX-License-Identifier: Apache-2.0
#include "lir/layout.h"

enum {
  WORTH = 150,   /* minimum number of words in a function's key: the code of a smaller function is shorter
                    than the arguments of its calls */
  MOST = 24,     /* maximum number of parameters */
  PARAMETER = 8, /* bytes of stack per parameter: the caller stores the parameter, and a function with too few
                    registers stores it again */
};

typedef struct Similar { /* functions that differ only in numbers */
  VEC(NestFunction *) functions;
} Similar;
typedef VEC(Similar *) Groups;

static void add_similar(Arena *arena, Groups *groups, KeyTable *group_of, NestFunction *function,
                        const Functions *functions) {
  const Instances *instances = function->instances;
  if (instances->instances.n > 1 || function->team) return;
  const Key *key = code_key_without_numbers(arena, function->instances, instances->instances.data[0],
                                            functions->target->dsp, &function->numbers);
  if (key->words.n < WORTH) return;
  Similar *group = key_table_find(group_of, key);
  if (!group) {
    group = NEW(arena, Similar);
    vec_push(arena, *groups, group);
    key_table_set(arena, group_of, key, group);
  }
  vec_push(arena, group->functions, function);
}

static int64_t number_in(const Similar *group, int function, int number) {
  return group->functions.data[function]->numbers.data[number].value;
}

/* Whether two numbers are equal in every function, so that one parameter is enough for both. */
static bool go_together(const Similar *group, int a, int b) {
  for (int f = 0; f < group->functions.n; f++)
    if (number_in(group, f, a) != number_in(group, f, b)) return false;
  return true;
}

static bool differs(const Similar *group, int number) {
  for (int f = 1; f < group->functions.n; f++)
    if (number_in(group, f, number) != number_in(group, 0, number)) return true;
  return false;
}

/* Sets the size of a stack array to the largest of its sizes in all functions. */
static void enlarge(const Similar *group, int number) {
  NestFunction *function = group->functions.data[0];
  CodeNumber *own = &function->numbers.data[number];
  const Buf *buf = own->of;
  const int64_t before = own->value;
  for (int f = 1; f < group->functions.n; f++)
    if (number_in(group, f, number) > own->value) own->value = number_in(group, f, number);
  function->stack += (own->value - before) * elem_bytes(buf->type.elem) * buf->type.lanes;
}

/* The printer finds the parameter of a number by its address (`of` and `which`), which several numbers may
 * have. Returns whether these numbers are equal in every function, so that they can share a parameter. */
static bool agrees_with_its_address(const Similar *group, int number) {
  const CodeNumbers *numbers = &group->functions.data[0]->numbers;
  const CodeNumber *own = &numbers->data[number];
  for (int i = 0; i < number; i++)
    if (numbers->data[i].of == own->of && numbers->data[i].which == own->which)
      return go_together(group, i, number);
  return true;
}

/* first: by parameter, the first number that it replaces. Returns the number of parameters, or -1 if there
 * are too many, or if one number of the nest would need two parameters. */
static int choose_parameters(const Similar *group, int first[MOST]) {
  CodeNumbers *numbers = &group->functions.data[0]->numbers;
  int n = 0;
  for (int i = 0; i < numbers->n; i++) {
    if (!agrees_with_its_address(group, i)) return -1;
    if (numbers->data[i].which == NUMBER_ELEMENTS || !differs(group, i)) continue;
    int k = 0;
    while (k < n && !go_together(group, i, first[k])) k++;
    if (k == MOST) return -1;
    if (k == n) first[n++] = i;
    numbers->data[i].parameter = k + 1;
  }
  return n;
}

/* Sets Buf.overlaps in `to` where it is set in `from`: a result that may overlap an operand in one function
 * may also overlap it in the merged function. */
static void share_overlaps(const Nest *to, const Nest *from) {
  for (int i = 0, k = 0; i < to->nbufs && k < from->nbufs; i++) {
    if (to->buf[i]->place >= STACK || !nest_uses(to, i)) continue;
    while (from->buf[k]->place >= STACK || !nest_uses(from, k)) k++;
    if (from->buf[k++]->overlaps) to->buf[i]->overlaps = true;
  }
}

/* Merges the functions of a group into the first one, if MOST parameters are enough. */
static void merge_group(Arena *arena, const Similar *group) {
  int first[MOST];
  NestFunction *to = group->functions.data[0];
  const int n = choose_parameters(group, first);
  if (n < 0) {
    for (int i = 0; i < to->numbers.n; i++) to->numbers.data[i].parameter = 0;
    return;
  }
  to->merged = true;
  for (int f = 0; f < group->functions.n; f++) {
    NestFunction *function = group->functions.data[f];
    for (int k = 0; k < n; k++) vec_push(arena, function->sizes, number_in(group, f, first[k]));
    function->into = to;
    to->hot |= function->hot;
    share_overlaps(to->nest, function->nest);
  }
  for (int i = 0; i < to->numbers.n; i++)
    if (to->numbers.data[i].which == NUMBER_ELEMENTS) enlarge(group, i);
  to->stack += (int64_t)PARAMETER * n;
}

void merge_similar(Arena *arena, Functions *functions) {
  Groups groups = {0};
  KeyTable group_of = {0};
  if (!functions->target->dsp) return; /* not a microcontroller: compilers inline kernels into their caller */
  for (int i = 0; i < functions->all.n; i++)
    add_similar(arena, &groups, &group_of, functions->all.data[i], functions);
  for (int g = 0; g < groups.n; g++)
    if (groups.data[g]->functions.n > 1) merge_group(arena, groups.data[g]);
}
