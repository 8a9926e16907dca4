"""attention.py: speed of single attention layers in generated C and in onnxruntime. cnnc's net reads queries,
keys and values from one value of shape Lx3C (L positions, C channels); in a Transformer, a dense layer
computes this value. With R rows (parts with separate attention), the shape is RxLx3C. The result has the
shape LxC or RxLxC.

onnxruntime computes the same result in three ways:
  chain       MatMul, Softmax, MatMul. Before the timed call, the heads are split and the keys are transposed:
              onnxruntime's fastest layout, which no exporter writes;
  attention   one node: the operator Attention of opset 23, if onnxruntime has it;
  exported    from Lx3C to LxC, with the operators of an exported Vision Transformer.
The runtimes run in turns, and the shortest call of each counts.
"""
# SPDX-License-Identifier: Apache-2.0
import functools, json, math, os, subprocess, tempfile
import numpy as np
from onnx import TensorProto, helper
import inference
from sides import Case, Ours, aligned
from timing import in_turns

ROWS = {  # rows, positions, channels per head, heads, and optionally a mask or window
    "ViT-Ti": (1, 197, 64, 3), "ViT-S": (1, 197, 64, 6), "whisper-tiny": (1, 1500, 64, 6),
    "400": (1, 400, 32, 2), "RT-DETR encoder": (1, 400, 32, 8), "DETR decoder": (1, 300, 32, 8),
    "YOLO12n areas": (4, 400, 32, 2), "MobileViT-S 1": (4, 256, 36, 4), "MobileViT-S 2": (4, 64, 48, 4),
    "MobileViT-S 3": (4, 16, 60, 4), "PP-OCR rec": (1, 40, 15, 8), "Swin-T 1": (64, 49, 32, 3),
    "causal 1500": (1, 1500, 64, 6, "mask=causal"), "window 1500": (1, 1500, 64, 6, "window=64"),
}
KINDS = ("chain", "attention", "exported")


def program(rows, length, depth, heads, more=None):
    c = heads * depth
    lines = [f"input image: {rows}x{length}x{3 * c}", "qkv = split_rows"]
    lines = lines if rows > 1 else [f"input qkv: {length}x{3 * c}"]
    lines += [f"{name} = qkv -> slice({i * c}..{i * c + c})" for i, name in enumerate("qkv")]
    lines += [f"q -> attention(k, v, heads={heads}{', ' + more if more else ''})"]
    lines += ["join_rows"] if rows > 1 else []
    return "net net {\n    " + "\n    ".join(lines) + "\n}\n"


def make_case(options, name, work):
    rows, length, depth, heads, *_ = ROWS[name]
    source = os.path.join(work, "net.cnn")
    with open(source, "w") as file:
        file.write(program(*ROWS[name]))
    facts = json.loads(subprocess.run([options.cnnc, source, "--emit=json"], check=True, capture_output=True)
                       .stdout)
    return Case("net", [source], None, 1, facts, {})


def values(case, rows, length, depth, heads):
    """Queries, keys and values: three arrays [rows][heads][length][depth]."""
    all_heads = case.images.reshape(rows, length, 3, heads, depth)
    return [np.ascontiguousarray(all_heads[:, :, i].transpose(0, 2, 1, 3)) for i in range(3)]


def seen(length, more):
    """The additive mask for mask=causal or window=64."""
    i, j = np.indices((length, length))
    kept = j <= i if more == "mask=causal" else abs(i - j) <= 64
    return np.where(kept, 0, -np.inf).astype(np.float32)


