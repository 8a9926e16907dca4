/* random_parts.c: Random nets whose rows are split into heads, windows or rows of pixels, and joined again.
 * The nets have matrix products, attention, softmax along any axis, and indices. */
// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include "random.h"

enum { MOST_ROWS = 64 };

/* ---- values ---- */
static Value *made_value(Net *net, Shape shape, int64_t rows, double size) {
  Value *v = &net->value[net->nvalues++];
  *v = (Value){.id = ++net->ids, .shape = shape, .regions = rows > 1 ? rows : 0, .size = size, .named = true};
  snprintf(v->name, sizeof v->name, "v%d", net->names++);
  return v;
}

static int64_t rows_of(const Value *v) { return v->regions ? v->regions : 1; }
static int64_t positions_of(Shape s) { return s.h * s.w; }
static Shape sequence(int64_t length, int64_t c) { return (Shape){2, 1, length, c}; }
static bool has_room(const Net *net) {
  return net->nvalues + 4 < MOST_VALUES && net->macs < 30 * (double)MOST_MACS;
}

static Value *any_value(Net *net) {
  const int64_t latest = net->nvalues < 4 ? net->nvalues : 4;
  return &net->value[chance(net, 60) ? net->nvalues - 1 - below(net, latest) : below(net, net->nvalues)];
}

/* Rows can be broadcast to the rows of another value if one number of rows divides the other. */
static bool rows_meet(const Value *a, const Value *b) {
  return rows_of(a) % rows_of(b) == 0 || rows_of(b) % rows_of(a) == 0;
}

/* Writes `vN = FROM -> `, where vN is the next value. */
static void begin(Net *net, Value *from) {
  from->reads++;
  text_put(net->out, "    v%d = %s -> ", net->names, from->name);
}

static void end(Net *net, Shape shape, int64_t rows, double size) {
  text_put(net->out, ")\n");
  made_value(net, shape, rows, size);
}

/* ---- split and joined ---- */
static bool put_split_heads(Net *net, Value *from) {
  Shape s = from->shape;
  const int64_t n = divisor(net, s.c, s.c), rows = rows_of(from) * n;
  if (rows > MOST_ROWS) return false;
  begin(net, from);
  text_put(net->out, "split_heads(%lld", (long long)n);
  s.c /= n;
  end(net, s, rows, from->size);
  net->value[net->nvalues - 1].regions = rows; /* with a single head, too, the value has a leading axis */
  return true;
}

static bool put_join_heads(Net *net, Value *from) {
  Shape s = from->shape;
  if (!from->regions) return false;
  const int64_t n = divisor(net, from->regions, from->regions);
  begin(net, from);
  text_put(net->out, "join_heads(%lld", (long long)n);
  s.c *= n;
  end(net, s, from->regions / n, from->size);
  return true;
}

static void put_windows(Net *net, bool grid, const int64_t shift[2]) {
  if (grid) text_put(net->out, ", mode=grid");
  if (shift[0] || shift[1])
    text_put(net->out, ", shift=[%lld, %lld]", (long long)shift[0], (long long)shift[1]);
}

static bool put_split_windows(Net *net, Value *from) {
  const Shape s = from->shape;
  if (s.rank != 3 || from->regions) return false;
  const int64_t h = divisor(net, s.h, s.h), w = divisor(net, s.w, s.w), outside = s.h / h * (s.w / w);
  const bool grid = chance(net, 40), shifts = chance(net, 40);
  const int64_t shift[2] = {shifts ? below(net, s.h) : 0, shifts ? below(net, s.w) : 0};
  if ((grid ? h * w : outside) > MOST_ROWS) return false;
  begin(net, from);
  text_put(net->out, "split_windows([%lld, %lld]", (long long)h, (long long)w);
  put_windows(net, grid, shift);
  end(net, grid ? picture(s.h / h, s.w / w, s.c) : picture(h, w, s.c), grid ? h * w : outside, from->size);
  net->value[net->nvalues - 1].regions = grid ? h * w : outside;
  return true;
}

