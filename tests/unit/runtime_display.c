/* runtime_display.c: Drawing of boxes, labels and masks on images, class colors, precision-recall curves. */
// SPDX-License-Identifier: Apache-2.0
#include <CUnit/CUnit.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hosted/base/file.h"
#include "hosted/base/color.h"
#include "hosted/display/curves.h"
#include "hosted/display/figure.h"
#include "hosted/display/overlay.h"
#include "runtime_scratch.h"

enum { HEIGHT = 120, WIDTH = 160, GREY = 90 };
static const uint8_t RED[3] = {230, 20, 30}, PALE[3] = {240, 240, 120};

static uint8_t pixel[HEIGHT * WIDTH * 3];
static const cnn_image page = {HEIGHT, WIDTH, 3, pixel};

static void clear(void) { memset(pixel, GREY, sizeof pixel); }

static bool is(int y, int x, const uint8_t color[3]) {
  return memcmp(pixel + 3 * (y * WIDTH + x), color, 3) == 0;
}
static bool is_clear(int y, int x) { return is(y, x, (const uint8_t[3]){GREY, GREY, GREY}); }

/* Number of pixels of the color in a rectangle; NULL: of pixels that differ from the gray background. */
static int count(int top, int left, int bottom, int right, const uint8_t *color) {
  int n = 0;
  for (int y = top; y < bottom; y++)
    for (int x = left; x < right; x++) n += color ? is(y, x, color) : !is_clear(y, x);
  return n;
}
static int count_all(void) { return count(0, 0, HEIGHT, WIDTH, NULL); }

static void frames_are_inside_boxes(void) {
  clear();
  cnn_overlay_box(&page, (const double[]){20.2, 30, 60, 69.8}, RED);
  CU_ASSERT_EQUAL(count(30, 20, 70, 60, RED), 40 * 40 - 36 * 36);
  CU_ASSERT_EQUAL(count_all(), 40 * 40 - 36 * 36);
  CU_ASSERT_TRUE(is(30, 20, RED) && is(69, 59, RED) && is(31, 21, RED) && is_clear(32, 22));
}

static void frames_are_cut_at_the_edges(void) {
  clear();
  cnn_overlay_box(&page, (const double[]){-50, -1e30, 1e30, 500}, RED);
  CU_ASSERT_EQUAL(count_all(), HEIGHT * WIDTH - (HEIGHT - 4) * (WIDTH - 4));
  clear();
  cnn_overlay_box(&page, (const double[]){10, 10, 11, 11}, RED);
  CU_ASSERT_EQUAL(count_all(), 1);
  clear();
  cnn_overlay_box(&page, (const double[]){(double)NAN, 50, (double)NAN, 40}, RED);
  cnn_overlay_box(&page, (const double[]){300, 300, 400, 400}, RED);
  CU_ASSERT_EQUAL(count_all(), 0);
}

static void label_at(double left, double top, double right, double bottom, const uint8_t rgb[3],
                     const char *text) {
  cnn_label label = {{left, top, right, bottom}, {rgb[0], rgb[1], rgb[2]}, ""};
  snprintf(label.text, sizeof label.text, "%s", text);
  CU_ASSERT_TRUE(cnn_overlay_labels(&page, &label, 1));
}

static void labels_are_above_boxes(void) {
  clear();
  label_at(20, 60, 90, 100, RED, "disc 0.91");
  CU_ASSERT_TRUE(is(59, 20, RED) && is_clear(60, 20) && is_clear(59, 19));
  const int all = count_all(), ground = count(0, 0, HEIGHT, WIDTH, RED);
  CU_ASSERT_TRUE(ground > all / 2 && all - ground > 60); /* the label's background, with letters on it */
  const uint8_t *white = (const uint8_t[3]){255, 255, 255};
  CU_ASSERT_TRUE(count(0, 0, HEIGHT, WIDTH, white) > 20);
  clear();
  label_at(20, 60, 90, 100, PALE, "disc 0.91");
  CU_ASSERT_TRUE(count(0, 0, HEIGHT, WIDTH, (const uint8_t[3]){0, 0, 0}) > 20);
}

