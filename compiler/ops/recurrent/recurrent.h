/* recurrent.h: Common code of lstm, gru and rnn, and the interface of svdf. Two nodes per direction compute
 * an lstm, gru or rnn: a 1x1 convolution computes the input's part of the gates of all rows, then the core
 * runs row by row. In training the core's value is a record of each row, which includes the layer's value.
 * The core's backward pass traverses the rows in reverse, and computes the slopes of each row:
 *
 *     record  lstm: i f g o c [m] h  gru: r z n q h  rnn: h
 *     slopes  lstm: i f g o [h]  gru: r z n [r z q]  rnn: the sum
 *
 * In training a sequence of many rows is computed in segments, each with its own gates and record.
 *
 * [m], only with a projection, is o*tanh(c), from which the projection computes h. q of a gru is the product
 * of h with the candidate's weights (reset=after), or r*h (reset=before). Slopes are the gradients of the
 * sums to which sigmoid, tanh or relu is applied. [h], only with a projection, is the gradient of h. [r z q],
 * only with reset=after, are the gradients of the products of h with the weights. If a layer has initial
 * values, an additional last row of the slopes has the gradients of the initial values: of h, then of c. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_RECURRENT_H
#define CNNC_RECURRENT_H
#include "kernel/walk.h"
#include "ops/rounding/rounding.h"
#include "ops/shape/region.h"
#include "ops/shape/stream_mask.h"

typedef enum Cell { CELL_LSTM, CELL_GRU, CELL_RNN } Cell;

/* Parameters of one direction of a layer, in node->weight; the first three are the parameters of the
 * gates. */
enum { INPUT_WEIGHT, INPUT_BIAS, HIDDEN_BIAS, HIDDEN_WEIGHT, PROJECTION, DIRECTION_WEIGHTS };
/* Parameters of a core. */
enum { CORE_WEIGHT, CORE_BIAS, CORE_PROJECTION, CORE_WEIGHTS, CORE_RANGE = PART_SWITCH + 1 };

/* One direction of a layer: the `detail` of the layer's nodes. */
typedef struct Recurrent {
  Cell cell;
  int64_t rows, channels, units, outputs, gates; /* outputs: length of h; gates: number of gates */
  bool project, reverse, last, before, relu;     /* before: reset=before */
  bool bf16;    /* all operands of the forward products are rounded to bf16 */
  bool records; /* training: the core's value has a record of each row */
  /* the next call starts from the final state (keep=true, or a stream). If so, the core of an lstm returns h
   * and c of each row in inference */
  bool keeps;
  double clip;              /* 0: none */
  const QatRounding *reads; /* QAT: rounding of h where it is multiplied by weights; or NULL. The state of a
                               gru is not rounded, because it is int16 in an int8 model */
  int hidden, state;        /* indices of initial h and initial c among the inputs of the core, and of
                               the layer; 0: initially zeros */
  int calls; /* index of the layer's input that is the number of earlier calls; 0: no such input, because no
                row has a negative index */
  StreamRow first; /* index of the first row, computed from the number of calls */
} Recurrent;

/* `detail` of a layer whose stream counts calls, and of an svdf that keeps rows; or NULL. */
typedef struct KeptLayer {
  bool masked; /* whether rows may have negative indices; these rows do not change the states. If so, the
                  layer's last input is the number of earlier calls */
  StreamRow first;
} KeptLayer;

/* Channels of a record. state, middle, hidden: the first channel of c (or q), of m and of h; width: number of
 * channels. */
typedef struct Record {
  int64_t state, middle, hidden, width;
} Record;
typedef struct Slopes {
  int64_t other, width, rows; /* other: where [h] or [r z q] begins, after the slopes of the sums */
} Slopes;

/* Rows first .. first+n-1 of the gradient of a core's weight: element (first + i, j) is the sum of
 * slopes[slope + i] * record[from + j] over the rows of the sequence, with j < columns. moved: the record is
 * that of the previous row. */
typedef struct Outer {
  int64_t slope, first, n, from, columns;
  bool moved;
} Outer;
enum { MOST_OUTERS = 2 };
int recurrent_outers(const Recurrent *, int weight, Outer outer[MOST_OUTERS]);

Recurrent recurrent_direction(const Node *layer, int direction);
int recurrent_directions(const Node *layer);
const Recurrent *recurrent_of(const Node *); /* the node is a core, or a node of its backward pass */
Record recurrent_record(const Recurrent *);
Record recurrent_value(const Recurrent *); /* the channels of h and c, or of a record, in the core's value */
Slopes recurrent_slopes(const Recurrent *);
int64_t recurrent_row(const Recurrent *, int64_t step); /* the row that a step computes */
int64_t recurrent_summed_bias(const Recurrent *);       /* n: sums 0 .. n-1 have two biases */