static bool put_join_windows(Net *net, Value *from) {
  const Shape s = from->shape;
  if (s.rank != 3 || !from->regions) return false;
  const int64_t down = divisor(net, from->regions, from->regions), across = from->regions / down;
  const bool grid = chance(net, 40), shifts = chance(net, 40);
  const Shape to = picture(s.h * down, s.w * across, s.c);
  const int64_t shift[2] = {shifts ? below(net, to.h) : 0, shifts ? below(net, to.w) : 0};
  begin(net, from);
  text_put(net->out, "join_windows([%lld, %lld]", (long long)to.h, (long long)to.w);
  put_windows(net, grid, shift);
  end(net, to, 1, from->size);
  return true;
}

static bool put_rows(Net *net, Value *from) {
  const Shape s = from->shape;
  if (s.rank == 3 && !from->regions && s.h <= MOST_ROWS) {
    begin(net, from);
    text_put(net->out, "split_rows -> multiply(0.5");
    end(net, sequence(s.w, s.c), s.h, from->size);
    net->value[net->nvalues - 1].regions = s.h;
  } else if (s.rank == 2 && from->regions) {
    begin(net, from);
    text_put(net->out, "join_rows -> multiply(2");
    end(net, picture(from->regions, s.w, s.c), 1, 2 * from->size);
  } else return false;
  return true;
}

/* ---- layers ---- */
static Value *put_conv(Net *net, Value *from, int64_t c) {
  Shape s = from->shape;
  if (!spend(net, (double)(rows_of(from) * elements(s) * c))) return NULL;
  begin(net, from);
  s.c = c;
  if (s.rank == 1) text_put(net->out, "dense(%lld", (long long)c);
  else text_put(net->out, "conv(%lld, 1", (long long)c);
  end(net, s, from->regions, from->size + 1);
  net->value[net->nvalues - 1].regions = from->regions;
  return &net->value[net->nvalues - 1];
}

static bool put_layer(Net *net, Value *from) {
  static const char *const axes[] = {"channels", "length", "height", "width", "positions"};
  static const char *const names[] = {"softmax", "log_softmax", "l2norm"};
  const Shape s = from->shape;
  const int form = (int)below(net, 5);
  if (form < 2) return put_conv(net, from, between(net, 1, 12));
  begin(net, from);
  if (form == 2) {
    const int name = (int)below(net, 3), axis = s.rank == 1   ? 0
                                                : s.rank == 2 ? (int)below(net, 2)
                                                              : (int)below(net, 5);
    const char *along = s.rank == 3 && axis == 1 ? "width" : axes[axis];
    text_put(net->out, "%s(axis=%s", names[name], along);
    if (name == 2) text_put(net->out, ", epsilon=0.5");
    end(net, s, 1, name == 1 ? from->size + 4 : 1);
  } else if (form == 3) {
    text_put(net->out, "%s(epsilon=0.1", chance(net, 50) ? "layernorm" : "rmsnorm");
    end(net, s, 1, 4);
  } else {
    text_put(net->out, "%s", chance(net, 50) ? "gelu -> multiply(0.5" : "clip(-4, 4");
    end(net, s, 1, from->size);
  }
  net->value[net->nvalues - 1].regions = from->regions;
  return true;
}

static bool put_transpose(Net *net, Value *from) {
  if (from->shape.rank != 2) return false;
  begin(net, from);
  text_put(net->out, "transpose -> add(0.25");
  end(net, sequence(from->shape.c, from->shape.w), 1, from->size + 1);
  net->value[net->nvalues - 1].regions = from->regions;
  return true;
}

/* ---- several values ---- */
static bool put_sum(Net *net, Value *from) {
  static const char *const names[] = {"add", "subtract", "maximum", "minimum", "multiply", "concat"};
  Value *other = any_value(net);
  const Shape a = from->shape, b = other->shape;
  const bool parts = from->regions || other->regions;
  if (a.rank != b.rank || !same_pixels(a, b) || a.c != b.c || !rows_meet(from, other) ||
      (from == other && parts && chance(net, 80)))
    return false;
  const char *name = names[below(net, 6)];
  const bool joins = !strcmp(name, "concat"), product = !strcmp(name, "multiply");
  if (product && from->size * other->size > 30) return false;
  const int64_t rows = from->regions > other->regions ? from->regions : other->regions;
  begin(net, from);
  other->reads++;
  text_put(net->out, "%s(%s", name, other->name);
  end(net, joins ? (Shape){a.rank, a.h, a.w, 2 * a.c} : a, 1,
      product ? from->size * other->size : from->size + other->size);
  net->value[net->nvalues - 1].regions = rows;
  return true;
}

