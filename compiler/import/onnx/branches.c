/* branches.c: Branch selection for ONNX's If nodes with constant conditions. */
// SPDX-License-Identifier: Apache-2.0
#include <string.h>
#include "import/import.h"

static bool is_if(const OnnxNode *node) { return strcmp(node->op, "If") == 0; }

/* The value of a constant condition; -1: not constant. */
static int truth(const ModelImport *im, int tensor) {
  const Tensor *t = tensor ? im->item[tensor].constant : NULL;
  return t && t->n == 1 ? tensor_number(t, 0) != 0 : -1;
}

BranchState branch_of(const ModelImport *im, const OnnxNode *node) {
  BranchState state = BRANCH_TAKEN;
  for (int g = node->guard; g; g = im->onnx->guard[g].outer) {
    const OnnxGuard *guard = &im->onnx->guard[g];
    const int known = truth(im, guard->condition);
    if (known >= 0 && (bool)known != guard->value) return BRANCH_LEFT_OUT;
    if (known < 0 && !im->varies[guard->condition]) state = BRANCH_UNKNOWN;
  }
  return state;
}

bool always_computed(const ModelImport *im, int tensor) {
  const int maker = im->maker[tensor];
  for (int g = maker < 0 ? 0 : im->onnx->node[maker].guard; g; g = im->onnx->guard[g].outer)
    if (truth(im, im->onnx->guard[g].condition) != im->onnx->guard[g].value) return false;
  return true;
}

bool reads_input(const ModelImport *im, const OnnxNode *node, int k) {
  const int known = is_if(node) ? truth(im, node->in[0]) : -1;
  if (known < 0 || node->nin != 1 + 2 * node->nout || k == 0 || k >= node->nin) return true;
  return (k <= node->nout) == (bool)known;
}

bool import_if(ModelImport *im, const OnnxNode *node) {
  if (!is_if(node)) return false;
  const int known = truth(im, given(node, 0) ? node->in[0] : 0);
  if (known < 0) { /* not reported if an earlier problem makes the condition unknown */
    const bool chosen = given(node, 0) && im->item[node->in[0]].view && is_truth(im, node->in[0]);
    if (chosen) import_choice(im, node);
    else if (given(node, 0) && im->varies[node->in[0]]) no(im, "%s", onnx_operator("If")->word);
    return true;
  }
  if (node->nin != 1 + 2 * node->nout) return no(im, "a branch is missing"), true;
  const int *result = node->in + 1 + (known ? 0 : node->nout);
  for (int k = 0; k < node->nout; k++)
    if (node->out[k] && result[k]) im->item[node->out[k]] = im->item[result[k]];
  im->became[node->index] = known ? "then_branch" : "else_branch";
  return true;
}

void fold_conditions(ModelImport *im) {
  const Onnx *o = im->onnx;
  bool *needed = NEW_ARRAY(im->arena, bool, o->ntensors);
  for (int g = 1; g < o->nguards; g++) needed[o->guard[g].condition] = true;
  needed[0] = false;
  for (int i = o->nnodes - 1; i >= 0 && o->nguards > 1; i--) {
    bool use = false;
    for (int k = 0; k < o->node[i].nout; k++) use = use || needed[o->node[i].out[k]];
    for (int k = 0, t; use && (t = onnx_needs(o, &o->node[i], k)) >= 0; k++) needed[t] = t != 0;
  }
  for (int i = 0; i < o->nnodes && o->nguards > 1; i++) {
    const OnnxNode *node = &o->node[i];
    const bool use = node->nout > 0 && needed[node->out[0]] && branch_of(im, node) == BRANCH_TAKEN;
    im->node = node;
    if (use && !import_if(im, node)) fold(im, node);
  }
  im->why = NULL;
}
