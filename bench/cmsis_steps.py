"""cmsis_steps.py: a step of a streaming int8 model as calls of CMSIS-NN. A convolution reads the latest rows
of its source, some of which are from earlier steps. TensorFlow Lite for Microcontrollers copies these rows
several times (CONCATENATION, STRIDED_SLICE, ASSIGN_VARIABLE). Here a step moves the earlier rows once, and
the layer before the convolution writes the new rows after them."""
# SPDX-License-Identifier: Apache-2.0
import cmsis

KEPT, FLAT = "_rows", "_row"  # x_rows: x with its earlier rows; x_row: x_rows, flattened


class Writer(cmsis.Writer):
    """Writer of one step. `net` has `floats` and `quant` (the JSON for the whole sequence) and `weights` (a
    path). Shapes are those of a step: [rows, 1, channels]."""

    def __init__(self, net, rows):
        super().__init__(net)
        source = net.floats["inputs"][0]
        self.source, self.before = source["name"], []
        self.rows, self.channels = {self.source: rows}, {self.source: source["shape"][1]}
        self.steps = [layer for layer in net.quant["layers"]  # step() adds the table of the sigmoid
                      if layer["operator"] not in ("int8_table", "int8_to_bytes")]
        for layer in self.steps:
            name = layer["name"]
            self.rows[name] = self.rows[layer["inputs"][0]] // self.stride(name)
            self.channels[name] = layer["shape"][1]

    def stride(self, name):
        return self.layer[name]["arguments"].get("stride", [1])[0]

    def read(self, name):
        """How many rows of the layer's source the layer reads in a step."""
        kernel = self.layer[name]["arguments"].get("kernel", [1])[0]
        return kernel + (self.rows[name] - 1) * self.stride(name)

    def kept(self, name):
        """How many rows of a value are kept from earlier steps."""
        readers = [layer["name"] for layer in self.steps if name in layer["inputs"]]
        return max([self.read(reader) for reader in readers], default=0) - self.rows[name] if readers else 0

    def scale(self, name):
        return super().scale(name.removesuffix(KEPT).removesuffix(FLAT))

    def shape(self, name):
        own = name.removesuffix(KEPT).removesuffix(FLAT)
        rows = self.rows[own] + (self.kept(own) if own != name else 0)
        return [1, 1, rows * self.channels[own]] if name.endswith(FLAT) else [rows, 1, self.channels[own]]

    def window(self, name, large, small):
        return [self.layer[name]["arguments"]["kernel"][0], 1], [self.stride(name), 1], [0, 0]

    def value(self, name):
        """Declares the memory of a value with its earlier rows. Before a step writes new rows, it moves the
        kept rows to the start of this memory."""
        channels, new, old = self.channels[name], self.rows[name], self.kept(name)
        self.data.append(f"static int8_t {name}{KEPT}[{(old + new) * channels}] "
                         "__attribute__((aligned(16)));\n"
                         f"#define {name} ({name}{KEPT} + {old * channels})\n"
                         f"#define {name}{FLAT} {name}{KEPT}")
        if old:
            self.before.append(f"memset({name}{KEPT}, {self.scale(name)[1]}, sizeof {name}{KEPT});")
            self.calls.append(f"memmove({name}{KEPT}, {name}{KEPT} + {new * channels}, {old * channels});")

    def slice(self, name, source):
        low = self.layer[name]["arguments"]["channels"][0]
        for row in range(self.rows[name]):
            self.calls.append(f"memcpy({name} + {row * self.channels[name]}, {source} + "
                              f"{row * self.channels[source] + low}, {self.channels[name]});")

    def step(self, layer):
        name, source, word = layer["name"], layer["inputs"][0], self.layer[layer["name"]]["operator"]
        self.value(name)
        if word == "conv" and self.channels[name] == 1:  # the models have FULLY_CONNECTED here
            self.dense(name, source + FLAT)
        elif word in ("conv", "depthwise"):
            self.convolution(name, source + KEPT, word)
        elif word == "slice":
            self.slice(name, source)
        elif word == "concat":
            self.concat(name, layer["inputs"])
        else:
            raise SystemExit(f"{name}: no {word} here")


def step(net, rows):
    """The data, the initialization of a stream, and the calls of a step, as C. The calls read input[i] and
    write the output and its logit."""
    writer = Writer(net, rows)
    writer.value(writer.source)
    writer.calls.append(f"memcpy({writer.source}, input[i], sizeof input[i]);")
    for layer in writer.steps:
        writer.step(layer)
    table = writer.files[net.quant["layers"][-2]["name"] + ".table"][1]
    writer.numbers("uint8_t", "curve", [value + 128 for value in table])
    logit = writer.steps[-1]["name"]
    writer.calls += [f"output[0] = (int8_t)curve[{logit}[0] + 128];", f"output[1] = {logit}[0];",
                     "if (status) return 1;"]
    return [cmsis.CONTEXT, *writer.data], "\n  ".join(writer.before), "\n    ".join(writer.calls)
