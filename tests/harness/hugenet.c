/* hugenet.c: Prints a random program with numbers near the limits of C types. Usage: hugenet [far] SEED
 *
 * The program is of one of two kinds. The first kind is a chain of layers with huge sizes, kernels, strides,
 * dilations and paddings. The second kind has ordinary layers and a train block, numbers that barely fit a
 * float or an int or do not fit, and very long names. cnnc compiles such a program or rejects it with an
 * error that has a position. With `far`, all programs are valid and small enough for netcheck: their windows
 * have large strides, dilations and paddings, but their values are small. */
// SPDX-License-Identifier: Apache-2.0
#include <inttypes.h>
#include <stdio.h>
#include "random.h"

#define PICK_ONE(net, list) ((list)[below(net, (int64_t)(sizeof(list) / sizeof *(list)))])

/* ---- numbers ---- */
static int64_t small(Net *net) {
  static const int64_t some[] = {1, 1, 2, 3, 4, 5, 7, 8, 9, 16};
  return PICK_ONE(net, some);
}

static int64_t huge(Net *net) {
  static const int64_t some[] = {31,         100,        300,        1000,       4096,       32767,
                                 32768,      46340,      46341,      65535,      65536,      1000000,
                                 1048576,    16777215,   16777216,   16777217,   67108864,   268435455,
                                 268435456,  268435457,  536870912,  715827882,  1073741823, 1073741824,
                                 1073741825, 1500000000, 2147483645, 2147483646, 2147483647};
  return PICK_ONE(net, some);
}

static int64_t beyond(Net *net) {
  static const int64_t some[] = {0, -1, 2147483648, 4294967295, 4294967296, 1099511627776, INT64_MAX};
  return PICK_ONE(net, some);
}

static int64_t size(Net *net, int percent) { /* huge with a probability of `percent` % */
  if (chance(net, 1)) return beyond(net);
  return chance(net, percent) ? huge(net) : small(net);
}

/* Prints the text with a random size in place of each @. The sizes are not arguments of one call, because C
 * does not define the order in which arguments are evaluated. */
static void put_sized(Net *net, const char *text, int percent) {
  for (; *text; text++)
    if (*text == '@') printf("%" PRId64, size(net, percent));
    else putchar(*text);
}

static void put_list(int n, const int64_t *number) {
  for (int i = 0; i < n; i++) printf("%s%" PRId64, i ? ", " : "[", number[i]);
  printf("]");
}

/* ---- windows with large strides, dilations and paddings, on small values ---- */
typedef struct Far {
  int64_t kernel, stride, dilation, before, after, out;
} Far;

static bool is_border(int64_t n) { return n >= 0 && n <= INT32_MAX; }

/* Draws the windows of one axis: few windows of few elements, but with strides, dilations and paddings of any
 * size. False: none found. */
static bool draw_far(Net *net, int64_t input, bool pool, Far *f) {
  for (int attempt = 0; attempt < 50; attempt++) {
    *f = (Far){.kernel = between(net, 1, 4), .stride = size(net, 40), .dilation = size(net, 40)};
    if (f->stride < 1 || f->dilation < 1 || f->stride > INT32_MAX || f->dilation > INT32_MAX) continue;
    const int64_t reach = f->dilation * (f->kernel - 1) + 1;
    f->before = chance(net, 50) ? f->dilation * below(net, f->kernel) : size(net, 40);
    if (!is_border(f->before)) continue;
    f->after = chance(net, 50) ? reach - 1 - f->before : size(net, 40);
    if (!is_border(f->after)) continue;
    f->before += chance(net, 30) ? between(net, -3, 3) : 0;
    f->after += chance(net, 30) ? between(net, -3, 3) : 0;
    if (!is_border(f->before) || !is_border(f->after)) continue;
    const int64_t room = input + f->before + f->after - reach;
    f->out = room < 0 ? 0 : room / f->stride + 1;
    if (f->out < 1 || f->out > 12) continue;
    bool seen = true;
    for (int64_t o = 0; o < f->out && pool && seen; o++) {
      seen = false;
      for (int64_t k = 0; k < f->kernel; k++) {
        const int64_t at = o * f->stride + k * f->dilation - f->before;
        seen = seen || (at >= 0 && at < input);
      }
    }
    if (seen) return true;
  }
  return false;
}

