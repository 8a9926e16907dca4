// winograd.c: Tests of Winograd convolutions. The matrices are compared with their definition, the estimates
// of rounding errors with the errors of random tiles, and nests in the interpreter with eval.
// SPDX-License-Identifier: Apache-2.0
#include "all.h"
#include "schedule/float/winograd.h"
#include "schedule/schedule.h"
#include <CUnit/CUnit.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "machine.h"
#include "runtime_place.h"
#include "sample.h"

/* ---- the matrices ---- */
/* The correlation of unit vectors: the sum over j of A^T[i][j] * G[j][k] * B^T[j][l] is 1 where
 * l = stride * i + k, else 0. */
static void check_correlation(Winograd w) {
  CU_ASSERT_EQUAL(w.n, (w.m - 1) * w.stride + w.r);
  for (int i = 0; i < w.m; i++)
    for (int k = 0; k < w.r; k++)
      for (int l = 0; l < w.n; l++) {
        double sum = 0;
        for (int j = 0; j < w.n; j++) sum += w.output[i][j] * w.scale[j] * w.weight[j][k] * w.input[j][l];
        CU_ASSERT_DOUBLE_EQUAL(sum, l == w.stride * i + k, 1e-14);
      }
}

static void check_matrices(int m, int r) { check_correlation(winograd_of(m, r)); }

static void test_matrices(void) {
  check_matrices(4, 3);
  check_matrices(2, 3);
  check_matrices(3, 2);
  check_matrices(6, 3);
  check_matrices(3, 3);
  check_matrices(2, 5);
  check_matrices(4, 5);
  check_matrices(2, 7);
  check_matrices(4, 7);
  check_matrices(1, 1);
  for (int m = 2; m <= 4; m++) check_correlation(winograd_of_stride_two(m));
  const Winograd w = winograd_of(4, 3);
  static const double first[6] = {4, 0, -5, 0, 1, 0}, second[6] = {0, -4, -4, 1, 1, 0};
  for (int k = 0; k < 6; k++) CU_ASSERT_TRUE(w.input[0][k] == first[k] && w.input[1][k] == second[k]);
  CU_ASSERT_EQUAL(w.scale[0] * w.weight[0][0], 0.25);
}

/* ---- rounding ---- */
enum { N = WINOGRAD_TILE };

static double draw(uint64_t *state) { /* nearly normally distributed */
  double sum = -6;
  for (int i = 0; i < 12; i++) {
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    sum += (double)(*state >> 40) * 0x1p-24;
  }
  return sum;
}

typedef struct Matrix {
  const double (*at)[N];
  int rows, columns;
} Matrix;

/* z = y * x * a^T in floats: y transforms the first axis, a the second. */
static void transform(Matrix y, Matrix a, float x[N][N], float z[N][N]) {
  float half[N][N];
  for (int i = 0; i < y.rows; i++)
    for (int j = 0; j < a.columns; j++) {
      half[i][j] = 0;
      for (int k = 0; k < y.columns; k++) half[i][j] = fmaf((float)y.at[i][k], x[k][j], half[i][j]);
    }
  for (int i = 0; i < y.rows; i++)
    for (int j = 0; j < a.rows; j++) {
      z[i][j] = 0;
      for (int k = 0; k < a.columns; k++) z[i][j] = fmaf((float)a.at[j][k], half[i][k], z[i][j]);
    }
}

static Matrix input_of(const Winograd *w) { return (Matrix){w->input, w->n, w->n}; }
static Matrix weight_of(const Winograd *w) { return (Matrix){w->weight, w->n, w->r}; }
static Matrix output_of(const Winograd *w) { return (Matrix){w->output, w->m, w->n}; }

