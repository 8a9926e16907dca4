/* runtime_boxes.c: Data sets of images with boxes, in files of YOLO and Pascal VOC that the tests create.
 * Errors in these files are reported; on request, objects and images with errors are skipped. */
// SPDX-License-Identifier: Apache-2.0
#include <CUnit/CUnit.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "hosted/data/dataset.h"
#include "runtime_objects.h"
#include "runtime_scratch.h"

/* ---- YOLO */

static void yolo_texts_are_read(void) {
  Net net;
  net_of_boxes(&net);
  picture_make("yolo/images/a.png");
  picture_make("yolo/images/b.png");
  picture_make("yolo/images/c.png");
  scratch_text("yolo/labels/a.txt", "1 0.5 0.5 0.25 0.5\r\n\n 0\t0.1 0.2 0.2 0.4 \n");
  scratch_text("yolo/labels/b.txt", "");
  scratch_text("yolo/classes.txt", "cat\ndog\n\n");
  cnn_data *data = open_set(&net, scratch("yolo"), 0, 0);
  CU_ASSERT_STRING_EQUAL(cnn_data_describe(data),
                         "images with YOLO boxes: 3 training, 0 validation and 0 test samples, 2 classes");
  CU_ASSERT_STRING_EQUAL(cnn_data_class(data, 1), "dog");
  CU_ASSERT_PTR_NOT_NULL(strstr(cnn_data_notes(data), "1 image has no text file in labels/"));
  cnn_truth truth = truth_of(data, CNN_PART_TRAIN, 0);
  CU_ASSERT(truth.count == 2 && object_is(&truth, 0, 1, 15, 5, 25, 15) &&
            object_is(&truth, 1, 0, 0, 0, 8, 8));
  CU_ASSERT(!truth.instance && !truth.pixels);
  cnn_truth_free(&truth);
  truth = truth_of(data, CNN_PART_TRAIN, 2);
  CU_ASSERT_EQUAL(truth.count, 0);
  cnn_truth_free(&truth);
  uint8_t pixel[H * W * 3];
  CU_ASSERT_EQUAL(cnn_data_sample(data, CNN_PART_TRAIN, 1, (void *[]){pixel}, NULL).code, CNN_OK);
  CU_ASSERT_EQUAL(pixel[10], 70);
  const cnn_inspection inspection = {.samples = {3, 0, 0}, .threads = 2};
  CU_ASSERT_EQUAL(cnn_data_inspect(data, &inspection).code, CNN_OK);
  CU_ASSERT(cnn_data_takes(data, scratch("yolo/images/new.png")));
  CU_ASSERT(cnn_data_takes(data, scratch("yolo/labels/new.txt")));
  CU_ASSERT_FALSE(cnn_data_takes(data, scratch("yolo/net.safetensors")));
  cnn_data_close(data);
}

static void yolo_has_parts_inside_or_outside(void) {
  static const char *const layout[2] = {"%s/%s/%s/a.%s", "%s/%s/%s/a.%s"};
  static const char *const parts[3] = {"train", "valid", "test"};
  Net net;
  net_of_boxes(&net);
  for (int k = 0; k < 2; k++) {
    char path[100];
    const char *root = k == 0 ? "outside" : "inside";
    for (int p = 0; p < 3; p++) {
      snprintf(path, sizeof path, layout[k], root, k ? "images" : parts[p], k ? parts[p] : "images", "png");
      picture_make(path);
      snprintf(path, sizeof path, layout[k], root, k ? "labels" : parts[p], k ? parts[p] : "labels", "txt");
      scratch_text(path, "2 0.5 0.5 0.5 0.5\n");
    }
    cnn_data *data = open_set(&net, scratch(root), 0.1, 0);
    CU_ASSERT(cnn_data_count(data, CNN_PART_TRAIN) == 1 && cnn_data_count(data, CNN_PART_VAL) == 1 &&
              cnn_data_count(data, CNN_PART_TEST) == 1 && cnn_data_has_test(data));
    CU_ASSERT_EQUAL(cnn_data_classes(data), 3); /* without names, the largest class number determines the
                                                   number of classes */
    cnn_data_close(data);
  }
}