static void write_far(Net *net) {
  static const char *const operators[] = {"conv", "conv", "depthwise", "maxpool", "avgpool"};
  const int64_t height = between(net, 1, 9), input[2] = {height, between(net, 1, 9)};
  const char *op = PICK_ONE(net, operators);
  const bool pool = strstr(op, "pool");
  Far f[2];
  for (int axis = 0; axis < 2; axis++)
    if (!draw_far(net, input[axis], pool, &f[axis])) f[axis] = (Far){.kernel = 1, .stride = 1, .dilation = 1};
  printf("net far {\n    input x: ");
  put_list(3, (int64_t[]){input[0], input[1], channels(net)});
  printf("\n    %s(", op);
  if (strcmp(op, "conv") == 0) printf("%" PRId64 ", ", channels(net));
  put_list(2, (int64_t[]){f[0].kernel, f[1].kernel});
  printf(", stride=");
  put_list(2, (int64_t[]){f[0].stride, f[1].stride});
  printf(", dilation=");
  put_list(2, (int64_t[]){f[0].dilation, f[1].dilation});
  printf(", pad=");
  put_list(4, (int64_t[]){f[0].before, f[0].after, f[1].before, f[1].after});
  if (strcmp(op, "avgpool") == 0 && chance(net, 50)) printf(", count_pad=true");
  printf(")%s\n    train { loss = mse }\n}\n", chance(net, 30) ? " -> relu" : "");
}

/* ---- huge layers ---- */
static void put_sizes(Net *net, const char *name, int rank, int percent) {
  const int64_t h = size(net, percent), w = chance(net, 40) ? h : size(net, percent);
  if (rank == 2) printf("%s%" PRId64, name, w);
  else printf("%s[%" PRId64 ", %" PRId64 "]", name, h, w);
}

static void put_pad(Net *net, int rank) {
  switch (below(net, 6)) {
  case 0: break;
  case 1:
  case 2: printf(", pad=same"); break;
  case 3: put_sized(net, ", pad=@", 50); break;
  case 4: put_sized(net, ", pad=[@, @]", 50); break;
  default:
    if (rank == 2) printf(", pad=causal");
    else put_sized(net, ", pad=[@, @, @, @]", 40);
  }
}

static void put_window_of(Net *net, int rank, bool pool) {
  if (chance(net, 60)) put_sizes(net, ", stride=", rank, 45);
  if (chance(net, 50)) put_sizes(net, ", dilation=", rank, 45);
  put_pad(net, rank);
  if (pool && chance(net, 35)) printf(", ceil=true");
}

static void put_windowed(Net *net, int rank) {
  static const char *const operators[] = {"conv",           "conv",    "depthwise",
                                          "conv_transpose", "maxpool", "avgpool"};
  const char *op = PICK_ONE(net, operators);
  const bool pool = strstr(op, "pool");
  printf("%s(", op);
  if (strncmp(op, "conv", 4) == 0) printf("%" PRId64 ", ", size(net, 15));
  put_sizes(net, "", rank, pool ? 30 : 15);
  put_window_of(net, rank, pool);
  if (strcmp(op, "conv_transpose") == 0 && chance(net, 20)) printf(", output_pad=%" PRId64, size(net, 50));
  if (strncmp(op, "conv", 4) == 0 && chance(net, 10)) printf(", groups=%" PRId64, size(net, 10));
  if (strcmp(op, "depthwise") == 0 && chance(net, 20)) printf(", multiplier=%" PRId64, size(net, 40));
  if (strcmp(op, "avgpool") == 0 && chance(net, 30)) printf(", count_pad=true");
  printf(")");
}

static int put_other(Net *net, int rank) { /* returns the rank of the result */
  static const char *const plain[] = {"relu",           "batchnorm",     "softmax",        "tanh",
                                      "dropout(0.3)",   "prelu",         "add(in)",        "concat(in)",
                                      "log_softmax",    "gelu",          "drop_path(0.5)", "scale(init=0.5)",
                                      "global_avgpool", "global_maxpool"};
  switch (below(net, 9)) {
  case 0: put_sized(net, "zero_pad([@, @])", 50); return rank;
  case 1: put_sized(net, "crop([@, @])", 40); return rank;
  case 2: put_sized(net, "reshape([@, @, @])", 40); return 3;
  case 3: printf("flatten"); return 1;
  case 4: put_sized(net, "dense(@)", 40); return 1;
  case 5: put_sized(net, chance(net, 50) ? "slice(0..@)" : "slice(2..@)", 40); return rank;
  case 6: put_sized(net, "lrn(size=@)", 70); return rank;
  default: printf("%s", PICK_ONE(net, plain)); return rank;
  }
}

