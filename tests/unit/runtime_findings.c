/* runtime_findings.c: Boxes, masks and segments from outputs, in pixels of the image, and compared with
 * the annotations of synthetic images. */
// SPDX-License-Identifier: Apache-2.0
#include <CUnit/CUnit.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "hosted/commands/found.h"
#include "hosted/data/dataset.h"
#include "hosted/training/judge.h"
#include "runtime_objects.h"
#include "runtime_scratch.h"

enum { SIDE = 32, ROWS = 2, MASK = 4, CLASSES = 3 };
static const cnn_port input[] = {
    {.name = "image", .rank = 3, .dim = {SIDE, SIDE, 3}, .size = SIDE * SIDE * 3}};
static const cnn_port output[] = {
    {.name = "boxes", .rank = 2, .dim = {ROWS, 6}, .size = ROWS * 6, .kind = CNN_OUTPUT_DETECTIONS},
    {.name = "masks",
     .rank = 3,
     .regions = ROWS,
     .dim = {MASK, MASK, CLASSES},
     .size = ROWS * MASK * MASK * CLASSES,
     .kind = CNN_OUTPUT_MASKS},
    {.name = "all", .rank = 3, .dim = {SIDE, SIDE, 2}, .size = SIDE * SIDE * 2, .kind = CNN_OUTPUT_PANOPTIC}};
static const cnn_network net = {.name = "net", .inputs = 1, .outputs = 3, .input = input, .output = output};

static float rows[ROWS * 6], masks[ROWS][MASK][MASK][CLASSES], map[SIDE][SIDE][2];
static float *const values[] = {rows, &masks[0][0][0][0], &map[0][0][0]};

/* The outputs: a box of class 1, a mask that covers the left half of the box, and no other detection. */
static void set_outputs(float x1, float y1, float x2, float y2) {
  const float row[ROWS * 6] = {x1, y1, x2, y2, 0.75f, 1, 0, 0, 0, 0, 0, -1};
  memcpy(rows, row, sizeof rows);
  memset(masks, 0, sizeof masks);
  for (int y = 0; y < MASK; y++)
    for (int x = 0; x < MASK; x++) masks[0][y][x][1] = x < MASK / 2 ? 0.9f : 0.1f;
  for (int y = 0; y < SIDE; y++)
    for (int x = 0; x < SIDE; x++) {
      map[y][x][0] = x < 8 ? 2 : 0;
      map[y][x][1] = x < 8 && y >= 16;
    }
}

static cnn_findings read_findings(int32_t height, int32_t width, cnn_fit fit) {
  const cnn_view view = cnn_view_make(&input[0], height, width, fit);
  cnn_findings findings;
  CU_ASSERT_FATAL(cnn_findings_read(&findings, &net, values, 0, &view, 7));
  return findings;
}

static void check_box(const double got[4], double x1, double y1, double x2, double y2) {
  const double wanted[] = {x1, y1, x2, y2};
  for (int i = 0; i < 4; i++) CU_ASSERT_DOUBLE_EQUAL(got[i], wanted[i], 1e-6);
}

static void boxes_and_masks_are_in_pixels_of_the_image(void) {
  set_outputs(8, 8, 24, 24);
  cnn_findings findings = read_findings(64, 64, CNN_FIT_STRETCH);
  CU_ASSERT_EQUAL_FATAL(findings.count, 1);
  const cnn_found *found = &findings.found[0];
  CU_ASSERT_TRUE(findings.masks && found->label == 1 && found->image == 7 && found->score == 0.75);
  check_box(found->box, 16, 16, 48, 48);
  CU_ASSERT_EQUAL(cnn_runs_area(&found->mask), 16 * 32);
  /* 16 columns of 64 pixels precede the mask; in the mask's first column, 16 pixels are above the mask */
  CU_ASSERT_EQUAL(found->mask.run[0], 16 * 64 + 16);
  cnn_findings_free(&findings);
}

