// ops_check.c: Compares the nests of a small net with eval, and eval's gradients with central differences.
// SPDX-License-Identifier: Apache-2.0
#include "ops_net.h"
#include <CUnit/CUnit.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "machine.h"
#include "passes/plan.h"

/* ---- a plan in the interpreter ---- */
bool close_to(const char *what, const char *where, const double *got, const double *want, int64_t n,
              double tolerance) {
  double scale = 1, worst = 0;
  int64_t at_ = 0;
  for (int64_t i = 0; i < n; i++)
    if (isfinite(want[i])) scale = fmax(scale, fabs(want[i]));
  for (int64_t i = 0; i < n; i++) {
    const double error = isnan(got[i]) != isnan(want[i]) ? INFINITY
                         : got[i] == want[i]             ? 0 /* also for infinities */
                                                         : fabs(got[i] - want[i]);
    if (error > worst) {
      worst = error;
      at_ = i;
    }
  }
  if (worst > tolerance * scale)
    printf("    %s: %s differs by %g at %lld: %.12g, not %.12g\n", what, where, worst, (long long)at_,
           got[at_], want[at_]);
  return worst <= tolerance * scale;
}

static bool check_plan(Net *net, Plan *plan, const Data *data, const GraphRun *want, const Target *target,
                       bool plain) {
  Machine m = {.arena = net->arena,
               .plan = plan,
               .images = IMAGES,
               .batch = IMAGES,
               .seed = 3,
               .step = 4,
               .weights = data->weights,
               .input = data->all_input,
               .target = data->all_target};
  const char *where = arena_printf(net->arena, "%s%s%s", plan->training ? "training, " : "", target->name,
                                   plain ? ", plain" : "");
  if (!machine_run(&m, target, plain)) {
    printf("    %s: %s: %s\n", net->what, where, m.error);
    return false;
  }
  bool good = true;
  for (int o = 0; o < plan->graph->outputs.n; o++) {
    const Node *node = plan->output[o];
    good = close_to(net->what, where, m.output[o], want->value[net->graph->outputs.data[o].node->id],
                    IMAGES * shape_elements(node->shape), 1e-6) &&
           good;
  }
  if (!plan->training) return good;
  for (int i = 0; i < plan->graph->training->losses.n; i++)
    good = close_to(net->what, arena_printf(net->arena, "loss, %s", where), m.loss[i],
                    want->value[plan->loss[i]->id], IMAGES, 1e-6) &&
           good;
  return close_to(net->what, arena_printf(net->arena, "gradients, %s", where), m.gradients, want->gradients,
                  plan->graph->parameters, 1e-6) &&
         good;
}

void net_check_nests(Net *net, const Data *data) {
  GraphRun forward = net_eval(net, net->graph, data, false);
  for (int form = 0; form < 2; form++) {
    const bool plain = form == 0;
    Plan *inference = plan_inference(net->arena, net->graph, plain, 1, 0),
         *training = plan_training(net->arena, net->graph, plain, 1);
    GraphRun backward = net_eval(net, training->graph, data, true);
    backward.value[net->graph->outputs.data[0].node->id] =
        backward.value[training->graph->outputs.data[0].node->id]; /* check_plan uses the ids of the inference
                                                                      graph */
    for (const Target *target = target_table; target->name; target++) {
      if (machine_seen(target, net->graph) || (plain && strcmp(target->name, "generic"))) continue;
      CU_ASSERT_TRUE(check_plan(net, inference, data, &forward, target, plain));
      CU_ASSERT_TRUE(check_plan(net, training, data, &backward, target, plain));
    }
  }
}

/* ---- central differences ---- */
static double loss_of(Net *net, const TrainingGraph *training, const Data *data) {
  const GraphRun run = net_eval(net, training->graph, data, true);
  double sum = 0;
  for (int i = 0; i < IMAGES; i++) sum += run.value[training->loss[0]->id][i];
  return sum;
}

/* The gradient with respect to the output of the first layer `scale`, which is the input of the tested
 * layers. */
const Node *gradient_of_scale(const Graph *graph, const Node *scale) {
  for (int i = 0; i < graph->nodes.n; i++)
    if (graph->nodes.data[i]->target == scale->weight[0]) return graph->nodes.data[i]->in[0];
  return NULL;
}

static double difference(Net *net, const TrainingGraph *training, Data *data, double *x) {
  const double step = 1e-5, old = *x;
  *x = old + step;
  const double above = loss_of(net, training, data);
  *x = old - step;
  const double below = loss_of(net, training, data);
  *x = old;
  return (above - below) / (2 * step);
}

void net_check_gradients(Net *net, Data *data) {
  TrainingGraph training = pass_differentiate(net->arena, net->graph);
  const GraphRun run = net_eval(net, training.graph, data, true);
  double *differences = NEW_ARRAY(net->arena, double, training.graph->parameters + 1);
  for (int i = 0; i < training.graph->weights.n; i++) {
    const Weight *weight = training.graph->weights.data[i];
    for (int64_t k = weight->offset; k < weight->offset + weight->size; k++)
      differences[k] = weight->statistic ? run.gradients[k]
                       : weight->frozen  ? 0
                                         : difference(net, &training, data, &data->weights[k]);
  }
  CU_ASSERT_TRUE(close_to(net->what, "gradient of the weights", run.gradients, differences,
                          training.graph->parameters, 1e-6));
  for (int i = 0; i < net->graph->inputs.n; i++) {
    const Node *scale = NULL;
    for (int k = 0; k < net->graph->nodes.n && !scale; k++)
      if (!strcmp(net->graph->nodes.data[k]->op->name, "scale") &&
          net->graph->nodes.data[k]->in[0] == net->graph->inputs.data[i].node)
        scale = net->graph->nodes.data[k];
    const Node *gradient = scale ? gradient_of_scale(training.graph, scale) : NULL;
    if (!gradient) continue;
    const int64_t n = shape_elements(scale->shape) * IMAGES, channels = scale->weight[0]->size;
    double *dx = NEW_ARRAY(net->arena, double, n);
    for (int64_t k = 0; k < n; k++)
      dx[k] = difference(net, &training, data, &data->input[i][k]) /
              data->weights[scale->weight[0]->offset + k % channels];
    CU_ASSERT_TRUE(close_to(net->what, "gradient of the input", run.value[gradient->id], dx, n, 1e-6));
  }
}
