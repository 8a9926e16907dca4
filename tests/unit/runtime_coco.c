/* runtime_coco.c: COCO JSON data sets: instances and segments, and errors in them; written files are read
 * back unchanged. */
// SPDX-License-Identifier: Apache-2.0
#include <CUnit/CUnit.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "hosted/commands/export.h"
#include "runtime_objects.h"
#include "runtime_scratch.h"

static const char images[] = "{\"id\":7,\"file_name\":\"a.png\",\"height\":20,\"width\":40},"
                             "{\"id\":3,\"file_name\":\"b.png\",\"height\":20,\"width\":40}";
static const char categories[] =
    "{\"id\":18,\"name\":\"dog\",\"isthing\":1},{\"id\":2,\"name\":\"cat\",\"isthing\":1},"
    "{\"id\":9,\"name\":\"sky\",\"isthing\":0}";
static const char sound[] = "{\"id\":1,\"image_id\":7,\"category_id\":18,\"bbox\":[4,2,8,6]}";

/* An annotation file in the scratch directory. */
static void coco_write(const char *name, const char *some_images, const char *some_categories,
                       const char *annotations) {
  const size_t room = strlen(some_images) + strlen(some_categories) + strlen(annotations) + 100;
  char *text = malloc(room);
  CU_ASSERT_PTR_NOT_NULL_FATAL(text);
  snprintf(text, room, "{\"images\":[%s],\n\"categories\":[%s],\n\"annotations\":[%s]}\n", some_images,
           some_categories, annotations);
  scratch_text(name, text);
  free(text);
}

static int count_of(const cnn_truth *truth, int instance) {
  int count = 0;
  for (int i = 0; i < truth->height * truth->width; i++) count += truth->instance[i] == instance;
  return count;
}

/* ---- Instances */

static void instances_are_read(void) {
  Net net;
  net_of_boxes(&net);
  picture_make("coco/train2017/a.png");
  picture_make("coco/train2017/b.png");
  picture_make("coco/val2017/v.png");
  coco_write("coco/annotations/instances_train2017.json", images, categories,
             "{\"id\":1,\"image_id\":7,\"category_id\":18,\"bbox\":[4,2,8,6],\"iscrowd\":0,"
             "\"segmentation\":[[4,2,12,2,12,8,4,8]]},"
             "{\"id\":5,\"image_id\":3,\"category_id\":2,\"bbox\":[0,0,40.004,20],\"segmentation\":[]},"
             "{\"id\":2,\"image_id\":7,\"category_id\":2,\"bbox\":[0,0,40,20],\"iscrowd\":1,"
             "\"segmentation\":{\"size\":[20,40],\"counts\":[0,800]}},"
             "{\"id\":3,\"image_id\":7,\"category_id\":9,\"bbox\":[39,0,1,20],"
             "\"segmentation\":{\"size\":[20,40],\"counts\":\"\\\\h0d0\"}}");
  coco_write("coco/annotations/instances_val2017.json",
             "{\"id\":1,\"file_name\":\"v.png\",\"height\":20,\"width\":40}", categories, "");
  scratch_text("coco/annotations/captions_train2017.json", "no matter");
  cnn_data *data = open_set(&net, scratch("coco"), 0.1, 0);
  CU_ASSERT_STRING_EQUAL(cnn_data_describe(data),
                         "images with COCO boxes: 2 training, 1 validation and 0 test samples, 3 classes");
  CU_ASSERT_STRING_EQUAL(cnn_data_class(data, 0), "cat"); /* classes are sorted by category id: 2, 9, 18 */
  CU_ASSERT_STRING_EQUAL(cnn_data_class(data, 2), "dog");
  cnn_truth truth = truth_of(data, CNN_PART_TRAIN, 0);
  CU_ASSERT(truth.count == 3 && object_is(&truth, 0, 2, 4, 2, 12, 8) &&
            object_is(&truth, 2, 1, 39, 0, 40, 20));
  CU_ASSERT(!truth.object[0].ignored && truth.object[1].ignored);
  /* these objects cover pixels of the crowd region */
  CU_ASSERT(count_of(&truth, 1) == 48 && count_of(&truth, 3) == 20);
  CU_ASSERT_EQUAL(count_of(&truth, 2), 800 - 48 - 20);
  cnn_truth_free(&truth);
  truth = truth_of(data, CNN_PART_TRAIN, 1);
  CU_ASSERT(truth.count == 1 && object_is(&truth, 0, 0, 0, 0, 40, 20) && count_of(&truth, 0) == 800);
  cnn_truth_free(&truth);
  cnn_data_close(data);
  data = open_set(&net, scratch("coco/annotations/instances_val2017.json"), 0, 0);
  CU_ASSERT_EQUAL(cnn_data_count(data, CNN_PART_TRAIN), 1);
  cnn_data_close(data);
}

