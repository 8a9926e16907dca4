/* runtime_truth.c: Objects and pixel classes as annotations of an image: fitted, moved, and as the record
 * that a loss reads. */
// SPDX-License-Identifier: Apache-2.0
#include <CUnit/CUnit.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "hosted/data/truth.h"

enum { H = 20, W = 30 };

/* Two objects with masks that fill their boxes, and pixel classes equal to the objects' numbers. */
static cnn_truth truth_make(float x1, float y1, float x2, float y2) {
  cnn_truth truth = {.width = W, .height = H, .count = 2, .object = calloc(2, sizeof(cnn_object))};
  truth.instance = calloc(H * W, 1);
  truth.pixels = calloc(H * W, sizeof *truth.pixels);
  CU_ASSERT_FATAL(truth.object && truth.instance && truth.pixels);
  truth.object[0] = (cnn_object){.label = 3, .box = {x1, y1, x2, y2}};
  truth.object[1] = (cnn_object){.label = 4, .box = {12, 8, 18, 12}};
  for (int k = 0; k < 2; k++) {
    const float *box = truth.object[k].box;
    for (int y = (int)box[1]; y < (int)box[3]; y++)
      for (int x = (int)box[0]; x < (int)box[2]; x++) {
        truth.instance[y * W + x] = (uint8_t)(k + 1);
        truth.pixels[y * W + x] = k + 1;
      }
  }
  return truth;
}

static bool box_is(const cnn_object *object, double x1, double y1, double x2, double y2) {
  const double want[4] = {x1, y1, x2, y2};
  for (int k = 0; k < 4; k++)
    if (fabs((double)object->box[k] - want[k]) > 1e-4) return false;
  return true;
}

/* Whether the pixels of object k in `instance` are exactly those of its box, and have a class above 0. */
static bool fills_box(const cnn_truth *truth, int k) {
  const float *box = truth->object[k].box;
  for (int y = 0; y < truth->height; y++)
    for (int x = 0; x < truth->width; x++) {
      const double u = x + 0.5, v = y + 0.5;
      const bool inside =
          u > (double)box[0] && u < (double)box[2] && v > (double)box[1] && v < (double)box[3];
      if (inside != (truth->instance[y * truth->width + x] == k + 1)) return false;
      if (inside && truth->pixels[y * truth->width + x] <= 0) return false;
    }
  return true;
}

/* ---- Fitting */

static void annotations_are_fitted_with_their_images(void) {
  cnn_truth truth = truth_make(2, 4, 10, 8);
  CU_ASSERT_EQUAL(cnn_truth_fit(&truth, 10, 60, CNN_FIT_STRETCH).code, CNN_OK);
  CU_ASSERT(truth.height == 10 && truth.width == 60 && truth.count == 2);
  CU_ASSERT(box_is(&truth.object[0], 4, 2, 20, 4) && box_is(&truth.object[1], 24, 4, 36, 6));
  CU_ASSERT(fills_box(&truth, 0) && fills_box(&truth, 1));
  cnn_truth_free(&truth);
  /* the 20x30 image (height x width) is enlarged to 40x60; the input has 10 black rows above the image */
  truth = truth_make(2, 4, 10, 8);
  CU_ASSERT_EQUAL(cnn_truth_fit(&truth, 60, 60, CNN_FIT_LETTERBOX).code, CNN_OK);
  CU_ASSERT(box_is(&truth.object[0], 4, 18, 20, 26) && fills_box(&truth, 0) && fills_box(&truth, 1));
  CU_ASSERT(truth.pixels[0] == -1 && truth.pixels[9 * 60 + 59] == -1 && truth.pixels[10 * 60] == 0);
  CU_ASSERT(truth.instance[0] == 0);
  cnn_truth_free(&truth);
  truth = truth_make(2, 4, 10, 8); /* the central 20x20 pixels of the image are enlarged */
  CU_ASSERT_EQUAL(cnn_truth_fit(&truth, 40, 40, CNN_FIT_CROP).code, CNN_OK);
  CU_ASSERT(truth.count == 2 && box_is(&truth.object[0], 0, 8, 10, 16) && fills_box(&truth, 0));
  CU_ASSERT(box_is(&truth.object[1], 14, 16, 26, 24) && fills_box(&truth, 1));
  cnn_truth_free(&truth);
}

