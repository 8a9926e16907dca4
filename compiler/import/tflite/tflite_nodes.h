/* tflite_nodes.h: a TensorFlow Lite model on its way to an ONNX graph: what tflite_nodes.c and the families
 * of operators, tflite_nodes_*.c, share. Private to these. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_TFLITE_NODES_H
#define CNNC_TFLITE_NODES_H
#include "import/tflite/tflite.h"

typedef struct Nodes {
  Arena *arena;
  const TflModel *m;
  Onnx *onnx;
  const TflOperator *op;    /* at hand */
  const char *onnx_name;    /* of its row of tflite_ops.def */
  const char *kind, *title; /* of it, in messages: "MEAN", "MEAN 2" */
  const char *layer;        /* of it: "/conv1/Conv" */
  int count[8];             /* of layers, by kind */
  const char *stateful;     /* the operators that keep state, once one was met */
  VEC(OnnxNode *) nodes;
  VEC(const char *) names; /* of tensors; that of tensor t of the model is t + 1 */
  VEC(Tensor *) constants;
  VEC(int) shown;
  VEC(int) states; /* tensors of the model that are inputs because they are states */
} Nodes;

/* The nodes of an operator; what has no form becomes a node that is refused. */
typedef void NodesMake(Nodes *);
#define OP(name, number, make, nodes, onnx) NodesMake nodes;
#include "import/tflite/tflite_ops.def"
#undef OP

int nodes_in(const Nodes *, int k);                  /* of the operator at hand; 0: it is left out */
int nodes_out(const Nodes *, int k);                 /* the same of its results */
const TflTensor *nodes_tensor(const Nodes *, int k); /* an input of it, or NULL */
int nodes_rank(const Nodes *, int k);                /* of an input; 0: it is left out */

int nodes_constant(Nodes *, Tensor *);
int nodes_integers(Nodes *, int n, const int64_t *);
int nodes_number(Nodes *, double);

/* Whether an input of the operator is of complex numbers. */
bool nodes_complex(const Nodes *);

/* A node with one result: a new tensor. */
int nodes_apply(Nodes *, const char *op, int nin, const int *in);
int nodes_apply_one(Nodes *, const char *op, int in);
OnnxNode *nodes_last(Nodes *); /* the one added last, to be given attributes */
/* The last node makes a result of the operator, after its activation. */
void nodes_finish(Nodes *, int tensor);
void nodes_finish_as(Nodes *, int tensor, int k); /* result k, without an activation */
/* A node that is refused for that reason, in place of the operator. */
void nodes_refuse(Nodes *, const char *why);

int nodes_permuted(Nodes *, int tensor, int n, const int64_t *perm);
int nodes_channels_first(Nodes *, int tensor); /* of [n, height, width, channels] */
int nodes_channels_last(Nodes *, int tensor);
/* Numbers of a constant input, at most MOST_DIMS * 2; -1: it is none. */
int nodes_list(const Nodes *, int k, int64_t *to);
#endif
