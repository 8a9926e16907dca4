/* pickle.c: Interpreter of Python's pickles, protocols 2 to 5, as far as torch.save uses them. Only calls of
 * four functions, which create tensors and dictionaries, are interpreted; the result of any other call is an
 * unknown object. https://docs.python.org/3/library/pickletools.html */
// SPDX-License-Identifier: MIT-0
#include "hosted/weights/pickle.h"

#include <stdio.h>
#include <string.h>

enum { VALUES_MOST = 1 << 20, DEPTH_MOST = 100, NAME_MOST = 200, CHUNK = 1024 };

typedef struct Machine {
  cnn_archive *memory;
  const unsigned char *begin, *at, *end;
  cnn_pickled **stack, **memo;
  cnn_pickled *chunk; /* memory for the next values */
  int32_t height, stack_room, memo_room, memoized, pushed, left, marks;
  int32_t mark[DEPTH_MOST];
  const char *wrong; /* the first error; NULL: none */
  bool memory_short, stopped;
} Machine;

static void *refuse(Machine *machine, const char *why) {
  if (!machine->wrong) machine->wrong = why;
  return NULL;
}

static void *space(Machine *machine, size_t bytes) {
  if (machine->wrong) return NULL;
  void *room = cnn_archive_alloc(machine->memory, bytes);
  if (!room) machine->memory_short = true;
  return room ? room : refuse(machine, "out of memory");
}

/* Makes room for `least` pointers by doubling; false: out of memory. */
static bool grow(Machine *machine, cnn_pickled ***items, int32_t *room, int32_t count, int32_t least) {
  int32_t more = *room ? *room : 4;
  if (least <= *room) return true;
  while (more < least) more *= 2;
  cnn_pickled **wider = space(machine, sizeof *wider * (size_t)more);
  if (!wider) return false;
  if (count > 0) memcpy(wider, *items, sizeof *wider * (size_t)count);
  *items = wider;
  *room = more;
  return true;
}

/* ---- values and the stack */

static cnn_pickled *value_new(Machine *machine, cnn_pickled_kind kind) {
  if (machine->left == 0) {
    machine->chunk = space(machine, sizeof *machine->chunk * CHUNK);
    if (!machine->chunk) return NULL;
    machine->left = CHUNK;
  }
  cnn_pickled *value = machine->chunk++;
  machine->left--;
  value->kind = kind;
  return value;
}

static void push(Machine *machine, cnn_pickled *value) {
  if (!value || machine->wrong) return;
  if (machine->pushed++ == VALUES_MOST) refuse(machine, "it pushes more than 1048576 values");
  else if (grow(machine, &machine->stack, &machine->stack_room, machine->height, machine->height + 1))
    machine->stack[machine->height++] = value;
}

static void push_new(Machine *machine, cnn_pickled_kind kind) { push(machine, value_new(machine, kind)); }

/* Pops a value; values below the last mark are not accessible. */
static cnn_pickled *pop(Machine *machine) {
  const int32_t floor = machine->marks ? machine->mark[machine->marks - 1] : 0;
  if (machine->wrong) return NULL;
  if (machine->height <= floor) return refuse(machine, "it pops a value from an empty stack");
  return machine->stack[--machine->height];
}

static cnn_pickled *top(Machine *machine) {
  cnn_pickled *value = pop(machine);
  if (value) machine->height++;
  return value;
}

static void add(Machine *machine, cnn_pickled *to, cnn_pickled *item) {
  if (!to || !item || machine->wrong) return;
  if (item->depth >= to->depth) to->depth = item->depth + 1;
  if (to->depth > DEPTH_MOST) refuse(machine, "its values are nested more than 100 deep");
  else if (grow(machine, &to->item, &to->room, to->count, to->count + 1)) to->item[to->count++] = item;
}

/* Pops the values above the last mark, and the mark. Sets *count to the number of values. */
static cnn_pickled **pop_marked(Machine *machine, int32_t *count) {
  *count = 0;
  if (machine->wrong) return NULL;
  if (machine->marks == 0) return refuse(machine, "it pops values up to a mark, but there is no mark");
  const int32_t from = machine->mark[--machine->marks];
  *count = machine->height - from;
  machine->height = from;
  return machine->stack + from;
}

static void push_tuple(Machine *machine, cnn_pickled **item, int32_t count) {
  cnn_pickled *tuple = value_new(machine, CNN_PICKLED_TUPLE);
  for (int32_t i = 0; i < count; i++) add(machine, tuple, item[i]);
  push(machine, tuple);
}