static void files_are_found_in_their_usual_folders(void) {
  static const char *const sets[][3] = {{"robo", "robo/train/_annotations.coco.json", "robo/train/a.png"},
                                        {"flat", "flat/annotations.json", "flat/images/a.png"},
                                        {"inner", "inner/annotations/train.json", "inner/images/train/a.png"},
                                        {"alone", "alone/instances.json", "alone/a.png"}};
  Net net;
  net_of_boxes(&net);
  for (size_t k = 0; k < sizeof sets / sizeof *sets; k++) {
    picture_make(sets[k][2]);
    coco_write(sets[k][1], "{\"id\":7,\"file_name\":\"a.png\",\"height\":20,\"width\":40}", categories,
               sound);
    cnn_data *data = open_set(&net, scratch(sets[k][0]), 0, 0);
    cnn_truth truth = truth_of(data, CNN_PART_TRAIN, 0);
    CU_ASSERT(truth.count == 1 && !truth.instance);
    cnn_truth_free(&truth);
    CU_ASSERT(cnn_data_takes(data, sets[k][1]) == false); /* a path without the scratch directory */
    cnn_data_close(data);
  }
}

static void other_names_are_reported(void) {
  Net net;
  net_of_boxes(&net);
  picture_make("other/images/a.png");
  coco_write("other/annotations/pets.json", "{\"id\":7,\"file_name\":\"a.png\",\"height\":20,\"width\":40}",
             categories, sound);
  refuse_set(&net, scratch("other"), CNN_BAD_FORMAT, "annotations/pets.json: unknown name");
  cnn_data_close(open_set(&net, scratch("other/annotations/pets.json"), 0, 0));
}

#define WITH(rest) "{\"id\":2,\"image_id\":7,\"category_id\":18,\"bbox\":[4,2,8,6]," rest "}"

