/* augment.c: Augmentation of one sample, with random numbers that only this sample uses. Consecutive
 * geometric steps are merged into one map from result pixels to source pixels. So the image is resampled only
 * once for these steps. Each step has its own random numbers. */
// SPDX-License-Identifier: MIT-0
#include "augment.h"
#include "scalar.h"

enum { DRAWS = 32 }; /* number of random numbers reserved for each step */

static int64_t elements(cnn_plane plane) { return (int64_t)plane.height * plane.width * plane.channels; }

/* ---- Step kinds and random numbers */

static const char *const NAMES[] = {[CNN_AUGMENT_HFLIP] = "hflip",
                                    [CNN_AUGMENT_VFLIP] = "vflip",
                                    [CNN_AUGMENT_SHIFT] = "shift",
                                    [CNN_AUGMENT_ROTATE] = "rotate",
                                    [CNN_AUGMENT_ZOOM] = "zoom",
                                    [CNN_AUGMENT_CROP] = "crop",
                                    [CNN_AUGMENT_RESIZED_CROP] = "resized_crop",
                                    [CNN_AUGMENT_NOISE] = "noise",
                                    [CNN_AUGMENT_BRIGHTNESS] = "brightness",
                                    [CNN_AUGMENT_CONTRAST] = "contrast",
                                    [CNN_AUGMENT_SATURATION] = "saturation",
                                    [CNN_AUGMENT_HUE] = "hue",
                                    [CNN_AUGMENT_CUTOUT] = "cutout",
                                    [CNN_AUGMENT_MIXUP] = "mixup",
                                    [CNN_AUGMENT_CUTMIX] = "cutmix",
                                    [CNN_AUGMENT_TIME_SHIFT] = "time_shift",
                                    [CNN_AUGMENT_GAIN] = "gain",
                                    [CNN_AUGMENT_BACKGROUND] = "background",
                                    [CNN_AUGMENT_SPEED] = "speed"};

static bool same_text(const char *a, const char *b) {
  while (*a && *a == *b) {
    a++;
    b++;
  }
  return *a == *b;
}

cnn_augment_kind cnn_augment_kind_of(const cnn_option *option) {
  int kind = 0;
  while (kind < CNN_AUGMENTS && !same_text(NAMES[kind], option->name)) kind++;
  return (cnn_augment_kind)kind;
}

double cnn_draw_uniform(const cnn_augmentation *a, int32_t step, uint32_t k) {
  return (double)cnn_random_uniform(a->random, (uint32_t)step * DRAWS + k);
}
uint32_t cnn_draw_below(const cnn_augmentation *a, int32_t step, uint32_t k, uint32_t limit) {
  return cnn_random_below(a->random, (uint32_t)step * DRAWS + k, limit);
}
static double between(const cnn_augmentation *a, int32_t step, uint32_t k, double lo, double hi) {
  return lo + (hi - lo) * cnn_draw_uniform(a, step, k);
}
static bool heads(const cnn_augmentation *a, int32_t step) {
  return cnn_random_bits(a->random, (uint32_t)step * DRAWS) >> 31;
}
static int32_t whole(const cnn_augmentation *a, int32_t step, uint32_t k, int32_t count) {
  return (int32_t)cnn_draw_below(a, step, k, (uint32_t)count);
}

cnn_augmentation cnn_augment_draw(const cnn_recipe *recipe, cnn_plane plane, uint64_t seed, uint32_t epoch,
                                  uint32_t index) {
  cnn_random stream = cnn_random_stream(seed, CNN_STREAM_AUGMENT, epoch);
  return (cnn_augmentation){.recipe = recipe,
                            .plane = plane,
                            .random = cnn_random_keys((uint64_t)stream.key[1] << 32 | stream.key[0], index)};
}

/* ---- geometry ----
 * A warp maps positions in the result to positions in the source. Positions are relative to the center of the
 * plane. Their unit is a pixel of the net's first input; warp_on converts a warp to the pixels of another
 * plane. */

typedef struct Warp {
  double xx, xy, x, yx, yy, y;
} Warp;
static const Warp NOTHING = {1, 0, 0, 0, 1, 0};

