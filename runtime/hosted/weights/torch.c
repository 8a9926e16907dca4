/* torch.c: Dictionaries of tensors in a PyTorch file. Tensors keep the strides of the file. Elements are
 * gathered only when they are read, so that a small file cannot request much memory. */
// SPDX-License-Identifier: MIT-0
#include "hosted/weights/torch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "hosted/weights/pickle.h"

enum { PICKLE_MOST = 64 << 20, LABEL = 600, NAME_MOST = 500 };

typedef struct Reader {
  cnn_archive *archive;
  const cnn_zip *zip;
  const char *path;
  cnn_zip_member **member; /* members, sorted by name */
  size_t folder;           /* length of the folder in all members' names, such as "archive/" */
  bool swapped;
} Reader;

static bool ends(const cnn_zip_member *member, const char *name) {
  const size_t n = strlen(name);
  if (member->name_bytes < n || memcmp(member->name + member->name_bytes - n, name, n) != 0) return false;
  return member->name_bytes == n || member->name[member->name_bytes - n - 1] == '/';
}

static cnn_zip_member *member_ending(const cnn_zip *zip, const char *name) {
  for (int32_t i = 0; i < zip->count; i++)
    if (ends(&zip->member[i], name)) return &zip->member[i];
  return NULL;
}

bool cnn_torch_is(const cnn_zip *zip) { return member_ending(zip, "data.pkl") != NULL; }

/* ---- Members by name */

static int name_order(const char *a, size_t n, const char *b, size_t m) {
  const int order = memcmp(a, b, n < m ? n : m);
  return order ? order : n < m ? -1 : n > m;
}

static int member_order(const void *a, const void *b) {
  const cnn_zip_member *p = *(cnn_zip_member *const *)a, *q = *(cnn_zip_member *const *)b;
  return name_order(p->name, p->name_bytes, q->name, q->name_bytes);
}

static bool members_sort(Reader *reader) {
  const size_t count = (size_t)reader->zip->count;
  reader->member = cnn_archive_alloc(reader->archive, sizeof *reader->member * (count + 1));
  if (!reader->member) return false;
  for (size_t i = 0; i < count; i++) reader->member[i] = &reader->zip->member[i];
  qsort(reader->member, count, sizeof *reader->member, member_order);
  return true;
}

/* The member of the pickle's folder with this name; NULL: there is none. */
static cnn_zip_member *member_find(const Reader *reader, const char *pickle, const char *name) {
  const size_t n = reader->folder + strlen(name);
  char full[LABEL];
  if (n >= sizeof full) return NULL;
  memcpy(full, pickle, reader->folder);
  memcpy(full + reader->folder, name, n - reader->folder);
  int32_t low = 0, high = reader->zip->count;
  while (low < high) {
    const int32_t middle = low + (high - low) / 2;
    cnn_zip_member *member = reader->member[middle];
    const int order = name_order(full, n, member->name, member->name_bytes);
    if (order == 0) return member;
    if (order < 0) high = middle;
    else low = middle + 1;
  }
  return NULL;
}

static cnn_status member_take(const Reader *reader, cnn_zip_member *member) {
  char label[LABEL];
  snprintf(label, sizeof label, "%.380s: \"%.*s\"", reader->path,
           (int)(member->name_bytes < 200 ? member->name_bytes : 200), member->name);
  return cnn_zip_read(reader->zip, reader->archive, label, member);
}

/* ---- Tensors */

static cnn_dtype dtype_of(const cnn_pickled *storage) {
  static const struct {
    const char *name;
    cnn_dtype dtype;
  } kinds[] = {
      {"torch\nFloatStorage", CNN_DTYPE_F32},     {"torch\nHalfStorage", CNN_DTYPE_F16},
      {"torch\nBFloat16Storage", CNN_DTYPE_BF16}, {"torch\nDoubleStorage", CNN_DTYPE_F64},
      {"torch\nLongStorage", CNN_DTYPE_I64},      {"torch\nIntStorage", CNN_DTYPE_I32},
      {"torch\nShortStorage", CNN_DTYPE_I16},     {"torch\nCharStorage", CNN_DTYPE_I8},
      {"torch\nByteStorage", CNN_DTYPE_U8},       {"torch\nBoolStorage", CNN_DTYPE_BOOL},
  };
  for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++)
    if (cnn_pickled_is(storage, kinds[k].name)) return kinds[k].dtype;
  return CNN_DTYPE_OTHER;
}