/* Draws one channel of a tile, and adds it to the tile's products and to the exact outputs. */
static void add_channel(const Winograd w[2], uint64_t *state, float products[N][N], double exact[N][N]) {
  const Winograd *y = &w[0], *x = &w[1];
  float in[N][N], g[N][N], input[N][N], weight[N][N];
  for (int i = 0; i < y->n; i++)
    for (int j = 0; j < x->n; j++) in[i][j] = (float)draw(state);
  for (int i = 0; i < y->r; i++)
    for (int j = 0; j < x->r; j++) g[i][j] = (float)draw(state);
  for (int i = 0; i < y->m; i++)
    for (int j = 0; j < x->m; j++)
      for (int ky = 0; ky < y->r; ky++)
        for (int kx = 0; kx < x->r; kx++)
          exact[i][j] += (double)in[y->stride * i + ky][x->stride * j + kx] * (double)g[ky][kx];
  transform(input_of(y), input_of(x), in, input);
  transform(weight_of(y), weight_of(x), g, weight);
  for (int i = 0; i < y->n; i++)
    for (int j = 0; j < x->n; j++)
      products[i][j] = fmaf(input[i][j], (float)(y->scale[i] * x->scale[j]) * weight[i][j], products[i][j]);
}

static void check_error_of(const Winograd w[2], int channels) {
  const WinogradError stated = winograd_error(w, channels);
  uint64_t state = 7;
  double error = 0, largest = 0;
  for (int tile = 0; tile < 100; tile++) {
    float products[N][N] = {{0}}, got[N][N];
    double exact[N][N] = {{0}};
    for (int c = 0; c < channels; c++) add_channel(w, &state, products, exact);
    transform(output_of(&w[0]), output_of(&w[1]), products, got);
    for (int i = 0; i < w[0].m; i++)
      for (int j = 0; j < w[1].m; j++) {
        error = fmax(error, fabs((double)got[i][j] - exact[i][j]));
        largest = fmax(largest, fabs(exact[i][j]));
      }
  }
  const bool good = error <= stated.typical * largest && error > stated.typical * largest / 8 &&
                    stated.typical < stated.worst;
  if (!good)
    printf("    F(%dx%d,%dx%d), stride %d, %d channels: %g, stated %g\n", w[0].m, w[1].m, w[0].r, w[1].r,
           w[1].stride, channels, error / largest, stated.typical);
  CU_ASSERT_TRUE(good);
}

/* row: the algorithm is used along one axis, and F(1,1) along the other. */
static void check_error(int m, int r, bool row, int channels) {
  check_error_of((Winograd[]){row ? winograd_of(1, 1) : winograd_of(m, r), winograd_of(m, r)}, channels);
}

static void check_error_of_stride(int m, int channels) {
  check_error_of((Winograd[]){winograd_of_stride_two(m), winograd_of_stride_two(m)}, channels);
}

static void test_error(void) { /* the estimate is neither too large nor too small */
  for (int channels = 16; channels <= 512; channels *= try_all() ? 2 : 4) {
    check_error(4, 3, false, channels);
    check_error(2, 3, false, channels);
    check_error(2, 5, false, channels);
    check_error(3, 2, false, channels);
    check_error(3, 3, false, channels);
    check_error(6, 3, false, channels);
    check_error(6, 3, true, channels);
    check_error(4, 3, true, channels);
    check_error(4, 5, true, channels);
    check_error(2, 7, true, channels);
    check_error(4, 7, true, channels);
    for (int m = 2; m <= 4; m++) check_error_of_stride(m, channels);
  }
}

/* ---- nests ---- */
static bool read_program(Sample *sample, Arena *arena, const char *layers) {
  const char *path = in_directory("net.cnn");
  FILE *f = fopen(path, "w");
  if (!f) return false;
  const char *colon = strchr(layers, ':');
  fprintf(f, "net n {\n  input x: %.*s\n  %s\n}\n", (int)(colon - layers), layers, colon + 2);
  fclose(f);
  if (!sample_read(sample, arena, path, 0, false)) return false;
  sample_draw(sample, 1, 5);
  return true;
}

