/* runtime_augment.c: Augmentation: random draws, source positions of pixels, values, masks, mixed samples. */
// SPDX-License-Identifier: Apache-2.0
#include <CUnit/CUnit.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cnn_core.h"

static void moves_go_where_they_should(void) {
  enum { H = 4, W = 5 };
  uint8_t in[H][W][3], out[H][W][3];
  for (int i = 0; i < H * W * 3; i++) (&in[0][0][0])[i] = (uint8_t)(i + 1);
  bool right = true;
  for (int trial = 0; trial < 4 * 11 * 13; trial++) {
    cnn_move move = {
        .down = trial / 4 % 11 - 5, .right = trial / 44 - 6, .mirror = trial & 1, .upend = trial >> 1 & 1};
    cnn_move_picture(&move, in, out, H, W, 3, 7);
    for (int y = 0; y < H; y++) {
      for (int x = 0; x < W; x++) {
        int fy = y - move.down, fx = x - move.right;
        bool inside = fy >= 0 && fy < H && fx >= 0 && fx < W;
        if (move.upend) fy = H - 1 - fy;
        if (move.mirror) fx = W - 1 - fx;
        for (int c = 0; c < 3; c++) right = right && out[y][x][c] == (inside ? in[fy][fx][c] : 7);
      }
    }
  }
  CU_ASSERT(right);
}

enum { SIDE = 9 };
typedef struct Picture {
  uint8_t pixel[SIDE][SIDE][3];
} Picture;

static Picture picture_make(void) {
  Picture picture;
  for (int i = 0; i < SIDE * SIDE * 3; i++) (&picture.pixel[0][0][0])[i] = (uint8_t)(20 + i * 37 % 200);
  return picture;
}

static const uint8_t *pixel_at(const Picture *picture, int i) { return picture->pixel[i / SIDE][i % SIDE]; }

static Picture augmented(const Picture *in, const cnn_option *augment, int32_t n, uint64_t seed,
                         uint32_t epoch, uint32_t index) {
  static float scratch[2 * SIDE * SIDE * 3];
  const cnn_recipe recipe = {.augments = n, .augment = augment};
  const cnn_plane plane = {SIDE, SIDE, 3};
  const cnn_augmentation augmentation = cnn_augment_draw(&recipe, plane, seed, epoch, index);
  Picture out;
  CU_ASSERT_FATAL(cnn_augment_scratch(plane) <= (int64_t)(sizeof scratch / sizeof *scratch));
  cnn_augment_input(&augmentation, plane, CNN_U8, 255, in, &out, scratch);
  return out;
}

static bool same_picture(const Picture *a, const Picture *b) { return memcmp(a, b, sizeof *a) == 0; }

static void draws_depend_on_seed_epoch_and_sample(void) {
  static const cnn_option augment[] = {{"hflip", {0}, 0}, {"vflip", {0}, 0}, {"shift", {2}, 1}};
  const Picture in = picture_make();
  int same_epoch = 0, plain = 0;
  for (uint32_t i = 0; i < 2000; i++) {
    const Picture a = augmented(&in, augment, 3, 1, 2, i), again = augmented(&in, augment, 3, 1, 2, i),
                  other = augmented(&in, augment, 3, 1, 3, i);
    CU_ASSERT_FATAL(same_picture(&a, &again));
    same_epoch += same_picture(&a, &other);
    plain += same_picture(&a, &in);
  }
  CU_ASSERT(same_epoch < 60);
  CU_ASSERT(plain > 3 && plain < 50); /* on average, one of 2 x 2 x 25 draws changes nothing */
  const Picture none = augmented(&in, augment, 0, 1, 2, 3);
  CU_ASSERT(same_picture(&none, &in));
}

