/* inits.c: Initializations of parameters and their arguments; op.c evaluates them for a layer. */
// SPDX-License-Identifier: Apache-2.0
#include "graph/op.h"
#include "ops/registry.h"

static const Param none[] = {{0}};
static const Param normal_params[] = {{"std", PARAM_NUMBER, NULL, "standard deviation", 0, 1e6, NULL},
                                      {"mean", PARAM_NUMBER, "0", "mean of the distribution", 0, 0, NULL},
                                      {0}};
static const Param uniform_params[] = {
    {"limit", PARAM_NUMBER, NULL, "the distribution is from -limit to limit", 0, 1e6, NULL}, {0}};

static const Form he = {"he", "normal distribution with variance 2/fan_in (He et al., 2015)", none, 0};
static const Form he_uniform = {"he_uniform", "uniform distribution with variance 2/fan_in", none, 0};
static const Form glorot = {
    "glorot", "uniform distribution with variance 2/(fan_in + fan_out) (Glorot & Bengio, 2010)", none, 0};
static const Form glorot_normal = {"glorot_normal", "normal distribution with variance 2/(fan_in + fan_out)",
                                   none, 0};
static const Form lecun = {"lecun", "normal distribution with variance 1/fan_in", none, 0};
static const Form zeros = {"zeros", "all elements are 0", none, 0};
static const Form ones = {"ones", "all elements are 1", none, 0};
static const Form normal = {"normal", "normal distribution", normal_params, 0};
static const Form uniform = {"uniform", "uniform distribution", uniform_params, 0};
static const Form bilinear = {"bilinear", "weights of a bilinear interpolation, for conv_transpose", none, 0};

const Form *const init_table[] = {&he,   &he_uniform, &glorot,  &glorot_normal, &lecun, &zeros,
                                  &ones, &normal,     &uniform, &bilinear,      NULL};