static void letterbox_is_undone(void) {
  set_outputs(8, 0, 24, 24); /* the letterboxed image is in rows 8 to 23 */
  cnn_findings findings = read_findings(32, 64, CNN_FIT_LETTERBOX);
  CU_ASSERT_EQUAL_FATAL(findings.count, 1);
  check_box(findings.found[0].box, 16, 0, 48, 32);
  CU_ASSERT_EQUAL(cnn_runs_area(&findings.found[0].mask), 16 * 32);
  cnn_findings_free(&findings);
  set_outputs(8, 0, 24, 7);
  findings = read_findings(32, 64, CNN_FIT_LETTERBOX);
  CU_ASSERT_EQUAL(findings.count, 0); /* the box is outside the image */
  cnn_findings_free(&findings);
}

static void no_numbers_are_no_boxes(void) {
  cnn_findings findings;
  for (int k = 0; k < 4; k++) {
    set_outputs(8, 8, 24, 24);
    rows[k] = NAN;
    findings = read_findings(64, 64, CNN_FIT_STRETCH);
    CU_ASSERT_EQUAL(findings.count, 0);
    cnn_findings_free(&findings);
  }
  set_outputs(-INFINITY, -1e30f, INFINITY, 1e30f);
  findings = read_findings(64, 64, CNN_FIT_LETTERBOX);
  CU_ASSERT_EQUAL_FATAL(findings.count, 1);
  check_box(findings.found[0].box, 0, 0, 64, 64);
  cnn_findings_free(&findings);
  rows[5] = NAN;
  findings = read_findings(64, 64, CNN_FIT_CROP);
  CU_ASSERT_EQUAL(findings.count, 0);
  cnn_findings_free(&findings);
}

static void segments_are_in_pixels_of_the_image(void) {
  set_outputs(8, 8, 24, 24);
  const cnn_view view = cnn_view_make(&input[0], 16, 64, CNN_FIT_STRETCH);
  cnn_segments segments;
  CU_ASSERT_FATAL(cnn_segments_read(&segments, &net, values, 0, &view, 3));
  CU_ASSERT_EQUAL_FATAL(segments.count, 3);
  const cnn_segment *stuff = &segments.segment[segments.of[0]], *ground = &segments.segment[segments.of[63]];
  const cnn_segment *object = &segments.segment[segments.of[8 * 64]];
  CU_ASSERT_TRUE(stuff->label == 2 && stuff->instance == 0 && ground->label == 0);
  /* object classes are numbered after the three stuff classes */
  CU_ASSERT_TRUE(object->label == 5 && object->instance == 1);
  CU_ASSERT_TRUE(segments.of[15] == segments.of[0] && segments.of[16] == segments.of[63]);
  cnn_segments_free(&segments);
}

static void objects_without_an_instance_are_no_segments(void) {
  set_outputs(8, 8, 24, 24);
  const cnn_view view = cnn_view_make(&input[0], 16, 64, CNN_FIT_STRETCH);
  cnn_segments segments;
  CU_ASSERT_FATAL(cnn_segments_read(&segments, &net, values, 0, &view, 1));
  CU_ASSERT_EQUAL_FATAL(segments.count, 2); /* class 2 is now an object class, and has no instance */
  CU_ASSERT_EQUAL(segments.of[0], -1);
  CU_ASSERT_TRUE(segments.of[63] >= 0 && segments.of[8 * 64] >= 0);
  cnn_segments_free(&segments);
}

