/* op.h: what an operator is. One file an operator (TEMPLATE.c shows the parts); ops.def lists them; nothing
 * outside ops/ compares their names. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_OP_H
#define CNNC_OP_H
#include "graph/graph.h"
#include "base/text.h"

typedef struct Op Op;

/* ---- parameters: one table checks arguments, prints `--help conv` and makes docs/operators.md ---- */
typedef enum ParamType {
  PARAM_INT, /* lo..hi of the table */
  PARAM_NUMBER,
  PARAM_BOOL,
  PARAM_STRING,
  PARAM_WINDOW, /* N, HxW or [h, w]; on a sequence N. Bound to DIMS of 1 or 2 positive numbers */
  PARAM_PAD, /* valid, same, causal, N, [h, w] / [before, after], [t, b, l, r]: a WORD, INT or LIST of INT */
  PARAM_BORDER, /* zero_pad, crop: N, [h, w], [t, b, l, r], on sequences [before, after] */
  PARAM_CHOICE, /* one of `choices` */
  PARAM_INIT, /* a name, normal(std, mean=0), uniform(limit), a number, or a literal kernel (nested lists) */
  PARAM_CHANNELS, /* a number, or a list with one a channel */
  PARAM_SHAPE,    /* DIMS, number or list: 1 to 3 positive sizes */
  PARAM_RANGE,    /* lo..hi */
  PARAM_LIST,     /* a list of numbers, lists, strings: as the operator checks */
  PARAM_VALUE,    /* a value of the net: appended to node->in */
  PARAM_OPERAND,  /* a value (appended to node->in) or a number */
  PARAM_OPERANDS, /* one or more of those: a LIST; takes all positional arguments that are left */
  PARAM_VALUES,   /* one or more values: a LIST */
} ParamType;
typedef struct Param {
  const char *name;
  ParamType type;
  const char *value; /* the default, as written in the language ("1", "valid", "he"); NULL: required; "":
                        none; "kernel": that of another parameter */
  const char *help;
  double lo, hi;       /* INT, NUMBER: allowed when lo < hi; both 0: a positive INT, any finite NUMBER */
  const char *choices; /* CHOICE: "hwc chw" */
} Param;               /* a table ends with {0} */

const char *param_type_text(const Param *); /* what the argument may be, in words */

/* A named set of parameters that is no operator: an optimizer, a schedule, an augmentation, a metric, an
 * initialisation. */
typedef struct Form {
  const char *name, *summary;
  const Param *params;
  int code; /* of ops/settings/forms.h: what the compiler has to know about it; else 0 */
} Form;

const Const *arg_const(const Node *, const char *name); /* never NULL; kind CONST_NONE if absent */
int64_t arg_int(const Node *, const char *name);
double arg_number(const Node *, const char *name);
bool arg_bool(const Node *, const char *name);
bool arg_is(const Node *, const char *name, const char *word); /* a choice */

/* ---- the shape rule ---- */
typedef struct ShapeContext {
  Arena *arena;
  Graph *graph;
  Diags *diags;
  const Node *share; /* weights=NAME: the layer whose parameters are taken, or NULL */
  bool doubted;      /* its numbers are hardly meant, and that was said: nothing that follows from them is */
} ShapeContext;
Diag *op_error(ShapeContext *, const Node *, DiagId, const char *format, ...)
    __attribute__((format(printf, 4, 5))); /* at the call, with its blocks */
Diag *op_error_at(ShapeContext *, const Node *, const char *param, DiagId, const char *format, ...)
    __attribute__((format(printf, 5, 6))); /* at an argument, or at the call where it is a default */
/* A vector where a picture or a sequence is needed; what would help is to be added. */
Diag *op_error_vector(ShapeContext *, const Node *);
void op_note_origin(ShapeContext *, Diag *, const Node *value); /* "4x4x16 is the output of avgpool here" */
/* Do two inputs have the same regions, or none? If not, that is said. */
bool op_same_regions(ShapeContext *, const Node *, const Node *a, const Node *b);
/* A parameter of the node: made, or the shared one (its shape is checked). `init` is the node's argument of
 * type PARAM_INIT, or NULL with a constant. fan_in and fan_out count the products that meet in one output and
 * one input. The caller puts it into node->weight. NULL only after an error was reported. */
