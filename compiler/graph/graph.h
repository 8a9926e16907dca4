/* graph.h: Graph of a net: one node per call of an operator, one value per node. When a node is created, the
 * operator's own rule checks the shapes of the operands. The same structures represent the source program,
 * its simplification for inference, and the training graph with its backward pass. */
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
  int rank; /* 3: height, width, channels; 2: length, channels; 1: a vector; 0: unknown, after an error */
  int64_t dim[3];
  int64_t regions; /* size of the leading axis; 0: no leading axis */
  bool parts;      /* the leading axis separates parts of one value (heads, windows), not regions of boxes */
} Shape;
#define POISON ((Shape){0})
Shape shape_image(int64_t h, int64_t w, int64_t c);
Shape shape_sequence(int64_t length, int64_t c);
Shape shape_vector(int64_t n);
int64_t shape_elements(Shape);     /* elements per image, including the leading axis */
int64_t shape_rows(Shape);         /* size of the leading axis, or 1 */
int64_t shape_row_elements(Shape); /* height * width * channels */
/* Sizes of a table: a sequence R x C, or R regions of a vector of C elements. False for other shapes. */
bool shape_table(Shape, int64_t *rows, int64_t *columns);
bool shape_equal(Shape, Shape);
Shape shape_with_rows(Shape row, Shape like); /* `row` with the leading axis of `like` */
Shape shape_row(Shape);                       /* without the leading axis */
const char *shape_text(Arena *, Shape);       /* 28x28x1, 49x40, 784, "100 of 7x7x512" */
/* Memory layout of a value, [n][h][w][c]. A sequence has h = 1, a vector h = w = 1. The leading axis n counts
 * regions (or is 1), or the images of a batched kernel. Most nests compute one row of the leading axis, and
 * the nest builder adds the loop over the rows (nest_lead). Other nests compute all rows: those of operators
 * with the trait loops_over_rows or mixes_rows, and most nests of dense layers. */
typedef struct Extent {
  int64_t n, h, w, c;
} Extent;
static inline int64_t extent_side(Extent e, int axis) { return axis ? e.w : e.h; } /* axis 0: height */
Extent shape_extent(Shape);
Extent shape_joined(Shape); /* all rows as one image of height n*h, for sums over all pixels */

/* ---- windows (the formula is in shape.c) ---- */
typedef struct Window { /* axis 0: height (kernel 1 for a sequence); axis 1: width or length */
  int64_t kernel[2], stride[2], dilation[2], before[2], after[2]; /* before, after: padding */
  bool ceil;                  /* pooling: the output includes a last, incomplete window */
  bool count_pad;             /* average pooling: padding is part of the mean */
  int64_t groups, multiplier; /* groups of a convolution; multiplier: output channels per input
                                 channel of a depthwise convolution */
} Window;

/* ---- values of arguments ---- */
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
  double f;      /* FLOAT, INT */
  const char *s; /* STRING: its text; WORD: a choice; CALL: the name of the callee, as in init=normal(0.02) */
  int n;
  const struct Const *items;   /* DIMS, LIST: the items; RANGE: lo and hi, which may be infinity; CALL: the
                                  arguments, in the order of the callee's parameter table, if there is one */
  Node *node;                  /* VALUE */
  const struct Origin *origin; /* VALUE: where the value's name was defined (sema/) */
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
  /* NORMAL: mean a, standard deviation b; UNIFORM: -a .. a; CONSTANT: a; ORTHOGONAL: orthogonal blocks of `a`
   * rows */
  double a, b;
  const float *values; /* LITERAL: one float per element of the weight */
} Init;
typedef struct Weight {
  const char *name, *member; /* "stage1.conv1.weight", "weight" */
  int id, rank;
  int64_t dim[4], size, offset; /* offset: in floats, in the weights struct; set by graph_layout_weights */
  bool statistic;               /* not trained by gradients: a running mean or variance, or a number of QAT */
  bool frozen;
  bool training_only; /* a statistic that only training needs, so weight files may omit it */
  bool decay;         /* subject to weight decay with `decay = weights` */
  Init init;
  Node *owner;                /* the first layer that uses the weight */
  const struct Weight *whole; /* if this weight is some rows of a parameter (parameter_rows): that parameter;
                                 otherwise NULL */
} Weight;

