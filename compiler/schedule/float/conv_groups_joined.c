// conv_groups_joined.c: bf16 convolutions with groups of 4 or 8 channels: groups are joined to larger groups
// that fill a tile register (AMX).
// SPDX-License-Identifier: Apache-2.0
//
// The layer becomes a convolution with groups of 16 channels: the weights between channels of different
// groups are zeros. The number of multiply-adds grows by a factor of 2 or 4. But tile registers
// (conv_matrix.c) compute multiply-adds 16 times faster than float instructions, which conv_groups.c uses. An
// infinite input times one of these zeros is NaN. So an infinite input also changes the outputs of the other
// joined groups.
//
// Example: `x: 14x14x32 -> conv(32, 3x3, pad=same, groups=4)` --target=x86-64-v4-amx --precision=bf16,
// lines 3-11 of conv1_tile_amx:
//
//     _Alignas(64) float sums[56][16];
//     n_tile_clear_x16_amx(4);
//     for (int ky = 0; ky < 3; ky++)
//       for (int kx = 0; kx < 3; kx++)
//         n_tile_add_x16_amx(&padded[plane][y + ky][kx][0], 32, 512, 4, &weight[panel][ky][kx][0][0] ...
//     n_tile_store_x16_amx(&sums[0][0], 64, 896, 4, 0);
//     const v16 bias0 = LOAD(v16, bias[f0]);
//     for (int p = 0; p < 4; p++)
//       for (int q = 0; q < 14; q++)
#include "graph/bf16.h"
#include "schedule/float/direct.h"

/* Number of groups of the layer that are joined to one group. A joined group has 16 channels, the width of a
 * tile register. */
static int64_t groups_joined(const Node *node) { return MATRIX_LANES / correlation_of(node).l; }

/* A copy of the layer's node with joined groups. */
static const Node *node_joined(const Lower *l) {
  Node *node = NEW(l->arena, Node);
  Window *window = NEW(l->arena, Window);
  *node = *l->node;
  *window = *node->window;
  window->groups /= groups_joined(l->node);
  node->window = window;
  return node;
}

static Lower lower_joined(const Lower *l) {
  Lower joined = *l;
  joined.node = node_joined(l);
  return joined;
}

static bool takes_narrow_groups(const Lower *l) {
  return takes_groups(l) && l->layout->tiles > 0 && node_is_bf16(l->node);
}

static const char *conv_groups_joined_refused(const Lower *l, const Choice *choice) {
  (void)choice;
  const Correlation k = correlation_of(l->node);
  if ((k.l != 4 && k.l != 8) || k.s != k.l) return "groups other than 4 -> 4 or 8 -> 8 channels";
  if (k.groups % groups_joined(l->node)) return "a number of groups that does not fill the registers";
  if (l->kernel->normalize || l->kernel->gate) return "an input scaled per channel";
  const Lower joined = lower_joined(l);
  return direct_matrix(&joined, l->layout) ? NULL : "tiles that do not fill the registers";
}

static Cycles conv_groups_joined_cycles(const Lower *l, const Target *target, const Choice *choice) {
  const Lower joined = lower_joined(l);
  return schedule_conv_direct.cycles(&joined, target, choice);
}

static bool conv_groups_joined_build(Lower *l) {
  const Node *own = l->node;
  l->node = node_joined(l);
  const bool built = schedule_conv_direct.build(l);
  l->node = own;
  lower_detail(l, "%d groups of the layer form a group; the weights between them are zeros",
               (int)groups_joined(own));
  return built;
}

const Schedule schedule_conv_groups_joined = {.name = "joined groups",
                                              .tuning_name = "joined-groups",
                                              .families = FAMILY_BIT(FAMILY_CONV),
                                              .takes = takes_narrow_groups,
                                              .refused = conv_groups_joined_refused,
                                              .cycles = conv_groups_joined_cycles,
                                              .build = conv_groups_joined_build,
                                              .variants = choices_itself};
