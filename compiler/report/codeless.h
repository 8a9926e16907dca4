/* codeless.h: Layers without their own code in the generated C: views, merged padding, dropped layers. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_CODELESS_H
#define CNNC_CODELESS_H
#include "lir/layout.h"

Table layout_layers(const Layout *); /* by name: layers in kernels of inference */
const char *codeless_reason(const Layout *, const Node *codeless); /* why there is no code for the layer */
#endif
