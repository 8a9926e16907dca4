/* yolo.c: Compares the loss yolo, the operator panoptic, and nms after yolo with independent programs
 * (tests/golden/yolo.py). Compares panoptic's runtime function with eval, which shares no code with it. */
// SPDX-License-Identifier: Apache-2.0
#include <CUnit/CUnit.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "ops/detection/panoptic_routine.h"
#include "ops/detection/yolo.h"
#include "graph/op.h"
#include "ops_net.h"
#include "ops/registry.h"

/* A net with an image input of picture_h x picture_w and an input of the shape `numbers`. The last value of
 * the net equals the second input. */
static Net net_on_picture(int64_t picture_h, int64_t picture_w, Shape numbers) {
  Net net = net_new();
  net_input(&net, shape_image(picture_h, picture_w, 1), F32, false);
  Node *picture = net.last;
  net.named[0] = net_input(&net, numbers, F32, false);
  net.last = picture;
  net_layer(&net, "avgpool",
            arena_printf(net.arena, "kernel=%lldx%lld", (long long)(picture_h / numbers.dim[0]),
                         (long long)(picture_w / numbers.dim[1])));
  net_layer(&net, "concat", "x=$0");
  net_layer(&net, "slice", arena_printf(net.arena, "channels=1..%lld", (long long)numbers.dim[2] + 1));
  return net;
}

static const double *value_of(Net *net, int n, const double *const *numbers) {
  const double *input[4] = {NEW_ARRAY(net->arena, double, shape_elements(net->graph->nodes.data[0]->shape))};
  for (int i = 0; i < n; i++) input[i + 1] = numbers[i];
  GraphRun run = {.count = 1, .input = input};
  CU_ASSERT_FATAL(net->good);
  graph_run(net->arena, net->graph, &run);
  return run.value[net->last->id];
}

/* ---- nms after yolo ---- */
typedef struct Head {
  int64_t h, w, picture_h, picture_w, classes, most;
  const char *yolo, *nms;
  const double *input, *want;
} Head;

static const Head heads[] = {
#define HEADS
#include "../golden/yolo.inc"
#undef HEADS
};

static int64_t items(const char *lists) { /* counts the pairs of [[a,b],[c,d]] */
  int64_t n = -1;
  for (; *lists; lists++) n += *lists == '[';
  return n;
}

static void test_heads(void) {
  for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
    const Head *head = &heads[i];
    const Shape input = shape_image(head->h, head->w, items(head->yolo) * (5 + head->classes));
    Net net = net_on_picture(head->picture_h, head->picture_w, input);
    snprintf(net.what, sizeof net.what, "yolo %s -> nms %s", head->yolo, head->nms);
    net_layer(&net, "yolo", head->yolo);
    net_layer(&net, "nms", head->nms);
    const double *got = value_of(&net, 1, &head->input);
    CU_ASSERT_TRUE(close_to(net.what, "boxes", got, head->want, head->most * 6, 1e-8));
    arena_free(net.arena);
  }
}

/* ---- panoptic ---- */
typedef struct Painting {
  int64_t h, w, classes, rows, height, width, things, picture_h, picture_w;
  const char *panoptic;
  const double *scores, *boxes, *masks, *want;
} Painting;

static const Painting paintings[] = {
#define PAINTINGS
#include "../golden/yolo.inc"
#undef PAINTINGS
};

static Net painting_net(const Painting *p) {
  Net net = net_on_picture(p->picture_h, p->picture_w, shape_image(p->h, p->w, p->classes));
  Node *scores = net.last;
  Shape masks = shape_image(p->height, p->width, p->things);
  masks.regions = p->rows;
  net.named[0] = net_input(&net, shape_sequence(p->rows, 6), F32, false);
  net.named[1] = net_input(&net, masks, F32, false);
  net.last = scores;
  net_layer(&net, "panoptic", arena_printf(net.arena, "boxes=$0 masks=$1 %s", p->panoptic));
  return net;
}