static void broken_annotations_are_named_and_skipped(void) {
  static const char *const cases[][2] = {
      {"{\"id\":1,\"image_id\":7,\"category_id\":18,\"bbox\":[4,2,8,6]}",
       "annotations[1].id: 1 is also the id of annotations[0]"},
      {"{\"id\":2,\"image_id\":8,\"category_id\":18,\"bbox\":[4,2,8,6]}",
       "annotations[1].image_id: no element of images has the id 8"},
      {"{\"id\":2,\"image_id\":\"7\",\"category_id\":18,\"bbox\":[4,2,8,6]}",
       "annotations[1].image_id: must be an integer"},
      {"{\"id\":2,\"image_id\":7,\"category_id\":19,\"bbox\":[4,2,8,6]}",
       "annotations[1].category_id: no element of categories has the id 19"},
      {"{\"id\":2,\"image_id\":7,\"category_id\":18,\"bbox\":[4,2,8]}",
       "annotations[1].bbox: must be four numbers"},
      {"{\"id\":2,\"image_id\":7,\"category_id\":18}", "annotations[1].bbox: must be four numbers"},
      {"{\"id\":2,\"image_id\":7,\"category_id\":18,\"bbox\":[4,2,0,6]}",
       "annotations[1].bbox: the box is 0 wide and 6 high"},
      {"{\"id\":2,\"image_id\":7,\"category_id\":18,\"bbox\":[4,2,38,6]}",
       "annotations[1].bbox: the box's right side is 42, outside of 0 to 40"},
      {"{\"id\":2,\"image_id\":7,\"category_id\":18,\"bbox\":[1e300,2,8,6]}",
       "annotations[1].bbox: the box's left side is inf"},
      {"17", "annotations[1].image_id: must be an integer"},
      {WITH("\"segmentation\":[[1,1]]"), "annotations[1].segmentation[0]: has 2 numbers; a polygon has"},
      {WITH("\"segmentation\":[[1,1,2,2,3,null]]"),
       "annotations[1].segmentation[0]: must be a list of numbers"},
      {WITH("\"segmentation\":[[1,1,2,2,3,3],[1,1,2,2,3,1e9]]"),
       "annotations[1].segmentation[1]: [5]: 1e+09 is far outside"},
      {WITH("\"segmentation\":{\"size\":[40,20],\"counts\":[800]}"),
       "annotations[1].segmentation.size: is 40x20, but its image is 20x40 (height x width)"},
      {WITH("\"segmentation\":{\"size\":[20,40],\"counts\":[0,801]}"),
       "annotations[1].segmentation.counts: run 1 has 801 pixels, but only 800 of the 800"},
      {WITH("\"segmentation\":{\"size\":[20,40],\"counts\":[0,4000000000,4000000000]}"),
       "annotations[1].segmentation.counts: run 1 has 4000000000"},
      {WITH("\"segmentation\":{\"size\":[20,40],\"counts\":[0,-1]}"),
       "annotations[1].segmentation.counts: run 1 has -1"},
      {WITH("\"segmentation\":{\"size\":[20,40],\"counts\":[3]}"), "the runs have 3 pixels, but 20x40"},
      {WITH("\"segmentation\":{\"size\":[20,40],\"counts\":\"oooooooo\"}"),
       "annotations[1].segmentation.counts: letter 0 cannot begin a number"},
      {WITH("\"segmentation\":{\"size\":[20,40]}"),
       "annotations[1].segmentation.counts: must be a list of numbers"},
      {WITH("\"segmentation\":{\"counts\":[]}"), "annotations[1].segmentation.size: must be [height, width]"},
      {WITH("\"segmentation\":\"all\""), "annotations[1].segmentation: must be a list of polygons"}};
  Net net;
  net_of_boxes(&net);
  picture_make("ann/images/a.png");
  picture_make("ann/images/b.png");
  for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
    char text[1000];
    snprintf(text, sizeof text, "%s,\n%s", sound, cases[k][0]);
    coco_write("ann/annotations/instances_train.json", images, categories, text);
    cnn_data *data =
        set_skipped(&net, scratch("ann"), cases[k][1], "skipped 1 unusable object (first: unit-scratch");
    CU_ASSERT_EQUAL(cnn_data_count(data, CNN_PART_TRAIN), 2);
    cnn_truth truth = truth_of(data, CNN_PART_TRAIN, 0);
    CU_ASSERT_EQUAL(truth.count, 1);
    cnn_truth_free(&truth);
    cnn_data_close(data);
  }
}

