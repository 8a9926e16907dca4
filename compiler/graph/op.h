/* op.h: Definition of an operator. One file per operator (TEMPLATE.c shows the parts); ops.def lists them;
 * only ops/ compares their names. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_OP_H
#define CNNC_OP_H
#include "graph/graph.h"
#include "graph/traits.h"
#include "base/text.h"

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
  PARAM_CHANNELS, /* a number, or a list with one number per channel */
  PARAM_NUMBERS,  /* a number, or a list of them */
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
  const char *choices; /* CHOICE: "hwc chw"; other types: words that are also accepted */
} Param;               /* a table ends with {0} */

const char *param_type_text(const Param *); /* the permitted arguments, as text */

/* Documentation, for --help, editors and docs: a page, which must stay small, has none of them. */
#ifdef __wasi__
typedef bool DocText;
#else
typedef const char *DocText;
#endif

/* A named set of parameters other than an operator: an optimizer, a schedule, an augmentation, a metric,
 * an initialization. */
typedef struct Form {
  const char *name;
  DocText summary;
  const Param *params;
  int code; /* a constant of ops/settings/forms.h by which the compiler recognizes it; else 0 */
} Form;

const Const *arg_const(const Node *, const char *name); /* never NULL; kind CONST_NONE if absent */
int64_t arg_int(const Node *, const char *name);
double arg_number(const Node *, const char *name);
bool arg_bool(const Node *, const char *name);
bool arg_is(const Node *, const char *name, const char *word); /* a choice */

/* ---- the shape rule ---- */
bool op_has_parameters(const Op *); /* has parameters that may be shared and frozen */
typedef struct ShapeContext {
  Arena *arena;
  Graph *graph;
  Diags *diags;
  const Node *share; /* weights=NAME: the layer that owns the parameters, or NULL */
  bool doubted;      /* a lint warned about its numbers: suppress warnings that follow from them */
} ShapeContext;
Diag *op_error(ShapeContext *, const Node *, DiagId, const char *format, ...)
    __attribute__((format(printf, 4, 5))); /* at the call, with its blocks */
Diag *op_error_at(ShapeContext *, const Node *, const char *param, DiagId, const char *format, ...)
    __attribute__((format(printf, 5, 6))); /* at an argument, or at the call where it is a default */
/* Reports a vector where an image or a sequence is needed; the caller adds the hint. */
Diag *op_error_vector(ShapeContext *, const Node *);
void op_note_origin(ShapeContext *, Diag *, const Node *value); /* "4x4x16 is the output of avgpool here" */
/* Do two inputs have the same regions, or none? Reports an error if not. */
bool op_same_regions(ShapeContext *, const Node *, const Node *a, const Node *b);
/* The input that determines the rows of the result. With parts, other inputs may have a divisor of its
 * rows, or none, and are repeated. NULL after a report. */
const Node *op_common_rows(ShapeContext *, const Node *);
enum { MOST_ROW_COUNTS = 4 }; /* different numbers of rows among the inputs of a node */
/* A parameter of the node: a new one, or the shared one (its shape is checked). `init` is the node's
 * argument of type PARAM_INIT, or NULL with a constant. fan_in and fan_out are the numbers of products per
 * output and per input. The caller stores it in node->weight. NULL only after an error was reported. */
Weight *op_weight(ShapeContext *, Node *, const char *member, int rank, const int64_t *dim,
                  const char *init_param, double constant, int64_t fan_in, int64_t fan_out, bool decay);
Weight *op_statistic(ShapeContext *, Node *, const char *member, int64_t n, double constant);
/* Fills node->window from kernel, stride, pad, dilation, ceil, groups; sets `out` to the output's height and
 * width (shape.c). False after an error. */
bool op_window(ShapeContext *, Node *, Extent *out);

/* ---- cost ---- */
typedef struct Cost {
  int64_t macs;              /* multiply-adds per image, or per region of one; padding taps counted */
  int64_t parameters, bytes; /* others than node->weight, and their bytes */
} Cost;

/* ---- eval: the meaning, in double ---- */
typedef struct Eval {
  const Node *node;
  const double **in; /* by input: values of one image, [h][w][c], or of one row where the result has rows;
                        RESULT_BATCH nodes: [count][h][w][c] of SAMPLE inputs */
  double *out;       /* to be written; RESULT_SUM, and BATCH with a target: to be added to or updated */
  const double *weight[MOST_WEIGHTS];
  bool training;
  int64_t sample, count; /* index of the image; images of the batch */
  int64_t row;           /* of the leading axis: operators see one row at a time */
  uint64_t seed, step;
} Eval;
void eval_keys(const Eval *, uint32_t key[2]); /* the keys of its random numbers, as in lower_keys */

/* ---- gradient: appends the nodes of the backward pass ---- */
typedef struct Gradient Gradient;
bool gradient_wanted(const Gradient *, const Node *input); /* is anything before it trained? */
bool gradient_trained(const Gradient *, const Node *,
                      int weight); /* is that parameter trained, and not frozen? */
Graph *gradient_graph(Gradient *);
void gradient_add(Gradient *, Node *input, Node *contribution); /* several contributions are summed */
Node *gradient_given(const Gradient *, const Node *);           /* its only contribution so far, or NULL */
/* If the gradient of node->in[k] is wanted, appends the operator on `in`, adds its result to that gradient
 * and returns it; else NULL. */
