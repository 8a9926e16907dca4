/* dataset.h: Interface of all kinds of data sets: a set has up to three pools of samples, which are separate
 * on disk; data.c splits the pools into parts. */
// SPDX-License-Identifier: MIT-0
#ifndef CNN_DATASET_H
#define CNN_DATASET_H
#include "hosted/weights/archive.h"
#include "cnn_core.h"
#include "cnn_data.h"
#include "cnn_image.h"
#include "hosted/data/truth.h"

enum { POOL_TRAIN, POOL_VAL, POOL_TEST, POOLS };

/* ---- A directory */

/* Identity of a file, independent of links to it. */
typedef struct cnn_identity {
  uint64_t device, node;
} cnn_identity;

typedef struct Entry {
  char *name;
  bool directory, linked; /* linked: a symbolic link; `directory` and `identity` describe its target */
  cnn_identity identity;
} Entry;
typedef struct Listing {
  const char *path;
  Entry *entry;
  int32_t count;
} Listing; /* sorted by name, without hidden files */

cnn_status cnn_listing_read(Listing *listing, const char *path);
void cnn_listing_free(Listing *listing);
const Entry *cnn_listing_find(const Listing *listing, const char *name);
/* Whether the directory contains a folder of this name. */
bool cnn_listing_folder(const Listing *listing, const char *name);
bool cnn_file_there(const char *path);
/* Whether a symbolic link leads to a folder that contains the link. */
bool cnn_leads_back(const char *link);
/* Whether a relative path stays inside the folder where it begins, as paths in annotation files must. */
bool cnn_path_stays(const char *path);
char *cnn_path_join(const char *directory, const char *name); /* from malloc; NULL: out of memory */

/* ---- Sets */

typedef void cnn_each_file(void *context, const char *path);
/* Calls a function for every file from which the set reads samples. */
void cnn_data_files(const cnn_data *data, cnn_each_file *each, void *context);
/* Reads all samples of the pools, on all processors, before the set has parts. Sets bad[i] if sample i,
 * counted over all pools in order, is unreadable, and writes the first error to `first`. */
cnn_status cnn_pools_inspect(const cnn_data *data, bool *bad, char *first, size_t room);
/* Whether a file written to this path would be read as data when the set is opened the next time. */
bool cnn_data_takes(const cnn_data *data, const char *path);

typedef struct DataKind {
  cnn_status (*read)(const cnn_data *data, int pool, int64_t index, void *const input[],
                     void *const target[]);
  bool (*label)(const cnn_data *data, int pool, int64_t index, int32_t *label); /* NULL: no classes */
  void (*close)(cnn_data *data);
  /* Whether the full scale of an f32 input is 1 (see cnn_data_scale); NULL: it is 255. */
  bool (*unit)(const cnn_data *data, int32_t input);
  void (*files)(const cnn_data *data, cnn_each_file *each, void *context); /* NULL: no files */
  /* Checks that the sample can be read; `input` is scratch space for one input. NULL: the samples are
   * generated, or were checked when the set was opened. */
  cnn_status (*inspect)(const cnn_data *data, int pool, int64_t index, void *input);
  /* Whether a file written to this path below the set's directory would be read as data when the set is
   * opened the next time; NULL: never. */
  bool (*takes)(const cnn_data *data, const char *below);
  /* The original image of a sample and its annotations; the caller frees both. NULL: the set has no
   * annotations of images. */
  cnn_status (*truth)(const cnn_data *data, int pool, int64_t index, cnn_image *image, cnn_truth *truth);
  /* Like `read`, but if a recording is longer than the input, reads the part at `place`: 0 is the beginning,
   * 1 is the end, and a negative number the middle. NULL: samples are always read whole. */
  cnn_status (*cut)(const cnn_data *data, int pool, int64_t index, double place, void *const input[],
                    void *const target[]);
} DataKind;

typedef struct Part {
  int64_t first, count;
  int64_t *list;
} Part; /* sample i of the part is sample list[i] of all pools; if list is NULL, sample first + i */

