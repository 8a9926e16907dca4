/* op.h: Op, the structure that describes an operator, and functions that operators call. The operators are
 * defined in ops/, as in ops/TEMPLATE.c; ops.def lists the operators of the language. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_OP_H
#define CNNC_OP_H
#include "graph/graph.h"
#include "graph/traits.h"
#include "base/text.h"

/* ---- parameters: tables that check arguments and generate --help and docs/operators.md ---- */
typedef enum ParamType {
  PARAM_INT, /* lo .. hi */
  PARAM_NUMBER,
  PARAM_BOOL,
  PARAM_STRING,
  PARAM_WINDOW, /* N, HxW or [h, w], on a sequence N; stored as CONST_DIMS of 1 or 2 positive numbers */
  PARAM_PAD,    /* valid, same, causal (CONST_WORD), N (CONST_INT), [h, w], [before, after] or [top, bottom,
                   left, right] (CONST_LIST) */
  PARAM_BORDER, /* of zero_pad and crop: as PARAM_PAD, but without words */
  PARAM_REACH,  /* of attention: number of keys before and after a query, N or [before, after] */
  PARAM_CHOICE, /* one of `choices` */
  PARAM_INIT, /* a name, normal(std, mean=0), uniform(limit), a number, or a literal kernel (nested lists) */
  PARAM_CHANNELS, /* a number, or a list with one number per channel */
  PARAM_NUMBERS,  /* a number or a list of numbers */
  PARAM_SHAPE,    /* 1 to 3 positive sizes: DIMS, a number or a list */
  PARAM_RANGE,    /* lo..hi */
  PARAM_LIST,     /* a list that the operator checks */
  PARAM_VALUE,    /* a value of the net: appended to node->in */
  PARAM_OPERAND,  /* a value (appended to node->in) or a number */
  PARAM_OPERANDS, /* a LIST of operands: all remaining positional arguments */
  PARAM_VALUES,   /* a LIST of values */
} ParamType;
typedef struct Param {
  const char *name;
  ParamType type;
  /* the default as in source ("1", "he", another parameter); NULL: the argument is required; "": the argument
   * is optional and has no default */
  const char *value;
  const char *help;
  double lo, hi; /* INT, NUMBER, RANGE: the limits if lo < hi; otherwise a positive INT, any finite NUMBER,
                    any RANGE */
  const char *choices; /* CHOICE: all choices ("hwc chw"); other types: words that are also accepted */
} Param;               /* a table ends with {0} */

const char *param_type_text(const Param *); /* the permitted arguments, as text */

/* Documentation; the browser build omits it. */
#ifdef __wasi__
typedef bool DocText;
#else
typedef const char *DocText;
#endif

/* A name with parameters, such as an optimizer, a learning-rate schedule, a metric or an initialization. */
typedef struct Form {
  const char *name;
  DocText summary;
  const Param *params;
  int code; /* group of the form: a constant of ops/settings/forms.h */
} Form;

const Const *arg_const(const Node *, const char *name); /* kind CONST_NONE if the argument is absent */
int64_t arg_int(const Node *, const char *name);
double arg_number(const Node *, const char *name);
bool arg_bool(const Node *, const char *name);
bool const_is(const Const *, const char *word);
bool arg_is(const Node *, const char *name, const char *word); /* PARAM_CHOICE */

/* ---- the shape rule ---- */
bool op_has_parameters(const Op *);
typedef struct ShapeContext {
  Arena *arena;
  Graph *graph;
  Diags *diags;
  const Node *share; /* weights=NAME: the layer that owns the parameters, or NULL */
  /* set after a lint about the node's numbers: suppresses warnings that have the same cause */
  bool linted;
  /* for --stream and --slide: no lint about unread rows at the end of an input, because later calls read
   * them */
  bool streams;
} ShapeContext;
/* These functions report an error: op_error at the call; op_error_at at an argument, or at the call if the
 * argument is a default; op_error_vector about a vector instead of an image or a sequence (the caller adds
 * help). */