static void boxes_that_lose_three_quarters_are_dropped(void) {
  cnn_truth truth = truth_make(1, 4, 7, 8); /* 2 of the object's 6 columns remain */
  CU_ASSERT_EQUAL(cnn_truth_fit(&truth, H, H, CNN_FIT_CROP).code, CNN_OK);
  CU_ASSERT(truth.count == 2 && box_is(&truth.object[0], 0, 4, 2, 8));
  cnn_truth_free(&truth);
  truth = truth_make(2, 4, 6, 8); /* 1 of 4 columns remains, and a quarter suffices */
  CU_ASSERT_EQUAL(cnn_truth_fit(&truth, H, H, CNN_FIT_CROP).code, CNN_OK);
  CU_ASSERT(truth.count == 2 && box_is(&truth.object[0], 0, 4, 1, 8));
  cnn_truth_free(&truth);
  /* 1 of 5 columns does not suffice: the other object becomes the first, and keeps its pixels */
  truth = truth_make(1, 4, 6, 8);
  CU_ASSERT_EQUAL(cnn_truth_fit(&truth, H, H, CNN_FIT_CROP).code, CNN_OK);
  CU_ASSERT(truth.count == 1 && truth.object[0].label == 4 && fills_box(&truth, 0));
  cnn_truth_free(&truth);
}

/* ---- Augmentation */

static cnn_truth moved(const cnn_option *step, uint32_t index) {
  const cnn_recipe recipe = {.augments = 1, .augment = step};
  const cnn_augmentation augmentation = cnn_augment_draw(&recipe, (cnn_plane){H, W, 1}, 7, 0, index);
  cnn_truth truth = truth_make(2, 4, 10, 8);
  CU_ASSERT_EQUAL(cnn_truth_augment(&truth, &augmentation).code, CNN_OK);
  return truth;
}

/* Moves an image that is 200 at the pixels of object 1 and 0 elsewhere. Callers compare the bounding box of
 * the bright pixels of the result with the moved box of this object. */
static void picture_moved(const cnn_option *step, uint32_t index, uint8_t out[H * W]) {
  static float scratch[2 * H * W];
  const cnn_recipe recipe = {.augments = 1, .augment = step};
  const cnn_augmentation augmentation = cnn_augment_draw(&recipe, (cnn_plane){H, W, 1}, 7, 0, index);
  cnn_truth truth = truth_make(2, 4, 10, 8);
  for (int i = 0; i < H * W; i++) truth.instance[i] = truth.instance[i] == 1 ? 200 : 0;
  cnn_augment_input(&augmentation, (cnn_plane){H, W, 1}, CNN_U8, 255, truth.instance, out, scratch);
  cnn_truth_free(&truth);
}

/* The bounding box of the pixels brighter than 100, which is half of the brightness of the object. */
static bool extent(const uint8_t out[H * W], float box[4]) {
  box[0] = W, box[1] = H, box[2] = box[3] = 0;
  for (int i = 0; i < H * W; i++) {
    const float x = (float)(i % W), y = (float)(i / W);
    if (out[i] <= 100) continue;
    if (x < box[0]) box[0] = x;
    if (y < box[1]) box[1] = y;
    if (x + 1 > box[2]) box[2] = x + 1;
    if (y + 1 > box[3]) box[3] = y + 1;
  }
  return box[0] < box[2];
}

static const cnn_object *object_find(const cnn_truth *truth, int32_t label) {
  for (int k = 0; k < truth->count; k++)
    if (truth->object[k].label == label) return &truth->object[k];
  return NULL;
}

