/* sampling.c: Random sampling of detection losses: the number of rows of each kind must be right, and the
 * rows must be drawn uniformly and be different in each step and image. */
// SPDX-License-Identifier: Apache-2.0
#include <CUnit/CUnit.h>
#include <math.h>
#include <stdio.h>
#include "ops/detection/proposals_sample.h"
#include "graph/op.h"
#include "ops_net.h"

enum { HEIGHT = 6, WIDTH = 7, EACH = 2, ANCHORS = HEIGHT * WIDTH * EACH, MOST = 4, STEPS = 600 };

/* A net with proposals for 6x7 cells with two anchors each. */
static Net net_of(const char *proposals) {
  Net net = net_new();
  net_input(&net, shape_image(24, 28, 10), F32, false);
  net_chain(&net, "avgpool kernel=4 -> @0 -> slice channels=2..10 -> @1 -> <0 -> slice channels=0..2");
  net_layer(&net, "proposals", proposals);
  CU_ASSERT_TRUE_FATAL(net.good);
  return net;
}

/* Checks that each row was drawn about equally often, within five standard deviations. In each step,
 * `wanted` rows are drawn; `of` is the number of rows to draw from. */
static void check_even(const int *drawn, int rows, int wanted, int of) {
  const double each = (double)(STEPS * wanted) / (double)of;
  for (int r = 0; r < rows; r++) CU_ASSERT_TRUE(fabs(drawn[r] - each) <= 5 * sqrt(each));
}

static const double one_truth[4] = {4, 4, 18, 17}, count = 1, label[MOST] = {2};

/* ---- rpn ---- */
static Node *rpn_of(Net *net, Node *proposals, const char *arguments) {
  Node *in[5] = {proposals->in[0], proposals->in[1]};
  in[2] = net_input(net, shape_vector(1), I32, false);
  in[3] = net_input(net, shape_vector(MOST), I32, false);
  in[4] = net_input(net, shape_sequence(MOST, 4), F32, false);
  Node *node = net_loss(net, "rpn", arguments, 5, in);
  node->shape = shape_vector(1 + 5 * ANCHORS);
  node->hidden = hidden_of(net->arena, proposals);
  return node;
}

/* Scores are 0, so the gradient of each sampled anchor is half of the anchor's weight in the mean: negative
 * if the anchor contains an object, otherwise positive. */
static void run_rpn(const Node *node, int64_t step, int64_t sample, double *by_score) {
  static const double zeros[4 * ANCHORS];
  double truth[4 * MOST] = {0}, out[1 + 5 * ANCHORS];
  for (int k = 0; k < 4; k++) truth[k] = one_truth[k];
  Eval eval = {.node = node,
               .in = (const double *[]){zeros, zeros, &count, label, truth},
               .out = out,
               .training = true,
               .count = 2,
               .sample = sample,
               .seed = 1,
               .step = (uint64_t)step};
  node->op->eval(&eval);
  for (int r = 0; r < ANCHORS; r++) by_score[r] = out[1 + r];
}

static int signs(const double *by_score, int sign, int *drawn) {
  int n = 0;
  for (int r = 0; r < ANCHORS; r++) {
    if (sign * by_score[r] > 0) n++, drawn[r]++;
  }
  return n;
}

static void test_rpn(void) {
  Net net = net_of("deltas=$1 anchors=[12x12,8x10] stride=4");
  Node *proposals = net.last;
  const Node *all = rpn_of(&net, proposals, "high=0.4 low=0.3 sample=84 positives=1"),
             *some = rpn_of(&net, proposals, "high=0.4 low=0.3 sample=16 positives=0.25");
  double by[ANCHORS], other[ANCHORS];
  int kind[2][ANCHORS] = {{0}}, drawn[2][ANCHORS] = {{0}}, differ = 0;
  run_rpn(all, 0, 0, by);
  const int positives = signs(by, -1, kind[0]), negatives = signs(by, 1, kind[1]);
  CU_ASSERT_TRUE(positives > 4 && negatives > 12);
  for (int step = 0; step < STEPS; step++) {
    run_rpn(some, step, 0, by);
    CU_ASSERT_EQUAL(signs(by, -1, drawn[0]), 4);
    CU_ASSERT_EQUAL(signs(by, 1, drawn[1]), 12);
    for (int r = 0; r < ANCHORS; r++) CU_ASSERT_TRUE(by[r] == 0 || fabs(by[r]) == 0.5 / 16);
    run_rpn(some, step, 1, other);
    for (int r = 0; r < ANCHORS; r++) differ += by[r] != other[r];
  }
  CU_ASSERT_TRUE(differ > 5 * STEPS);
  for (int r = 0; r < ANCHORS; r++) {
    check_even(&drawn[0][r], 1, kind[0][r] ? 4 : 0, positives);
    check_even(&drawn[1][r], 1, kind[1][r] ? 12 : 0, negatives);
  }
  arena_free(net.arena);
}