Diag *op_error(ShapeContext *, const Node *, DiagId, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
Diag *op_error_at(ShapeContext *, const Node *, const char *param, DiagId, const char *format, ...)
    __attribute__((format(printf, 5, 6)));
Diag *op_error_vector(ShapeContext *, const Node *);
/* Adds a note such as "4x4x16 is the output of avgpool here". */
void op_note_origin(ShapeContext *, Diag *, const Node *value);
/* Whether two inputs have equal numbers of regions; reports an error if not. */
bool op_same_regions(ShapeContext *, const Node *, const Node *a, const Node *b);
/* The input with the most rows of the leading axis; the node's value gets the same number of rows. If no
 * input has Shape.parts, all inputs must have equal numbers of rows. Otherwise inputs with fewer rows are
 * repeated, so of two different numbers one must divide the other. NULL after an error. */
const Node *op_common_rows(ShapeContext *, const Node *);
enum { MOST_ROW_COUNTS = 4 }; /* maximum number of different row counts among the inputs of a node */
/* A new parameter of the node, or the parameter shared by weights=; the caller stores it in node->weight.
 * init_param: the name of an argument of type PARAM_INIT; NULL: the initial value is `constant`. fan_in:
 * products per output element; fan_out: products per input element. NULL after an error. */
Weight *op_weight(ShapeContext *, Node *, const char *member, int rank, const int64_t *dim,
                  const char *init_param, double constant, int64_t fan_in, int64_t fan_out, bool decay);
Weight *op_statistic(ShapeContext *, Node *, const char *member, int64_t n, double constant);
/* Sets node->window from the arguments, and the height and width of the output. False after an error. */
bool op_window(ShapeContext *, Node *, Extent *out);

/* ---- cost ---- */
typedef struct Cost {
  int64_t macs;              /* multiply-adds per image, or per row of the leading axis, including padding */
  int64_t parameters, bytes; /* number and bytes of the parameters that are not in node->weight */
} Cost;

/* ---- eval: the definition, in double precision ---- */
typedef struct Eval {
  const Node *node;
  const double **in; /* per input: one image, [n][h][w][c], or one of its rows n; for RESULT_BATCH, all
                        `count` images of RESULT_SAMPLE inputs */
  double *out;       /* the result. RESULT_SUM adds to it; RESULT_BATCH with a target updates it */
  const double *weight[MOST_WEIGHTS];
  bool training;
  int64_t sample, count; /* index of the image; number of images in the batch */
  int64_t row;           /* row of the leading axis */
  uint64_t seed, step;
} Eval;
void eval_keys(const Eval *, uint32_t key[2]); /* the node's random keys, as lower_keys computes them */

/* ---- gradient: appends the nodes of the backward pass ---- */
typedef struct Gradient Gradient;
bool gradient_wanted(const Gradient *, const Node *input);
bool gradient_trained(const Gradient *, const Node *, int weight);
Graph *gradient_graph(Gradient *);
void gradient_add(Gradient *, Node *input, Node *contribution);
/* The only contribution to the gradient of a node; NULL: there is none, or there are several. */
Node *gradient_given(const Gradient *, const Node *);
/* If the gradient of node->in[k] is wanted, appends and returns a node whose value is added to that gradient;
 * otherwise returns NULL. */
Node *gradient_operand(Gradient *, const Op *, Node *node, int k, int nin, Node *const *in);
/* gradient_operand for node->in[0] */
void gradient_input(Gradient *, const Op *, Node *node, int nin, Node *const *in);
/* Appends a RESULT_SUM node: the gradient of of->weight[weight]. */
Node *gradient_sum(Gradient *, const Op *, Node *of, int weight, int nin, Node *const *in);

struct Lower;
struct Map;
struct ValNode;

#define MAP_NEEDS_Y (UINT32_C(1) << 31)
typedef enum Role {
  ROLE_NONE,
  ROLE_INPUT,
  ROLE_TARGET, /* the target of a loss */
  ROLE_STATE,  /* the value that the previous call stored; in the first call, the initial value */
  ROLE_UPDATE, /* in[0] is the next value of the state in[1] */
} Role;
/* Functions that do not apply are NULL. Every operator needs a name and, except inputs and targets, eval. An
 * operator that becomes a kernel needs lower; an operator with `parts` does not. Operators of the language
 * also need a group and a shape rule. */
struct Op {
  const char *name;   /* hidden operators: usually with spaces, as in "conv input gradient" */
  const char *group;  /* section of docs/operators.md */
  DocText summary;    /* one line */
  const char *detail; /* formula and publication; for --help, docs and comments of the generated C */
  const Param *params;
  DocText example; /* a line of source */
  Family family;
  Role role;
  bool source;                           /* no value input, as in constant and state */
  void (*shape)(ShapeContext *, Node *); /* sets shape and weights; leaves POISON after an error */
  Cost (*cost)(const Node *);
#ifdef __wasi__ /* the browser build has no reference interpreter */
  bool eval;
#else
  void (*eval)(const Eval *);
#endif
  void (*gradient)(Gradient *, Node *, Node *dy);
  Node *(*train)(Graph *, Node *); /* the node that replaces this node in training, or the node itself */
  /* Appends the nodes that compute this node's value, and returns the last node. backward: for training. */
  Node *(*parts)(Graph *, Node *, bool backward);
  /* Appends a layer and its states, so that each call continues from the final state of the previous call;
   * returns the layer's value. calls: in a stream, the value with the number k of the call, if the
   * layer needs k; otherwise NULL.
   * In a stream, row 0 of the input is row k*rows + offset of the stream, and the layer skips stream rows
   * with negative indices. */
  Node *(*keep)(Graph *, Node *, Node *calls, int64_t rows, int64_t offset);
  bool (*identity)(const Node *); /* whether inference can drop the node */
  void (*lower)(struct Lower *);  /* the reference schedule */

  /* FAMILY_MAP: y = f(x0, x1, ...) per element; map.c derives eval, gradient and lower. `weight` has the
   * parameters of channel c. map_slope: dy/dx[wrt], or NULL if it is 1; map_needs: the operands of the slope,
   * x[i] (bit i) and y (MAP_NEEDS_Y); map_weight_slope: dy/dweight[k], which may use all x. */
  double (*map_eval)(const Node *, const double *x, const double *weight, int64_t c);
  double (*map_slope)(const Node *, const double *x, double y, const double *weight, int64_t c, int wrt);
  uint32_t (*map_needs)(const Node *, int wrt);
  double (*map_weight_slope)(const Node *, const double *x, double y, const double *weight, int64_t c, int k);
  const struct ValNode *(*map)(struct Map *);
  const struct ValNode *(*map_gradient)(struct Map *, const struct ValNode *dy, int wrt);
  const struct ValNode *(*map_weight_gradient)(struct Map *, const struct ValNode *dy, int k);

  OpTraits traits;
};

/* Whether the node only copies elements of its inputs, possibly with padding. */
bool node_moves_elements(const Node *node);
/* The node that computes the values: itself, or the node before reshapes, dropout, and other operators that
 * do not change values in inference. */
const Node *node_computed_by(const Node *node);
static inline bool node_is_input(const Node *node) { return node->op->role == ROLE_INPUT; }
static inline bool node_is_target(const Node *node) { return node->op->role == ROLE_TARGET; }
static inline bool node_is_state(const Node *node) { return node->op->role == ROLE_STATE; }
static inline bool node_is_update(const Node *node) { return node->op->role == ROLE_UPDATE; }

/* ---- quantization-aware training (rounding_switch.c; operators in ops/rounding) ---- */
void rounding_add_switch(Arena *, Node *, const QatSettings *); /* adds the switch to the weights of a node */
int rounding_switch(const Node *); /* index of the switch among the weights; -1: no rounding */
/* The number of rows of weight[0] (filters) that share a scale; 0: weight[0] is not rounded. */
int64_t rounding_scale_rows(const Node *);
#endif
