/* dataset.h: interface of all kinds of data sets: a set has up to three pools of samples, as it is on the
 * disk; data.c makes the parts. */
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
  bool directory, linked; /* linked: a symbolic link; directory is about its target */
  cnn_identity identity;
} Entry;
typedef struct Listing {
  const char *path;
  Entry *entry;
  int32_t count;
} Listing; /* sorted by name, without hidden ones */

cnn_status cnn_listing_read(Listing *listing, const char *path);
void cnn_listing_free(Listing *listing);
const Entry *cnn_listing_find(const Listing *listing, const char *name);
bool cnn_listing_folder(const Listing *listing, const char *name); /* there is a folder of this name */
bool cnn_file_there(const char *path);
/* Whether a symbolic link leads to a folder that it is in itself. */
bool cnn_leads_back(const char *link);
/* Whether a relative path stays in the folder that it begins in, as names in the files of a set must. */
bool cnn_path_stays(const char *path);
char *cnn_path_join(const char *directory, const char *name); /* from malloc; NULL: no memory */

/* ---- Sets */

typedef void cnn_each_file(void *context, const char *path);
/* all that the set reads its samples from */
void cnn_data_files(const cnn_data *data, cnn_each_file *each, void *context);
/* Decodes all images of the pools, on all processors, before the set has parts. bad: [images] of one pool
 * after the other, whether each is unreadable; `first` is the error of the first of these. */
cnn_status cnn_pools_inspect(const cnn_data *data, bool *bad, char *first, size_t room);
/* Would a file of this name be read the next time, as a part of the data? */
bool cnn_data_takes(const cnn_data *data, const char *path);

typedef struct DataKind {
  cnn_status (*read)(const cnn_data *data, int pool, int64_t index, void *const input[],
                     void *const target[]);
  bool (*label)(const cnn_data *data, int pool, int64_t index, int32_t *label); /* NULL: no classes */
  void (*close)(cnn_data *data);
  bool (*unit)(const cnn_data *data,
               int32_t input); /* NULL, or: an f32 input's values are about 1, not pixels of 0..255 */
  void (*files)(const cnn_data *data, cnn_each_file *each, void *context); /* NULL: it reads none */
  /* Whether the sample can be read, as far as is cheap to see; `input` is room for one. NULL: opening the set
   * has shown it. */
  cnn_status (*inspect)(const cnn_data *data, int pool, int64_t index, void *input);
  /* Whether a file that is written to this path below the set's directory would be data the next time; NULL:
   * none would. */
  bool (*takes)(const cnn_data *data, const char *below);
  /* The original image of a sample and its annotations; both are to be freed. NULL: it has no such
   * annotations. */
  cnn_status (*truth)(const cnn_data *data, int pool, int64_t index, cnn_image *image, cnn_truth *truth);
  /* As read, for recordings that are longer than the input: the part at `place`, 0 at the beginning to 1 at
   * the end; below 0: the middle. NULL: samples have no parts. */
  cnn_status (*cut)(const cnn_data *data, int pool, int64_t index, double place, void *const input[],
                    void *const target[]);
} DataKind;

typedef struct Part {
  int64_t first, count;
  int64_t *list;
} Part; /* samples list[i], or first + i, of all pools one after the other */

struct cnn_data {
  const cnn_network *network;
  cnn_data_options options;
  char *path;
  const DataKind *kind;        /* NULL: not recognized yet */
  const char *title;           /* "IDX files" */
  const char *file_kind;       /* of its files, for messages: "image", "WAV file" */
  bool sounds;                 /* its files are WAV files */
  void *set;                   /* the kind's own */
  const cnn_noise *noise;      /* background recordings; NULL: none, or nothing needs them */
  int64_t pool[POOLS];         /* samples */
  int32_t classes;             /* 0: none */
  char **class_name;           /* NULL, or one a class, from malloc */
  int64_t unlabeled;           /* of one class a sample: samples of class -1, which do not count */
  bool has_zero;               /* and whether one is of class 0 */
  bool inputs_only;            /* rows to predict: a target may be there or not, and is not looked at */
  bool lacks_targets;          /* with any_target: the targets of the outputs are missing */
  bool nameless;               /* they cannot be kept in files */
  bool objects, masks, pixels; /* its annotations have objects, maps of their pixels, classes of pixels */
  int32_t stuff;               /* number of classes of pixels outside of objects: they come first */
  Part part[3];
  char description[240];
  char *notes;    /* lines; NULL: none */
  int64_t shared; /* samples of the test part that are for training as well */
};

