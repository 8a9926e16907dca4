/* forms_attention.c: Pattern matching of attention in imported statements: a product of two values, factors
 * and sums with masks, a softmax, another product. Patterns match values, not tensors, so they are
 * independent of the exporter's layout. */
// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "import/onnx/forms.h"
#include "import/onnx/products.h"

enum { MOST_TERMS = 8, MOST_STEPS = 32 };
/* The statements from the softmax back to the product, with the terms that are added to the scores. */
typedef struct Chain {
  const Product *product;
  int nsteps;
  const Statement *step[MOST_STEPS];
  int key; /* index of the product's operand whose positions are the keys, over which the softmax sums */
  double scale;
  int nterms;
  struct Term {
    Value *value;
    double factor;
    const char *layer; /* the layer whose bias is this term, one number per channel; or NULL */
  } term[MOST_TERMS];
  int64_t rows, l[2]; /* rows: number of rows of the scores; l: number of positions of each operand */
  int64_t grouped; /* number of heads, if the queries of several heads are the positions of one row; otherwise
                      1 */
} Chain;
typedef struct Term Term;

/* ---- the chain ---- */
static bool is_call(const Statement *s, const char *word) {
  const size_t n = strlen(word);
  return s && strncmp(s->call, word, n) == 0 && (s->call[n] == 0 || s->call[n] == '(');
}

/* The factor by which a statement multiplies its operand; NaN: the statement does not multiply by a
 * number. */
static double statement_factor(const Statement *s) {
  static const char *const calls[] = {"multiply(", "divide(", "normalize(scale=", NULL};
  for (int k = 0; calls[k] && s && s->nin == 1; k++) {
    const size_t n = strlen(calls[k]);
    char *end;
    if (strncmp(s->call, calls[k], n) != 0) continue;
    const double number = strtod(s->call + n, &end);
    if (strcmp(end, ")") == 0) return k == 1 ? 1 / number : number;
  }
  return NAN;
}

static bool is_sum_with_number(const Statement *s) {
  char *end;
  if (s->nin != 1 || strncmp(s->call, "add(", 4) != 0) return false;
  strtod(s->call + 4, &end);
  return strcmp(end, ")") == 0;
}

/* Whether a statement's result has the same elements as its operand, in the same order. */
static bool keeps_order(const Statement *s) {
  return s->nin == 1 && (is_call(s, "join_rows") || is_call(s, "split_rows") || is_call(s, "reshape") ||
                         strcmp(s->call, "flatten") == 0);
}

/* The layer's name in a statement; NULL: the statement has no name. */
static const char *layer_in(ModelImport *im, const Statement *s) {
  const char *at = strstr(s->call, "name=\""), *end = at ? strchr(at + 6, '"') : NULL;
  return end ? arena_copy(im->arena, at + 6, (size_t)(end - at - 6)) : NULL;
}

static bool find_scores(ModelImport *, const Value *, Chain *, double factor);

static bool find_in_sum(ModelImport *im, const Statement *s, Chain *c, double factor) {
  const bool difference = is_call(s, "subtract");
  const int before = c->nterms, steps = c->nsteps;
  for (int k = 0; k < (difference ? 1 : 2); k++) {
    if (c->nterms == MOST_TERMS) return false;
    c->term[c->nterms++] = (Term){.value = s->in[!k], .factor = difference ? -factor : factor};
    if (find_scores(im, s->in[k], c, factor)) return true;
    c->nterms = before;
    c->nsteps = steps;
  }
  return false;
}

static bool find_scores(ModelImport *im, const Value *v, Chain *c, double factor) {
  const Statement *s = v->made;
  const bool unread = v->product && v->product->joined != v && !v->product->joined->reads;
  if (v->reads != 1 + unread || v->quant || !s || c->nsteps == MOST_STEPS) return false;
  c->step[c->nsteps++] = s;
  if (v->product) {
    c->product = v->product;
    c->scale = factor * v->product->scale;
    return true;
  }
  const double number = statement_factor(s);
  if (!isnan(number)) return find_scores(im, s->in[0], c, factor * number);
  if (is_sum_with_number(s) || keeps_order(s)) return find_scores(im, s->in[0], c, factor);
  if (is_call(s, "bias") && s->nin == 1 && c->nterms < MOST_TERMS) {
    c->term[c->nterms++] = (Term){.value = s->out, .factor = factor, .layer = layer_in(im, s)};
    return find_scores(im, s->in[0], c, factor);
  }
  const bool sum = s->nin == 2 && (strcmp(s->call, "add(%*)") == 0 || strcmp(s->call, "subtract(%*)") == 0);
  return sum && find_in_sum(im, s, c, factor);
}

