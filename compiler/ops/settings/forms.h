/* forms.h: Codes that group augmentations and metrics by their operands, and learning-rate schedules by their
 * arguments. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_FORMS_H
#define CNNC_FORMS_H

typedef enum ScheduleCode {
  SCHEDULE_PLAIN, /* the arguments are independent of each other */
  SCHEDULE_STEP,  /* exactly one of `every` and `at` is given */
} ScheduleCode;

/* Augmentations with a code up to AUGMENT_SOUND change elements of the net's inputs, so at least one of these
 * inputs must not be i32. */
typedef enum AugmentCode {
  AUGMENT_ANY,         /* any input */
  AUGMENT_SHADE,       /* the first input is an image */
  AUGMENT_COLOR,       /* the first input is an image with three channels */
  AUGMENT_SOUND,       /* the first input is a sequence */
  AUGMENT_MIX,         /* any input; mixes two samples */
  AUGMENT_PICTURE,     /* the first input is an image */
  AUGMENT_MIX_PICTURE, /* the first input is an image; mixes two samples */
  AUGMENT_TIME,        /* the first input is a sequence with a sampling rate, which an argument in ms needs */
  AUGMENT_PIECE,       /* the first input is an image, at least as large as the first argument */
} AugmentCode;

typedef enum MetricCode {
  METRIC_CLASSES,  /* losses with class targets; if the metric has no arguments, also binary_cross_entropy */
  METRIC_PIXELS,   /* losses with a class per pixel, and binary_cross_entropy on images */
  METRIC_VALUES,   /* losses whose targets are numbers */
  METRIC_BOXES,    /* any loss, but an output must have boxes */
  METRIC_SEGMENTS, /* any loss, but an output must have segments */
} MetricCode;
#endif
