#!/usr/bin/env python3
"""attention.py [NAME...]: writes models of this folder, like make.py: products of two computed values, alone
and as attention in the forms that exporters write."""
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import make
from make import bad, case, f32, main, model, node, numbers

make.cases.clear()
L, E, HEADS, D = 10, 24, 3, 8
SEQUENCE = {"x": [1, L, E]}
infinite = f32(-np.inf)


def linear(of, to, key):
    """A dense layer along the last dimension."""
    return [node("MatMul", f"{of} w{key}", f"{to}_m", f"/{key}/MatMul"),
            node("Add", f"b{key} {to}_m", to, f"/{key}/Add")]


def matrices(**sizes):
    constants = {}
    for key, (of, to) in sizes.items():
        constants |= {"w" + key: (of, to), "b" + key: (to,)}
    return constants


def qkv_by_permute(perm=(2, 0, 3, 1, 4)):
    """q, k and v of timm's attention, [1, heads, positions, channels]."""
    parts = [node("Gather", f"parts {name}_i", name, axis=0) for name in "qkv"]
    return [*linear("x", "all", "qkv"), node("Reshape", "all by_part", "r"),
            node("Transpose", "r", "parts", perm=perm), *parts], {
                "by_part": numbers(1, L, 3, HEADS, D), "q_i": np.int64(0), "k_i": np.int64(1),
                "v_i": np.int64(2), "flat": numbers(1, L, E), **matrices(qkv=(E, 3 * E), proj=(E, E))}


def projected(of):
    """Converts [1, heads, positions, channels] to a sequence, and applies a dense layer."""
    return [node("Transpose", of, "t", perm=[0, 2, 1, 3]), node("Reshape", "t flat", "joined"),
            *linear("joined", "y", "proj")]


def attended(name, middle, constants, opset=17, inputs=None):
    """A case: nodes that compute q, k and v, then the nodes `middle`, which compute `o`."""
    before, own = qkv_by_permute()
    case(name, [*before, *middle, *projected("o")], inputs or SEQUENCE, "y", own | constants, opset,
         last=("x", "y"))


def scores(factor=True):
    product = [node("Transpose", "k", "kt", perm=[0, 1, 3, 2]), node("MatMul", "q kt", "s0")]
    return [*product, node("Mul", "s0 factor", "s")] if factor else product


def weighted(of):
    return [node("Softmax", of, "p", axis=-1), node("MatMul", "p v", "o")]


factor = {"factor": f32(D ** -0.5)}

# ---- timm: q is scaled before the product; another model: a factor other than 1/sqrt(D) after the product
attended("attention_timm", [
    node("Mul", "q factor", "qs"), node("Transpose", "k", "kt", perm=[0, 1, 3, 2]),
    node("MatMul", "qs kt", "s"), *weighted("s")], factor)
attended("attention_scale", [*scores(), *weighted("s")], {"factor": f32(0.3)})

# ---- scaled_dot_product_attention: q and k are each multiplied by D ** -0.25, computed from the shape;
# masks; dropout; casts
root = [node("Shape", "q", "size"), node("Slice", "size minus most", "width"),
    node("Cast", "width", "wf", to=1),
        node("Sqrt", "wf", "r0"), node("Div", "unit r0", "r1"), node("Sqrt", "r1", "half"),
        node("Mul", "q half", "qs"), node("Transpose", "k", "kt", perm=[0, 1, 3, 2]),
        node("Mul", "kt half", "ks"), node("MatMul", "qs ks", "s")]
roots = {"minus": numbers(-1), "most": numbers(1 << 40), "unit": f32([1])}
attended("attention_roots", [*root, *weighted("s")], roots)
attended("attention_causal", [
    *root, node("Trilu", "ones", "seen", upper=0), node("Where", "seen zero least", "mask"),
    node("Add", "s mask", "sm"), node("Cast", "sm", "sc", to=1), node("Softmax", "sc", "p0", axis=-1),
    node("Dropout", "p0", "p"), node("MatMul", "p v", "o")],
    {"ones": np.ones((L, L), bool), "zero": f32(0), "least": infinite, **roots})