static void broken_images_are_named_and_skipped(void) {
  static const char *const cases[][2] = {
      {"{\"id\":7,\"file_name\":\"b.png\",\"height\":20,\"width\":40}",
       "images[1].id: 7 is also the id of images[0]"},
      {"{\"id\":8,\"file_name\":\"lost.png\",\"height\":20,\"width\":40}", "lost.png: the image is missing"},
      {"{\"id\":8,\"height\":20,\"width\":40}", "images[1].file_name: must be a string"},
      {"{\"id\":1.5,\"file_name\":\"b.png\",\"height\":20,\"width\":40}", "images[1].id: must be an integer"},
      {"{\"id\":8,\"file_name\":\"b.png\",\"width\":40}",
       "images[1].height: must be an integer of at least 1"},
      {"{\"id\":8,\"file_name\":\"b.png\",\"height\":100000,\"width\":100000}", "images[1].width: must be"}};
  Net net;
  net_of_boxes(&net);
  picture_make("pics/images/a.png");
  picture_make("pics/images/b.png");
  for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
    char text[400];
    snprintf(text, sizeof text, "{\"id\":7,\"file_name\":\"a.png\",\"height\":20,\"width\":40},\n%s",
             cases[k][0]);
    coco_write("pics/instances.json", text, categories, sound);
    cnn_data *data = set_skipped(&net, scratch("pics"), cases[k][1], "skipped 1 unusable image");
    CU_ASSERT_EQUAL(cnn_data_count(data, CNN_PART_TRAIN), 1);
    cnn_data_close(data);
  }
  coco_write("pics/instances.json", "{\"id\":7,\"file_name\":\"a.png\",\"height\":40,\"width\":20}",
             categories, "");
  cnn_data *data = open_set(&net, scratch("pics"), 0, 0);
  const cnn_inspection inspection = {.samples = {1, 0, 0}, .threads = 1};
  const cnn_status status = cnn_data_inspect(data, &inspection);
  CU_ASSERT_PTR_NOT_NULL(strstr(status.message, "a.png: is 20x40 (height x width), but the annotation of its "
                                                "objects says 40x20"));
  cnn_data_close(data);
}

static void broken_files_are_refused(void) {
  Net net;
  net_of_boxes(&net);
  picture_make("bad/images/a.png");
  scratch_text("bad/instances.json", "{\"images\": [\n{\"id\": 1,\"bbox\":[NaN]}]}");
  refuse_set(&net, scratch("bad"), CNN_BAD_FORMAT, "bad/instances.json:2:20: invalid JSON: invalid token");
  scratch_text("bad/instances.json", "{\"images\": []}");
  refuse_set(&net, scratch("bad"), CNN_BAD_FORMAT, "is not a COCO file: it has no list \"categories\"");
  scratch_text("bad/instances.json", "[[[[");
  refuse_set(&net, scratch("bad/instances.json"), CNN_BAD_FORMAT, "invalid JSON");
  coco_write("bad/instances.json", images, "{\"id\":1,\"name\":\"a\"},{\"id\":1,\"name\":\"b\"}", "");
  refuse_set(&net, scratch("bad"), CNN_BAD_FORMAT, "categories[1].id: 1 is also the id of categories[0]");
  /* supercategories are not read, so they may refer to each other in a circle */
  coco_write(
      "bad/instances.json", "{\"id\":7,\"file_name\":\"a.png\",\"height\":20,\"width\":40}",
      "{\"id\":1,\"name\":\"a\",\"supercategory\":\"b\"},{\"id\":2,\"name\":\"b\",\"supercategory\":\"a\"}",
      "{\"id\":7,\"image_id\":7,\"category_id\":1,\"bbox\":[0,0,4,4]}");
  cnn_data_close(open_set(&net, scratch("bad"), 0, 0));
  coco_write("bad/annotations/instances_train.json",
             "{\"id\":7,\"file_name\":\"a.png\",\"height\":20,\"width\":40}", "{\"id\":1,\"name\":\"c\"}",
             "");
  refuse_set(&net, scratch("bad"), CNN_BAD_FORMAT, "categories[0]: is 1 'c', but 1 'a'");
  enum { DEEP = 5000 };
  char *text = malloc(DEEP + 1);
  CU_ASSERT_PTR_NOT_NULL_FATAL(text);
  memset(text, '[', DEEP);
  text[DEEP] = 0;
  scratch_text("bad/instances.json", text);
  free(text);
  refuse_set(&net, scratch("bad"), CNN_BAD_FORMAT, "invalid JSON: maximum parsing depth reached");
}

