/* lists.c: Lists of positive numbers, and lists of pairs of positive numbers. */
// SPDX-License-Identifier: Apache-2.0
#include "ops/detection/lists.h"

static bool is_list(const Const *c) { return c->kind == CONST_LIST || c->kind == CONST_DIMS; }
static bool is_number(const Const *c) { return c->kind == CONST_INT || c->kind == CONST_FLOAT; }
static double number_of(const Const *c) { return c->kind == CONST_INT ? (double)c->i : c->f; }

int list_count(const Node *node, const char *param) { return arg_const(node, param)->n; }

double list_number(const Node *node, const char *param, int i) {
  return number_of(&arg_const(node, param)->items[i]);
}

double list_pair(const Node *node, const char *param, int i, int k) {
  return number_of(&arg_const(node, param)->items[i].items[k]);
}

/* An error message that points to an element of the list. */
static Diag *item_error(ShapeContext *context, const Node *node, const char *param, const Const *item,
                        DiagId id, const char *text) {
  const Span list = arg_const(node, param)->span,
             at = item->span.file ? item->span : (list.file ? list : node->span);
  return diag_report(context->diags, id, at, node->site, "%s", text);
}

static bool positive(ShapeContext *context, const Node *node, const char *param, const Const *item) {
  if (item->kind == CONST_POISON) return false;
  if (is_number(item) && number_of(item) > 0) return true;
  if (is_number(item))
    item_error(context, node, param, item, DIAG_bad_value,
               arena_printf(context->arena, "%s of %s has the number %.9g, but all must be positive", param,
                            node->op->name, number_of(item)));
  else
    item_error(context, node, param, item, DIAG_wrong_type,
               arena_printf(context->arena, "%s of %s must be a list of numbers", param, node->op->name));
  return false;
}

bool list_of_numbers(ShapeContext *context, const Node *node, const char *param, int count) {
  const Const *list = arg_const(node, param);
  if (list->kind == CONST_POISON) return false;
  if (count ? list->n != count : list->n == 0) {
    if (count)
      op_error_at(context, node, param, DIAG_bad_value, "%s of %s has %d numbers, but needs %d", param,
                  node->op->name, list->n, count);
    else
      op_error_at(context, node, param, DIAG_bad_value, "%s of %s is an empty list", param, node->op->name);
    return false;
  }
  for (int i = 0; i < list->n; i++)
    if (!positive(context, node, param, &list->items[i])) return false;
  return true;
}

bool list_of_pairs(ShapeContext *context, const Node *node, const char *param) {
  const Const *list = arg_const(node, param);
  if (list->kind == CONST_POISON) return false;
  if (list->n == 0) {
    Diag *diag =
        op_error_at(context, node, param, DIAG_bad_value, "%s of %s is an empty list", param, node->op->name);
    diag_help(diag, "an anchor is [width, height]: %s=[[16, 32], [32, 32]]", param);
    return false;
  }
  for (int i = 0; i < list->n; i++) {
    const Const *item = &list->items[i];
    if (item->kind == CONST_POISON) return false;
    if (!is_list(item) || item->n != 2) {
      Diag *diag =
          item_error(context, node, param, item, DIAG_wrong_type,
                     arena_printf(context->arena, "%s of %s must be a list of pairs", param, node->op->name));
      diag_help(diag, "an anchor is [width, height]: %s=[[16, 32], [32, 32]]", param);
      return false;
    }
    for (int k = 0; k < 2; k++)
      if (!positive(context, node, param, &item->items[k])) return false;
  }
  return true;
}
