/* graph.h: Graph of a net: one node per operator, one value per node. An operator's own rule checks shapes
 * when a node is created. The same structures represent the source program, its simplification for inference,
 * and the training graph with its backward pass. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_GRAPH_H
#define CNNC_GRAPH_H
#include <stdbool.h>
#include <stdint.h>
#include "base/arena.h"
#include "base/diag.h"
#include "base/elem.h"

struct Op;
typedef struct Node Node;
typedef struct Graph Graph;

/* ---- shapes: channels last ---- */
typedef struct Shape {
  int rank; /* 3: height, width, channels; 2: length, channels; 1: a vector; 0: poison, an error was reported
             */
  int64_t dim[3];
  int64_t regions; /* rows of the leading axis; 0: no such axis */
  bool parts;      /* the rows are parts of a value (split_heads, split_windows ...), not regions of boxes */
} Shape;
#define POISON ((Shape){0})
Shape shape_picture(int64_t h, int64_t w, int64_t c);
Shape shape_sequence(int64_t length, int64_t c);
Shape shape_vector(int64_t n);
int64_t shape_elements(Shape);     /* per image, over all rows */
int64_t shape_rows(Shape);         /* rows of the leading axis: its regions, or 1 */
int64_t shape_row_elements(Shape); /* height * width * channels */
/* A table: R x C, or R regions of a vector of C elements. False for any other shape. */
bool shape_table(Shape, int64_t *rows, int64_t *columns);
bool shape_equal(Shape, Shape);
Shape shape_with_rows(Shape row, Shape like); /* `row` with the leading axis of `like` */
Shape shape_row(Shape);                       /* one row of it */
const char *shape_text(Arena *, Shape);       /* 28x28x1, 49x40, 784, "100 of 7x7x512" */
/* Memory layout of a value, [n][h][w][c]: a sequence is 1 x length x channels, a vector 1 x 1 x n. The
 * leading axis counts the regions of a value (or 1), or the images of a batched kernel. Operators see one
 * row of it: the nest builder adds the loop over rows (nest_lead). */
typedef struct Extent {
  int64_t n, h, w, c;
} Extent;
static inline int64_t extent_side(Extent e, int axis) { return axis ? e.w : e.h; } /* 0: height */
Extent shape_extent(Shape);
Extent shape_joined(Shape); /* all rows as one image of n*h pixel rows: for sums over all pixels */

/* ---- the window formula: its only copy is shape.c ---- */
typedef struct Window { /* axis 0 is the height, 1 the width; a sequence has the trivial axis 0 and its length
                           on axis 1 */
  int64_t kernel[2], stride[2], dilation[2], before[2], after[2]; /* before, after: padding */
  bool ceil;                  /* pooling: a last, incomplete window counts */
  bool count_pad;             /* pooling: so does padding, but nothing beyond it */
  int64_t groups, multiplier; /* convolutions; depthwise: channels c*multiplier + m */
} Window;

/* ---- constant values of the language: values of arguments ---- */
typedef enum ConstKind {
  CONST_NONE,
  CONST_INT,
  CONST_FLOAT,
  CONST_BOOL,
  CONST_STRING,
  CONST_DIMS,
  CONST_LIST,
  CONST_RANGE,
  CONST_WORD,
  CONST_CALL,
  CONST_VALUE,
  CONST_POISON
} ConstKind;
typedef struct Const {
  ConstKind kind;
  Span span;     /* source location; NO_SPAN for a default */
  int64_t i;     /* INT, BOOL */
  double f;      /* FLOAT; INT too */
  const char *s; /* STRING; WORD: a choice; CALL: the callee, as in init=normal(0.02) */
  int n;
  const struct Const *items;   /* DIMS, LIST; RANGE: lo, hi or infinity; CALL: arguments, bound to the
                                  parameters if it has a table */
  Node *node;                  /* VALUE */
  const struct Origin *origin; /* VALUE: origin of its name; only used by sema/ */
} Const;