static void labels_stay_on_the_image(void) {
  clear();
  label_at(140, 3, 159, 100, RED, "triangle 0.50");
  CU_ASSERT_TRUE(is(3, WIDTH - 1, RED) && is_clear(2, WIDTH - 1));
  clear();
  label_at(-20, 118, 10, 119, RED,
           "a name that is much too long for an image as small as this test has here");
  CU_ASSERT_TRUE(is(117, 0, RED) && is(117, WIDTH - 1, RED));
}

/* Labels of boxes with the same top left corner, such as the boxes of an object and of its part. */
static void labels_do_not_hide_each_other(void) {
  enum { LABELS = 6 };
  cnn_label label[LABELS];
  int alone = 0, together = 0;
  for (int i = 0; i < LABELS; i++) {
    const uint8_t rgb[3] = {(uint8_t)(200 + i), 10, 10};
    label[i] = (cnn_label){{30, 40, 100 + i, 90 + i}, {rgb[0], rgb[1], rgb[2]}, "disc"};
    clear();
    CU_ASSERT_TRUE(cnn_overlay_labels(&page, &label[i], 1));
    alone += count_all();
  }
  clear();
  CU_ASSERT_TRUE(cnn_overlay_labels(&page, label, LABELS));
  for (int i = 0; i < LABELS; i++) CU_ASSERT_TRUE(count(0, 0, HEIGHT, WIDTH, label[i].rgb) > 20);
  together = count_all();
  CU_ASSERT_EQUAL(together, alone);
  clear(); /* without enough space for all labels, the first label is still complete */
  cnn_label many[40];
  for (int i = 0; i < 40; i++) {
    many[i] = label[i % LABELS];
    many[i].rgb[1] = (uint8_t)(60 + i);
  }
  CU_ASSERT_TRUE(cnn_overlay_labels(&page, many, 1));
  const int whole = count(0, 0, HEIGHT, WIDTH, many[0].rgb);
  CU_ASSERT_TRUE(cnn_overlay_labels(&page, many, 40));
  CU_ASSERT_EQUAL(count(0, 0, HEIGHT, WIDTH, many[0].rgb), whole);
}

static void nan_has_a_separate_color(void) {
  const float some[] = {1, NAN, -3, INFINITY, -INFINITY}, none[] = {NAN, NAN}, magenta[] = {255, 0, 200};
  const cnn_scale scale = cnn_scale_of(some, 5), empty = cnn_scale_of(none, 2);
  CU_ASSERT_TRUE(scale.low == -3 && scale.high == 3 && scale.signs && scale.unsound == 3 &&
                 scale.values == 5);
  CU_ASSERT_TRUE(empty.low == 0 && empty.high == 1 && empty.unsound == 2);
  for (int i = 0; i < 5; i++) {
    uint8_t rgb[3];
    cnn_scale_color(&scale, (double)some[i], rgb);
    const bool is_magenta =
        (float)rgb[0] == magenta[0] && (float)rgb[1] == magenta[1] && (float)rgb[2] == magenta[2];
    CU_ASSERT_EQUAL(is_magenta, !isfinite(some[i]));
  }
}

static void masks_have_an_outline(void) {
  uint8_t mask[HEIGHT * WIDTH] = {0};
  clear();
  for (int y = 40; y < 80; y++) memset(mask + y * WIDTH + 50, 1, 30);
  cnn_overlay_mask(&page, mask, RED);
  CU_ASSERT_EQUAL(count_all(), 40 * 30);
  CU_ASSERT_EQUAL(count(0, 0, HEIGHT, WIDTH, RED), 40 * 30 - 36 * 26);
  const uint8_t *inside = pixel + 3 * (60 * WIDTH + 60);
  CU_ASSERT_TRUE(inside[0] > GREY && inside[0] < RED[0] && inside[1] < GREY);
}

static void classes_color_their_pixels(void) {
  int32_t class[HEIGHT * WIDTH];
  for (int i = 0; i < HEIGHT * WIDTH; i++) class[i] = i % WIDTH < 40 ? -1 : i % WIDTH < 100 ? 1 : 2;
  clear();
  cnn_overlay_classes(&page, class, NULL, cnn_mask_color);
  uint8_t rgb[3];
  cnn_mask_color(1, rgb);
  CU_ASSERT_TRUE(rgb[0] == 128 && rgb[1] == 0 && rgb[2] == 0);
  CU_ASSERT_TRUE(is_clear(5, 39) && is(5, 40, rgb) && is(5, 99, rgb) && !is(5, 70, rgb) && !is_clear(5, 70));
  CU_ASSERT_EQUAL(count_all(), HEIGHT * 120);
}