static void put_input(Net *net) {
  const int rank = chance(net, 70) ? 3 : chance(net, 70) ? 2 : 1;
  net->now.shape.rank = rank;
  int64_t dim[3] = {1, 1, 1};
  for (int d = 0; d < rank; d++) dim[d] = size(net, 35);
  for (int i = 0; i < 9 && (double)dim[0] * (double)dim[1] * (double)dim[2] > INT32_MAX; i++) {
    const int64_t less = small(net);
    if (chance(net, 97)) dim[below(net, rank)] = less;
  }
  printf("    input x: ");
  put_list(rank, dim);
  printf("%s\n", chance(net, 20) ? " as u8" : "");
}

static void write_layers(Net *net) {
  printf("net huge {\n");
  put_input(net);
  int rank = net->now.shape.rank;
  for (int64_t i = between(net, 1, 3); i > 0; i--) {
    printf("    ");
    if (rank > 1 && chance(net, 70)) put_windowed(net, rank);
    else rank = put_other(net, rank);
    printf("\n");
  }
  if (chance(net, 50)) {
    static const char *const losses[] = {"mse", "mse", "mae", "cross_entropy", "hinge", "huber", "focal"};
    printf("    train { loss = %s", PICK_ONE(net, losses));
    if (chance(net, 30)) printf("; batch = %" PRId64, size(net, 60));
    printf(" }\n");
  }
  printf("}\n");
}

/* ---- extreme numbers ---- */
static const char *number(Net *net) {
  static const char *const some[] = {"0",
                                     "1",
                                     "2",
                                     "0.5",
                                     "-1",
                                     "0.1",
                                     "1e-3",
                                     "1e-7",
                                     "1e-30",
                                     "1e-38",
                                     "1e-39",
                                     "1e-45",
                                     "1e-46",
                                     "1e-60",
                                     "1e-300",
                                     "5e-324",
                                     "-1e-60",
                                     "0.9999999999999999",
                                     "1e7",
                                     "16777217",
                                     "2147483647",
                                     "2147483648",
                                     "4294967296",
                                     "1e18",
                                     "9223372036854775807",
                                     "9007199254740993",
                                     "1e19",
                                     "3.4028235e38",
                                     "3.4028236e38",
                                     "1e39",
                                     "1e300",
                                     "1e308",
                                     "-1e39",
                                     "-3.5e38",
                                     "1/3",
                                     "2**62",
                                     "1e200*1e100",
                                     "-2147483648",
                                     "-2147483649"};
  return PICK_ONE(net, some);
}

/* Prints the text with a random number in place of each @. */
static void put_numbered(Net *net, const char *text) {
  for (; *text; text++)
    if (*text == '@') printf("%s", number(net));
    else putchar(*text);
}

static void put_long_name(Net *net, const char *start) {
  static const int lengths[] = {63, 255, 4096, 10000};
  const int n = PICK_ONE(net, lengths);
  printf("%s", start);
  for (int i = 0; i < n; i++) putchar('a' + i % 26);
}

static void put_numbered_layer(Net *net) {
  static const char *const layers[] = {
      "normalize(mean=@, std=@, scale=@)",
      "batchnorm(momentum=0.9, epsilon=@)",
      "lrn(size=3, alpha=@, beta=@, bias=@)",
      "leaky_relu(slope=@)",
      "elu(alpha=@)",
      "clip(@, @)",
      "dropout(rate=@)",
      "drop_path(rate=@)",
      "add(@)",
      "multiply(@)",
      "divide(@)",
      "maximum(@) -> subtract(@)",
      "scale(init=@)",
      "conv(4, 3x3, init=normal(@, mean=@), bias_init=@)",
      "conv(2, 1x1, init=[[@]], frozen=true) -> relu",
      "prelu(init=@) -> multiply(@) -> add(@)",
      "conv(3, 3x3, init=uniform(@)) -> batchnorm(epsilon=@)",
  };
  if (chance(net, 94)) put_numbered(net, PICK_ONE(net, layers));
  else put_numbered(net, chance(net, 70) ? "repeat 2 { relu }" : "repeat @ { relu }");
}

