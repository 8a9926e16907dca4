/* lower.c: Lowering of a kernel: its buffers and their bindings, packed weights with folded constants, and
 * the fused nodes. */
// SPDX-License-Identifier: Apache-2.0
#include "kernel/lower.h"
#include <ctype.h>
#include <stdarg.h>
#include <string.h>
#include "base/number.h"
#include "graph/bf16.h"

/* ---- names ---- */
static const char *to_c_name(Arena *arena, const char *name) {
  char *copy = arena_copy(arena, name, strlen(name));
  for (char *s = copy; *s; s++)
    if (!isalnum((unsigned char)*s)) *s = '_';
  return copy;
}

/* The layer's name. Hidden operators append their role (conv1_input_gradient), and losses append their number
 * and operator. */
static const char *kernel_name(Arena *arena, const Node *node) {
  const bool forward = node->op->traits.layer_part,
             hidden = (strchr(node->op->name, ' ') && !forward) ||
                      (node->op->group && !strcmp(node->op->group, "loss"));
  if (!hidden) return to_c_name(arena, *node->name ? node->name : node->op->name);
  const char *what = node->op->name;
  if (!node->hidden)
    return to_c_name(arena, arena_printf(arena, "%s_%d_%s", node->name, node->id, what)); /* a loss */
  const size_t n = strlen(node->hidden->of->op->name);
  if (!strncmp(what, node->hidden->of->op->name, n) && what[n] == ' ') what += n + 1;
  const bool several =
      !strncmp(what, "map ", 4); /* the name ends with the index of the operand or parameter */
  return to_c_name(arena, several ? arena_printf(arena, "%s_%s_%d", node->name, what, node->hidden->wrt)
                                  : arena_printf(arena, "%s_%s", node->name, what));
}

static const char *about_kernel(Arena *arena, const Kernel *kernel) {
  const Node *root = kernel->root;
  const char *text = root->op->name;
  for (int i = 0; i < kernel->nscales; i++)
    text = arena_printf(arena, "%s + %s", text, kernel->scale[i]->op->name);
  for (int i = 0; i < kernel->nchain; i++)
    text = arena_printf(arena, "%s + %s", text, kernel->chain[i]->op->name);
  if (kernel->pool) text = arena_printf(arena, "%s + %s", text, kernel->pool->op->name);
  if (kernel->means) text = arena_printf(arena, "%s + %s", text, kernel->means->op->name);
  if (kernel->normalize) text = arena_printf(arena, "%s + %s", kernel->normalize->op->name, text);
  if (kernel->gate) text = arena_printf(arena, "%s + %s", kernel->gate->op->name, text);
  if (root->nin) text = arena_printf(arena, "%s: %s", text, shape_text(arena, root->in[0]->shape));
  return root->target ? text
                      : arena_printf(arena, "%s%s%s", text, root->nin ? " -> " : ": ",
                                     shape_text(arena, kernel->result->shape));
}

void lower_about(Lower *l, const char *format, ...) {
  va_list ap;
  va_start(ap, format);
  l->b->about = arena_printf(l->arena, "%s; %s", l->b->about, arena_vprintf(l->arena, format, ap));
  va_end(ap);
}

void lower_detail(Lower *l, const char *format, ...) {
  va_list ap;
  va_start(ap, format);
  vec_push(l->arena, l->details, arena_vprintf(l->arena, format, ap));
  va_end(ap);
}

bool kernel_whole_batch(const Kernel *kernel) {
  return kernel->batch && kernel->root->result != RESULT_BATCH;
}

Node *const *kernel_layers(Arena *arena, const Kernel *kernel, int *n) {
  Node **list = NEW_ARRAY(arena, Node *, kernel->nscales + kernel->nchain + 5);
  *n = 0;
  if (kernel->normalize) list[(*n)++] = kernel->normalize;
  if (kernel->gate) list[(*n)++] = kernel->gate;
  list[(*n)++] = kernel->root;
  for (int i = 0; i < kernel->nscales; i++) list[(*n)++] = kernel->scale[i];
  for (int i = 0; i < kernel->nchain; i++) list[(*n)++] = kernel->chain[i];
  if (kernel->pool) list[(*n)++] = kernel->pool;
  if (kernel->means) list[(*n)++] = kernel->means;
  return list;
}

/* ---- buffers ---- */
static Buf *bind(Lower *l, Buf *buf, Binding binding) {
  while (l->bindings.n <= buf->id) vec_push(l->arena, l->bindings, (Binding){0});
  l->bindings.data[buf->id] = binding;
  return buf;
}

const Binding *lower_binding(const Lower *l, int buffer) {
  static const Binding none = {0};
  return buffer < l->bindings.n ? &l->bindings.data[buffer] : &none;
}

