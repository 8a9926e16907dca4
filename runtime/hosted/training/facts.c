/* facts.c: Settings of a run as texts, and the rules for settings that change between a checkpoint and its
 * resumption. The order of priority is: the command line, the program if it has changed since the
 * checkpoint, the checkpoint. */
// SPDX-License-Identifier: MIT-0
#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200809L /* open_memstream */
#endif
#include "hosted/training/facts.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hosted/base/number.h"

typedef struct Subject {
  const cnn_network *network;
  const cnn_recipe *recipe;
} Subject;

/* ---- texts: "cosine(warmup=1)"; numbers that are 0 are omitted */

typedef struct List {
  FILE *stream;
  int32_t items;
} List;

static void item(List *list, const char *name, double value) {
  fprintf(list->stream, "%s%s=%s", list->items++ ? ", " : "(", name, cnn_number(value, 9).text);
}

static void item_if(List *list, const char *name, double value) {
  if (value < 0 || value > 0) item(list, name, value);
}

static void end_list(const List *list) { fputs(list->items ? ")" : "", list->stream); }

static const char *const optimizer_name[] = {[CNN_SGD] = "sgd",     [CNN_ADAM] = "adam",
                                             [CNN_ADAMW] = "adamw", [CNN_RMSPROP] = "rmsprop",
                                             [CNN_LARS] = "lars",   [CNN_LAMB] = "lamb"};

static void put_optimizer(FILE *stream, const Subject *subject) {
  const cnn_recipe *recipe = subject->recipe;
  List list = {stream, 0};
  fputs(optimizer_name[recipe->optimizer], stream);
  item_if(&list, "momentum", recipe->momentum);
  item_if(&list, "nesterov", recipe->nesterov);
  item_if(&list, "beta1", recipe->beta1);
  item_if(&list, "beta2", recipe->beta2);
  item_if(&list, "alpha", recipe->alpha);
  item_if(&list, "epsilon", recipe->epsilon);
  item_if(&list, "trust", recipe->trust);
  item_if(&list, "weight_decay", recipe->weight_decay);
  end_list(&list);
  bool all = true;
  for (int32_t w = 0; w < subject->network->weights; w++) {
    const cnn_weight *weight = &subject->network->weight[w];
    all = all && (weight->role != CNN_TRAINED || weight->decay);
  }
  if (recipe->weight_decay > 0 && !all) fputs(", decay=weights", stream);
}

static void put_schedule(FILE *stream, const Subject *subject) {
  static const char *const name[] = {[CNN_CONSTANT] = "constant",       [CNN_STEP] = "step",
                                     [CNN_EXPONENTIAL] = "exponential", [CNN_POLY] = "poly",
                                     [CNN_COSINE] = "cosine",           [CNN_PLATEAU] = "plateau"};
  const cnn_recipe *recipe = subject->recipe;
  List list = {stream, 0};
  fputs(name[recipe->schedule], stream);
  item_if(&list, "warmup", recipe->warmup);
  item_if(&list, "every", recipe->every);
  for (int32_t i = 0; i < recipe->milestones; i++) item(&list, "at", recipe->milestone[i]);
  item_if(&list, "factor", recipe->factor);
  item_if(&list, "power", recipe->power);
  item_if(&list, "floor", recipe->floor);
  item_if(&list, "patience", recipe->patience);
  end_list(&list);
}

static void put_criterion(FILE *stream, const cnn_loss *loss, int64_t classes) {
  List list = {stream, 0};
  if (loss->weight < 1 || loss->weight > 1) item(&list, "weight", loss->weight);
  item_if(&list, "label_smoothing", loss->smoothing);
  item_if(&list, "parameter", loss->parameter);
  if (loss->ignore != -1) item(&list, "ignore", loss->ignore);
  for (int64_t c = 0; loss->class_weight && c < classes; c++) {
    item(&list, "class_weight", (double)loss->class_weight[c]);
  }
  end_list(&list);
}

