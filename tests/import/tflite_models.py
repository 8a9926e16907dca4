"""TensorFlow Lite models, written by hand: FlatBuffers, tensors and operators of all kinds. Used by
tflite.py and tflite_cases.py."""
# SPDX-License-Identifier: Apache-2.0
import struct

import itertools

F32, F16, I32, U8, I64, BOOL, I16, C64, I8, RESOURCE = 0, 1, 2, 3, 4, 6, 7, 8, 9, 13
WIDTH = {F32: "f", F16: "e", I32: "i", U8: "B", I64: "q", BOOL: "B", I16: "h", I8: "b"}
NONE, RELU, RELU_N1, RELU6 = 0, 1, 2, 3
SAME, VALID = 0, 1
# by name: the numbers of the BuiltinOperator and of its BuiltinOptions, and the version
OPERATORS = {
    "ADD": (0, 11, 2), "AVERAGE_POOL_2D": (1, 5, 2), "CONCATENATION": (2, 10, 2), "CONV_2D": (3, 1, 3),
    "DEPTHWISE_CONV_2D": (4, 2, 3), "DEPTH_TO_SPACE": (5, 94, 1), "DEQUANTIZE": (6, 38, 2),
    "FULLY_CONNECTED": (9, 8, 4), "LOGISTIC": (14, 0, 2), "MAX_POOL_2D": (17, 5, 2), "MUL": (18, 21, 2),
    "RELU": (19, 0, 2), "RELU_N1_TO_1": (20, 0, 1), "RELU6": (21, 0, 2), "RESHAPE": (22, 17, 1),
    "RESIZE_BILINEAR": (23, 15, 3), "SOFTMAX": (25, 9, 2), "SPACE_TO_DEPTH": (26, 19, 2), "TANH": (28, 0, 2),
    "PAD": (34, 22, 2), "TRANSPOSE": (39, 26, 2), "MEAN": (40, 27, 2), "SUB": (41, 28, 2), "DIV": (42, 29, 1),
    "SQUEEZE": (43, 30, 1), "STRIDED_SLICE": (45, 32, 2), "EXP": (47, 33, 2), "PRELU": (54, 0, 1),
    "MAXIMUM": (55, 39, 2), "MINIMUM": (57, 39, 2), "PADV2": (60, 43, 2), "SLICE": (65, 48, 2),
    "TRANSPOSE_CONV": (67, 49, 3), "EXPAND_DIMS": (70, 52, 1), "LOG": (73, 0, 1), "SQRT": (75, 0, 1),
    "SQUARE": (92, 66, 1), "RESIZE_NEAREST_NEIGHBOR": (97, 74, 3), "LEAKY_RELU": (98, 75, 2),
    "ABS": (101, 78, 2), "TOPK_V2": (48, 34, 2), "ONE_HOT": (85, 61, 1), "EMBEDDING_LOOKUP": (7, 0, 1),
    "ELU": (111, 0, 1), "QUANTIZE": (114, 89, 2), "HARD_SWISH": (117, 91, 1), "GELU": (150, 116, 2),
    "RELU_0_TO_1": (152, 0, 1), "FLOOR": (8, 0, 1), "L2_NORMALIZATION": (11, 12, 1), "SPLIT": (49, 35, 2),
    "LOCAL_RESPONSE_NORMALIZATION": (13, 13, 1), "GATHER": (36, 23, 2), "BATCH_TO_SPACE_ND": (37, 24, 2),
    "SPACE_TO_BATCH_ND": (38, 25, 2), "LOG_SOFTMAX": (50, 36, 1), "CAST": (53, 37, 1), "ARG_MAX": (56, 40, 2),
    "LESS": (58, 44, 1), "NEG": (59, 42, 1), "SELECT": (64, 47, 1), "SIN": (66, 0, 1), "TILE": (69, 51, 1),
    "SUM": (74, 27, 1), "RSQRT": (76, 0, 1), "SHAPE": (77, 55, 1), "POW": (78, 56, 1),
    "REDUCE_PROD": (81, 27, 1), "REDUCE_MAX": (82, 27, 2), "PACK": (83, 59, 2), "UNPACK": (88, 64, 2),
    "REDUCE_MIN": (89, 27, 2), "FLOOR_DIV": (90, 65, 1), "RANGE": (96, 73, 1),
    "SQUARED_DIFFERENCE": (99, 76, 1), "MIRROR_PAD": (100, 77, 1), "SPLIT_V": (102, 79, 2),
    "REVERSE_V2": (105, 81, 1), "COS": (108, 84, 1), "SELECT_V2": (123, 98, 1), "DENSIFY": (124, 99, 1),
    "BATCH_MATMUL": (126, 101, 1), "CALL_ONCE": (129, 103, 1), "BROADCAST_TO": (130, 104, 2),
    "VAR_HANDLE": (142, 111, 1), "READ_VARIABLE": (143, 112, 1), "ASSIGN_VARIABLE": (144, 113, 1),
    "UNIDIRECTIONAL_SEQUENCE_LSTM": (44, 71, 1), "SVDF": (27, 6, 1),
    "GREATER": (61, 46, 1), "GREATER_EQUAL": (62, 47, 1),
    "LESS_EQUAL": (63, 48, 1), "EQUAL": (71, 53, 1), "NOT_EQUAL": (72, 54, 1), "LOGICAL_OR": (84, 60, 1),
    "LOGICAL_AND": (86, 61, 1), "LOGICAL_NOT": (87, 62, 1), "FLOOR_MOD": (95, 72, 1), "CEIL": (104, 0, 1),
    "ADD_N": (106, 82, 1), "ROUND": (116, 0, 1), "IF": (118, 92, 1), "WHILE": (119, 93, 1),
    "UNIDIRECTIONAL_SEQUENCE_RNN": (35, 24, 1), "GATHER_ND": (107, 83, 1),
    "STABLEHLO_COMPOSITE": (206, 0, 1), "RFFT2D": (131, 105, 1),
    "IMAG": (133, 0, 1), "REAL": (134, 0, 1), "COMPLEX_ABS": (135, 0, 1)}


