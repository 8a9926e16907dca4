/* tflite_nodes.h: State of the conversion of a TensorFlow Lite model to an ONNX graph, shared by
 * tflite_nodes.c and the operator families, tflite_nodes_*.c. Private to these. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_TFLITE_NODES_H
#define CNNC_TFLITE_NODES_H
#include "import/tflite/tflite.h"

typedef struct Nodes {
  Arena *arena;
  const TflModel *m;
  Onnx *onnx;
  const TflOperator *op;    /* the current operator */
  const char *onnx_name;    /* the ONNX operator in the operator's line of tflite_ops.def */
  const char *kind, *title; /* the operator's name in messages: "MEAN", "MEAN 2" */
  const char *layer;        /* the layer of the current operator: "/conv1/conv" */
  int count[8];             /* number of layers so far, by kind (layer_name) */
  const char *stateful;     /* names of the operators that keep state; NULL: none so far */
  VEC(OnnxNode *) nodes;
  VEC(const char *) names; /* names of tensors; tensor t of the model has number t + 1 */
  VEC(Tensor *) constants;
  VEC(int) shown;  /* becomes Onnx.shown */
  VEC(int) states; /* tensors of the model that are inputs because they are states */
  size_t room;     /* bytes of constants that may still be copied */
} Nodes;

/* Creates the nodes of an operator. An unsupported operator becomes a node whose `refused` is the reason. */
typedef void NodesMake(Nodes *);
#define OP(name, number, make, nodes, onnx) NodesMake nodes;
#include "import/tflite/tflite_ops.def"
#undef OP

int nodes_in(const Nodes *, int k);                  /* input of the current operator; 0: omitted */
int nodes_out(const Nodes *, int k);                 /* result of the current operator; 0: omitted */
const TflTensor *nodes_tensor(const Nodes *, int k); /* an input of the current operator, or NULL */
int nodes_rank(const Nodes *, int k);                /* rank of an input; 0: a scalar, or omitted */

/* Whether the constants of the current operator may be copied. Copies are limited, because several operators
 * may share a buffer of the file. False after nodes_refuse(). */
bool nodes_may_copy(Nodes *);
int nodes_constant(Nodes *, Tensor *);
int nodes_integers(Nodes *, int n, const int64_t *);
int nodes_number(Nodes *, double);

/* Whether an input of the operator has complex numbers. */
bool nodes_complex(const Nodes *);

/* Adds a node with one result, a new tensor, and returns the result. */
int nodes_apply(Nodes *, const char *op, int nin, const int *in);
int nodes_apply_one(Nodes *, const char *op, int in);
OnnxNode *nodes_last(Nodes *); /* the last node added, to set its attributes */
/* Makes `tensor` the result of the operator, after appending the operator's activation. */
void nodes_finish(Nodes *, int tensor);
void nodes_finish_as(Nodes *, int tensor, int k); /* result k, without an activation */
/* Adds a node that refuses the operator, with the reason. */
void nodes_refuse(Nodes *, const char *why);

int nodes_permuted(Nodes *, int tensor, int n, const int64_t *perm);
int nodes_channels_first(Nodes *, int tensor); /* transposes [n, height, width, channels] */
int nodes_channels_last(Nodes *, int tensor);
/* Stores the integers of a constant input, and returns their number. -1: the input is not constant, has more
 * than MOST_DIMS * 2 numbers, or a number is not an integer or is too large. */
int nodes_list(const Nodes *, int k, int64_t *to);
#endif