static Warp warp_after(const Warp *w, const Warp *t) { /* the warp that applies t, then w */
  return (Warp){w->xx * t->xx + w->xy * t->yx,      w->xx * t->xy + w->xy * t->yy,
                w->xx * t->x + w->xy * t->y + w->x, w->yx * t->xx + w->yy * t->yx,
                w->yx * t->xy + w->yy * t->yy,      w->yx * t->x + w->yy * t->y + w->y};
}

/* The warp that enlarges a crop to the whole plane. The crop has height x width pixels, and its top left
 * corner is (top, left). */
static Warp piece(cnn_plane plane, double height, double width, double top, double left) {
  const double h = plane.height, w = plane.width;
  return (Warp){width / w, 0, left + (width - w) / 2, 0, height / h, top + (height - h) / 2};
}

static Warp rotation(double degrees) {
  const double turn = (degrees < 0 ? -degrees : degrees) / 180, half = turn < 0.5 ? 0.5 - turn : turn - 0.5;
  const double cosine = cnn_cos_turn(turn), sine = degrees < 0 ? -cnn_cos_turn(half) : cnn_cos_turn(half);
  return (Warp){cosine, -sine, 0, sine, cosine, 0};
}

/* A random crop (Szegedy et al., 2015). Its area is a fraction lo .. hi of the image's area, and its aspect
 * ratio is 3/4 .. 4/3. If none of ten attempts fits into the image, the crop is the whole image. */
static Warp random_piece(const cnn_augmentation *a, int32_t step, double lo, double hi) {
  const double h = a->plane.height, w = a->plane.width, log_aspect = 0.28768207245178090; /* log(4/3) */
  for (uint32_t k = 0; k < 10; k++) {
    const double area = h * w * between(a, step, 2 * k, lo, hi),
                 aspect = cnn_exp(between(a, step, 2 * k + 1, -log_aspect, log_aspect));
    const double width = cnn_sqrt(area * aspect), height = cnn_sqrt(area / aspect);
    if (width <= w && height <= h)
      return piece(a->plane, height, width, between(a, step, 20, 0, h - height),
                   between(a, step, 21, 0, w - width));
  }
  return NOTHING;
}

/* Sets *warp to the warp of a step. Returns false if the step is not geometric. */
static bool step_warp(const cnn_augmentation *a, int32_t step, Warp *warp) {
  const cnn_option *option = &a->recipe->augment[step];
  const double *v = option->value;
  *warp = NOTHING;
  switch (cnn_augment_kind_of(option)) {
  case CNN_AUGMENT_HFLIP:
    if (heads(a, step)) warp->xx = -1;
    return true;
  case CNN_AUGMENT_VFLIP:
    if (heads(a, step)) warp->yy = -1;
    return true;
  case CNN_AUGMENT_SHIFT: {
    const int32_t most = (int32_t)v[0];
    warp->y = most - whole(a, step, 0, 2 * most + 1);
    warp->x = most - whole(a, step, 1, 2 * most + 1);
    return true;
  }
  case CNN_AUGMENT_ROTATE: *warp = rotation(between(a, step, 0, -v[0], v[0])); return true;
  case CNN_AUGMENT_ZOOM: warp->xx = warp->yy = 1 / between(a, step, 0, v[0], v[1]); return true;
  case CNN_AUGMENT_CROP: {
    const int32_t height = (int32_t)v[0], width = (int32_t)v[1];
    *warp = piece(a->plane, height, width, whole(a, step, 0, a->plane.height - height + 1),
                  whole(a, step, 1, a->plane.width - width + 1));
    return true;
  }
  case CNN_AUGMENT_RESIZED_CROP: *warp = random_piece(a, step, v[0], v[1]); return true;
  default: return false;
  }
}

/* Whether the plane is an image. Geometric steps, color steps and cutout change only images. */
static bool is_picture(cnn_plane plane) { return plane.height > 1 && plane.width > 1; }

/* Converts a warp from pixels of the plane `first` to pixels of `plane`. Returns the identity if `plane` is
 * not an image. */
static Warp warp_on(const Warp *w, cnn_plane first, cnn_plane plane) {
  if (!is_picture(plane)) return NOTHING;
  const double sx = (double)first.width / plane.width, sy = (double)first.height / plane.height;
  return (Warp){w->xx, w->xy * sy / sx, w->x / sx, w->yx * sx / sy, w->yy, w->y / sy};
}

