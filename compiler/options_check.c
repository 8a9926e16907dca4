/* options_check.c: options that want others. */
// SPDX-License-Identifier: Apache-2.0
#include "options_check.h"
#include <string.h>
#include "options_words.h"
#include "passes/plan.h"

/* A pass belongs to some graphs only: with --train that of training is shown. */
bool options_after(const Options *options) {
  const char *pass = options->after;
  if (!pass) return true;
  if (options->kind != OUTPUT_GRAPH)
    return usage_error("--after=%s shows a graph: it wants --emit=graph", pass);
  if (!options->train)
    return pass_belongs(pass, PLAN_INFERENCE) || pass_belongs(pass, PLAN_LOOK) ||
           usage_error("'%s' is a pass of the training graph, which --train shows", pass);
  return pass_belongs(pass, PLAN_TRAINING) ||
         usage_error("'%s' is no pass of the training graph, which --train shows", pass);
}

bool options_onnx(const Options *options) {
  if (options->layout >= 0 && options->kind != OUTPUT_ONNX)
    return usage_error("--layout is about a model of ONNX: it wants -o FILE.onnx; for C, `input x: 28x28x1 "
                       "(layout=chw)` in the program says how the caller's buffers lie");
  return options->kind != OUTPUT_ONNX || options->batch == 1 ||
         usage_error("a model of ONNX takes any number of images: leave --batch out");
}

bool options_weights(const Options *options) {
  const char *about = options->weights_prefix ? "weights-prefix"
                      : options->rename       ? "rename"
                      : options->match        ? "match"
                                              : NULL;
  if (about && !options->weights)
    return usage_error("--%s is about the file of --weights, which is not given", about);
  if (options->match && options->output && strcmp(options->output, "-") == 0)
    return usage_error("--match=order and the output both write to standard output");
  return true;
}
