"""recurrent.py CNNC: recurrent layers and states, exported to ONNX and imported again. The imported program
must equal the original one and return the same results in each call. If onnxruntime is installed, it must
also return these results."""
# SPDX-License-Identifier: Apache-2.0
import os, re, sys
import compiled
from tap import check, finish, start

cnnc = os.path.abspath(sys.argv[1])
CALLS = 3
LAYERS = """net layers {
    input x: 6x5
    input v: 7
    h = v -> dense(8)
    d4 = v -> dense(4) -> tanh
    a = x -> lstm(4)
    b = a -> lstm(4, direction=both, hidden=h, bias=false)
    c = b -> gru(5, direction=reverse)
    d = c -> gru(6, reset=before, last=true)
    e = a -> rnn(3, direction=both, last=true, activation=relu)
    f = v -> gru(4, bias=false)
    g = a -> lstm(4, cell=d4, hidden=d4, direction=reverse, last=true)
    output b, c, d, e, f, g
}
"""
STATES = """net states {
    input x: 3x5
    past = state(2x5, init=[1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
    half = state(4, init=0.5)
    rows = past -> concat(x, axis=length)
    rows -> crop([3, 0]) -> update(past)
    a = rows -> lstm(4, keep=true)
    b = a -> gru(6, keep=true, last=true) -> dense(4) -> update(half) -> add(half)
    c = a -> rnn(3, keep=true) -> relu
    output a, b, c
}
"""


def argument_order(call):
    """A call with its named arguments sorted."""
    head, _, rest = call.partition("(")
    return head + "(" + ", ".join(sorted(re.split(r", (?![^\[]*\])", rest[:-1]))) + ")"


def statements(path):
    """The calls of a program without the names that the importer gives; lines of states come first."""
    calls = re.findall(r"\w+\((?:[^()]|\([^()]*\))*\)", re.sub(r"#.*", "", open(path).read()))
    calls = [re.sub(r', name="[^"]*"|_\b', "", call) for call in calls]
    return sorted(argument_order(re.sub(r"(hidden|cell)=\w+", r"\1", call)) for call in calls)


def there_and_back(name, text, options=()):
    with open(name + ".cnn", "w") as file:
        file.write(text)
    facts = compiled.facts_of(cnnc, name + ".cnn")
    compiled.write_weights(facts, name + ".safetensors")
    made = compiled.command(cnnc, name + ".cnn", f"--weights={name}.safetensors", "-o", name + ".onnx")
    check(made.returncode == 0, f"{name} is written as ONNX", made.stderr)
    made = compiled.command(cnnc, "import", name + ".onnx", "-o", name + "_back", *options)
    check(made.returncode == 0, "  and is imported again", made.stderr)


def check_program(name):
    ours, theirs = statements(name + ".cnn"), statements(name + "_back.cnn")
    check(ours == theirs, "  as the same program", f"{ours}\n{theirs}")


def check_calls(name, nets):
    """Compares two programs, or onnxruntime and a program: the same numbers in each call."""
    for call in range(CALLS):
        inputs = compiled.draw_inputs(nets[0].facts, seed=call)
        wanted, got = (net(inputs) for net in nets)
        worst = max(compiled.difference(y, x) for x, y in zip(wanted, got))
        check(worst < 1e-5, f"{name}, call {call + 1}", f"differs by {worst} of the largest")


class Session:
    """onnxruntime's results; outputs NAME_next are the inputs NAME of the next call."""

    def __init__(self, net, path, first):
        import numpy
        import onnxruntime
        self.numpy, self.net = numpy, net
        self.session = onnxruntime.InferenceSession(path)
        self.state = {}
        for port in self.session.get_inputs():
            if port.name + "_next" in [o.name for o in self.session.get_outputs()]:
                sizes = [1 if isinstance(n, str) else n for n in port.shape]
                self.state[port.name] = numpy.zeros(sizes, "f4") + numpy.float32(first.get(port.name, 0))

    def ours(self, array, shape):
        """[1,C,H,W] in the layout of the program."""
        return list((self.numpy.moveaxis(array[0], 0, -1) if len(shape) > 1 else array).reshape(-1))

    def __call__(self, inputs):
        feeds = dict(self.state)
        for port, x in zip(self.net.facts["inputs"], inputs):
            value = self.numpy.array(x, "f4").reshape(port["shape"])
            feeds[port["name"]] = (self.numpy.moveaxis(value, -1, 0) if value.ndim > 1 else value)[None]
        names = [o.name for o in self.session.get_outputs()]
        made = dict(zip(names, self.session.run(None, feeds)))
        self.state = {name: made[name + "_next"] for name in self.state}
        return [self.ours(made[port["name"]], port["shape"]) for port in self.net.facts["outputs"]]


def check_numbers(name, first):
    net = compiled.Net(cnnc, name + ".cnn", name + ".safetensors", name)
    check_calls(f"{name} and what came back",
                [net, compiled.Net(cnnc, name + "_back.cnn", name + "_back.safetensors", name + "_back")])
    try:
        session = Session(net, name + ".onnx", first)
    except ImportError:
        print("# onnxruntime is not installed: its results were not compared")
        return
    again = compiled.Net(cnnc, name + ".cnn", name + ".safetensors", name + "2")
    session.net = again
    session.facts = again.facts
    check_calls(f"{name} and onnxruntime", [again, session])


def refused(call, why):
    with open("no.cnn", "w") as file:
        file.write("net no {\n    input x: 3x5\n    %s\n}\n" % call)
    compiled.write_weights(compiled.facts_of(cnnc, "no.cnn"), "no.safetensors")
    made = compiled.command(cnnc, "no.cnn", "--weights=no.safetensors", "-o", "no.onnx")
    check(made.returncode == 1 and why in made.stderr, f"{call} has no form", made.stderr)


start("recurrent")
there_and_back("layers", LAYERS)
check_program("layers")
check_numbers("layers", {})
there_and_back("states", STATES)
check_program("states")
check_numbers("states", {"past": [[c + 1, c + 6] for c in range(5)], "half": 0.5})
there_and_back("pairs", STATES.replace("net states", "net pairs"), ["--state=half=half_next"])
text = open("pairs_back.cnn").read()
check("half = state(4)" in text and "init=[1, 2" in text, "  where --state names one of its states", text)
refused("lstm(4, project=2)", "a projection of h")
refused("lstm(4, clip=2)", "clip of lstm limits the cell state c")
finish()
