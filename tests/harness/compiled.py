"""compiled.py: common code of model tests: random weights, and nets that are compiled to a library and
called. Only the standard library is needed."""
# SPDX-License-Identifier: Apache-2.0
import array, ctypes, json, math, os, random, re, struct, subprocess

BLOCK = 65521  # how many random numbers are drawn; larger arrays repeat them


def command(cnnc, *words):
    return subprocess.run([cnnc, *words], capture_output=True, text=True, timeout=300)


def facts_of(cnnc, program):
    made = command(cnnc, "--emit=json", program, "-o", "-")
    assert made.returncode == 0, made.stderr
    return json.loads(made.stdout)


def drawn(row, seed):
    """Random weights with which a net's values stay near 1: positive variances, factors near 1, and other
    weights scaled by their fan-in."""
    count, member = math.prod(row["shape"]), row["name"].rsplit(".", 1)[-1]
    numbers = random.Random(f"{seed} {row['name']}")
    fan = max(1, count // row["shape"][0]) if len(row["shape"]) > 1 else 1
    middle = {"running_var": 1, "weight": 1}.get(member, 0) if fan == 1 else 0
    scale = math.sqrt(2 / fan) if fan > 1 else 0.2
    block = array.array("f", (middle + scale * numbers.uniform(-1.2, 1.2) for _ in range(min(count, BLOCK))))
    return (block.tobytes() * -(-count // BLOCK))[:4 * count]


def write_weights(facts, path, seed=1):
    head, at, parts = {}, 0, []
    for row in facts["weights"]:
        data = drawn(row, seed)
        head[row["name"]] = {"dtype": "F32", "shape": row["shape"], "data_offsets": [at, at + len(data)]}
        at += len(data)
        parts.append(data)
    text = json.dumps(head).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.writelines(parts)


def aligned(count):
    """Bytes that begin at a multiple of 64."""
    space = ctypes.create_string_buffer(count + 64)
    return space, ctypes.c_void_p(ctypes.addressof(space) + -ctypes.addressof(space) % 64)


TYPES = {"f32": (ctypes.c_float, "f"), "u8": (ctypes.c_uint8, "B"), "i8": (ctypes.c_int8, "b"),
         "i16": (ctypes.c_int16, "h"), "i32": (ctypes.c_int32, "i")}


def draw_inputs(facts, seed=5):
    """An array for each input: random bytes, samples, indices below 5, or floats around 0."""
    numbers, inputs = random.Random(seed), []
    for port in facts["inputs"]:
        count, kind = math.prod(port["shape"]), port["type"]
        draw = {"f32": lambda: numbers.uniform(-2, 2), "u8": lambda: numbers.randrange(256),
                "i8": lambda: numbers.randrange(-128, 128), "i16": lambda: numbers.randrange(-32768, 32768),
                "i32": lambda: numbers.randrange(5)}[kind]
        inputs.append(array.array(TYPES[kind][1], (draw() for _ in range(count))))
    return inputs


class Net:
    """A compiled program: call it with an array for each input. If the net has states, a call is a step."""

    def __init__(self, cnnc, program, weights, name, options=("-O1", "--exact")):
        self.facts = facts_of(cnnc, program)
        self.trained = bool(self.facts["weights"])
        words = ["--weights=" + weights] if self.trained and weights else []
        for kind in (["--emit=header", "-o", name + ".h"], ["-o", name + ".so"]):
            made = command(cnnc, program, *words, *options, *kind)
            assert made.returncode == 0, made.stderr
        header = open(name + ".h").read()
        self.size = int(re.search(r"_WORKSPACE_BYTES (\d+)", header)[1])
        self.library = ctypes.CDLL(os.path.abspath(name + ".so"))
        state = re.search(r"_STATE_BYTES (\d+)", header)
        self.state = [ctypes.create_string_buffer(int(state[1]))] if state else []
        if state:
            getattr(self.library, self.facts["net"] + "_reset")(*self.state)

    def __call__(self, inputs):
        net, ports = self.facts["net"], self.facts["inputs"]
        buffers = [(TYPES[port["type"]][0] * len(x))(*x) for port, x in zip(ports, inputs)]
        results = [((ctypes.c_int32 if port["as"] == "i32" else ctypes.c_float) * math.prod(port["shape"]))()
                   for port in self.facts["outputs"]]
        kept, workspace = aligned(self.size)
        symbol = net + "_trained"
        first = [ctypes.byref(ctypes.c_char.in_dll(self.library, symbol))] if self.trained else []
        call = getattr(self.library, net + ("_step" if self.state else "_infer"))
        call(*first, *buffers, *results, *self.state, workspace)
        return [list(y) for y in results]


def difference(got, wanted):
    """The largest difference, relative to the largest number of `wanted`."""
    most = max((abs(y) for y in wanted), default=0)
    worst = max((abs(a - b) if a == a or b == b else 0 for a, b in zip(got, wanted)), default=0)
    return worst / most if most else worst
