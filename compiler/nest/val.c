/* val.c: Values: pure trees, evaluated where a statement uses them. The builder folds constants, fuses x*y
 * + z into one node, and names subexpressions used twice, so that a traversal visits each subexpression
 * once. */
// SPDX-License-Identifier: Apache-2.0
#include "nest/build.h"
#include <math.h>
#include <string.h>

enum { TREE = 4096 }; /* maximum number of nodes in the value of one statement, after naming */

static ValNode *node(Nest *nest, ValOp op, Type type, Val a, Val b, Val c) {
  ValNode *e = NEW(nest->arena, ValNode);
  e->nest = nest;
  e->op = op;
  e->type = type;
  e->a[0] = a;
  e->a[1] = b;
  e->a[2] = c;
  e->size = 1;
  for (int i = 0; i < 3 && e->a[i]; i++) {
    if (e->a[i]->scope > e->scope) e->scope = e->a[i]->scope;
    e->size = e->size + e->a[i]->size > 1 << 28 ? 1 << 28 : e->size + e->a[i]->size;
  }
  return e;
}

static bool computes(Elem elem) { return elem == F32 || elem == I32 || elem == I64; }

/* Number of lanes of an operation on a and b; a scalar is broadcast to a vector. */
static int lanes_of(Val a, Val b) {
  int x = a->type.lanes, y = b->type.lanes;
  if (x != y && x != 1 && y != 1) nest_misuse(a->nest, "operands with different numbers of lanes");
  return x > y ? x : y;
}

static Val binary(ValOp op, Val a, Val b) {
  if (a->type.elem != b->type.elem) nest_misuse(a->nest, "operands with different element types");
  if (!computes(a->type.elem))
    nest_misuse(a->nest, "arithmetic needs float, int32 or int64 values: convert them first");
  return node(a->nest, op, (Type){a->type.elem, lanes_of(a, b)}, a, b, NULL);
}

static Val make_number(Nest *nest, Elem elem, double value) {
  ValNode *e = node(nest, NUM, (Type){elem, 1}, NULL, NULL, NULL);
  e->num = value;
  return e;
}

Val num(Nest *nest, double value) {
  if (isnan(value)) nest_misuse(nest, "a constant that is NaN");
  return make_number(nest, F32, value);
}
Val num_i32(Nest *nest, int32_t value) { return make_number(nest, I32, value); }
Val num_i64(Nest *nest, int64_t value) { return make_number(nest, I64, (double)value); }

static bool is_num(Val e, double value) { return e->op == NUM && e->num == value; }
static bool both_num(Val a, Val b) { return a->op == NUM && b->op == NUM && a->type.elem == b->type.elem; }
static bool is_product_value(Val e) { return e->op == MUL && e->type.elem == F32; }

static Val folded_constant(Val a, double value) { /* returns NULL if the operation cannot be folded */
  if (!isfinite(value) || a->type.elem == I64 ||
      (a->type.elem == I32 && (value < INT32_MIN || value > INT32_MAX)))
    return NULL;
  return make_number(a->nest, a->type.elem, value);
}

Val add(Val a, Val b) {
  Val r = both_num(a, b) ? folded_constant(a, a->num + b->num) : NULL;
  if (r) return r;
  if (is_num(b, 0)) return a;
  if (is_num(a, 0)) return b;
  if (is_product_value(a)) return fma_(a->a[0], a->a[1], b);
  if (is_product_value(b)) return fma_(b->a[0], b->a[1], a);
  return binary(ADD, a, b);
}

Val sub(Val a, Val b) {
  Val r = both_num(a, b) ? folded_constant(a, a->num - b->num) : NULL;
  if (r) return r;
  if (is_num(b, 0)) return a;
  if (is_product_value(b) && b->a[0]->op == NUM)
    return fma_(num(a->nest, -b->a[0]->num), b->a[1], a); /* a - 4*x */
  if (is_product_value(b) && b->a[1]->op == NUM) return fma_(b->a[0], num(a->nest, -b->a[1]->num), a);
  return binary(SUB, a, b);
}