static void results_are_those_of_coco(void) {
  set_outputs(8, 8, 24, 24);
  const cnn_shown shown = {&net, "val/000042.jpg", -1, cnn_view_make(&input[0], 32, 32, CNN_FIT_LETTERBOX)};
  json_t *results = json_array();
  CU_ASSERT_FATAL(cnn_found_add(&shown, values, 0, results));
  CU_ASSERT_EQUAL_FATAL(json_array_size(results), 2);
  const json_t *first = json_array_get(results, 0), *mask = json_object_get(first, "segmentation");
  CU_ASSERT_EQUAL(json_integer_value(json_object_get(first, "image_id")), 42);
  CU_ASSERT_EQUAL(json_integer_value(json_object_get(first, "category_id")), 2);
  const json_t *box = json_object_get(first, "bbox");
  CU_ASSERT_EQUAL(json_number_value(json_array_get(box, 2)), 16);
  CU_ASSERT_EQUAL(json_integer_value(json_array_get(json_object_get(mask, "size"), 1)), 32);
  /* pycocotools.mask.encode of the rectangle of columns 8 to 15 and rows 8 to 23 */
  CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(mask, "counts")), "X8`0`00000000000000h?");
  const json_t *segments = json_object_get(json_array_get(results, 1), "segments_info");
  CU_ASSERT_EQUAL(json_array_size(segments), 3);
  json_decref(results);
}

/* ---- Comparison with the annotations of synthetic images */

static cnn_network pixel_net(cnn_port port[4]) { /* a net with a class per pixel, so that synthetic images
                                                    have such classes */
  memcpy(port, output, sizeof output);
  port[3] = (cnn_port){.name = "pixels",
                       .rank = 3,
                       .dim = {SIDE, SIDE, 6},
                       .size = SIDE * SIDE * 6,
                       .target = CNN_TARGET_CLASS,
                       .target_size = SIDE * SIDE,
                       .scores = CNN_SCORES_LOGIT,
                       .loss = "cross_entropy"};
  cnn_network network = net;
  network.output = port;
  network.outputs = 4;
  return network;
}

/* Sets the outputs: the first object of a sample is the only box; all objects of the sample are segments. */
static void find_first(const cnn_truth *truth) {
  const cnn_object *object = &truth->object[0];
  set_outputs(0, 0, 0, 0);
  for (int i = 0; i < 4; i++) rows[i] = object->box[i];
  rows[5] = (float)object->label;
  for (int i = 0; i < MASK * MASK * CLASSES; i++) (&masks[0][0][0][0])[i] = 0.9f;
  for (int y = 0; y < SIDE; y++)
    for (int x = 0; x < SIDE; x++) {
      const int k = truth->instance[y * SIDE + x];
      map[y][x][0] = (float)(k ? truth->object[k - 1].label : 0);
      map[y][x][1] = (float)k;
    }
}

static void findings_are_held_against_the_truth(void) {
  enum { SAMPLES = 6 };
  cnn_port port[4];
  const cnn_network network = pixel_net(port);
  const cnn_data_options options = CNN_DATA_DEFAULTS;
  cnn_data *data;
  const char *path = "synthetic:shapes,count=6,size=32,kind=panoptic";
  CU_ASSERT_EQUAL_FATAL(cnn_data_open(&data, path, &network, &options).code, CNN_OK);
  CU_ASSERT_TRUE(cnn_judge_can(&network, data));
  cnn_judged_sample sample[SAMPLES];
  int64_t truths = 0;
  for (int i = 0; i < SAMPLES; i++) {
    cnn_image image;
    cnn_truth truth;
    CU_ASSERT_EQUAL_FATAL(cnn_data_truth(data, CNN_PART_TRAIN, i % 4, &image, &truth).code, CNN_OK);
    find_first(&truth);
    truths += truth.count;
    cnn_image_free(&image);
    cnn_truth_free(&truth);
    CU_ASSERT_EQUAL_FATAL(cnn_judge_sample(&sample[i], &network, values, 0, data, CNN_PART_TRAIN, i % 4).code,
                          CNN_OK);
    for (int32_t k = 0; k < sample[i].soughts; k++) sample[i].sought[k].image = i;
    sample[i].findings.found[0].image = i;
  }
  cnn_objects objects;
  CU_ASSERT_EQUAL_FATAL(cnn_judge_all(&objects, sample, SAMPLES).code, CNN_OK);
  int64_t counted = 0;
  for (int32_t c = 0; c < objects.classes; c++) {
    const cnn_precision_class *of = &objects.of_box[c];
    counted += of->truths;
    CU_ASSERT_TRUE(of->truths ? of->ap50 >= 0 && of->curve[0] <= 1 : of->ap == -1);
  }
  CU_ASSERT_EQUAL(counted, truths);
  CU_ASSERT_TRUE(objects.boxes.ap > 0);
  /* the boxes of detected objects are exact, so every IoU threshold gives the same precision */
  CU_ASSERT_DOUBLE_EQUAL(objects.boxes.ap, objects.boxes.ap50, 1e-12);
  CU_ASSERT_TRUE(objects.of_mask && objects.masks.ap <= objects.boxes.ap);
  CU_ASSERT_DOUBLE_EQUAL(objects.segments.pq, 1, 1e-12);
  cnn_measures measures = {0};
  cnn_objects_measures(&objects, &measures);
  CU_ASSERT_EQUAL(measures.metrics, 9);
  CU_ASSERT_STRING_EQUAL(measures.metric[6].name, "pq");
  for (int i = 0; i < SAMPLES; i++) cnn_judge_free(&sample[i]);
  cnn_objects_free(&objects);
  cnn_data_close(data);
}