class Builder:
    """FlatBuffers written front to back: the target of a field comes after the table."""

    def __init__(self):
        self.data = bytearray(struct.pack("<I4s", 0, b"TFL3"))

    def table(self, fields):
        """fields: number -> (format, value), or a function that writes the target of an offset."""
        count = max(fields) + 1 if fields else 0
        places, body, waiting = [0] * count, bytearray(4), []
        for number, field in fields.items():
            size = 4 if callable(field) else struct.calcsize("<" + field[0])
            body += b"\0" * (-len(body) % size)
            places[number] = len(body)
            if callable(field):
                waiting.append((len(body), field))
            body += b"\0" * 4 if callable(field) else struct.pack("<" + field[0], field[1])
        self.data += b"\0" * (-len(self.data) % 8)
        start = len(self.data)
        self.data += struct.pack("<HH", 4 + 2 * count, len(body)) + struct.pack(f"<{count}H", *places)
        self.data += b"\0" * (-len(self.data) % 8)
        at = len(self.data)
        body[0:4] = struct.pack("<i", at - start)
        self.data += body
        for place, write in waiting:
            target = write()
            self.data[at + place:at + place + 4] = struct.pack("<I", target - (at + place))
        return at

    def vector(self, kind, values):
        self.data += b"\0" * (-(len(self.data) + 4) % 8)
        at = len(self.data)
        self.data += struct.pack(f"<I{len(values)}{kind}", len(values), *values)
        return at

    def tables(self, writers):
        at = self.vector("I", [0] * len(writers))
        for i, write in enumerate(writers):
            place = at + 4 + 4 * i
            target = write()
            self.data[place:place + 4] = struct.pack("<I", target - place)
        return at


class Tensor:
    """kind: a TensorType. scale: one number, or a list with one scale per index of `axis`. sparse: a function
    that writes the table with the positions of the numbers. signature: the shape, with -1 for open sizes.
    variable: the tensor is a state, which has no data."""

    def __init__(self, shape, kind=I8, scale=None, zero=0, axis=0, data=None, name="t", sparse=None,
                 signature=None, variable=False):
        self.sparse, self.signature, self.variable = sparse, signature, variable
        self.shape, self.kind, self.axis, self.name = list(shape), kind, axis, name
        scale = [] if scale is None else list(scale) if isinstance(scale, (list, tuple)) else [scale]
        self.scale = list(struct.unpack(f"<{len(scale)}f", struct.pack(f"<{len(scale)}f", *scale)))
        self.zero = [zero] * len(self.scale)
        self.data = None if data is None else struct.pack(f"<{len(data)}{WIDTH[kind]}", *data)

    def write(self, b, buffer):
        fields = {0: lambda: b.vector("i", self.shape), 1: ("b", self.kind), 2: ("I", buffer),
                  3: lambda: b.vector("B", self.name.encode())}
        if self.scale:
            fields[4] = lambda: b.table({2: lambda: b.vector("f", self.scale),
                                         3: lambda: b.vector("q", self.zero), 6: ("i", self.axis)})
        if self.variable:
            fields[5] = ("b", 1)
        if self.sparse:
            fields[6] = lambda: self.sparse(b)
        if self.signature:
            fields[7] = lambda: b.vector("i", self.signature)
        return lambda: b.table(fields)