static void push_last(Machine *machine, int32_t count) {
  cnn_pickled *item[3] = {NULL};
  for (int32_t i = count; i-- > 0;) item[i] = pop(machine);
  push_tuple(machine, item, count);
}

/* Pops items, and adds them to the container below them. `one` selects the items: 0: all values above the
 * mark; 1: the top value; 2: the top key and value. If the container is an unknown object or a module, the
 * items are dropped. */
static void add_items(Machine *machine, cnn_pickled_kind kind, int32_t one) {
  cnn_pickled *item[2], **items = item;
  int32_t count = one;
  if (one == 0) items = pop_marked(machine, &count);
  for (int32_t i = one; i-- > 0;) item[i] = pop(machine);
  cnn_pickled *to = top(machine);
  if (!to || !items) return;
  if (kind == CNN_PICKLED_DICT && count % 2 != 0) refuse(machine, "it has a key without a value");
  if (to->kind != kind && to->kind != CNN_PICKLED_OTHER && to->kind != CNN_PICKLED_MODULE)
    refuse(machine, "it adds items to a value that is not a container");
  for (int32_t i = 0; i < count && to->kind == kind; i++) add(machine, to, items[i]);
}

/* ---- Bytes */

static const unsigned char *take(Machine *machine, uint64_t n) {
  const unsigned char *here = machine->at;
  if (machine->wrong) return NULL;
  if (n > (uint64_t)(machine->end - here)) return refuse(machine, "it is cut off");
  machine->at += n;
  return here;
}

static uint64_t number(Machine *machine, int bytes) { /* little-endian */
  const unsigned char *at = take(machine, (uint64_t)bytes);
  uint64_t value = 0;
  for (int b = bytes; at && b-- > 0;) value = value << 8 | at[b];
  return value;
}

static void push_integer(Machine *machine, int64_t number) {
  cnn_pickled *value = value_new(machine, CNN_PICKLED_INTEGER);
  if (value) value->number = number;
  push(machine, value);
}

static void push_long(Machine *machine) {
  const uint64_t n = number(machine, 1);
  const unsigned char *at = take(machine, n);
  if (!at) return;
  if (n > 8) {
    push_new(machine, CNN_PICKLED_OTHER);
    return;
  }
  uint64_t value = n > 0 && at[n - 1] & 0x80 ? UINT64_MAX : 0;
  for (uint64_t b = n; b-- > 0;) value = value << 8 | at[b];
  push_integer(machine, (int64_t)value);
}

static void push_text(Machine *machine, cnn_pickled_kind kind, uint64_t n) {
  const unsigned char *at = take(machine, n);
  cnn_pickled *value = at ? value_new(machine, kind) : NULL;
  if (!value) return;
  value->text = (const char *)at;
  value->bytes = (size_t)n;
  push(machine, value);
}

/* ---- Names and calls */

static void push_name(Machine *machine, const char *text, size_t bytes) {
  cnn_pickled *value = value_new(machine, bytes > NAME_MOST ? CNN_PICKLED_OTHER : CNN_PICKLED_NAME);
  if (!value) return;
  value->text = text;
  value->bytes = bytes;
  push(machine, value);
}

/* Reads a global name: the module and the name in it, one line each. */
static void global(Machine *machine) {
  const size_t left = (size_t)(machine->end - machine->at);
  const unsigned char *begin = machine->at, *first = memchr(begin, '\n', left),
                      *second = first ? memchr(first + 1, '\n', (size_t)(machine->end - first - 1)) : NULL;
  if (!second) {
    refuse(machine, "it is cut off in a name");
    return;
  }
  machine->at = second + 1;
  push_name(machine, (const char *)begin, (size_t)(second - begin));
}

static void stack_global(Machine *machine) {
  const cnn_pickled *name = pop(machine), *module = pop(machine);
  if (!name || !module) return;
  if (name->kind != CNN_PICKLED_TEXT || module->kind != CNN_PICKLED_TEXT ||
      name->bytes + module->bytes >= NAME_MOST) {
    push_new(machine, CNN_PICKLED_OTHER);
    return;
  }
  char *text = space(machine, NAME_MOST + 1);
  if (!text) return;
  memcpy(text, module->text, module->bytes);
  text[module->bytes] = '\n';
  memcpy(text + module->bytes + 1, name->text, name->bytes);
  push_name(machine, text, module->bytes + 1 + name->bytes);
}

