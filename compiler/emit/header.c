/* header.c: Declarations in a net's header. */
// SPDX-License-Identifier: Apache-2.0
#include <inttypes.h>
#include <string.h>
#include "emit/module.h"

static const char network_text[] =
#include "emit/network_text.inc"
    ;

enum { COMMENTS = 44 }; /* column where comments begin */

/* ---- numbers ---- */
void put_define(Text *out, const Net *net, const char *name, int64_t value, const char *comment) {
  const char *text = arena_printf(net->arena, "#define %s %" PRId64, name, value);
  if (*comment) text_put(out, "%-*s /* %s */\n", COMMENTS, text, comment);
  else text_put(out, "%s\n", text);
}

static void put_port(Text *out, const Net *net, const PortMacros *macro, Shape shape, const char *comment) {
  put_define(out, net, macro->SIZE, shape_elements(shape), comment);
  const char *const axes[3][3] = {
      {NULL}, {macro->LENGTH, macro->CHANNELS}, {macro->HEIGHT, macro->WIDTH, macro->CHANNELS}};
  if (shape.rank < 2) return;
  for (int i = 0; i < shape.rank; i++) put_define(out, net, axes[shape.rank - 1][i], shape.dim[i], "");
}

/* Prints the macros for the scale and the zero point of a port. In an updatable net, these macros read the
 * model. */
static void put_quant(Text *out, Net *net, const PortNames *names, const Node *node) {
  const Quant *quant = port_quant(node);
  if (!quant) return;
  if (names->scale) {
    const char *of =
        arena_printf(net->arena, "#define %s(model) ((model)->%s[0])", names->macro.SCALE, names->scale);
    text_put(out, "%-*s /* (q - zero) * scale */\n", COMMENTS, of);
    text_put(out, "#define %s(model) ((model)->%s[0])\n", names->macro.ZERO, names->zero);
    return;
  }
  Text scale = {.arena = net->arena};
  put_hex_float(&scale, quant->scale);
  const char *text = arena_printf(net->arena, "#define %s %s", names->macro.SCALE, scale.s);
  text_put(out, "%-*s /* %s: (q - zero) * scale */\n", COMMENTS, text,
           text_double(net->arena, (double)quant->scale));
  put_define(out, net, names->macro.ZERO, quant->zero, "");
}

static void put_numbers(Text *out, Net *net) {
  const Graph *graph = net->graph;
  const NetSizes sizes = layout_sizes(net->layout);
  put_define(out, net, net->macro->BATCH, net->layout->options.batch,
             net_steps(net) ? "images per call of step" : "images per call of infer");
  if (net->layout->train.program)
    put_define(out, net, net->macro->TRAIN_BATCH, net->layout->train.program->batching.images,
               "maximum number of samples per call of gradients");
  if (net->layout->train.program && graph->training->steps > 1)
    put_define(out, net, net->macro->TRAIN_STEPS, graph->training->steps,
               "calls of step per training sample");
  for (int i = 0; i < graph->inputs.n; i++) {
    const Port *port = &graph->inputs.data[i];
    const char *order = port->node->shape.rank == 1 ? ""
                        : port->node->port->chw     ? ", channels first"
                                                    : ", channels last";
    put_port(out, net, &net->input[i].macro, port->node->shape,
             arena_printf(net->arena, "elements of one `%s`: %s%s", port->name,
                          shape_text(net->arena, port->node->shape), order));
    put_quant(out, net, &net->input[i], port->node);
    if (port->node->port->rate)
      put_define(out, net, net->input[i].macro.RATE, port->node->port->rate, "samples per second");
  }
  for (int i = 0; i < graph->outputs.n; i++) {
    const Port *port = &graph->outputs.data[i];
    put_port(out, net, &net->output[i].macro, port->node->shape,
             arena_printf(net->arena, "elements of one `%s`: %s", port->name,
                          shape_text(net->arena, port->node->shape)));
    put_quant(out, net, &net->output[i], port->node);
  }
  if (net->model && !net->weights) text_put(out, "#define %s \"i8\"\n", net->macro->PRECISION);
  if (net->weights || !net->model || net->options->network)
    put_define(out, net, net->macro->PARAMETERS, net->weights ? graph->parameters : 0,
               "number of floats in the weights");
  put_define(out, net, net->macro->ALIGNMENT, ALIGNMENT, "preferred alignment in bytes");
  put_define(out, net, net->macro->MODEL_BYTES, sizes.model_bytes, "");
  if (net->model && !net->options->program)
    put_define(out, net, net->macro->FILE_BYTES, model_file_bytes(net), "size of a model file");
  put_define(out, net, net->macro->WORKSPACE_BYTES, sizes.workspace_bytes, "");
  put_define(out, net, net->macro->TRAINING_BYTES, sizes.training_bytes, "");
  if (net_steps(net)) put_state_numbers(out, net);
  text_put(out, "\n");
}