/* Finds the chain that ends at a softmax. `chances` views the softmax's result as [rows, queries, keys]. */
static bool find_chain(ModelImport *im, const View *chances, Chain *c) {
  const Value *v = chances->value;
  const int last = v->shape.rank - 1;
  *c = (Chain){.nsteps = 1, .step = {v->made}, .scale = 1, .grouped = 1};
  if (!is_call(v->made, "softmax") || v->reads || v->quant || last < 1) return false;
  const bool channels = strcmp(v->made->call, "softmax") == 0;
  if (!channels && !strstr(v->made->call, last == 2 ? "axis=width" : "axis=length")) return false;
  if (!find_scores(im, v->made->in[0], c, 1)) return false;
  c->key = channels;
  for (int k = 0; k < 2; k++) c->l[k] = c->product->side[k]->size[1];
  c->rows = c->product->side[0]->size[0];
  const bool as_was =
      last == (c->rows > 1 ? 2 : 1) && v->shape.dim[last] == c->l[1] && v->shape.dim[last - 1] == c->l[0];
  return as_was && factors_whole(&chances->along[2], v, channels ? last : last - 1) &&
         (c->l[!c->key] == 1 || factors_whole(&chances->along[1], v, channels ? last - 1 : last)) &&
         (c->rows == 1 || factors_whole(&chances->along[0], v, 0));
}

/* ---- masks ---- */
/* A constant or computed term, [rows][queries][keys], that is added to the scores of attention. */
typedef struct Added {
  /* number of rows: one per row of the query (in a mask), one per head (in a bias), or 1 (for all scores) */
  int64_t rows;
  float *number;
  Value *value; /* the term if it is computed; otherwise NULL */
} Added;
typedef struct Masks {
  Added mask, bias;
  bool causal, windowed;
  int64_t before, after; /* if `windowed`: the largest distance of a visible key on each side of the query */
} Masks;

const Tensor *numbers_of_constant(ModelImport *im, const Value *v) {
  const Statement *s = v->made;
  while (s && keeps_order(s)) s = s->in[0]->made;
  const char *layer = s && is_call(s, "constant") ? layer_in(im, s) : NULL;
  const ImportWeight *weight = layer ? weight_named(im, layer, "weight") : NULL;
  return weight ? weight->tensor : NULL;
}

/* The numbers of a term; NULL: it is computed. */
static const Tensor *term_numbers(ModelImport *im, const Term *t) {
  return t->layer ? weight_named(im, t->layer, "bias")->tensor : numbers_of_constant(im, t->value);
}

/* How a term is broadcast to the scores, whose axes are the rows and the positions of both operands. */
typedef struct Spread {
  int64_t rows;  /* number of rows of the term */
  bool along[2]; /* by operand: whether the term varies along the positions of the operand */
  bool by_group; /* for a computed term: each row of the term has the positions of all grouped heads */
} Spread;

/* The number of query positions of one head. */
static int64_t query_length(const Chain *c) { return c->l[!c->key] / c->grouped; }

static bool term_spread(const Chain *c, const Term *t, const Tensor *numbers, Spread *to) {
  Shape s = t->value->shape;
  const Statement *made = t->value->made;
  if (made && strcmp(made->call, "split_rows") == 0) s = made->in[0]->shape;
  const int last = s.rank - 1;
  const bool whole = numbers || !c->key || last < 1 || s.dim[last - 1] == c->l[0];
  const int64_t first = whole ? c->l[0] : query_length(c);
  *to = (Spread){1, {!t->layer, true}, whole && c->grouped > 1};
  if (t->layer) return numbers->n == c->l[1];
  if (last < 1 || s.dim[last - 1] != first) {
    to->along[0] = false;
    if (last < 1 || s.dim[last - 1] != 1) return false;
  }
  to->rows = last == 2 ? s.dim[0] : 1;
  to->along[1] = s.dim[last] == c->l[1];
  return (to->along[1] || s.dim[last] == 1) && c->rows % to->rows == 0;
}