static void put_loss(FILE *stream, const Subject *subject) {
  const cnn_network *network = subject->network;
  int32_t losses = 0;
  for (int32_t o = 0; o < network->outputs; o++) {
    const cnn_port *port = &network->output[o];
    if (!port->loss) continue;
    fprintf(stream, "%s%s: %s", losses++ ? "; " : "", port->name, port->loss);
    const int64_t classes = port->rank > 0 ? port->dim[port->rank - 1] : 0;
    if (port->criterion) put_criterion(stream, port->criterion, classes);
  }
  if (subject->recipe->target_is_input) fputs(", target = input", stream);
}

static void put_options(FILE *stream, const cnn_option *option, int32_t count) {
  if (count == 0) fputs("none", stream);
  for (int32_t i = 0; i < count; i++) {
    fprintf(stream, "%s%s", i ? ", " : "", option[i].name);
    for (int32_t v = 0; v < option[i].count; v++) {
      fprintf(stream, "%s%s", v ? ", " : "(", cnn_number(option[i].value[v], 9).text);
    }
    if (option[i].count > 0) fputs(")", stream);
  }
}

static void put_augment(FILE *stream, const Subject *subject) {
  put_options(stream, subject->recipe->augment, subject->recipe->augments);
}
static void put_metrics(FILE *stream, const Subject *subject) {
  put_options(stream, subject->recipe->metric, subject->recipe->metrics);
}

static void put_frozen(FILE *stream, const Subject *subject) {
  int32_t frozen = 0;
  for (int32_t w = 0; w < subject->network->weights; w++) {
    const cnn_weight *weight = &subject->network->weight[w];
    if (weight->role == CNN_FROZEN) fprintf(stream, "%s%s", frozen++ ? ", " : "", weight->name);
  }
  if (frozen == 0) fputs("none", stream);
}

static void put_layers(FILE *stream, const Subject *subject) {
  for (int32_t i = 0; i < subject->network->layers; i++) {
    const cnn_layer *layer = &subject->network->layer[i];
    fprintf(stream, "%s%s", i ? " -> " : "", layer->op);
  }
}

static void put_number(FILE *stream, double value) { fputs(cnn_number(value, 9).text, stream); }
static void put_rate(FILE *stream, const Subject *subject) { put_number(stream, subject->recipe->rate); }
static void put_batch(FILE *stream, const Subject *subject) { put_number(stream, subject->recipe->batch); }
static void put_epochs(FILE *stream, const Subject *subject) { put_number(stream, subject->recipe->epochs); }
static void put_accumulate(FILE *stream, const Subject *subject) {
  put_number(stream, subject->recipe->accumulate > 1 ? subject->recipe->accumulate : 1);
}
static void put_early_stop(FILE *stream, const Subject *subject) {
  put_number(stream, subject->recipe->early_stop);
}
static void put_average(FILE *stream, const Subject *subject) {
  put_number(stream, subject->recipe->average);
}
static void put_clip_norm(FILE *stream, const Subject *subject) {
  put_number(stream, subject->recipe->clip_norm);
}
static void put_quantize(FILE *stream, const Subject *subject) {
  if (subject->recipe->quantize)
    fprintf(stream, "int8 after %s epochs", cnn_number(subject->recipe->quantize_start, 9).text);
  else fputs("off", stream);
}
static void put_seed(FILE *stream, const Subject *subject) {
  fprintf(stream, "%" PRIu64, subject->recipe->seed);
}

/* Writes the settings that determine the memory per weight: the optimizer's state and the average. */
static void put_memory(FILE *stream, const Subject *subject) {
  const cnn_recipe *recipe = subject->recipe;
  const bool adam = recipe->optimizer == CNN_ADAM || recipe->optimizer == CNN_ADAMW ||
                    recipe->optimizer == CNN_LAMB; /* always two means per weight */
  const bool momentum = recipe->momentum < 0 || recipe->momentum > 0;
  const char *remembers = adam ? "" : momentum ? " with momentum" : " without momentum";
  fprintf(stream, "%s%s, %s average", optimizer_name[recipe->optimizer], remembers,
          recipe->average > 0 ? "with an" : "without an");
}

/* fixed: cannot change during a run */
typedef struct Fact {
  const char *name;
  bool fixed;
  void (*put)(FILE *stream, const Subject *subject);
} Fact;

