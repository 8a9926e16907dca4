/* codeless.h: Layers without their own code in the generated C, such as views, states, merged padding and
 * dropped layers. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_CODELESS_H
#define CNNC_CODELESS_H
#include "lir/layout.h"

Table layout_layers(const Layout *); /* by name: the layers that the kernels of inference compute */
const char *codeless_reason(const Layout *, const Node *codeless); /* why there is no code for the layer */
#endif