/* The element of a constant term for a row, a query and a key. */
static float term_number(const Chain *c, const Tensor *t, const Spread *s, int64_t row, int64_t i,
                         int64_t j) {
  const int64_t first = c->key ? i : j, second = c->key ? j : i;
  int64_t at = row % s->rows;
  if (s->along[0]) at = at * c->l[0] + first;
  if (s->along[1]) at = at * c->l[1] + second;
  return (float)tensor_number(t, at);
}

/* Sets by[0] to whether a constant varies along `outer`, and by[1] to whether it varies along the heads. The
 * rows of the scores are [outer][heads]. */
static void varies_by(const Chain *c, const Tensor *t, const Spread *s, int64_t heads, bool by[2]) {
  by[0] = by[1] = false;
  for (int64_t r = 0; r < s->rows && s->rows > 1; r++)
    for (int64_t at = 0; at < c->l[0] * c->l[1] && !(by[0] && by[1]); at++) {
      const int64_t i = at / c->l[c->key], j = at % c->l[c->key];
      const float number = term_number(c, t, s, r, i, j);
      by[0] = by[0] || number != term_number(c, t, s, r % heads, i, j);
      by[1] = by[1] || number != term_number(c, t, s, r / heads * heads, i, j);
    }
}

static bool add_to_mask(ModelImport *im, const Chain *c, const Tensor *t, const Spread *s, double factor,
                        int64_t rows, int64_t step, Added *to) {
  const int64_t l = query_length(c), m = c->l[c->key], old = to->rows;
  if (!may_compute(im, sizeof(float) * (size_t)(rows * l * m))) return false;
  float *sum = NEW_ARRAY(im->arena, float, rows * l * m);
  for (int64_t at = 0; at < rows * l * m; at++) {
    const int64_t r = at / (l * m), i = at / m % l, j = at % m;
    sum[at] = (float)factor * term_number(c, t, s, r * step, i, j);
    if (to->number) sum[at] += to->number[old > 1 ? at : at % (l * m)];
  }
  to->number = sum;
  to->rows = rows;
  return true;
}

/* Adds a constant term to the mask or the bias of attention with `heads` heads; false: not possible. */
static bool place_constant(ModelImport *im, const Chain *c, const Term *term, const Tensor *t,
                           const Spread *s, int64_t heads, Masks *to) {
  bool by[2];
  varies_by(c, t, s, heads, by);
  if (by[0] && by[1]) return false;
  const int64_t outer = c->rows / heads;
  Added *at = by[1] || to->mask.value ? &to->bias : &to->mask;
  if (at->value || (by[0] && at != &to->mask)) return false;
  const int64_t rows = by[0] ? outer : by[1] ? heads : at->number ? at->rows : 1;
  if (at->number && at->rows > 1 && rows != at->rows) return false;
  return add_to_mask(im, c, t, s, term->factor, rows, at == &to->mask ? heads : 1, at);
}

static bool place_value(const Chain *c, const Term *term, const Spread *s, int64_t heads, Masks *to) {
  const bool whole = c->key && s->along[0] && s->along[1] && term->factor == 1;
  const int64_t outer = c->rows / heads, rows = s->rows * (s->by_group ? c->grouped : 1);
  const bool by_head = rows > 1 && rows == heads * c->grouped,
             by_row = rows > 1 && rows == outer && heads == 1;
  if (!whole || (rows > 1 && !by_head && !by_row)) return false;
  Added *at = by_head || to->mask.value ? &to->bias : &to->mask;
  if (at->value || (by_row && at != &to->mask)) return false;
  *at = (Added){.rows = rows, .value = term->value};
  return true;
}

/* Replaces a mask by mask=causal or window= if the mask hides exactly the keys outside a window around each
 * query. Each query must see at least one key. */
static void replace_band(const Chain *c, Masks *to) {
  const int64_t l = query_length(c), m = c->l[c->key];
  const float *number = to->mask.number;
  int64_t before = 0, after = 0, hidden = 0;
  for (int64_t at = 0; at < l * m; at++) {
    const int64_t distance = at % m - at / m;
    if (number[at] != 0 && !(number[at] < -1e30F)) return;
    if (number[at] != 0) hidden++;
    else if (distance > after) after = distance;
    else if (-distance > before) before = -distance;
  }
  for (int64_t at = 0; at < l * m; at++) {
    const int64_t distance = at % m - at / m;
    if ((number[at] == 0) != (-distance <= before && distance <= after)) return;
  }
  if (!hidden || l - before > m) return;
  to->causal = before == l - 1 && after == 0;
  to->windowed = !to->causal;
  to->before = before;
  to->after = after;
  to->mask = (Added){0};
}