static void masks_of_an_image_are_limited(void) {
  enum { MANY = 300 };
  Net net;
  net_of_boxes(&net);
  picture_make("limit/images/a.png");
  char *text = malloc(MANY * 160), *to = text;
  CU_ASSERT_PTR_NOT_NULL_FATAL(text);
  for (int k = 0; k < MANY; k++)
    to += sprintf(to,
                  "%s{\"id\":%d,\"image_id\":7,\"category_id\":18,\"bbox\":[4,2,8,6],\"segmentation\":"
                  "[[4,2,12,2,12,8,4,8]]}",
                  k ? "," : "", k + 1);
  coco_write("limit/instances.json", "{\"id\":7,\"file_name\":\"a.png\",\"height\":20,\"width\":40}",
             categories, text);
  free(text);
  cnn_data *data = set_skipped(&net, scratch("limit"), "annotations[255]: has a mask, but its image",
                               "skipped 45 unusable objects");
  cnn_data_close(data);
}

/* ---- Segments */

/* Writes a segmentation image: four stripes, each 10 columns wide, with the segment ids 1, 258, 3 and 0. */
static void segments_make(const char *name, int32_t height) {
  uint8_t pixel[H * W * 3] = {0};
  for (int i = 0; i < H * W; i++) {
    static const int id[4] = {1, 258, 3, 0};
    pixel[3 * i] = (uint8_t)id[i % W / 10];
    pixel[3 * i + 1] = (uint8_t)(id[i % W / 10] >> 8);
  }
  CU_ASSERT_EQUAL_FATAL(cnn_image_write(scratch(name), &(cnn_image){height, W, 3, pixel}).code, CNN_OK);
}

#define SEGMENT(id, class, crowd)                                                                            \
  "{\"id\":" id ",\"category_id\":" class ",\"iscrowd\":" crowd ",\"bbox\":[0,0,1,1]}"
#define PANOPTIC(segments) "{\"image_id\":7,\"file_name\":\"a.png\",\"segments_info\":[" segments "]}"

static void segments_are_read(void) {
  cnn_port output = port_of("classes", CNN_F32, H, W, 3);
  output.target = CNN_TARGET_CLASS;
  output.target_size = H * W;
  output.scores = CNN_SCORES_PROBABILITY;
  Net net;
  net_make_one(&net, port_of("image", CNN_U8, H, W, 3), output);
  picture_make("pan/val2017/a.png");
  segments_make("pan/annotations/panoptic_val2017/a.png", H);
  coco_write("pan/annotations/panoptic_val2017.json",
             "{\"id\":7,\"file_name\":\"a.png\",\"height\":20,\"width\":40}", categories,
             PANOPTIC(SEGMENT("3", "2", "0") "," SEGMENT("1", "18", "1") "," SEGMENT("258", "9", "0")));
  cnn_data *data = open_set(&net, scratch("pan"), 0.1, 0);
  CU_ASSERT_STRING_EQUAL(cnn_data_describe(data),
                         "COCO's segments: 0 training, 1 validation and 0 test samples, 3 classes");
  CU_ASSERT(strcmp(cnn_data_class(data, 0), "sky") == 0 && strcmp(cnn_data_class(data, 1), "cat") == 0);
  cnn_truth truth = truth_of(data, CNN_PART_VAL, 0);
  CU_ASSERT_FATAL(truth.count == 2 && truth.instance && truth.pixels);
  CU_ASSERT(object_is(&truth, 0, 1, 0, 0, 10, 20) && truth.object[0].ignored);
  CU_ASSERT(object_is(&truth, 1, 0, 20, 0, 30, 20) && !truth.object[1].ignored);
  CU_ASSERT(truth.pixels[0] == 2 && truth.pixels[10] == 0 && truth.pixels[20] == 1 && truth.pixels[30] == -1);
  CU_ASSERT(truth.instance[0] == 1 && truth.instance[10] == 0 && truth.instance[25] == 2);
  cnn_truth_free(&truth);
  uint8_t pixel[H * W * 3];
  int32_t class[H * W];
  CU_ASSERT_EQUAL(cnn_data_sample(data, CNN_PART_VAL, 0, (void *[]){pixel}, (void *[]){class}).code, CNN_OK);
  CU_ASSERT(class[5] == 2 && class[15] == 0 && class[35] == -1);
  cnn_data_close(data);
}