static bool integers(const cnn_pickled *tuple, int32_t count) {
  bool fine = tuple->kind == CNN_PICKLED_TUPLE && tuple->count == count;
  for (int32_t i = 0; fine && i < count; i++)
    fine = tuple->item[i]->kind == CNN_PICKLED_INTEGER && tuple->item[i]->number >= 0;
  return fine;
}

/* Whether the parts of a tensor have the right kinds: a storage ("storage", type, member, device, elements),
 * an offset, sizes and as many strides. */
static bool is_sound(const cnn_pickled *value) {
  cnn_pickled **const item = value->item;
  const cnn_pickled *storage = item[0];
  return storage->kind == CNN_PICKLED_STORAGE && storage->count >= 5 &&
         cnn_pickled_is(storage->item[0], "storage") && storage->item[1]->kind == CNN_PICKLED_NAME &&
         storage->item[2]->kind == CNN_PICKLED_TEXT && storage->item[4]->kind == CNN_PICKLED_INTEGER &&
         storage->item[4]->number >= 0 && item[1]->kind == CNN_PICKLED_INTEGER && item[1]->number >= 0 &&
         item[2]->count <= CNN_TENSOR_RANK && integers(item[2], item[2]->count) &&
         integers(item[3], item[2]->count);
}

/* Sets the strides of a tensor that is not contiguous. Sets *last to the index of the tensor's last element
 * in the storage. False: out of memory; or, if *last is -1, the strides overflow. */
static bool strides_set(const Reader *reader, cnn_tensor *tensor, const cnn_pickled *strides, int64_t offset,
                        int64_t *last) {
  int64_t dense = 1;
  bool plain = true;
  *last = offset;
  if (tensor->size == 0) return true;
  for (int32_t d = tensor->rank - 1; d >= 0; d--) {
    const int64_t stride = strides->item[d]->number;
    int64_t reach;
    if (__builtin_mul_overflow(tensor->dim[d] - 1, stride, &reach) ||
        __builtin_add_overflow(*last, reach, last)) {
      *last = -1;
      return false;
    }
    plain = plain && (tensor->dim[d] == 1 || stride == dense);
    dense *= tensor->dim[d];
  }
  if (plain) return true;
  int64_t *stride = cnn_archive_alloc(reader->archive, sizeof *stride * (size_t)tensor->rank);
  for (int32_t d = 0; stride && d < tensor->rank; d++) stride[d] = strides->item[d]->number;
  tensor->stride = stride;
  return stride != NULL;
}

static cnn_status beyond(const Reader *reader, const cnn_tensor *tensor, int64_t elements) {
  char shape[200];
  return cnn_failure(CNN_BAD_FORMAT, "%s: tensor \"%.200s\", %s, is outside its storage of %lld elements",
                     reader->path, tensor->name, cnn_tensor_shape(tensor, shape, sizeof shape),
                     (long long)elements);
}

/* Finds and reads the member with the bytes of a storage, and checks its size. */
static cnn_status storage_find(const Reader *reader, const char *pickle, const cnn_pickled *storage,
                               const cnn_tensor *tensor, cnn_zip_member **found) {
  char name[200];
  const cnn_pickled *key = storage->item[2];
  const int64_t elements = storage->item[4]->number, width = cnn_dtype_bits(tensor->dtype) / 8;
  snprintf(name, sizeof name, "data/%.*s", (int)(key->bytes < 180 ? key->bytes : 180), key->text);
  cnn_zip_member *member = *found = member_find(reader, pickle, name);
  if (!member)
    return cnn_failure(CNN_BAD_FORMAT, "%s: there is no \"%s\", which should contain tensor \"%.200s\"",
                       reader->path, name, tensor->name);
  if ((uint64_t)elements > member->size / (uint64_t)width)
    return cnn_failure(CNN_BAD_FORMAT, "%s: \"%s\" should contain %lld elements of %s, but has %llu bytes",
                       reader->path, name, (long long)elements, cnn_dtype_name(tensor->dtype),
                       (unsigned long long)member->size);
  return member_take(reader, member);
}