static Buf *find_bound(const Lower *l, BindKind kind, const Node *node, const Weight *weight) {
  for (int i = 0; i < l->b->nbufs; i++) {
    const Binding *binding = lower_binding(l, i);
    if (l->b->buf[i]->place < STACK && binding->kind == kind && binding->node == node &&
        binding->weight == weight)
      return l->b->buf[i];
  }
  return NULL;
}

static Home home_in(const Kernel *kernel, const Node *value) {
  return kernel->home ? kernel->home[value->id] : home_own(value);
}

static bool is_stored_for_all(const Lower *l, const Node *value) {
  return l->kernel->batch && value->result != RESULT_BATCH;
}

/* The extent of a value's buffer. Extent.n, the length of the leading axis, is the number of the value's
 * rows, times the batch if the kernel runs once for all images and the value is per image; 0: no leading
 * axis. Without l->rows and nleads, the rows are first joined to one image (shape_joined). */
static Extent extent_of(const Lower *l, const Node *value) {
  Extent e = l->rows || l->b->nleads ? shape_extent(value->shape) : shape_joined(value->shape);
  e.n = is_stored_for_all(l, value)                         ? l->batch * e.n
        : (l->rows || l->b->nleads) && value->shape.regions ? e.n
                                                            : 0;
  return e;
}

/* Sets the strides of an alias: the distances between pixels, rows and images of the containing value. The
 * code computes flat positions, because an array type with these strides would extend past the containing
 * value. */
static void set_alias_strides(const Lower *l, Buf *buf, const Node *value) {
  const Home home = home_in(l->kernel, value);
  const Extent e = shape_extent(value->shape);
  const Shape around = home.node->shape;
  const bool all = is_stored_for_all(l, value), some = !all && around.regions > value->shape.regions;
  const int64_t last = buf->rank - 1,
                apart = home.rows ? home.rows
                        : some    ? shape_row_elements(
                                        around) /* the alias has only some rows of the containing value */
                                  : shape_elements(around) * (all ? l->batch : 1) / buf->dim[0];
  if (e.h * e.w > 1) buf->room[last] = home.pitch;
  if (buf->rank == 4 && buf_room(buf, 1) != apart) buf->apart = apart;
  buf->flat = buf->apart || buf->room[last] != buf->dim[last];
}

static Buf *value_buffer(Lower *l, BufPlace place, const char *name, const Node *value) {
  const Extent e = extent_of(l, value);
  const int64_t dim[4] = {e.n, e.h, e.w, e.c};
  const Elem elem = home_in(l->kernel, value).elem;
  Buf *buf = nest_buf(l->b, place, name, (Type){elem, 1}, e.n ? 4 : 3, e.n ? dim : dim + 1);
  buf->leads = e.n && l->b->nleads;
  buf->as_floats = value->elem == F32 && (elem == U8 || elem == I8 || elem == I16 || elem == BF16);
  set_alias_strides(l, buf, value);
  return bind(l, buf, (Binding){.kind = BIND_VALUE, .node = value});
}

/* An existing buffer with the same memory and shape, for example if one value is flattened twice; NULL: none.
 * So the function does not get two `restrict` pointers to the same memory. */
static Buf *find_alias(const Lower *l, const Node *value) {
  const Home home = home_in(l->kernel, value);
  for (int i = 0; i < l->b->nbufs; i++) {
    const Binding *binding = lower_binding(l, i);
    if (l->b->buf[i]->place != INPUT || binding->kind != BIND_VALUE) continue;
    const Node *known = binding->node;
    const Home other = home_in(l->kernel, known);
    const Extent a = extent_of(l, known), b = extent_of(l, value);
    if (home.node == other.node && home.offset == other.offset && home.pitch == other.pitch &&
        home.rows == other.rows && known->elem == value->elem && known->result == value->result &&
        a.n == b.n && a.h == b.h && a.w == b.w && a.c == b.c)
      return l->b->buf[i];
  }
  return NULL;
}

static void create_output(Lower *);

static Buf *read_buffer(Lower *l, const char *name, const Node *value) {
  if (value == l->kernel->over) {
    create_output(l);
    return l->out;
  }
  while (value->op->family == FAMILY_ALIAS && value->nin && shape_equal(value->shape, value->in[0]->shape))
    value = value->in[0];
  Buf *known = find_alias(l, value);
  return known ? known : value_buffer(l, INPUT, name, value);
}