static void yaml_names_classes(void) {
  static const char *const texts[] = {"path: x\nnc: 2\nnames: ['cat', \"dog\"] # two\n",
                                      "names: [cat,\n  dog,\n]\n",
                                      "names: {0: cat, 1: dog}",
                                      "names:\n  - cat\n  - dog\ntrain: images\n",
                                      "names:\n- 'cat'\n- dog # wild\n\nval: x\n",
                                      "names:   # by number\n  1: dog\n  0: cat\n"};
  static const char *const broken[][2] = {
      {"nc: 2\n", "data.yaml: has no names of classes"},
      {"names: cat\n", "data.yaml:1: the names are invalid"},
      {"names: [cat, dog\n", "the names are invalid"},
      {"a: 1\nnames:\n  0: cat\n  2: dog\n", "class 1 has no name"},
      {"names:\n  0: cat\n  0: dog\n", "data.yaml:3: class 0 has two names"},
      {"names:\n  x: cat\n", "data.yaml:2: the names are invalid"},
      {"names: []\n", "names no class"}};
  Net net;
  net_of_boxes(&net);
  picture_make("yaml/images/a.png");
  scratch_text("yaml/labels/a.txt", "1 0.5 0.5 0.25 0.5");
  for (size_t k = 0; k < sizeof texts / sizeof *texts; k++) {
    scratch_text("yaml/data.yaml", texts[k]);
    cnn_data *data = open_set(&net, scratch("yaml"), 0, 0);
    CU_ASSERT(cnn_data_classes(data) == 2 && strcmp(cnn_data_class(data, 0), "cat") == 0 &&
              strcmp(cnn_data_class(data, 1), "dog") == 0);
    cnn_data_close(data);
  }
  for (size_t k = 0; k < sizeof broken / sizeof *broken; k++) {
    scratch_text("yaml/data.yaml", broken[k][0]);
    refuse_set(&net, scratch("yaml"), CNN_BAD_FORMAT, broken[k][1]);
  }
  scratch_text("yaml/classes.txt", "cat\n\ndog\n");
  refuse_set(&net, scratch("yaml"), CNN_BAD_FORMAT, "classes.txt:2: is empty");
}

static void broken_rows_are_named_and_skipped(void) {
  static const char *const rows[][2] = {
      {"2 0.5 0.5 0.25 0.5", "a.txt:2: the class is 2, but there are 2 classes, numbered from 0"},
      {"-1 0.5 0.5 0.25 0.5", "a.txt:2: the class is -1"},
      {"0.5 0.5 0.5 0.25 0.5", "a.txt:2: the class is 0.5"},
      {"1 0.9 0.5 0.4 0.5", "a.txt:2: the box's right side is 1.1, outside of 0 to 1"},
      {"1 nan 0.5 0.4 0.5", "a.txt:2: the box's left side is "},
      {"1 0.5 0.5 0 0.5", "a.txt:2: the box is 0 wide and 0.5 high"},
      {"1 0.5 0.5 0.1 -0.5", "a.txt:2: the box is 0.1 wide and -0.5 high"},
      {"1 20 10 12 8", "as fractions of the image size, not in pixels"},
      {"1 0.5 0.5 0.25", "a.txt:2: has 4 numbers, but an object has 5"},
      {"1 0.5 0.5 0.25 0.5 0.9", "a.txt:2: has 6 numbers"},
      {"1 0.5 half 0.25 0.5", "a.txt:2: 'half 0.25 0.5' is not a number"}};
  Net net;
  net_of_boxes(&net);
  picture_make("rows/images/a.png");
  scratch_text("rows/classes.txt", "cat\ndog\n");
  for (size_t k = 0; k < sizeof rows / sizeof *rows; k++) {
    char text[200];
    snprintf(text, sizeof text, "0 0.5 0.5 0.5 0.5\n%s\n1 0.2 0.2 0.1 0.1\n", rows[k][0]);
    scratch_text("rows/labels/a.txt", text);
    cnn_data *data = set_skipped(&net, scratch("rows"), rows[k][1], "skipped 1 unusable object (first: ");
    cnn_truth truth = truth_of(data, CNN_PART_TRAIN, 0);
    CU_ASSERT(truth.count == 2 && truth.object[0].label == 0 && truth.object[1].label == 1);
    cnn_truth_free(&truth);
    cnn_data_close(data);
  }
  scratch_text("rows/labels/a.txt", "0 0.5 0.5 0.5 0.5\n");
  scratch_text("rows/labels/lost.txt", "0 0.5 0.5 0.5 0.5\n");
  cnn_data *data = set_skipped(&net, scratch("rows"), "labels/lost.txt: its image is missing: no file ",
                               "skipped 1 unusable image");
  cnn_data_close(data);
  remove(scratch("rows/labels/lost.txt"));
  scratch_text("rows/images/b.png", "no image");
  scratch_text("rows/labels/b.txt", "1 0.5 0.5 0.5 0.5 0.5");
  data = set_skipped(&net, scratch("rows"), "b.txt:1: has 6 numbers",
                     "skipped 1 unusable object and 1 unusable image");
  CU_ASSERT_EQUAL(cnn_data_count(data, CNN_PART_TRAIN), 1);
  cnn_data_close(data);
}