Weight *op_weight(ShapeContext *, Node *, const char *member, int rank, const int64_t *dim,
                  const char *init_param, double constant, int64_t fan_in, int64_t fan_out, bool decay);
Weight *op_statistic(ShapeContext *, Node *, const char *member, int64_t n, double constant);
/* Fills node->window from kernel, stride, pad, dilation, ceil, groups; sets `out` to the output's height and
 * width (shape.c). False after an error. */
bool op_window(ShapeContext *, Node *, Extent *out);

/* ---- cost ---- */
typedef struct Cost {
  int64_t macs;              /* multiply-adds an image, padding taps counted */
  int64_t parameters, bytes; /* that the node has besides node->weight, and their bytes */
} Cost;

/* ---- eval: the meaning, in double ---- */
typedef struct Eval {
  const Node *node;
  const double **in; /* by input: of one image, [h][w][c], of its row where the result has rows, too;
                                    RESULT_BATCH nodes: [count][h][w][c] of SAMPLE inputs */
  double *out;       /* to be written; RESULT_SUM, and BATCH with a target: to be added to / updated */
  const double *weight[MOST_WEIGHTS];
  bool training;
  int64_t sample, count; /* which image; how many in the batch */
  int64_t row;           /* of the leading axis; operators see one row at a time */
  uint64_t seed, step;
} Eval;

/* ---- gradient: appends the nodes of the backward pass ---- */
typedef struct Gradient Gradient;
bool gradient_wanted(const Gradient *, const Node *input); /* does anything trained lie before it? */
bool gradient_trained(const Gradient *, const Node *,
                      int weight); /* is that parameter trained (there, and not frozen)? */
Graph *gradient_graph(Gradient *);
void gradient_add(Gradient *, Node *input, Node *contribution); /* several are summed */
/* If the gradient of node->in[0] is wanted, what the operator makes of `in` is added to it. */
void gradient_input(Gradient *, const Op *, Node *node, int nin, Node *const *in);
/* A RESULT_SUM node of this operator into the gradient of node->weight[k]. */
Node *gradient_sum(Gradient *, const Op *, Node *of, int weight, int nin, Node *const *in);

/* ---- how schedules see an operator ---- */
typedef enum Family {
  FAMILY_NONE,         /* only its own plain nest */
  FAMILY_MAP,          /* element by element: can be fused into what produces its input */
  FAMILY_CONV,         /* a convolution, gathering */
  FAMILY_CONV_SCATTER, /* conv_transpose, and the input gradient of conv: each input is spread over the output
                        */
  FAMILY_CONV_REPEATED, /* a convolution that sees each element of its input several times side by side */
  FAMILY_CONV_WEIGHTS,  /* weight gradient of both */
  FAMILY_DEPTHWISE,
  FAMILY_DEPTHWISE_SCATTER,
  FAMILY_DEPTHWISE_WEIGHTS,
  FAMILY_DENSE,
  FAMILY_DENSE_INPUT,
  FAMILY_DENSE_WEIGHTS,
  FAMILY_POOL,
  FAMILY_INT8,  /* of 8 bits: ops/int8 */
  FAMILY_ALIAS, /* its value lies where its input does: flatten, reshape, dropout in inference */
} Family;

typedef enum Fold {
  FOLD_NONE,
  FOLD_SCALE,
  FOLD_NORMALIZE
} Fold; /* what passes may fold into the weights of a neighbour: batchnorm after, normalize before */

typedef enum Scores {
  SCORES_NONE,
  SCORES_PROBABILITY,
  SCORES_LOG,
  SCORES_BINARY
} Scores; /* softmax, log_softmax, sigmoid */

typedef enum Finds {
  FINDS_NOTHING,
  FINDS_BOXES,   /* rows x1 y1 x2 y2 score class, in pixels of the input; class -1: none */
  FINDS_SEGMENTS /* for each pixel class and instance */
} Finds;

