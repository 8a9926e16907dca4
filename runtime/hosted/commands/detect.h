/* detect.h: Detection of classes in rows of scores: a class is detected when its mean score over the latest
 * rows reaches a threshold. */
// SPDX-License-Identifier: MIT-0
#ifndef CNN_DETECT_H
#define CNN_DETECT_H
#include "hosted/commands/options.h"
#include "hosted/commands/rows.h"

typedef struct cnn_detect_options {
  double threshold, hold, hop; /* hold and hop in seconds; hold negative: 1, or the window if it is longer;
                                  hop 0: the default of cnn_rows_open */
  int64_t average;             /* number of rows to average */
  bool given;                  /* at least one of the detection options was given on the command line */
} cnn_detect_options;

#define CNN_DETECT_DEFAULTS (cnn_detect_options){.threshold = 0.5, .hold = -1, .average = 5}
#define CNN_DETECT_WANTS "--threshold, --average, --hold and --hop need %s"
#define CNN_FLAGS_DETECT(to)                                                                                 \
  {"threshold",                                                                                              \
   0,                                                                                                        \
   CNN_VALUE_NUMBER,                                                                                         \
   &(to).threshold,                                                                                          \
   "P",                                                                                                      \
   "recordings: minimum mean score of a detection (0.5)",                                                    \
   0,                                                                                                        \
   1,                                                                                                        \
   NULL,                                                                                                     \
   &(to).given},                                                                                             \
      {"average", 0,    CNN_VALUE_WHOLE, &(to).average, "N", "recordings: number of rows averaged (5)", 1,   \
       100000,    NULL, &(to).given},                                                                        \
      {"hold",                                                                                               \
       0,                                                                                                    \
       CNN_VALUE_NUMBER,                                                                                     \
       &(to).hold,                                                                                           \
       "S",                                                                                                  \
       "recordings: minimum time between two detections, in seconds (1, or the window if that is longer)",   \
       0,                                                                                                    \
       86400,                                                                                                \
       NULL,                                                                                                 \
       &(to).given},                                                                                         \
  {                                                                                                          \
    "hop", 0, CNN_VALUE_NUMBER, &(to).hop, "S",                                                              \
        "recordings, for a net compiled without --stream: seconds from the start of one "                    \
        "window to the start of the next (default: a tenth of the window, or the whole window if the net "   \
        "has scores for several positions)",                                                                 \
        0, 86400, NULL, &(to).given                                                                          \
  }

typedef struct cnn_detection {
  double time; /* seconds */
  const char *label;
  double score; /* the mean score */
} cnn_detection;

typedef struct cnn_detector {
  const cnn_rows *source;
  const cnn_detect_options *options;
  int64_t channels, rows; /* rows: number of rows added since the reset */
  double *latest;         /* [average][channels] */
  double free_from;       /* --hold: nothing is detected before this time, in seconds */
  char room[24];
} cnn_detector;

/* Fails for an output without class scores. */
cnn_status cnn_detector_open(cnn_detector *detector, const cnn_rows *rows, const cnn_detect_options *options);
void cnn_detector_close(cnn_detector *detector);
void cnn_detector_reset(cnn_detector *detector); /* must be called before each recording */
/* Index of the first class that can be detected and is named `label`; -1: none. */
int64_t cnn_detector_find(cnn_detector *detector, const char *label);
int64_t cnn_detector_words(cnn_detector *detector); /* number of the classes that can be detected */
/* Adds a row of scores. If the class with the largest mean (apart from silence and unknown) is detected, sets
 * *found and returns true. */
bool cnn_detector_row(cnn_detector *detector, const cnn_row *row, cnn_detection *found);
#endif