static void gray_becomes_color(void) {
  uint8_t gray[6] = {1, 2, 3, 4, 5, 6};
  cnn_image copy = cnn_overlay_copy(&(cnn_image){2, 3, 1, gray});
  CU_ASSERT_PTR_NOT_NULL_FATAL(copy.pixel);
  CU_ASSERT_TRUE(copy.channels == 3 && copy.pixel[0] == 1 && copy.pixel[2] == 1 && copy.pixel[17] == 6);
  cnn_image_free(&copy);
}

static cnn_image stripes(int32_t height, int32_t width) { /* each column in a different gray */
  cnn_image image = {height, width, 3, malloc(3 * (size_t)height * (size_t)width)};
  CU_ASSERT_PTR_NOT_NULL_FATAL(image.pixel);
  for (int32_t i = 0; i < 3 * height * width; i++) image.pixel[i] = (uint8_t)(i / 3 % width);
  return image;
}

static void small_images_are_enlarged(void) {
  cnn_image small = stripes(96, 120), large = stripes(400, 500), ribbon = stripes(4, 1200);
  CU_ASSERT_FATAL(cnn_overlay_enlarge(&small) && cnn_overlay_enlarge(&large) && cnn_overlay_enlarge(&ribbon));
  CU_ASSERT(small.height == 4 * 96 && small.width == 4 * 120);
  CU_ASSERT(small.pixel[3 * (7 * 480 + 43)] == 10 && small.pixel[3 * (380 * 480 + 479)] == 119);
  CU_ASSERT(large.height == 400 && large.width == 500);
  CU_ASSERT(ribbon.height == 4 && ribbon.width == 1200);
  free(small.pixel);
  free(large.pixel);
  free(ribbon.pixel);
}

static void a_legend_stands_below(void) {
  static const cnn_key key[] = {{{230, 25, 75}, "disc 4%"},
                                {{0, 130, 200}, "a square with quite a long name in its key 12%"},
                                {{60, 180, 75}, "triangle 1%"}};
  cnn_image one = stripes(330, 340), three = stripes(330, 340);
  CU_ASSERT_FATAL(cnn_overlay_legend(&one, key, 1) && cnn_overlay_legend(&three, key, 3));
  CU_ASSERT(one.height > 340 && three.height > one.height && three.width == 340);
  CU_ASSERT_EQUAL(three.pixel[3 * (329 * 340 + 77)], 77);
  int32_t seen[3] = {0};
  for (int32_t i = 330 * 340; i < three.height * 340; i++)
    for (int k = 0; k < 3; k++) seen[k] += memcmp(three.pixel + 3 * i, key[k].rgb, 3) == 0;
  CU_ASSERT(seen[0] > 30 && seen[1] == seen[0] && seen[2] == seen[0]);
  free(one.pixel);
  free(three.pixel);
}

static void classes_have_separate_colors(void) {
  enum { CLASSES = 30 };
  uint8_t rgb[CLASSES][3];
  for (int c = 0; c < CLASSES; c++) {
    cnn_class_color(c, rgb[c]);
    for (int k = 0; k < c; k++) {
      int apart = 0;
      for (int i = 0; i < 3; i++) apart += abs(rgb[c][i] - rgb[k][i]);
      CU_ASSERT_TRUE(apart >= 24);
    }
  }
}