struct cnn_data {
  const cnn_network *network; /* the net; its ports hold whole samples: see calls.h */
  cnn_network samples;        /* storage of *network if a sample has several calls */
  cnn_port *ports;            /* ports of `samples`; NULL: a sample is one call */
  cnn_data_options options;
  char *path;
  const DataKind *kind;   /* NULL: not recognized yet */
  const char *title;      /* "IDX files" */
  const char *file_kind;  /* kind of the set's files, for messages: "image", "WAV file" */
  bool sounds;            /* the set's files are WAV files */
  void *set;              /* private data of the set; the type depends on `kind` */
  const cnn_noise *noise; /* background recordings; NULL: none, or nothing needs them */
  int64_t pool[POOLS];    /* number of samples */
  int32_t classes;        /* number of classes; 0: no classes */
  char **class_name;      /* NULL, or one name per class, from malloc */
  bool last_row;          /* the note about the class of the last row of a sequence was given */
  int64_t unlabeled;      /* with one class per sample: number of samples of class -1, which are ignored */
  bool has_zero;          /* whether any sample is of class 0 */
  bool inputs_only;       /* rows for prediction: a target may be present, and is ignored */
  bool lacks_targets;     /* with any_target: the set lacks a target that the net needs */
  bool nameless;          /* a class name is not UTF-8, so weight files cannot store the names */
  bool objects, masks, pixels; /* whether the set has objects, instance maps, pixel classes */
  int32_t stuff;               /* number of pixel classes outside of objects; these are the first classes */
  Part part[3];
  char description[240];
  char *notes;    /* lines for the user; NULL: none */
  int64_t shared; /* number of samples in both the test part and the training part */
};

/* Each of these functions inspects the path and sets kind, title, set, pools and classes. If the path has
 * another format, the function leaves kind NULL. */
cnn_status cnn_data_open_idx(cnn_data *data, const Listing *listing);
cnn_status cnn_data_open_cifar(cnn_data *data, const Listing *listing);
cnn_status cnn_data_open_folders(cnn_data *data, const Listing *listing);
cnn_status cnn_data_open_masks(cnn_data *data, const Listing *listing);
cnn_status cnn_data_open_yolo(cnn_data *data, const Listing *listing);
cnn_status cnn_data_open_voc(cnn_data *data, const Listing *listing);
cnn_status cnn_data_open_coco(cnn_data *data, const Listing *listing);
cnn_status cnn_data_open_panoptic(cnn_data *data, const Listing *listing);
cnn_status cnn_data_open_coco_file(cnn_data *data); /* path is a file */
cnn_status cnn_data_open_csv_parts(cnn_data *data, const Listing *listing);
cnn_status cnn_data_open_arrays(cnn_data *data); /* path is a file */
cnn_status cnn_data_open_csv(cnn_data *data);    /* path is a file */
/* Opens a table of rows for prediction, with or without the target. NULL without an error: the path does not
 * name a table. */
cnn_status cnn_data_open_rows(cnn_data **rows, const char *path, const cnn_network *network,
                              const char *target);