/* If the warp consists only of flips and shifts by whole pixels, returns true and sets *move. The caller then
 * copies pixels and does not resample. */
static bool warp_is_move(const Warp *w, cnn_move *move) {
  const bool straight =
      w->xy == 0 && w->yx == 0 && (w->xx == 1 || w->xx == -1) && (w->yy == 1 || w->yy == -1);
  if (!straight || w->x != (double)(int32_t)w->x || w->y != (double)(int32_t)w->y) return false;
  const int32_t x = (int32_t)w->x, y = (int32_t)w->y;
  *move = (cnn_move){
      .down = w->yy < 0 ? y : -y, .right = w->xx < 0 ? x : -x, .mirror = w->xx < 0, .upend = w->yy < 0};
  return true;
}

void cnn_move_picture(const cnn_move *move, const void *in, void *out, int32_t height, int32_t width,
                      int32_t pixel_bytes, int border) {
  const char *from = in;
  char *to = out;
  size_t pixel = (size_t)pixel_bytes, row = pixel * (size_t)width;
  for (int32_t y = 0; y < height; y++, to += row) {
    int32_t source_y = y - move->down;
    if (source_y < 0 || source_y >= height) {
      memset(to, border, row);
      continue;
    }
    if (move->upend) source_y = height - 1 - source_y;
    const char *line = from + row * (size_t)source_y;
    /* for columns x with first <= x < end, the source pixel is inside the image */
    int32_t first = move->right > 0 ? move->right : 0, end = move->right < 0 ? width + move->right : width;
    if (first >= end) {
      memset(to, border, row);
      continue;
    }
    memset(to, border, pixel * (size_t)first);
    memset(to + pixel * (size_t)end, border, row - pixel * (size_t)end);
    if (!move->mirror) {
      memcpy(to + pixel * (size_t)first, line + pixel * (size_t)(first - move->right),
             pixel * (size_t)(end - first));
      continue;
    }
    for (int32_t x = first; x < end; x++)
      memcpy(to + pixel * (size_t)x, line + pixel * (size_t)(width - 1 - (x - move->right)), pixel);
  }
}

static int32_t floor_of(double x) {
  const int32_t i = x < -1e9 ? -1000000000 : x > 1e9 ? 1000000000 : (int32_t)x;
  return (double)i > x ? i - 1 : i;
}

/* Interpolates at an edge of the image. The result is the weighted sum of those neighbors that are inside the
 * image. */
static void blend_edge(cnn_plane plane, const float *in, int32_t left, int32_t top, const float part[4],
                       float *out) {
  const int64_t depth = plane.channels;
  memset(out, 0, (size_t)depth * sizeof *out);
  for (int corner = 0; corner < 4; corner++) {
    const int32_t x = left + (corner & 1), y = top + (corner >> 1);
    if (x < 0 || x >= plane.width || y < 0 || y >= plane.height) continue;
    const float *from = in + ((int64_t)y * plane.width + x) * depth;
    for (int64_t c = 0; c < depth; c++) out[c] += part[corner] * from[c];
  }
}

/* Bilinear resampling with half-pixel centers; pixels outside the image are zero. */
static void resample(const Warp *warp, cnn_plane plane, const float *in, float *out) {
  const Warp w = *warp;
  const double width = plane.width, height = plane.height;
  const int64_t depth = plane.channels, row = plane.width * depth;
  for (int32_t i = 0; i < plane.height; i++) {
    const double y = i + 0.5 - height / 2;
    for (int32_t j = 0; j < plane.width; j++, out += depth) {
      const double x = j + 0.5 - width / 2, u = w.xx * x + w.xy * y + w.x + width / 2 - 0.5,
                   v = w.yx * x + w.yy * y + w.y + height / 2 - 0.5;
      if (!(u > -1 && u < width && v > -1 && v < height)) {
        memset(out, 0, (size_t)depth * sizeof *out);
        continue;
      }
      const int32_t left = u < 0 ? -1 : (int32_t)u, top = v < 0 ? -1 : (int32_t)v;
      const float right_part = (float)(u - left), bottom_part = (float)(v - top), left_part = 1 - right_part,
                  top_part = 1 - bottom_part;
      const float part[4] = {left_part * top_part, right_part * top_part, left_part * bottom_part,
                             right_part * bottom_part};
      if (u < 0 || v < 0 || left + 1 >= plane.width || top + 1 >= plane.height) {
        blend_edge(plane, in, left, top, part, out);
        continue;
      }
      const float *above = in + top * row + left * depth, *below = above + row;
      for (int64_t c = 0; c < depth; c++)
        out[c] =
            part[0] * above[c] + part[1] * above[c + depth] + part[2] * below[c] + part[3] * below[c + depth];
    }
  }
}