Val mul(Val a, Val b) {
  Val r = both_num(a, b) ? folded_constant(a, a->num * b->num) : NULL;
  if (r) return r;
  if (is_num(b, 1)) return a;
  if (is_num(a, 1)) return b;
  return binary(MUL, a, b);
}

Val div_(Val a, Val b) {
  if (a->type.elem != F32) nest_misuse(a->nest, "division of integers");
  Val r = both_num(a, b) && b->num != 0 ? folded_constant(a, a->num / b->num) : NULL;
  return r ? r : is_num(b, 1) ? a : binary(DIV, a, b);
}

Val vmin(Val a, Val b) { return both_num(a, b) ? (a->num < b->num ? a : b) : binary(MIN, a, b); }
Val vmax(Val a, Val b) { return both_num(a, b) ? (a->num > b->num ? a : b) : binary(MAX, a, b); }
Val vmax_nan(Val a, Val b) { return both_num(a, b) ? vmax(a, b) : binary(MAX_NAN, a, b); }

static Val make_comparison(ValOp op, Val a,
                           Val b) { /* a mask: I32 that is nonzero where the comparison holds */
  ValNode *e = (ValNode *)(uintptr_t)binary(op, a, b);
  e->type.elem = I32;
  return e;
}
Val less(Val a, Val b) { return make_comparison(LESS, a, b); }
Val less_eq(Val a, Val b) { return make_comparison(LESS_EQ, a, b); }
Val equal(Val a, Val b) { return make_comparison(EQUAL, a, b); }

Val fma_(Val x, Val y, Val plus) {
  if (is_num(x, 1)) return add(y, plus);
  if (is_num(y, 1)) return add(x, plus);
  if (x->type.elem == F32 && is_num(plus, 0)) return mul(x, y);
  if (x->type.elem != y->type.elem || x->type.elem != plus->type.elem)
    nest_misuse(x->nest, "operands with different element types");
  if (both_num(x, y)) return add(mul(x, y), plus);
  int factors = lanes_of(x, y), lanes = factors > plus->type.lanes ? factors : plus->type.lanes;
  lanes_of(factors > 1 ? (x->type.lanes > 1 ? x : y) : plus, plus);
  if (lanes > 1 && factors == 1)
    x = splat(x, lanes); /* otherwise the product would be a scalar, and would be rounded before the sum */
  Type type = {x->type.elem, lanes};
  if (!computes(type.elem))
    nest_misuse(x->nest, "arithmetic needs float, int32 or int64 values: convert them first");
  return node(x->nest, FMA, type, x, y, plus);
}

Val dot_bf16(Val x, Val w, Val plus) {
  if (x->type.elem != I32 || w->type.elem != I32 || plus->type.elem != F32)
    nest_misuse(x->nest, "products of bf16 numbers need two words and a float");
  int lanes = lanes_of(x, w);
  if (plus->type.lanes > 1) lanes = lanes_of(lanes > 1 ? x->type.lanes > 1 ? x : w : plus, plus);
  return node(x->nest, DOT, (Type){F32, lanes}, x, w, plus);
}

Val choose(Val mask, Val if_so, Val if_not) {
  if (mask->type.elem != I32) nest_misuse(mask->nest, "choose: the first value is not a mask");
  if (if_so->type.elem != if_not->type.elem)
    nest_misuse(mask->nest, "choose: values of different element types");
  int lanes = lanes_of(if_so, if_not);
  if (mask->type.lanes > 1) lanes = lanes_of(mask, lanes == 1 || if_so->type.lanes == lanes ? if_so : if_not);
  if (!computes(if_so->type.elem))
    nest_misuse(mask->nest, "choose needs float, int32 or int64 values: convert them first");
  return node(mask->nest, SELECT, (Type){if_so->type.elem, lanes}, mask, if_so, if_not);
}

static Val unary(ValOp op, Val a) {
  if (a->type.elem != F32) nest_misuse(a->nest, "a float function with integer arguments");
  return node(a->nest, op, a->type, a, NULL, NULL);
}
Val at_least(Val a, Val least) { return choose(less(a, least), num(a->nest, 0), a); }
Val normal_factor(Val a) { return at_least(a, num(a->nest, 0x1p-100)); }

