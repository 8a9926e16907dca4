/* node_build.h: Builder of the nodes that replace one node of an ONNX model. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_NODE_BUILD_H
#define CNNC_NODE_BUILD_H
#include "import/onnx/onnx.h"

typedef struct NodeBuild {
  Arena *arena;
  const NodeProto *of; /* the replaced node */
  WireList *out;       /* the list that new nodes are appended to */
  const char *prefix;  /* prefix of the names of new tensors */
  int named;           /* number of new tensors so far */
} NodeBuild;

/* Whether the node has this operator of the ONNX standard. */
bool node_is(const NodeProto *, const char *op);

/* Tensor names of the replaced node's inputs and outputs; "": omitted. */
const char *replaced_input(const NodeBuild *, int i);
const char *replaced_output(const NodeBuild *, int i);

/* The name of a new tensor. */
const char *build_tensor(NodeBuild *);
/* Appends a node with the result `to` and the inputs that follow, up to NULL. The new node gets the metadata,
 * the branch and the name of the replaced node. If the replaced node has no name: the name of its first
 * output. */
NodeProto *build_node(NodeBuild *, const char *op, const char *to, ...) __attribute__((sentinel));
/* Like build_node, but the result is a new tensor, which is returned. */
const char *build_value(NodeBuild *, const char *op, ...) __attribute__((sentinel));
/* Appends a constant with one number. */
void build_number(NodeBuild *, const char *to, float);

void build_input(NodeBuild *, NodeProto *, const char *tensor);
/* A new attribute, whose value the caller sets. */
AttributeProto *build_attribute(NodeBuild *, NodeProto *, const char *name);
#endif
