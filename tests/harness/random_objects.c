/* random_objects.c: Common detection heads (YOLO, SSD, R-CNN with given or proposed regions, masks, panoptic
 * segmentation) and matching losses. The heads are computed from the first input. The height and the width of
 * a cell are whole numbers of pixels. */
// SPDX-License-Identifier: Apache-2.0
#include "random.h"
#include <stdio.h>

enum { MOST_CELLS = 20, MOST_HEADS = 3 };

typedef struct Head {
  int id; /* number in the names of the head's values */
  int64_t h, w, step[2], classes;
} Head;

/* Adds a value that later statements may read. Its elements may be equal up to rounding. */
static Value *keep(Net *net, char letter, int id, Shape shape, double size) {
  Value *v = &net->value[net->nvalues++];
  *v = (Value){.id = ++net->ids,
               .shape = shape,
               .size = size,
               .equal = 2,
               .named = true,
               .cut = strchr("bnopqr", letter)};
  snprintf(v->name, sizeof v->name, "%c%d", letter, id);
  net->now = *v;
  net->jumps = true;
  net->layers++;
  return v;
}

static Value *keep_regions(Net *net, char letter, int id, Shape shape, double size, int64_t regions) {
  Value *v = keep(net, letter, id, shape, size);
  v->regions = net->now.regions = regions;
  return v;
}

static Shape table(int64_t rows, int64_t columns) { return (Shape){2, 1, rows, columns}; }

static void lose(Net *net, Value *v, const char *text) {
  if (!chance(net, 75)) return;
  text_put(&net->losses, ", %s", text);
  if (chance(net, 30)) text_put(&net->losses, ", weight=0.5");
  text_put(&net->losses, ")");
  v->lost = true;
}

static const char *settings(Net *net) { /* settings of nms */
  static const char *const some[] = {"max=4", "iou=0.3, score=0.1, max=5", "score=-1, max=3",
                                     "iou=0.7, score=0.3, max=6"};
  return some[below(net, 4)];
}

static int64_t kept(const char *settings) { return strrchr(settings, '=')[1] - '0'; }

/* ---- heads ---- */
static void write_yolo(Net *net, const Head *h) {
  const int64_t anchors = between(net, 1, 2), rows = h->h * h->w * anchors;
  text_put(net->out, "    h%d = f%d -> conv(%lld, 1x1) -> yolo(%lld, anchors=[[4, 3]%s])\n", h->id, h->id,
           (long long)(anchors * (5 + h->classes)), (long long)h->classes, anchors > 1 ? ", [6.5, 8]" : "");
  Value *v = keep(net, 'h', h->id, table(rows, 5 + h->classes), 12);
  lose(net, v, arena_printf(net->arena, "yolo(h%d, ignore=%s", h->id, chance(net, 50) ? "0.5" : "0.2"));
  if (!chance(net, 70)) return;
  const char *how = settings(net);
  text_put(net->out, "    n%d = h%d -> nms(%s)\n", h->id, h->id, how);
  v->reads++;
  keep(net, 'n', h->id, table(kept(how), 6), 20);
}

/* A panoptic output: a class per pixel, and instances from SSD's boxes. */
static void write_panoptic(Net *net, const Head *h, int64_t most) {
  const int id = h->id;
  text_put(net->out, "    q%d = n%d -> slice(0..4)\n", id, id);
  text_put(net->out, "    m%d = q%d -> roi_align(f%d, %lld, scale=1/%lld) -> conv(%lld, 1x1) -> sigmoid\n",
           id, id, id, (long long)between(net, 1, 3), (long long)h->step[1], (long long)h->classes);
  text_put(net->out, "    o%d = f%d -> conv(%lld, 1x1) -> panoptic(n%d, m%d, threshold=0.4)\n", id, id,
           (long long)(h->classes + 1), id, id);
  keep(net, 'q', id, table(most, 4), 12)->reads++;
  keep(net, 'o', id, picture(h->h, h->w, 2), 6);
}