static void put_key(Net *net) {
  static const char *const optimizers[] = {"sgd(rate=@, momentum=@, weight_decay=@)",
                                           "adam(rate=@, beta1=0.9, epsilon=@)",
                                           "adamw(rate=@, beta2=@, weight_decay=@)",
                                           "rmsprop(rate=@, alpha=@, epsilon=@)",
                                           "lars(rate=@, trust=@)",
                                           "lamb(rate=@, epsilon=@)"};
  static const char *const schedules[] = {"step(every=@, factor=@)",       "exponential(factor=@, warmup=@)",
                                          "poly(power=@, warmup=@)",       "cosine(floor=@, warmup=@)",
                                          "plateau(patience=@, factor=@)", "step(at=[1, @], factor=@)"};
  static const char *const augmentations[] = {"shift(@)",  "rotate(@)",    "brightness(@)",   "cutout(@)",
                                              "noise(@)",  "crop(@)",      "hue(@)",          "mixup(@)",
                                              "cutmix(@)", "zoom(0.5..@)", "contrast(0.1..@)"};
  static const char *const keys[] = {"batch",   "epochs",    "seed",       "accumulate",
                                     "average", "clip_norm", "early_stop", "label_smoothing"};
  switch (below(net, 5)) {
  case 0:
    printf("        optimizer = ");
    put_numbered(net, PICK_ONE(net, optimizers));
    break;
  case 1:
    printf("        schedule = ");
    put_numbered(net, PICK_ONE(net, schedules));
    break;
  case 2:
    printf("        augment = [");
    put_numbered(net, PICK_ONE(net, augmentations));
    printf("]");
    break;
  default:
    printf("        %s = ", PICK_ONE(net, keys));
    put_numbered(net, "@");
    break;
  }
  printf("\n");
}

static void put_labels(Net *net, int n) {
  printf("    labels [");
  for (int i = 0; i < n; i++) {
    printf(i ? ", \"" : "\"");
    if (chance(net, 30)) put_long_name(net, "");
    else printf(chance(net, 20) ? "?\?/\\\\ \\\" %%d %d" : "%d", i);
    printf("\"");
  }
  printf("]\n");
}

static void write_numbers(Net *net) {
  printf("const k = %s\n", number(net));
  if (chance(net, 15)) {
    put_long_name(net, "const c_");
    printf(" = 3\n");
  }
  printf("net ");
  if (chance(net, 20)) put_long_name(net, "n_");
  else printf("numbers");
  printf(" {\n    input x: 6x6x3%s\n", chance(net, 40) ? " as u8" : "");
  for (int64_t i = between(net, 1, 3); i > 0; i--) {
    printf("    ");
    if (chance(net, 8)) {
      put_long_name(net, "v_");
      printf("%d = ", (int)i);
    }
    put_numbered_layer(net);
    printf("\n");
  }
  if (chance(net, 10)) printf("    conv(k, 1x1)\n");
  printf("    flatten -> dense(3");
  if (chance(net, 10)) {
    printf(", name=\"");
    put_long_name(net, "d_");
    printf("\"");
  }
  printf(")\n");
  if (chance(net, 20)) put_labels(net, 3);
  static const char *const losses[] = {
      "cross_entropy", "cross_entropy(weights=[1, @, 1])", "huber(delta=@)", "focal(gamma=@)",
      "mse",           "cross_entropy(ignore=@)"};
  if (chance(net, 70)) {
    printf("    train {\n        loss = ");
    put_numbered(net, PICK_ONE(net, losses));
    printf("\n");
    for (int64_t i = below(net, 4); i > 0; i--) put_key(net);
    printf("    }\n");
  }
  printf("}\n");
}

int main(int argc, char **argv) {
  const bool far = argc == 3 && strcmp(argv[1], "far") == 0;
  if (argc != 2 && !far) return fputs("usage: hugenet [far] SEED\n", stderr), 2;
  const uint64_t seed = strtoull(argv[argc - 1], NULL, 10);
  Net net = {.arena = arena_new(), .random = seed * UINT64_C(0xd1342543de82ef95)};
  if (far) write_far(&net);
  else if (chance(&net, 65)) write_layers(&net);
  else write_numbers(&net);
  arena_free(net.arena);
  return 0;
}
