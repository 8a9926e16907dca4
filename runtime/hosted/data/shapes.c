/* shapes.c: Synthetic images: discs, squares, triangles, stars and rings of different sizes on a textured
 * background; some shapes cover others. Colors are independent of the shape, and the background's colors have
 * the same distribution, so that no threshold separates shapes from the background. Light comes from one
 * side, and noise covers everything. The code only uses additions, products, divisions and counter-based
 * random numbers, so the images are the same on every machine. */
// SPDX-License-Identifier: MIT-0
#include "hosted/data/shapes.h"

#include <stdlib.h>
#include <string.h>
#include "cnn_core.h"

const char *const cnn_shape_names[1 + CNN_SHAPES] = {"background", "disc", "square",
                                                     "triangle",   "star", "ring"};

enum { DISC, SQUARE, TRIANGLE, STAR, RING };
/* SAMPLES: sampled points per pixel, in each direction */
enum { OBJECTS = 6, TRIES = 24, CELLS = 9, SAMPLES = 2 };

typedef struct Draw {
  cnn_random random;
  uint32_t counter;
} Draw;

static float draw(Draw *d, float lo, float hi) {
  return lo + (hi - lo) * cnn_random_uniform(d->random, d->counter++);
}
static int32_t draw_below(Draw *d, int32_t limit) {
  return (int32_t)cnn_random_below(d->random, d->counter++, (uint32_t)limit);
}

typedef struct Color {
  float part[3];
} Color; /* 0..1 */

/* Stripes: x, y are their direction and frequency, `at` is their phase. */
typedef struct Stripes {
  float x, y, at, strength;
} Stripes;

typedef struct Thing {
  int32_t kind;
  float x, y, radius, cosine, sine;
  Color color;
  Stripes stripes;
} Thing;

typedef struct Ground {
  Color color[2];
  float cell[2][CELLS][CELLS]; /* random values on a coarse and a fine grid */
  Stripes stripes;
} Ground;

typedef struct Scene {
  int32_t size, things;
  Ground ground;
  Thing thing[OBJECTS];
  float light, slope_x, slope_y, noise;
} Scene;

/* ---- Colors */

static Color color_draw(Draw *d) {
  Color color;
  for (int k = 0; k < 3; k++) color.part[k] = draw(d, 0.05f, 0.95f);
  return color;
}

static float color_distance(const Color *a, const Color *b) {
  float sum = 0;
  for (int k = 0; k < 3; k++) {
    const float d = a->part[k] - b->part[k];
    sum += d < 0 ? -d : d;
  }
  return sum;
}

static Stripes stripes_draw(Draw *d, float strength) {
  return (Stripes){draw(d, -0.25f, 0.25f), draw(d, -0.25f, 0.25f), draw(d, 0, 1), draw(d, 0, strength)};
}

/* A triangle wave between -1 and 1, times the strength. */
static float stripes_at(const Stripes *s, float x, float y) {
  const float t = s->x * x + s->y * y + s->at;
  float within = t - (float)(int32_t)t;
  if (within < 0) within += 1;
  return s->strength * (within < 0.5f ? 4 * within - 1 : 3 - 4 * within);
}

/* ---- The background */

static Ground ground_draw(Draw *d) {
  Ground g = {.color = {color_draw(d), color_draw(d)}};
  for (int k = 0; k < 2; k++)
    for (int i = 0; i < CELLS; i++)
      for (int j = 0; j < CELLS; j++) g.cell[k][i][j] = draw(d, 0, 1);
  g.stripes = stripes_draw(d, 0.15f);
  return g;
}

/* Bilinear interpolation of random values; the field is periodic. y, x >= 0, in cells. */
static float field_at(const float cell[CELLS][CELLS], float y, float x) {
  const int32_t i = (int32_t)y, j = (int32_t)x;
  const float v = y - (float)i, u = x - (float)j;
  const float *row = cell[i % CELLS], *next = cell[(i + 1) % CELLS];
  return (1 - v) * ((1 - u) * row[j % CELLS] + u * row[(j + 1) % CELLS]) +
         v * ((1 - u) * next[j % CELLS] + u * next[(j + 1) % CELLS]);
}

static Color ground_at(const Scene *s, float y, float x) {
  const Ground *g = &s->ground;
  const float coarse = 4 / (float)s->size, mix = field_at(g->cell[0], y * coarse, x * coarse),
              fine = field_at(g->cell[1], y * 0.3f, x * 0.3f) - 0.5f, stripe = stripes_at(&g->stripes, x, y);
  Color color;
  for (int k = 0; k < 3; k++)
    color.part[k] = (1 - mix) * g->color[0].part[k] + mix * g->color[1].part[k] + 0.3f * fine + stripe;
  return color;
}