distance = np.arange(L)[None] - np.arange(L)[:, None]
near = f32(np.where((distance >= -3) & (distance <= 2), 0, -np.inf))
attended("attention_window", [*scores(), node("Add", "s mask", "sm"), *weighted("sm")],
         {"mask": near, **factor})
seen = np.random.default_rng(5).random((L, L)) < 0.6
seen[:, 0] = True
seen[4] = False  # query 4 attends to no key
attended("attention_no_key", [
    *root, node("Where", "kept zero least", "mask"), node("Add", "s mask", "sm"),
    node("Softmax", "sm", "p0", axis=-1), node("IsNaN", "p0", "none"), node("Where", "none zero p0", "p"),
    node("MatMul", "p v", "o")], {"kept": seen, "zero": f32(0), "least": infinite, **roots})
seen = seen.copy()
seen[4, 0] = True
attended("attention_where", [
    *scores(), node("Add", "bias s", "sb"), node("Where", "kept sb least", "sm"), *weighted("sm")],
    {"kept": seen, "least": f32(-3e38), "bias": (HEADS, L, L), **factor})
attended("attention_computed_bias", [  # computed from x, for each position and head
    *linear("x", "b0", "bias"), node("Reshape", "b0 by_head", "b1"),
    node("Transpose", "b1", "b", perm=[0, 2, 1, 3]), *scores(), node("Add", "s b", "sb"), *weighted("sb")],
    {"by_head": numbers(1, L, HEADS, L), **factor, **matrices(bias=(E, HEADS * L))})

# ---- nn.MultiheadAttention: the length is the first dimension; batch and heads are one dimension
heads_first = [part for name in "qkv" for part in (
    *linear("first", name + "0", name), node("Reshape", f"{name}0 by_head", name + "1"),
    node("Transpose", name + "1", name, perm=[1, 0, 2]))]
case("attention_length_first", [
    node("Transpose", "x", "first", perm=[1, 0, 2]), *heads_first, node("Mul", "q factor", "qs"),
    node("Transpose", "k", "kt", perm=[0, 2, 1]), node("MatMul", "qs kt", "s"), *weighted("s"),
    node("Transpose", "o", "t", perm=[1, 0, 2]), node("Reshape", "t rows", "joined"),
    *linear("joined", "z", "proj"), node("Reshape", "z apart", "za"),
    node("Transpose", "za", "y", perm=[1, 0, 2])], SEQUENCE, "y",
    {"by_head": numbers(L, HEADS, D), "rows": numbers(L, E), "apart": numbers(L, 1, E), **factor,
     **matrices(q=(E, E), k=(E, E), v=(E, E), proj=(E, E))}, last=("x", "y"))

# ---- ultralytics: channels first, q, k and v of each head adjacent; q and p transposed
case("attention_psa", [
    node("Conv", "x wqkv", "all"), node("Reshape", "all by_head", "r"),
    node("Split", "r parts", "q k v", axis=2),
    node("Transpose", "q", "qt", perm=[0, 1, 3, 2]), node("MatMul", "qt k", "s0"),
    node("Mul", "s0 factor", "s"), node("Softmax", "s", "p", axis=-1),
    node("Transpose", "p", "pt", perm=[0, 1, 3, 2]), node("MatMul", "v pt", "o0"),
    node("Reshape", "o0 image", "o"), node("Reshape", "v image", "vi"),
    node("Conv", "vi wpe", "pe", pads=[1] * 4, group=16), node("Add", "o pe", "sum"),
    node("Conv", "sum wproj", "y")], {"x": [1, 16, 6, 5]}, "y",
    {"wqkv": (32, 16, 1, 1), "by_head": numbers(1, 2, 16, -1), "parts": numbers(4, 4, 8),
     "factor": f32(0.5), "image": numbers(1, 16, 6, 5), "wpe": (16, 1, 3, 3), "wproj": (16, 16, 1, 1)})
