/* program.h: Commands of a net's executable, and functions that the commands share. */
// SPDX-License-Identifier: MIT-0
#ifndef CNN_PROGRAM_H
#define CNN_PROGRAM_H
#include "cnn.h"
#include "hosted/commands/options.h"
#include "hosted/display/progress.h"

typedef struct cnn_program {
  const char *name;
  const cnn_network *network;      /* if the program has no labels, they are read from the weight file */
  struct cnn_program_state *state; /* state of main.c */
  /* how train communicates with other processes; NULL: there is a single process */
  const struct cnn_launch *launch;
} cnn_program;

int cnn_program_train(const cnn_program *program, int argc, char **argv);
int cnn_program_eval(const cnn_program *program, int argc, char **argv);
int cnn_program_predict(const cnn_program *program, int argc, char **argv);
int cnn_program_data(const cnn_program *program, int argc, char **argv);
int cnn_program_bench(const cnn_program *program, int argc, char **argv);
int cnn_program_info(const cnn_program *program, int argc, char **argv);
int cnn_program_features(const cnn_program *program, int argc, char **argv);
int cnn_program_filters(const cnn_program *program, int argc, char **argv);
int cnn_program_dream(const cnn_program *program, int argc, char **argv);
int cnn_program_occlude(const cnn_program *program, int argc, char **argv);
int cnn_program_observe(const cnn_program *program, int argc, char **argv);
int cnn_program_saliency(const cnn_program *program, int argc, char **argv);

/* prints the message; returns CNN_EXIT_FAILED */
int cnn_program_fail(const cnn_program *program, const cnn_status *status);
cnn_status cnn_program_finish(void); /* flushes standard output and reports errors */
/* Reads the weights from the file at `path` into an array from malloc, and sets *weights to the array. If
 * path is NULL, copies the compiled-in weights. If path is NULL and the program has no weights, reads
 * NET.safetensors next to the program or in the working directory, and prints its path on standard error.
 * Prints warnings. names: how names in the file are mapped to names of the net. */
cnn_status cnn_program_weights(const cnn_program *program, const char *path, const cnn_weights_names *names,
                               float **weights);
/* Fraction of the samples that training used for validation, for the weights from the latest call of
 * cnn_program_weights; if the fraction is unknown, the default. Applies to data sets without a validation
 * part. */
double cnn_program_val(const cnn_program *program);
/* Whether `path` is not NULL, or cnn_program_weights finds weights without a path. */
bool cnn_program_has_weights(const cnn_program *program, const char *path);
/* Returns CNN_GO_ON if cnn_program_has_weights. Otherwise
 * prints an error and returns the exit status. */
int cnn_program_needs_weights(const cnn_usage *usage, const cnn_program *program, const char *path);
/* The entries for weights in a command's table of flags. */
#define CNN_FLAG_WEIGHTS(to)                                                                                 \
  {"weights",                                                                                                \
   0,                                                                                                        \
   CNN_VALUE_TEXT,                                                                                           \
   &(to),                                                                                                    \
   "W",                                                                                                      \
   ".safetensors, .npz or PyTorch's .pt, .pth, .ckpt, .bin[:KEY] (default: the compiled-in weights, else "   \
   "NET.safetensors next to the executable or in this directory)",                                           \
   0,                                                                                                        \
   0,                                                                                                        \
   NULL,                                                                                                     \
   NULL}
#define CNN_FLAG_WEIGHTS_NAMES(to)                                                                           \
  {"weights-prefix",                                                                                         \
   0,                                                                                                        \
   CNN_VALUE_TEXT,                                                                                           \
   &(to).prefix,                                                                                             \
   "PREFIX",                                                                                                 \
   "removes PREFIX ('module.') from the names in the weight file; names without it are ignored. A "          \
   "prefix that all names have is removed automatically",                                                    \
   0,                                                                                                        \
   0,                                                                                                        \
   NULL,                                                                                                     \
   NULL},                                                                                                    \
      {"rename",                                                                                             \
       0,                                                                                                    \
       CNN_VALUE_TEXT,                                                                                       \
       &(to).rename,                                                                                         \
       "FILE",                                                                                               \
       "renames the arrays in the weight file: lines 'theirs = ours', with '*' for any text; later "         \
       "lines win",                                                                                          \
       0,                                                                                                    \
       0,                                                                                                    \
       NULL,                                                                                                 \
       NULL},                                                                                                \
  {                                                                                                          \
    "match", 0, CNN_VALUE_CHOICE, &(to).by_order, "name|order",                                              \
        "matches the arrays in the weight file by name, or by their order in the file; with "                \
        "order, the pairs of names are printed on standard error, as lines for --rename",                    \
        0, 0, cnn_match_choices, NULL                                                                        \
  }
const char *cnn_program_label(const cnn_network *network, const cnn_data *data, int64_t c, char room[24]);

/* The program's value of --denormals, for CNN_FLAG_DENORMALS. */
int *cnn_program_denormals(const cnn_program *program);
/* Sets the CPU's mode for subnormal floats. Called after the options are parsed, before threads start. */
void cnn_program_begin(const cnn_program *program);

extern const char *const cnn_fit_choices[], *const cnn_match_choices[], *const cnn_denormals_choices[];
#define CNN_FLAGS_THREADS(to, program)                                                                       \
  {"threads", 0, CNN_VALUE_WHOLE, &(to), "N", "processors (default: all)", 1, 4096, NULL, NULL},             \
      CNN_FLAG_DENORMALS(program)
#define CNN_FLAG_DENORMALS(program)                                                                          \
  {"denormals",                                                                                              \
   0,                                                                                                        \
   CNN_VALUE_CHOICE,                                                                                         \
   cnn_program_denormals(program),                                                                           \
   "flush|keep",                                                                                             \
   "flush (default, unless the net was compiled with --denormals=keep): the CPU treats subnormal "           \
   "floats as zeros",                                                                                        \
   0,                                                                                                        \
   0,                                                                                                        \
   cnn_denormals_choices,                                                                                    \
   NULL}
#define CNN_FLAG_FIT(to, given)                                                                              \
  {"fit",                                                                                                    \
   0,                                                                                                        \
   CNN_VALUE_CHOICE,                                                                                         \
   &(to),                                                                                                    \
   "stretch|crop|letterbox",                                                                                 \
   "how images of another size are resized (stretch; boxes: letterbox)",                                     \
   0,                                                                                                        \
   0,                                                                                                        \
   cnn_fit_choices,                                                                                          \
   given}
#define CNN_FLAG_INDEX(to)                                                                                   \
  {"index", 0,    CNN_VALUE_WHOLE,                                                                           \
   &(to),   "N",  "index of the sample in an array of several samples (0)",                                  \
   0,       1e15, NULL,                                                                                      \
   NULL}
#endif
