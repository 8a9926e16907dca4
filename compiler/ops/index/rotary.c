/* rotary.c: rotary, pairs of channels rotated by an angle that depends on their position (Su et al., 2021).
 * cos and sin have D columns. In each head, the first 2*D channels are x1 and x2, each with D channels: the
 * first half and the second half or, with interleaved=true, the even and the odd channels.
 *
 * y1 = x1*cos - x2*sin,  y2 = x2*cos + x1*sin
 *
 * Other channels are unchanged. */
// SPDX-License-Identifier: Apache-2.0
#include "kernel/parts.h"
#include "kernel/walk.h"

enum { X, COSINE, SINE };

static const Param params[] = {
    {"cos", PARAM_VALUE, NULL, "cosines of the angles: LxD", 0, 0, NULL},
    {"sin", PARAM_VALUE, NULL, "sines of the angles: LxD", 0, 0, NULL},
    {"heads", PARAM_INT, "1", "number of channel groups; all groups are rotated by the same angles", 0, 0,
     NULL},
    {"interleaved", PARAM_BOOL, "false",
     "true: rotate pairs of neighboring channels; false: pairs of a channel of each half", 0, 0, NULL},
    {0},
};

/* ---- the shape ---- */
static bool takes_sequence(ShapeContext *context, const Node *node) {
  const Shape in = node->in[X]->shape;
  if (in.rank == 2) return true;
  Diag *diag = op_error(context, node, DIAG_wrong_shape, "rotary takes a sequence, but its input is %s",
                        shape_text(context->arena, in));
  op_note_origin(context, diag, node->in[X]);
  return false;
}

static bool takes_angles(ShapeContext *context, const Node *node) {
  const Shape in = node->in[X]->shape, cosine = node->in[COSINE]->shape, sine = node->in[SINE]->shape;
  const int64_t most = in.dim[1] / arg_int(node, "heads") / 2;
  const bool fits = cosine.rank == 2 && cosine.dim[0] == in.dim[0] && cosine.dim[1] <= most;
  if (fits && shape_equal(cosine, sine) && cosine.regions == in.regions) return true;
  const int wrong = fits && cosine.regions == in.regions ? SINE : COSINE;
  Diag *diag = op_error_at(
      context, node, wrong == SINE ? "sin" : "cos", DIAG_shape_mismatch,
      wrong == SINE ? "cos and sin of rotary are %s and %s" : "cos of rotary is %s, but its input is %s",
      shape_text(context->arena, cosine), shape_text(context->arena, wrong == SINE ? sine : in));
  op_note_origin(context, diag, node->in[wrong]);
  op_note_origin(context, diag, node->in[X]);
  diag_help(diag, "cos and sin must be %lldxD, with D from 1 to %lld (half a head's channels)",
            (long long)in.dim[0], (long long)most);
  return false;
}

static void shape(ShapeContext *context, Node *node) {
  for (int k = 0; k < 3; k++)
    if (!node->in[k]->shape.rank) return;
  if (arg_const(node, "heads")->kind == CONST_POISON) return;
  if (takes_sequence(context, node) &&
      parts_divide(context, node, "heads", arg_int(node, "heads"), node->in[X]->shape.dim[1], "channels",
                   "input", node->in[X]) &&
      takes_angles(context, node))
    node->shape = node->in[X]->shape;
}

/* ---- pairs of channels ---- */
typedef struct Turn {
  int64_t length, channels, heads, width, pairs; /* width: number of channels per head */
  bool interleaved;
} Turn;

static Turn turn_of(const Node *node) {
  const Node *forward = node_forward(node);
  const Shape in = forward->in[X]->shape;
  const int64_t heads = arg_int(forward, "heads");
  return (Turn){in.dim[0],
                in.dim[1],
                heads,
                in.dim[1] / heads,
                forward->in[COSINE]->shape.dim[1],
                arg_bool(forward, "interleaved")};
}

static int64_t first_of_pair(const Turn *t, int64_t head, int64_t pair) {
  return head * t->width + (t->interleaved ? 2 * pair : pair);
}

static int64_t pair_distance(const Turn *t) { return t->interleaved ? 1 : t->pairs; }