static void many_boxes_belong_to_one_image(void) {
  Net net;
  net_of_boxes(&net);
  picture_make("many/images/a.png");
  enum { MANY = 10000 };
  char *text = malloc(MANY * 24), *to = text;
  CU_ASSERT_PTR_NOT_NULL_FATAL(text);
  for (int k = 0; k < MANY; k++) to += sprintf(to, "%d 0.5 0.5 0.1 0.%04d\n", k % 7, 1 + k % 5000);
  scratch_text("many/labels/a.txt", text);
  free(text);
  cnn_data *data = open_set(&net, scratch("many"), 0, 0);
  cnn_truth truth = truth_of(data, CNN_PART_TRAIN, 0);
  CU_ASSERT(truth.count == MANY && truth.object[MANY - 1].label == (MANY - 1) % 7);
  struct {
    int32_t count, class[64];
    float box[64][4];
  } record;
  cnn_truth_record(&truth, 64, 0, 0, &record);
  CU_ASSERT(record.count == 64 && record.class[63] == 0);
  cnn_truth_free(&truth);
  cnn_data_close(data);
}

static void labels_and_augmentation_must_go_with_boxes(void) {
  static const char *const order[] = {"dog", "cat"}, *const other[] = {"dog", "cow"}, *const one[] = {"dog"};
  static const cnn_option mixup[] = {{"hflip", {0}, 0}, {"mixup", {1}, 1}};
  Net net;
  net_of_boxes(&net);
  picture_make("names/images/a.png");
  scratch_text("names/labels/a.txt", "1 0.5 0.5 0.25 0.5");
  scratch_text("names/classes.txt", "cat\ndog\n");
  net.network.labels = 2;
  net.network.label = order; /* classes have the order of these labels */
  cnn_data *data = open_set(&net, scratch("names"), 0, 0);
  cnn_truth truth = truth_of(data, CNN_PART_TRAIN, 0);
  CU_ASSERT(truth.object[0].label == 0 && strcmp(cnn_data_class(data, 0), "dog") == 0);
  cnn_truth_free(&truth);
  cnn_data_close(data);
  net.network.label = other;
  refuse_set(&net, scratch("names"), CNN_MISMATCH, "the class 'cat' is not one of the net's labels");
  net.network.labels = 1;
  net.network.label = one;
  remove(scratch("names/classes.txt"));
  refuse_set(&net, scratch("names"), CNN_MISMATCH, "has 2 classes of boxes, but the net has 1 label");
  net.network.labels = 0;
  net.recipe.augments = 2;
  net.recipe.augment = mixup;
  refuse_set(&net, scratch("names"), CNN_MISMATCH, "the augmentation mixup mixes two images");
}