/* Sets each result pixel to the nearest source pixel. A pixel has `bytes` bytes. If the source position is
 * outside the image, sets each byte of the result pixel to `border`. */
static void pick_nearest(const Warp *w, cnn_plane plane, size_t bytes, int border, const void *in,
                         void *out) {
  const double half_w = plane.width / 2.0, half_h = plane.height / 2.0;
  char *to = out;
  for (int32_t i = 0; i < plane.height; i++) {
    for (int32_t j = 0; j < plane.width; j++, to += bytes) {
      const double x = j + 0.5 - half_w, y = i + 0.5 - half_h;
      const int32_t sx = floor_of(w->xx * x + w->xy * y + w->x + half_w),
                    sy = floor_of(w->yx * x + w->yy * y + w->y + half_h);
      const bool inside = sx >= 0 && sx < plane.width && sy >= 0 && sy < plane.height;
      if (inside)
        memcpy(to, (const char *)in + ((size_t)sy * (size_t)plane.width + (size_t)sx) * bytes, bytes);
      else memset(to, border, bytes);
    }
  }
}

/* ---- steps that change values; `scale`: the full scale of the input's values (u8 inputs: 255) */

static double luma(const float *pixel) {
  return 0.299 * (double)pixel[0] + 0.587 * (double)pixel[1] + 0.114 * (double)pixel[2];
}

static void contrast(cnn_plane plane, float *pixel, float factor) {
  const int64_t n = elements(plane), pixels = n / plane.channels;
  double sum = 0;
  for (int64_t i = 0; plane.channels == 3 && i < pixels; i++) sum += luma(pixel + 3 * i);
  for (int64_t i = 0; plane.channels != 3 && i < n; i++) sum += (double)pixel[i];
  const float mean = (float)(sum / (double)(plane.channels == 3 ? pixels : n));
  for (int64_t i = 0; i < n; i++) pixel[i] = mean + factor * (pixel[i] - mean);
}

static void saturation(cnn_plane plane, float *pixel, float factor) {
  for (int64_t i = 0; i < (int64_t)plane.height * plane.width; i++, pixel += 3) {
    const float gray = (float)luma(pixel);
    for (int c = 0; c < 3; c++) pixel[c] = gray + factor * (pixel[c] - gray);
  }
}

/* Rotates the hue in the HSV color space (Smith, 1978). `turn` is a fraction of a full circle. */
static void hue(cnn_plane plane, float *pixel, float turn) {
  for (int64_t i = 0; i < (int64_t)plane.height * plane.width; i++, pixel += 3) {
    const float r = pixel[0], g = pixel[1], b = pixel[2];
    const float most = r > g ? (r > b ? r : b) : (g > b ? g : b),
                least = r < g ? (r < b ? r : b) : (g < b ? g : b), range = most - least;
    if (!(range > 0)) continue;
    float sector = most == r   ? (g - b) / range
                   : most == g ? 2 + (b - r) / range
                               : 4 + (r - g) / range; /* from -1 to 5; a circle has 6 sectors */
    sector += 6 * turn;
    while (sector < 0) sector += 6;
    while (sector >= 6) sector -= 6;
    for (int c = 0; c < 3; c++) { /* red is largest around sector 0, green around 2, blue around 4 */
      float away = sector - (float)(2 * c);
      if (away < 0) away = -away;
      if (away > 3) away = 6 - away;
      const float part = away < 1 ? 1 : away > 2 ? 0 : 2 - away;
      pixel[c] = least + range * part;
    }
  }
}

