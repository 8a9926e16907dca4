"""mobile_sides.py: ncnn and MNN, runtimes for phones, with Winograd in float.
Both convert the ONNX model of the other peers and compute in float32. They get the image as floats: the
conversion of the bytes is not timed, which favors them. If a converter rejects a net or converts it wrongly,
the row of this net has no numbers."""
# SPDX-License-Identifier: Apache-2.0
import contextlib, importlib.util, os, subprocess, sys, tempfile
import numpy as np
from sides import Unsupported, channels_first


def float_model(case):
    """The result of case.onnx(), but with a float input and without the Cast node at the input."""
    import onnx
    model, port, images, outputs = case.onnx()
    model = onnx.load_model_from_string(model)
    graph = model.graph
    graph.input[0].type.tensor_type.elem_type = onnx.TensorProto.FLOAT
    for cast in [node for node in graph.node if node.op_type == "Cast" and node.input[0] == port]:
        graph.node.remove(cast)
        for node in graph.node:
            node.input[:] = [port if name == cast.output[0] else name for name in node.input]
    return model.SerializeToString(), port, images.astype(np.float32), outputs


@contextlib.contextmanager
def captured():
    """Redirects the output of C code to a file, so that it does not interrupt a table."""
    sys.stdout.flush()
    saved = [os.dup(stream) for stream in (1, 2)]
    with tempfile.TemporaryFile("w+", errors="replace") as text:
        for stream in (1, 2):
            os.dup2(text.fileno(), stream)
        try:
            yield text
        finally:
            for stream, former in zip((1, 2), saved):
                os.dup2(former, stream)
                os.close(former)


def convert(work, model, command, result):
    """Runs a converter in the folder `work`."""
    with open(os.path.join(work, "model.onnx"), "wb") as file:
        file.write(model)
    status = subprocess.run(command, cwd=work, capture_output=True).returncode
    if status or not os.path.exists(os.path.join(work, result)):
        raise Unsupported(f"its converter ends with status {status}")


class Ncnn:
    """ncnn's package exports no C functions, so a call consists of several Python calls: 4 microseconds for a
    net of one ReLU. The allocators are the same as in ncnn's own benchmark."""
    name = "ncnn"

    def __init__(self, options, case, threads):
        import ncnn
        if case.batch > 1:
            raise Unsupported("computes one image per call")
        model, _, images, outputs = float_model(case)
        self.net = ncnn.Net()
        settings = self.net.opt
        settings.num_threads = threads
        # The allocators own the memory of `net`, so they are created later: Python destroys attributes in the
        # order of their creation.
        self.allocators = ncnn.UnlockedPoolAllocator(), ncnn.PoolAllocator()
        settings.blob_allocator, settings.workspace_allocator = self.allocators
        for word in dir(settings):
            if word.startswith(("use_fp16", "use_bf16", "use_int8", "use_vulkan")):
                setattr(settings, word, False)
        self.load(model, images.shape)
        self.images = ncnn.Mat(images[0]).clone()  # the copy has ncnn's alignment
        self.outputs = [f"out{i}" for i in range(len(outputs))]

    def load(self, model, shape):
        program = importlib.util.find_spec("pnnx").submodule_search_locations[0] + "/pnnx"
        with tempfile.TemporaryDirectory() as work, captured() as text:
            sizes = ",".join(map(str, shape))
            convert(work, model, [program, "model.onnx", f"inputshape=[{sizes}]f32", "fp16=0"],
                    "model.ncnn.param")
            base = os.path.join(work, "model.ncnn.")
            if self.net.load_param(base + "param") or self.net.load_model(base + "bin"):
                text.seek(0)
                raise Unsupported("does not load the converted net: " + text.readline().strip())

    def call(self):
        extractor = self.net.create_extractor()
        extractor.input("in0", self.images)
        return [extractor.extract(name)[1] for name in self.outputs]

    def results(self):
        return [np.moveaxis(np.array(output), 0, -1) for output in self.call()]

    @staticmethod
    def version():
        import ncnn
        return ncnn.__version__


class Mnn:
    """MNN's package has kernels up to AVX2, not AVX-512. MNN overwrites its input, so each call copies the
    image first."""
    name = "MNN"

    def __init__(self, options, case, threads):
        import MNN
        model, port, images, outputs = float_model(case)
        with captured():
            self.interpreter = self.load(model)
            self.session = self.interpreter.createSession({"backend": "CPU", "precision": "high",
                                                           "power": "high", "numThread": threads})
        self.host = lambda array: MNN.Tensor(array.shape, MNN.Halide_Type_Float, array,
                                             MNN.Tensor_DimensionType_Caffe)
        self.images, self.input = self.host(images), self.interpreter.getSessionInput(self.session, port)
        self.outputs, self.shapes = outputs, [channels_first(shape) for shape in case.shapes]

    @staticmethod
    def load(model):
        """Converts with the function that MNN's script mnnconvert calls. The script itself is not run,
        because it also installs packages and reports to a server."""
        import MNN
        function = "import sys, _tools; _tools.mnnconvert(sys.argv)"
        with tempfile.TemporaryDirectory() as work:
            convert(work, model, [sys.executable, "-c", function, "-f", "ONNX", "--modelFile", "model.onnx",
                                  "--MNNModel", "model.mnn"], "model.mnn")
            return MNN.Interpreter(os.path.join(work, "model.mnn"))

    def call(self):
        self.input.copyFrom(self.images)
        self.interpreter.runSession(self.session)

    def results(self):
        return [np.moveaxis(self.output(*pair), 1, -1) for pair in zip(self.outputs, self.shapes)]

    def output(self, name, shape):
        tensor = self.interpreter.getSessionOutput(self.session, name)
        host = self.host(np.zeros(tensor.getShape(), np.float32))
        tensor.copyToHostTensor(host)
        return np.array(host.getNumpyData()).reshape(shape)

    @staticmethod
    def version():
        import MNN
        return MNN.version()


MOBILE_PEERS = [Ncnn, Mnn]