static void test_paintings(void) {
  for (size_t i = 0; i < sizeof paintings / sizeof *paintings; i++) {
    const Painting *p = &paintings[i];
    Net net = painting_net(p);
    const double *got = value_of(&net, 3, (const double *const[]){p->scores, p->boxes, p->masks});
    CU_ASSERT_TRUE(close_to("panoptic", p->panoptic, got, p->want, p->h * p->w * 2, 1e-12));
    int64_t painted = 0;
    for (int64_t k = 0; k < p->h * p->w; k++) painted += p->want[2 * k + 1] > 0;
    CU_ASSERT(painted > 0 && painted < p->h * p->w); /* some pixels have an instance, some do not */
    arena_free(net.arena);
  }
}

enum { H = 6, W = 7, CLASSES = 3, ROWS = 9, SIDE = 4, THINGS = 2, ROUNDS = 2000 };

static double draw(uint64_t *state, int n) { /* 0 .. n - 1 */
  *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
  return (double)((*state >> 33) % (uint64_t)n);
}

typedef struct Drawn {
  float scores[H * W * CLASSES], boxes[ROWS * 6], masks[ROWS * SIDE * SIDE * THINGS];
} Drawn;

/* Draws few different numbers and some unusual numbers. Therefore some scores are equal, and some mask values
 * are equal to the threshold 0.5, which float and double represent exactly. */
static Drawn drawn(uint64_t *state, int round) {
  Drawn d;
  for (int i = 0; i < H * W * CLASSES; i++) d.scores[i] = (float)draw(state, 4);
  for (int i = 0; i < ROWS * SIDE * SIDE * THINGS; i++) d.masks[i] = (float)draw(state, 3) / 2;
  for (int i = 0; i < ROWS; i++) {
    float *box = d.boxes + 6 * i;
    for (int c = 0; c < 2; c++) box[c] = (float)draw(state, 2 * W) - 3;
    for (int c = 0; c < 2; c++)
      box[c + 2] = box[c] + (draw(state, 8) > 0 ? (float)(1 << (int)draw(state, 6)) / 2 : 0);
    box[4] = (float)draw(state, 4) / 4;
    box[5] = (float)draw(state, THINGS + 2) - 1;
  }
  static const float odd[] = {NAN, INFINITY, -INFINITY, 1e-45f};
  for (int k = 0; k < round % 4; k++) {
    d.scores[(int)draw(state, H * W * CLASSES)] = odd[(int)draw(state, 4)];
    d.boxes[(int)draw(state, ROWS * 6)] = odd[(int)draw(state, 4)];
    d.masks[(int)draw(state, ROWS * SIDE * SIDE * THINGS)] = odd[(int)draw(state, 4)];
  }
  return d;
}

static double *doubles(Arena *arena, const float *from, int n) {
  double *to = NEW_ARRAY(arena, double, n);
  for (int i = 0; i < n; i++) to[i] = (double)from[i];
  return to;
}

static void test_routine(void) {
  static const Painting p = {H,     W,     CLASSES,         ROWS, SIDE, SIDE, THINGS,
                             2 * H, 2 * W, "threshold=0.5", NULL, NULL, NULL, NULL};
  Net net = painting_net(&p);
  uint64_t state = 1;
  int wrong = 0, painted = 0;
  for (int round = 0; round < ROUNDS; round++) {
    const Drawn d = drawn(&state, round);
    double want[H * W * 2];
    float got[H * W * 2];
    const Eval eval = {.node = net.last,
                       .in = (const double *[]){doubles(net.arena, d.scores, H * W * CLASSES),
                                                doubles(net.arena, d.boxes, ROWS * 6),
                                                doubles(net.arena, d.masks, ROWS * SIDE * SIDE * THINGS)},
                       .out = want};
    net.last->op->eval(&eval);
    cnn_panoptic_routine(d.scores, d.boxes, d.masks, got, H, W, CLASSES, ROWS, SIDE, SIDE, THINGS, .5f, .5f,
                         .5f);
    bool equal = true;
    for (int i = 0; i < H * W * 2; i++) equal = equal && (double)got[i] == want[i];
    wrong += !equal;
    for (int i = 0; i < H * W; i++) painted += got[2 * i + 1] > 0;
  }
  CU_ASSERT_EQUAL(wrong, 0);
  CU_ASSERT(painted > ROUNDS && painted < ROUNDS * H * W);
  arena_free(net.arena);
}