/* Sets a rectangle to zero. Its center is a random pixel of the image (DeVries and Taylor, 2017). */
static void cutout(const cnn_augmentation *a, int32_t step, cnn_plane plane, float *pixel) {
  const double *v = a->recipe->augment[step].value;
  const int32_t height = (int32_t)(v[0] * plane.height / a->plane.height),
                width = (int32_t)(v[1] * plane.width / a->plane.width);
  const int32_t top = whole(a, step, 0, plane.height) - height / 2,
                left = whole(a, step, 1, plane.width) - width / 2;
  for (int32_t y = top < 0 ? 0 : top; y < top + height && y < plane.height; y++)
    for (int32_t x = left < 0 ? 0 : left; x < left + width && x < plane.width; x++)
      memset(pixel + ((int64_t)y * plane.width + x) * plane.channels, 0,
             (size_t)plane.channels * sizeof *pixel);
}

/* The p-quantile of the standard normal distribution, 0 < p < 1, with a relative error below 1.2e-9 (Acklam,
 * 2003). */
double cnn_normal_quantile(double p) {
  static const double a[] = {-3.969683028665376e+01, 2.209460984245205e+02,  -2.759285104469687e+02,
                             1.383577518672690e+02,  -3.066479806614716e+01, 2.506628277459239e+00};
  static const double b[] = {-5.447609879822406e+01, 1.615858368580409e+02, -1.556989798598866e+02,
                             6.680131188771972e+01, -1.328068155288572e+01};
  static const double c[] = {-7.784894002430293e-03, -3.223964580411365e-01, -2.400758277161838e+00,
                             -2.549732539343734e+00, 4.374664141464968e+00,  2.938163982698783e+00};
  static const double d[] = {7.784695709041462e-03, 3.224671290700398e-01, 2.445134137142996e+00,
                             3.754408661907416e+00};
  if (p > 0.5) return -cnn_normal_quantile(1 - p);
  if (p < 0.02425) {
    const double q = cnn_sqrt(-2 * cnn_log(p));
    return (((((c[0] * q + c[1]) * q + c[2]) * q + c[3]) * q + c[4]) * q + c[5]) /
           ((((d[0] * q + d[1]) * q + d[2]) * q + d[3]) * q + 1);
  }
  const double q = p - 0.5, r = q * q;
  return (((((a[0] * r + a[1]) * r + a[2]) * r + a[3]) * r + a[4]) * r + a[5]) * q /
         (((((b[0] * r + b[1]) * r + b[2]) * r + b[3]) * r + b[4]) * r + 1);
}

double cnn_draw_normal(cnn_random random, uint32_t counter) {
  return cnn_normal_quantile(((double)cnn_random_bits(random, counter) + 0.5) * 0x1p-32);
}

static void noise(const cnn_augmentation *a, int32_t step, cnn_plane plane, float *pixel, double deviation) {
  const cnn_random random =
      cnn_random_keys((uint64_t)a->random.key[1] << 32 | a->random.key[0], (uint64_t)step + 1);
  for (int64_t i = 0; i < elements(plane); i++)
    pixel[i] += (float)(deviation * cnn_draw_normal(random, (uint32_t)i));
}

static void step_values(const cnn_augmentation *a, int32_t step, cnn_plane plane, float scale, float *pixel) {
  const cnn_option *option = &a->recipe->augment[step];
  const double *v = option->value;
  const int64_t n = elements(plane);
  const cnn_augment_kind kind = cnn_augment_kind_of(option);
  if (kind == CNN_AUGMENT_NOISE) noise(a, step, plane, pixel, v[0] * (double)scale);
  if (!is_picture(plane)) return;
  const bool colors = plane.channels == 3;
  switch (kind) {
  case CNN_AUGMENT_BRIGHTNESS: {
    const float more = scale * (float)between(a, step, 0, -v[0], v[0]);
    for (int64_t i = 0; i < n; i++) pixel[i] += more;
    break;
  }
  case CNN_AUGMENT_CONTRAST: contrast(plane, pixel, (float)between(a, step, 0, v[0], v[1])); break;
  case CNN_AUGMENT_SATURATION:
    if (colors) saturation(plane, pixel, (float)between(a, step, 0, v[0], v[1]));
    break;
  case CNN_AUGMENT_HUE:
    if (colors) hue(plane, pixel, (float)between(a, step, 0, -v[0], v[0]));
    break;
  case CNN_AUGMENT_CUTOUT: cutout(a, step, plane, pixel); break;
  default: break;
  }
}