case("attention_areas", [  # YOLO12: attention within bands of rows
    node("Conv", "x wqkv", "all"), node("Reshape", "all flat", "f"),
    node("Transpose", "f", "ft", perm=[0, 2, 1]),
    node("Reshape", "ft areas", "a"), node("Reshape", "a by_head", "h"),
    node("Transpose", "h", "ht", perm=[0, 2, 3, 1]), node("Split", "ht parts", "q k v", axis=2),
    node("Transpose", "q", "qt", perm=[0, 1, 3, 2]), node("MatMul", "qt k", "s0"),
    node("Mul", "s0 factor", "s"), node("Softmax", "s", "p", axis=-1),
    node("Transpose", "p", "pt", perm=[0, 1, 3, 2]), node("MatMul", "v pt", "o0"),
    node("Transpose", "o0", "o1", perm=[0, 3, 1, 2]), node("Reshape", "o1 image", "o2"),
    node("Transpose", "o2", "y", perm=[0, 3, 1, 2])], {"x": [1, 16, 8, 5]}, "y",
    {"wqkv": (48, 16, 1, 1), "flat": numbers(1, 48, 40), "areas": numbers(4, 10, 48),
     "by_head": numbers(4, 10, 2, 24), "parts": numbers(8, 8, 8), "factor": f32(8 ** -0.5),
     "image": numbers(1, 8, 5, 16)})

# ---- whisper: q is scaled before the heads are split; batch and heads are one dimension
apart = [part for name in "qkv" for part in (
    *linear("x", name + "0", name),
    *([node("Mul", "q0 factor", "q1")] if name == "q" else [node("Identity", name + "0", name + "1")]),
    node("Reshape", f"{name}1 by_head", name + "2"),
    node("Transpose", name + "2", name + "3", perm=[0, 2, 1, 3]), node("Reshape", f"{name}3 merged", name))]
case("attention_merged", [
    *apart, node("Transpose", "k", "kt", perm=[0, 2, 1]), node("MatMul", "q kt", "s"), *weighted("s"),
    node("Reshape", "o by_row", "o1"), *projected("o1")], SEQUENCE, "y",
    {"by_head": numbers(1, L, HEADS, D), "merged": numbers(HEADS, L, D), "by_row": numbers(1, HEADS, L, D),
     "flat": numbers(1, L, E), **factor, **matrices(q=(E, E), k=(E, E), v=(E, E), proj=(E, E))},
    last=("x", "y"))

# ---- Einsum: products of values, and the dense layers of Keras's attention
attended("attention_einsum", [
    node("Einsum", "q k", "s0", equation="bhid,bhjd->bhij"), node("Mul", "s0 factor", "s"),
    node("Softmax", "s", "p", axis=-1), node("Einsum", "p v", "o", equation="bhij,bhjd->bhid")], factor)
case("attention_keras", [
    node("LayerNormalization", "x gain shift", "n"),
    *(node("Einsum", f"n w{name}", name, equation="abc,cde->abde") for name in "qkv"),
    node("Mul", "q factor", "qs"), node("Einsum", "k qs", "s", equation="aecd,abcd->acbe"),
    node("Softmax", "s", "p", axis=-1), node("Einsum", "p v", "o", equation="acbe,aecd->abcd"),
    node("Einsum", "o wo", "y", equation="abcd,cde->abe")], SEQUENCE, "y",
    {"wq": (E, HEADS, D), "wk": (E, HEADS, D), "wv": (E, HEADS, 4), "wo": (HEADS, 4, E), "gain": (E,),
     "shift": (E,), **factor},
    last=("x", "y"))

# ---- windows: Swin's with a shift, a bias by head and a mask by window; the patches of MobileViT
C, W, H2, D2 = 6, 4, 2, 3


def roll(of, to, k, axis, by):
    """Rolled by -`by` along an axis."""
    return [node("Slice", f"{of} {to}{k}b {to}{k}e {to}{k}a", f"{to}{k}1"),
            node("Slice", f"{of} {to}{k}z {to}{k}b {to}{k}a", f"{to}{k}2"),
            node("Concat", f"{to}{k}1 {to}{k}2", f"{to}{k}", axis=axis)], {
                f"{to}{k}b": numbers(by), f"{to}{k}e": numbers(1 << 40), f"{to}{k}z": numbers(0),
                f"{to}{k}a": numbers(axis)}


there, constants = roll("n", "in", 0, 1, 2)
for part in (roll("in0", "in", 1, 2, 2), roll("back", "out", 0, 1, -2 % 8), roll("out0", "out", 1, 2,
    -2 % 12)):
    there, constants = there + part[0], constants | part[1]