/* ---- the loss ---- */
enum { MOST_HEADS = 2 };

typedef struct HeadLoss {
  int64_t picture_h, picture_w, classes, most, cells[MOST_HEADS][2];
  int heads, head;
  const char *yolo[MOST_HEADS];
  double ignore, count, total;
  const double *label, *box, *input, *gradient;
} HeadLoss;

static const HeadLoss losses_made[] = {
#define LOSSES
#include "../golden/yolo.inc"
#undef LOSSES
};

static const Op *loss_named(const char *name) {
  int i = 0;
  while (strcmp(loss_table[i]->name, name)) i++;
  return loss_table[i];
}

/* A net with the heads as outputs, each with its loss. */
static Net heads_net(const HeadLoss *of) {
  Net net = net_new();
  Training *training = net.graph->training = NEW(net.arena, Training);
  for (int k = 0; k < of->heads; k++) {
    const Shape input = shape_image(of->cells[k][0], of->cells[k][1], items(of->yolo[k]) * (5 + of->classes));
    net_input(&net, input, F32, false);
    Node *head = net_layer(&net, "yolo", of->yolo[k]);
    YoloHead *detail = NEW(net.arena, YoloHead);
    *detail = *(const YoloHead *)head->detail;
    detail->picture_h = of->picture_h;
    detail->picture_w = of->picture_w;
    head->detail = detail;
    const Port port = {"head", head, NO_SPAN, AS_FLOATS};
    vec_push(net.arena, net.graph->outputs, port);
    vec_push(net.arena, training->losses, ((LossUse){.op = loss_named("yolo"), .port = k, .weight = 1}));
  }
  return net;
}

static void check_loss(const HeadLoss *of) {
  Net net = heads_net(of);
  const Node *made = graph_port(net.graph, of->head)->node;
  const LossDetail detail = {.training = net.graph->training, .made = made, .graph = net.graph};
  const Shape shape[] = {shape_vector(1), shape_vector(of->most), shape_sequence(of->most, 4)};
  Node truth[3], *in[4] = {made->in[0]};
  for (int i = 0; i < 3; i++) {
    truth[i] = (Node){.shape = shape[i]};
    in[i + 1] = &truth[i];
  }
  const Const args[] = {{.kind = CONST_FLOAT, .f = of->ignore}, {.kind = CONST_INT, .i = of->most}};
  const Node loss = {.op = loss_named("yolo"), .nin = 4, .in = in, .arg = args, .detail = &detail};
  const int64_t n = shape_elements(in[0]->shape);
  double *label = NEW_ARRAY(net.arena, double, of->most), *box = NEW_ARRAY(net.arena, double, of->most * 4),
         *got = NEW_ARRAY(net.arena, double, n + 1);
  memcpy(label, of->label, (size_t)of->count * sizeof *label);
  memcpy(box, of->box, (size_t)of->count * 4 * sizeof *box);
  const Eval eval = {
      .node = &loss, .in = (const double *[]){of->input, &of->count, label, box}, .out = got, .count = 1};
  loss.op->eval(&eval);
  snprintf(net.what, sizeof net.what, "loss of head %d of %s", of->head, of->yolo[of->head]);
  CU_ASSERT_TRUE(close_to(net.what, "loss", got, &of->total, 1, 1e-7));
  CU_ASSERT_TRUE(close_to(net.what, "gradient", got + 1, of->gradient, n, 1e-7));
  arena_free(net.arena);
}

static void test_loss(void) {
  for (size_t i = 0; i < sizeof losses_made / sizeof *losses_made; i++) check_loss(&losses_made[i]);
}

CU_TestInfo suite_yolo[] = {{"nms after yolo", test_heads},
                            {"the loss", test_loss},
                            {"panoptic", test_paintings},
                            {"panoptic: the runtime function and eval", test_routine},
                            CU_TEST_INFO_NULL};