/* Each inspects the path and sets kind, title, set, pools and classes, or leaves kind NULL if the format is
 * not its own. */
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
cnn_status cnn_data_open_csv(cnn_data *data);    /* so is it here */
/* A table to predict, with or without the target; NULL with success: the path's name is not that of a table.
 */
cnn_status cnn_data_open_rows(cnn_data **rows, const char *path, const cnn_network *network,
                              const char *target);
cnn_status cnn_data_open_synthetic(cnn_data *data);
cnn_status cnn_data_open_shapes(cnn_data *data, const char *options); /* what follows synthetic: */
bool cnn_data_is_csv(const cnn_data *data);
bool cnn_csv_is_part(const char *name); /* train.csv and the like, which make a directory a set of tables */
cnn_status cnn_data_no_memory(const cnn_data *data);
/* Where sample `index` of a part is: its pool, and its place there. False: there is none. */
bool cnn_data_locate(const cnn_data *data, cnn_part part, int64_t index, int *pool, int64_t *place);
/* A note for users of the set, besides its description. Without memory for it, it is lost. */
void cnn_data_note(cnn_data *data, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* As cnn_data_sample; of a longer recording the part at `place`: see DataKind. */
cnn_status cnn_data_cut(const cnn_data *data, cnn_part part, int64_t index, double place, void *const input[],
                        void *const target[]);
/* The original image of a sample and its annotations, both to be freed. */
cnn_status cnn_data_truth(const cnn_data *data, cnn_part part, int64_t index, cnn_image *image,
                          cnn_truth *truth);

/* Operands of losses: outputs, and the values after them. */
static inline int32_t cnn_ports(const cnn_network *network) { return network->outputs + network->values; }

int cnn_data_part_of(const char *name); /* the pool that a folder of this name is for; POOLS: it is none */

/* Gives each folder its number in a list without the names that another part spells with other capitals, and
 * the length of that list. pools: a bit for each pool that has the folder. */
int32_t cnn_folders_join(cnn_data *data, char **folder, const uint8_t *pools, int32_t folders,
                         int32_t *number);
int32_t cnn_label_find(const cnn_network *network, const char *name); /* the net's label; -1: there is none */
/* Which class each of the folders is: class_of[folders]. Sets classes and class_name. */
cnn_status cnn_folders_name(cnn_data *data, char *const *folder, int32_t folders, int32_t *class_of);

/* ---- Targets */

bool cnn_target_wanted(const cnn_data *data, int32_t output); /* a sample needs one for this output */
bool cnn_boxes_wanted(const cnn_network *network); /* something of the net is compared with objects */
/* Whether the set has the masks of objects that losses read. */
cnn_status cnn_masks_agree(const cnn_data *data);
bool cnn_target_optional(
    const cnn_data *data,
    int32_t output); /* it has scores, but no loss while others have: a class is welcome, -1 will do */
int64_t cnn_label_limit(const cnn_port *output); /* the number of classes that one number per sample can have;
                                                    0: any number will do */
/* The number of classes of a label per sample; 0: it is any number, or is not needed. */
int64_t cnn_label_classes(const cnn_data *data);
/* Whether one class a sample can serve every output, and the numbers of classes go together; `what` names the
 * set. */
cnn_status cnn_labels_fit(const cnn_data *data, const char *what);
/* Whether a label is one that the outputs know; if it is a class, data->classes counts it. `where`, i: the
 * file and the place in it. */
cnn_status cnn_label_check(cnn_data *data, const char *where, int64_t i, double label);
/* When all labels have been checked: whether -1 can mean that a sample has no class; if so, a line. */
cnn_status cnn_labels_end(cnn_data *data);
void cnn_label_store_one(const cnn_data *data, int32_t output, double label, void *target);
void cnn_label_store(const cnn_data *data, int32_t label, void *const target[]);

/* ---- Arrays ----
 * Tensors whose first dimension counts samples (whole: which are one sample), as inputs and targets.
 * `what` names the array. */

typedef struct ArrayForm {
  bool batched, planes;
} ArrayForm; /* planes: channels first */

/* The form in which a tensor can be read as this port, a batch or (single) one sample. */
bool cnn_array_form(const cnn_tensor *tensor, const cnn_port *port, bool batch, bool single, ArrayForm *form);
cnn_status cnn_array_mismatch(const char *what, const cnn_tensor *tensor, const cnn_port *port);
cnn_status cnn_array_read(const cnn_tensor *tensor, ArrayForm form, int64_t index, const cnn_port *port,
                          const char *what, void *out);

/* ---- IDX, for the fuzzer too */

cnn_status cnn_idx_parse(cnn_tensor *tensor, const char *path, const unsigned char *bytes, size_t n);
#endif
