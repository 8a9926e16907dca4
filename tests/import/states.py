"""Models that keep state between calls: TensorFlow Lite variables, and ONNX inputs that --state connects to
outputs. Several calls of the compiled code are compared with expected results. Run by states.tap."""
# SPDX-License-Identifier: Apache-2.0
import ctypes
import itertools
import math
import os
import struct
import subprocess

from steps import Steps, imported
from tap import check, finish, start
from tflite_models import F32, I8, RESOURCE, Net, Tensor, ints

COUNT = itertools.count()
start("states")


# ---- TensorFlow Lite
def variables(first, second=(0.5, 3), initial=True, kind=I8):
    """rows = concat(READ, x); ASSIGN of the last two rows; a READ after it, which returns the new value."""
    def value(rows, scale=second):
        return Tensor([1, rows, 2], kind, *(scale if kind == I8 else ()), name=f"rows{next(COUNT)}")
    x, handle, again = value(3), Tensor([], RESOURCE), Tensor([], RESOURCE)
    net, rows, last, old, new = Net(x), value(5), value(2), value(2, first), value(2)
    if initial:
        data = [3, 3, 3, 3] if initial == 1 else [1, 2, 3, 4]
        init, constant = Net(), Tensor([1, 2, 2], kind, *(second if kind == I8 else ()), data=data)
        own = Tensor([], RESOURCE)
        init.add("VAR_HANDLE", [], own)
        init.add("ASSIGN_VARIABLE", [own, constant], [])
        net.add("CALL_ONCE", [], [], f0=("i", net.branch(init)))
    net.add("VAR_HANDLE", [], handle)
    net.add("READ_VARIABLE", [handle], old)
    net.add("CONCATENATION", [old, x], rows, f0=("i", 1))
    net.add("STRIDED_SLICE", [rows, ints([0, 3, 0]), ints([1, 5, 2]), ints([1, 1, 1])], last)
    net.add("ASSIGN_VARIABLE", [handle, last], [])
    net.add("VAR_HANDLE", [], again)
    net.add("READ_VARIABLE", [again], new)
    return net.write(rows, new)



def run_variables(initial, begin, words, kind=I8):
    told = imported("m.tflite", variables((0.5, 3), initial=initial, kind=kind))
    check(told.returncode == 0, f"a variable that begins with {begin}", told.stderr)
    with open("m.cnn", encoding="utf-8") as file:
        text = file.read()
    check(words in text and text.count("state(") == 1 and text.count("update(") == 1, "  is a state", text)
    net, kept = Steps(ctypes.c_int8 if kind == I8 else ctypes.c_float, (10, 4)), begin
    for call in range(4):
        x = [(7 * call + i) % 256 - 128 for i in range(6)]
        rows, new = net.step(x)
        check(rows == kept + x and new == x[2:], f"  call {call + 1}", f"{rows} {new}")
        kept = x[2:]