static void make_inputs(Lower *l) {
  const Node *root = l->node;
  l->in = NEW_ARRAY(l->arena, Buf *, larger(root->nin, 1));
  if (node_is_input(root) ||
      node_is_target(root)) { /* binds the caller's buffer, which is in the caller's format */
    const Extent e = shape_extent(root->shape);
    const int64_t hwc[4] = {e.n, e.h, e.w, e.c}, chw[4] = {e.n, e.c, e.h, e.w},
                  *dim = root->port->chw ? chw : hwc;
    const bool leads = l->b->nleads;
    Buf *in = nest_buf(l->b, INPUT, "in", (Type){root->port->elem, 1}, 3 + leads, leads ? dim : dim + 1);
    in->leads = leads;
    l->in[0] = bind(l, in, (Binding){.kind = BIND_INPUT, .node = root});
  }
  for (int k = 0; k < root->nin; k++)
    l->in[k] = read_buffer(l, k ? nest_text(l->b, "in%d", k) : "in", root->in[k]);
}

bool lower_adds(const Lower *l) { return l->out->place == UPDATE; }

void lower_must_add(Lower *l) { l->out->place = UPDATE; }

static void create_output(Lower *l) {
  const Node *result = l->kernel->result;
  if (l->out) return;
  if (result->target) {
    const Weight *weight = result->target;
    const BufPlace place = l->sole && result->result == RESULT_SUM ? OUTPUT : UPDATE;
    l->out = bind(l, nest_buf(l->b, place, "out", (Type){F32, 1}, weight->rank, weight->dim),
                  (Binding){.kind = BIND_GRADIENT, .node = result, .weight = result->target});
    return;
  }
  const BufPlace over = l->node->op->traits.rewrites_state ? UPDATE : OVER;
  l->out = value_buffer(l, l->kernel->over ? over : OUTPUT, "out", result);
}

static void make_operands(Lower *l) {
  for (int i = 0; i < l->kernel->nchain; i++)
    for (int k = 1; k < l->kernel->chain[i]->nin; k++) {
      l->other[l->nothers] = read_buffer(l, l->nothers ? nest_text(l->b, "other%d", l->nothers) : "other",
                                         l->kernel->chain[i]->in[k]);
      l->nothers++;
    }
}

static bool is_dense(const Lower *l, const Node *root) {
  enum { MOST_WEIGHTS_PACKED = 1 << 30 };
  const Family family = root->op->family;
  if (family != FAMILY_DENSE && family != FAMILY_DENSE_INPUT && family != FAMILY_DENSE_WEIGHTS) return false;
  /* the buffer of a rounded result would round partial sums */
  if (l->kernel->result->rounded && !bf16_dense_pairs(root)) return false;
  return (root->target ? root->target : root->weight[0])->size < MOST_WEIGHTS_PACKED;
}

/* Starts a leading axis. Operands with fewer rows are repeated (op_common_rows has checked the numbers). */
static void lead_rows(Lower *l, int64_t rows) {
  const Node *root = l->node;
  nest_lead(l->b, rows);
  for (int k = 0; k < root->nin; k++) {
    const int64_t own = root->in[k]->shape.regions;
    if (own && rows % own == 0 && !nest_repeat_lead(l->b, own))
      nest_misuse(l->b, "operands whose numbers of rows do not divide each other");
  }
}

/* Sets l->rows if the nest itself loops over rows. Such nests belong to batched kernels, to operators with
 * mixes_rows or loops_over_rows, and to schedules of dense layers without interleaved images. For all other
 * nests, begin_rows adds the loop over rows. */
static void begin_rows(Lower *l) {
  const Node *root = l->node;
  const bool mixes = root->op->traits.mixes_rows;
  int64_t rows = root->shape.regions;
  for (int k = 0; (root->result == RESULT_SUM || mixes) && k < root->nin; k++)
    rows = larger(rows, root->in[k]->shape.regions);
  if (kernel_whole_batch(l->kernel)) l->rows = l->batch * larger(rows, 1);
  else if (mixes) l->rows = larger(rows, 1);
  else if (rows && (root->op->traits.loops_over_rows || (is_dense(l, root) && !l->plain && l->images <= 1)))
    l->rows = rows;
  else if (rows) lead_rows(l, rows);
}