/* Whether a kernel uses this algorithm; NULL: whether no kernel uses Winograd. */
static bool chosen(Arena *arena, const Plan *plan, int lanes, bool exact, int64_t net_bytes,
                   const char *algorithm) {
  bool any = false, wanted = false;
  for (int k = 0; k < plan->kernels.n; k++) {
    const LowerOptions options = {.layout_lanes = lanes, .exact = exact, .weight_bytes = net_bytes};
    const Lower *l = schedule_kernel(arena, plan->kernels.data[k], target_find("x86-64"), &options);
    any = any || strstr(l->b->about, "Winograd");
    wanted = wanted || (algorithm && strstr(l->b->about, algorithm));
  }
  return algorithm ? wanted : !any;
}

static bool close_to(const double *got, const double *want, int64_t n, double *worst) {
  double scale = 0;
  *worst = 0;
  for (int64_t i = 0; i < n; i++) scale = fmax(scale, fabs(want[i]));
  for (int64_t i = 0; i < n; i++) *worst = fmax(*worst, isnan(got[i]) ? INFINITY : fabs(got[i] - want[i]));
  return *worst <= 1e-11 * scale;
}

static void check_target(Sample *sample, Plan *plan, const double *want, const char *layers,
                         const Target *target, int layout_lanes, bool threads, int64_t net_bytes) {
  Machine m = {.arena = sample->arena,
               .plan = plan,
               .images = 1,
               .batch = 1,
               .layout_lanes = layout_lanes,
               .threads = threads,
               .weight_bytes = net_bytes,
               .weights = sample->weights_double,
               .input = sample->input_double};
  double worst = INFINITY;
  const bool ran = machine_run(&m, target, false);
  const bool good = ran && close_to(m.output[0], want, shape_elements(plan->output[0]->shape), &worst);
  if (!good)
    printf("    %s: %s, layout of %d%s: ", layers, target->name, layout_lanes, threads ? ", threads" : "");
  if (!good && ran) printf("differs by %g\n", worst);
  if (!ran) printf("%s\n", m.error);
  CU_ASSERT_TRUE(good);
}

/* Checks layers such as "14x14x16: conv(...)" and their algorithm (NULL: direct). wide: only for targets with
 * 16 lanes. net_bytes: size of the weights, as if the layers were in a larger net. */
static void check_in_net(const char *layers, const char *algorithm, bool wide, int64_t net_bytes) {
  Arena *arena = arena_new();
  Sample sample;
  const bool read = read_program(&sample, arena, layers);
  CU_ASSERT_TRUE(read);
  if (!read) {
    arena_free(arena);
    return;
  }
  Plan *plan = plan_inference(arena, sample.graph, false, 1, 0);
  const GraphRun run = sample_infer(&sample);
  const double *want = run.value[sample.graph->outputs.data[0].node->id];
  const bool right =
      chosen(arena, plan, 16, false, net_bytes, algorithm) && chosen(arena, plan, 16, true, net_bytes, NULL);
  if (!right) printf("    %s: not %s\n", layers, algorithm ? algorithm : "direct");
  CU_ASSERT_TRUE(right);
  static int way;
  for (const Target *target = target_table; target->name; target++) {
    if (machine_seen(target, sample.graph) || (wide && target->lanes < 16) || !try_turn(way++, 2)) continue;
    check_target(&sample, plan, want, layers, target, 16, false, net_bytes);
    if (target->lanes < 16) check_target(&sample, plan, want, layers, target, target->lanes, true, net_bytes);
    else check_target(&sample, plan, want, layers, target, 16, true, net_bytes);
  }
  arena_free(arena);
}

static void check(const char *layers, const char *algorithm, bool wide) {
  check_in_net(layers, algorithm, wide, 0);
}

/* Checks each pair of input and output channel counts with three sizes. One size is checked for half of the
 * targets, the other two only for half of the targets with 16 lanes. With $NETCHECK_ALL, all sizes are
 * checked for all targets. */
