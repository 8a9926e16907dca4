/* tflite_make.h: State of the conversion of a quantized TensorFlow Lite model to a program, shared by
 * tflite_import.c and the operator families, such as tflite_layers.c. Private to these. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_TFLITE_MAKE_H
#define CNNC_TFLITE_MAKE_H
#include "base/table.h"
#include "import/tflite/tflite.h"
#include "import/common/refusals.h"
#include "base/arithmetic.h"

typedef struct Making {
  Arena *arena;
  TflModel *m;
  TflProgram *program;
  Rounding rounding;
  bool litert; /* arithmetic as in LiteRT: int8 dense layers round like ROUNDING_SINGLE; int16 dense layers
                  use double factors; MUL (int8 and int16) uses float factors; int16 relu, relu6 and
                  leaky_relu use float factors; LSTMs use LiteRT's kernel */
  /* by tensor t: the tensor whose value the program uses for t. This is t itself or, if t is the result of a
   * conversion without a statement (find_same), the operand */
  int *same;
  int *stored;                  /* by tensor t with same[t] == t: the tensor whose scale t has */
  int *reads;                   /* by tensor: number of users; being an output counts as one */
  const char **value;           /* by tensor: the tensor's name in the program; NULL: none */
  const char **layer;           /* by tensor: the name of the layer with the tensor's scale; NULL: none */
  bool *there;                  /* by tensor: whether it is an input or the result of an earlier operator */
  int current;                  /* the tensor of the last statement; -1: none */
  Table count;                  /* by operator name: number of layers, an int */
  Text inputs, constants, text; /* parts of the program, in this order */
  Text list;                    /* the lines of --list */
  Table said;                   /* by name of a layer or a value: its metadata, a Text */
  VEC(const char *) layers;     /* the keys of `said` */
  VEC(Refusal) problems;
  bool *unknown; /* by tensor: whether the tensor's value depends on an unsupported operator */
  size_t *room;  /* bytes of constants that may still be created; a second import continues the count */
} Making;

/* Emits the statement of an operator; false after tfl_no(). Except for tfl_none and tfl_state, the caller has
 * checked that the operator has a first input, which may be a constant. */
typedef bool TflMake(Making *, const TflOperator *);
#define OP(name, code, make, nodes, onnx) TflMake make;
#include "import/tflite/tflite_ops.def"
#undef OP

TflMake tfl_state, tfl_update;

/* ---- tflite_index.c ---- */
/* Replaces each output that is the result of an ARG_MAX with the operand of the ARG_MAX. Returns comments for
 * the program; "": no output was replaced. */
const char *tfl_leave_out_argmax(Arena *, TflModel *);

/* ---- tflite_import.c ---- */
bool tfl_no(Making *, const TflOperator *, const char *format, ...) __attribute__((format(printf, 3, 4)));
const TflTensor *tfl_in(const Making *, const TflOperator *, int k); /* NULL: it is omitted */
int tfl_first(const Making *, const TflOperator *); /* index of the input that the program text has before the
                                                       call */
const TflTensor *tfl_out(const Making *, const TflOperator *);
/* Checks that an operand has the type of the result, and is an input of the net or the result of an earlier
 * statement. False after tfl_no(). */
bool tfl_value(Making *, const TflOperator *, int tensor);
/* Reads constant integers: all numbers of input k. Returns their number; -1: the input is not a constant of
 * INT32 or INT64, has more than TFLITE_RANK * 2 numbers, or a number is too large. */
int tfl_integers(const Making *, const TflOperator *, int k, int64_t *to);
/* Subtracts the bytes of an operator's new constants from *room. False after tfl_no(): too little is left. */
bool tfl_may_create(Making *, const TflOperator *, int64_t bytes);
/* like tfl_value, but allows int8, int16 and float for any result */
bool tfl_any_value(Making *, const TflOperator *, int tensor);
bool tfl_is_quantized(const TflTensor *);               /* whether the tensor is int8 or int16 */
bool tfl_is_index(const TflTensor *);                   /* whether the tensor has integers without a scale */
bool tfl_is_bytes(const Making *, const TflOperator *); /* whether the operator's result is int8 or int16 */
bool tfl_is_wide(const Making *, const TflOperator *);  /* whether the operator's result is int16 */
bool tfl_shape(const TflTensor *, Shape *);             /* false: the language has no such shape */
bool tfl_same_scale(Making *, const TflOperator *, const TflTensor *, const TflTensor *);

const char *tfl_layer(Making *, const char *word); /* a new name: "conv1" */
/* These functions write a statement. tfl_begin writes the result and the operand. tfl_call writes a call with
 * the layer's name and precision. tfl_end writes the activation and the end of the line. For tfl_end,
 * `layer` is the layer whose scale is the scale of the result, or NULL. */
void tfl_begin(Making *, const TflOperator *, int from);
void tfl_begin_named(Making *, const char *name, int from); /* name: the result's name, or NULL */
void tfl_call(Making *, const TflOperator *, const char *layer, const char *call, ...)
    __attribute__((format(printf, 4, 5)));
void tfl_end(Making *, const TflOperator *, const char *layer);
/* Like tfl_end, after a call that returns the given shape. Adds a reshape if the operator's result has
 * another shape. */
void tfl_end_as(Making *, const TflOperator *, const char *layer, Shape);

void tfl_array(Making *, const char *name, Elem, int rank, const int64_t *dim, const void *data);
void tfl_element(const TflTensor *, int64_t i, void *to); /* stores element i in this machine's format */
double tfl_number(const TflTensor *, int64_t i); /* the real value of element i: int8, int16 or float */
void tfl_scale(Making *, const char *value,
               const TflTensor *); /* sets the scale of a value; no effect for floats */
/* Adds an entry to the metadata of a layer or value. The weight file contains the metadata. */
void tfl_say(Making *, const char *layer, const char *key, const char *value);
/* Adds a constant to the program, quantized with the scale of `scaled`, or in floats if `scaled` is NULL.
 * Returns its name. */
const char *tfl_constant(Making *, Shape, const float *data, const TflTensor *scaled);
/* Adds the constant operand of a binary operator, and returns its name; NULL after tfl_no(). The constant
 * gets the result's shape or, if it has the same numbers at all positions, one number per channel. first: it
 * is the first operand of the call, which must have the result's shape. */
const char *tfl_constant_beside(Making *, const TflOperator *, const TflTensor *, bool first);
/* Adds the int8 table of a unary function, [channels][256], to the weight file. */
void tfl_table(Making *, const char *layer, int64_t channels, const int8_t *table);
#endif