/* ---- structs ---- */
static void put_weights_struct(Text *out, Net *net) {
  const Graph *graph = net->graph;
  text_put(out,
           "/* Trained parameters in PyTorch's layouts, one after the other without padding. The struct is "
           "also an array of %s floats. */\n",
           net->macro->PARAMETERS);
  text_put(out, "typedef struct %s %s;\nstruct %s {\n", net->own->weights, net->own->weights,
           net->own->weights);
  for (int i = 0; i < graph->weights.n; i++) {
    const Weight *weight = graph->weights.data[i];
    text_put(out, "  float %s", name_letters(net->arena, weight->name));
    put_dims(out, weight->rank, weight->dim);
    text_put(out, ";%s\n",
             weight->statistic ? " /* statistics of the training data, not trained */"
             : weight->frozen  ? " /* frozen: not trained */"
                               : "");
  }
  text_put(out, "};\n\n");
}

static void put_model_struct(Text *out, Net *net) {
  if (net->weights)
    text_put(out,
             "/* The weights in the order in which the kernels read them. %s fills the struct, and %s only "
             "reads it. It may be copied with memcpy. */\n",
             net->own->pack, infer_name(net));
  else text_put(out, "/* Weights in the order in which the kernels read them. */\n");
  text_put(out, "typedef struct %s %s;\nstruct %s {\n", net->own->model, net->own->model, net->own->model);
  for (int i = 0; i < net->layout->infer.members.n; i++) {
    const Member *member = net->layout->infer.members.data[i];
    text_put(out, "  %s %s", elem_c_type(member->elem), member->name);
    put_dims(out, member->rank, member->dim);
    text_put(out, ";\n");
  }
  if (!net->layout->infer.members.n)
    text_put(out, "  float unused[%d]; /* inference needs no weights */\n", ALIGNED_FLOATS);
  text_put(out, "};\n\n");
}

static void put_workspace_struct(Text *out, Net *net) {
  const int64_t all = layout_all_floats(net->layout), slot = layout_slot_floats(net->layout);
  text_put(out, "/* Memory for activations and scratch. It needs no initialization and keeps nothing "
                "between calls; each thread needs its own. */\n");
  text_put(out, "typedef struct %s %s;\nstruct %s {\n", net->own->workspace, net->own->workspace,
           net->own->workspace);
  if (all) text_put(out, "  float all[%" PRId64 "]; /* values of all images of a call */\n", all);
  text_put(out, "  float arena");
  if (net->layout->infer.program->batching.how == WHOLE_BATCH)
    text_put(out, "[%" PRId64 "];\n};\n\n",
             net->layout->infer.program->slots * slot); /* one array: slots are addressed by offsets */
  else if (net->layout->infer.program->slots > 1)
    text_put(out, "[%" PRId64 "][%" PRId64 "];\n};\n\n", net->layout->infer.program->slots, slot);
  else text_put(out, "[%" PRId64 "];\n};\n\n", slot);
}