windows = np.zeros((6, 16, 16), f32)
windows[2:, :8, 8:] = windows[2:, 8:, :8] = -100
case("attention_windows", [
    node("Transpose", "x", "n", perm=[0, 2, 3, 1]), *there[:6], node("Reshape", "in1 apart", "w0"),
    node("Transpose", "w0", "w1", perm=[0, 1, 3, 2, 4, 5]), node("Reshape", "w1 windows", "w"),
    *linear("w", "all", "qkv"), node("Reshape", "all by_part", "r"),
    node("Transpose", "r", "parts", perm=[2, 0, 3, 1, 4]),
    *(node("Gather", f"parts {name}_i", name, axis=0) for name in "qkv"), node("Mul", "q factor", "qs"),
    node("Transpose", "k", "kt", perm=[0, 1, 3, 2]), node("MatMul", "qs kt", "s"),
    node("Add", "s bias", "sb"),
    node("Reshape", "sb by_window", "s5"), node("Add", "s5 mask", "sm"), node("Reshape", "sm by_head", "s4"),
    *weighted("s4"), node("Transpose", "o", "t", perm=[0, 2, 1, 3]), node("Reshape", "t windows", "j"),
    *linear("j", "z", "proj"), node("Reshape", "z back_apart", "z0"),
    node("Transpose", "z0", "z1", perm=[0, 1, 3, 2, 4, 5]), node("Reshape", "z1 image", "back"), *there[6:],
    node("Add", "n out1", "y0"), node("Transpose", "y0", "y", perm=[0, 3, 1, 2])], {"x": [1, C, 8, 12]}, "y",
    {"apart": numbers(1, 2, W, 3, W, C), "windows": numbers(6, 16, C), "by_part": numbers(6, 16, 3, H2, D2),
     "q_i": np.int64(0), "k_i": np.int64(1), "v_i": np.int64(2), "factor": f32(D2 ** -0.5),
     "bias": (1, H2, 16, 16), "by_window": numbers(1, 6, H2, 16, 16), "mask": windows[None, :, None],
     "by_head": numbers(6, H2, 16, 16), "back_apart": numbers(1, 2, 3, W, W, C),
     "image": numbers(1, 8, 12, C), **constants, **matrices(qkv=(C, 3 * C), proj=(C, C))})
case("attention_patches", [
    node("Reshape", "x cut", "u0"), node("Transpose", "u0", "u1", perm=[0, 2, 1, 3]),
    node("Reshape", "u1 pixels", "u2"), node("Transpose", "u2", "u3", perm=[0, 3, 2, 1]),
    node("Reshape", "u3 patches", "u"), *linear("u", "q", "q"), *linear("u", "k", "k"),
    *linear("u", "v", "v"),
    node("Transpose", "k", "kt", perm=[0, 2, 1]), node("MatMul", "q kt", "s0"), node("Div", "s0 two", "s"),
    *weighted("s"), node("Add", "u o", "a"), node("Reshape", "a together", "f0"),
    node("Transpose", "f0", "f1", perm=[0, 3, 2, 1]), node("Reshape", "f1 uncut", "f2"),
    node("Transpose", "f2", "f3", perm=[0, 2, 1, 3]), node("Reshape", "f3 image", "y")],
    {"x": [1, 4, 6, 8]}, "y",
    {"cut": numbers(12, 2, 4, 2), "pixels": numbers(1, 4, 12, 4), "patches": numbers(4, 12, 4), "two": f32(2),
     "together": numbers(1, 4, 12, 4), "uncut": numbers(12, 4, 2, 2), "image": numbers(1, 4, 6, 8),
     **matrices(q=(4, 4), k=(4, 4), v=(4, 4))})