/* ---- shapes: u, v are coordinates relative to the circle around the shape, whose radius is 1 */

static bool in_triangle(float u, float v) {
  return v < 0.5f && -0.8660254f * u - 0.5f * v < 0.5f && 0.8660254f * u - 0.5f * v < 0.5f;
}

/* A point is in the star if it is on the outer side of at most one of the lines that join the star's tips. */
static bool in_star(float u, float v) {
  static const float line[5][2] = {{0, 1},
                                   {0.9510565f, 0.3090170f},
                                   {0.5877853f, -0.8090170f},
                                   {-0.5877853f, -0.8090170f},
                                   {-0.9510565f, 0.3090170f}};
  int beyond = 0;
  for (int k = 0; k < 5; k++) beyond += line[k][0] * u + line[k][1] * v > 0.3819660f;
  return beyond <= 1 && u * u + v * v < 1.6f;
}

static bool thing_covers(const Thing *t, float y, float x) {
  const float dx = (x - t->x) / t->radius, dy = (y - t->y) / t->radius, u = t->cosine * dx + t->sine * dy,
              v = t->cosine * dy - t->sine * dx, square = u * u + v * v;
  switch (t->kind) {
  case DISC: return square < 0.81f;
  case SQUARE: return u < 0.75f && u > -0.75f && v < 0.75f && v > -0.75f;
  case TRIANGLE: return in_triangle(u, v);
  case STAR: return in_star(u, v);
  default: return square < 1 && square > 0.3f;
  }
}

static Thing thing_draw(Draw *d, const Scene *s) {
  const float size = (float)s->size;
  Thing t = {.kind = draw_below(d, CNN_SHAPES), .radius = size * draw(d, 0.11f, 0.26f)};
  t.x = draw(d, 0.6f * t.radius, size - 0.6f * t.radius);
  t.y = draw(d, 0.6f * t.radius, size - 0.6f * t.radius);
  const float half = draw(d, -1, 1),
              sign = draw(d, -1, 1) < 0 ? -1.0f : 1.0f; /* half: tangent of half the angle */
  t.cosine = sign * (1 - half * half) / (1 + half * half);
  t.sine = sign * 2 * half / (1 + half * half);
  for (int i = 0; i < TRIES; i++) { /* avoids the colors of the background */
    t.color = color_draw(d);
    if (color_distance(&t.color, &s->ground.color[0]) > 0.6f &&
        color_distance(&t.color, &s->ground.color[1]) > 0.6f)
      break;
  }
  t.stripes = stripes_draw(d, 0.12f);
  return t;
}

/* ---- Visibility */

typedef struct Extent {
  int32_t top, left, bottom, right;
} Extent; /* range of pixels */

static Extent extent_of(const Scene *s, const Thing *t) {
  const float reach = 1.3f * t->radius;
  Extent e = {(int32_t)(t->y - reach), (int32_t)(t->x - reach), (int32_t)(t->y + reach) + 1,
              (int32_t)(t->x + reach) + 1};
  e.top = e.top < 0 ? 0 : e.top;
  e.left = e.left < 0 ? 0 : e.left;
  e.bottom = e.bottom > s->size ? s->size : e.bottom;
  e.right = e.right > s->size ? s->size : e.right;
  return e;
}

static bool center_covered(const Thing *t, int32_t y, int32_t x) {
  return thing_covers(t, (float)y + 0.5f, (float)x + 0.5f);
}

/* Whether this shape has enough pixels, and all shapes below it keep at least half of their pixels. */
static bool thing_fits(const Scene *s, const Thing *t, const uint8_t *instance, const int32_t *whole,
                       const int32_t *seen, int32_t *own) {
  const Extent e = extent_of(s, t);
  int32_t lost[OBJECTS] = {0};
  *own = 0;
  for (int32_t y = e.top; y < e.bottom; y++)
    for (int32_t x = e.left; x < e.right; x++) {
      if (!center_covered(t, y, x)) continue;
      const int32_t below = instance[y * s->size + x];
      if (below) lost[below - 1]++;
      ++*own;
    }
  for (int32_t i = 0; i < s->things; i++)
    if (2 * (seen[i] - lost[i]) < whole[i]) return false;
  return *own >= 12;
}

