"""runtimes.py: onnxruntime and LiteRT, the runtimes of the shipped models, with one interface: `inputs`
(name, shape, dtype), `names` of the outputs, a call with a dictionary of arrays, and the seconds of such a
call."""
# SPDX-License-Identifier: Apache-2.0
import time
import numpy as np

ONNX_TYPES = {"tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(float16)": np.float16,
              "tensor(int64)": np.int64, "tensor(int32)": np.int32, "tensor(uint8)": np.uint8,
              "tensor(int8)": np.int8, "tensor(bool)": np.bool_}


def least_seconds(call, seconds):
    """The seconds of the shortest call. One uncounted call is followed by calls for `seconds`, at least
    three."""
    call()
    least, count, end = float("inf"), 0, time.perf_counter() + seconds
    while count < 3 or time.perf_counter() < end:
        start = time.perf_counter()
        call()
        least, count = min(least, time.perf_counter() - start), count + 1
    return least


class OnnxRuntime:
    title = "onnxruntime"

    def __init__(self, path, shapes):
        import onnxruntime
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 4
        self.session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self.inputs = []
        for port in self.session.get_inputs():
            known = [n if isinstance(n, int) and n > 0 else 1 for n in port.shape]
            dtype = np.dtype(ONNX_TYPES.get(port.type, np.float32))
            self.inputs.append((port.name, tuple(shapes.get(port.name, known)), dtype))
        self.names = [port.name for port in self.session.get_outputs()]

    def __call__(self, arrays):
        return self.session.run(None, arrays)

    def seconds(self, arrays, limit):
        return least_seconds(lambda: self.session.run(None, arrays), limit)


class LiteRT:
    title = "LiteRT"

    def __init__(self, path, shapes):
        from ai_edge_litert import interpreter
        self.interpreter = interpreter.Interpreter(path, num_threads=1)
        for port in self.interpreter.get_input_details():
            shape = shapes.get(port["name"]) or [max(1, int(n)) for n in port["shape_signature"]]
            if list(shape) != list(port["shape"]):
                self.interpreter.resize_tensor_input(port["index"], shape)
        self.interpreter.allocate_tensors()
        self.ports = self.interpreter.get_input_details()
        self.inputs = [(p["name"], tuple(map(int, p["shape"])), np.dtype(p["dtype"])) for p in self.ports]
        self.outputs = self.interpreter.get_output_details()
        self.names = [port["name"] for port in self.outputs]

    def set_inputs(self, arrays):
        for port in self.ports:
            self.interpreter.set_tensor(port["index"], arrays[port["name"]])

    def __call__(self, arrays):
        self.set_inputs(arrays)
        self.interpreter.invoke()
        return [dequantized(self.interpreter.get_tensor(p["index"]), p["quantization"]) for p in self.outputs]

    def seconds(self, arrays, limit):
        self.set_inputs(arrays)
        return least_seconds(self.interpreter.invoke, limit)


def dequantized(array, quantization):
    scale, zero_point = quantization
    if not scale or array.dtype.kind == "f":
        return array
    return ((array.astype(np.float64) - zero_point) * scale).astype(np.float32)
