/* quantizer.h: State of the conversion to int8 and int16. values.c visits the nodes, layers.c,
 * recurrent_layers.c and svdf_layers.c convert layers, lookup_tables.c converts functions, and scales.c looks
 * up scales in the file. Private to these files. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_QUANTIZER_H
#define CNNC_QUANTIZER_H
#include "ops/int8/int8.h"
#include "quantize/quantize.h"

typedef struct Quantizer {
  Arena *arena;
  Diags *diags;
  const Graph *from;
  Graph *to;
  QuantFile *file;
  const QuantizeOptions *options;
  /* by node id of `from` */
  Node **map;                 /* the converted node */
  Node **floats;              /* an int8 value converted to float, or NULL */
  int *uses;                  /* number of uses; 0: the node is dead */
  const Node **reader;        /* one of the node's users */
  bool *fused;                /* the node is fused into the node of its input */
  bool *boxes;                /* the value's regions are regions of boxes */
  Weight **kept;              /* by weight id of `from`: the weight's float copy */
  VEC(const char *) problems; /* errors about the file, one line each */
  Table reported;             /* the set of these lines, to avoid duplicates */
} Quantizer;

/* ---- scales.c ---- */
void quant_problem(Quantizer *, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Looks up V.scale and V.zero of value V. False: the file has neither, or one of the arrays is missing or
 * wrong. Problems are recorded, unless the file has neither. */
bool quant_given(Quantizer *, const char *value, Quant *);
const Quant *quant_keep(Quantizer *, Quant); /* a copy of the Quant, for node->quant */
/* The form in which a layer's value is stored. In the file, the scale of this value has the name of the
 * layer, or of a node that is fused after the layer (relu, relu6, folded batchnorm, identity). */
typedef struct StoredForm {
  Quant quant;
  Bound bound;
  bool found;       /* false: no scale was found; if quant_ending has `wanted`, a problem is recorded */
  const Node *last; /* of `from`: the last fused node, or the layer itself */
} StoredForm;
StoredForm quant_ending(Quantizer *, const Node *, bool wanted);
/* The data of an array; NULL, after recording a problem, if it is missing or has another type or shape. */
const void *quant_array(Quantizer *, const char *name, Elem, int rank, const int64_t *dim);

/* ---- values.c ---- */
Node *quant_node(Quantizer *, const Op *, const Node *of, int nin, Node *const *in,
                 const Quant *); /* creates an I8 or I16 node */
/* The int8 or int16 value of a node of `from`; NULL after an error, for example if the value has no scale. */
Node *quant_int8_value(Quantizer *, const Node *);
Node *quant_floats(Quantizer *, const Node *);
void quant_separate(Quantizer *, int first); /* marks nodes from `first` on as separate layers */

/* ---- layers.c ---- */
/* Checks the multiplier that converts scale `in` of a sum to scale `out` of the result. False after
 * [scale-mismatch]: the multiplier is not finite, or the sum is int64 (wide) and its exponent too large. */
bool quant_factor_fits(Quantizer *, const Node *, Multiplier, bool wide, double in, float out);
/* Reports [int8-overflow] of a filter's sum; returns false. terms: number of products; most: the largest
 * |sum|; bits: of the type of the sum. */
bool quant_report_sum(Quantizer *, const Node *, const Weight *, int64_t filter, int64_t terms, double most,
                      int bits);

/* ---- recurrent_layers.c ---- */
/* Whether a recurrent layer or svdf has an int8 or int16 form. */
bool quant_is_recurrent(const Quantizer *, const Node *);
/* The product of a weight matrix with the input of a recurrent layer or svdf, or with the hidden state. */
typedef struct RowsProduct {
  const Weight *weight;
  const int8_t *q;
  const float *scale; /* [1], [gates] or [sums] */
  int64_t scales, sums, terms;
  const int32_t *bias;      /* NULL if the operand is int16 */
  const int64_t *wide_bias; /* the bias if the operand is int16 */
  const Multiplier *factor;
} RowsProduct;
/* Looks up the arrays of a product; does not compute its factors. bias NULL: no bias is looked up; wide: the
 * operand is int16. False, after recording a problem: an array is missing or wrong. */
bool quant_find_product(Quantizer *, const Weight *weight, const Weight *bias, int64_t gates, bool wide,
                        RowsProduct *);

/* ---- layers.c, recurrent_layers.c, svdf_layers.c, lookup_tables.c ---- */
/* The node's value, or NULL after an error. */
Node *quant_product(Quantizer *, const Node *), *quant_combine(Quantizer *, const Node *),
    *quant_matmul(Quantizer *, const Node *), *quant_pool(Quantizer *, const Node *),
    *quant_softmax(Quantizer *, const Node *), *quant_softmax_wide(Quantizer *, const Node *),
    *quant_move(Quantizer *, const Node *), *quant_gather(Quantizer *, const Node *),
    *quant_embedding(Quantizer *, const Node *), *quant_border(Quantizer *, const Node *),
    *quant_recurrent(Quantizer *, const Node *), *quant_svdf(Quantizer *, const Node *),
    *quant_repeat(Quantizer *, const Node *, const int64_t factor[2]),
    *quant_function(Quantizer *, const Node *), *quant_table(Quantizer *, const Node *);
bool quant_has_table(const Quantizer *, const Node *);        /* whether the file has a table for the layer */
bool quant_is_function(const Node *);                         /* whether int8 tables can represent the node */
bool quant_is_wide_function(const Quantizer *, const Node *); /* whether the function has an int16 form */
bool quant_is_softmax(const Quantizer *, const Node *);       /* whether the softmax has an int8 form */
bool quant_is_wide_softmax(const Quantizer *, const Node *);
Node *quant_requantized(Quantizer *, const Node *of, Node *, Quant to); /* the same value with another
                                                                           scale */
#endif