Lower *lower_begin(Arena *arena, const Kernel *kernel, const Target *target, const LowerOptions *o) {
  Lower *l = NEW(arena, Lower);
  l->arena = arena;
  l->kernel = kernel;
  l->node = kernel->root;
  l->target = target;
  l->layout_lanes = o->layout_lanes;
  l->layout = o->layout                          ? o->layout
              : target->lanes == o->layout_lanes ? target
                                                 : target_of_lanes(o->layout_lanes);
  l->weight_bytes = o->weight_bytes;
  l->tuning = o->tuning;
  l->plain = o->plain;
  l->sums = o->sums;
  l->exact = o->exact || node_weight_elem(l->node) == F16; /* Winograd would store the weights as floats */
  l->updatable = o->updatable;
  l->steps = o->steps;
  l->sole = o->sole;
  l->small = o->small;
  l->cycles = o->cycles ? o->cycles : cpu_cycles(l->layout);
  l->threads = o->threads;
  l->batch = o->batch;
  l->call = o->call;
  l->images = o->images;
  l->b = nest_new(arena, kernel_name(arena, kernel->root), about_kernel(arena, kernel));
  begin_rows(l);
  make_inputs(l);
  create_output(l);
  if (kernel->means) l->means = value_buffer(l, OUTPUT, "means", kernel->means);
  make_operands(l);
  return l;
}

static Buf *weight_buffer(Lower *l, Weight *weight) {
  Buf *known = find_bound(l, BIND_WEIGHT, NULL, weight);
  return known ? known
               : bind(l,
                      nest_buf(l->b, INPUT, to_c_name(l->arena, weight->member), (Type){F32, 1}, weight->rank,
                               weight->dim),
                      (Binding){.kind = BIND_WEIGHT, .weight = weight});
}

Buf *lower_weight(Lower *l, int k) {
  if (k >= l->node->nweights || !l->node->weight[k]) return NULL;
  return k == 0 && (lower_rounds(l) || node_weight_elem(l->node) != F32)
             ? lower_rounded_weight(l)
             : weight_buffer(l, l->node->weight[k]);
}

Buf *lower_scratch_of(Lower *l, const char *name, Elem elem, int rank, const int64_t *dim) {
  Buf *buf = nest_buf(l->b, WORK, name, (Type){elem, 1}, rank, dim);
  return bind(l, buf, (Binding){.kind = BIND_SCRATCH});
}

Buf *lower_scratch(Lower *l, const char *name, int rank, const int64_t *dim) {
  return lower_scratch_of(l, name, F32, rank, dim);
}

Buf *lower_keys(Lower *l) {
  Buf *known = find_bound(l, BIND_KEYS, l->node, NULL);
  return known ? known
               : bind(l, nest_buf(l->b, INPUT, "keys", (Type){I32, 1}, 1, (int64_t[]){2}),
                      (Binding){.kind = BIND_KEYS, .node = l->node});
}

static void view_buffer_rows(Buf *buf, Extent e, int64_t rows) {
  int64_t *dim = buf->dim + buf->leads, *room = buf->room + buf->leads;
  if (buf->rank == 3 + buf->leads && dim[0] == e.h && dim[1] == e.w) {
    dim[1] = e.h * e.w / rows;
    dim[0] = rows;
  }
  room[0] = dim[0];
  room[1] = dim[1];
}

void lower_view_rows(Lower *l, int64_t rows) {
  const Extent e = shape_extent(l->node->shape);
  for (int k = 0; k < l->node->nin; k++) view_buffer_rows(l->in[k], e, rows);
  for (int i = 0; i < l->nothers; i++) view_buffer_rows(l->other[i], e, rows);
  view_buffer_rows(l->out, e, rows);
}

bool lower_pixels_touch(const Buf *buf) {
  return buf->rank == 3 && !buf->flat && buf->room[2] == buf->dim[2];
}

Extent lower_join_pixels(Lower *l, int64_t count) {
  const Extent e = shape_extent(l->node->shape);
  const bool rows = e.w % count == 0; /* whether the pixels that are joined are always in one row */
  const int64_t dim[] = {rows ? e.h : e.h * e.w / count, rows ? e.w / count : 1, e.c * count};
  Buf *const buf[] = {l->in[0], l->out};
  for (int i = 0; i < 2; i++)
    for (int d = 0; d < 3; d++) buf[i]->dim[d] = buf[i]->room[d] = dim[d];
  l->joined = count;
  return (Extent){.h = dim[0], .w = dim[1], .c = dim[2]};
}

void lower_columns(Lower *l) {
  Buf *in = l->in[0];
  int64_t *dim = in->dim + in->leads;
  dim[2] = dim[1];
  dim[1] = dim[0];
  dim[0] = 1;
  for (int d = 0; d < 3; d++) in->room[d + in->leads] = dim[d];
}

void lower_whole_rows(Lower *l) {
  int64_t *dim = l->out->dim + l->out->leads, *room = l->out->room + l->out->leads;
  dim[2] *= dim[1];
  dim[1] = 1;
  for (int d = 1; d < 3; d++) room[d] = dim[d];
}

const Ix *lower_count(Lower *l) { return nest_size(l->b, "count", 1, l->batch); }

