// routine.c: Nests that call runtime functions. The nests are proved from the declared buffer uses; they are
// also run and printed. The runtime functions are compared with the operators' eval, which shares no code
// with them.
// SPDX-License-Identifier: Apache-2.0
#define _DEFAULT_SOURCE
#include <CUnit/CUnit.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "nest/build.h"
#include "nest_cases.h"
#include "ops/detection/best_routine.h"
#include "ops/detection/box_routine.h"
#include "ops/detection/match_routine.h"
#include "ops/detection/suppress_routine.h"
#include "ops/detection/nms_routine.h"
#include "ops/detection/nms_rows_routine.h"
#include "ops/detection/proposals_routine.h"
#include "ops/detection/sample_routine.h"
#include "graph/op.h"
#include "ops_net.h"
#include "printed.h"
#include "ops/registry.h"

/* ---- nests ---- */
enum { N = 12 };

static void run_reverse(double *const *buf, const double *number) { /* multiplies number[0] elements by
                                                                       number[1], in reverse order */
  const int n = (int)number[0];
  for (int i = 0; i < n; i++) buf[1][i] = number[1] * buf[0][n - 1 - i];
}

static const Routine reverse = {
    .name = "reverse",
    .text =
        "static void cnn_reverse_routine(const float *restrict in, float *restrict out, int n, float by) {\n"
        "  for (int i = 0; i < n; i++) out[i] = by * in[n - 1 - i];\n"
        "}\n",
    .nbufs = 2,
    .nnumbers = 2,
    .elem = {F32, F32},
    .writes = {false, true},
    .whole = {true, false},
    .run = run_reverse};

static const double numbers[] = {N, 2};

static Nest *between_loops(Arena *arena) { /* the runtime function waits for the loop before it, and the loop
                                              after it waits for the function */
  Nest *b = nest_new(arena, "between", "backwards");
  Buf *in = NEST_BUF(b, INPUT, "in", 3, 4), *out = NEST_BUF(b, OUTPUT, "out", N),
      *first = NEST_BUF(b, WORK, "first", 3, 4), *second = NEST_BUF(b, WORK, "second", N);
  nest_fn(b, "between", false);
  NEST_PARALLEL(b, y, 3)
    NEST_FOR(b, x, 4)
      nest_store(b, nest_at(b, first, y, x), add(nest_load(b, nest_at(b, in, y, x), 1), num(b, 1)));
  nest_routine(b, &reverse, (Buf *[]){first, second}, numbers);
  NEST_PARALLEL(b, i, N) nest_store(b, nest_at(b, out, i), nest_load(b, nest_at(b, second, i), 1));
  return b;
}

static void test_run(void) {
  int lanes;
  const char *attribute = printed_attribute(&lanes);
  Cases *cases = cases_new();
  double *x = cases_numbers(cases->arena, N, 1), *want = NEW_ARRAY(cases->arena, double, N);
  for (int i = 0; i < N; i++) want[i] = 2 * (x[N - 1 - i] + 1);
  cases_check(cases, between_loops(cases->arena), CASE_RUN(x), want, 2e-6);
  cases_compile(cases, attribute, lanes, *attribute != 0, 3);
  const char *text = cases_print(cases, "", "", 1);
  CU_ASSERT_PTR_NOT_NULL(strstr(text, "  reverse_routine(first, second, 12, 2.f);\n"));
  const char *last = strstr(text, "out[i] = second[i]"), *call = strstr(text, "  reverse_routine(first");
  CU_ASSERT_FATAL(last && call);
  const char *wait = strstr(call, "BARRIER()");
  CU_ASSERT(wait && wait < last);
  arena_free(cases->arena);
}

static void refuse(Nest *b, const char *word) {
  Proof proof;
  const bool proved = nest_prove(b, &proof);
  if (proved || !strstr(proof.error, word)) printf("# %s: %s\n", b->name, proved ? "proved" : proof.error);
  CU_ASSERT(!proved && strstr(proof.error, word));
}