/* ---- Pascal VOC */

static const char *xml(const char *size, const char *objects) {
  static char text[4000];
  snprintf(
      text, sizeof text,
      "<?xml version=\"1.0\"?>\n<annotation>\n<filename>a.png</filename>\n<size>%s</size>\n%s</annotation>\n",
      size, objects);
  return text;
}

static const char whole[] = "<width>40</width><height>20</height><depth>3</depth>";
#define OBJECT(name, x1, y1, x2, y2, rest)                                                                   \
  "<object><name>" name "</name><bndbox><xmin>" x1 "</xmin><ymin>" y1 "</ymin><xmax>" x2 "</xmax><ymax>" y2  \
  "</ymax></bndbox>" rest "</object>\n"

static void voc_is_read(void) {
  Net net;
  net_of_boxes(&net);
  picture_make("voc/JPEGImages/a.jpg");
  picture_make("voc/JPEGImages/b.jpg");
  scratch_text("voc/Annotations/a.xml", xml(whole, OBJECT("dog", "1", "1", "40", "20", "")
                                                       OBJECT("cat", "11", "6", "20", "10",
                                                              "<difficult>1</difficult><part><name>"
                                                              "head</name><bndbox><xmin>2</xmin>"
                                                              "</bndbox></part>")));
  scratch_text("voc/Annotations/b.xml", xml(whole, OBJECT("bird", "2.5", "1", "3", "4", "")));
  scratch_text("voc/ImageSets/Main/train.txt", "a\n");
  scratch_text("voc/ImageSets/Main/val.txt", "b  1\r\n");
  scratch_text("voc/ImageSets/Main/dog_train.txt", "a 1\nx 1\n");
  cnn_data *data = open_set(&net, scratch("voc"), 0.1, 0);
  CU_ASSERT_STRING_EQUAL(
      cnn_data_describe(data),
      "images with Pascal VOC boxes: 1 training, 1 validation and 0 test samples, 3 classes");
  CU_ASSERT_STRING_EQUAL(cnn_data_class(data, 0), "bird"); /* alphabetical order */
  cnn_truth truth = truth_of(data, CNN_PART_TRAIN, 0);
  CU_ASSERT(truth.count == 2 && object_is(&truth, 0, 2, 0, 0, 40, 20) && !truth.object[0].ignored);
  CU_ASSERT(object_is(&truth, 1, 1, 10, 5, 20, 10) && truth.object[1].ignored);
  cnn_truth_free(&truth);
  truth = truth_of(data, CNN_PART_VAL, 0);
  CU_ASSERT(truth.count == 1 && object_is(&truth, 0, 0, 1.5, 0, 3, 4));
  cnn_truth_free(&truth);
  cnn_data_close(data);
  picture_make("flat/images/a.png");
  scratch_text("flat/annotations/a.xml", xml(whole, OBJECT("dog", "1", "1", "40", "20", "")));
  data = open_set(&net, scratch("flat"), 0, 0);
  CU_ASSERT_EQUAL(cnn_data_count(data, CNN_PART_TRAIN), 1);
  cnn_data_close(data);
  picture_make("joint/JPEGImages/a.png");
  picture_make("joint/JPEGImages/b.png");
  scratch_text("joint/Annotations/a.xml", xml(whole, OBJECT("dog", "1", "1", "40", "20", "")));
  scratch_text("joint/Annotations/b.xml", xml(whole, OBJECT("cat", "1", "1", "40", "20", "")));
  scratch_text("joint/ImageSets/Main/trainval.txt", "a\n");
  scratch_text("joint/ImageSets/Main/test.txt", "b\n");
  data = open_set(&net, scratch("joint"), 0, 0);
  CU_ASSERT_EQUAL(cnn_data_count(data, CNN_PART_TRAIN), 1);
  CU_ASSERT_EQUAL(cnn_data_count(data, CNN_PART_TEST), 1);
  cnn_data_close(data);
}

