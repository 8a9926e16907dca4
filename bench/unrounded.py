"""unrounded.py: the float model that a dynamically quantized ONNX model becomes if no value is rounded: each
computed scale is 1, its zero point 0, and the weights are dequantized. cnnc imports such models in float, so
their outputs are compared with those of this model."""
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import onnx
from onnx import numpy_helper

ROUNDS, SAME_SIZE = {"Floor", "Round", "Cast"}, {"Reshape", "Unsqueeze", "Squeeze"}


def transposed_floats(weights, zeros, scales):
    """A weight of DynamicQuantizeLSTM in the layout of LSTM."""
    zeros, scales = (x.astype(np.float32).reshape(len(weights), 1, -1) for x in (zeros, scales))
    return np.ascontiguousarray(((weights.astype(np.float32) - zeros) * scales).transpose(0, 2, 1))


def float_model(model):
    """Changes the model to the float model."""
    arrays = {w.name: w for w in model.graph.initializer}
    array = lambda name: numpy_helper.to_array(arrays[name])
    scales, units, added = set(), set(), {}
    for node in model.graph.node:
        names, op = list(node.input), node.op_type
        if op == "DynamicQuantizeLinear":
            node.op_type, names = "Identity", names[:1]
            added |= {node.output[1]: np.float32(1), node.output[2]: np.uint8(0)}
            scales.add(node.output[1])
            del node.output[1:]
        elif op in ("MatMulInteger", "ConvInteger") and names[1] in arrays:
            zeros = array(names[3]).astype(np.float32) if len(names) > 3 and names[3] else np.float32(0)
            if op == "ConvInteger" and zeros.ndim:
                zeros = zeros.reshape(-1, *[1] * (len(arrays[names[1]].dims) - 1))
            added[names[1] + ".floats"] = array(names[1]).astype(np.float32) - zeros
            names, node.op_type = [names[0], names[1] + ".floats"], op[:-len("Integer")]
        elif op == "DynamicQuantizeLSTM":
            for i, scale in (1, 8), (2, 10):
                added[names[i] + ".floats"] = transposed_floats(
                    array(names[i]), array(names[scale + 1]), array(names[scale]))
                names[i] += ".floats"
            names, node.op_type, node.domain = names[:8], "LSTM", ""
        elif op == "Mul" and scales.intersection(names) and all(n in scales or n in arrays for n in names):
            scales.add(node.output[0])
        elif op == "Div" and names[0] in arrays and names[1] in scales:
            units.add(node.output[0])
        elif op in ROUNDS | SAME_SIZE and names[0] in units:
            units.add(node.output[0])
            if op in ROUNDS:
                node.op_type = "Identity"
                node.ClearField("attribute")
        node.ClearField("input")
        node.input.extend(names)
    model.graph.initializer.extend(numpy_helper.from_array(np.asarray(x), name) for name, x in added.items())
    del model.graph.value_info[:]


def write(path, to):
    model = onnx.load(str(path))
    float_model(model)
    onnx.save(model, str(to))