Val vexp(Val a) { return unary(EXP, a); }
Val vdecay(Val a) { return unary(DECAY, a); }
Val vlog(Val a) { return unary(LOG, a); }
Val vsqrt(Val a) { return unary(SQRT, a); }
Val vtanh(Val a) { return unary(TANH, a); }
Val vsigmoid(Val a) { return unary(SIGMOID, a); }
Val vnormal_cdf(Val a) { return unary(CDF, a); }
Val vpower_minus_three_quarters(Val a) { return unary(POWER, a); }
Val vsin(Val a) { return unary(SIN, a); }
Val vcos(Val a) { return unary(COS, a); }
Val vfloor(Val a) { return unary(FLOOR, a); }
Val vabs(Val a) { return unary(ABS, a); }

Val shuffle(Val a, Val b, int lanes, const int *lane) {
  int n = a->type.lanes;
  if (a->type.elem != b->type.elem || n != b->type.lanes || n == 1)
    nest_misuse(a->nest, "shuffle takes two vectors of one type");
  if (lanes != 4 && lanes != 8 && lanes != 16) nest_misuse(a->nest, "shuffle to an unsupported vector width");
  ValNode *e = node(a->nest, SHUFFLE, (Type){a->type.elem, lanes}, a, b, NULL);
  int *copy = NEW_ARRAY(a->nest->arena, int, lanes);
  for (int i = 0; i < lanes; i++) {
    if (lane[i] < 0 || lane[i] >= 2 * n) nest_misuse(a->nest, "a shuffle selects a lane that does not exist");
    copy[i] = lane[i];
  }
  e->lane = copy;
  return e;
}

Val interleave_halves(Val x, Val y, bool high) {
  if (x->type.elem != I32 || y->type.elem != I32 || x->type.lanes != y->type.lanes || x->type.lanes % 4 != 0)
    nest_misuse(x->nest, "interleave takes two vectors of words");
  return node(x->nest, high ? INTERLEAVE_HIGH : INTERLEAVE_LOW, x->type, x, y, NULL);
}

static Val horizontal(ValOp op, Val a) {
  if (a->type.elem != F32) nest_misuse(a->nest, "horizontal sum or maximum of integers");
  return a->type.lanes == 1 ? a : node(a->nest, op, (Type){F32, 1}, a, NULL, NULL);
}
Val hsum(Val a) { return horizontal(HSUM, a); }
Val hmax(Val a) { return horizontal(HMAX, a); }

Val splat(Val a, int lanes) {
  if (a->type.lanes == lanes) return a;
  if (a->type.lanes != 1 || (lanes != 4 && lanes != 8 && lanes != 16))
    nest_misuse(a->nest, "splat takes one number and 4, 8 or 16 lanes");
  if (a->type.elem != F32 && a->type.elem != I32)
    nest_misuse(a->nest, "splat needs a float or int32 value: convert it first");
  return node(a->nest, SPLAT, (Type){a->type.elem, lanes}, a, NULL, NULL);
}

static Val with_index(ValNode *e, const Index *index) {
  int scope = nest_scope_of(e->nest, index);
  e->index = *index;
  if (scope > e->scope) e->scope = scope;
  return e;
}

Val lane_at(Nest *nest, Val a, const Ix *ix) {
  if (a->type.lanes == 1) nest_misuse(nest, "lane of a scalar");
  Index index = nest_index(nest, ix);
  return with_index(node(nest, LANE, (Type){a->type.elem, 1}, a, NULL, NULL), &index);
}

Val position(Nest *nest, const Ix *ix) {
  Index index = nest_index(nest, ix);
  return with_index(node(nest, POSITION, (Type){I32, 1}, NULL, NULL, NULL), &index);
}

Val convert(Val a, Elem elem) {
  if (a->type.elem == elem) return a;
  if (elem_is_half(elem) && a->op == CONVERT && a->a[0]->type.elem == elem) return a->a[0];
  return node(a->nest, CONVERT, (Type){elem, a->type.lanes}, a, NULL, NULL);
}