Ix lower_rows(Lower *l) {
  const Ix none = {0};
  return kernel_whole_batch(l->kernel) ? *lower_count(l) : none + l->rows;
}

Ix lower_row(const Lower *l) {
  const Ix none = {0};
  return l->b->nleads ? *nest_row(l->b) : none;
}

/* ---- packed weights ---- */
Buf *lower_pack_source(Lower *l, Pack *pack, Weight *weight, const char *prefix) {
  for (int i = 0; i < pack->source.n; i++)
    if (pack->source.data[i] == weight) return pack->source_buf.data[i];
  Buf *buf =
      nest_buf(pack->nest, INPUT, to_c_name(l->arena, arena_printf(l->arena, "%s%s", prefix, weight->member)),
               (Type){F32, 1}, weight->rank, weight->dim);
  vec_push(l->arena, pack->source, weight);
  vec_push(l->arena, pack->source_buf, buf);
  return buf;
}

static double constant_at(const Const *value, int64_t c) {
  const Const *item = value->kind == CONST_LIST ? &value->items[value->n == 1 ? 0 : c] : value;
  return item->kind == CONST_INT ? (double)item->i : item->f;
}

static bool per_channel(const Node *normalize) {
  return arg_const(normalize, "mean")->kind == CONST_LIST ||
         arg_const(normalize, "std")->kind == CONST_LIST || arg_const(normalize, "scale")->kind == CONST_LIST;
}

/* Factor and shift of a normalize, which computes x*factor - shift = (x*scale - mean)/std. */
static double normalize_factor(const Node *n, int64_t c) {
  return constant_at(arg_const(n, "scale"), c) / constant_at(arg_const(n, "std"), c);
}
static double normalize_shift(const Node *n, int64_t c) {
  return constant_at(arg_const(n, "mean"), c) / constant_at(arg_const(n, "std"), c);
}

static Buf *channel_constants(Nest *b, const char *name, const Node *normalize, int64_t channels,
                              double (*of)(const Node *, int64_t)) {
  Buf *table = NEST_BUF(b, STACK, name, channels);
  for (int64_t c = 0; c < channels; c++) nest_store(b, nest_at(b, table, c), num(b, (float)of(normalize, c)));
  return table;
}

Buf *lower_constants(Lower *l, const char *member, Elem elem, int rank, const int64_t *dim,
                     const void *values) {
  Pack *pack = NEW(l->arena, Pack);
  pack->name = arena_printf(l->arena, "%s_%s", l->b->name, member);
  pack->values = values;
  pack->origin = l->updatable ? l->node->detail ? l->node->detail : l->node : NULL;
  return bind(l, nest_buf(l->b, WEIGHTS, nest_text(l->b, "%s", member), (Type){elem, 1}, rank, dim),
              (Binding){.kind = BIND_PACK, .pack = pack});
}

/* Text for packed constants: "weight of conv1, with normalize1 (scale/std, mean/std) and batchnorm1 folded
 * in, packed". */
static const char *about_pack(const Lower *l, const char *member) {
  Text out = {.arena = l->arena};
  const Kernel *kernel = l->kernel;
  text_put(&out, "%s of %s", member, l->node->name);
  if (kernel->normalize)
    text_put(&out, ", with %s (scale/std%s)", kernel->normalize->name,
             kernel->normalize_shift ? ", mean/std" : "");
  for (int i = 0; i < kernel->nscales; i++)
    text_put(&out, "%s %s", i || kernel->normalize ? " and" : ", with", kernel->scale[i]->name);
  text_put(&out, "%s, packed", kernel->normalize || kernel->nscales ? " folded in" : "");
  return out.s;
}

Pack *lower_pack(Lower *l, const char *member, int rank, const int64_t *dim) {
  Pack *pack = NEW(l->arena, Pack);
  pack->name = arena_printf(l->arena, "%s_%s", l->b->name, member);
  Nest *b = pack->nest =
      nest_new(l->arena, arena_printf(l->arena, "pack_%s", pack->name), about_pack(l, member));
  pack->out = nest_buf(b, OUTPUT, "out", (Type){F32, 1}, rank, dim);
  nest_fn(b, b->name, false);
  const Node *normalize = l->kernel->normalize;
  if (normalize && per_channel(normalize)) {
    const int64_t channels = shape_extent(normalize->shape).c;
    pack->factor = channel_constants(b, "factor", normalize, channels, normalize_factor);
    if (l->kernel->normalize_shift)
      pack->shift = channel_constants(b, "shift", normalize, channels, normalize_shift);
  }
  if (lower_rounds(l) && strcmp(member, "bias") != 0) lower_scales(l, pack);
  return pack;
}