/* ---- A sample */

size_t cnn_core_bytes(cnn_type type) {
  return type == CNN_F32 || type == CNN_I32 ? sizeof(float) : type == CNN_I16 ? sizeof(int16_t) : 1;
}
int64_t cnn_augment_scratch(cnn_plane plane) { return 2 * elements(plane); }

static void values_read(cnn_type type, const void *in, float *out, int64_t n) {
  if (type == CNN_F32) memcpy(out, in, (size_t)n * sizeof *out);
  for (int64_t i = 0; type != CNN_F32 && i < n; i++)
    out[i] = type == CNN_U8    ? (float)((const uint8_t *)in)[i]
             : type == CNN_I16 ? (float)((const int16_t *)in)[i]
             : type == CNN_I32 ? (float)((const int32_t *)in)[i]
                               : (float)((const int8_t *)in)[i] + 128;
}

static void values_write(cnn_type type, const float *in, void *out, int64_t n) {
  if (type == CNN_F32) memcpy(out, in, (size_t)n * sizeof *in);
  for (int64_t i = 0; type == CNN_I16 && i < n; i++)
    ((int16_t *)out)[i] = (int16_t)((int32_t)(in[i] + 32768.5f) - 32768);
  for (int64_t i = 0; type == CNN_I32 && i < n; i++) ((int32_t *)out)[i] = (int32_t)in[i];
  for (int64_t i = 0; (type == CNN_U8 || type == CNN_I8) && i < n; i++) {
    const int32_t byte = in[i] < 0 ? 0 : in[i] > 255 ? 255 : (int32_t)(in[i] + 0.5f);
    if (type == CNN_U8) ((uint8_t *)out)[i] = (uint8_t)byte;
    else ((int8_t *)out)[i] = (int8_t)(byte - 128);
  }
}

/* Limits values to the range of the type. `pixel` stores i8 values with 128 added, so that they
 * have the range 0 .. 255. f32 values and i32 indices have no limits. */
static void clip(cnn_type type, float *pixel, int64_t n) {
  if (type == CNN_F32 || type == CNN_I32) return;
  const float low = type == CNN_I16 ? -32768 : 0, high = type == CNN_I16 ? 32767 : 255;
  for (int64_t i = 0; i < n; i++) pixel[i] = pixel[i] < low ? low : pixel[i] > high ? high : pixel[i];
}

/* Whether a step that is not geometric applies to inputs of this type. i32 inputs are indices, so only the
 * steps without arithmetic apply to them: cutout and time_shift. */
static bool step_applies(const cnn_augmentation *a, int32_t step, cnn_type type) {
  const cnn_augment_kind kind = cnn_augment_kind_of(&a->recipe->augment[step]);
  return type != CNN_I32 || kind == CNN_AUGMENT_CUTOUT || kind == CNN_AUGMENT_TIME_SHIFT;
}

static void swap(float **a, float **b) {
  float *const before = *a;
  *a = *b;
  *b = before;
}

/* Merges consecutive geometric steps, beginning with step *step. Sets *step to the next step that is not
 * geometric, or to the number of steps. */
static Warp warp_from(const cnn_augmentation *a, int32_t *step) {
  Warp warp = NOTHING, next;
  for (; *step < a->recipe->augments && step_warp(a, *step, &next); (*step)++)
    warp = warp_after(&warp, &next);
  return warp;
}