cnn_status cnn_data_open_synthetic(cnn_data *data);
/* `options`: the text after "synthetic:". */
cnn_status cnn_data_open_shapes(cnn_data *data, const char *options);
bool cnn_data_is_csv(const cnn_data *data);
/* Whether the name is train.csv or similar, so that its directory is a set of tables. */
bool cnn_csv_is_part(const char *name);
cnn_status cnn_data_no_memory(const cnn_data *data);
/* Finds the pool of sample `index` of a part, and its index in the pool. False: there is no such sample. */
bool cnn_data_locate(const cnn_data *data, cnn_part part, int64_t index, int *pool, int64_t *place);
/* Adds a note for the user, printed with the set's description. The note is lost when memory runs out. */
void cnn_data_note(cnn_data *data, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Like cnn_data_sample, but reads the part at `place` of a recording that is longer than the input: see
 * DataKind. */
cnn_status cnn_data_cut(const cnn_data *data, cnn_part part, int64_t index, double place, void *const input[],
                        void *const target[]);
/* The original image of a sample and its annotations; the caller frees both. */
cnn_status cnn_data_truth(const cnn_data *data, cnn_part part, int64_t index, cnn_image *image,
                          cnn_truth *truth);

/* Number of loss operands: the outputs, and the values that only losses read. */
static inline int32_t cnn_ports(const cnn_network *network) { return network->outputs + network->values; }

int cnn_data_part_of(const char *name); /* the pool of a folder with this name; POOLS: none */

/* Merges class folders of different pools whose names differ only in upper and lower case. Removes all but
 * one of these names from the list, sets number[] to the new index of each folder, and returns the new length
 * of the list. pools: a bit for each pool that has the folder. */
int32_t cnn_folders_join(cnn_data *data, char **folder, const uint8_t *pools, int32_t folders,
                         int32_t *number);
/* Index of the net's label `name`; -1: there is none. */
int32_t cnn_label_find(const cnn_network *network, const char *name);
/* Sets class_of[folders], the class of each folder, and the classes and class names of the set. */
cnn_status cnn_folders_name(cnn_data *data, char *const *folder, int32_t folders, int32_t *class_of);

/* ---- Targets */

/* Whether samples need a target for this output. */
bool cnn_target_wanted(const cnn_data *data, int32_t output);
/* Whether a loss or metric of the net compares outputs with annotated objects. */
bool cnn_boxes_wanted(const cnn_network *network);
/* Checks that the set has the object masks that losses need. */
cnn_status cnn_masks_agree(const cnn_data *data);
/* Whether the target of an output is optional: the output has scores but no loss, and the net has other
 * losses. The target is then the sample's class, or -1 (ignored) if the sample has no class. */
bool cnn_target_optional(const cnn_data *data, int32_t output);
/* Number of classes if the target is one number per sample; 0: any number is accepted. */
int64_t cnn_label_limit(const cnn_port *output);
/* Smallest number of classes of the outputs that need one label per sample; 0: any number is accepted, or no
 * label is needed. */
int64_t cnn_label_classes(const cnn_data *data);
/* Checks that one class per sample fits every output that needs a target, and that no output has fewer
 * classes than the set; `what` names the set. */
cnn_status cnn_labels_fit(cnn_data *data, const char *what);
/* Checks that the target of the output can be one class per sample. */
cnn_status cnn_label_fits(const cnn_data *data, int32_t output, const char *what);
enum { CNN_EVERY_TARGET = -1 }; /* all outputs that need a target; the sample's class is the target of each */
/* Checks that the label is valid for the output (CNN_EVERY_TARGET: for all outputs that need a target). If
 * the label is a class, updates data->classes. The message names the file `where` and the label's index i in
 * it. */
cnn_status cnn_label_check(cnn_data *data, int32_t output, const char *where, int64_t i, double label);
/* Must be called after all labels have been checked. Decides whether -1 means that a sample has no class; if
 * so, adds a note. */
cnn_status cnn_labels_end(cnn_data *data);
void cnn_label_store_one(const cnn_data *data, int32_t output, double label, void *target);
void cnn_label_store(const cnn_data *data, int32_t label, void *const target[]);

/* ---- arrays ----
 * Tensors as inputs and targets. A tensor is either a single sample, or a batch, whose first dimension is the
 * number of samples. `what` names the array. */

typedef struct ArrayForm {
  bool batched, planes;
} ArrayForm; /* batched: a batch, not a single sample; planes: channels first */

/* Finds the layout in which a tensor can be read as this port: as a batch, if `batch` is true, or as one
 * sample, if `single` is true. False: there is no such layout. */
bool cnn_array_form(const cnn_tensor *tensor, const cnn_port *port, bool batch, bool single, ArrayForm *form);
cnn_status cnn_array_mismatch(const char *what, const cnn_tensor *tensor, const cnn_port *port);
cnn_status cnn_array_read(const cnn_tensor *tensor, ArrayForm form, int64_t index, const cnn_port *port,
                          const char *what, void *out);

/* ---- IDX, also used by the fuzzer */

cnn_status cnn_idx_parse(cnn_tensor *tensor, const char *path, const unsigned char *bytes, size_t n);
#endif