/* Checks for many draws of the step that the box moves like the pixels of the image, within `slack`. */
static void follow(const cnn_option *step, double slack) {
  int kept = 0;
  for (uint32_t index = 0; index < 200; index++) {
    uint8_t out[H * W];
    float box[4];
    picture_moved(step, index, out);
    cnn_truth truth = moved(step, index);
    const cnn_object *object = object_find(&truth, 3);
    const bool seen = extent(out, box);
    if (object) {
      kept++;
      CU_ASSERT(seen);
      for (int k = 0; seen && k < 4; k++) {
        const double away = fabs((double)object->box[k] - (double)box[k]);
        if (away > slack) printf("# %s, %u: side %d is away by %g\n", step->name, index, k, away);
        CU_ASSERT(away <= slack);
      }
    }
    for (int i = 0; i < H * W; i++) CU_ASSERT_FATAL(truth.instance[i] <= truth.count);
    cnn_truth_free(&truth);
  }
  CU_ASSERT(kept > 50);
}

static void flips_and_shifts_are_exact(void) {
  static const cnn_option steps[] = {{"hflip", {0}, 0}, {"vflip", {0}, 0}, {"shift", {4}, 1}};
  for (int k = 0; k < 3; k++) {
    follow(&steps[k], 0);
    for (uint32_t index = 0; index < 50; index++) {
      cnn_truth truth = moved(&steps[k], index);
      for (int i = 0; i < truth.count; i++) CU_ASSERT(fills_box(&truth, i));
      cnn_truth_free(&truth);
    }
  }
  int sides[2] = {0};
  for (uint32_t index = 0; index < 100; index++) {
    cnn_truth truth = moved(&steps[0], index);
    sides[box_is(&truth.object[0], 20, 4, 28, 8) ? 1 : 0]++;
    cnn_truth_free(&truth);
  }
  CU_ASSERT(sides[0] > 20 && sides[1] > 20);
}

static void zooms_and_crops_follow_the_image(void) {
  static const cnn_option steps[] = {
      {"zoom", {0.8, 1.6}, 2}, {"crop", {14, 20}, 2}, {"resized_crop", {0.5, 1}, 2}};
  for (int k = 0; k < 3; k++) follow(&steps[k], 1.01);
}

/* The box of the rotated corners contains the whole object. A box at the center of the image stays there, and
 * gets the size that a rotation by at most 30 degrees gives. */
static void turned_boxes_hold_their_corners(void) {
  static const cnn_option turn = {"rotate", {40}, 1};
  for (uint32_t index = 0; index < 200; index++) {
    uint8_t out[H * W];
    float seen[4];
    picture_moved(&turn, index, out);
    cnn_truth truth = moved(&turn, index);
    const cnn_object *object = object_find(&truth, 3);
    if (object && extent(out, seen))
      CU_ASSERT(object->box[0] <= seen[0] + 1 && object->box[1] <= seen[1] + 1 &&
                object->box[2] >= seen[2] - 1 && object->box[3] >= seen[3] - 1);
    cnn_truth_free(&truth);
  }
  /* rotates a box around the center of the image, x = 15, y = 10 */
  for (uint32_t index = 0; index < 50; index++) {
    static const cnn_option steps[] = {{"rotate", {30}, 1}};
    const cnn_recipe recipe = {.augments = 1, .augment = steps};
    const cnn_augmentation a = cnn_augment_draw(&recipe, (cnn_plane){H, W, 1}, 7, 0, index);
    const float in[4] = {12, 8, 18, 12};
    float out[4];
    CU_ASSERT(cnn_augment_box(&a, (cnn_plane){H, W, 1}, in, out));
    const double w = (double)(out[2] - out[0]), h = (double)(out[3] - out[1]);
    CU_ASSERT(fabs((double)(out[0] + out[2]) - 30) < 1e-4 && fabs((double)(out[1] + out[3]) - 20) < 1e-4);
    const double cosine = (6 * w - 4 * h) / (36 - 16), sine = (6 * h - 4 * w) / (36 - 16);
    CU_ASSERT(fabs(cosine * cosine + sine * sine - 1) < 1e-4 && cosine > 0.86 && sine >= -1e-6);
  }
}