/* ---- nodes ---- */
/* Limits per node, which graph_verify enforces. */
enum {
  MOST_INPUTS = 16,
  MOST_JOINED = 1000,     /* inputs of a concat */
  MOST_CALL_NODES = 4096, /* inputs of a node that concatenates rows or the values of calls; also the total
                             number of nodes in all calls of a sample */
  MOST_WEIGHTS = 12
};
typedef enum Result {
  RESULT_SAMPLE, /* one value per image */
  RESULT_SUM,    /* training: each image adds to the gradient of `target` */
  RESULT_BATCH,  /* one value per batch; with a `target` (a statistic), the new value of `target` */
} Result;
/* Quantization of an integer value: the integer q represents (q - zero) * scale. */
typedef struct Quant {
  float scale;
  int32_t zero; /* zero point; int16: 0 */
  bool wide;    /* int16; otherwise int8, or uint8 for inputs */
} Quant;
/* Origin of a node that a pass created. */
typedef struct Hidden {
  Node *of; /* the node of the forward graph that this node represents or differentiates */
  /* index in `of`: the input or weight whose gradient the node computes, or the statistic that the node
   * updates */
  int wrt;
} Hidden;
typedef struct PortInfo { /* information about an input, target or state */
  int index;              /* index among the inputs or states; of a target: the graph_port index */
  Elem elem;              /* element type of the caller's buffer */
  bool chw;               /* channels first */
  int64_t rate;           /* audio: samples per second; 0: not given */
} PortInfo;
static inline bool port_is_bytes(const PortInfo *port) { return port->elem == U8 || port->elem == I8; }
/* Quantization-aware training: the settings of quantize = int8(...) in a train block. */
typedef struct QatSettings {
  Span span;
  int64_t start; /* epochs before rounding begins */
  double momentum, percentile;
  Weight *on; /* the switch, one float: values are rounded if the switch is positive */
} QatSettings;
/* Fake quantization of a node by QAT: the values that are rounded, and their range. */
typedef struct QatRounding {
  const QatSettings *aware;
  bool weights;  /* the layer's weights, per filter */
  bool value;    /* the node's value */
  bool observed; /* the unrounded value updates the range */
  bool joins;    /* the values of the operands update the range */
  Weight *range; /* [2]: minimum and maximum; NULL: the fixed range lo .. hi */
  double lo, hi;
} QatRounding;
/* The argument precision=: element type in an int8 model, or bf16 for products in a float model. The option
 * --precision also sets F16W: the weights of products are stored as f16. */
typedef enum Precision {
  PRECISION_GIVEN, /* the precision in the weight file; if there is none, float */
  PRECISION_F32,
  PRECISION_BF16,
  PRECISION_F16W,
  PRECISION_I8,
  PRECISION_I16
} Precision;
struct Node {
  const struct Op *op;
  int id;           /* position in graph->nodes */
  const char *name; /* name of the layer or port; "": no name */
  Shape shape;
  Elem elem;          /* element type of the node's value: F32, except in int8 models and for outputs `as
                         i32` */
  const Quant *quant; /* NULL: not quantized */
  int nin;
  Node **in; /* for a call in the source: in[0] is the current value; values of arguments follow, in order */
  const Const *arg;     /* in the order of op->params, with defaults; nodes that a pass created: the arguments
                           of their origin, or NULL */
  const Window *window; /* window operators: set by their shape rule */
  int nweights;
  Weight **weight; /* weights in the operator's own order; a missing bias is NULL */
  bool frozen;
  /* a node without a call in the source: the state of a layer with keep=true, the update of such a state, or
   * a conversion to i32 */
  bool kept;
  Precision precision;
  bool rounded; /* the node's value is rounded to bf16 and stored as bf16: graph/bf16.c */
  Span span;
  const Site *site; /* the call in the source, and the blocks through which the call was expanded */
  Result result;
  bool backward;             /* the node belongs to a loss or to the backward pass */
  Hidden *hidden;            /* the origin of a node that a pass created; NULL: no origin */
  PortInfo *port;            /* inputs, targets and states; otherwise NULL */
  Weight *target;            /* for RESULT_SUM and RESULT_BATCH */
  int64_t salt;              /* distinguishes the random numbers of nodes */
  const QatRounding *rounds; /* source nodes with QAT; otherwise NULL */
  const void *detail;        /* private data of the operator */
};