Val pick(Nest *nest, Cond cond, Val if_so, Val if_not) {
  if (if_so->type.elem != if_not->type.elem) nest_misuse(nest, "pick: values of different element types");
  ValNode *e = node(nest, PICK, (Type){if_so->type.elem, lanes_of(if_so, if_not)}, if_so, if_not, NULL);
  Cond *copy = NEW(nest->arena, Cond);
  *copy = cond;
  e->cond = copy;
  for (int i = 0; i < cond.n; i++)
    for (int j = 0; j < cond.any[i].n; j++) {
      int scope = nest_scope_of(nest, &cond.any[i].range[j].e);
      if (scope > e->scope) e->scope = scope;
    }
  return e;
}

Val nest_primitive(Nest *nest, const Primitive *primitive, Val x, Val y, Val z) {
  Val a[] = {x, y, z};
  for (int i = 0; i < 3; i++)
    if ((a[i] != NULL) != (i < primitive->arguments) ||
        (a[i] && (a[i]->type.elem != primitive->takes[i] ||
                  (a[i]->type.lanes != 1 && !primitive->lanes && !(i > 0 && primitive_across(primitive))))))
      nest_misuse(nest, nest_text(nest, "%s does not take these arguments", primitive->name));
  int lanes = x->type.lanes;
  for (int i = 1; i < 3 && a[i]; i++)
    if (lanes_of(x, a[i]) > lanes && !primitive_across(primitive)) lanes = a[i]->type.lanes;
  if (primitive_across(primitive) && (y->type.lanes == 1 || y->type.lanes != z->type.lanes))
    nest_misuse(nest, "products across lanes need two vectors of one width");
  ValNode *e = node(nest, PRIMITIVE, (Type){I32, lanes}, x, y, z);
  e->primitive = primitive;
  return e;
}

Val uniform(Val key0, Val key1, Val counter) {
  Val a[] = {key0, key1, counter};
  for (int i = 0; i < 3; i++)
    if (a[i]->type.elem != I32 || a[i]->type.lanes != 1)
      nest_misuse(key0->nest, "uniform takes three I32 scalars");
  return node(key0->nest, RANDOM, (Type){F32, 1}, key0, key1, counter);
}

Val nest_load_part(Nest *nest, Ref ref, int part, int lanes) {
  Type type = ref.buf->type;
  if (lanes) type.lanes = lanes;
  if (ref.buf->place == REGS && type.lanes != ref.buf->type.lanes)
    nest_misuse(nest, "a register must be read as a whole");
  if (lanes && lanes != 1 && lanes != 4 && lanes != 8 && lanes != 16)
    nest_misuse(nest, "load of an unsupported vector width");
  if (part != type.lanes && (ref.buf->place == REGS || part < 1 || part > type.lanes))
    nest_misuse(nest, "a load of an invalid part of a vector");
  ValNode *e = node(nest, LOAD, type, NULL, NULL, NULL);
  Ref *copy = NEW(nest->arena, Ref);
  *copy = ref;
  e->ref = copy;
  e->part = part;
  e->scope = ref.buf->scope;
  for (int d = 0; d < ref.buf->rank; d++) {
    int scope = nest_scope_of(nest, &ref.at[d]);
    if (scope > e->scope) e->scope = scope;
  }
  return ref.buf->as_floats ? convert(e, F32) : e;
}

Val nest_load(Nest *nest, Ref ref, int lanes) {
  return nest_load_part(nest, ref, lanes ? lanes : ref.buf->type.lanes, lanes);
}

static bool calls(Val v, int mark) {
  ValNode *e = (ValNode *)(uintptr_t)v;
  if (e->mark == mark) return false;
  e->mark = mark;
  bool found = e->op >= EXP && e->op <= COS;
  for (int i = 0; i < 3 && e->a[i] && !found; i++) found = calls(e->a[i], mark);
  return found;
}

bool val_calls(Val v) { return calls(v, ++v->nest->marks); }