static void test_refused(void) {
  Arena *arena = arena_new();
  Nest *b = nest_new(arena, "unset", "");
  Buf *work = NEST_BUF(b, WORK, "work", N), *out = NEST_BUF(b, OUTPUT, "out", N);
  nest_fn(b, "unset", false);
  NEST_FOR(b, i, N - 1) nest_store(b, nest_at(b, work, i), num(b, 1)); /* the last element is not written */
  nest_routine(b, &reverse, (Buf *[]){work, out}, numbers);
  refuse(b, "before they are written");
  Run run = {.mem = (double *[]){NEW_ARRAY(arena, double, N), NEW_ARRAY(arena, double, N)}};
  CU_ASSERT(!nest_run(b, &run));

  b = nest_new(arena, "input", "");
  Buf *in = NEST_BUF(b, INPUT, "in", N), *other = NEST_BUF(b, INPUT, "other", N);
  nest_fn(b, "input", false);
  nest_routine(b, &reverse, (Buf *[]){in, other}, numbers);
  refuse(b, "store to an input");

  b = nest_new(arena, "meet", "");
  in = NEST_BUF(b, INPUT, "in", N);
  out = NEST_BUF(b, OUTPUT, "out", N);
  nest_fn(b, "meet", false);
  NEST_PARALLEL(b, i, 2) nest_routine(b, &reverse, (Buf *[]){in, out}, numbers);
  refuse(b, "parallel iterations");
  run = (Run){.mem = (double *[]){NEW_ARRAY(arena, double, N), NEW_ARRAY(arena, double, N)}};
  CU_ASSERT(!nest_run(b, &run));

  b = nest_new(arena, "over", "");
  out = NEST_BUF(b, OVER, "out", N);
  work = NEST_BUF(b, WORK, "work", N);
  nest_fn(b, "over", false);
  NEST_FOR(b, i, N) nest_store(b, nest_at(b, out, i), num(b, 1));
  nest_routine(b, &reverse, (Buf *[]){out, work}, numbers); /* the operand is overwritten */
  refuse(b, "may have been overwritten");
  arena_free(arena);
}

static void misuse_twice(Nest *b) {
  Buf *a = NEST_BUF(b, UPDATE, "a", N);
  nest_routine(b, &reverse, (Buf *[]){a, a}, numbers);
}
static void misuse_bytes(Nest *b) {
  Buf *a = NEST_BUF_OF(b, INPUT, "a", U8, N), *c = NEST_BUF(b, OUTPUT, "c", N);
  nest_routine(b, &reverse, (Buf *[]){a, c}, numbers);
}
static void misuse_gaps(Nest *b) {
  Buf *a = NEST_BUF(b, INPUT, "a", 3, 4), *c = NEST_BUF(b, OUTPUT, "c", N);
  a->room[1] = 5;
  nest_routine(b, &reverse, (Buf *[]){a, c}, numbers);
}
static void misuse_register(Nest *b) {
  Buf *a = NEST_REGISTERS(b, "a", 1, N), *c = NEST_BUF(b, OUTPUT, "c", N);
  nest_routine(b, &reverse, (Buf *[]){a, c}, numbers);
}
static void misuse_images(Nest *b) {
  Buf *a = NEST_BUF(b, INPUT, "a", N), *c = NEST_BUF(b, OUTPUT, "c", N);
  nest_routine(b, &reverse, (Buf *[]){a, c}, numbers);
  nest_widen(b, 4, (const bool[]){true, true});
}