/* Adds all terms to the mask or the bias of attention, computed terms first. */
static bool place_terms(ModelImport *im, const Chain *c, int64_t heads, Masks *to) {
  *to = (Masks){0};
  for (int constants = 0; constants < 2; constants++)
    for (int i = 0; i < c->nterms; i++) {
      const Term *term = &c->term[i];
      const Tensor *t = term_numbers(im, term);
      Spread s;
      if ((t != NULL) != constants) continue;
      if (!term_spread(c, term, t, &s)) return false;
      if (t ? !place_constant(im, c, term, t, &s, heads, to) : !place_value(c, term, &s, heads, to))
        return false;
    }
  if (to->mask.number && to->mask.rows == 1) replace_band(c, to);
  return true;
}

/* ---- operands ---- */
/* The operand before its multiplications by numbers; *scale is multiplied by these numbers instead. */
static View *unscaled(ModelImport *im, View *x, double *scale) {
  const double factor = statement_factor(x->value->made);
  if (isnan(factor) || x->value->quant) return x;
  *scale *= factor;
  return unscaled(im, view_copy(im, x, x->value->made->in[0]), scale);
}

/* A view [rows, positions, channels] as [rows / heads, positions, heads, channels]; NULL: not possible. */
static View *by_heads(ModelImport *im, const View *x, int64_t heads) {
  const int64_t size[] = {x->size[0] / heads, heads, x->size[1], x->size[2]};
  const View *apart = view_reshape(im, x, 4, size);
  im->why = NULL;
  return apart ? view_permute(im, apart, (const int[]){0, 2, 1, 3}, 4) : NULL;
}

/* Whether the product sums over channels of x. */
static bool sums_channels(const View *x) {
  const Factors *summed = &x->along[2];
  return x->size[2] == 1 || (summed->n && summed->f[summed->n - 1].axis == x->value->shape.rank - 1);
}

/* Chooses the number of heads so that as few operands as possible must be copied. If several numbers of heads
 * need equally many copies, heads that are parts of the channels are preferred. */
static int64_t best_heads(ModelImport *im, View *const operand[3]) {
  const Factors *rows = &operand[0]->along[0];
  static const int order[] = {0, 1, 2, 3};
  const int c = operand[0]->value->shape.rank - 1;
  int64_t best = 1, heads = 1;
  int most = -1;
  for (int i = rows->n; i >= 0; i--) {
    int good = i == rows->n || rows->f[i].axis == c;
    for (int k = 0; k < 3; k++) {
      const View *x = by_heads(im, operand[k], heads);
      good = x ? good + 2 * in_memory_order(x, 4, order) : -8;
    }
    if (good >= most && good >= 0) most = good, best = heads;
    if (i > 0) heads *= rows->f[i - 1].size;
  }
  return best;
}

static Value *operand_of(ModelImport *im, const View *x, int64_t heads) {
  const View *apart = by_heads(im, x, heads);
  static const int order[] = {0, 1, 2, 3};
  const Shape s = x->value->shape;
  if (!apart) return NULL;
  const int64_t channels = heads * x->size[2];
  if (apart->size[0] == 1 && s.rank > 1 && s.dim[s.rank - 1] == channels && in_memory_order(apart, 4, order))
    return x->value;
  return laid_as_rows(im, apart, x->size[1], channels);
}

/* Goes back from v through reshapes to the nearest earlier value with this shape; v if there is none. */
static Value *shaped_before(Value *v, Shape shape) {
  for (Value *at = v; at->made && is_call(at->made, "reshape"); at = at->made->in[0])
    if (shape_equal(at->made->in[0]->shape, shape)) return at->made->in[0];
  return v;
}

static Value *added_value(ModelImport *im, const Chain *c, const Added *a, bool heads, const char *name) {
  const int64_t dim[] = {a->rows, query_length(c), c->l[c->key]};
  const Shape row = shape_sequence(dim[1], dim[2]), all = shape_image(dim[0], dim[1], dim[2]);
  const int first = a->rows == 1;
  Value *v = a->value;
  if (v && v->made && strcmp(v->made->call, "split_rows") == 0) v = v->made->in[0];
  if (a->number) {
    Tensor *t = constant_new(im, TENSOR_FLOAT, 3 - first, dim + first);
    if (!t) return NULL;
    for (int64_t i = 0; i < t->n; i++) tensor_put(t, i, a->number[i]);
    v = constant_statement(im, NULL, 0, name, first ? row : all, t, false);
    if (!v) return NULL;
  }
  return heads && !first ? reshaped(im, shaped_before(v, all), all) : as_rows(im, v, a->rows, dim[1], dim[2]);
}

