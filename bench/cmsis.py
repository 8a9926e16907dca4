"""cmsis.py: a net of 8 bits as calls of CMSIS-NN, as TensorFlow Lite for microcontrollers makes them. The
layers are those that cnnc shows (--emit=json), of the net of floats and of that of 8 bits; weights are the
file's."""
# SPDX-License-Identifier: Apache-2.0
import array
import json
import math
import struct


def tensors(path):
    """{name: (shape, numbers)} of a file of safetensors."""
    with open(path, "rb") as file:
        head = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
        data = file.read()
    kinds = {"I8": "b", "I32": "i", "F32": "f"}
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


class Writer:
    def __init__(self, net):
        self.net, self.files = net, tensors(net.weights)
        self.layer = {layer["name"]: layer for layer in net.floats["layers"]}
        self.quant = {layer["name"]: layer for layer in net.quant["layers"]}
        self.bound = {layer["inputs"][0]: layer["operator"] for layer in net.floats["layers"]
                      if layer["operator"] in ("relu", "relu6")}
        self.data, self.calls, self.before = [], [], []

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
        self.data.append(f"static const {kind} {name}[] __attribute__((aligned(8))) = "
                         f"{{{', '.join(str(v) for v in values)}}};")

    @staticmethod
    def dims(*sizes):
        return "&(cmsis_nn_dims){" + ", ".join(str(s) for s in sizes) + "}"

    def window(self, name, large, small):
        """Kernel, stride and padding before the first element."""
        arguments = self.layer[name]["arguments"]
        kernel, stride = (list(arguments[k]) * (3 - len(arguments[k])) for k in ("kernel", "stride"))
        stride = stride[:2]
        pad = [0, 0]
        if arguments["pad"] == "same":
            pad = [max((small[i] - 1) * stride[i] + kernel[i] - large[i], 0) // 2 for i in range(2)]
        return kernel[:2], stride, pad

    def factors(self, name, source, dense):
        scales = self.files[name + ".weight.scale"][1]
        s_in, s_out = self.scale(source)[0], self.scale(name)[0]
        filters = self.shape(name)[2]
        if dense and len(scales) == 1:
            return [multiplier(single(s_in * scales[0]) / s_out)]
        return [multiplier(s_in * scales[i if len(scales) > 1 else 0] / s_out) for i in range(filters)]

    def weights(self, name, order):
        """The file has [filter][channel][row][column]; order: of the axes of CMSIS-NN."""
        shape, values = self.files[name + ".weight"]
        shape = list(shape) + [1] * (4 - len(shape))
        f, c, h, w = (range(n) for n in shape)
        at = lambda i, j, y, x: values[((i * shape[1] + j) * shape[2] + y) * shape[3] + x]
        if order == "FHWC":
            return [at(i, j, y, x) for i in f for y in h for x in w for j in c]
        return [at(i, 0, y, x) for y in h for x in w for i in f]

    def convolution(self, name, source, depthwise):
        large, small = self.shape(source), self.shape(name)
        kernel, stride, pad = self.window(name, large, small)
        ms = self.factors(name, source, False)
        self.numbers("int8_t", "w_" + name, self.weights(name, "HWF" if depthwise else "FHWC"))
        self.numbers("int32_t", "b_" + name, self.files[name + ".bias"][1])
        self.numbers("int32_t", "m_" + name, [m for m, e in ms])
        self.numbers("int32_t", "e_" + name, [e for m, e in ms])
        kind = "dw_conv" if depthwise else "conv"
        more = ".ch_mult = 1, " if depthwise else ""
        lo, hi = self.activation(name)
        filters = self.dims(*([1] if depthwise else [small[2]]), *kernel, small[2] if depthwise else large[2])
        self.calls.append(
            f"status |= arm_{'depthwise_conv' if depthwise else 'convolve'}_wrapper_s8(&context, "
            f"&(cmsis_nn_{kind}_params){{.input_offset = {-self.scale(source)[1]}, .output_offset = "
            f"{self.scale(name)[1]}, {more}.stride = {{{stride[1]}, {stride[0]}}}, .padding = {{{pad[1]}, "
            f"{pad[0]}}}, .dilation = {{1, 1}}, .activation = {{{lo}, {hi}}}}}, "
            f"&(cmsis_nn_per_channel_quant_params){{(int32_t *)m_{name}, (int32_t *)e_{name}}}, "
            f"{self.dims(1, *large)}, {source}, {filters}, w_{name}, {self.dims(1, 1, 1, small[2])}, "
            f"b_{name}, {self.dims(1, *small)}, {name});")

    def dense(self, name, source):
        inputs, units = self.shape(source)[2], self.shape(name)[2]
        (m, e), zero = self.factors(name, source, True)[0], self.scale(source)[1]
        self.numbers("int8_t", "w_" + name, self.weights(name, "FHWC"))
        self.numbers("int32_t", "b_" + name, self.files[name + ".bias"][1])
        lo, hi = self.activation(name)
        # With Helium it wants what arm_vector_sum_s8 makes of weights and bias, once.
        rows = [self.weights(name, "FHWC")[u * inputs:(u + 1) * inputs] for u in range(units)]
        self.numbers("int32_t", "k_" + name,
                     [b - zero * sum(row) for b, row in zip(self.files[name + ".bias"][1], rows)])
        self.calls.append(
            f"status |= arm_fully_connected_s8(&SUMS(k_{name}), &(cmsis_nn_fc_params){{{-zero}, 0, "
            f"{self.scale(name)[1]}, {{{lo}, {hi}}}}}, &(cmsis_nn_per_tensor_quant_params){{{m}, {e}}}, "
            f"{self.dims(1, 1, 1, inputs)}, {source}, {self.dims(inputs, 1, 1, units)}, w_{name}, "
            f"{self.dims(1, 1, 1, units)}, b_{name}, {self.dims(1, 1, 1, units)}, {name});")

    def add(self, name, sources):
        (a, za), (b, zb), (out, zero) = (self.scale(n) for n in (*sources, name))
        twice = 2 * max(a, b)
        factors = [multiplier(a / twice), multiplier(b / twice), multiplier(twice / ((1 << 20) * out))]
        lo, hi = self.activation(name)
        self.calls.append(
            f"status |= arm_elementwise_add_s8({sources[0]}, {sources[1]}, {-za}, {factors[0][0]}, "
            f"{factors[0][1]}, {-zb}, {factors[1][0]}, {factors[1][1]}, 20, {name}, {zero}, {factors[2][0]}, "
            f"{factors[2][1]}, {lo}, {hi}, {math.prod(self.shape(name))});")

    def average(self, name, source):
        large, small = self.shape(source), self.shape(name)
        kernel, stride, pad = self.window(name, large, small)
        self.calls.append(
            f"status |= arm_avgpool_s8(&context, &(cmsis_nn_pool_params){{{{{stride[1]}, {stride[0]}}}, "
            f"{{{pad[1]}, {pad[0]}}}, {{-128, 127}}}}, {self.dims(1, *large)}, {source}, "
            f"{self.dims(1, *kernel, 1)}, {self.dims(1, *small)}, {name});")

    def softmax(self, name, source):
        bits = 5
        m, e = multiplier(min(self.scale(source)[0] * (1 << (31 - bits)), (1 << 31) - 1))
        least = -math.floor(((1 << bits) - 1) * 2 ** (31 - bits) / 2 ** e)
        self.calls.append(f"arm_softmax_s8({source}, 1, {self.shape(source)[2]}, {m}, {e}, {least}, {name});")

    def layers(self):
        for layer in self.net.quant["layers"]:
            name, sources = layer["name"], layer["inputs"]
            word = self.layer[name]["operator"]
            if word in ("conv", "depthwise"):
                self.convolution(name, sources[0], word == "depthwise")
            elif word == "dense":
                self.dense(name, sources[0])
            elif word == "add":
                self.add(name, sources)
            elif word == "avgpool":
                self.average(name, sources[0])
            elif word == "softmax":
                self.softmax(name, sources[0])
            elif word in ("flatten", "reshape"):
                self.data.append(f"#define {name} {sources[0]}")
                continue
            else:
                raise SystemExit(f"{name}: CMSIS-NN has no {word} here")
            elements = math.prod(layer["shape"])
            self.data.append(f"static int8_t {name}[{elements}] __attribute__((aligned(16)));")


def program(net, helpers):
    writer = Writer(net)
    source, last = net.floats["inputs"][0]["name"], net.floats["outputs"][0]["layer"]
    writer.layers()
    calls = "\n  ".join(writer.calls)
    return ('#include "board.h"\n#include "arm_nnfunctions.h"\n' + helpers +
            f"static int8_t {source}[{net.inputs}] __attribute__((aligned(16)));\n" + "\n".join(writer.data) +
            "\n#ifdef __ARM_FEATURE_MVE\n"
            "#define SUMS(of) (const cmsis_nn_context){(void *)of, sizeof of}\n"
            "#else\n#define SUMS(of) context\n#endif\n"
            "static int32_t scratch[4096];\nint main(void) {\n  int status = 0;\n"
            "  const cmsis_nn_context context = {scratch, sizeof scratch};\n"
            f"  fill({source}, {net.inputs});\n  mark_start();\n  {calls}\n  mark_stop();\n"
            f"  show({last}, {net.outputs});\n  return status;\n}}\n")