/* Flips are drawn with probability one half, shifts uniformly. */
static void moves_are_drawn_evenly(void) {
  static const cnn_option flip[] = {{"hflip", {0}, 0}}, shift[] = {{"shift", {2}, 1}};
  Picture in = {0};
  in.pixel[4][4][0] = 200;
  in.pixel[4][5][0] = 100;
  int flipped = 0, place[5][5] = {{0}};
  for (uint32_t i = 0; i < 5000; i++) {
    const Picture mirrored = augmented(&in, flip, 1, 9, 0, i), moved = augmented(&in, shift, 1, 9, 0, i);
    flipped += mirrored.pixel[4][3][0] == 100;
    for (int k = 0; k < 25; k++) place[k / 5][k % 5] += moved.pixel[2 + k / 5][2 + k % 5][0] == 200;
  }
  CU_ASSERT(flipped > 2350 && flipped < 2650);
  for (int k = 0; k < 25; k++) CU_ASSERT(place[k / 5][k % 5] > 130 && place[k / 5][k % 5] < 270);
}

/* A crop of the whole image, a zoom of 1 and a rotation by 0 degrees change nothing. In an enlargement by 3,
 * the center of each block of 3x3 pixels is a pixel of the source. */
static void geometry_is_exact_where_it_can_be(void) {
  static const cnn_option whole_crop[] = {{"crop", {SIDE, SIDE}, 2}},
                          whole_piece[] = {{"resized_crop", {1, 1}, 2}}, no_zoom[] = {{"zoom", {1, 1}, 2}};
  static const cnn_option third[] = {{"zoom", {3, 3}, 2}}, turn[] = {{"rotate", {0}, 1}};
  const Picture in = picture_make();
  const Picture cropped = augmented(&in, whole_crop, 1, 1, 0, 0),
                zoomed = augmented(&in, no_zoom, 1, 1, 0, 0), turned = augmented(&in, turn, 1, 1, 0, 0);
  CU_ASSERT(same_picture(&in, &cropped));
  CU_ASSERT(same_picture(&in, &zoomed));
  CU_ASSERT(same_picture(&in, &turned));
  /* no crop with the area of the image and another aspect ratio fits, so the crop is the whole image */
  for (uint32_t i = 0; i < 50; i++) {
    const Picture piece = augmented(&in, whole_piece, 1, 1, 0, i);
    CU_ASSERT_FATAL(same_picture(&in, &piece));
  }
  const Picture large = augmented(&in, third, 1, 1, 0, 0);
  bool right = true;
  for (int y = 0; y < 3; y++) /* the center of each block of 3x3 is a pixel of the source */
    for (int x = 0; x < 3; x++)
      right = right && large.pixel[3 * y + 1][3 * x + 1][1] == in.pixel[3 + y][3 + x][1];
  CU_ASSERT(right);
}

static void crops_are_pieces_of_the_image(void) {
  static const cnn_option crop[] = {{"crop", {3, 3}, 2}};
  const Picture in = picture_make();
  int seen[7][7] = {{0}};
  for (uint32_t i = 0; i < 3000; i++) {
    const Picture out = augmented(&in, crop, 1, 5, 1, i);
    int found = 0;
    for (int k = 0; k < 49; k++) {
      bool same = true;
      for (int y = 0; y < 3; y++)
        for (int x = 0; x < 3; x++)
          same = same && memcmp(out.pixel[3 * y + 1][3 * x + 1], in.pixel[k / 7 + y][k % 7 + x], 3) == 0;
      found += same;
      seen[k / 7][k % 7] += same;
    }
    CU_ASSERT_FATAL(found >= 1);
  }
  for (int k = 0; k < 49; k++) CU_ASSERT(seen[k / 7][k % 7] > 20);
}

static double mean_of(const Picture *picture, int channel) {
  double sum = 0;
  for (int i = channel < 0 ? 0 : channel; i < SIDE * SIDE * 3; i += channel < 0 ? 1 : 3)
    sum += (&picture->pixel[0][0][0])[i];
  return sum / (SIDE * SIDE * (channel < 0 ? 3 : 1));
}