/* ---- proposals ---- */
enum { REGIONS = 40, NEAR = 10, FAR = 25 }; /* NEAR rows overlap the object, FAR rows do not, the rest is 0 */

static void set_regions(double regions[REGIONS][4]) {
  for (int r = 0; r < REGIONS; r++) {
    const double near[4] = {4, 4, 18, 4 + 7 + 0.5 * r}, far[4] = {18 + 0.1 * r, 18, 24 + 0.1 * r, 23};
    for (int k = 0; k < 4; k++) regions[r][k] = r < NEAR ? near[k] : r < NEAR + FAR ? far[k] : 0;
  }
}

static int row_of(const double box[4], double regions[REGIONS][4]) {
  for (int r = 0; r < NEAR + FAR; r++)
    if (box[0] == regions[r][0] && box[2] == regions[r][2] && box[3] == regions[r][3]) return r;
  return -1;
}

/* The rows are the ground-truth box, then `near` regions that overlap it and `far` other regions, without
 * duplicates, then zeros. */
static void check_sample(double (*out)[4], int rows, int near, int far, double regions[REGIONS][4],
                         int *drawn) {
  bool seen[REGIONS] = {false};
  for (int k = 0; k < 4; k++) CU_ASSERT_EQUAL(out[0][k], one_truth[k]);
  for (int i = 1; i < rows; i++) {
    const int r = row_of(out[i], regions);
    if (i > near + far) {
      for (int k = 0; k < 4; k++) CU_ASSERT_EQUAL(out[i][k], 0);
      continue;
    }
    CU_ASSERT_TRUE_FATAL(r >= 0 && (r < NEAR) == (i <= near) && !seen[r]);
    seen[r] = true;
    drawn[r]++;
  }
}

static void check_proposals(const char *arguments, int near, int far) {
  Net net = net_of(arguments);
  Training *training = net.graph->training = NEW(net.arena, Training);
  training->objects = MOST;
  const Node *node = proposals_sample(net.graph, net.last);
  const int rows = (int)node->shape.dim[0];
  double regions[REGIONS][4], truth[4 * MOST] = {0};
  double (*out)[4] = (double (*)[4])NEW_ARRAY(net.arena, double, 4 * rows);
  int drawn[REGIONS] = {0};
  set_regions(regions);
  for (int k = 0; k < 4; k++) truth[k] = one_truth[k];
  for (int step = 0; step < STEPS; step++) {
    Eval eval = {.node = node,
                 .in = (const double *[]){regions[0], &count, label, truth},
                 .out = out[0],
                 .training = true,
                 .count = 1,
                 .seed = 1,
                 .step = (uint64_t)step};
    node->op->eval(&eval);
    check_sample(out, rows, near, far, regions, drawn);
  }
  check_even(drawn, NEAR, near, NEAR);
  check_even(drawn + NEAR, FAR, far, FAR);
  arena_free(net.arena);
}

static void test_proposals(void) {
  const char *all = "deltas=$1 anchors=[6x8,12x7] stride=4 max=40";
  char text[200];
  snprintf(text, sizeof text, "%s sample=12 positives=0.5", all);
  check_proposals(text, 5, 6);
  /* the only positive row of 24 is the ground truth */
  snprintf(text, sizeof text, "%s sample=24 positives=0.05", all);
  check_proposals(text, 0, 23);
  snprintf(text, sizeof text, "%s sample=44 positives=1", all);
  check_proposals(text, NEAR, FAR);
}

CU_TestInfo suite_sampling[] = {
    {"the sample of rpn", test_rpn}, {"the sample of proposals", test_proposals}, CU_TEST_INFO_NULL};
