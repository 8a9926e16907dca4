/* bf16.c: Rounding to bf16, for products with precision=bf16 (passes/bf16.c). */
// SPDX-License-Identifier: Apache-2.0
#include "base/number.h"
#include "kernel/map.h"
#include "ops/registry.h"

MAP_EVAL(nearest) { return bf16_nearest(x[0]); }
MAP_VALUE(value) { return convert(convert(m->x[0], BF16), F32); }

const Op op_round_bf16 = {.name = "round to bf16", MAP_OPERATOR, .map_eval = nearest, .map = value};