static void colors_change_as_specified(void) {
  static const cnn_option bright[] = {{"brightness", {0.1}, 1}}, gray[] = {{"saturation", {0, 0}, 2}},
                          flat[] = {{"contrast", {0, 0}, 2}};
  static const cnn_option same[] = {{"contrast", {1, 1}, 2}, {"saturation", {1, 1}, 2}, {"hue", {0}, 1}},
                          hue[] = {{"hue", {0.5}, 1}}, hole[] = {{"cutout", {3, 5}, 2}};
  Picture in = picture_make();
  const Picture unchanged = augmented(&in, same, 3, 1, 0, 0), colorless = augmented(&in, gray, 1, 1, 0, 0),
                level = augmented(&in, flat, 1, 1, 0, 0);
  int close = 0, gray_pixels = 0, level_pixels = 0;
  for (int i = 0; i < SIDE * SIDE; i++) {
    const uint8_t *a = pixel_at(&in, i), *b = pixel_at(&unchanged, i), *c = pixel_at(&colorless, i),
                  *d = pixel_at(&level, i);
    close += abs(a[0] - b[0]) <= 1 && abs(a[1] - b[1]) <= 1 && abs(a[2] - b[2]) <= 1;
    gray_pixels +=
        c[0] == c[1] && c[1] == c[2] && fabs(0.299 * a[0] + 0.587 * a[1] + 0.114 * a[2] - c[0]) < 0.51;
    level_pixels += d[0] == level.pixel[0][0][0];
  }
  CU_ASSERT_EQUAL(close, SIDE * SIDE);
  CU_ASSERT_EQUAL(gray_pixels, SIDE * SIDE);
  CU_ASSERT_EQUAL(level_pixels, SIDE * SIDE);
  double most = -1e9, least = 1e9;
  for (uint32_t i = 0; i < 300; i++) {
    const Picture lit = augmented(&in, bright, 1, 1, 0, i), holed = augmented(&in, hole, 1, 1, 0, i);
    const double more = mean_of(&lit, -1) - mean_of(&in, -1);
    if (more > most) most = more;
    if (more < least) least = more;
    int black = 0;
    for (int k = 0; k < SIDE * SIDE; k++)
      black += pixel_at(&holed, k)[0] + pixel_at(&holed, k)[1] + pixel_at(&holed, k)[2] == 0;
    /* the hole's center is inside the image, its edges may be outside */
    CU_ASSERT_FATAL(black >= 2 * 3 && black <= 3 * 5);
  }
  CU_ASSERT(most > 22 && most < 25.6 && least < -22 && least > -25.6);
  for (int i = 0; i < SIDE * SIDE * 3; i++) (&in.pixel[0][0][0])[i] = i % 3 ? 50 : 200; /* red */
  bool colored = true;
  for (uint32_t i = 0; i < 50; i++) { /* turning the hue preserves the largest and the smallest component
                                         of a color */
    const Picture turned = augmented(&in, hue, 1, 1, 0, i);
    const uint8_t *p = turned.pixel[0][0];
    const int top = p[0] > p[1] ? (p[0] > p[2] ? p[0] : p[2]) : (p[1] > p[2] ? p[1] : p[2]),
              low = p[0] < p[1] ? (p[0] < p[2] ? p[0] : p[2]) : (p[1] < p[2] ? p[1] : p[2]);
    colored = colored && top == 200 && low == 50;
  }
  CU_ASSERT(colored);
}

static void noise_is_normal(void) {
  enum { N = 20000 };
  static float in[N], out[N], scratch[2 * N];
  static const cnn_option augment[] = {{"noise", {0.25}, 1}};
  const cnn_recipe recipe = {.augments = 1, .augment = augment};
  const cnn_plane plane = {1, N, 1};
  const cnn_augmentation augmentation = cnn_augment_draw(&recipe, plane, 3, 0, 0);
  cnn_augment_input(&augmentation, plane, CNN_F32, 2, in, out, scratch);
  double sum = 0, squares = 0, fourth = 0;
  for (int i = 0; i < N; i++) {
    sum += (double)out[i];
    squares += pow((double)out[i], 2);
    fourth += pow((double)out[i], 4);
  }
  CU_ASSERT_DOUBLE_EQUAL(sum / (double)N, 0, 0.015);
  CU_ASSERT_DOUBLE_EQUAL(squares / (double)N, 0.25, 0.01);
  CU_ASSERT_DOUBLE_EQUAL(fourth / (double)N, 3 * 0.0625, 0.02);
}