static void broken_segments_are_named_and_skipped(void) {
  static const char *const cases[][2] = {
      {PANOPTIC(SEGMENT("3", "2", "0")),
       "row 0, column 0 has the segment 1, but no annotation has that segment"},
      {PANOPTIC(SEGMENT("1", "2", "0") "," SEGMENT("1", "2", "0")),
       "annotations[0].segments_info[1].id: 1 is also the id of segment 0"},
      {PANOPTIC(SEGMENT("0", "2", "0")), "annotations[0].segments_info[0].id: must be an integer from 1"},
      {PANOPTIC(SEGMENT("1", "5", "0")),
       "annotations[0].segments_info[0].category_id: no element of categories"},
      {PANOPTIC(SEGMENT("1", "2", "0") "," SEGMENT("258", "9", "0") "," SEGMENT("3", "2", "0") "," SEGMENT(
           "4", "2", "0")),
       "a.png: no pixel has the segment 4 of its annotation"},
      {"", "there is no annotation for the image"},
      {"{\"image_id\":7,\"segments_info\":[]}", "annotations[0].file_name: must be a string"},
      {"{\"image_id\":7,\"file_name\":\"a.png\"}", "annotations[0].segments_info: must be a list"},
      {"{\"image_id\":7,\"file_name\":\"lost.png\",\"segments_info\":[]}", "lost.png: the image is missing"},
      {"{\"image_id\":7,\"file_name\":\"flat.png\",\"segments_info\":[]}",
       "flat.png: is 10x40 (height x width), but its image says 20x40"}};
  Net net;
  net_of_boxes(&net);
  picture_make("segs/train/a.png");
  picture_make("segs/train/b.png");
  segments_make("segs/panoptic_train/a.png", H);
  segments_make("segs/panoptic_train/b.png", H);
  segments_make("segs/panoptic_train/flat.png", H / 2);
  for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
    char text[1000];
    snprintf(text, sizeof text,
             "%s%s{\"image_id\":3,\"file_name\":\"b.png\",\"segments_info\":[" SEGMENT(
                 "1", "2", "0") "," SEGMENT("258", "9", "0") "," SEGMENT("3", "2", "0") "]}",
             cases[k][0], *cases[k][0] ? "," : "");
    coco_write("segs/panoptic_train.json", images, categories, text);
    cnn_data *data = NULL;
    cnn_data_options options = CNN_DATA_DEFAULTS;
    options.val = 0;
    cnn_status status = cnn_data_open(&data, scratch("segs"), &net.network, &options);
    const cnn_inspection inspection = {.samples = {2, 0, 0}, .threads = 1};
    if (status.code == CNN_OK) status = cnn_data_inspect(data, &inspection);
    if (!strstr(status.message, cases[k][1])) printf("# %s\n", status.message);
    CU_ASSERT_PTR_NOT_NULL(strstr(status.message, cases[k][1]));
    cnn_data_close(data);
    options.skip_bad = true;
    CU_ASSERT_EQUAL_FATAL(cnn_data_open(&data, scratch("segs"), &net.network, &options).code, CNN_OK);
    CU_ASSERT_EQUAL(cnn_data_count(data, CNN_PART_TRAIN), 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(cnn_data_notes(data), "skipped 1 unusable image"));
    cnn_data_close(data);
  }
}

/* ---- annotations that are written to files and read back */

static bool same_truth(const cnn_truth *a, const cnn_truth *b) {
  const size_t n = (size_t)a->height * (size_t)a->width;
  bool same = a->count == b->count && !a->instance == !b->instance && !a->pixels == !b->pixels;
  for (int k = 0; same && k < a->count; k++)
    same = object_is(a, k, b->object[k].label, (double)b->object[k].box[0], (double)b->object[k].box[1],
                     (double)b->object[k].box[2], (double)b->object[k].box[3]);
  if (same && a->instance) same = memcmp(a->instance, b->instance, n) == 0;
  return same && (!a->pixels || memcmp(a->pixels, b->pixels, n * sizeof *a->pixels) == 0);
}