Node *gradient_operand(Gradient *, const Op *, Node *node, int k, int nin, Node *const *in);
void gradient_input(Gradient *, const Op *, Node *node, int nin, Node *const *in); /* for node->in[0] */
/* Appends a RESULT_SUM node of this operator for the gradient of node->weight[k]. */
Node *gradient_sum(Gradient *, const Op *, Node *of, int weight, int nin, Node *const *in);

/* ---- how schedules see an operator ---- */
typedef enum Family {
  FAMILY_NONE,          /* only its own reference schedule */
  FAMILY_MAP,           /* element-wise: can be fused into the producer of its input */
  FAMILY_CONV,          /* a convolution as a gather */
  FAMILY_CONV_SCATTER,  /* conv_transpose, and the input gradient of conv, as a scatter of each input */
  FAMILY_CONV_REPEATED, /* a convolution that reads each element of its input several times in a row */
  FAMILY_CONV_WEIGHTS,  /* weight gradient of both */
  FAMILY_DEPTHWISE,
  FAMILY_DEPTHWISE_SCATTER,
  FAMILY_DEPTHWISE_WEIGHTS,
  FAMILY_DENSE,
  FAMILY_DENSE_INPUT,
  FAMILY_DENSE_WEIGHTS,
  FAMILY_POOL,
  FAMILY_INT8,  /* int8: ops/int8 */
  FAMILY_ALIAS, /* its value is a view of its input: flatten, reshape, dropout in inference */
} Family;

struct Lower;
struct Map;
struct ValNode;

#define MAP_NEEDS_Y (UINT32_C(1) << 31)
typedef enum Role {
  ROLE_NONE,
  ROLE_INPUT,
  ROLE_TARGET, /* of a loss */
  ROLE_STATE,  /* its value is that of the last call */
  ROLE_UPDATE, /* in[0] is the next value of the state in[1] */
} Role;
struct Op {
  const char *name;   /* NULL-free; names of hidden operators contain a space, so that no program can use
                         them: "conv input gradient" */
  const char *group;  /* "convolution", ...: the sections of docs/operators.md */
  DocText summary;    /* one line */
  const char *detail; /* formula, source; for --help, docs and comments of the generated C */
  const Param *params;
  DocText example; /* a line of .cnn source */
  Family family;
  Role role;
  bool source;                           /* has no value input: its value depends on its parameters only */
  void (*shape)(ShapeContext *, Node *); /* sets shape and weights, or reports why not and leaves POISON */
  Cost (*cost)(const Node *);            /* NULL: none */
#ifdef __wasi__ /* eval is the test oracle; the browser build keeps only the fact that there is one */
  bool eval;
#else
  void (*eval)(const Eval *);
#endif
  void (*gradient)(Gradient *, Node *, Node *dy); /* NULL: no gradient */
  Node *(*train)(Graph *, Node *); /* NULL, or: returns the node that replaces this one in training
                                      (batchnorm, dropout); may return the node itself */
  /* NULL, or: appends the nodes that compute it and returns the one with its value. `backward`: they keep
   * whatever a backward pass needs. */
  Node *(*parts)(Graph *, Node *, bool backward);
  /* NULL, or: appends a layer whose next call goes on from its final state, with these states; the node of
   * its value. calls: NULL, or the number k of the call, where row 0 is row k*rows + offset of a stream: rows
   * below 0 leave the state alone. */
  Node *(*keep)(Graph *, Node *, Node *calls, int64_t rows, int64_t offset);
  bool (*identity)(const Node *); /* NULL, or: true if inference can drop the node */
  void (*lower)(struct Lower *);  /* the reference schedule: printed by -O0 */

  /* FAMILY_MAP: y = f(x0, x1, ...) per element; map.c gives these operators eval, gradient and lower.
   * Without map_slope and map_gradient: dy/dx = 1 */
  double (*map_eval)(const Node *, const double *x, const double *weight,
                     int64_t c); /* weight: those of channel c */
  double (*map_slope)(const Node *, const double *x, double y, const double *weight, int64_t c,
                      int wrt); /* dy/dx[wrt] */
  uint32_t (*map_needs)(const Node *,
                        int wrt); /* needs of dy/dx[wrt]: bit i: x[i]; MAP_NEEDS_Y: y; NULL: nothing.
                                     Derivatives with respect to weights see all of x */
  double (*map_weight_slope)(const Node *, const double *x, double y, const double *weight, int64_t c,
                             int k); /* dy/dweight[k] */
  const struct ValNode *(*map)(struct Map *);
  const struct ValNode *(*map_gradient)(struct Map *, const struct ValNode *dy, int wrt);
  const struct ValNode *(*map_weight_gradient)(struct Map *, const struct ValNode *dy, int k);

  OpTraits traits;
};

static inline bool node_is_input(const Node *node) { return node->op->role == ROLE_INPUT; }
static inline bool node_is_target(const Node *node) { return node->op->role == ROLE_TARGET; }
static inline bool node_is_state(const Node *node) { return node->op->role == ROLE_STATE; }
static inline bool node_is_update(const Node *node) { return node->op->role == ROLE_UPDATE; }

/* ---- training for 8 bits (graph/rounding_switch.c; ops/rounding has the operators) ---- */
/* The copy of a node in the training graph: its operator has the QAT switch among its weights. */
void rounding_add_switch(Arena *, Node *, const Aware *);
int rounding_switch(const Node *); /* its index among the weights; -1: no rounding */
#endif