# ---- EfficientViT: no softmax; v gets a channel of ones, whose result is the divisor of the other channels
case("attention_linear", [
    node("Conv", "x wqkv", "all"), node("Reshape", "all by_head", "r"),
    node("Transpose", "r", "t", perm=[0, 1, 3, 2]),
    node("Split", "t parts", "q0 k0 v0", axis=3), node("Relu", "q0", "q"), node("Relu", "k0", "k"),
    node("Pad", "v0 sides unit", "v"), node("Transpose", "k", "kt", perm=[0, 1, 3, 2]),
    node("MatMul", "kt v", "kv"), node("MatMul", "q kv", "o0"),
    node("Slice", "o0 zero minus last", "up"), node("Slice", "o0 minus most last", "below"),
    node("Add", "below little", "divisor"), node("Div", "up divisor", "o"),
    node("Transpose", "o", "ot", perm=[0, 1, 3, 2]), node("Reshape", "ot image", "y")],
    {"x": [1, 8, 6, 5]}, "y",
    {"wqkv": (24, 8, 1, 1), "by_head": numbers(1, 2, 12, -1), "parts": numbers(4, 4, 4),
     "sides": numbers(0, 0, 0, 0, 0, 0, 0, 1), "unit": f32(1), "zero": numbers(0), "minus": numbers(-1),
     "last": numbers(-1), "most": numbers(1 << 40), "little": f32(1e-3), "image": numbers(1, 8, 6, 5)})

# ---- attention over channels: its products sum over positions, so it is imported as separate products
attended("attention_of_channels", [
    *(node("Transpose", name, name + "t", perm=[0, 1, 3, 2]) for name in "qk"),
    node("LpNormalization", "qt", "qn", axis=-1), node("LpNormalization", "kt", "kn", axis=-1),
    node("Transpose", "kn", "kk", perm=[0, 1, 3, 2]), node("MatMul", "qn kk", "s0"),
    node("Mul", "s0 heat", "s"), node("Softmax", "s", "p", axis=-1),
    node("Transpose", "v", "vt", perm=[0, 1, 3, 2]), node("MatMul", "p vt", "o0"),
    node("Transpose", "o0", "o", perm=[0, 1, 3, 2])],
    {"heat": f32([[[[1]], [[1.25]], [[1.5]]]])})

# ---- keys and values of two heads, repeated for the four heads of the queries; rotary embedding
def grouped(times):
    nodes = [node("MatMul", "x wq", "q0"), node("Reshape", "q0 by_query", "q1"),
             node("Transpose", "q1", "q", perm=[0, 2, 1, 3])]
    for name in "kv":
        nodes += [node("MatMul", f"x w{name}", f"{name}0"), node("Reshape", f"{name}0 by_key", f"{name}1"),
                  node("Transpose", f"{name}1", f"{name}2", perm=[0, 2, 1, 3]),
                  node("Unsqueeze", f"{name}2 two", f"{name}3"),
                  node("Expand", f"{name}3 wide", f"{name}4"), node("Reshape", f"{name}4 all", name)]
    return [*nodes, node("Transpose", "k", "kt", perm=[0, 1, 3, 2]), node("MatMul", "q kt", "s0"),
            node("Mul", "s0 factor", "s"), node("Add", "s mask", "sm"), *weighted("sm"), *projected("o")], {
                "wq": (E, 2 * times * D), "wk": (E, 2 * D), "wv": (E, 2 * D), **factor, "two": numbers(2),
                "by_query": numbers(1, L, 2 * times, D), "by_key": numbers(1, L, 2, D),
                "wide": numbers(1, 2, times, L, D), "all": numbers(1, 2 * times, L, D),
                "mask": np.triu(np.full((L, L), -np.inf, f32), 1), "flat": numbers(1, L, 2 * times * D),
                **matrices(proj=(2 * times * D, E))}


nodes, constants = grouped(2)
case("attention_grouped", nodes, SEQUENCE, "y", constants, last=("x", "y"))
nodes, constants = grouped(2)  # the repeated values are read elsewhere, too
case("repeated_heads", [*nodes, node("ReduceMean", "v", "z", axes=[2], keepdims=0)], SEQUENCE, "y z",
     constants, last=("x", "y", "z"))