/* ---- parameters ---- */
typedef enum InitKind {
  INIT_NORMAL,
  INIT_UNIFORM,
  INIT_CONSTANT,
  INIT_LITERAL,
  INIT_BILINEAR,
  INIT_ORTHOGONAL
} InitKind;
typedef struct Init {
  InitKind kind;
  /* NORMAL: mean a, standard deviation b; UNIFORM: -a .. a; CONSTANT: a; ORTHOGONAL: blocks of a rows */
  double a, b;
  const float *values; /* LITERAL: one float per element of the weight */
} Init;
typedef struct Weight {
  const char *name, *member; /* "stage1.conv1.weight", "weight" */
  int id, rank;
  int64_t dim[4], size, offset; /* offset in floats in the weights struct; set by graph_layout_weights */
  bool statistic;               /* a running mean or variance */
  bool frozen;
  bool passing; /* a statistic that only training updates: weight files may lack it */
  bool decay;   /* takes part in weight decay when `decay = weights` */
  Init init;
  Node *owner; /* the layer that first uses it */
  const struct Weight
      *whole; /* the parameter that contains these rows (parameter_rows); NULL: it is a parameter */
} Weight;

/* ---- nodes ---- */
enum {
  MOST_INPUTS = 16,
  MOST_JOINED = 1000,
  MOST_CALL_NODES = 4096,
  MOST_WEIGHTS = 12
}; /* limits per node; MOST_JOINED: per concat; MOST_CALL_NODES: nodes of all calls of a sample, also the most
      rows or calls that a value is put together from. graph_verify enforces them */
typedef enum Result {
  RESULT_SAMPLE, /* one value per image */
  RESULT_SUM,    /* added to the gradient of `target`, image by image (training) */
  RESULT_BATCH,  /* computed once from the values of all images of the batch; with a `target`: the new
                    value of that statistic */
} Result;
/* Quantization of an int8 or int16 value: q represents (q - zero) * scale. */
typedef struct Quant {
  float scale;
  int32_t zero; /* zero point; int16: 0 */
  bool wide;    /* int16; otherwise int8 */
} Quant;
/* Origin of a node that a pass created. */
typedef struct Hidden {
  Node *of; /* the node of the forward graph that it represents or differentiates */
  int wrt;  /* with respect to this input or weight; the statistic that it updates */
} Hidden;
typedef struct PortInfo { /* information about an input, target or state */
  int index;              /* index among the inputs, or of graph_port, or among the states */
  Elem elem;              /* element type of the caller's buffer; I32: class indices */
  bool chw;               /* channels first */
  int64_t rate;           /* audio: samples per second; 0: not given */
} PortInfo;
static inline bool port_is_bytes(const PortInfo *port) { return port->elem == U8 || port->elem == I8; }
/* Settings of quantize = int8(...) in a train block. */
typedef struct Aware {
  Span span;
  int64_t start; /* epochs before rounding begins */
  double momentum, percentile;
  Weight *on; /* the switch, one number: rounding is on if it is above 0 */
} Aware;
/* Values that QAT rounds at a node of the source. */
typedef struct Rounds {
  const Aware *aware;
  bool weights;  /* the layer's weights, per filter */
  bool value;    /* its value, like in an int8 model */
  bool observed; /* the unrounded value updates the range */
  bool joins;    /* otherwise the values that the node concatenates do */
  Weight *range; /* [2]: minimum and maximum of the int8 range; NULL: the range is fixed */
  double lo, hi; /* these, always */
} Rounds;
/* precision= of an int8 model. */
typedef enum Precision {
  PRECISION_GIVEN, /* as specified in the weight file */
  PRECISION_F32,
  PRECISION_I8,
  PRECISION_I16
} Precision;
struct Node {
  const struct Op *op;
  int id;           /* position in graph->nodes */
  const char *name; /* of the layer */
  Shape shape;
  Elem elem;          /* element type of its value: F32 except in int8 models */
  const Quant *quant; /* NULL: elements are not scaled */
  int nin;
  Node **in;            /* in[0] is the current value, then the named ones in the order of the arguments */
  const Const *arg;     /* by op->params, defaults filled in; NULL for hidden operators */
  const Window *window; /* of window operators, set by their shape rule */
  int nweights;
  Weight **weight; /* in the operator's own order; a missing bias is NULL */
  bool frozen;
  bool kept; /* a state of a layer with keep=true, its update, an output as i32: not in the source */
  Precision precision;
  Span span;
  const Site *site; /* the call in the source, and the blocks it was expanded through */
  Result result;
  bool backward;        /* in a training graph: of a loss, or of the backward pass */
  Hidden *hidden;       /* NULL in the source's graph, and for a pass's own nodes without an origin */
  PortInfo *port;       /* NULL except for inputs, targets and states */
  Weight *target;       /* RESULT_SUM, RESULT_BATCH */
  int64_t salt;         /* numbers the consumers of random numbers */
  const Rounds *rounds; /* for a source node with QAT; otherwise NULL */
  const void *detail;   /* private data of the operator */
};