static void curves_name_their_classes(void) {
  static cnn_precision_class of[3] = {{.truths = 4, .ap = 0.9, .ap50 = 0.375},
                                      {.ap = -1, .ap50 = -1},
                                      {.truths = 9, .ap = 0.1, .ap50 = 0.625}};
  static const char *const name[] = {"disc", "square", "<star>"}; /* labels and order: by the AP50 */
  for (int point = 0; point < CNN_RECALL_POINTS; point++) {
    of[0].curve[point] = point < 50 ? 1 - 0.01 * point : 0;
    of[2].curve[point] = point < 90 ? 1 : 0.7;
  }
  const cnn_precision mean = {.ap = 0.5, .ap50 = 0.75, .ap75 = 0.25};
  const char *path = scratch("curves.svg");
  CU_ASSERT_EQUAL_FATAL(cnn_curves_write(path, "shapes", &mean, of, 3, name).code, CNN_OK);
  cnn_file file;
  CU_ASSERT_EQUAL_FATAL(cnn_file_open(&file, path).code, CNN_OK);
  char *text = calloc(file.size + 1, 1);
  CU_ASSERT_PTR_NOT_NULL_FATAL(text);
  memcpy(text, file.data, file.size);
  const char *first = strstr(text, "<polyline"), *second = first ? strstr(first + 1, "<polyline") : NULL;
  CU_ASSERT_TRUE(second && !strstr(second + 1, "<polyline") && !strstr(text, "square"));
  const char *star = strstr(text, "&lt;star&gt;"), *disc = strstr(text, "disc");
  CU_ASSERT_TRUE(star && disc && star < disc);
  CU_ASSERT_TRUE(strstr(text, "0.625") && strstr(text, "0.375") && !strstr(text, "0.900"));
  free(text);
  cnn_file_close(&file);
}

/* The text of a plot of two epochs with these losses. The caller frees it. */
static char *plot_of(double first, double last) {
  const cnn_epoch epoch[2] = {{.epoch = 1, .train = {.samples = 1, .loss = first}, .rate = 0.5},
                              {.epoch = 2, .train = {.samples = 1, .loss = last}, .rate = 0.5}};
  cnn_file file;
  CU_ASSERT_EQUAL(cnn_plot_write(scratch("plot.svg"), "net", epoch, 2).code, CNN_OK);
  CU_ASSERT_EQUAL_FATAL(cnn_file_open(&file, scratch("plot.svg")).code, CNN_OK);
  char *text = calloc(file.size + 1, 1);
  CU_ASSERT_PTR_NOT_NULL_FATAL(text);
  memcpy(text, file.data, file.size);
  cnn_file_close(&file);
  return text;
}

/* The axis of the loss is logarithmic if the losses span more than a decade. */
static void losses_have_a_logarithmic_axis(void) {
  char *near = plot_of(2.4, 0.9), *far = plot_of(2.4, 0.03), *farther = plot_of(300, 0.02),
       *negative = plot_of(3, -2);
  CU_ASSERT(strstr(near, ">1.5<") && !strstr(near, ">0.2<"));
  CU_ASSERT(strstr(far, ">0.02<") && strstr(far, ">0.1<") && strstr(far, ">0.5<") && strstr(far, ">5<"));
  CU_ASSERT(!strstr(far, ">0.01<") && !strstr(far, ">1.5<"));
  CU_ASSERT(strstr(farther, ">0.01<") && strstr(farther, ">1000<") && !strstr(farther, ">0.02<"));
  CU_ASSERT(strstr(negative, ">-2<") && strstr(negative, ">3<"));
  free(near);
  free(far);
  free(farther);
  free(negative);
}

CU_TestInfo suite_display[] = {{"losses have a logarithmic axis", losses_have_a_logarithmic_axis},
                               {"frames are inside boxes", frames_are_inside_boxes},
                               {"frames are clipped at the edges", frames_are_cut_at_the_edges},
                               {"labels are above boxes", labels_are_above_boxes},
                               {"labels stay on the image", labels_stay_on_the_image},
                               {"labels do not hide each other", labels_do_not_hide_each_other},
                               {"NaN has a separate color", nan_has_a_separate_color},
                               {"masks have an outline", masks_have_an_outline},
                               {"pixels have the colors of their classes", classes_color_their_pixels},
                               {"gray images become RGB", gray_becomes_color},
                               {"small images are enlarged", small_images_are_enlarged},
                               {"a legend is drawn below the image", a_legend_stands_below},
                               {"classes have separate colors", classes_have_separate_colors},
                               {"curves are labeled with class names", curves_name_their_classes},
                               CU_TEST_INFO_NULL};