static cnn_status tensor_set(const Reader *reader, const char *pickle, cnn_tensor *tensor,
                             const cnn_pickled *value) {
  if (!is_sound(value))
    return cnn_failure(CNN_BAD_FORMAT,
                       "%s: tensor \"%.200s\" is described in another form than torch.save writes",
                       reader->path, tensor->name);
  const cnn_pickled *storage = value->item[0], *sizes = value->item[2];
  const int64_t offset = value->item[1]->number, elements = storage->item[4]->number;
  int64_t last = 0;
  tensor->dtype = dtype_of(storage->item[1]);
  if (tensor->dtype == CNN_DTYPE_OTHER) return cnn_success(); /* for example, a quantized tensor */
  tensor->swapped = reader->swapped;
  tensor->rank = sizes->count;
  for (int32_t d = 0; d < tensor->rank; d++) tensor->dim[d] = sizes->item[d]->number;
  if (!cnn_tensor_measure(tensor) || tensor->size > INT32_MAX)
    return cnn_failure(CNN_BAD_FORMAT, "%s: tensor \"%.200s\" has more than 2147483647 elements",
                       reader->path, tensor->name);
  if (!strides_set(reader, tensor, value->item[3], offset, &last) && last >= 0)
    return cnn_failure(CNN_NO_MEMORY, "%s: out of memory", reader->path);
  if (last < 0 || (tensor->size > 0 ? last >= elements : offset > elements))
    return beyond(reader, tensor, elements);
  cnn_zip_member *member = NULL;
  cnn_status status = storage_find(reader, pickle, storage, tensor, &member);
  if (status.code == CNN_OK) tensor->data = member->data + offset * (cnn_dtype_bits(tensor->dtype) / 8);
  return status;
}

static cnn_status name_set(const Reader *reader, cnn_tensor *tensor, const cnn_pickled *key) {
  if (key->bytes > NAME_MOST)
    return cnn_failure(CNN_BAD_FORMAT, "%s: the name of a tensor has %zu bytes; the limit is %d",
                       reader->path, key->bytes, NAME_MOST);
  char *name = cnn_archive_alloc(reader->archive, key->bytes + 1);
  if (!name) return cnn_failure(CNN_NO_MEMORY, "%s: out of memory", reader->path);
  memcpy(name, key->text, key->bytes);
  tensor->name = name;
  if (strlen(name) == key->bytes) return cnn_success();
  return cnn_failure(CNN_BAD_FORMAT, "%s: the name of a tensor has a NUL in it", reader->path);
}

static cnn_status names_check(const Reader *reader) {
  const char *twice = NULL;
  if (!cnn_archive_twice(reader->archive, &twice))
    return cnn_failure(CNN_NO_MEMORY, "%s: out of memory", reader->path);
  if (!twice) return cnn_success();
  return cnn_failure(CNN_BAD_FORMAT, "%s: has two tensors named \"%.200s\"", reader->path, twice);
}

static bool is_entry(const cnn_pickled *dict, int32_t i) {
  return dict->item[i]->kind == CNN_PICKLED_TEXT && dict->item[i + 1]->kind == CNN_PICKLED_TENSOR;
}

static cnn_status tensors_take(const Reader *reader, const char *pickle, const cnn_pickled *dict) {
  cnn_archive *archive = reader->archive;
  const bool alone = dict->kind == CNN_PICKLED_TENSOR;
  const size_t most = alone ? 1 : (size_t)dict->count / 2;
  cnn_status status = cnn_success();
  archive->tensor = cnn_archive_alloc(archive, sizeof *archive->tensor * (most + 1));
  if (!archive->tensor) return cnn_failure(CNN_NO_MEMORY, "%s: out of memory", reader->path);
  if (alone) {
    archive->count = 1;
    archive->tensor->name = "";
    return tensor_set(reader, pickle, archive->tensor, dict);
  }
  for (int32_t i = 0; i + 1 < dict->count && status.code == CNN_OK; i += 2) {
    if (!is_entry(dict, i)) continue;
    cnn_tensor *tensor = &archive->tensor[archive->count++];
    status = name_set(reader, tensor, dict->item[i]);
    if (status.code == CNN_OK) status = tensor_set(reader, pickle, tensor, dict->item[i + 1]);
  }
  return status.code == CNN_OK ? names_check(reader) : status;
}

