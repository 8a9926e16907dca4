/* schedules.c: Arguments of learning-rate schedules, in units of epochs; the runtime implements them. */
// SPDX-License-Identifier: Apache-2.0
#include "ops/settings/forms.h"
#include "graph/op.h"
#include "ops/registry.h"

#define WARMUP                                                                                               \
  {"warmup", PARAM_NUMBER, "0", "number of epochs at the start in which the rate rises linearly from 0",     \
   0,        1e9,          NULL},                                                                            \
      {0}
#define FACTOR(value, when)                                                                                  \
  {"factor", PARAM_NUMBER, value, "factor by which the rate is multiplied " when, 0, 1e6, NULL}

static const Param constant_params[] = {WARMUP};
static const Param step_params[] = {
    {"every", PARAM_NUMBER, "", "number of epochs between two drops; use `every` or `at`", 1e-9, 1e9, NULL},
    FACTOR("0.1", "at each drop"),
    {"at", PARAM_LIST, "", "epochs at which the rate drops, as in [30, 60]; use `at` or `every`", 0, 0, NULL},
    WARMUP,
};
static const Param exponential_params[] = {FACTOR(NULL, "each epoch"), WARMUP};
static const Param poly_params[] = {{"power", PARAM_NUMBER, "0.9",
                                     "exponent: after t epochs the rate is rate * (1 - t/epochs)**power, "
                                     "with t and epochs counted after the warm-up",
                                     0, 1e6, NULL},
                                    WARMUP};
static const Param cosine_params[] = {
    {"floor", PARAM_NUMBER, "0", "the rate at the end of the training", 0, 1e6, NULL}, WARMUP};
static const Param plateau_params[] = {
    {"patience", PARAM_INT, "3",
     "number of epochs without better validation results after which the rate is lowered, "
     "counted as in Keras (PyTorch's number + 1); 0 means 1",
     0, 1e9, NULL},
    FACTOR("0.1", "each time"),
    WARMUP};

static const Form constant = {"constant", "a constant rate", constant_params, SCHEDULE_PLAIN};
static const Form step = {"step", "lowers the rate in steps", step_params, SCHEDULE_STEP};
static const Form exponential = {"exponential", "multiplies the rate by a factor each epoch",
                                 exponential_params, SCHEDULE_PLAIN};
static const Form poly = {"poly", "lowers the rate to 0 polynomially", poly_params, SCHEDULE_PLAIN};
static const Form cosine = {"cosine", "lowers the rate along half a cosine", cosine_params, SCHEDULE_PLAIN};
static const Form plateau = {"plateau", "lowers the rate when the validation results stop improving",
                             plateau_params, SCHEDULE_PLAIN};

const Form *const schedule_table[] = {&constant, &step, &exponential, &poly, &cosine, &plateau, NULL};