static void int16_samples_keep_their_range(void) {
  enum { N = 3000 };
  static int16_t in[N], out[N];
  static float scratch[2 * N];
  static const cnn_option augment[] = {{"noise", {0.25}, 1}};
  const cnn_recipe recipe = {.augments = 1, .augment = augment};
  const cnn_plane plane = {1, N, 1};
  const cnn_augmentation augmentation = cnn_augment_draw(&recipe, plane, 3, 0, 0);
  double squares = 0;
  int clipped = 0, wrapped = 0;
  for (int i = 0; i < N; i++) in[i] = (int16_t)(i % 3 == 0 ? 0 : i % 3 == 1 ? INT16_MAX : INT16_MIN);
  cnn_augment_input(&augmentation, plane, CNN_I16, 32768, in, out, scratch);
  for (int i = 0; i < N; i++)
    if (i % 3 == 0) squares += pow(out[i] / 32768.0, 2) / (N / 3);
    else {
      clipped += out[i] == in[i];
      wrapped += (in[i] > 0 ? out[i] : -1 - out[i]) < -16384;
    }
  CU_ASSERT_DOUBLE_EQUAL(squares, 0.0625, 0.01);
  CU_ASSERT_TRUE(clipped > N / 4 && clipped < N / 2);
  CU_ASSERT_EQUAL(wrapped, 0);
}

/* An input of indices (int32) is moved and erased like an image, but the indices keep their values. */
static void indices_keep_their_values(void) {
  enum { N = SIDE * SIDE };
  static const cnn_option values[] = {
      {"noise", {0.5}, 1}, {"brightness", {1}, 1}, {"contrast", {0.2, 3}, 2},   {"hflip", {0}, 0},
      {"gain", {3, 6}, 2}, {"speed", {0.5, 2}, 2}, {"background", {0, 6, 1}, 3}};
  static const cnn_option moves[] = {{"rotate", {30}, 1}, {"noise", {0.5}, 1}, {"zoom", {0.5, 2}, 2}};
  static int32_t in[N], out[N], mirrored[N];
  static float scratch[2 * N];
  for (int i = 0; i < N; i++) in[i] = i % 3 ? 30000 + i : -1;
  for (int i = 0; i < N; i++) mirrored[i] = in[i / SIDE * SIDE + SIDE - 1 - i % SIDE];
  int odd = 0, moved = 0;
  for (uint32_t k = 0; k < 20; k++) {
    cnn_recipe recipe = {.augments = 7, .augment = values};
    const cnn_plane image = {SIDE, SIDE, 1}, sequence = {1, N, 1};
    cnn_augmentation a = cnn_augment_draw(&recipe, sequence, 3, 0, k);
    cnn_augment_input(&a, sequence, CNN_I32, 255, in, out, scratch);
    CU_ASSERT_EQUAL(memcmp(out, in, sizeof out), 0);
    a = cnn_augment_draw(&recipe, image, 3, 0, k);
    cnn_augment_input(&a, image, CNN_I32, 255, in, out, scratch);
    CU_ASSERT(memcmp(out, in, sizeof out) == 0 || memcmp(out, mirrored, sizeof out) == 0);
    recipe = (cnn_recipe){.augments = 3, .augment = moves};
    a = cnn_augment_draw(&recipe, image, 3, 0, k);
    cnn_augment_input(&a, image, CNN_I32, 255, in, out, scratch);
    for (int i = 0; i < N; i++) {
      const int32_t from = out[i] - 30000;
      odd += out[i] != 0 && out[i] != -1 && (from < 0 || from >= N || from % 3 == 0);
      moved += out[i] > 0 && out[i] != in[i];
    }
  }
  CU_ASSERT_EQUAL(odd, 0);
  CU_ASSERT(moved > N);
}