/* ---- attention ---- */
static const char *scale_text(ModelImport *im, double scale, int64_t channels) {
  const double usual = 1 / sqrt((double)channels);
  return fabs(scale - usual) <= 1e-6 * usual
             ? ""
             : arena_printf(im->arena, ", scale=%s", number_text(im->arena, scale));
}

/* A view [rows, positions, channels] of the value that attention computes. */
static View *attended_view(ModelImport *im, Value *v, int64_t rows, int64_t heads, int64_t channels) {
  const int c = v->shape.rank - 1, first = rows > heads;
  View *y = view_new(im, v, 3);
  y->size[0] = rows;
  if (first) factors_push(&y->along[0], (Factor){0, 1, rows / heads});
  factors_push(&y->along[0], (Factor){c, channels, heads});
  for (int axis = first; axis < c; axis++) {
    y->size[1] *= v->shape.dim[axis];
    factors_push(&y->along[1], (Factor){axis, 1, v->shape.dim[axis]});
  }
  y->size[2] = channels;
  y->along[2] = factors_one(c, 1, channels);
  return y;
}

/* Finds query, key and value. If the model repeats key and value for several heads, in[] has the key and the
 * value before the repetition. *key_heads is the number of heads of key and value. A model may also have
 * fewer key heads without a repetition: then several rows (of the leading axis) of the query share one row of
 * the key. */
static bool attention_operands(ModelImport *im, View *const operand[3], int64_t heads, int64_t queries,
                               Value *in[3], int64_t *key_heads) {
  int64_t times[2] = {1, 1};
  View *fewer[] = {view_unrepeated(im, operand[1], 0, &times[0]),
                   view_unrepeated(im, operand[2], 0, &times[1])};
  const bool repeats = fewer[0] && fewer[1] && times[0] == times[1] && heads % times[0] == 0;
  *key_heads = repeats ? heads / times[0] : heads / queries;
  in[0] = operand_of(im, operand[0], heads);
  for (int k = 1; k < 3; k++) in[k] = operand_of(im, repeats ? fewer[k - 1] : operand[k], *key_heads);
  return in[0] && in[1] && in[2];
}

static View *attend(ModelImport *im, const Chain *c, View *const operand[3], int64_t heads, int64_t queries,
                    const Masks *m) {
  Value *in[5];
  int n = 3;
  int64_t key_heads;
  Text more = {.arena = im->arena};
  if (!attention_operands(im, operand, heads, queries, in, &key_heads)) return NULL;
  if (key_heads != heads) text_put(&more, ", key_heads=%lld", (long long)key_heads);
  text_put(&more, "%s", scale_text(im, c->scale, operand[0]->size[2]));
  const bool masked = m->mask.number || m->mask.value, biased = m->bias.number || m->bias.value;
  if (m->causal) text_put(&more, ", mask=causal");
  if (masked) text_put(&more, ", mask=%%%d", n);
  if (masked && !(in[n++] = added_value(im, c, &m->mask, false, "mask"))) return NULL;
  if (biased) text_put(&more, ", bias=%%%d", n);
  if (biased && !(in[n++] = added_value(im, c, &m->bias, true, "bias"))) return NULL;
  if (m->windowed) text_put(&more, ", window=[%lld, %lld]", (long long)m->before, (long long)m->after);
  const char *split = heads == 1 ? "" : arena_printf(im->arena, ", heads=%lld", (long long)heads);
  const int64_t rows = operand[0]->size[0] / heads, channels = operand[2]->size[2];
  const Shape all = shape_image(rows, operand[0]->size[1], heads * channels);
  Shape row = in[0]->shape;
  row.dim[row.rank - 1] = heads * channels;
  Value *v = emit(im, n, in, row, "attention(%%1, %%2%s%s)", split, more.s);
  return attended_view(im, joined_rows(im, v, rows, all), operand[0]->size[0], heads, channels);
}

/* The number of heads whose queries are the positions of one row; these heads are parts of the query's
 * channels. 1: the positions of a row are the queries of one head. */