/* Planes whose size differs from the first input's size are shifted in proportion to their size. */
static void maps_of_half_the_size_move_along(void) {
  static const cnn_option step[] = {{"shift", {4}, 1}};
  const cnn_recipe recipe = {.augments = 1, .augment = step};
  const cnn_augmentation a = cnn_augment_draw(&recipe, (cnn_plane){H, W, 1}, 7, 0, 3);
  const float in[4] = {12, 8, 18, 12}, small[4] = {6, 4, 9, 6};
  float whole[4], half[4];
  CU_ASSERT(cnn_augment_box(&a, (cnn_plane){H, W, 1}, in, whole));
  CU_ASSERT(cnn_augment_box(&a, (cnn_plane){H / 2, W / 2, 1}, small, half));
  for (int k = 0; k < 4; k++) CU_ASSERT(fabs((double)(whole[k] - 2 * half[k])) < 1e-4);
}

/* ---- Records */

static void records_hold_what_counts(void) {
  enum { MOST = 3 };
  typedef struct Record {
    int32_t count, class[MOST];
    float box[MOST][4];
    uint8_t instance[H][W];
  } Record;
  static Record record;
  CU_ASSERT_EQUAL(cnn_truth_record_bytes(MOST, H, W), sizeof record);
  CU_ASSERT_EQUAL(cnn_truth_record_bytes(MOST, 3, 3), 4 + MOST * 20 + 12);
  CU_ASSERT_EQUAL(cnn_truth_record_bytes(MOST, 0, 0), 4 + MOST * 20);
  cnn_truth truth = truth_make(2, 4, 10, 8);
  cnn_truth_record(&truth, MOST, H, W, &record);
  CU_ASSERT(record.count == 2 && record.class[0] == 3 && record.class[1] == 4 && record.class[2] == 0);
  CU_ASSERT(record.box[1][0] == 12 && record.box[1][3] == 12 && record.box[2][2] == 0);
  CU_ASSERT_EQUAL(memcmp(record.instance, truth.instance, H * W), 0);
  truth.object[0].ignored = true; /* an ignored object is not in the record, nor are its pixels */
  cnn_truth_record(&truth, MOST, H, W, &record);
  CU_ASSERT(record.count == 1 && record.class[0] == 4 && record.instance[5][3] == 0 &&
            record.instance[9][13] == 1);
  truth.object[0].ignored = false;
  struct {
    int32_t count, class[1];
    float box[1][4];
    int32_t guard;
  } one = {.guard = 77}; /* the record has space for one of the two objects */
  cnn_truth_record(&truth, 1, 0, 0, &one);
  CU_ASSERT(one.count == 1 && one.class[0] == 3 && one.box[0][2] == 10 && one.guard == 77);
  static struct {
    int32_t count, class[1];
    float box[1][4];
    uint8_t instance[H / 2][W / 2];
  } half;
  cnn_truth_record(&truth, 1, H / 2, W / 2, &half);
  CU_ASSERT(half.instance[2][1] == 1 && half.instance[2][0] == 0 && half.instance[5][7] == 0);
  cnn_truth_free(&truth);
}

CU_TestInfo suite_truth[] = {
    {"annotations are fitted with their images", annotations_are_fitted_with_their_images},
    {"boxes with less than a quarter left are dropped", boxes_that_lose_three_quarters_are_dropped},
    {"flips and shifts are exact", flips_and_shifts_are_exact},
    {"zooms and crops move boxes like the image", zooms_and_crops_follow_the_image},
    {"rotated boxes contain their corners", turned_boxes_hold_their_corners},
    {"maps of half the size are moved like the image", maps_of_half_the_size_move_along},
    {"records contain the objects that count", records_hold_what_counts},
    CU_TEST_INFO_NULL,
};