/* Occluded objects are compared with the masks of the data set, not with their visible parts. */
static void objects_are_judged_whole(void) {
  static const char text[] = "{\"images\":[{\"id\":1,\"file_name\":\"a.png\",\"height\":20,\"width\":40}],\n"
                             "\"categories\":[{\"id\":1,\"name\":\"dog\"}],\n\"annotations\":["
                             "{\"id\":1,\"image_id\":1,\"category_id\":1,\"bbox\":[4,2,8,6],\"area\":30.5,"
                             "\"segmentation\":[[4,2,12,2,12,8,4,8]]},"
                             "{\"id\":2,\"image_id\":1,\"category_id\":1,\"bbox\":[0,0,40,20],\"iscrowd\":1,"
                             "\"segmentation\":{\"size\":[20,40],\"counts\":[0,800]}},"
                             "{\"id\":3,\"image_id\":1,\"category_id\":1,\"bbox\":[8,2,8,6],"
                             "\"segmentation\":[[8,2,16,2,16,8,8,8]]},"
                             "{\"id\":4,\"image_id\":1,\"category_id\":1,\"bbox\":[20,2,8,6]}]}\n";
  static const double area[] = {30.5, 800, 48, 48}, pixels[] = {48, 800, 48, 0};
  const cnn_data_options options = CNN_DATA_DEFAULTS;
  cnn_data *data;
  picture_make("judged/a.png");
  scratch_text("judged/instances.json", text);
  CU_ASSERT_EQUAL_FATAL(cnn_data_open(&data, scratch("judged"), &net, &options).code, CNN_OK);
  set_outputs(8, 8, 24, 24);
  cnn_judged_sample sample;
  CU_ASSERT_EQUAL_FATAL(cnn_judge_sample(&sample, &net, values, 0, data, CNN_PART_TRAIN, 0).code, CNN_OK);
  CU_ASSERT_EQUAL_FATAL(sample.soughts, 4);
  for (int k = 0; k < 4; k++) {
    CU_ASSERT_EQUAL(sample.sought[k].area, area[k]);
    CU_ASSERT_EQUAL((double)cnn_runs_area(&sample.sought[k].mask), pixels[k]);
  }
  cnn_judge_free(&sample);
  cnn_data_close(data);
}

CU_TestInfo suite_findings[] = {
    {"boxes and masks are in pixels of the image", boxes_and_masks_are_in_pixels_of_the_image},
    {"letterboxing is reversed", letterbox_is_undone},
    {"NaN and infinities in boxes do no harm", no_numbers_are_no_boxes},
    {"segments are in pixels of the image", segments_are_in_pixels_of_the_image},
    {"object pixels without an instance belong to no segment", objects_without_an_instance_are_no_segments},
    {"results are in COCO's format", results_are_those_of_coco},
    {"detections are compared with annotations", findings_are_held_against_the_truth},
    {"occluded objects are compared with their full masks", objects_are_judged_whole},
    CU_TEST_INFO_NULL};