static const Fact FACTS[] = {
    {"loss", true, put_loss},
    {"metrics", true, put_metrics},
    {"seed", true, put_seed},
    {"optimizer state", true, put_memory},
    {"rate", false, put_rate},
    {"schedule", false, put_schedule},
    {"optimizer", false, put_optimizer},
    {"epochs", false, put_epochs},
    {"batch", false, put_batch},
    {"accumulate", false, put_accumulate},
    {"augment", false, put_augment},
    {"average", false, put_average},
    {"clip_norm", false, put_clip_norm},
    {"early_stop", false, put_early_stop},
    {"quantize", false, put_quantize},
    {"frozen", false, put_frozen},
    {"layers", false, put_layers},
};
enum { FACT_COUNT = sizeof FACTS / sizeof *FACTS };

static json_t *fact_text(const Fact *fact, const Subject *subject) {
  char *text = NULL;
  size_t size;
  FILE *stream = open_memstream(&text, &size);
  if (!stream) return NULL;
  fact->put(stream, subject);
  const bool failed = ferror(stream) != 0;
  json_t *json = fclose(stream) == 0 && !failed && text ? json_string(text) : NULL;
  free(text);
  return json;
}

json_t *cnn_facts(const cnn_network *network, const cnn_recipe *recipe) {
  const Subject subject = {network, recipe};
  json_t *facts = json_object();
  for (int f = 0; f < FACT_COUNT && facts; f++) {
    if (json_object_set_new(facts, FACTS[f].name, fact_text(&FACTS[f], &subject)) == 0) continue;
    json_decref(facts);
    facts = NULL;
  }
  return facts;
}

/* ---- Changes */

/* The text of a setting. Checkpoints of older programs have "lamb without momentum", which means "lamb". */
static const char *text_of(const json_t *facts, const char *name) {
  static const char old[] = "lamb without momentum, ";
  const char *text = json_string_value(json_object_get(facts, name));
  if (text && strncmp(text, old, strlen(old)) == 0)
    return strstr(text, "with an average") ? "lamb, with an average" : "lamb, without an average";
  return text ? text : "?";
}

bool cnn_facts_same(const json_t *a, const json_t *b, const char *name) {
  return strcmp(text_of(a, name), text_of(b, name)) == 0;
}

cnn_status cnn_change_check(const cnn_change *change) {
  for (int f = 0; f < FACT_COUNT; f++) {
    const char *name = FACTS[f].name;
    if (!FACTS[f].fixed || cnn_facts_same(change->chosen, change->chosen_now, name)) continue;
    return cnn_failure(
        CNN_MISMATCH,
        "%s: the %s of a run cannot change: it was %s, now it is %s. Restore the former value, or start "
        "another run from the weights of this run, with --init and another --out",
        change->path, name, text_of(change->chosen, name), text_of(change->chosen_now, name));
  }
  /* the program's seed selects the validation samples, even if --seed is given */
  if (!cnn_facts_same(change->program, change->program_now, "seed")) {
    return cnn_failure(CNN_MISMATCH,
                       "%s: the program's seed was %s, now it is %s, which would select other samples for "
                       "validation. Restore the seed",
                       change->path, text_of(change->program, "seed"), text_of(change->program_now, "seed"));
  }
  return cnn_success();
}

void cnn_change_tell(const cnn_change *change, void (*tell)(void *context, const char *line), void *context) {
  char line[1000];
  for (int f = 0; f < FACT_COUNT; f++) {
    const char *name = FACTS[f].name;
    const char *was = text_of(change->chosen, name), *is = text_of(change->chosen_now, name);
    const char *program = text_of(change->program_now, name);
    if (strcmp(was, is) != 0) {
      snprintf(line, sizeof line, "from now on, %s is %.400s; before it was %.400s", name, is, was);
    } else if (strcmp(is, program) != 0) {
      snprintf(line, sizeof line, "%s stays %.400s, as at the start of this run; the program has %.400s",
               name, is, program);
    } else {
      continue;
    }
    tell(context, line);
  }
}