static int64_t grouped_queries(const View *query, int64_t rows) {
  const Factors *along = &query->along[1];
  const Factor *first = along->n > 1 ? &along->f[0] : NULL;
  const bool grouped = first && first->axis == query->value->shape.rank - 1 && query->size[0] == rows &&
                       first->inner == query->size[2];
  return grouped ? first->size : 1;
}

/* Whether all terms that are added to the scores are equal for all rows and for all grouped heads. */
static bool terms_repeat(ModelImport *im, const Chain *c) {
  const int64_t own = query_length(c), all = c->l[!c->key] * c->l[c->key];
  for (int i = 0; i < c->nterms; i++) {
    const Tensor *t = term_numbers(im, &c->term[i]);
    Spread s;
    if (!term_spread(c, &c->term[i], t, &s)) return false;
    if (!t && (!s.along[0] || s.rows != (s.by_group ? c->rows : 1))) return false;
    for (int64_t at = 0; t && at < s.rows * all; at++) {
      const int64_t place = at % all / c->l[c->key], key = at % c->l[c->key];
      if (term_number(c, t, &s, at / all, place, key) != term_number(c, t, &s, 0, place % own, key))
        return false;
    }
  }
  return true;
}

/* Attention with grouped queries: splits the positions of a row into heads, and joins the heads of the
 * result. */
static View *attend_grouped(ModelImport *im, const Chain *c, View *const operand[3], int64_t heads,
                            const Masks *masks) {
  const int64_t apart[] = {c->rows * c->grouped, query_length(c), operand[0]->size[2]},
                together[] = {c->rows, c->l[!c->key], operand[2]->size[2]};
  if (c->grouped == 1) return attend(im, c, operand, heads, 1, masks);
  View *const split[] = {view_reshape(im, operand[0], 3, apart), operand[1], operand[2]};
  View *y = split[0] ? attend(im, c, split, heads * c->grouped, c->grouped, masks) : NULL;
  return y ? view_reshape(im, y, 3, together) : NULL;
}

View *attention_of_product(ModelImport *im, const OnnxNode *node, const View *chances, const View *values,
                           double scale) {
  Chain c;
  Masks masks;
  (void)node;
  if (scale != 1 || !find_chain(im, chances, &c)) return NULL;
  View *operand[] = {unscaled(im, c.product->side[!c.key], &c.scale),
                     unscaled(im, c.product->side[c.key], &c.scale),
                     view_permute(im, values, (const int[]){0, 1, 2}, 3)};
  if (!sums_channels(operand[0]) || !sums_channels(operand[1])) return NULL;
  int64_t heads = best_heads(im, operand);
  c.grouped = grouped_queries(operand[0], c.rows);
  if (c.grouped > 1 && !terms_repeat(im, &c)) c.grouped = 1;
  if (!place_terms(im, &c, heads, &masks)) {
    if (heads == 1 || !place_terms(im, &c, heads = 1, &masks)) return NULL;
  }
  const int before = im->statements.n;
  View *y = attend_grouped(im, &c, operand, heads, &masks);
  im->why = NULL;
  if (!y) return take_back(im, before), NULL;
  for (int i = 0; i < c.nsteps; i++)
    if (c.step[i]->origin) im->became[c.step[i]->origin->index] = "attention";
  return y;
}

/* ---- a softmax that is 0 if all keys are masked ---- */
/* Matches Where(IsNaN(softmax), 0, softmax), the exported form of scaled_dot_product_attention. The
 * language's operator attention also computes 0 if all keys are masked. */
void form_attention(ModelImport *im, OnnxNode *node) {
  const OnnxNode *none = is_op(node, "Where") && node->nin == 3 ? op_before(im, node->in[0], "IsNaN") : NULL;
  const OnnxNode *softmax = none && none->nin == 1 ? op_before(im, none->in[0], "Softmax") : NULL;
  if (!softmax || node->in[2] != none->in[0] || single_number(im, node->in[1]) != 0) return;
  const int64_t axis = onnx_int(softmax, "axis", -1);
  if (im->onnx->opset < 13 || im->readers[none->out[0]] != 1) return;
  turn_into_one(im, node, "Softmax", softmax->in[0]);
  onnx_set_int(im->arena, node, "axis", axis);
  onnx_set_int(im->arena, node, "cnnc_zero", 1);
}

bool is_zero_where_none_counts(const Value *v) {
  const OnnxNode *node = v->made ? v->made->origin : NULL;
  return is_call(v->made, "softmax") && is_op(node, "Softmax") && onnx_int(node, "cnnc_zero", 0);
}