/* Storage of a value: `offset` elements after the start of the value of `node`, with pixels `pitch` elements
 * apart. rows: the distance of its rows if they are groups of channels, side by side in each pixel (heads);
 * 0: row by row. */
typedef struct Home {
  const Node *node;
  int64_t offset, pitch, rows;
  Elem elem;
} Home;
Home home_own(const Node *); /* for a value that is not part of another one */
int64_t home_bytes(const Home *, int64_t elements);

/* Form in which an int8 model returns an output. Float nets return floats, except for AS_I32. */
typedef enum PortAs { AS_FLOATS, AS_I8, AS_U8, AS_CLASS, AS_I32 } PortAs;
typedef struct Port {
  const char *name;
  Node *node;
  Span span;
  PortAs as; /* outputs */
} Port;      /* an input (its role is ROLE_INPUT) or output */

typedef struct Setting {
  const struct Form *form;
  const Const *arg;
  Span span;
} Setting; /* adam(rate=0.001): its table and bound arguments */
typedef struct LossUse {
  const struct Op *op;
  const Const *arg;
  int port;  /* the value it applies to: graph_port */
  int nmore; /* losses on several values: the values that its arguments name, in order */
  int *more;
  double weight;
  Span span;
} LossUse;
typedef struct Training { /* the train block, checked; numbers and names as in language.md 6 */
  Span span;
  VEC(LossUse) losses;
  Setting optimizer, schedule;
  int64_t batch, epochs, seed, accumulate, early_stop; /* early_stop 0: off */
  double average, clip_norm, label_smoothing;          /* 0: off */
  int64_t steps, truncate, loss_from; /* of a net with states: calls of a sample; calls after which
                                         gradients are cut, 0: off; the first call that the loss counts */
  bool decay_weights_only, target_is_input;
  int64_t objects; /* losses on detections: maximum objects per image; 0: no such loss */
  bool instances;  /* they also need instance masks */
  VEC(Setting) augment, metrics;
  Aware *aware; /* QAT; NULL: off */
} Training;

/* Ground-truth annotations of the objects of an image, as the caller passes them: NAME_truth. Each part is
 * a target. */
typedef enum TruthPart {
  TRUTH_COUNT,    /* I32 [1] */
  TRUTH_CLASS,    /* I32 [objects] */
  TRUTH_BOX,      /* F32 [objects][4]: x1 y1 x2 y2 in pixels of the image */
  TRUTH_INSTANCE, /* U8 [height][width][1]: 0, or k + 1: pixels of object k */
  TRUTH_PARTS
} TruthPart;

/* In a step graph (passes/stream.c): the part of a value of the whole net that a call computes. */
typedef struct StreamLayer {
  bool flows;                          /* rows of an endless sequence; otherwise the whole value */
  int64_t rows, offset, history, late; /* call k computes rows k*rows + offset ..; rows kept for later
                                          calls; delay in rows of the input */
} StreamLayer;
typedef struct Stream {
  const Graph *whole;       /* the net that is computed in steps */
  const StreamLayer *layer; /* by node id of `whole` */
  const StreamLayer *output;
  int64_t window; /* --slide: rows of the first input in a window; 0: --stream */
  int64_t ready;  /* number of first calls whose outputs are undefined */
} Stream;