class Lstm:
    """A float model with a UNIDIRECTIONAL_SEQUENCE_LSTM of two outputs. hybrid: the weights are int8.
    project: the LSTM has three units and a projection; project[0] has the projection's biases, or is None."""

    def __init__(self, clip=0.0, hybrid=False, project=()):
        self.clip, self.x, self.units = clip, Tensor([1, 3, 2], F32, name="x"), 3 if project else 2
        self.project, self.shift = ([[math.sin(2 * k + u) for u in range(3)] for k in range(2)],
                                    project[0]) if project else (None, None)
        n = self.units
        rows = [[math.sin(5 * g + 3 * k + 1) for k in range(2 * n)] for g in range(8)]
        self.rows = [[round(w * 127) / 127 for w in row] for row in rows] if hybrid else rows
        self.bias = [[math.cos(g * 2 + u) / 2 for u in range(n)] for g in range(4)]

        def weights(at):
            if hybrid:
                return [Tensor([n, 2], I8, 1 / 127, 0, data=[round(w * 127) for w in row], name=f"w{at}{g}")
                        for g, row in enumerate(self.rows[at:at + 4])]
            return [Tensor([n, 2], F32, data=row, name=f"w{at}{g}")
                    for g, row in enumerate(self.rows[at:at + 4])]
        biases = [Tensor([n], F32, data=b, name=f"b{g}") for g, b in enumerate(self.bias)]
        states = [Tensor([1, k], F32, variable=True, name=s) for s, k in (("h", 2), ("c", n))]
        projection = [self.project and Tensor([2, 3], F32, data=sum(self.project, []), name="hr"),
                      self.shift and Tensor([2], F32, data=self.shift, name="hb")]
        self.net, self.y = Net(self.x), Tensor([1, 3, 2], F32, name="y")
        self.net.add("UNIDIRECTIONAL_SEQUENCE_LSTM",
                     [self.x, *weights(0), *weights(4), None, None, None, *biases, *projection, *states,
                      None, None, None, None], self.y, f0=("b", 4), f1=("f", clip), f3=("b", 0))

    def run(self, x, h, c):
        """The reference results for the rows x and the states h and c. The gates are in the order i f c o."""
        made = []
        for row in x:
            sums = [[self.bias[g][u] + sum(self.rows[at][2 * u + k] * v[k] for at, v in ((g, row), (4 + g, h))
                                           for k in range(2)) for u in range(self.units)] for g in range(4)]
            i, f, o = ([1 / (1 + math.exp(-v)) for v in sums[g]] for g in (0, 1, 3))
            c = [f[u] * c[u] + i[u] * math.tanh(sums[2][u]) for u in range(self.units)]
            c = [max(-self.clip, min(self.clip, v)) if self.clip else v for v in c]
            h = [o[u] * math.tanh(c[u]) for u in range(self.units)]
            if self.project:
                h = [sum(w * m for w, m in zip(row, h)) + (self.shift[k] if self.shift else 0)
                     for k, row in enumerate(self.project)]
            made += h
        return made, h, c


def run_lstms():
    for title, lstm, options in (("a float LSTM", Lstm(), ()), ("with a clip", Lstm(0.25), ()),
                                 ("with int8 weights", Lstm(hybrid=True), ()),
                                 ("whose state is kept", Lstm(), ("--variables=keep",)),
                                 ("with a projection", Lstm(project=(None,)), ()),
                                 ("  whose state is kept", Lstm(0.3, project=(None,)), ("--variables=keep",)),
                                 ("  with biases", Lstm(project=([0.3, -0.7],)), ())):
        told = imported("m.tflite", lstm.net.write(lstm.y), *options)
        check(told.returncode == 0, title, told.stderr)
        with open("m.cnn", encoding="utf-8") as file:
            text = file.read()
        keeps = bool(options)
        check(("keep=true" in text) == keeps and ("starts from zeros" in text) != keeps and
              ("int8 weights" in text) == ("int8" in title) and ("project=2" in text) == bool(lstm.project),
              "  names its state", text)
        net = Steps(ctypes.c_float, (6,), keeps)
        h, c = [0.0] * 2, [0.0] * lstm.units
        for call in range(2):
            x = [[0.7 * call - i, 0.4 * i] for i in range(3)]
            want, last, cell = lstm.run(x, h, c)
            if keeps:
                h, c = last, cell
            got = net.step([v for row in x for v in row])[0]
            check(max(abs(a - b) for a, b in zip(got, want)) < 1e-6, f"  call {call + 1}", f"{got} {want}")
    lstm = Lstm(project=([0.3, -0.7],))
    told = imported("m.tflite", lstm.net.write(lstm.y), "--variables=keep")
    check(told.returncode == 1 and "its projection has a bias, and its state is kept" in told.stderr,
          "  and biases is refused if its state is kept", told.stderr)


class Svdf:
    """A float model with SVDF of two units, rank 2 and memory 3."""

    def __init__(self, relu=False, bias=True, activation=None):
        self.relu, self.x = relu, Tensor([1, 3], F32, name="x")
        self.features = [[math.sin(7 * f + 2 * c) for c in range(3)] for f in range(4)]
        self.time = [[math.cos(3 * f + 5 * j) for j in range(3)] for f in range(4)]
        self.bias, self.past = [0.3, -0.2] if bias else [0.0, 0.0], [[0.0] * 4] * 2
        self.net, self.y = Net(self.x), Tensor([1, 2], F32, name="y")
        self.net.add("SVDF", [self.x, Tensor([4, 3], F32, data=sum(self.features, []), name="w"),
                              Tensor([4, 3], F32, data=sum(self.time, []), name="t"),
                              Tensor([2], F32, data=self.bias, name="b") if bias else None,
                              Tensor([1, 12], F32, variable=True, name="s")], self.y,
                     f0=("i", 2), f1=("b", int(relu) if activation is None else activation))

    def run(self, x, keeps):
        rows = [*self.past, [sum(w * v for w, v in zip(row, x)) for row in self.features]]
        y = [self.bias[u] + sum(self.time[f][j] * rows[j][f] for f in (2 * u, 2 * u + 1) for j in range(3))
             for u in range(2)]
        if keeps:
            self.past = rows[1:]
        return [max(v, 0.0) for v in y] if self.relu else y


