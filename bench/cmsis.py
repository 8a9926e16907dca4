"""cmsis.py: translates an int8 model to the calls of CMSIS-NN that TensorFlow Lite for Microcontrollers
makes. The layers are those in cnnc's JSON (--emit=json) of the float net and the int8 model; the weights come
from the .safetensors file."""
# SPDX-License-Identifier: Apache-2.0
import array
import json
import math
import re
import struct


def tensors(path):
    """{name: (shape, numbers)} of a .safetensors file."""
    with open(path, "rb") as file:
        head = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
        data = file.read()
    kinds = {"I8": "b", "I16": "h", "I32": "i", "F32": "f"}
    return {name: (entry["shape"], array.array(kinds[entry["dtype"]], data[slice(*entry["data_offsets"])]))
            for name, entry in head.items() if name != "__metadata__"}


def single(x):
    return struct.unpack("<f", struct.pack("<f", x))[0]


def multiplier(factor):
    q, e = math.frexp(factor)
    m = math.floor(q * (1 << 31) + 0.5)
    if m == 1 << 31:
        m, e = m // 2, e + 1
    return (0, 0) if e < -31 else (m, e)


def numbers(kind, name, values):
    return (f"static const {kind} {name}[] __attribute__((aligned(8))) = "
            f"{{{', '.join(str(v) for v in values)}}};")


def dims(*sizes):
    return "&(cmsis_nn_dims){" + ", ".join(str(s) for s in sizes) + "}"