/* ---- reference ---- */
/* sign: 1, or -1 for the gradient, which rotates back. */
static void turn_run(const Turn *t, const double *x, const double *cosine, const double *sine, double sign,
                     double *y) {
  for (int64_t i = 0; i < t->length * t->channels; i++) y[i] = x[i];
  for (int64_t p = 0; p < t->length; p++)
    for (int64_t k = 0; k < t->heads * t->pairs; k++) {
      const int64_t pair = k % t->pairs, at = p * t->channels + first_of_pair(t, k / t->pairs, pair);
      const double a = x[at], b = x[at + pair_distance(t)], c = cosine[p * t->pairs + pair],
                   s = sign * sine[p * t->pairs + pair];
      y[at] = a * c - b * s;
      y[at + pair_distance(t)] = b * c + a * s;
    }
}

static void eval(const Eval *eval) {
  const Turn t = turn_of(eval->node);
  turn_run(&t, eval->in[X], eval->in[COSINE], eval->in[SINE], 1, eval->out);
}

static void back_eval(const Eval *eval) { /* inputs: dy, cos, sin */
  const Turn t = turn_of(eval->node);
  turn_run(&t, eval->in[0], eval->in[COSINE], eval->in[SINE], -1, eval->out);
}

/* The gradient of the cosines, or with `sine` of the sines, summed over the heads. Inputs: dy, x. */
static void angle_run(const Eval *eval, bool sine) {
  const Turn t = turn_of(eval->node);
  const double *dy = eval->in[0], *x = eval->in[1];
  for (int64_t p = 0; p < t.length; p++)
    for (int64_t pair = 0; pair < t.pairs; pair++) {
      double sum = 0;
      for (int64_t head = 0; head < t.heads; head++) {
        const int64_t a = p * t.channels + first_of_pair(&t, head, pair), b = a + pair_distance(&t);
        sum += sine ? dy[b] * x[a] - dy[a] * x[b] : dy[a] * x[a] + dy[b] * x[b];
      }
      eval->out[p * t.pairs + pair] = sum;
    }
}
static void cosine_eval(const Eval *eval) { angle_run(eval, false); }
static void sine_eval(const Eval *eval) { angle_run(eval, true); }

/* ---- the nests ---- */
typedef struct Pairs {
  Turn turn;
  double sign;
  const Ix *first; /* first channel of the head */
} Pairs;

static void turn_pairs(Lower *l, const Ix *y, const Ix *x, const Ix *c, int part, int lanes,
                       const void *context) {
  const Pairs *p = context;
  Nest *b = l->b;
  const Ix one = *p->first + (p->turn.interleaved ? *c + *c : *c), two = one + pair_distance(&p->turn);
  Val u = nest_let(b, "a", walk_load(l, l->in[X], y, x, &one, part, lanes)),
      v = nest_let(b, "b", walk_load(l, l->in[X], y, x, &two, part, lanes)),
      cosine = nest_let(b, "cosine", walk_load(l, l->in[COSINE], y, x, c, part, lanes)),
      sine = nest_let(b, "sine", walk_load(l, l->in[SINE], y, x, c, part, lanes));
  Val down = mul(v, sine), up = mul(u, sine);
  lower_store(l, p->sign > 0 ? sub(mul(u, cosine), down) : add(mul(u, cosine), down), y, x, &one, part,
              lanes);
  lower_store(l, p->sign > 0 ? add(mul(v, cosine), up) : sub(mul(v, cosine), up), y, x, &two, part, lanes);
}

static void copy_rest(Lower *l, const Ix *y, const Ix *x, const Ix *c, int part, int lanes,
                      const void *context) {
  const Pairs *p = context;
  const Ix at_ = *p->first + *c + 2 * p->turn.pairs;
  lower_store(l, walk_load(l, l->in[X], y, x, &at_, part, lanes), y, x, &at_, part, lanes);
}