void cnn_augment_input(const cnn_augmentation *a, cnn_plane plane, cnn_type type, float scale, const void *in,
                       void *out, float *scratch) {
  const int64_t n = elements(plane);
  int32_t step = 0;
  Warp warp = warp_from(a, &step), own = warp_on(&warp, a->plane, plane);
  cnn_move move;
  if (step == a->recipe->augments && warp_is_move(&own, &move)) {
    const int black = type == CNN_I8 ? -128 : 0;
    cnn_move_picture(&move, in, out, plane.height, plane.width,
                     plane.channels * (int32_t)cnn_core_bytes(type), black);
    return;
  }
  float *now = scratch, *next = scratch + n;
  values_read(type, in, now, n);
  for (;;) {
    if (memcmp(&own, &NOTHING, sizeof own) != 0) {
      if (warp_is_move(&own, &move))
        cnn_move_picture(&move, now, next, plane.height, plane.width, plane.channels * (int32_t)sizeof(float),
                         0);
      else if (type == CNN_I32)
        pick_nearest(&own, plane, (size_t)plane.channels * sizeof(float), 0, now, next);
      else resample(&own, plane, now, next);
      swap(&now, &next);
    }
    if (step == a->recipe->augments) break;
    if (step_applies(a, step, type)) {
      if (cnn_augment_sound(a, step, plane, now, next)) swap(&now, &next);
      else step_values(a, step, plane, scale, now);
      clip(type, now, n);
    }
    step++;
    warp = warp_from(a, &step);
    own = warp_on(&warp, a->plane, plane);
  }
  values_write(type, now, out, n);
}

/* Merges all geometric steps into one warp. The unit of its positions is a pixel of `plane`. */
static Warp warp_of(const cnn_augmentation *a, cnn_plane plane) {
  Warp all = NOTHING, next;
  for (int32_t step = 0; step < a->recipe->augments; step++)
    if (step_warp(a, step, &next)) all = warp_after(&all, &next);
  return warp_on(&all, a->plane, plane);
}

void cnn_augment_target(const cnn_augmentation *a, cnn_plane plane, bool classes, const void *in, void *out) {
  const Warp own = warp_of(a, plane);
  const int border = classes ? 0xFF : 0; /* all bits set: class -1 */
  cnn_move move;
  if (warp_is_move(&own, &move))
    cnn_move_picture(&move, in, out, plane.height, plane.width, plane.channels * 4, border);
  else if (classes) pick_nearest(&own, plane, sizeof(int32_t), border, in, out);
  else resample(&own, plane, in, out);
}

/* ---- Objects */

int32_t cnn_augment_mixes(const cnn_recipe *recipe) {
  for (int32_t step = 0; step < recipe->augments; step++) {
    const cnn_augment_kind kind = cnn_augment_kind_of(&recipe->augment[step]);
    if (kind == CNN_AUGMENT_MIXUP || kind == CNN_AUGMENT_CUTMIX) return step;
  }
  return -1;
}

void cnn_augment_instances(const cnn_augmentation *a, cnn_plane plane, const uint8_t *in, uint8_t *out) {
  const Warp own = warp_of(a, plane);
  pick_nearest(&own, plane, 1, 0, in, out);
}

bool cnn_box_cut(float box[4], float left, float top, float right, float bottom) {
  const double whole_area = ((double)box[2] - (double)box[0]) * ((double)box[3] - (double)box[1]);
  if (box[0] < left) box[0] = left;
  if (box[1] < top) box[1] = top;
  if (box[2] > right) box[2] = right;
  if (box[3] > bottom) box[3] = bottom;
  const double width = (double)box[2] - (double)box[0], height = (double)box[3] - (double)box[1];
  return width > 0 && height > 0 && 4 * width * height >= whole_area;
}

bool cnn_augment_box(const cnn_augmentation *a, cnn_plane plane, const float in[4], float out[4]) {
  const Warp w = warp_of(a, plane); /* the warp maps the result to the source, so corners need its inverse */
  const double half_w = plane.width / 2.0, half_h = plane.height / 2.0, scale = w.xx * w.yy - w.xy * w.yx;
  for (int corner = 0; corner < 4; corner++) {
    const double u = (double)in[corner & 1 ? 2 : 0] - half_w - w.x,
                 v = (double)in[corner & 2 ? 3 : 1] - half_h - w.y;
    const float x = (float)((w.yy * u - w.xy * v) / scale + half_w),
                y = (float)((w.xx * v - w.yx * u) / scale + half_h);
    if (corner == 0 || x < out[0]) out[0] = x;
    if (corner == 0 || y < out[1]) out[1] = y;
    if (corner == 0 || x > out[2]) out[2] = x;
    if (corner == 0 || y > out[3]) out[3] = y;
  }
  return cnn_box_cut(out, 0, 0, (float)plane.width, (float)plane.height);
}