Pack *lower_pack_weights(Lower *l, const char *member, int rank, const int64_t *dim) {
  Pack *pack = lower_pack(l, member, rank, dim);
  pack->out->type.elem = node_weight_elem(l->node);
  return pack;
}

enum { BN_WEIGHT, BN_BIAS, BN_MEAN, BN_VARIANCE };

static Val scale_part(Lower *l, Pack *pack, int i, int k, const Ix *channel, double otherwise) {
  const Node *scale = l->kernel->scale[i];
  Nest *b = pack->nest;
  if (!scale->weight[k]) return num(b, otherwise);
  return nest_load(b,
                   nest_at(b,
                           lower_pack_source(l, pack, scale->weight[k], nest_text(b, "%s_", scale->op->name)),
                           *channel),
                   1);
}

static Val scale_gain(Lower *l, Pack *pack, int i, const Ix *channel) {
  Nest *b = pack->nest;
  Val variance = add(scale_part(l, pack, i, BN_VARIANCE, channel, 1),
                     num(b, arg_number(l->kernel->scale[i], "epsilon")));
  return div_(scale_part(l, pack, i, BN_WEIGHT, channel, 1), vsqrt(variance));
}

Val lower_packed_weight(Lower *l, Pack *pack, int rank, const Ix *index, const Ix *out_channel,
                        const Ix *in_channel) {
  Nest *b = pack->nest;
  const Node *normalize = l->kernel->normalize;
  Val w = nest_load(b, nest_ref(b, lower_pack_source(l, pack, l->node->weight[0], ""), rank, index), 1);
  if (pack->scale) w = lower_rounded(l, pack, w, index, l->node->hidden ? in_channel : out_channel);
  if (pack->factor) w = mul(w, nest_load(b, nest_at(b, pack->factor, *in_channel), 1));
  else if (normalize) w = mul(w, num(b, normalize_factor(normalize, 0)));
  const Elem elem = node_weight_elem(l->node);
  if (elem != F32) return convert(convert(w, elem), F32);
  for (int i = 0; i < l->kernel->nscales; i++) w = mul(w, scale_gain(l, pack, i, out_channel));
  return w;
}

/* The bias correction of a folded normalize: the sum of shift*weight over all inputs of the output channel.
 */
static Val shifted_bias(Lower *l, Pack *pack, const Ix *out_channel, const Ix *group_channel) {
  Nest *b = pack->nest;
  const Weight *weight = l->node->weight[0];
  Buf *source = lower_pack_source(l, pack, l->node->weight[0], ""), *sum = NEST_REGISTERS(b, "sum", 1, 1);
  const int64_t n[3] = {weight->dim[1], weight->rank > 2 ? weight->dim[2] : 1,
                        weight->rank > 3 ? weight->dim[3] : 1};
  nest_store(b, nest_at(b, sum, 0), num(b, 0));
  NEST_FOR(b, c, n[0])
    NEST_FOR(b, i, n[1])
      NEST_FOR(b, j, n[2]) {
        const Ix index[4] = {*out_channel, c, i, j}, channel = *group_channel + c;
        Val shift = pack->shift ? nest_load(b, nest_at(b, pack->shift, channel), 1)
                                : num(b, normalize_shift(l->kernel->normalize, 0));
        nest_accumulate(b, nest_at(b, sum, 0), nest_load(b, nest_ref(b, source, weight->rank, index), 1),
                        shift);
      }
  return nest_get(b, nest_at(b, sum, 0));
}

static Val with_second_bias(Lower *l, Pack *pack, Val bias, const Ix *channel) {
  Nest *b = pack->nest;
  const OpTraits *traits = &l->node->op->traits;
  if (!traits->second_bias) return bias;
  const int64_t n = traits->second_bias(l->node);
  Val second = nest_load(b, nest_at(b, lower_pack_source(l, pack, l->node->weight[2], ""), *channel), 1);
  if (n < l->node->weight[2]->size) second = pick(b, nest_below(b, *channel, n), second, num(b, 0));
  return add(bias, second);
}

/* The bias after the folded batchnorms. Each call of scale_part has its own statement, because the pack lists
 * its source weights in the order of the calls. */
static Val scaled_bias(Lower *l, Pack *pack, Val bias, const Ix *out_channel) {
  for (int i = 0; i < l->kernel->nscales; i++) {
    Val centered = sub(bias, scale_part(l, pack, i, BN_MEAN, out_channel, 0));
    Val scaled = mul(centered, scale_gain(l, pack, i, out_channel));
    bias = add(scaled, scale_part(l, pack, i, BN_BIAS, out_channel, 0));
  }
  return bias;
}