def run_svdfs():
    for title, svdf, options in (("an SVDF", Svdf(), ()), ("with RELU", Svdf(True), ("--variables=keep",)),
                                 ("without biases", Svdf(bias=False), ("--variables=keep",))):
        told = imported("m.tflite", svdf.net.write(svdf.y), *options)
        check(told.returncode == 0, title, told.stderr)
        with open("m.cnn", encoding="utf-8") as file:
            text = file.read()
        keeps = bool(options)
        check(("keep=true" in text) == keeps and ("starts from zeros" in text) != keeps and "rank=2" in text,
              "  names its state", text)
        net = Steps(ctypes.c_float, (2,), keeps)
        for call in range(5):
            x = [0.7 * call - 1, 0.4, -0.3 * call]
            got, want = net.step(x)[0], svdf.run(x, keeps)
            check(max(abs(a - b) for a, b in zip(got, want)) < 1e-5, f"  call {call + 1}", f"{got} {want}")
    svdf = Svdf(activation=4)
    told = imported("m.tflite", svdf.net.write(svdf.y))
    check(told.returncode == 1 and "SVDF" in told.stderr and "activation" in told.stderr,
          "an SVDF with tanh is refused", told.stderr)


# ---- ONNX
def field(number, value):
    if isinstance(value, int):
        out = bytes([number << 3])
        while value > 127:
            out, value = out + bytes([value & 127 | 128]), value >> 7
        return out + bytes([value])
    data = value.encode() if isinstance(value, str) else value
    return bytes([number << 3 | 2, len(data) & 127 | 128, len(data) >> 7]) + data


def port(name, *sizes):
    dims = b"".join(field(1, field(1, n)) for n in sizes)
    return field(1, name) + field(2, field(1, field(1, 1) + field(2, dims)))


def tensor(name, sizes, numbers):
    return (b"".join(field(1, n) for n in sizes) + field(2, 1) + field(8, name) +
            field(9, struct.pack(f"<{len(numbers)}f", *numbers)))


def sizes(name, numbers):
    return (field(1, len(numbers)) + field(2, 7) + field(8, name) +
            field(9, struct.pack(f"<{len(numbers)}q", *numbers)))


def onnx(nodes, inputs, outputs, weights=(), shapes=()):
    """Names are separated by spaces; "-" is an omitted input or output."""
    def names(number, text):
        return b"".join(field(number, x.strip("-")) for x in text.split())
    graph = b"".join(field(1, names(1, ins) + names(2, out) + field(4, op)) for op, ins, out in nodes)
    graph += field(2, "g") + b"".join(field(5, tensor(*w)) for w in weights)
    graph += b"".join(field(5, sizes(*s)) for s in shapes)
    graph += b"".join(field(11, port(*p)) for p in inputs)
    graph += b"".join(field(12, port(*p)) for p in outputs)
    return field(1, 8) + field(7, graph) + field(8, field(2, 17))