class Graph:
    def __init__(self, opset):
        self.opset, self.nodes, self.constants, self.inputs = opset, [], [], {}

    def input(self, name, array):
        self.inputs[name] = aligned(array)
        return name

    def constant(self, name, array):
        array = np.asarray(array)
        kind = TensorProto.INT64 if array.dtype == np.int64 else TensorProto.FLOAT
        self.constants.append(helper.make_tensor(name, kind, array.shape, array.ravel()))
        return name

    def op(self, kind, inputs, outputs=1, **attributes):
        names = [f"v{len(self.nodes)}_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(kind, inputs, names, **attributes))
        return names if outputs > 1 else names[0]

    def bytes(self, result, shape):
        tensor = helper.make_tensor_value_info
        graph = helper.make_graph(self.nodes, "g", [tensor(name, TensorProto.FLOAT, array.shape)
                                                    for name, array in self.inputs.items()],
                                  [tensor(result, TensorProto.FLOAT, shape)], self.constants)
        opset = helper.make_opsetid("", self.opset)
        return helper.make_model(graph, opset_imports=[opset], ir_version=10).SerializeToString()


def products(graph, q, k, v, depth, mask):
    scores = graph.op("MatMul", [graph.op("Mul", [q, graph.constant("scale", np.float32(depth**-0.5))]), k])
    scores = scores if mask is None else graph.op("Add", [scores, graph.constant("mask", mask)])
    return graph.op("MatMul", [graph.op("Softmax", [scores], axis=-1), v])


def chain(case, sizes, mask):
    graph, (q, k, v) = Graph(17), values(case, *sizes)
    names = [graph.input(n, a) for n, a in (("q", q), ("k", k.transpose(0, 1, 3, 2)), ("v", v))]
    return graph, products(graph, *names, sizes[2], mask), q.shape


def attention(case, sizes, mask):
    rows, length, depth, heads = sizes
    graph = Graph(23)
    names = [graph.input(n, a.transpose(0, 2, 1, 3).reshape(rows, length, heads * depth))
             for n, a in zip("qkv", values(case, *sizes))]
    names += [] if mask is None else [graph.constant("mask", mask)]
    return graph, graph.op("Attention", names, q_num_heads=heads, kv_num_heads=heads), (rows, length,
                                                                                       heads * depth)


def exported(case, sizes, mask):
    rows, length, depth, heads = sizes
    graph, whole = Graph(18), np.int64([rows, length, heads * depth])
    x = graph.input("x", case.images.reshape(rows, length, -1))
    x = graph.op("Reshape", [x, graph.constant("apart", np.int64([rows, length, 3, heads, depth]))])
    parts = graph.op("Split", [graph.op("Transpose", [x], perm=[2, 0, 3, 1, 4])], 3, axis=0, num_outputs=3)
    zero = graph.constant("zero", np.int64([0]))
    q, k, v = (graph.op("Squeeze", [part, zero]) for part in parts)
    y = products(graph, q, graph.op("Transpose", [k], perm=[0, 1, 3, 2]), v, depth, mask)
    y = graph.op("Reshape", [graph.op("Transpose", [y], perm=[0, 2, 1, 3]), graph.constant("joined", whole)])
    return graph, y, (rows, length, heads * depth)


class Peer:
    def __init__(self, kind, case, sizes, mask, threads):
        import onnxruntime
        graph, result, shape = {"chain": chain, "attention": attention, "exported": exported}[kind](
            case, sizes, mask)
        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads, settings.inter_op_num_threads = threads, 1
        settings.log_severity_level = 4
        self.session = onnxruntime.InferenceSession(graph.bytes(result, shape), settings,
                                                    providers=["CPUExecutionProvider"])
        self.graph, self.heads = graph, shape[1] if len(shape) == 4 else None
        self.binding = self.session.io_binding()
        for name, array in graph.inputs.items():
            self.binding.bind_cpu_input(name, array)
        self.binding.bind_output(result)
        self.call = functools.partial(self.session._sess.run_with_iobinding, self.binding._iobinding, None)
        self.call()

    def results(self):
        y = self.binding.copy_outputs_to_cpu()[0]
        return [y.transpose(0, 2, 1, 3) if self.heads else y]


def peers_of(case, sizes, more, threads):
    """{kind: Peer}. The peer `attention` is None if onnxruntime cannot run its model."""
    mask = seen(sizes[1], more) if more else None
    peers = {}
    for kind in KINDS:
        try:
            peers[kind] = Peer(kind, case, sizes, mask, threads)
        except Exception:
            if kind != "attention":
                raise
            peers[kind] = None
    return peers


def measure(options, name, threads, peaks):
    with tempfile.TemporaryDirectory() as work:
        case = make_case(options, name, work)
        ours = Ours(options, case, threads)
    *sizes, more = ROWS[name] if len(ROWS[name]) > 4 else (*ROWS[name], None)
    peers = peers_of(case, sizes, more, threads) if options.peers else {}
    there = {kind: peer for kind, peer in peers.items() if peer}
    least, *theirs = in_turns([ours, *there.values()], threads, options.seconds)
    difference = max((inference.error(case, ours, peer) for peer in there.values()), default=0)
    ours.stop()
    times = dict(zip(there, theirs))
    share = 2e-9 * case.facts["totals"]["macs"] / least / peaks[threads]
    cells = [name, threads, f"{1e3 * least:.4g}", f"{100 * share:.0f} %"]
    cells += [f"{times[kind] / least:.2f}x" if kind in times else "-" for kind in peers]
    print("| " + " | ".join(map(str, [*cells, f"{difference:.0e}"])) + " |", flush=True)
    return min((times[kind] for kind in times if kind != "exported"), default=math.nan) / least


def main():
    options = inference.read_options(ROWS, "row", 3, "onnxruntime")
    peaks = {threads: inference.peak(options, threads) for threads in options.threads}
    inference.print_machine(options, "fp32")
    print("peak of " + "; ".join(f"{n} threads: {peaks[n]:.0f} GFLOP/s" for n in options.threads) + "\n")
    kinds = KINDS if options.peers else ()
    columns = ["row", "threads", "cnnc ms", "of peak", *kinds, "largest difference"]
    print("| " + " | ".join(columns) + " |\n" + "|---" * len(columns) + "|", flush=True)
    ratios = [measure(options, name, threads, peaks)
              for threads in options.threads for name in options.nets or ROWS]
    if options.peers:
        mean = math.exp(sum(map(math.log, ratios)) / len(ratios))
        print(f"\nagainst the better of chain and attention: {mean:.2f} in the geometric mean")


if __name__ == "__main__":
    main()