/* What an operator is in a net of 8 bits (quantize/values.c). Other functions of one number are tables. */
typedef enum Int8Form {
  INT8_NONE,
  INT8_PRODUCT, /* conv, conv_transpose, depthwise, dense */
  INT8_SUM,
  INT8_DIFFERENCE,
  INT8_MULTIPLY,
  INT8_RELU, /* a bound of what is before it */
  INT8_RELU6,
  INT8_LEAKY,   /* a table; in 16 bits two factors */
  INT8_LARGEST, /* pools */
  INT8_MEAN,
  INT8_SOFTMAX,
  INT8_UNIT,   /* a table whose value is in 0 .. 1 */
  INT8_SIGNED, /* in -1 .. 1 */
  INT8_MOVE,   /* each element is one of an input's */
} Int8Form;

struct Lower;
struct Map;
struct ValNode;

#define MAP_NEEDS_Y (UINT32_C(1) << 31)
typedef enum Role { ROLE_NONE, ROLE_INPUT, ROLE_TARGET } Role; /* of a node: an input; the target of a loss */
struct Op {
  const char *name;  /* NULL-free; hidden operators have names with a space, which no program can write: "conv
                        input gradient" */
  const char *group; /* "convolution", ...: the chapters of docs/operators.md */
  const char *summary; /* one line */
  const char *detail;  /* formula, source; for --help and docs */
  const Param *params;
  const char *example; /* a line of the language */
  Family family;
  Role role;
  bool transposed; /* its weights have the inputs first, then the filters, and init=bilinear is for them */
  bool softmax;    /* output is probabilities over the channels */
  Scores scores;   /* what an output of this operator says about classes */
  Finds finds;     /* what it is to those who look at it as an output; then */
  int64_t (*classes)(const Node *); /* how many classes it tells apart; NULL: its channels */
  int64_t (*things)(const Node *);  /* FINDS_SEGMENTS: how many of them are of objects: the last ones */
  bool elementwise; /* each element of the value depends on that one of in[0] alone, and is cheap: FAMILY_MAP
                     */
  bool source;      /* it takes no value: what it makes depends on its parameters alone */
  bool alone;       /* an image at a time: its nest calls a routine or chooses indices by the image's values,
                       so images are not interleaved */
  bool own_rows;    /* its nest goes through the rows of its value by itself */
  bool in_bands;    /* as FAMILY_MAP: each row of its value is made of the rows of its inputs that its window
                       says; without a window of the same row of each */
  bool keeps_spatial; /* receptive field passes unchanged (kernel 1, stride 1) */
  void (*field)(const Node *, int axis, int64_t *sees,
                double *jump); /* NULL, or: an element sees so many of the input's along the axis, and the
                                  next one's begin `jump` times as far on */

  void (*shape)(ShapeContext *, Node *); /* sets shape and weights, or reports why not and leaves POISON */
  Cost (*cost)(const Node *);            /* NULL: none */
#ifdef __wasi__ /* eval is the oracle of tests: in a page all that is kept of it is that there is one */
  bool eval;
#else
  void (*eval)(const Eval *);
#endif
  void (*gradient)(Gradient *, Node *, Node *dy); /* NULL: no gradient passes */
  Node *(*train)(Graph *, Node *); /* NULL, or: what stands for the node in training (batchnorm, dropout); may
                                      return the node itself */
  bool (*identity)(const Node *);  /* NULL, or: true if inference can drop the node */
  bool (*turns)(const Node *);     /* NULL, or: is it the same with its two inputs exchanged? */
  bool (*border)(
      const Node *, int64_t before[2],
      int64_t after[2]); /* zero_pad: the zeros that a following convolution can take into its window */
  int64_t (*join)(const Node *, int k); /* NULL, or concat: the channel of its value where input k starts;
                                           there is nothing else in it. -1: it does not join channels */
  int64_t (*part)(const Node *); /* NULL, or slice: its value is some channels of its input, from this one on;
                                    -1: it is not */
  int64_t (*lies_in)(const Node *); /* NULL, or: its value is one piece of its input, from that element on */
  int64_t (*lie_in_it)(const Node *, int k); /* NULL, or: its value is its inputs one behind the other; the
                                                element where input k starts */
  bool (*repeats)(const Node *,
                  int64_t factor[2]); /* NULL, or: does its value repeat each element of its input
                                         so many times along each axis, and nothing else? */
  const Op *behind_repeats; /* NULL, or conv: what may stand for it behind one that repeats; it reads what
                               that reads, and its `detail` is the factor */
  bool (*takes_pool)(const Node *, const Node *pool); /* NULL, or: can a pooling right behind the node be done
                                                         where its results are made? */
  bool (*takes_gate)(const Node *);  /* NULL, or: is it faster to scale the weights than the channels of what
                                        it reads? */
  int (*gate)(const Node *);         /* NULL, or multiply: the input, one number a channel, by which it scales
                                        the other one and does nothing else; -1: it does */
  bool (*takes_means)(const Node *); /* NULL, or: can the mean of each row of the result be made beside it? */
  const Op *of_rows; /* NULL, or: what makes the mean of each row of its input, whose mean it is */
  const struct ValNode *(*pool)(const struct ValNode *const *x,
                                int n); /* FAMILY_POOL: a window of n elements, all of them inside */
  Fold fold;
  Int8Form int8;
  void (*lower)(struct Lower *); /* the plain nest: what -O0 prints */