angle = np.random.default_rng(3).random((L, D // 2)).astype(f32) * 3
turned = [node("Slice", "q none half last", "q_1"), node("Slice", "q half most last", "q_2"),
          node("Neg", "q_2", "q_n"), node("Concat", "q_n q_1", "q_r", axis=-1), node("Mul", "q cos", "q_c"),
          node("Mul", "q_r sin", "q_s"), node("Add", "q_c q_s", "q_t")]
attended("rotary_halves", [
    *turned, node("Transpose", "k", "kt", perm=[0, 1, 3, 2]), node("MatMul", "q_t kt", "s"), *weighted("s")],
    {"none": numbers(0), "half": numbers(D // 2), "most": numbers(1 << 40), "last": numbers(-1),
     "cos": np.cos(np.tile(angle, 2))[None, None], "sin": np.sin(np.tile(angle, 2))[None, None]})

# ---- single products: of vectors; of several pairs of matrices; of one matrix with several; of transposed
# matrices; with a factor and an addend
case("products", [
    node("Relu", "x", "a"), node("Tanh", "x", "b"), node("Transpose", "b", "bt", perm=[0, 1, 3, 2]),
    node("MatMul", "a bt", "ab"), node("Transpose", "a", "at", perm=[0, 1, 3, 2]),
    node("MatMul", "at b", "atb"),
    node("ReduceMean", "b", "one", axes=[1], keepdims=0), node("Unsqueeze", "one second", "shared"),
    node("Transpose", "shared", "st", perm=[0, 1, 3, 2]), node("MatMul", "a st", "as"),
    node("Softmax", "ab", "p", axis=-2), node("MatMul", "p b", "pb"), node("MatMul", "as pb", "c"),
    node("Einsum", "a b", "d", equation="bijk,bilk->bilj"),
    node("Einsum", "c one", "e", equation="bijk,bjk->bij"),
    node("Reshape", "one matrix", "m"), node("Sigmoid", "m", "n"),
    node("Gemm", "m n", "g0", transB=1, alpha=0.5), node("Gemm", "n m more", "h0", transA=1, beta=2.0),
    node("Unsqueeze", "g0 first", "g"), node("Unsqueeze", "h0 first", "f")],
    {"x": [1, 3, 4, 5]}, "atb as c d e f g",
    {"first": numbers(0), "second": numbers(1), "matrix": numbers(4, 5), "more": (5,)},
    last=("x", "atb", "as", "c", "d", "f", "g"))

# ---- around attention: windows as images, norms over all positions, every second row, constants as operands
windows_first = [node("Transpose", "x", "last", perm=[0, 2, 3, 1]),
                 node("Reshape", "last cut", "c0"), node("Transpose", "c0", "c1", perm=[0, 1, 3, 2, 4, 5]),
                 node("Reshape", "c1 windows", "c2"), node("Transpose", "c2", "images", perm=[0, 3, 1, 2])]
case("window_images", [  # EfficientViT
    *windows_first, node("Conv", "images w1 b1", "each"), node("Relu", "each", "r"),
    node("Conv", "r wd bd", "d", group=8, pads=[1, 1, 1, 1]),
    node("AveragePool", "d", "a", kernel_shape=[2, 2], strides=[1, 1]),
    node("MaxPool", "a", "m", kernel_shape=[2, 2], strides=[1, 1], pads=[1, 1, 1, 1]),
    node("Conv", "m w2", "t", strides=[2, 2], pads=[1, 1, 1, 1]),
    node("Transpose", "t", "t1", perm=[0, 2, 3, 1]), node("Reshape", "t1 back", "t2"),
    node("Transpose", "t2", "t3", perm=[0, 1, 3, 2, 4, 5]), node("Reshape", "t3 whole", "t4"),
    node("Transpose", "t4", "y", perm=[0, 3, 1, 2])],
    {"x": [1, 6, 8, 12]}, "y",
    {"cut": numbers(1, 2, 4, 3, 4, 6), "windows": numbers(6, 4, 4, 6), "w1": (8, 6, 1, 1), "b1": (8,),
     "wd": (8, 1, 3, 3), "bd": (8,), "w2": (5, 8, 3, 3), "back": numbers(1, 2, 3, 2, 2, 5),
     "whole": numbers(1, 4, 6, 5)})
case("norm_flat", [  # LeViT
    node("MatMul", "x w", "xw"), node("Flatten", "xw", "f", axis=2),
    node("BatchNormalization", "f scale bias mean var", "n"), node("Reshape", "n sequence", "s"),
    node("Reshape", "s image", "i"), node("Slice", "i start end axes steps", "few"),
    node("Reshape", "few sequence", "fs"), node("MatMul", "fs w2", "y")],
    {"x": [1, 24, 5]}, "s y",
    {"w": (5, 7), "scale": (7,), "bias": (7,), "mean": (7,), "var": (7,), "sequence": numbers(1, -1, 7),
     "image": numbers(1, 4, 6, 7), "start": numbers(0, 0), "end": numbers(1 << 40, 1 << 40),
     "axes": numbers(1, 2), "steps": numbers(2, 2), "w2": (7, 3)}, last=("x", "s", "y"))
case("places_by_conv", [  # EdgeNeXt
    node("Conv", "angles w b", "places"), node("Conv", "angles w", "more"), node("Add", "x places", "s"),
    node("Add", "s more", "y")],
    {"x": [1, 6, 4, 5]}, "y", {"angles": (1, 8, 4, 5), "w": (6, 8, 1, 1), "b": (6,)})

# ---- inputs as operands; FusedMatMul; equations with an ellipsis; constant operands where values are usual
microsoft = {"domain": "com.microsoft"}
case("fused_products", [
    *(node("FusedMatMul", f"a{i} b{j}", f"y{i}{j}", transA=i, transB=j, alpha=0.25 + i + j, **microsoft)
      for i in (0, 1) for j in (0, 1)),
    node("FusedMatMul", "wl b1", "l", transA=1, transB=1, alpha=0.5, **microsoft),
    node("FusedMatMul", "q k", "s", transB=1, alpha=0.3, **microsoft), node("Softmax", "s", "p", axis=-1),
    node("FusedMatMul", "p q", "o", **microsoft),
    node("FusedMatMul", "q wh", "r", transB=1, alpha=2.0, **microsoft)],
    {"a0": [1, 5, 6], "a1": [1, 6, 5], "b0": [1, 6, 7], "b1": [1, 7, 6], "q": [1, 3, 5, 6],
     "k": [1, 3, 5, 6]}, "y00 y01 y10 y11 l o r", {"wl": (1, 6, 4), "wh": (1, 3, 2, 6)},
    last=("a0", "a1", "b0", "b1", "q", "k", "y00", "y01", "y10", "y11", "o"))
case("ellipsis", [
    node("Einsum", "a b", "y", equation="...ij,...jk->...ik"),
    node("Einsum", "a w", "t", equation="b...i,ji->b...j")],
    {"a": [1, 3, 5, 6], "b": [1, 3, 6, 7]}, "y t", {"w": (4, 6)}, last=("y",))
case("attention_of_inputs", [
    node("Transpose", "k", "kt", perm=[0, 1, 3, 2]), node("MatMul", "q kt", "s"), *weighted("s")],
    {"q": [1, HEADS, L, D], "k": [1, HEADS, 7, D], "v": [1, HEADS, 7, 5]}, "o", last=("q", "k", "v", "o"))
case("constant_sides", [
    node("GridSample", "x grid", "a"), node("TopK", "s best", "top i", axis=1),
    node("Unsqueeze", "i one", "u"),
    node("Expand", "u size", "e"), node("GatherElements", "table e", "b", axis=1),
    node("Softmax", "m", "c", axis=2), node("Erf", "m", "d")],
    {"x": [1, 3, 7, 9], "s": [1, 20], "m": [1, 4, 5, 6]}, "a b c d",
    {"grid": (1, 5, 6, 2), "best": numbers(5), "one": numbers(-1), "size": numbers(1, 5, 6),
     "table": (1, 20, 6)}, last=("b",))


def refusals():
    make.cases["no_product"] = ([
        node("Relu", "x", "a"), node("Tanh", "x", "b"), node("Einsum", "a b", "c", equation="bij,bij->bij"),
        node("Einsum", "a b", "d", equation="bij,bkl->bil"), node("Flatten", "a", "f"),
        node("Gemm", "f f", "g", transA=1), node("Add", "c d", "y")],
        {"x": [2, 4, 4]}, ["y", "g"], {}, 17, (), 1.0)
    bad("no_product", model("no_product"))


if __name__ == "__main__":
    main(refusals)
