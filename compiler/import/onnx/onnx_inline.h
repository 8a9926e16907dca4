/* onnx_inline.h: State of the inlining of a model's graph into one list of nodes (OnnxFlat). Private to
 * onnx_inline.c and onnx_loop.c. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_ONNX_INLINE_H
#define CNNC_ONNX_INLINE_H
#include "base/table.h"
#include "import/onnx/onnx.h"

enum { DEEPEST = 16 };

typedef struct Inliner {
  Arena *arena;
  Wire *wire;
  const ModelProto *model;
  OnnxFlat *flat;
  const OnnxLoops *loops; /* loops whose iterations an earlier import has counted; or NULL */
  size_t room;            /* number of bytes that new names may still need */
  int nodes;              /* nodes visited so far */
  Table paths;            /* by path of a call, branch or iteration: number of its uses */
  Table origins;          /* by tensor of the list: the tensor's Origin */
  Table graphs;           /* subgraphs that were read, by the address of their bytes */
} Inliner;
/* The origin of a tensor of the list: an initializer, or a node. */
typedef struct Origin {
  const TensorProto *constant;
  const NodeProto *maker;
  bool known; /* whether the tensor is known to be one integer, `number` */
  int64_t number;
} Origin;
typedef struct Scope Scope; /* a called function, a branch, or an iteration; NULL: the model's graph */
struct Scope {
  Scope *outer; /* the enclosing scope, whose names are visible; NULL: none, as for a function */
  const NodeProto *node;
  const FunctionProto *function; /* NULL: a branch or an iteration */
  const char *path;              /* prefix of names in the scope */
  int guard;
  Table names; /* by tensor name in the scope: the tensor's name in the list */
};

bool inline_refuse(Inliner *, const char *why); /* records the reason; returns false */
void inline_node(Inliner *, NodeProto *);       /* adds the node to the list */
void inline_constant(Inliner *, TensorProto *, const char *name);
/* The subgraph in an attribute; NULL after inline_refuse(). */
const GraphProto *inline_subgraph(Inliner *, const AttributeProto *);
/* The name that a scope's tensor has in the list. inline_name creates a new name. */
const char *inline_tensor(Inliner *, Scope *, const char *name);
const char *inline_name(Inliner *, Scope *, const char *name);
/* A unique path for a call, a branch or an iteration of a node. otherwise: used if the node has neither a
 * name nor an output; branch: the branch or iteration, "" for a call. */
const char *inline_path(Inliner *, const NodeProto *, const char *otherwise, const char *branch);
bool inline_graph(Inliner *, const GraphProto *, Scope *, int depth); /* inlines a graph with its constants */

/* ---- onnx_loop.c ---- */
/* Unrolls a Loop or Scan whose number of iterations is known and at most 64, unless this makes a result
 * empty. Other loops stay nodes. False after inline_refuse(). */
bool inline_loop(Inliner *, NodeProto *, Scope *, int depth);
#endif