static bool put_matmul(Net *net, Value *from) {
  static const char *const forms[] = {"none", "right", "left", "both"};
  Value *other = any_value(net);
  const Shape a = from->shape, b = other->shape;
  const int form = (int)below(net, 4);
  if (a.rank == 3 || b.rank == 3 || !rows_meet(from, other)) return false;
  const bool left = form >= 2, right = form == 1 || form == 3;
  const int64_t l = left ? a.c : a.w, k = left ? a.w : a.c, k2 = right ? b.c : b.w, m = right ? b.w : b.c,
                rows = from->regions > other->regions ? from->regions : other->regions;
  if (k != k2 || l * m > MOST_ELEMENTS || from->size * other->size > 30 ||
      !spend(net, (double)((rows ? rows : 1) * l * k * m)))
    return false;
  begin(net, from);
  other->reads++;
  text_put(net->out, "matmul(%s, transpose=%s, scale=%s", other->name, forms[form],
           chance(net, 50) ? "0.125" : "0.5");
  end(net, sequence(l, m), 1, 0.5 * (double)k * from->size * other->size);
  net->value[net->nvalues - 1].regions = rows;
  return net->value[net->nvalues - 1].size < 60 || chance(net, 100);
}

static void put_seen(Net *net, int64_t l, int64_t m) { /* writes arguments that select the keys of a query */
  if (l == m && chance(net, 25)) text_put(net->out, ", mask=causal");
  if (chance(net, 15)) text_put(net->out, ", window=%lld", (long long)between(net, l > m ? l : 1, l + m));
  else if (chance(net, 15))
    text_put(net->out, ", window=[%lld, %lld]", (long long)(l + below(net, 3)), (long long)below(net, 3));
}

/* Attention of the positions of `query` to all positions of a value, from which 1x1 layers compute the keys
 * and values. */
static bool put_attention(Net *net, Value *query) {
  Value *of = any_value(net);
  if (!rows_meet(query, of) || query->size > 20 || of->size > 20) return false;
  const int64_t l = positions_of(query->shape), m = positions_of(of->shape), c = query->shape.c;
  const int64_t heads = divisor(net, c, c), groups = divisor(net, heads, heads),
                rows = query->regions > of->regions ? query->regions : of->regions;
  if (!spend(net, (double)((rows ? rows : 1) * l * m * 2 * c))) return false;
  Value *key = put_conv(net, of, groups * (c / heads)), *value = key;
  if (!key) return false;
  if (chance(net, 60) && !(value = put_conv(net, of, groups * between(net, 1, 5)))) return false;
  key->reads++;
  value->reads++;
  begin(net, query);
  text_put(net->out, "attention(%s, %s, heads=%lld", key->name, value->name, (long long)heads);
  if (groups != heads) text_put(net->out, ", key_heads=%lld", (long long)groups);
  if (chance(net, 30)) text_put(net->out, ", scale=0.2");
  put_seen(net, l, m);
  Shape to = query->shape;
  to.c = value->shape.c / groups * heads;
  end(net, to, 1, value->size);
  net->value[net->nvalues - 1].regions = rows;
  return true;
}

static bool put_layer_of_heads(Net *net, Value *query) {
  Value *key = chance(net, 50) ? any_value(net) : NULL, *value = NULL;
  if (query->size > 20 || (key && (!rows_meet(query, key) || key->size > 20))) return false;
  const int64_t l = positions_of(query->shape), m = positions_of(key ? key->shape : query->shape),
                c = query->shape.c;
  for (int tries = 0; tries < 4 && !value && chance(net, 60); tries++) {
    value = any_value(net);
    if (positions_of(value->shape) != m || !rows_meet(query, value) || (key && !rows_meet(key, value)) ||
        value->size > 20)
      value = NULL;
  }
  int64_t rows = query->regions;
  if (key && key->regions > rows) rows = key->regions;
  if (value && value->regions > rows) rows = value->regions;
  if (!spend(net, (double)((rows ? rows : 1) * (l + m) * (m + 4 * c) * c))) return false;
  begin(net, query);
  text_put(net->out, "multihead_attention(%lld", (long long)divisor(net, c, c));
  if (key) text_put(net->out, ", key=%s", key->name), key->reads++;
  if (value) text_put(net->out, ", value=%s", value->name), value->reads++;
  if (chance(net, 25)) text_put(net->out, ", bias=false");
  if (chance(net, 10)) text_put(net->out, ", frozen=true");
  put_seen(net, l, m);
  end(net, query->shape, 1, 4);
  net->value[net->nvalues - 1].regions = rows;
  return true;
}