static void write_ssd(Net *net, const Head *h) {
  static const char *const some[] = {"[4], [1]", "[4, 7], [1]", "[5], [1, 0.5]", "[3, 6], [1, 2]"};
  static const int64_t counts[] = {1, 2, 2, 4};
  const int kind = (int)below(net, 4), id = h->id;
  const long long each = counts[kind], rows = h->h * h->w * each, columns = h->classes + 1;
  const bool softmax = chance(net, 60);
  text_put(net->out, "    p%d = f%d -> default_boxes(%s, %lldx%lld)\n", id, id, some[kind],
           (long long)h->step[0], (long long)h->step[1]);
  text_put(net->out, "    d%d = f%d -> conv(%lld, 1x1) -> reshape(%lldx4)\n", id, id, 4 * each, rows);
  /* Boxes of the same size may overlap a ground-truth box equally, and then rounding decides between them.
   * Therefore each box gets a different size. */
  text_put(net->out, "    w%d = p%d -> add(d%d)\n", id, id, id);
  text_put(net->out, "    s%d = f%d -> conv(%lld, 1x1) -> reshape(%lldx%lld)%s\n", id, id, each * columns,
           rows, columns, softmax ? " -> softmax" : "");
  keep(net, 'p', id, table(rows, 4), 20)->reads++;
  keep(net, 'd', id, table(rows, 4), 3);
  Value *scores = keep(net, 's', id, table(rows, columns), 3);
  scores->softmax = softmax;
  lose(
      net, scores,
      arena_printf(net->arena, "multibox(s%d, d%d, boxes=w%d, negatives=%d", id, id, id, (int)below(net, 4)));
  if (!chance(net, 70)) return;
  const char *how = settings(net);
  text_put(net->out, "    b%d = p%d -> decode(d%d%s)\n", id, id, id,
           chance(net, 30) ? ", weights=[1, 1, 2, 2]" : "");
  text_put(net->out, "    n%d = b%d -> nms(s%d, %s)\n", id, id, id, how);
  keep(net, 'b', id, table(rows, 4), 12)->reads++;
  keep(net, 'n', id, table(kept(how), 6), 20);
  if (chance(net, 40)) write_panoptic(net, h, kept(how));
}

/* The layers after the regions rN of a head: classes, boxes and masks for each region. */
static void write_regions(Net *net, const Head *h, int64_t most, int64_t sample) {
  const int id = h->id;
  const long long columns = h->classes + 1, each = chance(net, 50) ? 4 : 4 * columns,
                  side = between(net, 1, 3);
  const int64_t regions = most * 100 + sample;
  const bool softmax = chance(net, 60), align = chance(net, 60);
  text_put(net->out, "    g%d = r%d -> %s(f%d, %lld, scale=1/%lld%s)\n", id, id,
           align ? "roi_align" : "roi_pool", id, side, (long long)h->step[1],
           !align            ? ""
           : chance(net, 70) ? ", samples=1"
                             : ", aligned=false");
  keep_regions(net, 'g', id, picture(side, side, 4), 1, regions);
  if (chance(net, 30)) return;
  text_put(net->out, "    c%d = g%d -> flatten -> dense(%lld)%s\n", id, id, columns,
           softmax ? " -> softmax" : "");
  text_put(net->out, "    e%d = g%d -> flatten -> dense(%lld)\n", id, id, each);
  Value *scores = keep_regions(net, 'c', id, vector(columns), 3, regions);
  scores->softmax = softmax;
  keep_regions(net, 'e', id, vector(each), 3, regions);
  lose(net, scores, arena_printf(net->arena, "detection(c%d, e%d, boxes=r%d", id, id, id));
  if (chance(net, 50)) {
    text_put(net->out, "    m%d = g%d -> conv_transpose(%lld, 2x2, stride=2)%s\n", id, id,
             (long long)h->classes, chance(net, 50) ? " -> sigmoid" : "");
    Value *masks = keep_regions(net, 'm', id, picture(2 * side, 2 * side, h->classes), 3, regions);
    lose(net, masks, arena_printf(net->arena, "masks(m%d, boxes=r%d", id, id));
  }
  if (chance(net, 50)) {
    const char *how = settings(net);
    text_put(net->out, "    b%d = r%d -> decode(e%d)\n    n%d = b%d -> nms(c%d, %s)\n", id, id, id, id, id,
             id, how);
    keep(net, 'n', id, table(kept(how), 6), 20);
  }
}