static void sweep(int kernel, const char *algorithm) {
  static const char *const pads[] = {"same", "0", "[2, 0, 1, 3]"};
  static const int64_t sizes[][2] = {{13, 16}, {16, 14}, {17, 19}},
                       channels[][2] = {{16, 16}, {29, 5}, {35, 33}, {20, 40}, {16, 1}};
  Arena *arena = arena_new();
  int n = 0;
  for (int c = 0; c < 5; c++)
    for (int s = 0; s < 3; s++, n++)
      check(arena_printf(arena, "%dx%dx%d: conv(%d, %dx%d, pad=%s) -> relu", (int)sizes[s][0],
                         (int)sizes[s][1], (int)channels[c][0], (int)channels[c][1], kernel, kernel,
                         pads[n % 3]),
            algorithm, s != c % 3 && !try_all());
  arena_free(arena);
}

static void test_f4(void) {
  make_directory();
  sweep(3, "F(4x4,3x3)");
  remove_directory();
}
static void test_f2_5x5(void) {
  make_directory();
  sweep(5, "F(2x2,5x5)");
  remove_directory();
}

static void test_f2(void) { /* few tiles, and weights that do not stay in the cache */
  make_directory();
  check_in_net("6x5x64: conv(64, 3x3, pad=1)", "F(2x2,3x3)", false, 4 << 20);
  check_in_net("6x6x64: conv(63, 3x3, pad=same, bias=false)", "F(2x2,3x3)", false, 4 << 20);
  check_in_net("7x7x168: conv(180, 3x3, pad=same)", "F(2x2,3x3)", true, 64 << 20);
  remove_directory();
}

static void test_rows(void) { /* kernels with one row or one column, and sequences */
  make_directory();
  check("13x17x35: conv(33, 1x7, pad=same) -> relu", "F(1x4,1x7)", false);
  check("17x13x32: conv(32, 7x1, pad=[2, 5, 0, 0])", "F(4x1,7x1)", false);
  check("12x12x32: conv(20, 1x5) -> batchnorm", "F(1x4,1x5)", false);
  check("61x20: conv(40, 7, pad=causal)", "F(1x4,1x7)", false);
  check("600x64: conv(64, 3, pad=same)", "blocks of", true);
  remove_directory();
}

static void test_phases(void) { /* phases of transposed convolutions */
  make_directory();
  check("8x8x32: conv_transpose(32, 4x4, stride=2, pad=1) -> relu", "4 phases, each Winograd F(3x3,2x2)",
        false);
  check("11x8x24: conv_transpose(48, 4x2, stride=2x1)", "2 phases, each Winograd", true);
  check("9x10x32: conv_transpose(30, 4x4, stride=2, pad=1)", NULL, true);
  check("9x10x32: conv_transpose(32, 3x3, stride=2, pad=1)", NULL, true);
  remove_directory();
}

static void test_dilated(void) { /* few and many phases; phases of one or several tiles; all kinds of edges */
  make_directory();
  check("23x16x16: conv(16, 3x3, pad=same, dilation=2) -> relu", "4 phases, each Winograd F(4x4,3x3)", false);
  check("18x15x35: conv(33, 3x3, pad=same, dilation=3)", "9 phases, each Winograd F(6x6,3x3)", false);
  check("31x32x20: conv(40, 3x3, pad=6, dilation=6) -> relu", "36 phases, each Winograd F(6x6,3x3)", false);
  check("17x18x32: conv(29, 3x3, pad=same, dilation=6)", "36 phases, each Winograd F(3x3,3x3)", false);
  check("33x36x16: conv(16, 3x3, dilation=2x5, pad=[2, 0, 9, 3])", "10 phases, each Winograd", true);
  check("40x31x24: conv(20, 3x3, dilation=4)", "16 phases, each Winograd", true);
  check("21x25x32: conv(32, 1x7, pad=same, dilation=2)", "2 phases, each Winograd F(1x4,1x7)", true);
  check("27x24x16: conv(16, 5x5, pad=same, dilation=2)", "4 phases, each Winograd F(2x2,5x5)", true);
  check("300x64: conv(64, 3, pad=causal, dilation=8)", "8 phases, each Winograd F(1x6,1x3)", true);
  check("80x400x16: conv(16, 3x3, pad=same, dilation=2)", "4 phases, each Winograd F(4x4,3x3)", true);
  check("9x9x33: conv(33, 3x3, pad=same, dilation=3) -> add(in)", "9 phases, each Winograd F(3x3,3x3)", true);
  check("20x22x32: conv_transpose(32, 3x3, dilation=4)", "16 phases, each Winograd", true);
  remove_directory();
}