static void shapes_are_written_and_read_back(void) {
  static const char *const kinds[] = {"boxes", "masks", "panoptic"};
  for (int k = 0; k < 3; k++) {
    Net net;
    net_of_boxes(&net);
    if (k == 2) { /* this net also has an output with pixel classes */
      net.output[1] = port_of("classes", CNN_F32, H, W, 6);
      net.output[1].target = CNN_TARGET_CLASS;
      net.output[1].target_size = H * W;
      net.output[1].scores = CNN_SCORES_PROBABILITY;
      net.network.outputs = 2;
    }
    char path[100], folder[40];
    snprintf(path, sizeof path, "synthetic:shapes,count=12,size=32,kind=%s", kinds[k]);
    snprintf(folder, sizeof folder, "shapes-%s", kinds[k]);
    cnn_data *data = open_set(&net, path, 0.1, 0);
    CU_ASSERT_EQUAL_FATAL(cnn_data_export(data, scratch(folder)).code, CNN_OK);
    cnn_data *again = open_set(&net, scratch(folder), 0.1, 0);
    CU_ASSERT_EQUAL(cnn_data_classes(data), cnn_data_classes(again));
    for (int32_t c = 0; c < cnn_data_classes(data); c++)
      CU_ASSERT_STRING_EQUAL(cnn_data_class(data, c), cnn_data_class(again, c));
    for (int p = 0; p < 3; p++) {
      CU_ASSERT_EQUAL_FATAL(cnn_data_count(data, (cnn_part)p), cnn_data_count(again, (cnn_part)p));
      for (int64_t i = 0; i < cnn_data_count(data, (cnn_part)p); i++) {
        cnn_truth one = truth_of(data, (cnn_part)p, i), two = truth_of(again, (cnn_part)p, i);
        CU_ASSERT(one.count > 0 && same_truth(&one, &two));
        cnn_truth_free(&one);
        cnn_truth_free(&two);
      }
    }
    cnn_data_close(data);
    cnn_data_close(again);
  }
}

/* Without kind=, synthetic:shapes generates the annotations that the net uses. */
static void synthetic_shapes_suit_the_net(void) {
  Net net;
  net_of_boxes(&net);
  cnn_data *data = open_set(&net, "synthetic:shapes,count=10,size=32", 0, 0);
  cnn_truth truth = truth_of(data, CNN_PART_TRAIN, 0);
  CU_ASSERT(truth.count > 0 && truth.instance && !truth.pixels && cnn_data_classes(data) == 5);
  cnn_truth_free(&truth);
  cnn_data_close(data);
  refuse_set(&net, "synthetic:shapes,kind=pixels", CNN_MISMATCH, "have no boxes, but a loss");
  net.network.outputs = 0;
  net.network.truth_objects = 0;
  refuse_set(&net, "synthetic:shapes,kind=boxes", CNN_MISMATCH,
             "has boxes, but no output of the net uses boxes");
}

CU_TestInfo suite_coco[] = {
    {"instances are read", instances_are_read},
    {"files are found in their usual folders", files_are_found_in_their_usual_folders},
    {"unknown file names are reported", other_names_are_reported},
    {"invalid annotations are reported and skipped", broken_annotations_are_named_and_skipped},
    {"invalid images are reported and skipped", broken_images_are_named_and_skipped},
    {"invalid files are rejected", broken_files_are_refused},
    {"the number of masks per image is limited", masks_of_an_image_are_limited},
    {"segments are read", segments_are_read},
    {"invalid segments are reported and skipped", broken_segments_are_named_and_skipped},
    {"shapes are written and read back", shapes_are_written_and_read_back},
    {"synthetic shapes have the annotations that the net uses", synthetic_shapes_suit_the_net},
    CU_TEST_INFO_NULL,
};