extern const Op op_concat, op_lstm, op_gru, op_state, op_update;
bool recurrent_input_fits(ShapeContext *, const Node *); /* checks that the input is a sequence or a vector */
void recurrent_shape(ShapeContext *, Node *);
Cost recurrent_cost(const Node *);
Node *recurrent_parts(Graph *, Node *, bool training);
/* Appends a forward layer that starts from the final state of the previous call: the layer's states, the
 * layer, and the updates of the states (recurrent_keep.c). calls: the number of earlier calls; NULL: no row
 * has a negative index, and the layer has no initial values. rows, offset: as in StreamRow. */
Node *recurrent_keep(Graph *, Node *layer, Node *calls, int64_t rows, int64_t offset);
/* A state that a layer keeps between calls, and the state's update by a hidden operator. The operator's
 * inputs are the layer, the state and the layer's inputs. */
Node *recurrent_state(Graph *, const Node *layer, const char *part, Shape);
Node *recurrent_update(Graph *, Node *layer, const Op *, Node *state);
Node *recurrent_final(Graph *, Node *layer, Node *value, bool cell); /* h or c of the row computed last */
/* Nodes that compute a float or int8 layer. recurrent_rows: the layer's input as a sequence; recurrent_gates:
 * the gates of all rows for one direction, a 1x1 convolution; recurrent_start: a direction's part of an
 * initial value; recurrent_join: the joined directions; recurrent_stacked: the rows of `above`, then the rows
 * of `below`; recurrent_cut: a part of a value. */
Node *recurrent_rows(Graph *, const Node *layer, const Recurrent *, Node *in);
Node *recurrent_gates(Graph *, const Node *layer, const Op *, const Recurrent *, int way, Node *rows);
Node *recurrent_start(Graph *, const Node *layer, Node *given, int way, int64_t n, const char *suffix);
Node *recurrent_join(Graph *, const Node *layer, Node *const part[2]);
Node *recurrent_stacked(Graph *, const Node *layer, Node *above, Node *below);
Node *recurrent_cut(Graph *, const Node *layer, Node *from, Shape, Box);

/* ---- svdf.c ---- */
/* Parameters of svdf, in node->weight. */
enum { FEATURE_WEIGHT, TIME_WEIGHT, SVDF_BIAS, SVDF_WEIGHTS };
typedef struct Svdf {
  int64_t rows, channels, units, rank, memory, features; /* features: units*rank */
  int state, calls; /* indices of inputs (0: none): the features of earlier rows, and the number of calls */
  StreamRow first;  /* index of the first row, computed from the number of calls */
} Svdf;
Svdf svdf_of(const Node *);
/* The features of `memory` - 1 earlier rows, then of this call's rows: [memory - 1 + rows][features]. */
double *svdf_features(Arena *, const Svdf *, const double *const *in, const double *weight);

/* The rounding of h in the nest of a node whose Recurrent has `reads` (recurrent_slopes.c). */
RoundingSteps recurrent_steps(Lower *);

/* recurrent_eval.c: in double */
void recurrent_eval(const Eval *); /* the layer */
/* The record of a direction of a layer with these inputs and weights. */
double *recurrent_layer_record(Arena *, const Recurrent *, int way, const double *const *in,
                               const double *const *weights);
void recurrent_eval_final(const Eval *);  /* a state update (recurrent_keep.c): h or c of the last row */
void recurrent_eval_gates(const Eval *);  /* hidden nodes, from here on: the gates */
void recurrent_eval_core(const Eval *);   /* inputs: gates, and initial values */
void recurrent_eval_record(const Eval *); /* has the same inputs as the core */
/* inputs: dy, the record, initial values, gradient of the final c */
void recurrent_eval_slopes(const Eval *);
int recurrent_final_cell(const Node *slopes); /* index of the input that is the final c's gradient; 0: none */
void recurrent_eval_weights(const Eval *);    /* inputs: slopes, the record, and initial h if there is one */

/* recurrent_core.c, recurrent_slopes.c: the nests of these nodes */
void recurrent_lower_core(Lower *);
void recurrent_lower_slopes(Lower *);
void recurrent_lower_weights(Lower *);

#define RECURRENT_DIRECTION                                                                                  \
  {"direction",                                                                                              \
   PARAM_CHOICE,                                                                                             \
   "forward",                                                                                                \
   "order in which the rows are computed; both: the result has the channels of the forward pass, then the "  \
   "channels of the reverse pass",                                                                           \
   0,                                                                                                        \
   0,                                                                                                        \
   "forward reverse both"},                                                                                  \
      {"last", PARAM_BOOL, "false", "return only the row that is computed last, as a vector", 0, 0, NULL},   \
      {"keep", PARAM_BOOL, "false", "start from the final state of the previous call", 0, 0, NULL}, {        \
    "hidden", PARAM_VALUE, "", "initial value of h: a vector; default: zeros", 0, 0, NULL                    \
  }
#define RECURRENT_BIAS {"bias", PARAM_BOOL, "true", "add trained biases to the sums", 0, 0, NULL}
#define RECURRENT_INIT                                                                                       \
  {"init", PARAM_CHOICE, "rnn", "initial weights: rnn as in PyTorch, keras as in Keras", 0, 0, "rnn keras"}
#endif