/* ---- functions ---- */
static void put_inference(Text *out, Net *net) {
  const char *linkage = net_linkage(net);
  if (net->weights)
    text_put(out, "%svoid %s(%s *model, const %s *weights);\n\n", linkage, net->own->pack, net->own->model,
             net->own->weights);
  if (net->model && !net->options->program) {
    text_put(out, "/* Opens a model file of cnnc --emit=model in place: `bytes` is the file, read or "
                  "mapped. NULL if it is for another net or layout, or unaligned. */\n");
    text_put(out, "const %s *%s(const void *bytes, size_t size);\n\n", net->own->model, net->own->open);
  }
  if (net_steps(net)) put_state_declarations(out, net);
  text_put(out, "/* %s%s. It cannot fail. */\n", net_steps(net) ? "One step of " : "",
           net->layout->options.batch > 1 ? arena_printf(net->arena, "%s images", net->macro->BATCH)
           : net_steps(net)               ? "one image; stores the values for the next step in `state`"
                                          : "One image");
  const Parameters whole = infer_parameters(net, false), some = infer_parameters(net, true);
  put_signature(out, arena_printf(net->arena, "%svoid %s", linkage, infer_name(net)), &whole, ";\n");
  if (net->layout->options.batch > 1 && !net_steps(net)) {
    text_put(out, "/* Only the first `count` images. */\n");
    put_signature(out, arena_printf(net->arena, "%svoid %s", linkage, net->own->infer_some), &some, ";\n");
  }
  text_put(out, "/* Name of the target in use; compiled for %s. */\n%sconst char *%s(void);\n",
           net_target_names(net), linkage, net->own->target);
  if (net_pool(net))
    text_put(out,
             "/* Sets the number of threads of later calls from this thread; 0: OMP_NUM_THREADS, or one per "
             "processor. */\n%svoid %s(int32_t threads);\n",
             linkage, net->own->threads);
  if (net_trained(net))
    text_put(out, "/* The weights that were compiled in. */\nextern const %s %s;\n", net->own->model,
             net->own->trained);
  if (net->graph->nlabels && !net->options->program)
    text_put(out, "/* Names of the classes. */\nextern const char *const %s[%d];\n", net->own->labels,
             net->graph->nlabels);
  text_put(out, "\n");
}

static void put_training(Text *out, Net *net) {
  text_put(out,
           "/* ---- training ---- */\n\n/* Memory for the computation of gradients. */\n"
           "typedef struct %s %s;\n",
           net->own->training, net->own->training);
  put_training_struct(out, net);
  if (truth_read(net)) put_truth_struct(out, net);
  if (net->model)
    text_put(out,
             "/* Initializes the weights; the same seed gives the same weights on every machine. */\n%svoid "
             "%s(%s *weights, uint64_t seed);\n\n",
             net_linkage(net), net->own->init, net->own->weights);
  const bool steps = net->graph->training->steps > 1;
  text_put(out,
           "/* Computes the mean loss of 1 to %s samples and its gradients. In `gradients`, frozen "
           "parameters are zero, and running statistics have their new values.\n"
           "   Random numbers depend only on seed, step and the sample's index in the batch.%s%s%s%s */\n",
           net->macro->TRAIN_BATCH, net->graph->outputs.n ? " An output that is NULL is not written." : "",
           steps ? "\n   A sample has the inputs, targets and outputs of " : "",
           steps ? net->macro->TRAIN_STEPS : "", steps ? " successive calls of step." : "");
  const Parameters parameters = gradients_parameters(net);
  put_signature(out, arena_printf(net->arena, "%sfloat %s", net_linkage(net), net->own->gradients),
                &parameters, ";\n\n");
}

void put_declarations(Text *out, Net *net) {
  put_numbers(out, net);
  if (net->weights) put_weights_struct(out, net);
  if (net->model) put_model_struct(out, net);
  put_workspace_struct(out, net);
  if (net_steps(net)) put_state_struct(out, net);
  put_inference(out, net);
  if (net->layout->train.program) put_training(out, net);
  if (net->options->network && !net->options->program)
    text_put(out,
             "/* Description of the net, with which the runtime trains, loads, saves and inspects it. "
             "*/\nextern const cnn_network "
             "%s;\n\n",
             net->own->network);
}

void put_network_types(Text *out, const Net *net) {
  if (net->options->network) text_put(out, "/* ---- shared with the runtime ---- */\n\n%s\n", network_text);
}

void emit_header(Text *out, Net *net) {
  const char *guard = net->macro->CNNC_H;
  put_banner(out, net, true);
  text_put(out, "#ifndef %s\n#define %s\n#include <stddef.h>\n#include <stdint.h>\n\n", guard, guard);
  put_network_types(out, net);
  text_put(out, "#ifdef __cplusplus\nextern \"C\" {\n#endif\n\n");
  put_declarations(out, net);
  text_put(out, "#ifdef __cplusplus\n}\n#endif\n#endif\n");
}