/* ---- choice of the dictionary */

/* Number of tensors directly in the dictionary. Tensors without dimensions (single numbers, such as a loss)
 * are not counted, because they are not weights. */
static int32_t tensors_of(cnn_pickled *dict) {
  if (dict->kind != CNN_PICKLED_DICT) return 0;
  if (dict->seen) return dict->seen - 1;
  int32_t count = 0;
  for (int32_t i = 0; i + 1 < dict->count; i += 2)
    count += is_entry(dict, i) && dict->item[i + 1]->item[2]->count > 0;
  dict->seen = count + 1;
  return count;
}

/* Finds the longest key in the dictionary that equals the requested key, or the beginning of the requested
 * key before a '.'. Returns the value of this key; *rest: the rest of the requested key. */
static cnn_pickled *entry_find(const cnn_pickled *dict, const char *key, const char **rest) {
  const size_t n = strlen(key);
  cnn_pickled *found = NULL;
  size_t longest = 0;
  for (int32_t i = 0; dict->kind == CNN_PICKLED_DICT && i + 1 < dict->count; i += 2) {
    const cnn_pickled *name = dict->item[i];
    const size_t m = name->bytes;
    if (name->kind != CNN_PICKLED_TEXT || m > n || m < longest || memcmp(key, name->text, m) != 0) continue;
    if (m < n && key[m] != '.') continue;
    found = dict->item[i + 1];
    longest = m;
    *rest = m < n ? key + m + 1 : "";
  }
  return found;
}

static cnn_pickled *dict_find(cnn_pickled *from, const char *key) {
  cnn_pickled *found = *key ? from : NULL;
  while (found && *key) found = entry_find(found, key, &key);
  return found;
}

enum { LISTED = 8, LOOKED_AT = 10000 };

typedef struct Listing {
  char text[400];
  int32_t listed, looked;    /* number of entries */
  const cnn_pickled *chosen; /* this dictionary is not listed; or NULL */
} Listing;

/* Adds "'ema' (12 tensors)" to the list for each dictionary of tensors in `dict`, and in the values of `dict`
 * if these are dictionaries. */
static void list(Listing *listing, const cnn_pickled *dict, const char *before) {
  for (int32_t i = 0; dict->kind == CNN_PICKLED_DICT && i + 1 < dict->count; i += 2) {
    const cnn_pickled *key = dict->item[i];
    cnn_pickled *value = dict->item[i + 1];
    if (listing->listed == LISTED || listing->looked++ == LOOKED_AT) return;
    if (key->kind != CNN_PICKLED_TEXT || key->bytes > 60) continue;
    char name[140];
    const size_t used = strlen(listing->text);
    snprintf(name, sizeof name, "%s%.*s", before, (int)key->bytes, key->text);
    const int32_t count = value == listing->chosen ? 0 : tensors_of(value);
    if (count > 0)
      snprintf(listing->text + used, sizeof listing->text - used, "%s'%s' (%d %s)",
               listing->listed ? ", " : "", name, (int)count, count == 1 ? "tensor" : "tensors");
    listing->listed += count > 0;
    if (*before) continue;
    strcat(name, ".");
    list(listing, value, name);
  }
}

static cnn_status refuse_module(const char *path, const char *key) {
  char of[160] = "";
  if (key && *key) snprintf(of, sizeof of, "[\"%.120s\"]", key);
  return cnn_failure(
      CNN_BAD_FORMAT,
      "%s: %s a whole PyTorch module, which only the Python code that created it can open. Where that code "
      "is available, this writes a file of its weights:\n"
      "import torch\n"
      "torch.save(torch.load(\"%s\", map_location=\"cpu\", weights_only=False)%s.state_dict(), "
      "\"weights.pt\")",
      path, *of ? "has" : "is", path, of);
}

static cnn_status refuse_script(const char *path) {
  return cnn_failure(CNN_BAD_FORMAT,
                     "%s: is a TorchScript module. In Python this writes a file of its weights, which is "
                     "supported:\n"
                     "import torch\n"
                     "torch.save(torch.jit.load(\"%s\", map_location=\"cpu\").state_dict(), \"weights.pt\")",
                     path, path);
}