static void test_strides(void) { /* stride 2 */
  make_directory();
  check("33x32x64: conv(96, 3x3, stride=2, pad=1) -> relu", "F(4x4,3x3) with stride 2", false);
  check("40x39x20: conv(50, 3x3, stride=2, pad=[1, 0, 2, 1], bias=false) -> batchnorm", "with stride 2",
        true);
  check("44x44x96: conv(96, 3x3, stride=2, pad=1)", "F(2x2,3x3) with stride 2", true);
  remove_directory();
}

static void test_fused(void) {
  make_directory();
  check("14x15x18: conv(18, 3x3, pad=same, bias=false) -> batchnorm -> add(in) -> relu", "F(4x4,3x3)", false);
  check("14x15x18: normalize(mean=0.4, std=0.2) -> conv(20, 3x3) -> batchnorm -> prelu", "F(4x4,3x3)", false);
  check("14x14x17: conv(16, 3x3, pad=same) -> sigmoid -> conv(16, 5x5, pad=2) -> tanh", "F(2x2,5x5)", false);
  remove_directory();
}

static void
test_blocks(void) { /* several blocks, the last of which is smaller; rows or channels in parallel */
  make_directory();
  /* the block size that suits the cache of the x86-64 targets */
  check("44x200x16: conv(16, 3x3, pad=same)", "blocks of 50 tiles", true);
  check("52x400x16: conv(17, 3x3, pad=same) -> relu", "F(4x4,3x3)", true);
  check("14x14x16: conv(300, 3x3, pad=same)", "F(4x4,3x3)", true);
  remove_directory();
}

static void test_direct(void) { /* layers that are computed directly */
  make_directory();
  check("14x14x2: conv(16, 3x3, pad=same)", NULL, true);
  check("14x14x16: conv(16, 3x3, stride=2, pad=1)", NULL, true);
  check("14x14x16: conv(16, 3x3, stride=3, pad=1)", NULL, true);
  check("40x40x32: conv(32, 5x5, stride=2, pad=2)", NULL, true);
  check("14x14x16: conv(16, 3x3, dilation=9, pad=same)", NULL, true);
  check("14x14x32: conv(16, 3x3, dilation=2, pad=same) -> maxpool(2)", NULL, true);
  check("14x14x32: conv(32, 3x3, groups=2, pad=same)", NULL, true);
  check("14x14x16: conv(16, 1x4, pad=same) -> conv(16, 1x1)", NULL, true);
  check("14x14x16: conv(16, 2x3, pad=same)", NULL, true);
  check("30x16: conv(16, 3, stride=2)", NULL, true);
  remove_directory();
}

CU_TestInfo suite_winograd[] = {
    {"matrices", test_matrices},
    {"the estimated rounding error", test_error},
    {"F(4x4,3x3): sizes, channels, padding", test_f4},
    {"F(2x2,5x5): sizes, channels, padding", test_f2_5x5},
    {"F(2x2,3x3)", test_f2},
    {"one-dimensional windows", test_rows},
    {"phases", test_phases},
    {"dilation", test_dilated},
    {"stride 2", test_strides},
    {"fused and folded", test_fused},
    {"blocks", test_blocks},
    {"layers that stay direct", test_direct},
    CU_TEST_INFO_NULL,
};