static int status_of(void (*misuse)(Nest *)) { /* exit status of a process that misuses the builder */
  fflush(stdout);
  const pid_t child = fork();
  if (child == 0) {
    if (!freopen("/dev/null", "w", stderr)) _exit(9);
    Nest *b = nest_new(arena_new(), "misuse", "");
    nest_fn(b, "misuse", false);
    misuse(b);
    _exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void test_misuse(void) {
  static void (*const misuse[])(Nest *) = {misuse_twice, misuse_bytes, misuse_gaps, misuse_register,
                                           misuse_images};
  for (size_t i = 0; i < sizeof misuse / sizeof *misuse; i++) CU_ASSERT_EQUAL(status_of(misuse[i]), 3);
}

/* ---- nms ---- */
enum { ROWS = 120, CLASSES = 3, MOST = 6, ROUNDS = 2000 }; /* nms reads 120 * 3 scores in several batches */

static bool same(double a, double b) { return a == b || (isnan(a) && isnan(b)); }

typedef struct Drawn {
  float boxes[ROWS * CLASSES * 4], scores[ROWS * CLASSES];
} Drawn;

static double draw(uint64_t *state, int n) { /* 0 .. n - 1 */
  *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
  return (double)((*state >> 33) % (uint64_t)n);
}

/* Draws few different numbers and some unusual numbers. Therefore some boxes coincide, some scores are equal,
 * and some overlaps are exactly at the threshold. In every third round there are only four different boxes,
 * so that only a few of very many boxes remain. */
static Drawn drawn(uint64_t *state, int round) {
  Drawn d;
  const int places = round % 3 ? 7 : 1, sides = round % 3 ? 5 : 2, steps = round % 5 ? round % 9 + 1 : 1024;
  for (int i = 0; i < ROWS * CLASSES; i++)
    for (int c = 0; c < 4; c++)
      d.boxes[4 * i + c] = (float)(c < 2 ? draw(state, places) : d.boxes[4 * i + c - 2] + draw(state, sides));
  for (int i = 0; i < ROWS * CLASSES; i++)
    d.scores[i] = (float)(draw(state, steps) / (steps > 9 ? 512 : 8) - .25);
  static const float odd[] = {NAN, INFINITY, -INFINITY, 3e38f, -3e38f, 1e-45f};
  for (int k = 0; k < round % 4; k++) {
    d.boxes[(int)draw(state, ROWS * CLASSES * 4)] = odd[(int)draw(state, 6)];
    d.scores[(int)draw(state, ROWS * CLASSES)] = odd[(int)draw(state, 6)];
  }
  return d;
}

static void nms_both(const Drawn *d, Net *net, int each, double *want, float *got) {
  double boxes[ROWS * CLASSES * 4], scores[ROWS * CLASSES];
  float heap[2 * ROWS * CLASSES], kept[5 * MOST];
  for (int i = 0; i < ROWS * CLASSES * 4; i++) boxes[i] = (double)d->boxes[i];
  for (int i = 0; i < ROWS * CLASSES; i++) scores[i] = (double)d->scores[i];
  op_find("nms")->eval(&(Eval){.node = net->last, .in = (const double *[]){boxes, scores}, .out = want});
  cnn_nms_routine(d->boxes, d->scores, heap, kept, got, ROWS, CLASSES, MOST, each, .5f, .25f);
}

static Net nms_net(int each) { /* each: boxes per row, 1 or CLASSES */
  Net net = net_new();
  Node *boxes = net_input(&net, shape_sequence(ROWS, 4 * each), F32, false),
       *scores = net_input(&net, shape_sequence(ROWS, CLASSES), F32, false);
  net.named[0] = scores;
  net.last = boxes;
  net.last = net_layer(&net, "nms", "scores=$0 iou=0.5 score=0.25 max=6");
  return net;
}

/* Numbers of rounds whose result differs from eval, fills all rows, or leaves some rows unused. */
typedef struct Tally {
  int wrong, full, missing;
} Tally;

static void tally_add(Tally *tally, const double *want, const float *got) {
  bool equal = true;
  for (int i = 0; i < MOST * 6; i++) equal = equal && same((double)got[i], want[i]);
  tally->wrong += !equal;
  tally->full += got[6 * MOST - 1] >= 0;
  tally->missing += got[6 * MOST - 1] < 0;
}

static void tally_check(const Tally *tally) {
  CU_ASSERT_EQUAL(tally->wrong, 0);
  CU_ASSERT(tally->full > 0 && tally->missing > 0); /* some rounds filled all rows, some did not */
}

static void nms_rounds(int each) {
  Net net = nms_net(each);
  uint64_t state = 1;
  Tally tally = {0};
  for (int round = 0; round < ROUNDS; round++) {
    const Drawn d = drawn(&state, round);
    double want[MOST * 6];
    float got[MOST * 6];
    nms_both(&d, &net, each, want, got);
    tally_add(&tally, want, got);
  }
  tally_check(&tally);
  arena_free(net.arena);
}

static void test_nms(void) {
  nms_rounds(1);
  nms_rounds(CLASSES);
}

/* Runs nms in eval and in the runtime function on rows in the form of yolo's results, made from the drawn
 * numbers. With `shares`, no class score is above 1. */
static void nms_rows_round(const Drawn *d, const Net *net, int shares, double *want, float *got) {
  enum { COLUMNS = 5 + CLASSES };
  double rows[ROWS * COLUMNS];
  float in[ROWS * COLUMNS], heap[2 * ROWS * CLASSES], kept[5 * MOST];
  for (int i = 0; i < ROWS; i++) {
    for (int c = 0; c < 4; c++) in[COLUMNS * i + c] = d->boxes[4 * i + c] + (c < 2 ? 4 : 0);
    in[COLUMNS * i + 4] = d->scores[CLASSES * i] + (shares ? .25f : 2);
    for (int c = 0; c < CLASSES; c++)
      in[COLUMNS * i + 5 + c] = shares ? fminf(fabsf(d->boxes[4 * i + c]) / 4, 1) : d->boxes[4 * i + c] - 2;
  }
  for (int i = 0; i < ROWS * COLUMNS; i++) rows[i] = (double)in[i];
  op_find("nms")->eval(&(Eval){.node = net->last, .in = (const double *[]){rows}, .out = want});
  cnn_nms_rows_routine(in, heap, kept, got, ROWS, CLASSES, MOST, shares, .5f, .25f);
}

static void test_nms_of_rows(void) {
  Net net = net_new();
  net.last = net_input(&net, shape_sequence(ROWS, 5 + CLASSES), F32, false);
  net.last = net_layer(&net, "nms", "iou=0.5 score=0.25 max=6");
  uint64_t state = 1;
  Tally tally = {0};
  for (int round = 0; round < ROUNDS; round++) {
    /* without unusual numbers, whose products overflow in float but not in double */
    const Drawn d = drawn(&state, 4 * round);
    double want[MOST * 6];
    float got[MOST * 6];
    nms_rows_round(&d, &net, round % 2, want, got);
    tally_add(&tally, want, got);
  }
  tally_check(&tally);
  arena_free(net.arena);
}

static void test_nms_by_hand(void) {
  Net net = nms_net(1);
  Drawn d = {{0}, {0}};
  static const float boxes[][4] = {{0, 0, 10, 10}, {0, 0, 10, 9}, {20, 20, 30, 30}, {0, 0, 10, 5}},
                     scores[][CLASSES] = {{.75f, 0, .5f}, {.875f, .25f, 0}, {.5f, 0, .125f}, {.25f, 0, .5f}};
  /* In class 0, row 1 suppresses rows 0 (IoU 0.9) and 3 (IoU 5/9). In class 2, the IoU of rows 0 and 3 is
   * exactly the threshold 0.5, so both stay. */
  static const float want[][6] = {{0, 0, 10, 9, .875f, 0}, {0, 0, 10, 10, .5f, 2}, {20, 20, 30, 30, .5f, 0},
                                  {0, 0, 10, 5, .5f, 2},   {0, 0, 10, 9, .25f, 1}, {0, 0, 0, 0, 0, -1}};
  memcpy(d.boxes, boxes, sizeof boxes);
  memcpy(d.scores, scores, sizeof scores);
  double eval[MOST * 6];
  float got[MOST * 6];
  nms_both(&d, &net, 1, eval, got);
  for (int i = 0; i < 36; i++)
    CU_ASSERT(same((double)got[i], (double)want[i / 6][i % 6]) && same(eval[i], (double)got[i]));
  arena_free(net.arena);
}

/* ---- proposals ---- */
enum { SIDE = 3, ANCHORS = 2, CANDIDATES = SIDE * SIDE * ANCHORS, BEFORE = 14, REGIONS = 9 };
static const float anchor_side[ANCHORS][2] = {{1, 1}, {2, 1.5f}};

/* The deltas are multiples of 1/4, so that boxes are exact and many coincide. */
typedef struct Field {
  float deltas[CANDIDATES * 4], scores[CANDIDATES], boxes[CANDIDATES * 4];
} Field;

static float cut_to_field(float x) {
  const float side = (float)SIDE;
  return x < 0 ? 0 : x > side ? side : x;
}

static Field drawn_field(uint64_t *state, int round) {
  Field f = {{0}, {0}, {0}};
  for (int i = 0; i < CANDIDATES; i++) {
    f.scores[i] = (float)(draw(state, round % 9 + 1) - 3);
    for (int c = 0; c < 2; c++) f.deltas[4 * i + c] = (float)((draw(state, 9) - 4) / 4);
  }
  static const float odd[] = {NAN, INFINITY, -INFINITY, -0.f};
  for (int k = 0; k < round % 4; k++) {
    f.scores[(int)draw(state, CANDIDATES)] = odd[(int)draw(state, 4)];
    f.deltas[4 * (int)draw(state, CANDIDATES) + (int)draw(state, 2)] = odd[(int)draw(state, 3)];
  }
  for (int i = 0; i < CANDIDATES; i++)
    for (int c = 0; c < 2; c++) {
      const int cell = i / ANCHORS, at = c == 0 ? cell % SIDE : cell / SIDE;
      const float side = anchor_side[i % ANCHORS][c], center = (float)at + .5f + f.deltas[4 * i + c] * side;
      f.boxes[4 * i + c] = cut_to_field(center - side / 2);
      f.boxes[4 * i + c + 2] = cut_to_field(center + side / 2);
    }
  return f;
}

static Net proposals_net(void) {
  Net net = net_new();
  net.named[0] = net_input(&net, shape_image(SIDE, SIDE, 4 * ANCHORS), F32, false);
  net_input(&net, shape_image(SIDE, SIDE, ANCHORS), F32, false);
  net_layer(&net, "proposals", "deltas=$0 anchors=[[1,1],[2,1.5]] stride=1 before=14 max=9 iou=0.5");
  return net;
}

static void test_proposals(void) {
  Net net = proposals_net();
  uint64_t state = 1;
  int wrong = 0, full = 0, missing = 0;
  CU_ASSERT_TRUE_FATAL(net.good);
  for (int round = 0; round < ROUNDS; round++) {
    const Field f = drawn_field(&state, round);
    double scores[CANDIDATES], deltas[CANDIDATES * 4], want[REGIONS * 4];
    float best[CANDIDATES], kept[REGIONS * 4], got[REGIONS * 4];
    for (int i = 0; i < CANDIDATES; i++) scores[i] = (double)f.scores[i];
    for (int i = 0; i < CANDIDATES * 4; i++) deltas[i] = (double)f.deltas[i];
    op_find("proposals")
        ->eval(&(Eval){.node = net.last, .in = (const double *[]){scores, deltas}, .out = want});
    cnn_proposals_routine(f.boxes, f.scores, best, kept, got, CANDIDATES, BEFORE, REGIONS, .5f);
    bool equal = true;
    for (int i = 0; i < REGIONS * 4; i++) equal = equal && same((double)got[i], want[i]);
    wrong += !equal;
    full += got[4 * REGIONS - 1] > 0;
    missing += got[4 * REGIONS - 1] == 0;
  }
  CU_ASSERT_EQUAL(wrong, 0);
  CU_ASSERT(full > 0 && missing > 0); /* some rounds filled all rows, some did not */
  arena_free(net.arena);
}

/* Three of the six regions have an IoU of at least 1/2 with a ground-truth box, and one region is empty. */
static void test_sample(void) {
  static const float regions[][4] = {{0, 0, 4, 4},     {0, 0, 8, 8},     {20, 20, 30, 30},
                                     {10, 10, 20, 15}, {10, 10, 20, 20}, {5, 5, 5, 9}},
                     draws[] = {.5f, .1f, .9f, .4f, .3f, .99f},
                     truth[][4] = {{0, 0, 8, 8}, {1, 1, 1, 1}, {10, 10, 20, 20}, {50, 50, 60, 60}};
  static const int32_t count = 3, label[] = {2, -1, 0, 1};
  static const struct {
    /* in `row`: -1: unused; 0 to 5: a region; from 10 on: 10 + number of a ground-truth box */
    int sample, positives, row[8];
  } cases[] = {/* two positive rows, which are the ground-truth boxes: no positive region */
               {8, 2, {10, 12, 2, 0, -1, -1, -1, -1}},
               /* the ground-truth boxes and two positive regions, in the order of their draws */
               {8, 4, {10, 12, 3, 4, 2, 0, -1, -1}},
               /* the next cases: one positive region; fewer rows; a single row; no positive rows requested */
               {8, 3, {10, 12, 3, 2, 0, -1, -1, -1}},
               {3, 3, {10, 12, 3}},
               {1, 1, {10}},
               {8, 0, {10, 12, 2, 0, -1, -1, -1, -1}}};
  for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
    float kind[6], rows_of[6], out[8 * 4];
    cnn_sample_routine(*regions, draws, &count, label, *truth, kind, rows_of, out, 6, 4, cases[k].sample,
                       cases[k].positives);
    for (int i = 0; i < cases[k].sample; i++) {
      static const float none[4];
      const int row = cases[k].row[i];
      const float *want = row < 0 ? none : row >= 10 ? truth[row - 10] : regions[row];
      CU_ASSERT(!memcmp(out + 4 * i, want, sizeof none));
    }
  }
}

CU_TestInfo suite_routine[] = {{"between loops: interpreter, compiled C", test_run},
                               {"rejected: accesses outside of the declared buffers", test_refused},
                               {"misuse of the builder ends with status 3", test_misuse},
                               {"nms: a case computed by hand", test_nms_by_hand},
                               {"nms: the runtime function and eval", test_nms},
                               {"nms: the runtime function for rows, and eval", test_nms_of_rows},
                               {"proposals: the runtime function and eval", test_proposals},
                               {"proposals: a sample computed by hand", test_sample},
                               CU_TEST_INFO_NULL};
