/* quantizer.h: State of the conversion to int8 and int16. values.c walks the nodes; layers.c creates layers,
 * lookup_tables.c functions; scales.c looks up scales in the file. Private to these files. */
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
  const QuantizeOptions *asked;
  /* by node id of `from` */
  Node **map;                 /* the corresponding node */
  Node **floats;              /* its value as float if it is int8; or NULL */
  int *uses;                  /* 0: dead */
  const Node **reader;        /* one of its users */
  bool *fused;                /* its value equals its input's, and is computed with it */
  Weight **kept;              /* by weight id of `from`: its float copy */
  VEC(const char *) problems; /* problems in the file: one line each, */
  Table told;                 /* without duplicates */
} Quantizer;

/* ---- scales.c ---- */
void quant_problem(Quantizer *, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* V.scale and V.zero, if present. False: missing, or invalid, which is recorded. */
bool quant_given(Quantizer *, const char *value, Quant *);
const Quant *quant_keep(Quantizer *, Quant); /* for node->quant */
/* The stored form of a layer's value: its scale, by the layer's name or else by the name of a node fused
 * after it: relu, relu6, a folded batchnorm, an identity. */
typedef struct Ending {
  Quant quant;
  Bound bound;
  bool found;       /* false: no scale was found, which is recorded if `wanted` */
  const Node *last; /* of `from` */
} Ending;
Ending quant_ending(Quantizer *, const Node *, bool wanted);
/* The array of a layer, with that type and shape; NULL: missing or different, which is recorded. */
const void *quant_array(Quantizer *, const char *name, Elem, int rank, const int64_t *dim);

/* ---- values.c ---- */
Node *quant_node(Quantizer *, const Op *, const Node *of, int nin, Node *const *in,
                 const Quant *); /* I8 or I16 */
/* The value of a node of `from` in int8; NULL: it has no scale. */
Node *quant_bytes(Quantizer *, const Node *);
Node *quant_floats(Quantizer *, const Node *);
void quant_separate(Quantizer *, int first); /* nodes from `first` on are layers, not parts of others */

/* ---- layers.c ---- */
/* False after [scale-mismatch]: `in` is the scale of the sum, `out` that of the result. */
bool quant_factor_fits(Quantizer *, const Node *, Multiplier, int32_t most, double in, float out);
/* Reports [int8-overflow] of a filter's sum; returns false. */
bool quant_refuse_sum(Quantizer *, const Node *, const Weight *, int64_t filter, int64_t terms, double most,
                      int bits);

/* ---- recurrent_layers.c ---- */
bool quant_is_recurrent(const Quantizer *, const Node *); /* a recurrent layer with an int8 form? */
/* Sums of products of a row: of x or of h. */
typedef struct RowsProduct {
  const Weight *weight;
  const int8_t *q;
  const float *scale; /* [1], [gates] or [sums] */
  int64_t scales, sums, terms;
  const int32_t *bias;
  const Multiplier *factor;
} RowsProduct;
/* All but the factors. False: an array is missing or wrong, which was reported. bias NULL: zeros. */
bool quant_find_product(Quantizer *, const Weight *weight, const Weight *bias, int64_t gates, RowsProduct *);

/* ---- layers.c, recurrent_layers.c, svdf_layers.c, lookup_tables.c ---- */
/* The node's value, or NULL after a problem. */
Node *quant_product(Quantizer *, const Node *), *quant_combine(Quantizer *, const Node *),
    *quant_matmul(Quantizer *, const Node *), *quant_pool(Quantizer *, const Node *),
    *quant_softmax(Quantizer *, const Node *), *quant_softmax_wide(Quantizer *, const Node *),
    *quant_move(Quantizer *, const Node *), *quant_gather(Quantizer *, const Node *),
    *quant_embedding(Quantizer *, const Node *), *quant_border(Quantizer *, const Node *),
    *quant_recurrent(Quantizer *, const Node *), *quant_svdf(Quantizer *, const Node *),
    *quant_repeat(Quantizer *, const Node *, const int64_t factor[2]),
    *quant_function(Quantizer *, const Node *), *quant_table(Quantizer *, const Node *);
bool quant_has_table(const Quantizer *, const Node *); /* the file has its table, by the layer's name */
bool quant_is_function(const Node *);                  /* of one number */
bool quant_is_wide_function(const Quantizer *, const Node *); /* a function with an int16 form */
bool quant_is_softmax(const Quantizer *, const Node *);       /* a softmax with an int8 form */
bool quant_is_wide_softmax(const Quantizer *, const Node *);
Node *quant_requantized(Quantizer *, const Node *of, Node *, Quant to); /* the same value with another
                                                                           scale */
#endif