Val lower_packed_bias(Lower *l, Pack *pack, const Ix *out_channel, const Ix *group_channel) {
  Nest *b = pack->nest;
  const bool has_bias = !l->node->hidden && l->node->nweights > 1 && l->node->weight[1];
  Val bias =
      has_bias ? nest_load(b, nest_at(b, lower_pack_source(l, pack, l->node->weight[1], ""), *out_channel), 1)
               : num(b, 0);
  if (has_bias) bias = with_second_bias(l, pack, bias, out_channel);
  if (l->kernel->normalize && l->kernel->normalize_shift)
    bias = sub(bias, shifted_bias(l, pack, out_channel, group_channel));
  return node_weight_elem(l->node) != F32 ? bias : scaled_bias(l, pack, bias, out_channel);
}

/* Weights in bf16 and f16 are not scaled, because scaling would change their rounding. The sums are scaled
 * instead, with one factor and one constant per channel. */
static void pack_scales(Lower *l) {
  const int64_t n = shape_extent(l->kernel->scale[0]->shape).c;
  for (int part = 0; part < 2; part++) {
    Pack *pack = lower_pack(l, part ? "shift" : "gain", 1, &n);
    Nest *b = pack->nest;
    NEST_FOR(b, c, n) {
      Val of = num(b, part ? 0 : 1);
      if (part) of = scaled_bias(l, pack, of, &c);
      for (int i = 0; !part && i < l->kernel->nscales; i++) of = mul(of, scale_gain(l, pack, i, &c));
      nest_store(b, nest_at(b, pack->out, c), of);
    }
    l->scales[part] = lower_pack_done(l, pack);
  }
}

static Val scaled_sum(Lower *l, Val sum, const Ix *c, int part, int lanes) {
  Nest *b = l->b;
  if (!l->kernel->nscales || node_weight_elem(l->node) == F32) return sum;
  if (!l->scales[0]) pack_scales(l);
  return fma_(sum, nest_load_part(b, nest_at(b, l->scales[0], *c), part, lanes),
              nest_load_part(b, nest_at(b, l->scales[1], *c), part, lanes));
}

Buf *lower_pack_done(Lower *l, Pack *pack) {
  vec_push(l->arena, l->packs, pack);
  const char *member = pack->name + strlen(l->b->name) + 1;
  Buf *buf = nest_buf(l->b, WEIGHTS, member, pack->out->type, pack->out->rank, pack->out->dim);
  buf->as_floats = elem_is_half(pack->out->type.elem);
  return bind(l, buf, (Binding){.kind = BIND_PACK, .pack = pack});
}

/* ---- elementwise nodes ---- */
Val map_weight(Map *map, int k) {
  Nest *b = map->b;
  Weight *weight = k < map->node->nweights ? map->node->weight[k] : NULL;
  if (!weight) nest_misuse(b, "a parameter that the operator does not have");
  Buf *buf = weight_buffer(map->lower, weight);
  const Ix zero = {0};
  if (weight->size == 1) return nest_load(b, nest_at(b, buf, zero), 1);
  return nest_load_part(b, nest_at(b, buf, *map->c), map->part, map->lanes);
}

Val map_weight_at(Map *map, int k, int64_t i) {
  const Ix zero = {0};
  return nest_load(map->b, nest_at(map->b, weight_buffer(map->lower, map->node->weight[k]), zero + i), 1);
}

Buf *lower_table(Lower *l, const float *values, int64_t n) {
  for (int i = 0; i < l->b->nbufs; i++)
    if (l->b->buf[i]->place < STACK && lower_binding(l, i)->kind == BIND_TABLE &&
        lower_binding(l, i)->elements == n &&
        !memcmp(lower_binding(l, i)->table, values, (size_t)n * sizeof *values))
      return l->b->buf[i];
  return bind(l, nest_buf(l->b, INPUT, "table", (Type){F32, 1}, 1, &n),
              (Binding){.kind = BIND_TABLE, .elements = n, .table = values});
}

Val map_constant(Map *map, const float *per_channel_value, int64_t n) {
  Nest *b = map->b;
  if (n == 1) return num(b, per_channel_value[0]);
  const int64_t all = n * (map->lower->joined ? map->lower->joined : 1);
  float *table = NEW_ARRAY(b->arena, float, all); /* repeated for each joined pixel */
  for (int64_t i = 0; i < all; i++) table[i] = per_channel_value[i % n];
  Buf *buf = lower_table(map->lower, table, all);
  return nest_load_part(b, nest_at(b, buf, *map->c), map->part, map->lanes);
}