static void write_rcnn(Net *net, const Head *h) {
  const int id = h->id;
  if (chance(net, 40)) { /* the same boxes for every image */
    const int64_t rows = chance(net, 50) ? 2 : 4;
    text_put(net->out, "    r%d = f%d -> global_avgpool -> default_boxes([%s], [1, 2], 4)\n", id, id,
             rows == 2 ? "5" : "3, 8");
    keep(net, 'r', id, table(rows, 4), 12)->reads++;
    write_regions(net, h, rows, rows);
    return;
  }
  const long long anchors = between(net, 1, 2), most = between(net, 2, MOST_REGIONS),
                  sample = between(net, 2, MOST_REGIONS);
  text_put(net->out, "    s%d = f%d -> conv(%lld, 1x1)\n    d%d = f%d -> conv(%lld, 1x1)\n", id, id, anchors,
           id, id, 4 * anchors);
  text_put(net->out,
           "    r%d = s%d -> proposals(d%d, anchors=[[4, 4]%s], stride=%lldx%lld, before=%lld, max=%lld, "
           "sample=%lld, positives=0.5)\n",
           id, id, id, anchors > 1 ? ", [7, 3]" : "", (long long)h->step[0], (long long)h->step[1],
           (long long)between(net, most, 20), most, sample);
  /* only the head and its losses read the regions: other statements must not read the regions, because in
   * training the number of regions is `sample` */
  Value regions = {.size = 12};
  lose(net, &regions,
       arena_printf(net->arena, "rpn(r%d, sample=%lld, high=0.5", id, (long long)between(net, 1, 9)));
  write_regions(net, h, most, sample);
}

/* ---- inputs of the heads ---- */
static int64_t step_of(Net *net, int64_t side) { /* a divisor of `side` */
  int64_t step = divisor(net, side, 12);
  while (side / step > 5) step = step * 2 <= side && side % (step * 2) == 0 ? step * 2 : side;
  return step;
}

bool write_objects(Net *net) {
  static void (*const heads[])(Net *, const Head *) = {write_yolo, write_ssd, write_rcnn};
  const Shape in = net->value[0].shape;
  if (in.rank != 3 || net->depth != 1 || net->heads >= MOST_HEADS || net->nvalues + 10 > MOST_VALUES)
    return false;
  Head h = {
      .id = net->names, .step = {step_of(net, in.h), step_of(net, in.w)}, .classes = between(net, 1, 3)};
  h.h = in.h / h.step[0];
  h.w = in.w / h.step[1];
  if (h.h * h.w > MOST_CELLS || !spend(net, (double)(elements(in) * 4))) return false;
  net->names++;
  net->heads++;
  const char *scale = net->value[0].size > 50 ? " -> normalize(scale=1/64)" : "";
  text_put(net->out, "    f%d = %s%s -> conv(4, %lldx%lld, stride=%lldx%lld) -> tanh\n", h.id,
           net->value[0].name, scale, (long long)h.step[0], (long long)h.step[1], (long long)h.step[0],
           (long long)h.step[1]);
  net->value[0].reads++;
  keep(net, 'f', h.id, picture(h.h, h.w, 4), 1)->equal = 0;
  heads[below(net, 3)](net, &h);
  net->now = net->value[net->nvalues - 1]; /* the value of the last statement */
  return true;
}