static void lower_turn(Lower *l, double sign) {
  Nest *b = l->b;
  Pairs pairs = {.turn = turn_of(l->node), .sign = sign};
  const Turn *t = &pairs.turn;
  const Ix zero = {0};
  nest_fn(b, b->name, false);
  NEST_LOOP(b, x, walk_rows(l, 4 * t->length * t->channels), 1, NEST_IX(0), 1, NEST_IX(t->length))
    NEST_FOR(b, head, t->heads) {
      const Ix first = head * t->width;
      pairs.first = &first;
      if (t->interleaved)
        NEST_FOR(b, c, t->pairs) turn_pairs(l, &zero, &x, &c, 1, 1, &pairs);
      else walk_channels(l, t->pairs, &zero, &x, turn_pairs, &pairs);
      if (t->width > 2 * t->pairs) walk_channels(l, t->width - 2 * t->pairs, &zero, &x, copy_rest, &pairs);
    }
}

static void lower(Lower *l) { lower_turn(l, 1); }
static void back_lower(Lower *l) { lower_turn(l, -1); }

typedef struct Angle {
  Turn turn;
  bool sine;
} Angle;

static void angle_body(Lower *l, const Ix *y, const Ix *x, const Ix *c, int part, int lanes,
                       const void *context) {
  const Angle *angle = context;
  const Turn *t = &angle->turn;
  Nest *b = l->b;
  Buf *sum = NEST_REGISTERS(b, "sum", lanes, 1);
  nest_store(b, nest_at(b, sum, 0), num(b, 0));
  NEST_FOR(b, head, t->heads) {
    const Ix one = head * t->width + (t->interleaved ? *c + *c : *c), two = one + pair_distance(t);
    Val da = walk_load(l, l->in[0], y, x, &one, part, lanes),
        db = walk_load(l, l->in[0], y, x, &two, part, lanes),
        u = walk_load(l, l->in[1], y, x, &one, part, lanes),
        v = walk_load(l, l->in[1], y, x, &two, part, lanes),
        term = angle->sine ? sub(mul(db, u), mul(da, v)) : add(mul(da, u), mul(db, v));
    nest_store(b, nest_at(b, sum, 0), add(nest_get(b, nest_at(b, sum, 0)), term));
  }
  lower_store(l, nest_get(b, nest_at(b, sum, 0)), y, x, c, part, lanes);
}

static void lower_angle(Lower *l, bool sine) {
  Nest *b = l->b;
  const Angle angle = {turn_of(l->node), sine};
  const Ix zero = {0};
  nest_fn(b, b->name, false);
  NEST_LOOP(b, x, walk_rows(l, 4 * angle.turn.length * angle.turn.channels), 1, NEST_IX(0), 1,
            NEST_IX(angle.turn.length)) {
    if (angle.turn.interleaved)
      NEST_FOR(b, c, angle.turn.pairs) angle_body(l, &zero, &x, &c, 1, 1, &angle);
    else walk_channels(l, angle.turn.pairs, &zero, &x, angle_body, &angle);
  }
}
static void cosine_lower(Lower *l) { lower_angle(l, false); }
static void sine_lower(Lower *l) { lower_angle(l, true); }

static const Op op_back = {.name = "rotary input gradient", .eval = back_eval, .lower = back_lower},
                op_cosine = {.name = "rotary cos gradient", .eval = cosine_eval, .lower = cosine_lower},
                op_sine = {.name = "rotary sin gradient", .eval = sine_eval, .lower = sine_lower};

static void gradient(Gradient *gradient, Node *node, Node *dy) {
  gradient_input(gradient, &op_back, node, 3, (Node *[]){dy, node->in[COSINE], node->in[SINE]});
  for (int k = COSINE; k <= SINE; k++)
    gradient_operand(gradient, k == SINE ? &op_sine : &op_cosine, node, k, 2, (Node *[]){dy, node->in[X]});
}

const Op op_rotary = {
    .name = "rotary",
    .group = "index",
    .summary = "rotary position embedding: rotates pairs of channels of each position by angles that depend "
               "on the position",
    .detail = "x1 and x2 are the two halves of the first 2*D channels of each head; with interleaved=true, "
              "x1 are the even channels and x2 the odd channels. y1 = x1*cos - x2*sin, y2 = x2*cos + x1*sin; "
              "the channels after the first 2*D of each head do not change",
    .params = params,
    .example = "conv(192, 1) -> rotary(cosines, sines, heads=3)",
    .shape = shape,
    .eval = eval,
    .gradient = gradient,
    .lower = lower,
};
