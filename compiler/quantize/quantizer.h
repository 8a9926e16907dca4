/* quantizer.h: a graph on its way to 8 and 16 bits. values.c walks over its nodes; layers.c makes those of
 * layers, lookup_tables.c those of functions; scales.c finds scales in the file. Private to these. */
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
  Node **map;                 /* what has its value */
  Node **floats;              /* the same in floats, where it is in 8 bits; or NULL */
  int *uses;                  /* 0: dead */
  const Node **reader;        /* one that reads it */
  bool *fused;                /* its value is that of its input, in which it is done */
  Weight **kept;              /* by weight id of `from`: its copy, of floats */
  VEC(const char *) problems; /* with the file: a line each, */
  Table told;                 /* and none twice */
} Quantizer;

/* ---- scales.c ---- */
void quant_problem(Quantizer *, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* V.scale and V.zero, if they are there. False: not, or they are no scale, which is noted. */
bool quant_given(Quantizer *, const char *value, Quant *);
const Quant *quant_keep(Quantizer *, Quant); /* for node->quant */
/* What a layer's value is stored as: its scale, by the layer's name or, where that has none, by the name of
 * what is fused behind it: relu, relu6, batchnorm that was folded, what is the identity. */
typedef struct Ending {
  Quant quant;
  Bound bound;
  bool found;       /* false: no scale was, which is noted, if `wanted` */
  const Node *last; /* of `from` */
} Ending;
Ending quant_ending(Quantizer *, const Node *, bool wanted);
/* The array of a layer, of that type and shape; NULL: it is not there, or another one, which is noted. */
const void *quant_array(Quantizer *, const char *name, Elem, int rank, const int64_t *dim);

/* ---- values.c ---- */
Node *quant_node(Quantizer *, const Op *, const Node *of, int nin, Node *const *in,
                 const Quant *); /* I8 or I16 */
Node *quant_bytes(Quantizer *,
                  const Node *); /* the value of a node of `from` in 8 bits; NULL: it has no scale */
Node *quant_floats(Quantizer *, const Node *);

/* ---- layers.c ---- */
/* False after [scale-mismatch]: `in` is the scale of the sum, `out` that of the result. */
bool quant_factor_fits(Quantizer *, const Node *, Multiplier, int32_t most, double in, float out);
/* [int8-overflow] of a filter's sum; false. */
bool quant_refuse_sum(Quantizer *, const Node *, const Weight *, int64_t filter, int64_t terms, double most,
                      int bits);

/* ---- recurrent_layers.c ---- */
bool quant_is_recurrent(const Quantizer *, const Node *); /* and has an int8 form */

/* ---- layers.c, recurrent_layers.c, lookup_tables.c: the node's value, or NULL after a problem ---- */
Node *quant_product(Quantizer *, const Node *), *quant_combine(Quantizer *, const Node *),
    *quant_pool(Quantizer *, const Node *), *quant_softmax(Quantizer *, const Node *),
    *quant_softmax_wide(Quantizer *, const Node *), *quant_move(Quantizer *, const Node *),
    *quant_border(Quantizer *, const Node *), *quant_recurrent(Quantizer *, const Node *),
    *quant_repeat(Quantizer *, const Node *, const int64_t factor[2]),
    *quant_function(Quantizer *, const Node *), *quant_table(Quantizer *, const Node *);
bool quant_has_table(const Quantizer *, const Node *); /* the file has its table, by the layer's name */
bool quant_is_function(const Node *);                  /* of one number */
bool quant_is_wide_function(const Quantizer *, const Node *); /* that has a form of 16 bits */
bool quant_is_wide_softmax(const Quantizer *, const Node *);
Node *quant_requantized(Quantizer *, const Node *of, Node *, Quant to); /* the same value in another scale */
#endif