Val nest_load_words(Nest *nest, Ref ref, int lanes) {
  if (ref.buf->type.elem != I8 || ref.buf->place == REGS || ref.buf->as_floats)
    nest_misuse(nest, "packed words can only be loaded from an int8 array");
  ValNode *e = (ValNode *)(uintptr_t)nest_load_part(nest, ref, lanes, lanes);
  e->type.elem = I32;
  e->part = WORD_BYTES * lanes;
  return e;
}

Val nest_lookup(Nest *nest, Ref table, Val words) {
  if (table.buf->type.elem != I8 || table.buf->place == REGS || words->type.elem != I32 ||
      words->type.lanes != LANES)
    nest_misuse(nest, "a lookup needs a table of int8 in memory, and 16 int32 indices");
  const Val load = nest_load_part(nest, table, LANES, LANES);
  ValNode *e = node(nest, LOAD, words->type, words, NULL, NULL);
  e->ref = load->ref;
  e->part = TABLE_BYTES;
  if (load->scope > e->scope) e->scope = load->scope;
  return e;
}

Val nest_load_pairs(Nest *nest, Ref ref, int lanes) {
  if (ref.buf->type.elem != BF16 || ref.buf->place == REGS)
    nest_misuse(nest, "bf16 pairs can only be loaded from a bf16 array");
  const bool floats = ref.buf->as_floats;
  const Val load = nest_load_part(nest, ref, lanes, lanes);
  ValNode *e = (ValNode *)(uintptr_t)(floats ? load->a[0] : load);
  e->type.elem = I32;
  e->part = 2 * lanes;
  return e;
}

static bool is_of_bytes(Val e) {
  return e->op == LOAD && e->type.elem == I32 &&
         (e->ref->buf->type.elem == I8 || e->ref->buf->type.elem == BF16);
}

bool val_is_words(Val e) { return is_of_bytes(e) && !e->a[0]; }
bool val_is_lookup(Val e) { return is_of_bytes(e) && e->a[0]; }

/* ---- naming of subexpressions that are used twice ---- */
static void count_uses(Val v, int mark) { /* skips the operands of a PICK: only one of them is evaluated */
  ValNode *e = (ValNode *)(uintptr_t)v;
  if (e->mark == mark) {
    e->uses++;
    return;
  }
  e->mark = mark;
  e->uses = 1;
  e->named = NULL;
  for (int i = 0; i < 3 && e->a[i] && e->op != PICK; i++) count_uses(e->a[i], mark);
}

static bool worth_a_name(Val e) {
  if (e->op == LOAD) return e->ref->buf->place != REGS;
  return e->op != NUM && e->op != POSITION && !(e->op == SPLAT && e->a[0]->op == NUM);
}

static Val rebuild(Nest *nest, Val v) {
  ValNode *e = (ValNode *)(uintptr_t)v;
  if (e->named) return e->named;
  Val r = v;
  if (e->op != PICK && e->a[0]) {
    Val a[3] = {NULL, NULL, NULL};
    bool changed = false;
    for (int i = 0; i < 3 && e->a[i]; i++) {
      a[i] = rebuild(nest, e->a[i]);
      changed = changed || a[i] != e->a[i];
    }
    if (changed) {
      ValNode *copy = node(nest, e->op, e->type, a[0], a[1], a[2]);
      copy->num = e->num;
      copy->part = e->part;
      copy->ref = e->ref;
      copy->lane = e->lane;
      copy->primitive = e->primitive;
      copy->index = e->index;
      copy->scope = e->scope > copy->scope ? e->scope : copy->scope;
      r = copy;
    }
  }
  if (e->uses > 1 && worth_a_name(e)) r = nest_name(nest, e->op == LOAD ? "x" : e->op == EXP ? "e" : "t", r);
  e->named = r;
  return r;
}

Val val_settle(Nest *nest, Val val) {
  if (val->nest != nest) nest_misuse(nest, "a value belongs to another nest");
  nest_check_scope(nest, val->scope);
  count_uses(val, ++nest->marks);
  val = rebuild(nest, val);
  if (val->size > TREE) nest_misuse(nest, "a value has thousands of nodes: name parts of it with nest_let");
  return val;
}