/* Places the shapes, and stores the pixels of each in `instance`. */
static void things_place(Draw *d, Scene *s, uint8_t *instance) {
  int32_t whole[OBJECTS] = {0}, seen[OBJECTS] = {0};
  const int32_t wanted = 1 + draw_below(d, OBJECTS);
  for (int i = 0; i < TRIES && s->things < wanted; i++) {
    int32_t own;
    const Thing t = thing_draw(d, s);
    if (!thing_fits(s, &t, instance, whole, seen, &own)) continue;
    const Extent e = extent_of(s, &t);
    for (int32_t y = e.top; y < e.bottom; y++)
      for (int32_t x = e.left; x < e.right; x++) {
        uint8_t *pixel = &instance[y * s->size + x];
        if (!center_covered(&t, y, x)) continue;
        if (*pixel) seen[*pixel - 1]--;
        *pixel = (uint8_t)(s->things + 1);
      }
    whole[s->things] = seen[s->things] = own;
    s->thing[s->things++] = t;
  }
}

/* ---- The image */

static Color color_at(const Scene *s, float y, float x) {
  for (int32_t i = s->things - 1; i >= 0; i--) {
    const Thing *t = &s->thing[i];
    if (!thing_covers(t, y, x)) continue;
    Color color = t->color;
    const float stripe = stripes_at(&t->stripes, x, y);
    for (int k = 0; k < 3; k++) color.part[k] += stripe;
    return color;
  }
  return ground_at(s, y, x);
}

static void picture_draw(Draw *d, const Scene *s, uint8_t *pixel) {
  const float middle = 0.5f * (float)s->size;
  const float step = 1 / (float)SAMPLES;
  for (int32_t y = 0; y < s->size; y++)
    for (int32_t x = 0; x < s->size; x++, pixel += 3) {
      Color sum = {{0}};
      for (int i = 0; i < SAMPLES * SAMPLES; i++) {
        const Color c = color_at(s, (float)y + ((float)(i / SAMPLES) + 0.5f) * step,
                                 (float)x + ((float)(i % SAMPLES) + 0.5f) * step);
        for (int k = 0; k < 3; k++) sum.part[k] += c.part[k] / (SAMPLES * SAMPLES);
      }
      const float light =
          s->light + s->slope_x * ((float)x / middle - 1) + s->slope_y * ((float)y / middle - 1);
      for (int k = 0; k < 3; k++) {
        const float noise = draw(d, -1, 1) + draw(d, -1, 1);
        const float value = 255 * (light * sum.part[k] + s->noise * noise) + 0.5f;
        pixel[k] = (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
      }
    }
}

static void truth_find(const Scene *s, cnn_truth *truth) {
  const int32_t n = s->size;
  for (int32_t i = 0; i < s->things; i++)
    truth->object[i] = (cnn_object){.label = s->thing[i].kind, .box = {(float)n, (float)n, 0, 0}};
  for (int32_t y = 0; y < n; y++)
    for (int32_t x = 0; x < n; x++) {
      const int32_t k = truth->instance[y * n + x];
      truth->pixels[y * n + x] = k ? 1 + s->thing[k - 1].kind : 0;
      if (k == 0) continue;
      float *box = truth->object[k - 1].box;
      if ((float)x < box[0]) box[0] = (float)x;
      if ((float)y < box[1]) box[1] = (float)y;
      if ((float)(x + 1) > box[2]) box[2] = (float)(x + 1);
      if ((float)(y + 1) > box[3]) box[3] = (float)(y + 1);
    }
  truth->count = s->things;
}

cnn_status cnn_shapes_make(uint64_t seed, uint64_t stream, uint32_t index, int32_t size, cnn_image *image,
                           cnn_truth *truth) {
  const size_t pixels = (size_t)size * (size_t)size;
  *image = (cnn_image){size, size, 3, malloc(3 * pixels)};
  *truth = (cnn_truth){.width = size,
                       .height = size,
                       .object = calloc(OBJECTS, sizeof *truth->object),
                       .instance = calloc(pixels, 1),
                       .pixels = malloc(pixels * sizeof *truth->pixels)};
  if (!image->pixel || !truth->object || !truth->instance || !truth->pixels) {
    cnn_image_free(image);
    cnn_truth_free(truth);
    return cnn_failure(CNN_NO_MEMORY, "out of memory for an image of %d x %d", (int)size, (int)size);
  }
  Draw d = {.random = cnn_random_stream(seed * 4 + stream, CNN_STREAM_DATA, index)};
  Scene scene = {.size = size};
  scene.ground = ground_draw(&d);
  scene.light = draw(&d, 0.65f, 1.1f);
  scene.slope_x = draw(&d, -0.25f, 0.25f);
  scene.slope_y = draw(&d, -0.25f, 0.25f);
  scene.noise = draw(&d, 0.01f, 0.06f);
  things_place(&d, &scene, truth->instance);
  picture_draw(&d, &scene, image->pixel);
  truth_find(&scene, truth);
  return cnn_success();
}
