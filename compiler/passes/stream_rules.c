/* stream_rules.c: Rules, one per kind of operator (the table `rules`), that determine which rows of a value a
 * step computes; and errors for layers that cannot be computed in steps.
 *
 * graph/shape.c ("endless sequences") computes the rows of a step: it applies the formulas for the output
 * size of windows to the number of input rows that are known after a call. */
// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <string.h>
#include "base/number.h"
#include "passes/stream.h"

/* ---- rows of shapes ---- */
int stream_axis(Shape shape) { return shape.rank == 2; }

int64_t stream_rows(Shape shape) { return shape.regions ? shape.regions : shape.rank > 1 ? shape.dim[0] : 0; }

Shape stream_with_rows(Shape shape, int64_t rows) {
  if (shape.regions) shape.regions = rows;
  else shape.dim[0] = rows;
  return shape;
}

/* ---- messages ---- */
static bool slides(const Streams *s) { return s->options->slide > 0; }
static bool sees_edges(const Streams *s) { return slides(s) && !s->unpadded; }

/* The node of the program with the same source location as `node`; if there is none, `node`. (Passes and int8
 * models replace operators.) */
static const Node *node_in_program(const Streams *s, const Node *node) {
  for (int i = 0; i < s->written->nodes.n; i++) {
    const Node *other = s->written->nodes.data[i];
    if (!memcmp(&other->span, &node->span, sizeof node->span) && other->site == node->site) return other;
  }
  return node;
}

static const char *operator_of(const Streams *s, const Node *node) {
  return node_in_program(s, node)->op->name;
}

/* Reports a layer that cannot be computed in steps. With --slide, most of these layers compute all of their
 * rows instead, without an error. */
