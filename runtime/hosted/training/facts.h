/* facts.h: Settings of a training run, as texts in a checkpoint: settings of the program, and settings chosen
 * for the run. */
// SPDX-License-Identifier: MIT-0
#ifndef CNN_FACTS_H
#define CNN_FACTS_H
#include <jansson.h>
#include "cnn_core.h"
#include "cnn_status.h"

/* Returns the settings as a JSON object of strings; NULL: out of memory. */
json_t *cnn_facts(const cnn_network *network, const cnn_recipe *recipe);

typedef struct cnn_change {
  const char *path;               /* path of the checkpoint */
  const json_t *program, *chosen; /* settings in the checkpoint */
  json_t *program_now, *chosen_now;
} cnn_change;

/* Rejects changes of settings that are fixed during a run: losses, metrics, the seed, the kind of
 * optimizer state, and whether weights are averaged. */
cnn_status cnn_change_check(const cnn_change *change);
/* Reports all other changes. Also reports settings that keep the value in the checkpoint, although the
 * program now has another value. */
void cnn_change_tell(const cnn_change *change, void (*tell)(void *context, const char *line), void *context);
/* Whether the setting `name` is the same in two objects of cnn_facts. */
bool cnn_facts_same(const json_t *a, const json_t *b, const char *name);
#endif