static void broken_xml_is_named_and_skipped(void) {
  static const struct {
    const char *size, *objects, *says;
    bool picture;
  } cases[] = {
      {whole, OBJECT("dog", "9", "1", "60", "20", ""), "a.xml:5: 'dog': the box's right side is 60", false},
      {whole, OBJECT("dog", "nan", "1", "30", "20", ""), "a.xml:5: 'dog': the box's left side is nan", false},
      {whole, OBJECT("dog", "20", "1", "10", "20", ""), "a.xml:5: 'dog': the box is -9 wide", false},
      {whole, OBJECT("dog", "x", "1", "10", "20", ""), "a.xml:5: the bndbox of the object 'dog' lacks",
       false},
      {whole, "<object><bndbox></bndbox></object>", "a.xml:5: the object has no name", false},
      {"", OBJECT("dog", "1", "1", "10", "20", ""), "a.xml: does not contain the size", true},
      {"<width>4e9</width>", "", "a.xml:4: the width of the image is '4e9'", true},
      {"<width>20</width><height>40</height>", "", "a.png: is 20x40 (height x width), but", true},
      {whole, "<object>", "a.xml:5: is invalid XML: mismatched tag", true},
      {whole, "&lol;", "a.xml:5: is invalid XML: undefined entity", true}};
  Net net;
  net_of_boxes(&net);
  picture_make("broken/images/a.png");
  picture_make("broken/images/b.png");
  scratch_text("broken/annotations/b.xml", xml(whole, OBJECT("dog", "1", "1", "40", "20", "")));
  for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
    scratch_text("broken/annotations/a.xml", xml(cases[k].size, cases[k].objects));
    cnn_data *data = NULL;
    if (strstr(cases[k].says, "is 20x40")) { /* this error is found only when the image is read */
      data = open_set(&net, scratch("broken"), 0, 0);
      const cnn_inspection inspection = {.samples = {2, 0, 0}, .threads = 1};
      const cnn_status status = cnn_data_inspect(data, &inspection);
      CU_ASSERT_PTR_NOT_NULL(strstr(status.message, cases[k].says));
      cnn_data_close(data);
      continue;
    }
    data = set_skipped(&net, scratch("broken"), cases[k].says,
                       cases[k].picture ? "skipped 1 unusable image" : "skipped 1 unusable object");
    CU_ASSERT_EQUAL(cnn_data_count(data, CNN_PART_TRAIN), cases[k].picture ? 1 : 2);
    cnn_data_close(data);
  }
  scratch_text("broken/annotations/a.xml",
               "<!DOCTYPE a [<!ENTITY lol \"lollol\">]><annotation>&lol;</annotation>");
  refuse_set(&net, scratch("broken"), CNN_BAD_FORMAT, "a.xml:1: declares the entity 'lol'");
  scratch_text("broken/annotations/a.xml", "<html/>");
  refuse_set(&net, scratch("broken"), CNN_BAD_FORMAT,
             "its root element is 'html', but Pascal VOC has 'annotation'");
  scratch_text("broken/annotations/a.xml", xml(whole, ""));
  remove(scratch("broken/images/a.png"));
  cnn_data_close(
      set_skipped(&net, scratch("broken"), "images/a.jpg: the image is missing", "skipped 1 unusable image"));
}

CU_TestInfo suite_boxes[] = {
    {"YOLO's text files are read", yolo_texts_are_read},
    {"parts of YOLO sets are above or below images/", yolo_has_parts_inside_or_outside},
    {"class names are read from YAML", yaml_names_classes},
    {"invalid rows are reported and skipped", broken_rows_are_named_and_skipped},
    {"an image may have many boxes", many_boxes_belong_to_one_image},
    {"labels and augmentation must be compatible with boxes", labels_and_augmentation_must_go_with_boxes},
    {"Pascal VOC is read", voc_is_read},
    {"invalid XML is reported and skipped", broken_xml_is_named_and_skipped},
    CU_TEST_INFO_NULL,
};