bool cnn_pickled_is(const cnn_pickled *value, const char *text) {
  return (value->kind == CNN_PICKLED_TEXT || value->kind == CNN_PICKLED_NAME) &&
         value->bytes == strlen(text) && memcmp(value->text, text, value->bytes) == 0;
}

/* Interprets a call of a known function, except _rebuild_from_type_v2. NULL: the function or its arguments
 * are unknown. */
static cnn_pickled *call(Machine *machine, const cnn_pickled *callee, cnn_pickled *arguments) {
  cnn_pickled **const item = arguments->item;
  if (cnn_pickled_is(callee, "collections\nOrderedDict") && arguments->count == 0)
    return value_new(machine, CNN_PICKLED_DICT);
  if (cnn_pickled_is(callee, "torch._utils\n_rebuild_parameter") && arguments->count > 0 &&
      item[0]->kind == CNN_PICKLED_TENSOR)
    return item[0];
  if (!cnn_pickled_is(callee, "torch._utils\n_rebuild_tensor_v2") || arguments->count < 4) return NULL;
  cnn_pickled *tensor = value_new(machine, CNN_PICKLED_TENSOR);
  for (int32_t i = 0; i < arguments->count; i++) add(machine, tensor, item[i]);
  return tensor;
}

static void reduce(Machine *machine) {
  cnn_pickled *arguments = pop(machine), *made = NULL;
  const cnn_pickled *callee = pop(machine);
  if (!arguments || !callee) return;
  if (arguments->kind == CNN_PICKLED_TUPLE) {
    cnn_pickled **const item = arguments->item;
    if (cnn_pickled_is(callee, "torch._tensor\n_rebuild_from_type_v2") && arguments->count >= 3 &&
        item[2]->kind == CNN_PICKLED_TUPLE)
      made = call(machine, item[0], item[2]); /* item: function, type, the function's arguments, state */
    else made = call(machine, callee, arguments);
  }
  if (made) push(machine, made);
  else push_new(machine, CNN_PICKLED_OTHER);
}

static void object(Machine *machine, int32_t parts) {
  for (int32_t i = 0; i < parts; i++) pop(machine);
  push_new(machine, CNN_PICKLED_OTHER);
}

/* Pops the attributes of an object, to recognize modules. The attributes of a module begin with a few flags
 * and hooks, followed by "_modules". */
static void build(Machine *machine) {
  enum { FIRST = 64 };
  const cnn_pickled *state = pop(machine);
  cnn_pickled *to = top(machine);
  if (!state || !to || to->kind != CNN_PICKLED_OTHER || state->kind != CNN_PICKLED_DICT) return;
  for (int32_t i = 0; i + 1 < state->count && i < 2 * FIRST; i += 2)
    if (cnn_pickled_is(state->item[i], "_modules")) to->kind = CNN_PICKLED_MODULE;
}

static void persistent(Machine *machine) {
  const cnn_pickled *id = pop(machine);
  if (!id) return;
  cnn_pickled *storage =
      value_new(machine, id->kind == CNN_PICKLED_TUPLE ? CNN_PICKLED_STORAGE : CNN_PICKLED_OTHER);
  for (int32_t i = 0; i < id->count && id->kind == CNN_PICKLED_TUPLE; i++) add(machine, storage, id->item[i]);
  push(machine, storage);
}

/* ---- The memo */

static void put(Machine *machine, uint64_t place) {
  cnn_pickled *value = top(machine);
  if (!value) return;
  if (place >= VALUES_MOST) {
    refuse(machine, "its memo has more than 1048576 values");
    return;
  }
  if (!grow(machine, &machine->memo, &machine->memo_room, machine->memo_room, (int32_t)place + 1)) return;
  machine->memo[place] = value;
  machine->memoized++;
}

static void get(Machine *machine, uint64_t place) {
  if (machine->wrong) return;
  if (place < (uint64_t)machine->memo_room && machine->memo[place]) push(machine, machine->memo[place]);
  else refuse(machine, "it reads a memo entry that was never stored");
}

/* ---- opcodes: each function returns whether the opcode belongs to its group */

