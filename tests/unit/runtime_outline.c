/* runtime_outline.c: Compares polygons and run-length masks with the results of pycocotools
 * (golden/outlines.py). */
// SPDX-License-Identifier: Apache-2.0
#include <CUnit/CUnit.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "hosted/data/outline.h"
#include "hosted/data/runs.h"

static json_t *cases(void) {
  char path[4096];
  const char *top = getenv("top_srcdir");
  snprintf(path, sizeof path, "%s/tests/golden/files/outlines.json", top ? top : ".");
  json_t *rows = json_load_file(path, 0, NULL);
  CU_ASSERT_PTR_NOT_NULL_FATAL(rows);
  return rows;
}

static void size_of(const json_t *row, int32_t *height, int32_t *width) {
  *height = (int32_t)json_integer_value(json_array_get(json_object_get(row, "size"), 0));
  *width = (int32_t)json_integer_value(json_array_get(json_object_get(row, "size"), 1));
}

static cnn_outline *polygons_of(const json_t *row, int32_t height, int32_t width) {
  cnn_outline *outline = calloc(1, sizeof *outline);
  CU_ASSERT_PTR_NOT_NULL_FATAL(outline);
  const json_t *polygon;
  size_t k;
  json_array_foreach(json_object_get(row, "segmentation"), k, polygon) {
    double corner[64];
    const size_t n = json_array_size(polygon);
    for (size_t i = 0; i < n; i++) corner[i] = json_number_value(json_array_get(polygon, i));
    CU_ASSERT_EQUAL_FATAL(cnn_outline_polygon(outline, corner, n, height, width).code, CNN_OK);
  }
  return outline;
}

static void polygons_are_drawn_as_by_the_reference(void) {
  json_t *rows = cases(), *row;
  size_t r;
  json_array_foreach(rows, r, row) {
    int32_t height, width;
    size_of(row, &height, &width);
    cnn_outline *outline = polygons_of(row, height, width);
    cnn_runs runs;
    uint8_t *map = calloc((size_t)height * (size_t)width, 1);
    CU_ASSERT_FATAL(map && cnn_outline_paint(outline, height, width, 9, map));
    int64_t area = 0;
    for (int i = 0; i < height * width; i++) area += map[i] == 9;
    CU_ASSERT_EQUAL(area, json_integer_value(json_object_get(row, "area")));
    CU_ASSERT_FATAL(cnn_runs_make(&runs, map, 9, height, width));
    char *packed = cnn_runs_text(&runs);
    CU_ASSERT_STRING_EQUAL(packed, json_string_value(json_object_get(row, "packed")));
    if (strcmp(packed, json_string_value(json_object_get(row, "packed"))) != 0) printf("# case %zu\n", r);
    free(packed);
    free(map);
    cnn_outline_free(outline);
    cnn_runs_free(&runs);
  }
  CU_ASSERT(r >= 20);
  json_decref(rows);
}

static void runs_are_read_plain_and_packed(void) {
  json_t *rows = cases(), *row;
  size_t r;
  json_array_foreach(rows, r, row) {
    int32_t height, width;
    size_of(row, &height, &width);
    cnn_outline *plain = calloc(1, sizeof *plain), *packed = calloc(1, sizeof *packed);
    CU_ASSERT_FATAL(plain && packed);
    const json_t *runs = json_object_get(row, "runs"), *text = json_object_get(row, "packed"), *run;
    int64_t sum = 0;
    size_t i;
    json_array_foreach(runs, i, run) {
      CU_ASSERT_EQUAL(cnn_outline_run(plain, json_number_value(run), &sum, height, width).code, CNN_OK);
    }
    CU_ASSERT_EQUAL(sum, (int64_t)height * width);
    CU_ASSERT_EQUAL(
        cnn_outline_unpack(packed, json_string_value(text), json_string_length(text), height, width).code,
        CNN_OK);
    CU_ASSERT_FATAL(plain->runs == packed->runs);
    CU_ASSERT(memcmp(plain->run, packed->run, (size_t)plain->runs * sizeof *plain->run) == 0);
    cnn_outline_free(plain);
    cnn_outline_free(packed);
  }
  json_decref(rows);
}

static void refuses(const char *packed, const char *says) {
  cnn_outline *outline = calloc(1, sizeof *outline);
  const cnn_status status = cnn_outline_unpack(outline, packed, strlen(packed), 4, 5);
  CU_ASSERT_EQUAL(status.code, CNN_BAD_FORMAT);
  if (!strstr(status.message, says)) printf("# %s\n", status.message);
  CU_ASSERT_PTR_NOT_NULL(strstr(status.message, says));
  cnn_outline_free(outline);
}

static void broken_outlines_are_named(void) {
  refuses("", "the runs have 0 pixels, but 4x5 (height x width) has 20");
  refuses("5", "the runs have 5 pixels, but 4x5 (height x width) has 20");
  refuses("PPPPPPPPPPPPPPPP", "letter 0 cannot begin a number");
  refuses("5P", "letter 1 cannot begin a number"); /* the number that begins at letter 1 continues past the
                                                      end */
  refuses("5~", "letter 1 cannot begin a number");
  refuses("oooooo?", "run 0 has");
  refuses("55O", "run 2 has -1");
  refuses("0000", "are both empty");
  cnn_outline *outline = calloc(1, sizeof *outline);
  static const double point[2] = {1, 1}, odd[7] = {1, 1, 2, 2, 3, 3, 1}, far[6] = {0, 0, 4, 4, 4, 1e9},
                      nan_there[6] = {0, 0, 4, 4, 4, NAN};
  CU_ASSERT_PTR_NOT_NULL(strstr(cnn_outline_polygon(outline, point, 2, 4, 5).message, "3 points at least"));
  CU_ASSERT_PTR_NOT_NULL(strstr(cnn_outline_polygon(outline, odd, 7, 4, 5).message, "3 points at least"));
  CU_ASSERT_PTR_NOT_NULL(strstr(cnn_outline_polygon(outline, far, 6, 4, 5).message, "[5]: 1e+09 is far"));
  CU_ASSERT_EQUAL(cnn_outline_polygon(outline, nan_there, 6, 4, 5).code, CNN_BAD_FORMAT);
  CU_ASSERT_EQUAL(outline->polygons, 0);
  int64_t sum = 0;
  CU_ASSERT_EQUAL(cnn_outline_run(outline, 1.5, &sum, 4, 5).code, CNN_BAD_FORMAT);
  CU_ASSERT_EQUAL(cnn_outline_run(outline, 21, &sum, 4, 5).code, CNN_BAD_FORMAT);
  CU_ASSERT_EQUAL(cnn_outline_run(outline, NAN, &sum, 4, 5).code, CNN_BAD_FORMAT);
  CU_ASSERT_EQUAL(sum, 0);
  cnn_outline_free(outline);
}

CU_TestInfo suite_outline[] = {
    {"polygons are drawn like the reference", polygons_are_drawn_as_by_the_reference},
    {"run lengths are read as lists and as packed text", runs_are_read_plain_and_packed},
    {"invalid outlines are reported", broken_outlines_are_named},
    CU_TEST_INFO_NULL,
};
