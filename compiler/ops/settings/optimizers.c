/* optimizers.c: Arguments of optimizers, which runtime/core/optimizer.c implements. */
// SPDX-License-Identifier: Apache-2.0
#include "graph/op.h"
#include "ops/registry.h"

#define RATE(value)                                                                                          \
  {"rate", PARAM_NUMBER, value, "the learning rate, before the schedule changes it", 0, 1e6, NULL}
#define MOMENTUM                                                                                             \
  {"momentum", PARAM_NUMBER, "0", "fraction of the previous step that is added to the next step", 0, 1, NULL}
#define EPSILON                                                                                              \
  {"epsilon", PARAM_NUMBER, "1e-8", "constant added to the root of the mean squared gradient", 0, 1e6, NULL}
#define DECAY(value, help) {"weight_decay", PARAM_NUMBER, value, help, 0, 1e6, NULL}
#define IN_GRADIENT "weight decay: weight_decay * weight is added to the gradient of a weight"

static const Param sgd_params[] = {
    RATE("0.01"),
    {"momentum", PARAM_NUMBER, "0.9", "fraction of the previous step that is added to the next step", 0, 1,
     NULL},
    {"nesterov", PARAM_BOOL, "false", "Nesterov momentum", 0, 0, NULL},
    DECAY("0", IN_GRADIENT),
    {0},
};
#define BETAS                                                                                                \
  {"beta1", PARAM_NUMBER, "0.9", "decay rate of the running mean of the gradients", 0, 0.999999, NULL}, {    \
    "beta2", PARAM_NUMBER, "0.999", "decay rate of the running mean of the squared gradients", 0, 0.999999,  \
        NULL                                                                                                 \
  }
static const Param adam_params[] = {RATE("0.001"), BETAS, EPSILON, DECAY("0", IN_GRADIENT), {0}};
static const Param adamw_params[] = {
    RATE("0.001"),
    BETAS,
    EPSILON,
    DECAY("0.01", "each step subtracts rate * weight_decay * weight from a weight"),
    {0}};
static const Param rmsprop_params[] = {
    RATE("0.01"),
    {"alpha", PARAM_NUMBER, "0.99", "decay rate of the running mean of the squared gradients", 0, 1, NULL},
    EPSILON,
    MOMENTUM,
    DECAY("0", IN_GRADIENT),
    {0},
};

static const Param lars_params[] = {
    RATE("1"),
    {"momentum", PARAM_NUMBER, "0.9", "fraction of the previous step that is added to the next step", 0, 1,
     NULL},
    DECAY("0", IN_GRADIENT),
    {"trust", PARAM_NUMBER, "0.001",
     "norm of a step at rate 1 without momentum, as a fraction of the tensor's norm", 0, 1e6, NULL},
    {0},
};
static const Param lamb_params[] = {
    RATE("0.001"),
    BETAS,
    {"epsilon", PARAM_NUMBER, "1e-6", "constant added to the root of the mean squared gradient", 0, 1e6,
     NULL},
    DECAY("0.01", "weight decay: weight_decay * weight is added to the step of a weight"),
    {0},
};

static const Form sgd = {"sgd", "stochastic gradient descent with momentum", sgd_params, 0};
static const Form adam = {"adam", "Adam (Kingma & Ba, 2015)", adam_params, 0};
static const Form adamw = {"adamw", "Adam with decoupled weight decay (Loshchilov & Hutter, 2019)",
                           adamw_params, 0};
static const Form rmsprop = {"rmsprop", "gradients divided by the root of their mean square (Hinton, 2012)",
                             rmsprop_params, 0};

static const Form lars = {
    "lars", "sgd with steps scaled to each tensor's norm, for large batches (You, Gitman & Ginsburg, 2017)",
    lars_params, 0};
static const Form lamb = {
    "lamb", "Adam with steps scaled to each tensor's norm, for large batches (You et al., 2020)", lamb_params,
    0};

const Form *const optimizer_table[] = {&sgd, &adam, &adamw, &rmsprop, &lars, &lamb, NULL};