struct Graph {
  Arena *arena;
  const char *name;
  Span name_span;
  VEC(Node *) nodes; /* inputs first; then in program order, which is topological */
  VEC(Port) inputs, outputs;
  VEC(Port) values;      /* values that only losses read: not outputs, absent from inference */
  VEC(Weight *) weights; /* in program order, shared ones once */
  int64_t parameters;    /* floats of the weights struct */
  int nlabels;
  const char *const *label;
  Training *training;         /* NULL without a train block */
  const struct Graph *floats; /* int8 model: the float graph that it was quantized from; otherwise NULL */
  bool updatable; /* int8 model: code, layout and schedules do not depend on numbers in the weight file */
  const Stream *stream;     /* for a step graph; otherwise NULL */
  Node *truth[TRUTH_PARTS]; /* training graphs: the target of each part, or NULL; graph_truth creates it */
};

Graph *graph_new(Arena *, const char *name);
Node *graph_node(Graph *, const struct Op *, int nin, Node *const *in); /* appended; shape not yet set */
Node *graph_hidden(
    Graph *, const struct Op *, Node *of, Shape, Result, int nin,
    Node *const *in); /* a node created by a pass: name, span, window, arguments and weights from `of` */
Node *graph_outside(Graph *, const struct Op *, PortInfo); /* an input or target */
Hidden *hidden_of(Arena *, Node *of);
const Node *node_forward(const Node *); /* the forward node of a hidden node; any other node itself */
void graph_layout_weights(Graph *);     /* Assigns ids and offsets. */
/* Number of ports: outputs, then values that only losses read; targets are numbered like them. The parts
 * of the annotations follow. */
int graph_ports(const Graph *);
const Port *graph_port(const Graph *, int index);
/* In bytes: size of the weights struct, size of a weight, offset of a weight. */
int64_t graph_weight_bytes(const Graph *);
int64_t weight_bytes(const Weight *), weight_from(const Weight *);
/* Rows first .. first+n-1 of a parameter whose offset is set, as a separate parameter for kernels; the
 * parameter itself if those are all. */
Weight *parameter_rows(Arena *, Weight *, int64_t first, int64_t n);
bool parameters_overlap(const Weight *, const Weight *);
/* For the weight of a dense layer: the flatten through which it reads an image or a sequence in the order
 * height, width, channels; otherwise NULL. */
const Node *graph_flatten_before(const Weight *);
/* Number of states, in program order; their port->index counts them. */
int graph_states(const Graph *);
Node *graph_state(const Graph *, int index);
Node *graph_update(const Graph *, int index); /* the node whose in[0] is its next value */
/* Element i of a state before the first call: from init=, or in an int8 model as stored. */
double state_initial(const Node *state, int64_t i);
double number_stored(const Quant *, double number); /* NULL: as a float */
/* By node id: number of uses by live nodes, outputs and roots; 0: dead. Roots are the given ones and all
 * nodes that add to a gradient or update a state. */
int *graph_live(Arena *, const Graph *, int nroots, Node *const *root);
/* Copies. A copied node has its own input array: inputs are replaced by map[id] if there is a map. */
Node *graph_copy_node(Arena *, const Node *, Node *const *map);
void graph_append(Graph *, Node *);
/* Appends one of the nodes that compute a layer: without parameters, named after the layer and the suffix. */
Node *graph_part(Graph *, const Node *layer, const struct Op *, const char *suffix, Shape, int nin,
                 Node *const *in);
Graph *graph_copy_head(Arena *, const Graph *); /* all but nodes and ports */
void graph_copy_ports(Graph *, const Graph *from, Node *const *map);
void graph_copy_values(Graph *, const Graph *from, Node *const *map); /* includes the parts of the
                                                                         annotations */
Graph *graph_clone(Arena *, const Graph *, Node **map);               /* all; sets map, by node id */
void graph_verify(const Graph *); /* a broken invariant is a bug: reported, exit 3 */
#endif