Ref lower_at(const Lower *l, Buf *buf, const Ix *y, const Ix *x, const Ix *c) {
  Nest *b = l->b;
  return buf->rank == 4 && !buf->leads ? nest_at(b, buf, *l->row, *y, *x, *c) : nest_at(b, buf, *y, *x, *c);
}

/* The value of an operand at an element. An operand with one pixel or one channel is broadcast to all pixels
 * or channels. */
static Val operand_at(Lower *l, Buf *buf, const Ix *y, const Ix *x, const Ix *c, int part, int lanes) {
  Nest *b = l->b;
  const int64_t *size = buf->dim + (buf->rank == 4); /* size: the dimensions after the leading axis */
  const Ix zero = {0}, row = size[0] == 1 ? zero : *y, column = size[1] == 1 ? zero : *x;
  if (size[2] == 1) return nest_load(b, lower_at(l, buf, &row, &column, &zero), 1);
  const Ref ref = lower_at(l, buf, &row, &column, c);
  return nest_load_part(b, ref, part, lanes);
}

Val lower_root_map(Lower *l, const Ix *y, const Ix *x, const Ix *c, int part, int lanes) {
  Map map = {.b = l->b, .node = l->node, .lower = l, .c = c, .part = part, .lanes = lanes};
  for (int k = 0; k < l->node->nin; k++) map.x[k] = operand_at(l, l->in[k], y, x, c, part, lanes);
  return l->node->op->map(&map);
}

Val lower_finish(Lower *l, Val value, const Ix *y, const Ix *x, const Ix *c, int part, int lanes) {
  int other = 0;
  value = scaled_sum(l, value, c, part, lanes);
  for (int i = 0; i < l->kernel->nchain; i++) {
    const Node *node = l->kernel->chain[i];
    Map map = {.b = l->b, .node = node, .lower = l, .c = c, .part = part, .lanes = lanes};
    map.x[0] = value;
    for (int k = 1; k < node->nin; k++) map.x[k] = operand_at(l, l->other[other++], y, x, c, part, lanes);
    value = node->op->map(&map);
  }
  return value;
}

Buf *lower_sums_in_memory(Lower *l) {
  const Buf *out = l->out;
  if (out->type.elem == F32) return l->out;
  return lower_scratch(l, "sums", out->rank - out->leads, out->dim + out->leads);
}

bool lower_finishes(const Lower *l) {
  return l->kernel->nchain || l->out->type.elem != F32 ||
         (l->kernel->nscales && node_weight_elem(l->node) != F32);
}

bool lower_costly(Lower *l, Val sum) {
  const Ix zero = {0};
  const int lanes = sum->type.lanes;
  return l->kernel->nchain && val_calls(lower_finish(l, sum, &zero, &zero, &zero, lanes, lanes));
}

void lower_store(Lower *l, Val value, const Ix *y, const Ix *x, const Ix *c, int part, int lanes) {
  lower_put(l, lower_finish(l, value, y, x, c, part, lanes), y, x, c, part, lanes);
}

int64_t lower_sums(const Lower *l, int64_t channels) {
  int64_t sums = larger(1, l->sums);
  while (channels % sums) sums--;
  return sums;
}

void lower_store_sums(Lower *l, Buf *sum, int64_t sums, const Ix *y, const Ix *x, const Ix *block) {
  Nest *b = l->b;
  if (sums == 1) {
    lower_store(l, nest_get(b, nest_at(b, sum, 0)), y, x, block, 1, 1);
    return;
  }
  Buf *done =
      NEST_REGISTERS(b, "done", 1, sums); /* the loop indexes this copy, so `sum` can stay in registers */
  for (int u = 0; u < sums; u++) nest_store(b, nest_at(b, done, u), nest_get(b, nest_at(b, sum, u)));
  NEST_FOR(b, u, sums) {
    const Ix channel = *block * sums + u;
    lower_store(l, nest_get(b, nest_at(b, done, u)), y, x, &channel, 1, 1);
  }
}

void lower_put(Lower *l, Val v, const Ix *y, const Ix *x, const Ix *c, int part, int lanes) {
  Nest *b = l->b;
  if (lanes > 1) v = splat(v, lanes);
  const Ref ref = lower_at(l, l->out, y, x, c);
  nest_store_part(b, ref, v, part);
}

void lower_plain_map(Lower *l) {
  Nest *b = l->b;
  const Extent e = shape_extent(l->node->shape);
  nest_fn(b, b->name, false);
  NEST_FOR(b, y, e.h)
    NEST_FOR(b, x, e.w)
      NEST_FOR(b, c, e.c) lower_store(l, lower_root_map(l, &y, &x, &c, 1, 1), &y, &x, &c, 1, 1);
}