static Diag *refuse_stream(Streams *s, const Node *node, DiagId id, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
static Diag *refuse_stream(Streams *s, const Node *node, DiagId id, const char *format, ...) {
  va_list ap;
  s->flow[node->id].refused = true;
  if (!s->diags || !s->live[node->id]) return NULL;
  va_start(ap, format);
  const char *text = arena_vprintf(s->arena, format, ap);
  va_end(ap);
  return diag_report(s->diags, id, node->span, node->site, "%s", text);
}

static const char *rows_text(const Streams *s, int64_t n) {
  return arena_printf(s->arena, "%lld row%s", (long long)n, n == 1 ? "" : "s");
}

/* A row index as text, such as "2i - 1" or "i + 3". */
static const char *row_text(const Streams *s, int64_t stride, int64_t offset) {
  const char *i = stride == 1 ? "i" : arena_printf(s->arena, "%lldi", (long long)stride);
  if (!offset) return i;
  return arena_printf(s->arena, "%s %c %lld", i, offset < 0 ? '-' : '+',
                      (long long)(offset < 0 ? -offset : offset));
}

static void refuse_stride(Streams *s, const Node *node, int64_t rows, int64_t factor) {
  Flow *flow = &s->flow[node->id];
  flow->step.rows = 0;
  Diag *diag = refuse_stream(s, node, DIAG_stream_stride, "a step has %s for %s, which takes %lld at a time",
                             rows_text(s, rows), operator_of(s, node), (long long)factor);
  if (diag)
    diag_help(diag, "a step needs a multiple of %s: at least --%s=%lld", rows_text(s, s->jump),
              slides(s) ? "slide" : "stream", (long long)s->jump);
}

static void refuse_ahead(Streams *s, const Node *node, int64_t rows) {
  const Window *w = node->window;
  const int axis = stream_axis(node->in[0]->shape);
  Diag *diag = refuse_stream(s, node, DIAG_stream_future, "%s looks %s ahead", operator_of(s, node),
                             rows_text(s, rows));
  if (!diag) return;
  const int64_t reach = w->dilation[axis] * (w->kernel[axis] - 1), stride = w->stride[axis];
  diag_fact(diag, "row i of its value reads rows %s .. %s (kernel %lld, dilation %lld, %lld before)",
            row_text(s, stride, -w->before[axis]), row_text(s, stride, reach - w->before[axis]),
            (long long)w->kernel[axis], (long long)w->dilation[axis], (long long)w->before[axis]);
  diag_help(diag, "pad=causal, or --lookahead=%lld: outputs come %s late", (long long)s->lookahead,
            rows_text(s, s->lookahead));
}

/* ---- the rules ---- */
/* Changes `flow` from the combined flow of the operands to the flow of the node. False: the node needs all
 * rows. STREAM_WHOLE has no function, because such a node always needs all rows. */
typedef bool FlowRule(Streams *, const Node *, Flow *);

/* The number of rows of the first input that correspond to `rows` rows of a value, rounded up. */
static int64_t input_rows(const Flow *of, int64_t rows) { return ceil_divide(rows * of->down, of->up); }

static void set_rate(Flow *flow, int64_t up, int64_t down) {
  const int64_t divisor = common_divisor(flow->up * up, flow->down * down);
  flow->up = flow->up * up / divisor;
  flow->down = flow->down * down / divisor;
}

/* Divides the rate of `flow` by `factor`. False after an error: the rows of a step are not a multiple of
 * `factor`. */
static bool divides(Streams *s, const Node *node, Flow *flow, int64_t factor) {
  const int64_t rows = flow->step.rows;
  set_rate(flow, 1, factor);
  if (rows % factor == 0) return true;
  refuse_stride(s, node, rows, factor);
  return false;
}

/* Whether no window of the whole value reads padding along the rows. */
static bool sees_rows_alone(const Node *node, int axis) {
  const Window *w = node->window;
  const int64_t last = window_end(w, axis, stream_rows(node->shape) - 1);
  return w->before[axis] == 0 && last <= stream_rows(node->in[0]->shape);
}

bool stream_counts_rows(const Node *node) {
  const OpTraits *traits = &node->op->traits;
  return node->window && node->window->before[stream_axis(node->in[0]->shape)] > 0 && traits->counts_inside &&
         traits->counts_inside(node);
}

static bool flow_window(Streams *s, const Node *node, Flow *flow) {
  const Window *w = node->window;
  const int axis = stream_axis(node->in[0]->shape);
  if (!w || (slides(s) && node->op->keep)) return false;
  const int64_t ahead = w->after[axis];
  if (sees_edges(s) && (ahead > 0 || !sees_rows_alone(node, axis))) return false;
  if (ahead > 0) {
    flow->late += input_rows(flow, ahead);
    if (flow->late > s->options->lookahead) refuse_ahead(s, node, ahead);
  }
  const StepRows in = flow->step;
  if (divides(s, node, flow, w->stride[axis])) flow->step = step_window(w, axis, in);
  return true;
}

static bool flow_transposed(Streams *s, const Node *node, Flow *flow) {
  const int axis = stream_axis(node->in[0]->shape);
  if (slides(s) || !node->window) return false;
  flow->step = step_transposed(node->window, axis, flow->step);
  set_rate(flow, node->window->stride[axis], 1);
  return true;
}

static bool flow_repeated(Streams *s, const Node *node, Flow *flow) {
  const int64_t from = stream_rows(node->in[0]->shape), to = stream_rows(node->shape), factor = to / from;
  int64_t factors[2];
  if (from == to && !node->op->traits.repeats) return true;
  if (node->op->traits.repeats && !node->op->traits.repeats(node, factors)) {
    if (slides(s)) return false;
    Diag *diag =
        refuse_stream(s, node, DIAG_stream_future, "%s needs later input rows", operator_of(s, node));
    if (diag) diag_help(diag, "upsample(%lld) repeats each row", (long long)larger(factor, 2));
    return true;
  }
  flow->step = step_repeated(flow->step, factor);
  set_rate(flow, factor, 1);
  return true;
}

static bool flow_cropped(Streams *s, const Node *node, Flow *flow) {
  int64_t before[2], after[2];
  (void)s;
  node->op->traits.border(node, before, after);
  flow->step = step_cropped(flow->step, before[stream_axis(node->shape)]);
  return true;
}

static bool flow_padded(Streams *s, const Node *node, Flow *flow) {
  int64_t before[2], after[2];
  const int axis = stream_axis(node->shape);
  node->op->traits.border(node, before, after);
  if (sees_edges(s) && before[axis] + after[axis] > 0) return false;
  flow->step = step_padded(flow->step, before[axis]);
  return true;
}

static bool flow_rows(Streams *s, const Node *node, Flow *flow) {
  (void)s, (void)node, (void)flow;
  return true;
}

static bool flow_shaped(Streams *s, const Node *node, Flow *flow) {
  (void)s, (void)flow;
  const Shape in = node->in[0]->shape, out = node->shape;
  return stream_rows(out) == stream_rows(in) && (!out.regions || in.regions == out.regions);
}

static bool flow_deeper(Streams *s, const Node *node, Flow *flow) {
  const int64_t factor = stream_rows(node->in[0]->shape) / stream_rows(node->shape);
  const StepRows in = flow->step;
  if (divides(s, node, flow, factor)) flow->step = step_deeper(in, factor);
  return true;
}

static bool flow_flatter(Streams *s, const Node *node, Flow *flow) {
  const int64_t factor = stream_rows(node->shape) / stream_rows(node->in[0]->shape);
  (void)s;
  flow->step = step_repeated(flow->step, factor);
  set_rate(flow, factor, 1);
  return true;
}

static bool flow_ahead(Streams *s, const Node *node, Flow *flow) {
  (void)flow;
  if (slides(s)) return false;
  Diag *diag = refuse_stream(s, node, DIAG_stream_future, "%s needs later input rows", operator_of(s, node));
  if (diag) diag_help(diag, "a convolution with pad=causal reads only earlier rows");
  return true;
}

/* Reports a layer that starts from a given state: rows with negative indices would change that state. */
static void refuse_start(Streams *s, const Node *node, int64_t offset) {
  Diag *diag = refuse_stream(s, node, DIAG_stream_start,
                             "%s starts from a given state at row 0, but its input has earlier rows",
                             operator_of(s, node));
  if (!diag) return;
  diag_fact(diag, "its input in call 0 begins with row %lld", (long long)offset);
  diag_help(diag, "use pad=causal in the layers before it (in unfold and stft: pad=[size - step, 0])");
}

/* The direction that the program specifies, if it is not forward; else NULL. */
static const char *other_direction(const Streams *s, const Node *node) {
  const Node *layer = node_in_program(s, node);
  return !layer->op->traits.recurrent || arg_is(layer, "direction", "forward")
             ? NULL
             : arg_const(layer, "direction")->s;
}

/* Refuses backward and bidirectional layers: the number of later rows that they need has no limit. */
static bool flow_recurrent(Streams *s, const Node *node, Flow *flow) {
  if (slides(s)) return false;
  const char *direction = other_direction(s, node);
  if (!direction) {
    if (flow->step.offset < 0 && node->nin > 1) refuse_start(s, node, flow->step.offset);
    return true;
  }
  Diag *diag =
      refuse_stream(s, node, DIAG_stream_future, "%s reads its rows in reverse", operator_of(s, node));
  if (diag) {
    diag_fact(diag, "direction=%s: its look-ahead is unlimited", direction);
    diag_help(diag, "direction=forward, the default");
  }
  return true;
}

static FlowRule *const rules[STREAM_RULES] = {
    [STREAM_ROWS] = flow_rows,
    [STREAM_WINDOW] = flow_window,
    [STREAM_TRANSPOSED] = flow_transposed,
    [STREAM_REPEATED] = flow_repeated,
    [STREAM_CROPPED] = flow_cropped,
    [STREAM_PADDED] = flow_padded,
    [STREAM_SHAPED] = flow_shaped,
    [STREAM_DEEPER] = flow_deeper,
    [STREAM_FLATTER] = flow_flatter,
    [STREAM_RECURRENT] = flow_recurrent,
    [STREAM_AHEAD] = flow_ahead,
};

StreamRule stream_rule(const Node *node) {
  const OpTraits *traits = &node->op->traits;
  if (traits->stream_rule) return traits->stream_rule(node);
  if (traits->stream) return traits->stream;
  return node->op->family == FAMILY_MAP     ? STREAM_ROWS
         : node->op->family == FAMILY_ALIAS ? STREAM_SHAPED
                                            : STREAM_WHOLE;
}

bool stream_in_regions(const Node *node) {
  return node->nin && node->in[0]->shape.regions && node->shape.regions;
}

bool stream_state_counts(const Node *node, StepRows in, StepRows out) {
  return in.offset < 0 || out.offset < 0 || (stream_rule(node) == STREAM_RECURRENT && node->nin > 1);
}

/* The stream rule of a node. If regions are rows of a sequence, operators process each region separately. */
static StreamRule rule_of(const Node *node) {
  return stream_in_regions(node) ? STREAM_ROWS : stream_rule(node);
}

/* ---- several operands ---- */
static void refuse_position(Streams *s, const Node *node, const Node *constant) {
  Diag *diag = refuse_stream(s, constant, DIAG_stream_position, "%s has its own row for each position",
                             operator_of(s, constant));
  if (!diag) return;
  diag_note(diag, node->span, "%s combines it with rows of a sequence here", operator_of(s, node));
  const Node *from = constant;
  while (from->nin) from = from->in[0];
  if (node_is_input(from) && stream_rows(from->shape) > 1)
    diag_help(diag, "--stream=N,%s:M: each call takes the next M rows of the input %s", from->name,
              from->name);
  else
    diag_help(diag, "a 1x%lld constant is the same at each position",
              (long long)shape_extent(constant->shape).c);
}

static void refuse_rate(Streams *s, const Node *node, const Node *a, const Node *b) {
  Diag *diag =
      refuse_stream(s, node, DIAG_stream_rate, "%s of values with %s and %s per step", operator_of(s, node),
                    rows_text(s, s->flow[a->id].step.rows), rows_text(s, s->flow[b->id].step.rows));
  if (diag) diag_help(diag, "both operands need the same total stride with respect to the input");
}

/* Aligns the rows of all operands to the operand with the largest delay. False: the node cannot be
 * computed in steps. */
static bool combine_flows(Streams *s, const Node *node, Flow *flow) {
  const Node *first = NULL;
  for (int k = 0; k < node->nin; k++) {
    const Node *in = node->in[k];
    const Flow *other = &s->flow[in->id];
    if (!other->flows) {
      if (other->depends && !other->refused) return false;
      if (!other->depends && stream_rows(in->shape) > 1) {
        if (slides(s)) return false;
        refuse_position(s, node, in);
      }
      continue;
    }
    if (rule_of(node) == STREAM_ROWS && stream_rows(in->shape) != stream_rows(node->shape)) return false;
    if (!first) {
      first = in;
      const int64_t late = flow->late;
      *flow = *other;
      flow->refused = false;
      flow->late = larger(late, other->late);
      continue;
    }
    if (flow->step.rows && other->step.rows && flow->step.rows != other->step.rows) {
      refuse_rate(s, node, first, in);
      flow->step.rows = 0;
    } else if (!other->step.rows) flow->step.rows = 0;
    flow->step.offset = smaller(flow->step.offset, other->step.offset);
  }
  return true;
}

/* Whether the operator returns boxes, which are in pixels of the whole image and may be clipped to it. */
static bool cuts_boxes(const Node *node) { return node->op->group && !strcmp(node->op->group, "detection"); }

static void refuse_boxes(Streams *s, const Node *node) {
  Diag *diag =
      refuse_stream(s, node, DIAG_stream_whole, "%s is not supported with --slide", operator_of(s, node));
  if (!diag) return;
  diag_fact(diag, "boxes are in pixels of the whole image, but a step has only some of its rows");
  diag_help(diag, "output the values before it, and compute the boxes in another net");
}

static void refuse_whole(Streams *s, const Node *node) {
  const Node *first = node->in[0];
  const int64_t rows = stream_rows(first->shape);
  const bool parts = node->shape.regions && !first->shape.regions;
  Diag *diag = refuse_stream(s, node, DIAG_stream_whole,
                             parts ? "%s returns several sequences, but a step has rows of only one sequence"
                                   : "%s needs all rows of its input",
                             operator_of(s, node));
  if (!diag) return;
  diag_help(diag, "--slide=N computes the net for the last %s in each call",
            rows_text(s, stream_rows(s->graph->inputs.data[0].node->shape)));
  if (node->op->traits.row_means && first->shape.rank == 2)
    diag_help(diag, "avgpool(%lld, stride=1, pad=[%lld, 0]) is the mean of the last %lld rows",
              (long long)rows, (long long)rows - 1, (long long)rows);
  else if (node->op->group && !strcmp(node->op->group, "normalization"))
    diag_help(diag, "layernorm normalizes each row separately");
}

/* ---- the whole graph ---- */
static const StreamUse *use_of(const Streams *s, int input) {
  const Port *port = &s->graph->inputs.data[input];
  const StreamUse *found = NULL;
  for (int i = 0; i < s->options->use.n; i++) {
    const StreamUse *use = &s->options->use.data[i];
    if (use->input ? !strcmp(use->input, port->name) : input == 0) found = use;
  }
  const Node *first = s->graph->inputs.data[0].node;
  if (!found && input && stream_rows(port->node->shape) == stream_rows(first->shape)) return use_of(s, 0);
  return found;
}

static void input_flow(Streams *s, int input) {
  const Node *node = s->graph->inputs.data[input].node, *first = s->graph->inputs.data[0].node;
  Flow *flow = &s->flow[node->id];
  const int64_t rows = stream_rows(node->shape);
  if (slides(s)) {
    if (rows && rows == stream_rows(first->shape))
      *flow = (Flow){true, true, false, {s->options->slide, s->begin}, 1, 1, 0};
    return;
  }
  const StreamUse *use = use_of(s, input);
  if (use && rows) *flow = (Flow){true, true, false, {use->rows, 0}, 1, 1, 0};
}

/* Whether the value and operand 0 have the same number of rows. If so, a refused layer counts as a layer that
 * computes the rows of operand 0, so that the layers after it are checked, too. */
static bool keeps_rows(const Node *node) {
  const Shape in = node->in[0]->shape, out = node->shape;
  return stream_rows(out) == stream_rows(in) && !out.regions == !in.regions;
}

static void find_flow(Streams *s, const Node *node) {
  Flow *flow = &s->flow[node->id];
  bool any = false, refused = false;
  for (int k = 0; k < node->nin; k++) {
    const Flow *in = &s->flow[node->in[k]->id];
    flow->depends = flow->depends || in->depends;
    any = any || in->flows;
    refused = refused || (in->refused && !in->flows);
  }
  flow->up = flow->down = 1;
  if (slides(s) && flow->depends && cuts_boxes(node)) {
    refuse_boxes(s, node);
    return;
  }
  if (!any) {
    flow->refused = refused;
    return;
  }
  Flow made = {.depends = true, .up = 1, .down = 1};
  *flow = (Flow){.depends = true, .up = 1, .down = 1};
  const StreamRule rule = rule_of(node);
  const bool flows = rule != STREAM_WHOLE && combine_flows(s, node, &made) &&
                     (rule == STREAM_ROWS || s->flow[node->in[0]->id].flows);
  if (flows && rules[rule](s, node, &made)) {
    made.flows = stream_rows(node->shape) > 0; /* otherwise the value is the result for the last row */
    made.refused = flow->refused;
    *flow = made;
  } else if (!slides(s)) {
    refuse_whole(s, node);
    if (s->flow[node->in[0]->id].flows && keeps_rows(node)) *flow = s->flow[node->in[0]->id];
    flow->refused = true;
  }
}

static void find_flows(Streams *s) {
  for (int i = 0; i < s->graph->nodes.n; i++) s->flow[i] = (Flow){.up = 1, .down = 1};
  for (int i = 0; i < s->graph->inputs.n; i++) input_flow(s, i);
  for (int i = 0; i < s->graph->nodes.n; i++)
    if (!node_is_input(s->graph->nodes.data[i])) find_flow(s, s->graph->nodes.data[i]);
}

/* Computes the smallest step (jump) and the smallest look-ahead. */
static void measure(Streams *s) {
  s->jump = 1;
  s->lookahead = 0;
  for (int i = 0; i < s->graph->nodes.n; i++) {
    const Flow *flow = &s->flow[i];
    if (!flow->flows || !s->live[i]) continue;
    s->jump = least_multiple(s->jump, flow->down);
    s->lookahead = larger(s->lookahead, flow->late);
  }
}

static bool has_states(Streams *s) {
  bool any = false;
  for (int i = 0; i < s->graph->nodes.n; i++) {
    const Node *node = s->graph->nodes.data[i];
    if (!node_is_state(node)) continue;
    any = true;
    Diag *diag =
        refuse_stream(s, node, DIAG_stream_state, "a net with its own states cannot be compiled with --%s",
                      slides(s) ? "slide" : "stream");
    if (diag)
      diag_help(diag,
                "with --stream and --slide, causal windows and recurrent layers need no explicit states");
  }
  return any;
}

/* Reports that --stream has two numbers for the first input: one without a name, and one with the input's
 * name. */
static bool first_input_once(Streams *s) {
  const Graph *graph = s->graph;
  int times = 0;
  for (int u = 0; u < s->options->use.n; u++) {
    const char *input = s->options->use.data[u].input;
    times += !input || !strcmp(input, graph->inputs.data[0].name);
  }
  if (times < 2) return true;
  if (s->diags)
    diag_report(s->diags, DIAG_duplicate_argument, graph->inputs.data[0].node->span, NULL,
                "--stream has two numbers of rows for input %s, the first input", graph->inputs.data[0].name);
  return false;
}

static bool inputs_have_rows(Streams *s) {
  const Graph *graph = s->graph;
  const Node *first = graph->inputs.data[0].node;
  bool fit = first_input_once(s);
  for (int u = 0; u < s->options->use.n; u++) {
    const StreamUse *use = &s->options->use.data[u];
    const Port *port = use->input ? NULL : &graph->inputs.data[0];
    for (int i = 0; i < graph->inputs.n && use->input; i++)
      if (!strcmp(graph->inputs.data[i].name, use->input)) port = &graph->inputs.data[i];
    if (port && stream_rows(port->node->shape)) continue;
    fit = false;
    if (!s->diags) continue;
    if (!port)
      diag_report(s->diags, DIAG_unknown_name, graph->name_span, NULL, "--stream: net %s has no input '%s'",
                  graph->name, use->input);
    else
      diag_report(s->diags, DIAG_stream_whole, port->node->span, NULL,
                  "input %s has no rows: its shape is %s", port->name,
                  shape_text(s->arena, port->node->shape));
  }
  if (!slides(s) || stream_rows(first->shape)) return fit;
  if (s->diags)
    diag_report(s->diags, DIAG_stream_whole, first->span, NULL, "input %s has no rows: its shape is %s",
                graph->inputs.data[0].name, shape_text(s->arena, first->shape));
  return false;
}

/* ---- --slide: layers that are not shared because of padding ---- */
static int64_t stream_macs(const Node *node) { return node->op->cost ? node->op->cost(node).macs : 0; }

/* Whether the node would be computed in steps if it had no padding; windows would then share its rows. */
static bool ends_at_padding(const Streams *s, const Node *node) {
  int64_t before[2] = {0}, after[2] = {0};
  if (!node->nin || s->flow[node->id].flows || !s->flow[node->in[0]->id].flows) return false;
  const int axis = stream_axis(node->in[0]->shape);
  const StreamRule rule = rule_of(node);
  if (rule == STREAM_PADDED) node->op->traits.border(node, before, after);
  else if (rule == STREAM_WINDOW && node->window) {
    before[axis] = node->window->before[axis];
    after[axis] = node->window->after[axis];
  }
  return before[axis] > 0 || after[axis] > 0;
}

/* The fraction of the multiply-adds that would be shared if no layer had padding. */
static double shared_without_padding(Streams *s) {
  int64_t all = 0, shared = 0;
  s->unpadded = true;
  find_flows(s);
  s->unpadded = false;
  for (int i = 0; i < s->graph->nodes.n; i++) {
    const int64_t macs = s->live[i] ? stream_macs(s->graph->nodes.data[i]) : 0;
    all += macs;
    if (s->flow[i].flows) shared += macs;
  }
  return all ? (double)shared / (double)all : 0;
}

static void warn_padding(Streams *s, double shared) {
  for (int i = 0; i < s->graph->nodes.n && s->diags; i++) {
    const Node *node = s->graph->nodes.data[i];
    if (!s->live[i] || !ends_at_padding(s, node)) continue;
    Diag *diag = diag_report(s->diags, DIAG_slide_whole, node->span, node->site,
                             "%s and the layers after it are computed for the whole window in each call",
                             operator_of(s, node));
    diag_fact(diag, "%s sees the window's edge; without padding %.0f %% would be shared",
              arg_is(node, "pad", "same")     ? "pad=same"
              : arg_is(node, "pad", "causal") ? "pad=causal"
                                              : "its padding",
              100 * shared);
  }
}

bool stream_rules(Streams *s) {
  Diags *diags = s->diags;
  const Graph *graph = s->graph;
  double shared = 0;
  s->live = graph_live(s->arena, graph, 0, NULL);
  s->flow = NEW_ARRAY(s->arena, Flow, graph->nodes.n + 1);
  if (!inputs_have_rows(s) || has_states(s)) return false;
  s->diags = NULL;
  find_flows(s);
  measure(s);
  if (slides(s)) {
    s->window = stream_rows(graph->inputs.data[0].node->shape);
    s->begin = -((s->jump - s->window % s->jump) % s->jump);
    shared = shared_without_padding(s);
  }
  s->diags = diags;
  find_flows(s);
  if (slides(s)) warn_padding(s, shared);
  for (int i = 0; i < graph->nodes.n; i++)
    if (s->flow[i].refused && s->live[i]) return false;
  return true;
}

/* ---- rows that a node reads ---- */
static StreamNeed rows_needed(const Node *node, StepRows in, StepRows out) {
  const int axis = stream_axis(node->in[0]->shape);
  const Window *w = node->window;
  int64_t before[2] = {0}, after[2] = {0};
  const int64_t from = stream_rows(node->in[0]->shape), to = stream_rows(node->shape);
  switch (rule_of(node)) {
  case STREAM_WINDOW:
    return (StreamNeed){.first = window_first(w, axis, out.offset),
                        .count = window_end(w, axis, out.rows - 1) - window_first(w, axis, 0),
                        .any = w->before[axis] == 0};
  case STREAM_TRANSPOSED: {
    const int64_t first = window_transposed_first(w, axis, out.offset);
    return (StreamNeed){.first = first, .count = in.offset + in.rows - first};
  }
  case STREAM_PADDED:
    node->op->traits.border(node, before, after);
    return (StreamNeed){.first = out.offset - before[axis], .count = in.rows, .any = before[axis] == 0};
  case STREAM_DEEPER: return (StreamNeed){.first = out.offset * (from / to), .count = in.rows, .any = true};
  case STREAM_ROWS: return (StreamNeed){.first = out.offset, .count = out.rows, .any = true};
  default: return (StreamNeed){.first = in.offset, .count = in.rows, .any = true};
  }
}

/* Whether the node reads rows with negative indices as padding, although steps compute values for them. */
static bool is_masked(const Node *node, StepRows in) {
  int64_t before[2] = {0}, after[2];
  const StreamRule rule = rule_of(node);
  const int axis = stream_axis(node->in[0]->shape);
  if (in.offset >= 0) return false;
  if (rule == STREAM_PADDED) {
    node->op->traits.border(node, before, after);
    return before[axis] > 0;
  }
  return rule == STREAM_TRANSPOSED || (rule == STREAM_WINDOW && node->window->before[axis] > 0);
}

bool stream_needs_window(const Streams *s, const Node *node, StreamNeed *need) {
  const Flow *flow = &s->flow[node->id];
  if (!flow->flows) return false;
  *need = (StreamNeed){.first = flow->step.rows - (s->window - s->begin) * flow->up / flow->down,
                       .count = stream_rows(node->shape),
                       .any = true};
  return true;
}

bool stream_needs(const Streams *s, const Node *node, int k, StreamNeed *need) {
  const Flow *in = &s->flow[node->in[k]->id], *out = &s->flow[node->id];
  if (!in->flows) return false;
  if (!out->flows && slides(s)) return stream_needs_window(s, node->in[k], need);
  if (!out->flows) {
    *need = (StreamNeed){.first = in->step.offset, .count = in->step.rows, .any = true};
    return true;
  }
  *need = rows_needed(node, in->step, out->step);
  need->masked = !slides(s) && is_masked(node, in->step);
  need->any = need->any || slides(s);
  need->fill = need->any || !node->op->traits.row_fill ? 0 : node->op->traits.row_fill(node);
  return true;
}