def ints(values, kind=I32):
    return Tensor([len(values)], kind, data=values)


class Net:
    """A subgraph: operators in order; tensors are numbered in order of creation."""

    def __init__(self, *inputs):
        self.tensors, self.ops, self.inputs, self.outputs, self.branches = [], [], [], [], []
        for t in inputs:
            self.inputs.append(self.index(t))

    def index(self, t):
        if t is None:
            return -1
        if not any(t is known for known in self.tensors):
            self.tensors.append(t)
        return next(i for i, known in enumerate(self.tensors) if known is t)

    def add(self, name, inputs, output, **options):
        """options: the fields of the options table, such as f0=("b", 1) for field 0. output: a tensor, or a
        list. An operator "CUSTOM NAME" has bytes as options: custom=b"...". intermediates: tensors that only
        this operator uses."""
        outputs = output if isinstance(output, list) else [output]
        custom = options.pop("custom", b"")
        own = [self.index(t) for t in options.pop("intermediates", [])]
        self.ops.append((name, [self.index(t) for t in inputs], [self.index(t) for t in outputs], custom,
                         {int(k[1:]): v for k, v in options.items()}, own))
        return output

    def branch(self, net, *outputs):
        """Adds a graph; returns its index, for IF."""
        self.branches.append((net, outputs))
        return len(self.branches)

    def write(self, *outputs):
        b = Builder()
        nets = [(net, [net.index(t) for t in results]) for net, results in [(self, outputs), *self.branches]]
        codes = sorted({op[0] for net, _ in nets for op in net.ops})
        buffers = [b""] + [t.data or b"" for net, _ in nets for t in net.tensors]

        def operator(name, inputs, outputs, custom, options, own):
            fields = {0: ("I", codes.index(name)), 1: lambda: b.vector("i", inputs),
                      2: lambda: b.vector("i", outputs)}
            if custom:
                fields[5] = lambda: b.vector("B", custom)
            if own:
                fields[8] = lambda: b.vector("i", own)
            if name == "STABLEHLO_COMPOSITE":
                fields[11], fields[12] = ("B", 21), lambda: b.table(options)
            elif not name.startswith("CUSTOM ") and OPERATORS[name][1]:
                given = {k: (lambda v=v: b.vector("B", v.encode())) if isinstance(v, str) else v
                         for k, v in options.items()}
                fields[3] = ("B", OPERATORS[name][1])
                fields[4] = lambda: b.table(given)
            return lambda: b.table(fields)

        def code(name):
            if name.startswith("CUSTOM "):
                return lambda: b.table({0: ("b", 32), 1: lambda: b.vector("B", name[7:].encode()),
                                        2: ("i", 1), 3: ("i", 32)})
            number, _, version = OPERATORS[name]
            return lambda: b.table({0: ("b", min(number, 127)), 2: ("i", version), 3: ("i", number)})

        count = itertools.count(1)

        def graph(net, outputs):
            return lambda: b.table({
                0: lambda: b.tables([t.write(b, next(count)) for t in net.tensors]),
                1: lambda: b.vector("i", net.inputs), 2: lambda: b.vector("i", outputs),
                3: lambda: b.tables([operator(*op) for op in net.ops])})

        root = b.table({
            0: ("I", 3), 1: lambda: b.tables([code(name) for name in codes]),
            2: lambda: b.tables([graph(*net) for net in nets]),
            4: lambda: b.tables([(lambda d=d: b.table({0: lambda: b.vector("B", d)})) if d else
                                 (lambda: b.table({})) for d in buffers])})
        b.data[0:4] = struct.pack("<I", root)
        return bytes(b.data)


def pool(net, name, x, out, size, stride, padding=VALID, activation=NONE):
    return net.add(name, [x], out, f0=("b", padding), f1=("i", stride[1]), f2=("i", stride[0]),
                   f3=("i", size[1]), f4=("i", size[0]), f5=("b", activation))


def conv(net, x, w, bias, out, stride=(1, 1), padding=SAME, activation=NONE):
    return net.add("CONV_2D", [x, w, bias], out, f0=("b", padding), f1=("i", stride[1]), f2=("i", stride[0]),
                   f3=("b", activation), f4=("i", 1), f5=("i", 1))
