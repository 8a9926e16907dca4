/* random.h: State of a random program under construction: its values so far, and text generators. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_RANDOM_NET_H
#define CNNC_RANDOM_NET_H
#include <stdlib.h>
#include <string.h>
#include "base/text.h"

enum {
  MOST_MACS = 30000,
  MOST_ELEMENTS = 3000,
  MOST_VALUES = 40,
  MOST_PARTS = 12,
  MOST_REGIONS = 6,
  MOST_OUTPUTS = 12
};
typedef struct Shape {
  int rank;
  int64_t h, w, c;
} Shape; /* a sequence has h = 1; a vector has h = 1 and w = 1 */
typedef struct Value {
  char name[16];
  int id;
  Shape shape;
  double size;
  bool apart, softmax, named, lost, cut, level, joined;
  int reads, equal;
  int64_t regions;
  double pace;
} Value;
/* Fields of Value. id: the same for all names of one value. size: approximate magnitude of the numbers.
 * apart: no number is near zero. equal: 1 if some elements are equal, 2 if they are equal up to rounding.
 * regions: values with an equal number have the same leading axis; 0: no leading axis. lost: a loss reads the
 * value. cut: no gradient reaches the value. level: the mean of the value is the same for every image.
 * joined: the value is the result of a concat. pace: number of rows of the value per row of the input, not
 * counting the rows that padding adds or windows drop */
typedef struct Part {
  char name[24];
  const char *op;
  int64_t channels, out, kernel[2], groups, extra;
  bool bias;
  int rank, block;
} Part;
/* Part: a layer or block that weights= can name */
typedef struct Block {
  int rank;
  const char *activation;
  int64_t kernel;
  bool norm, depthwise;
} Block;
typedef struct Net {
  Arena *arena;
  uint64_t random;
  Text body, blocks, *out; /* out: the text to which the current call is written */
  Value now, value[MOST_VALUES];
  Part part[MOST_PARTS];
  Block block[4];
  int nvalues, nparts, nblocks, depth, names, layers, ids;
  int64_t constant[3];    /* values of `const k0 = ...` and of the next two constants */
  double macs, most_macs; /* multiply-adds so far; maximum per layer */
  bool uneven;            /* prefers primes and windows of unusual sizes */
  Text losses;            /* losses of detection heads, each with a comma before it */
  int heads;              /* number of detection heads */
  bool halves;            /* the net computes in bf16 */
  bool flows;             /* a net of sequences that can be computed in steps */
  bool keeps;             /* the net has states */
  bool jumps;             /* some value is discontinuous: difference quotients cannot determine its slope */
} Net;

/* ---- random_draw.c ---- */
int64_t below(Net *, int64_t n);                /* 0 .. n-1 */
int64_t between(Net *, int64_t lo, int64_t hi); /* lo .. hi, inclusive */
bool chance(Net *, int percent);
int64_t channels(Net *);
const char *activation(Net *);
int64_t divisor(Net *, int64_t a, int64_t b); /* a common divisor */
int64_t elements(Shape);
bool same_pixels(Shape, Shape), one_pixel(Shape);
Shape picture(int64_t h, int64_t w, int64_t c), vector(int64_t n);
const char *shape_words(Net *, Shape);
bool spend(Net *, double macs);    /* false: too much computation */
void put_number(Net *, int64_t n); /* writes an expression with the value n */
void put_pair(Net *, const char *name, const int64_t n[2], int rank);
void put_init(Net *, const char *name);
void put_kernel(Net *, const int64_t kernel[2], int rank);
void put_literal(Net *, const int64_t kernel[2]); /* writes init=[...], frozen=true */
Part *find_part(Net *, const char *op); /* a layer whose parameters the next call may share, or NULL */
void put_part(Net *, const Part *shared, const Part *made); /* ends a call: frozen=, weights=, name= */

typedef struct Window {
  int64_t kernel[2], stride[2], dilation[2], before[2], after[2], out[2];
  bool ceil, own_stride;
  const char *pad;
} Window;
bool draw_window(Net *, bool pool, const int64_t *kernel,
                 Window *); /* a window that fits the current value; false if none was found */
void put_window(Net *, const Window *, int rank, bool stride);

/* ---- random_ops.c ---- */
/* A function that writes one call on the current value and makes the result the current value. False: the
 * operator does not fit. */
typedef bool OpWriter(Net *);
void becomes(Net *, Shape, double size);
void tame(Net *); /* scales large numbers down */
void write_op(Net *);
/* A value with a suitable shape, or NULL. */
Value *draw_value(Net *, bool (*fits)(Shape now, const Value *));

OpWriter op_conv, op_depthwise, op_transpose, op_pool, op_other_pool, op_global, op_channels, op_dense,
    op_activation, op_curve, op_norm, op_group_norm, op_dropout, op_combine, op_block;

/* ---- random_shapes.c ---- */
OpWriter op_flat, op_border, op_resize, op_blocks, op_crop_like, op_concat;

/* ---- random_objects.c: nets with detection heads ---- */
bool write_objects(Net *); /* writes a few statements; false: wrote nothing */

/* ---- random_joined.c: nets whose values are concatenated, sliced and reused ---- */
void write_joined(Net *);
int joined_outputs(Net *, Value output[MOST_OUTPUTS]); /* returns the number of outputs */

/* ---- random_parts.c: nets with rows split into heads and windows, and attention ---- */
void write_parts(Net *);
int parts_outputs(Net *, Value output[MOST_OUTPUTS]); /* may also write a train block; returns 0 */

/* ---- random_sequence.c: nets of sequences ---- */
void write_sequence(Net *);
int sequence_outputs(Net *, Value output[MOST_OUTPUTS]);

/* ---- random_towers.c: small nets of common architectures ---- */
void write_tower(Net *);

/* ---- random_train.c: the train block ---- */
void write_train(Net *, int noutputs, const Value *output);

/* ---- randomnet.c ---- */
void write_repeat(Net *); /* writes a repeat block on the current value */
#endif