class Writer:
    def __init__(self, net):
        self.net, self.files = net, tensors(net.weights)
        self.layer = {layer["name"]: layer for layer in net.floats["layers"]}
        self.quant = {layer["name"]: layer for layer in net.quant["layers"]}
        self.bound = {self.layer_before(layer): layer["operator"] for layer in net.floats["layers"]
                      if layer["operator"] in ("relu", "relu6")}
        self.data, self.calls, self.reversed, self.same = [], [], 0, {}

    def layer_before(self, layer):
        """The name of the layer before `layer`. Batchnorms are skipped: they are folded into other layers."""
        name = layer["inputs"][0]
        while name in self.layer and self.layer[name]["operator"] == "batchnorm":
            name = self.layer[name]["inputs"][0]
        return name

    def scale(self, name):
        if name + ".scale" in self.files:
            return self.files[name + ".scale"][1][0], self.files[name + ".zero"][1][0]
        return self.quant[name]["scale"], self.quant[name]["zero"]

    def shape(self, name):
        given = [i["shape"] for i in self.net.floats["inputs"] if i["name"] == name]
        shape = given[0] if given else self.quant[name]["shape"]
        return shape if len(shape) == 3 else [1, 1, math.prod(shape)]

    def activation(self, name):
        scale, zero = self.scale(name)
        bound = self.bound.get(name)
        lo = max(-128, zero) if bound else -128
        return lo, min(127, zero + math.floor(6 / scale + 0.5)) if bound == "relu6" else 127

    def numbers(self, kind, name, values):
        self.data.append(numbers(kind, name, values))

    def window(self, name, large, small):
        """Kernel, stride, and the padding above and on the left."""
        arguments = self.layer[name]["arguments"]
        if "kernel" not in arguments:  # a global pool: the mean of the whole image
            return large[:2], [1, 1], [0, 0]
        kernel, stride = ((list(arguments[k]) * 2)[:2] for k in ("kernel", "stride"))
        pad = arguments["pad"] if isinstance(arguments["pad"], list) else [arguments["pad"]] * 2
        if arguments["pad"] == "same":
            pad = [max((small[i] - 1) * stride[i] + kernel[i] - large[i], 0) // 2 for i in range(2)]
        elif arguments["pad"] == "valid":
            pad = [0, 0]
        return kernel, stride, pad[:2]

    def factors(self, name, source, dense):
        scales = self.files[name + ".weight.scale"][1]
        s_in, s_out = self.scale(source)[0], self.scale(name)[0]
        filters = self.shape(name)[2]
        if dense and len(scales) == 1:
            return [multiplier(single(s_in * scales[0]) / s_out)]
        return [multiplier(s_in * scales[i if len(scales) > 1 else 0] / s_out) for i in range(filters)]

    def weights(self, name, order):
        """The weights with the axes in CMSIS-NN's `order`. In the file, the axes are
        [filter][channel][row][column], and [channel][filter][row][column] for conv_transpose."""
        shape, values = self.files[name + ".weight"]
        shape = list(shape) + [1] * (4 - len(shape))
        f, c, h, w = (range(n) for n in shape)
        at = lambda i, j, y, x: values[((i * shape[1] + j) * shape[2] + y) * shape[3] + x]
        if order == "transposed":
            return [at(j, i, y, x) for i in c for y in h for x in w for j in f]
        if order == "FHWC":
            return [at(i, j, y, x) for i in f for y in h for x in w for j in c]
        return [at(i, 0, y, x) for y in h for x in w for i in f]

    def constants(self, name, source, order):
        """Defines the constants for the layer's call: weights, bias, multipliers, exponents. Returns the
        pairs (multiplier, exponent)."""
        ms = self.factors(name, source, order == "dense")
        self.numbers("int8_t", "w_" + name, self.weights(name, "FHWC" if order == "dense" else order))
        self.numbers("int32_t", "b_" + name, self.files[name + ".bias"][1])
        self.numbers("int32_t", "m_" + name, [m for m, e in ms])
        self.numbers("int32_t", "e_" + name, [e for m, e in ms])
        return ms

    def convolution(self, name, source, kind):
        """kind: conv, depthwise or conv_transpose"""
        large, small = self.shape(source), self.shape(name)
        kernel, stride, pad = self.window(name, large, small)
        depthwise, transposed = kind == "depthwise", kind == "conv_transpose"
        self.constants(name, source, "HWF" if depthwise else "transposed" if transposed else "FHWC")
        function, params = {"conv": ("convolve", "conv"), "depthwise": ("depthwise_conv", "dw_conv"),
                            "conv_transpose": ("transpose_conv", "transpose_conv")}[kind]
        more, reverse = ".ch_mult = 1, " if depthwise else "", ""
        if transposed:
            self.reversed = max(self.reversed, math.prod(self.files[name + ".weight"][0]))
            reverse = "&reversed, "
        lo, hi = self.activation(name)
        filters = dims(1 if depthwise else small[2], *kernel, small[2] if depthwise else large[2])
        self.calls.append(
            f"status |= arm_{function}_wrapper_s8(&context, {reverse}"
            f"&(cmsis_nn_{params}_params){{.input_offset = {-self.scale(source)[1]}, .output_offset = "
            f"{self.scale(name)[1]}, {more}.stride = {{{stride[1]}, {stride[0]}}}, .padding = {{{pad[1]}, "
            f"{pad[0]}}}, .dilation = {{1, 1}}, .activation = {{{lo}, {hi}}}}}, "
            f"&(cmsis_nn_per_channel_quant_params){{(int32_t *)m_{name}, (int32_t *)e_{name}}}, "
            f"{dims(1, *large)}, {source}, {filters}, w_{name}, {dims(1, 1, 1, small[2])}, "
            f"b_{name}, {dims(1, *small)}, {name});")

    def dense(self, name, source):
        inputs, units = self.shape(source)[2], self.shape(name)[2]
        ms, zero = self.constants(name, source, "dense"), self.scale(source)[1]
        lo, hi = self.activation(name)
        # For Helium: the numbers that arm_vector_sum_s8 would compute at initialization. They are bias -
        # (zero point of the input) * (sum of the unit's weights).
        weights = self.weights(name, "FHWC")
        rows = [weights[u * inputs:(u + 1) * inputs] for u in range(units)]
        self.numbers("int32_t", "k_" + name,
                     [b - zero * sum(row) for b, row in zip(self.files[name + ".bias"][1], rows)])
        function, factors = "", f"tensor_quant_params){{{ms[0][0]}, {ms[0][1]}}}"
        if len(ms) > 1:
            function = "per_channel_"
            factors = f"channel_quant_params){{(int32_t *)m_{name}, (int32_t *)e_{name}}}"
        self.calls.append(
            f"status |= arm_fully_connected_{function}s8(&SUMS(k_{name}), &(cmsis_nn_fc_params){{{-zero}, 0, "
            f"{self.scale(name)[1]}, {{{lo}, {hi}}}}}, &(cmsis_nn_per_{factors}, "
            f"{dims(1, 1, 1, inputs)}, {source}, {dims(inputs, 1, 1, units)}, w_{name}, "
            f"{dims(1, 1, 1, units)}, b_{name}, {dims(1, 1, 1, units)}, {name});")

    def add(self, name, sources):
        (a, za), (b, zb), (out, zero) = (self.scale(n) for n in (*sources, name))
        twice = 2 * max(a, b)
        factors = [multiplier(a / twice), multiplier(b / twice), multiplier(twice / ((1 << 20) * out))]
        lo, hi = self.activation(name)
        self.calls.append(
            f"status |= arm_elementwise_add_s8({sources[0]}, {sources[1]}, {-za}, {factors[0][0]}, "
            f"{factors[0][1]}, {-zb}, {factors[1][0]}, {factors[1][1]}, 20, {name}, {zero}, {factors[2][0]}, "
            f"{factors[2][1]}, {lo}, {hi}, {math.prod(self.shape(name))});")

    def pool(self, name, source, kind):
        """kind: avg or max. A mean over the whole image is also a call of CMSIS-NN here; TensorFlow Lite for
        Microcontrollers computes such a mean with a reference kernel."""
        large, small = self.shape(source), self.shape(name)
        kernel, stride, pad = self.window(name, large, small)
        self.calls.append(
            f"status |= arm_{kind}{'_' if kind == 'max' else ''}pool_s8(&context, &(cmsis_nn_pool_params){{"
            f"{{{stride[1]}, {stride[0]}}}, {{{pad[1]}, {pad[0]}}}, {{-128, 127}}}}, {dims(1, *large)}, "
            f"{source}, {dims(1, *kernel, 1)}, {dims(1, *small)}, {name});")

    def concat(self, name, sources):
        """Concatenates values along the channels. The values and the result must have the same scale and zero
        point."""
        if len({self.scale(source) for source in (*sources, name)}) > 1:
            raise SystemExit(f"{name}: values of several scales")
        height, width, channels = self.shape(name)
        at = 0
        for source in sources:
            own = self.shape(source)[2]
            self.calls.append(f"arm_concatenation_s8_x({source}, {own}, {width}, {height}, 1, {name}, "
                              f"{channels}, {at});")
            at += own

    def softmax(self, name, source):
        bits = 5
        m, e = multiplier(min(self.scale(source)[0] * (1 << (31 - bits)), (1 << 31) - 1))
        least = -math.floor(((1 << bits) - 1) * 2 ** (31 - bits) / 2 ** e)
        height, width, channels = self.shape(source)
        self.calls.append(
            f"arm_softmax_s8({source}, {height * width}, {channels}, {m}, {e}, {least}, {name});")

    def place(self):
        """Assigns the values to parts of one array, the largest value first. The memory planner of TensorFlow
        Lite for Microcontrollers does the same. A value's part is in use from the layer that computes the
        value to the last layer that reads the value."""
        layers = self.net.quant["layers"]
        size, alive = {}, {}
        for i, layer in enumerate(layers):
            if self.views(layer):
                self.same[layer["name"]] = self.whole(layer["inputs"][0])
            else:
                size[layer["name"]], alive[layer["name"]] = math.prod(layer["shape"]), [i, i]
            for name in map(self.whole, layer["inputs"]):
                if name in alive:
                    alive[name][1] = i
        alive[self.whole(layers[-1]["name"])][1] = len(layers)
        placed = {}
        for name in sorted(size, key=lambda name: -size[name]):
            at = 0
            for other in sorted(placed, key=placed.get):
                together = alive[other][0] <= alive[name][1] and alive[name][0] <= alive[other][1]
                if together and placed[other] < at + size[name]:
                    at = max(at, (placed[other] + size[other] + 15) // 16 * 16)
            placed[name] = at
            self.data.append(f"#define {name} (values + {at})")
        self.data.append(f"static int8_t values[{max(placed[name] + size[name] for name in size)}] "
                         "__attribute__((aligned(16)));")

    def views(self, layer):
        return self.layer[layer["name"]]["operator"] in ("flatten", "reshape")

    def whole(self, name):
        return self.same.get(name, name)

    def layers(self):
        for layer in self.net.quant["layers"]:
            name, sources = layer["name"], layer["inputs"]
            word = self.layer[name]["operator"]
            if word in ("conv", "depthwise", "conv_transpose"):
                self.convolution(name, sources[0], word)
            elif word == "dense":
                self.dense(name, sources[0])
            elif word == "add":
                self.add(name, sources)
            elif word in ("avgpool", "global_avgpool", "maxpool"):
                self.pool(name, sources[0], "max" if word == "maxpool" else "avg")
            elif word == "concat":
                self.concat(name, sources)
            elif word == "softmax":
                self.softmax(name, sources[0])
            elif self.views(layer):
                self.data.append(f"#define {name} {sources[0]}")
            else:
                raise SystemExit(f"{name}: CMSIS-NN has no {word} here")


# Scratch memory for the calls. With Helium, calls for dense layers get the results of arm_vector_sum_s8, not
# scratch memory.
CONTEXT = """#ifdef __ARM_FEATURE_MVE
#define SUMS(of) (const cmsis_nn_context){(void *)of, sizeof of}
#else
#define SUMS(of) context
#endif
static int status;
static int32_t scratch[4096];
static const cmsis_nn_context context = {scratch, sizeof scratch};
"""


def program(net, helpers):
    writer = Writer(net)
    source, last = net.floats["inputs"][0]["name"], net.floats["outputs"][0]["layer"]
    writer.place()
    writer.layers()
    # Names of layers may contain dots, which C does not permit in names.
    data, calls = (re.sub(r"(?<=\w)\.(?=\w)", "_", text)
                   for text in ("\n".join(writer.data), "\n  ".join(writer.calls)))
    return ('#include "board.h"\n#include "arm_nnfunctions.h"\n' + helpers +
            f"static int8_t {source}[{net.inputs}] __attribute__((aligned(16)));\n{data}\n{CONTEXT}"
            f"static int32_t turned[{writer.reversed // 4 + 1}];\n"
            "int main(void) {\n"
            "  const cmsis_nn_context reversed = {turned, sizeof turned};\n"
            f"  fill({source}, {net.inputs});\n  mark_start();\n  {calls}\n  mark_stop();\n"
            f"  show({last}, {net.outputs});\n  return status;\n}}\n")