static bool constant(Machine *machine, int opcode) {
  switch (opcode) {
  case 'J': push_integer(machine, (int32_t)number(machine, 4)); return true;
  case 'K': push_integer(machine, (int64_t)number(machine, 1)); return true;
  case 'M': push_integer(machine, (int64_t)number(machine, 2)); return true;
  case 0x8a: push_long(machine); return true;
  case 0x88: /* 0x88: True, 0x89: False */
  case 0x89: push_integer(machine, opcode == 0x88); return true;
  case 'N': push_new(machine, CNN_PICKLED_OTHER); return true;
  case 'G': push_text(machine, CNN_PICKLED_OTHER, 8); return true;
  case 'X':
  case 'T': push_text(machine, CNN_PICKLED_TEXT, number(machine, 4)); return true;
  case 0x8c:
  case 'U': push_text(machine, CNN_PICKLED_TEXT, number(machine, 1)); return true;
  case 0x8d: push_text(machine, CNN_PICKLED_TEXT, number(machine, 8)); return true;
  case 'B': push_text(machine, CNN_PICKLED_OTHER, number(machine, 4)); return true;
  case 'C': push_text(machine, CNN_PICKLED_OTHER, number(machine, 1)); return true;
  case 0x8e: push_text(machine, CNN_PICKLED_OTHER, number(machine, 8)); return true;
  default: return false;
  }
}

static bool container(Machine *machine, int opcode) {
  int32_t count;
  cnn_pickled **item;
  switch (opcode) {
  case '}': push_new(machine, CNN_PICKLED_DICT); return true;
  case ']': push_new(machine, CNN_PICKLED_LIST); return true;
  case ')': push_new(machine, CNN_PICKLED_TUPLE); return true;
  case 0x8f: push_new(machine, CNN_PICKLED_OTHER); return true; /* an empty set */
  case '(':
    if (machine->marks == DEPTH_MOST) refuse(machine, "its values are nested more than 100 deep");
    else machine->mark[machine->marks++] = machine->height;
    return true;
  case 't':
    item = pop_marked(machine, &count);
    if (item) push_tuple(machine, item, count);
    return true;
  case 0x85:
  case 0x86:
  case 0x87: push_last(machine, opcode - 0x84); return true;
  case 'a': add_items(machine, CNN_PICKLED_LIST, 1); return true;
  case 'e': add_items(machine, CNN_PICKLED_LIST, 0); return true;
  case 's': add_items(machine, CNN_PICKLED_DICT, 2); return true;
  case 'u': add_items(machine, CNN_PICKLED_DICT, 0); return true;
  case 0x90: pop_marked(machine, &count); return true;
  case 0x91:
    pop_marked(machine, &count);
    push_new(machine, CNN_PICKLED_OTHER);
    return true;
  default: return false;
  }
}

static bool other(Machine *machine, int opcode) {
  switch (opcode) {
  case 0x80:
    if (number(machine, 1) > 5) refuse(machine, "its protocol is above 5");
    return true;
  case 0x95: number(machine, 8); return true; /* start of a frame: its length is not needed */
  case 'q': put(machine, number(machine, 1)); return true;
  case 'r': put(machine, number(machine, 4)); return true;
  case 0x94: put(machine, (uint64_t)machine->memoized); return true;
  case 'h': get(machine, number(machine, 1)); return true;
  case 'j': get(machine, number(machine, 4)); return true;
  case 'c': global(machine); return true;
  case 0x93: stack_global(machine); return true;
  case 'R': reduce(machine); return true;
  case 0x81: object(machine, 2); return true;
  case 0x92: object(machine, 3); return true;
  case 'b': build(machine); return true;
  case 'Q': persistent(machine); return true;
  case '0': pop(machine); return true;
  case '.': machine->stopped = true; return true;
  default: return false;
  }
}

cnn_status cnn_pickle_read(cnn_archive *memory, const char *label, const unsigned char *bytes, size_t n,
                           cnn_pickled **value) {
  Machine machine = {.memory = memory, .begin = bytes, .at = bytes, .end = bytes + n};
  size_t here = 0;
  while (!machine.stopped && !machine.wrong) {
    here = (size_t)(machine.at - machine.begin);
    const int opcode = (int)number(&machine, 1);
    if (!machine.wrong && !constant(&machine, opcode) && !container(&machine, opcode) &&
        !other(&machine, opcode))
      return cnn_failure(CNN_BAD_FORMAT, "%s: byte %zu: torch.save does not use opcode 0x%02x", label, here,
                         (unsigned)opcode);
  }
  machine.marks = 0;
  *value = pop(&machine);
  if (machine.memory_short) return cnn_failure(CNN_NO_MEMORY, "%s: out of memory", label);
  if (machine.wrong)
    return cnn_failure(CNN_BAD_FORMAT, "%s: the pickle is damaged at byte %zu: %s", label, here,
                       machine.wrong);
  return cnn_success();
}
