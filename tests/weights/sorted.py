# sorted.py: the cases of sorted.tap.
# SPDX-License-Identifier: Apache-2.0
import json, os, struct, subprocess
from tap import check, finish, start

start("sorted")


def write(path, shapes, notes=None, ordered=False):
    """A .safetensors file. shapes: names and shapes in the order of the model; they are written sorted."""
    header, at, data = {}, 0, b""
    if notes:
        header["__metadata__"] = notes
    for i, name in enumerate(shapes if ordered else sorted(shapes)):
        n = 1
        for size in shapes[name]:
            n *= size
        header[name] = {"dtype": "F32", "shape": list(shapes[name]), "data_offsets": [at, at + 4 * n]}
        data += struct.pack("<%df" % n, *([i + 1.0] * n))
        at += 4 * n
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + data)


def run(*words):
    return subprocess.run(words, capture_output=True, text=True, timeout=60)


def order(body, shapes, shape="3x4", **how):
    with open("m.cnn", "w") as file:
        file.write("net m {\n input x: %s\n %s\n}\n" % (shape, body))
    write("m.safetensors", shapes, **how)
    return run(os.environ["CNNC"], "m.cnn", "--weights=m.safetensors", "--match=order")


def paired(title, body, shapes, shape="3x4", **how):
    """The names in the order of the model are paired with the net's weights, one after the other."""
    done = order(body, shapes, shape, **how)
    theirs = [line.split(" = ")[0] for line in done.stdout.splitlines() if " = " in line and line[0] != "#"]
    check(done.returncode == 0 and theirs == list(shapes), title, done.stdout + done.stderr)


def refused(title, body, shapes, *says, shape="3x4"):
    done = order(body, shapes, shape)
    check(done.returncode == 1 and all(words in done.stderr for words in says), title, done.stderr)


def norm(layer, n=4):
    return {f"{layer}.{kind}": [n] for kind in ("weight", "bias", "running_mean", "running_var")}


paired("conv without bias, batchnorm", "conv(4, 1, bias=false) -> batchnorm",
       {"0.weight": [4, 4, 1], **norm(1)})
paired("twelve layers by number", "\n ".join(["dense(4, bias=false)"] * 12),
       {f"{i}.weight": [4, 4] for i in range(12)}, "4")
paired("numbers within names", "\n ".join(["dense(4)"] * 11),
       {f"stage{i // 4}.fc{i}.{kind}": size for i in range(11)
        for kind, size in (("weight", [4, 4]), ("bias", [4]))}, "4")
paired("kinds of a recurrent layer", "lstm(4)",
       {f"rnn.{kind}_l0": [16, 4] if "weight" in kind else [16]
        for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")})
paired("levels of a stack", "repeat 11 { lstm(4) }",
       {f"rnn.{kind}_l{level}": [16, 4] if "weight" in kind else [16] for level in range(11)
        for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")})
paired("other names with other shapes", "conv(8, 1) -> flatten -> dense(2)",
       {"conv1.weight": [8, 4, 1], "conv1.bias": [8], "fc.weight": [2, 24], "fc.bias": [2]})
refused("other names with equal shapes", "dense(4) -> relu -> dense(4)",
        {"hidden.weight": [4, 4], "hidden.bias": [4], "first.weight": [4, 4], "first.bias": [4]},
        "sorted by name", "first.weight", "hidden.weight", "--rename", shape="4")
refused("a bias for a weight of its shape", "conv(4, 1, bias=false) -> batchnorm",
        {"0.weight": [4, 4, 1], "0.bias": [4], "1.bias": [4], "1.running_mean": [4], "1.running_var": [4]},
        "another kind of parameter: batchnorm1.weight (paired with 0.bias)")
for notes in {"net": "m"}, {"format": "keras"}:
    paired(f"a file with {notes} has the order of its net",
           "dense(4, bias=false) -> relu -> dense(4, bias=false)",
           {"a.weight": [4, 4], "b.weight": [4, 4]}, "4", notes=notes)
paired("names in another order are in the order of the model", "dense(4) -> relu -> dense(4)",
       {"hidden.weight": [4, 4], "hidden.bias": [4], "first.weight": [4, 4], "first.bias": [4]}, "4",
       ordered=True)

# --init of executables
with open("t.cnn", "w") as file:
    file.write("net t {\n input x: 4\n dense(4) -> batchnorm -> relu -> dense(4) -> dense(3)\n"
               " train { loss = mse; epochs = 1; batch = 4 }\n}\n")
done = run(os.environ["CNNC"], "t.cnn", "-O0", "-o", "t")
check(done.returncode == 0, "an executable", done.stderr)
train = ["./t", "train", "--data", "synthetic", "--limit", "8", "--match=order", "--out", "w.safetensors",
         "--init"]
write("init.safetensors", {"0.weight": [4, 4], "0.bias": [4], **norm(1), "10.weight": [4, 4], "10.bias": [4]})
done = run(*train, "init.safetensors")
check(done.returncode == 0 and "8 of 10 weights loaded" in done.stderr and
      "10.weight = dense2.weight\n10.bias = dense2.bias\n" in done.stderr and
      "1.running_var = batchnorm1.running_var\n" in done.stderr, "--init pairs kinds and numbers",
      done.stdout + done.stderr)
write("init.safetensors", {"b.weight": [4, 4], "b.bias": [4], "a.weight": [4, 4], "a.bias": [4]})
done = run(*train, "init.safetensors")
check(done.returncode == 1 and "sorted by name" in done.stderr, "  and rejects an unknown order",
      done.stdout + done.stderr)
finish()