/* Storage of a value: it begins `offset` elements after the start of the value of `node`, and its pixels are
 * `pitch` elements apart. rows: the distance, in elements, between rows of the leading axis, if each row is a
 * group of channels of every pixel (heads); 0: the rows are consecutive. */
typedef struct Home {
  const Node *node;
  int64_t offset, pitch, rows;
  Elem elem;
} Home;
Home home_own(const Node *); /* the storage of a value in its own memory */
int64_t home_bytes(const Home *, int64_t elements);

/* Form in which an int8 model returns an output. Float nets return floats or AS_I32. */
typedef enum PortAs { AS_FLOATS, AS_I8, AS_U8, AS_CLASS, AS_I32 } PortAs;
typedef struct Port {
  const char *name;
  Node *node;
  Span span;
  PortAs as;
} Port; /* an input or output */

typedef struct Setting {
  const struct Form *form;
  const Const *arg;
  Span span;
} Setting; /* a form with its arguments: adam(rate=0.001) */
typedef struct LossUse {
  const struct Op *op;
  const Const *arg;
  int port;  /* graph_port index of the value to which the loss applies */
  int nmore; /* losses on several values: number of the other values */
  int *more; /* graph_port indices of these other values, in the order of the arguments */
  double weight;
  Span span;
} LossUse;
typedef struct Training { /* a train block; keys as in docs/language.md, section Training */
  Span span;
  VEC(LossUse) losses;
  Setting optimizer, schedule;
  int64_t batch, epochs, seed, accumulate, early_stop; /* early_stop 0: off */
  double average, clip_norm, label_smoothing;          /* 0: off */
  int64_t steps, truncate, loss_from; /* nets with states: calls per sample; calls between truncations of the
                                         gradient, 0: off; first call that the loss counts */
  bool decay_weights_only, target_is_input;
  int64_t objects; /* losses on detections: maximum objects per image; 0: no loss on detections */
  bool instances;  /* losses on detections also need instance masks */
  VEC(Setting) augment, metrics;
  QatSettings *aware; /* QAT; NULL: off */
} Training;

/* Arrays of NAME_truth, the ground-truth annotations of an image. Each array is a target. */
typedef enum TruthPart {
  TRUTH_COUNT,    /* I32 [1] */
  TRUTH_CLASS,    /* I32 [objects] */
  TRUTH_BOX,      /* F32 [objects][4]: x1 y1 x2 y2 in pixels of the image */
  TRUTH_INSTANCE, /* U8 [height][width][1]: k + 1 for a pixel of object k, otherwise 0 */
  TRUTH_PARTS
} TruthPart;

/* For a step graph (passes/stream.c): the part of a value that call k computes. */
typedef struct StreamLayer {
  bool flows;           /* each call computes rows of an endless sequence; otherwise the whole value */
  int64_t rows, offset; /* the call computes rows k*rows + offset .. (k + 1)*rows + offset - 1 */
  int64_t history;      /* rows kept for later calls */
  bool gathers;         /* the history is a ring buffer from which few rows are gathered */
  int64_t late;         /* delay, in rows of the net's input */
} StreamLayer;
typedef struct Stream {
  const Graph *whole;       /* the net that is computed in steps */
  const StreamLayer *layer; /* by node id of `whole` */
  const StreamLayer *output;
  int64_t window; /* --slide: number of rows of the first input in a window; --stream: 0 */
  int64_t ready;  /* number of initial calls whose outputs are undefined */
} Stream;