def run_pairs():
    model = onnx([("Add", "x h", "s"), ("Relu", "s", "y"), ("Sub", "x h", "hn"), ("Add", "x c", "cn"),
                  ("Add", "y c", "z")],
                 [("h", 1, 4), ("x", 1, 4), ("c", 1, 4)], [("z", 1, 4), ("hn", 1, 4), ("cn", 1, 4)])
    told = imported("m.onnx", model, "--state", "h=hn,c=cn")
    check(told.returncode == 0, "two ONNX inputs are outputs of the previous call", told.stderr)
    with open("m.cnn", encoding="utf-8") as file:
        text = file.read()
    words = ("update(h)", "update(c)")
    check(text.count("state(4)") == 2 and all(w in text for w in words) and "input h" not in text,
          "  and states of the program", text)
    net, h, c = Steps(ctypes.c_float, (4,)), [0.0] * 4, [0.0] * 4
    for call in range(4):
        x = [0.5 * call - i for i in range(4)]
        want = [max(a + b, 0) + k for a, b, k in zip(x, h, c)]
        got = net.step(x)
        check(got == [want], f"  call {call + 1}", f"{got} {want}")
        h, c = [a - b for a, b in zip(x, h)], [a + k for a, k in zip(x, c)]
    for option, status, words in (("h", 2, "--state must be INPUT=OUTPUT[,...]"),
                                  ("q=hn", 1, "--state names the input 'q'"),
                                  ("h=qn", 1, "there is no tensor 'qn'")):
        told = imported("m.onnx", model, "--state", option)
        check(told.returncode == status and words in told.stderr, f"--state {option} is refused", told.stderr)
    told = imported("m.onnx", onnx([("Concat", "h h", "hn")], [("h", 1, 4), ("x", 1, 4)], [("hn", 1, 8)]),
                    "--state=h=hn")
    check(told.returncode == 1 and "error" in told.stderr, "a state of another size is refused", told.stderr)


def run_hints():
    """Inputs that look like states are reported, with the option that makes them states."""
    for inputs, outputs, pairs in (("x h c", "y hn cn", "h=hn,c=cn"),
                                   ("x state", "y stateN", "state=stateN"),
                                   ("x past.0.key", "present.0.key y", "past.0.key=present.0.key"),
                                   ("x h_in", "y h_out", "h_in=h_out"),
                                   ("a b", "y z", ""), ("image", "new_image", ""), ("h_in", "h_out", "")):
        ins, outs = inputs.split(), outputs.split()
        nodes = [("Add" if len(ins) > 1 else "Relu", " ".join([ins[0], *ins[-1:]][:len(ins)]), out)
                 for out in outs]
        nodes += [("Sub", f"{ins[0]} {name}", f"unread_{name}") for name in ins[1:-1]]
        nodes += [("Mul", f"{ins[0]} {name}", f"also_{name}") for name in ins[1:-1]]
        told = imported("m.onnx", onnx(nodes, [(n, 1, 4) for n in ins], [(n, 1, 4) for n in outs] +
                                       [(f"also_{n}", 1, 4) for n in ins[1:-1]]))
        good = f"--state {pairs} keeps" in told.stderr if pairs else "import-state" not in told.stderr
        check(told.returncode == 0 and good, f"{inputs} -> {outputs}: {pairs or 'no state'}", told.stderr)
    for title, nodes, ins, outs, state in (
            ("alone", ["Add x st sn", "Relu x y"], {"x": 5, "st": 10}, {"y": 5, "sn": 10}, True),
            ("of the first input", ["Add st x sn", "Relu x y"], {"st": 10, "x": 5}, {"y": 5, "sn": 10},
             False),
            ("of the first output", ["Add x st sn", "Relu x y"], {"x": 5, "st": 10}, {"sn": 10, "y": 5},
             False),
            ("of the only output", ["Add x st sn"], {"x": 5, "st": 10}, {"sn": 10}, False),
            ("of two inputs", ["Add x st sn", "Relu x y", "Add sn u v"],
             {"x": 5, "st": 10, "u": 10}, {"y": 5, "v": 10}, False),
            ("of two outputs", ["Add x st sn", "Relu x y", "Relu st v"],
             {"x": 5, "st": 10}, {"y": 5, "sn": 10, "v": 10}, False),
            ("of one number", ["Add x st z", "Relu x y", "Relu st sn"],
             {"x": 5, "st": 1}, {"y": 5, "z": 5, "sn": 1}, False)):
        shape = {1: (1, 1), 5: (1, 5), 10: (2, 1, 5)}
        told = imported("m.onnx", onnx([(op, f"{a} {b[0]}".strip(), b[-1]) if len(b) > 1 else (op, a, b[0])
                                        for op, a, *b in map(str.split, nodes)],
                                       [(n, *shape[size]) for n, size in ins.items()],
                                       [(n, *shape[size]) for n, size in outs.items()]))
        check(told.returncode == 0 and ("--state st=sn keeps it" in told.stderr) == state,
              f"an input and an output with a shape {title}: {'a' if state else 'no'} state", told.stderr)
    told = imported("m.onnx", onnx([("Add", "x h", "y"), ("Sub", "x h", "hn")], [("x", 1, 4), ("h", 1, 4)],
                                   [("y", 1, 4), ("hn", 1, 4)]), "--state=h=hn")
    check("import-state" not in told.stderr, "named states are not reported", told.stderr)
    told = imported("m.onnx", onnx([("Add", "x h", "y"), ("Reshape", "y s", "hn")],
                                   [("x", 1, 4), ("h", 1, 1, 4)], [("y", 1, 1, 4), ("hn", 1, 4)],
                                   [], [("s", (1, 4))]), "--state=h=hn")
    check(told.returncode == 0, "a state with a dimension of 1 more on one side", told.stderr)
    weights = [("W", (1, 6, 1), [0.5] * 6), ("R", (1, 6, 2), [0.5] * 12)]
    told = imported("m.onnx", onnx([("GRU", "x W R - - b", "- r"), ("Relu", "r", "y")],
                                   [("x", 3, 1, 1), ("b", 1, 1, 2)], [("y", 1, 1, 2), ("r", 1, 1, 2)],
                                   weights))
    check("input 'b' looks like a state" in told.stderr and "--state b=r keeps it" in told.stderr,
          "a layer's initial and final state, with any names", told.stderr)