  /* FAMILY_MAP: y = f(x0, x1, ...) at each element; map.c gives these operators eval, gradient and lower.
   * Without map_slope and map_gradient: dy/dx = 1 */
  double (*map_eval)(const Node *, const double *x, const double *weight,
                     int64_t c); /* weight: of channel c, one each */
  double (*map_slope)(const Node *, const double *x, double y, const double *weight, int64_t c,
                      int wrt); /* dy/dx[wrt] */
  uint32_t (*map_needs)(const Node *,
                        int wrt); /* what dy/dx[wrt] is computed from: bit i: x[i]; MAP_NEEDS_Y: y; NULL:
                                     nothing. Derivatives with respect to weights see all of x */
  double (*map_weight_slope)(const Node *, const double *x, double y, const double *weight, int64_t c,
                             int k); /* dy/dweight[k] */
  const struct ValNode *(*map)(struct Map *);
  const struct ValNode *(*map_gradient)(struct Map *, const struct ValNode *dy, int wrt);
  const struct ValNode *(*map_weight_gradient)(struct Map *, const struct ValNode *dy, int k);

  /* losses (group "loss") */
  bool class_target;  /* int32 classes, else floats of the output's shape */
  bool object_target; /* the objects of an image: graph_truth */
};

static inline bool node_is_input(const Node *node) { return node->op->role == ROLE_INPUT; }
static inline bool node_is_target(const Node *node) { return node->op->role == ROLE_TARGET; }

/* The parts of a loss. All see what lies before the activation that belongs to the loss (`absorbs`: softmax
 * before cross_entropy). op: SAMPLE, inputs (output, target, scale) -> this image's share of the mean; scale:
 * BATCH, inputs (target) -> vector(1), 1 / normaliser; gradient: SAMPLE, inputs (output, target, scale). */
typedef struct Loss {
  const Op *op, *scale, *gradient;
  const Op *slopes; /* NULL, or what the gradient takes instead of the scale: inputs output, target, scale ->
                       two numbers a channel, which depend on sums over all pixels */
  const Op *absorbs[4];
  /* Losses of objects: scale and gradient are NULL. op: SAMPLE, inputs (values, count, class, box and, if
   * `instances`, instance) -> vector: the share of this image, without weight and mean over the images, then
   * its gradients with respect to the first `trained` values, one behind the other. */
  int trained;
  bool instances;
  const Op *inside; /* NULL, or rpn: the loss is of a value of this operator, and works on what that reads;
                       then `of` of its node is that node */
} Loss;
typedef struct LossDetail {
  const Training *training;
  double weight;
  int64_t classes;
  Scores scores;
  int64_t at;         /* op_object_part: of the vector, from here on */
  const Node *made;   /* the value that the loss is of, as its activation gives it */
  const Graph *graph; /* of which it is, with those of the other losses; NULL while the program is read */
} LossDetail; /* node->detail of all three: label smoothing, the loss's weight (scale multiplies it), channels
                 of the output, and the kind of activation that was absorbed (SCORES_NONE: there was none) */

/* ---- training for 8 bits (graph/rounding_switch.c; ops/rounding has the operators) ---- */
/* The copy of a node in the training graph: its operator has the switch among its weights. */
void rounding_add_switch(Arena *, Node *, const Aware *);
int rounding_switch(const Node *); /* where it has it; -1: it rounds nothing */
#endif
