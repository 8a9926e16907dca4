/* schedules.c: Arguments of learning-rate schedules, in units of epochs; the runtime implements them. */
// SPDX-License-Identifier: Apache-2.0
#include "ops/settings/forms.h"
#include "graph/op.h"
#include "ops/registry.h"

#define WARMUP                                                                                               \
  {"warmup", PARAM_NUMBER, "0", "epochs in which the rate rises linearly from 0", 0, 1e9, NULL}, {0}
#define FACTOR(value, when)                                                                                  \
  {"factor", PARAM_NUMBER, value, "factor by which the rate is multiplied " when, 0, 1e6, NULL}

static const Param constant_params[] = {WARMUP};
static const Param step_params[] = {
    {"every", PARAM_NUMBER, "", "epochs between two steps; alternative to `at`", 1e-9, 1e9, NULL},
    FACTOR("0.1", "at each step"),
    {"at", PARAM_LIST, "", "epochs of the steps, as in [30, 60]; alternative to `every`", 0, 0, NULL},
    WARMUP,
};
static const Param exponential_params[] = {FACTOR(NULL, "each epoch"), WARMUP};
static const Param poly_params[] = {
    {"power", PARAM_NUMBER, "0.9", "rate * (1 - t/epochs)**power", 0, 1e6, NULL}, WARMUP};
static const Param cosine_params[] = {{"floor", PARAM_NUMBER, "0", "the rate at the end", 0, 1e6, NULL},
                                      WARMUP};
static const Param plateau_params[] = {{"patience", PARAM_INT, "3",
                                        "epochs without an improvement of the validation loss, as in Keras "
                                        "(one more than in PyTorch); 0 is as 1",
                                        0, 1e9, NULL},
                                       FACTOR("0.1", "then"),
                                       WARMUP};

static const Form constant = {"constant", "a constant rate", constant_params, SCHEDULE_PLAIN};
static const Form step = {"step", "lowers the rate in steps", step_params, SCHEDULE_STEP};
static const Form exponential = {"exponential", "multiplies the rate by a factor each epoch",
                                 exponential_params, SCHEDULE_PLAIN};
static const Form poly = {"poly", "lowers the rate to 0 polynomially", poly_params, SCHEDULE_PLAIN};
static const Form cosine = {"cosine", "lowers the rate along half a cosine", cosine_params, SCHEDULE_PLAIN};
static const Form plateau = {"plateau", "lowers the rate when the validation loss stops improving",
                             plateau_params, SCHEDULE_PLAIN};

const Form *const schedule_table[] = {&constant, &step, &exponential, &poly, &cosine, &plateau, NULL};