def lstm_rows(weights, x, h, c):
    """All h of an LSTM with gates i o f c, and the states after the last row."""
    w, r, b = weights
    rows = []
    for row in x:
        i, o, f, g = ([w[k] * row + sum(r[2 * k + j] * h[j] for j in range(2)) + b[k] + b[8 + k]
                       for k in (2 * gate, 2 * gate + 1)] for gate in range(4))
        c = [c[j] / (1 + math.exp(-f[j])) + math.tanh(g[j]) / (1 + math.exp(-i[j])) for j in range(2)]
        h = [math.tanh(c[j]) / (1 + math.exp(-o[j])) for j in range(2)]
        rows += h
    return rows, h, c


def run_recurrent():
    """A layer has keep=true if --state names all of its states. Then the program needs no `state`
    operator."""
    weights = [[math.sin(k * n + n) for k in range(n)] for n in (8, 16, 16)]
    layer = [("W", (1, 8, 1), weights[0]), ("R", (1, 8, 2), weights[1]), ("B", (1, 16), weights[2])]
    ports = [("x", 3, 1, 1), ("h", 1, 1, 2), ("c", 1, 1, 2)]
    results = [("y", 3, 1, 1, 2), ("hn", 1, 1, 2), ("cn", 1, 1, 2)]
    model = onnx([("LSTM", "x W R B - h c", "y hn cn")], ports, results, layer)
    told = imported("m.onnx", model, "--state", "h=hn,c=cn")
    check(told.returncode == 0, "the states of an LSTM", told.stderr)
    with open("m.cnn", encoding="utf-8") as file:
        text = file.read()
    check("lstm(2, keep=true" in text and "state(" not in text and text.count("input") == 1,
          "  are keep=true", text)
    net, h, c = Steps(ctypes.c_float, (6,)), [0.0] * 2, [0.0] * 2
    for call in range(3):
        x = [0.5 * call - i for i in range(3)]
        want, h, c = lstm_rows(weights, x, h, c)
        got = net.step(x)[0]
        check(max(abs(a - b) for a, b in zip(got, want)) < 1e-6, f"  call {call + 1}", f"{got} {want}")
    told = imported("m.onnx", onnx([("GRU", "x W R - - h", "- hn"), ("Relu", "hn", "y")],
                                   ports[:2], [("y", 1, 1, 2)], [("W", (1, 6, 1), [0.5] * 6),
                                                                 ("R", (1, 6, 2), [0.5] * 12)]),
                    "--state=h=hn")
    with open("m.cnn", encoding="utf-8") as file:
        text = file.read()
    check(told.returncode == 0 and "last=true, keep=true" in text and "relu" in text,
          "a final state with other users", told.stderr + text)
    told = imported("m.onnx", onnx([("LSTM", "x W R B - h c", "y hn cn"), ("Relu", "h", "z")], ports,
                                   [*results, ("z", 1, 1, 2)], layer), "--state=h=hn,c=cn")
    check(told.returncode == 0, "an initial state with other users", told.stderr)
    net, h, c = Steps(ctypes.c_float, (6, 2)), [0.0] * 2, [0.0] * 2
    for call in range(3):
        x, before = [0.5 * call - i for i in range(3)], [max(0, v) for v in h]
        want, h, c = lstm_rows(weights, x, h, c)
        got = sum(net.step(x), [])
        check(max(abs(a - b) for a, b in zip(got, want + before)) < 1e-6, f"  call {call + 1}", got)