/* Indices are the positions of the largest or smallest numbers of the input x0. Indices from a computed value
 * might depend on rounding, so that results could not be compared. */
static bool put_gather(Net *net, Value *from) {
  const Value *input = &net->value[0];
  const int64_t most = positions_of(input->shape) * (input->shape.rank == 1 ? input->shape.c : 1),
                k = between(net, 1, most < 7 ? most : 7);
  if (from->regions || from->shape.rank == 1) return false;
  Value *index = made_value(net, sequence(k, 1), 1, 1);
  index->cut = true;
  text_put(net->out, "    %s = x0 -> %stopk(%lld%s) -> slice(1..2)\n", index->name,
           input->shape.rank == 1 ? "" : "channel_max -> flatten -> ", (long long)k,
           chance(net, 30) ? ", largest=false" : "");
  index->reads++;
  begin(net, from);
  text_put(net->out, "gather(%s", index->name);
  end(net, sequence(k, from->shape.c), 1, from->size);
  return true;
}

/* ---- the program ---- */
static void put_inputs(Net *net) {
  const int n = (int)between(net, 1, 3);
  for (int i = 0; i < n; i++) {
    static const int64_t sides[] = {1, 2, 3, 4, 6, 8, 9, 17};
    const int64_t h = sides[below(net, 6)], w = sides[below(net, 8)], c = 2 * between(net, 1, 12);
    const Shape shape = chance(net, 55) ? picture(h, w, c) : chance(net, 85) ? sequence(h * w, c) : vector(c);
    Value *v = made_value(net, shape, 1, 1);
    net->names--;
    snprintf(v->name, sizeof v->name, "x%d", i);
    text_put(net->out, "    input x%d: %s\n", i, shape_words(net, v->shape));
  }
  if (!chance(net, 20)) return;
  Value *v = made_value(net, sequence(between(net, 1, 9), 6), 1, 3);
  net->names--;
  snprintf(v->name, sizeof v->name, "words");
  text_put(net->out, "    input ids: %lld as i32\n    words = ids -> embedding(11, 6)\n",
           (long long)v->shape.w);
}

void write_parts(Net *net) {
  static bool (*const put[])(Net *, Value *) = {
      put_split_heads,    put_split_heads, put_join_heads, put_join_heads, put_split_windows,
      put_join_windows,   put_rows,        put_layer,      put_layer,      put_layer,
      put_transpose,      put_sum,         put_sum,        put_sum,        put_matmul,
      put_matmul,         put_matmul,      put_attention,  put_attention,  put_layer_of_heads,
      put_layer_of_heads, put_gather};
  put_inputs(net);
  const int n = (int)between(net, 4, 14);
  for (int done = 0, tries = 0; done < n && tries < 400 && has_room(net); tries++)
    done += put[below(net, sizeof put / sizeof *put)](net, any_value(net));
}

/* Writes the outputs: tanh of the last value, and all computed values that nothing reads yet. Also writes the
 * train block, in most nets. */
int parts_outputs(Net *net, Value output[MOST_OUTPUTS]) {
  Value *last = &net->value[net->nvalues - 1];
  last->reads++;
  text_put(net->out, "    last = %s -> tanh\n    output last", last->name);
  output[0] = *last;
  snprintf(output[0].name, sizeof output[0].name, "last");
  for (int i = 0; i + 1 < net->nvalues; i++)
    if (!net->value[i].reads && net->value[i].name[0] == 'v') text_put(net->out, ", %s", net->value[i].name);
  text_put(net->out, "\n");
  if (chance(net, 85))
    text_put(net->out, "    train { loss = mse(last); batch = %lld }\n", (long long)between(net, 3, 8));
  return 0;
}