static void masks_follow_their_images(void) {
  enum { LARGE = 12, SMALL = 6 };
  static const cnn_option augment[] = {{"rotate", {90}, 1}, {"noise", {0.1}, 1}, {"hflip", {0}, 0}};
  static float in[LARGE][LARGE], out[LARGE][LARGE], scratch[2 * LARGE * LARGE];
  static int32_t mask[SMALL][SMALL], moved[SMALL][SMALL];
  const cnn_recipe recipe = {.augments = 3, .augment = augment};
  for (int i = 0; i < LARGE * LARGE; i++)
    in[i / LARGE][i % LARGE] = 100 * (float)(mask[i / LARGE / 2][i % LARGE / 2] = i / LARGE < LARGE / 2);
  int agree = 0, ignored = 0, all = 0;
  for (uint32_t k = 0; k < 40; k++) {
    const cnn_augmentation a = cnn_augment_draw(&recipe, (cnn_plane){LARGE, LARGE, 1}, 1, 0, k);
    cnn_augment_input(&a, (cnn_plane){LARGE, LARGE, 1}, CNN_F32, 1, in, out, scratch);
    cnn_augment_target(&a, (cnn_plane){SMALL, SMALL, 1}, true, mask, moved);
    for (int i = 0; i < SMALL * SMALL; i++) {
      const float value = out[i / SMALL * 2][i % SMALL * 2];
      const int32_t label = moved[i / SMALL][i % SMALL];
      ignored += label == -1;
      if (label < 0 || (value > 20 && value < 80)) continue; /* outside the image or between classes */
      all++;
      agree += label == (value > 50);
    }
  }
  CU_ASSERT(ignored > 40);
  CU_ASSERT(all > 600 && agree > 0.95 * all);
}

static void shares_are_beta_distributed(void) {
  static const cnn_option mixup[] = {{"mixup", {0.4}, 1}}, cutmix[] = {{"cutmix", {1}, 1}};
  const cnn_recipe recipes[] = {{.augments = 1, .augment = mixup}, {.augments = 1, .augment = cutmix}};
  for (int r = 0; r < 2; r++) {
    double sum = 0, squares = 0;
    int labels = 0;
    enum { N = 20000 };
    for (uint32_t i = 0; i < N; i++) {
      const cnn_augmentation a = cnn_augment_draw(&recipes[r], (cnn_plane){32, 32, 3}, 7, 1, i);
      cnn_mix mix;
      CU_ASSERT_FATAL(cnn_mix_draw(&a, 0, 1000, &mix));
      CU_ASSERT_FATAL(mix.partner >= 0 && mix.partner < 1000 && mix.share >= 0 && mix.share <= 1);
      if (mix.boxed)
        CU_ASSERT_FATAL(mix.top >= 0 && mix.top <= mix.bottom && mix.bottom <= 32 && mix.left >= 0 &&
                        mix.left <= mix.right && mix.right <= 32);
      sum += mix.share;
      squares += mix.share * mix.share;
      labels += mix.label;
    }
    const double mean = sum / (double)N, variance = squares / (double)N - mean * mean;
    CU_ASSERT_DOUBLE_EQUAL((double)labels / (double)N, 1 - mean, 0.01);
    if (r == 0) CU_ASSERT_DOUBLE_EQUAL(mean, 0.5, 0.01);
    if (r == 0) CU_ASSERT_DOUBLE_EQUAL(variance, 1 / (4 * (2 * 0.4 + 1)), 0.004);
    /* the border cuts off parts of pasted pieces, so on average a sample keeps more than half of its
     * pixels */
    if (r == 1) CU_ASSERT(mean > 0.5 && mean < 0.75);
  }
}

CU_TestInfo suite_augment[] = {
    {"source positions of moves are right", moves_go_where_they_should},
    {"draws depend on seed, epoch and sample", draws_depend_on_seed_epoch_and_sample},
    {"moves are drawn uniformly", moves_are_drawn_evenly},
    {"geometry is exact where it can be", geometry_is_exact_where_it_can_be},
    {"crops are parts of the image", crops_are_pieces_of_the_image},
    {"colors change as specified", colors_change_as_specified},
    {"noise is normal", noise_is_normal},
    {"int16 samples keep their range", int16_samples_keep_their_range},
    {"indices keep their values", indices_keep_their_values},
    {"masks are moved like their images", masks_follow_their_images},
    {"shares of mixtures are beta distributed", shares_are_beta_distributed},
    CU_TEST_INFO_NULL,
};