def run_refusals():
    """Unsupported forms of recurrent layers, each with its reason."""
    for words, edit in (("it has peepholes", lambda op, one: op[1].__setitem__(10, one)),
                        ("it has layer norms", lambda op, one: op[1].__setitem__(21, one)),
                        ("its input gate is coupled to its forget gate",
                         lambda op, one: [op[1].__setitem__(i, -1) for i in (1, 5, 12)]),
                        ("its projection is clipped", lambda op, one: op[4].__setitem__(2, ("f", 0.5))),
                        ("its activation is not tanh", lambda op, one: op[4].__setitem__(0, ("b", 1)))):
        lstm = Lstm()
        edit(lstm.net.ops[0], lstm.net.index(Tensor([2], F32, data=[0.1, 0.2], name="one")))
        told = imported("m.tflite", lstm.net.write(lstm.y))
        check(told.returncode == 1 and words in told.stderr, f"a float LSTM: {words}", told.stderr)
    net = Net(Tensor([1, 3, 2], F32, name="x"))
    y = net.add("WHILE", net.tensors[:1], Tensor([1, 3, 2], F32, name="y"))
    told = imported("m.tflite", net.write(y))
    check(told.returncode == 1 and "a loop, as in a GRU of Keras: export the model to ONNX" in told.stderr,
          "WHILE is refused", told.stderr)
    told = imported("m.onnx", onnx([("GRU", "x W R - - h", "- hn"), ("Relu", "hn", "y")],
                                   [("x", 3, 2, 1), ("h", 1, 2, 2)], [("y", 1, 2, 2)],
                                   [("W", (1, 6, 1), [0.5] * 6), ("R", (1, 6, 2), [0.5] * 12)]),
                    "--state=h=hn")
    check(told.returncode == 1 and "states of 2 sequences; the limit is 1" in told.stderr,
          "states of several sequences are refused", told.stderr)


def run_rows():
    """Reshapes that move elements only within each row: steps can compute these."""
    model = onnx([("Relu", "x", "a"), ("Reshape", "a one", "b"), ("Tanh", "b", "c"),
                  ("Reshape", "c two", "d"), ("Relu", "d", "y")], [("x", 1, 6, 3, 4)], [("y", 1, 6, 12)],
                 shapes=[("one", (1, 6, 2, 6)), ("two", (1, 6, 12))])
    told = imported("m.onnx", model, "--layout=nhwc")
    with open("m.cnn", encoding="utf-8") as file:
        text = file.read()
    check(told.returncode == 0 and "flatten" not in text, "reshaped rows stay rows",
          told.stderr + text)
    net = Steps(ctypes.c_float, (12,), options=("--stream=1",))
    x = [0.1 * i - 0.5 for i in range(12)]
    want = [math.tanh(max(0, v)) for v in x]
    check(max(abs(a - b) for a, b in zip(net.step(x)[0], want)) < 1e-6, "  in steps, too")


run_variables(1, [3, 3, 3, 3], "state(2x2, name")
run_variables(2, [1, 2, 3, 4], "init=[-1, -0.5, 0, 0.5]")
run_variables(1, [3, 3, 3, 3], "state(2x2, init=3)", F32)
run_variables(2, [1, 2, 3, 4], "init=[1, 2, 3, 4]", F32)
run_lstms()
run_svdfs()
TOLD = imported("m.tflite", variables((0.25, 3)))
check(TOLD.returncode == 1 and "must have the variable's scale" in TOLD.stderr,
      "a variable of two scales is refused", TOLD.stderr)
TOLD = imported("m.tflite", variables((0.5, 3), initial=False))
check(TOLD.returncode == 1 and "keeps state between calls" in TOLD.stderr, "so is one with no initial value",
      TOLD.stderr)
run_pairs()
run_hints()
run_recurrent()
run_refusals()
run_rows()
finish()