struct Graph {
  Arena *arena;
  const char *name;
  Span name_span;
  VEC(Node *) nodes; /* in topological order; in the source's graph, this is program order */
  VEC(Port) inputs, outputs;
  VEC(Port) values;      /* values that only losses read: absent from inference */
  VEC(Weight *) weights; /* weights in program order; a shared weight occurs once */
  int64_t parameters;    /* number of floats in the weights struct */
  int nlabels;
  const char *const *label;
  Training *training;         /* NULL without a train block */
  const struct Graph *floats; /* int8 model: the float graph before quantization; otherwise NULL */
  bool updatable;             /* int8 model: code and layout do not depend on the weights */
  const Stream *stream;       /* step graph; otherwise NULL */
  Node *
      truth[TRUTH_PARTS]; /* training graph: the targets of annotations, which graph_truth creates, or NULL */
};

Graph *graph_new(Arena *, const char *name);
Node *graph_node(Graph *, const struct Op *, int nin, Node *const *in); /* appends a node without a shape */
/* Appends a node that a pass creates, with the name, span, window, arguments and weights of `of`. NULL: the
 * node has none of these, and no origin. */
Node *graph_hidden(Graph *, const struct Op *, Node *of, Shape, Result, int nin, Node *const *in);
Node *graph_port_node(Graph *, const struct Op *, PortInfo); /* appends an input or target */
Hidden *hidden_of(Arena *, Node *of);
const Node *node_forward(const Node *); /* the forward node of a hidden node; otherwise the node itself */
void graph_layout_weights(Graph *);     /* sets the ids and offsets of weights, and `parameters` */
/* Number of ports: outputs, then values that only losses read. The target of a port has the same index as the
 * port; annotation targets have the indices after all ports. */
int graph_ports(const Graph *);
const Port *graph_port(const Graph *, int index);
/* In bytes: size of the weights struct; size and offset of a weight. */
int64_t graph_weight_bytes(const Graph *);
int64_t weight_bytes(const Weight *), weight_from(const Weight *);
/* Rows first .. first + n - 1 of a parameter whose offset is set, as a separate parameter for kernels.
 * Returns the whole parameter if it has only n rows. */
Weight *parameter_rows(Arena *, Weight *, int64_t first, int64_t n);
bool parameters_overlap(const Weight *, const Weight *);
/* The flatten or reshape before the dense layer that owns the weight, if it flattens several pixels with
 * several channels each; otherwise NULL. */
const Node *graph_flatten_before(const Weight *);
int64_t graph_classes(const Node *); /* classes of an output: those of its operator, or its channels */
int graph_states(const Graph *);     /* number of states */
/* the state with this port->index, which counts states in program order */
Node *graph_state(const Graph *, int index);
Node *graph_update(const Graph *, int index); /* the node whose in[0] is the state's next value */
bool state_same_initial(const Node *state);   /* whether all elements have one initial value */
double state_initial(const Node *state,
                     int64_t i); /* element i of a state before the first call, as stored */
/* the number after quantization; quant NULL: after rounding to float */
double number_stored(const Quant *, double number);
/* By node id, the number of uses by live nodes, outputs and roots; 0: dead. Nodes that add to a gradient, or
 * update a statistic or a state, are roots, too. */
int *graph_live(Arena *, const Graph *, int nroots, Node *const *root);
/* A copy of a node; map (may be NULL): the new inputs by the ids of the old inputs. */
Node *graph_copy_node(Arena *, const Node *, Node *const *map);
void graph_append(Graph *, Node *);
/* Appends one of the nodes that compute a layer. The node has no parameters; its name is LAYER.suffix, or
 * LAYER if the suffix is empty. */
Node *graph_part(Graph *, const Node *layer, const struct Op *, const char *suffix, Shape, int nin,
                 Node *const *in);
Graph *graph_copy_head(Arena *, const Graph *); /* a copy without nodes and ports */
void graph_copy_ports(Graph *, const Graph *from, Node *const *map);
void graph_copy_values(Graph *, const Graph *from, Node *const *map); /* copies Graph.values and
                                                                         Graph.truth */
/* map receives the copies, by node id */
Graph *graph_clone(Arena *, const Graph *, Node **map);
void graph_verify(const Graph *); /* checks invariants; a violation is a compiler bug: exits with status 3 */
#endif