static cnn_status refuse_key(const char *path, const cnn_pickled *root, const char *key) {
  Listing listing = {0};
  list(&listing, root, "");
  if (key)
    return cnn_failure(CNN_MISMATCH, "%s: has no dictionary of tensors named '%.100s'%s%s", path, key,
                       listing.listed ? "; it has " : "", listing.text);
  if (listing.listed == 0)
    return cnn_failure(CNN_MISMATCH, "%s: contains no dictionary of tensors such as a state dict", path);
  return cnn_failure(CNN_MISMATCH,
                     "%s: contains no tensors, but dictionaries of tensors: %s. To choose one, append "
                     "':' and its name to the file name",
                     path, listing.text);
}

static cnn_status choose(const char *path, cnn_pickled *root, const char *key, const cnn_pickled **chosen) {
  static const char *const usual[] = {"state_dict", "model_state_dict", "model", "net", "ema"};
  enum { USUAL = sizeof usual / sizeof *usual };
  cnn_pickled *found = key ? dict_find(root, key) : root;
  *chosen = found;
  if (found && found->kind == CNN_PICKLED_MODULE) return refuse_module(path, key);
  if (key) return found && tensors_of(found) > 0 ? cnn_success() : refuse_key(path, root, key);
  if (root->kind == CNN_PICKLED_TENSOR || tensors_of(root) > 0) return cnn_success();
  for (int32_t i = 0; i < USUAL; i++) {
    *chosen = found = dict_find(root, usual[i]);
    if (found && tensors_of(found) > 0) return cnn_success();
  }
  for (int32_t i = 0; i < USUAL; i++) {
    found = dict_find(root, usual[i]);
    if (found && found->kind == CNN_PICKLED_MODULE) return refuse_module(path, usual[i]);
  }
  return refuse_key(path, root, NULL);
}

/* Lists the other dictionaries that a key could have selected; called only if no key was given. */
static void tell_others(cnn_archive *archive, const cnn_pickled *root, const cnn_pickled *chosen) {
  Listing listing = {.chosen = chosen};
  list(&listing, root, "");
  char *text = listing.listed ? cnn_archive_alloc(archive, sizeof listing.text) : NULL;
  if (text) memcpy(text, listing.text, sizeof listing.text);
  archive->others = text;
}

/* ---- The file */

static cnn_status byte_order(Reader *reader, const char *pickle) {
  cnn_zip_member *member = member_find(reader, pickle, "byteorder");
  cnn_status status = member ? member_take(reader, member) : cnn_success();
  const bool big =
      member && status.code == CNN_OK && member->size == 3 && memcmp(member->data, "big", 3) == 0;
  reader->swapped = big != cnn_machine_big_endian();
  return status;
}

cnn_status cnn_torch_parse(cnn_archive *archive, const cnn_zip *zip, const char *key) {
  Reader reader = {.archive = archive, .zip = zip, .path = zip->path};
  cnn_zip_member *pickle = member_ending(zip, "data.pkl");
  archive->torch = true;
  if (member_ending(zip, "constants.pkl")) return refuse_script(zip->path);
  if (pickle->size > PICKLE_MOST)
    return cnn_failure(CNN_BAD_FORMAT, "%s: its pickle has %llu bytes; the limit is %d", zip->path,
                       (unsigned long long)pickle->size, PICKLE_MOST);
  reader.folder = pickle->name_bytes - strlen("data.pkl");
  if (!members_sort(&reader)) return cnn_failure(CNN_NO_MEMORY, "%s: out of memory", zip->path);
  cnn_status status = member_take(&reader, pickle);
  if (status.code == CNN_OK) status = byte_order(&reader, pickle->name);
  if (status.code != CNN_OK) return status;
  cnn_archive memory = {0};
  cnn_pickled *root = NULL;
  const cnn_pickled *chosen = NULL;
  status = cnn_pickle_read(&memory, zip->path, pickle->data, (size_t)pickle->size, &root);
  if (status.code == CNN_OK) status = choose(zip->path, root, key, &chosen);
  if (status.code == CNN_OK) status = tensors_take(&reader, pickle->name, chosen);
  if (status.code == CNN_OK && !key) tell_others(archive, root, chosen);
  cnn_archive_close(&memory);
  return status;
}
