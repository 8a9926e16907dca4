"""State dicts whose names differ from the net's: layer K of nn.LSTM(num_layers=N) is iteration K of a repeat;
nn.MultiheadAttention and nn.Parameter have no modules for their weights. The same numbers under the net's own
names give the same model. Run by stacked.tap."""
# SPDX-License-Identifier: Apache-2.0
import json
import os
import subprocess
import compiled
from tap import check, finish, start

CNNC = os.environ["CNNC"]
PROGRAM = """net m {
    input x: 6x5
    repeat 3 { %s(4, direction=both, name="rnn") -> dropout(0.1) }
    %s(3, last=true, name="head.rnn") -> dense(2, name="out")
}
"""


def torch_name(name):
    """rnn.2.bias_hh_l0_reverse -> rnn.bias_hh_l2_reverse."""
    layer, _, member = name.rpartition(".")
    above, _, number = layer.rpartition(".")
    return f"{above}.{member.replace('_l0', '_l' + number)}" if number.isdigit() else name


def model_of(path):
    done = subprocess.run([CNNC, "m.cnn", "--weights=" + path, "--emit=model", "-o", "m.model"],
                          capture_output=True, text=True)
    with open("m.model", "rb") as file:
        return done, file.read() if done.returncode == 0 else b""


start("stacked")
for kind in "lstm", "gru", "rnn":
    with open("m.cnn", "w", encoding="utf-8") as file:
        file.write(PROGRAM % (kind, kind))
    facts = compiled.facts_of(CNNC, "m.cnn")
    compiled.write_weights(facts, "own.safetensors")
    with open("own.safetensors", "rb") as file:
        data = file.read()
    size = int.from_bytes(data[:8], "little")
    head = data[8:8 + size].decode()
    done, wanted = model_of("own.safetensors")
    for prefix in "", "module.":
        text = head
        for weight in sorted(facts["weights"], key=lambda row: -len(row["name"])):
            text = text.replace(f'"{weight["name"]}"', f'"{prefix}{torch_name(weight["name"])}"')
        with open("torch.safetensors", "wb") as file:
            file.write(len(text.encode()).to_bytes(8, "little") + text.encode() + data[8 + size:])
        done, got = model_of("torch.safetensors")
        names = "rnn.weight_hh_l2_reverse" in text and "rnn.2" not in text
        check(wanted and names and got == wanted, f"{kind}: PyTorch's names after '{prefix}'", done.stderr)
    text = head.replace("rnn.1.weight_ih_l0", "rnn.1.weight_ih_l1")
    with open("torch.safetensors", "wb") as file:
        file.write(len(text.encode()).to_bytes(8, "little") + text.encode() + data[8 + size:])
    done, got = model_of("torch.safetensors")
    check(done.returncode == 1 and "rnn.1.weight_ih_l0" in done.stderr, "  other names do not match",
          done.stderr)

# ---- parameters without a module of their own, as PyTorch names and shapes them
with open("m.cnn", "w", encoding="utf-8") as file:
    file.write("""net m {
    input x: 4x6
    cls = constant([1, 6], name="cls")
    all = cls -> concat(x, axis=length)
    gain = constant([6], name="stage.gamma")
    all -> multiply(gain)
    attn = conv(18, 1, name="enc.attn")
    slice(0..6)
    out = conv(6, 1, name="enc.attn.out_proj")
    output out
}
""")
facts = compiled.facts_of(CNNC, "m.cnn")
compiled.write_weights(facts, "own.safetensors")
with open("own.safetensors", "rb") as file:
    data = file.read()
size = int.from_bytes(data[:8], "little")
head = json.loads(data[8:8 + size])
done, wanted = model_of("own.safetensors")
check(wanted, "a net with attention and parameters", done.stderr)
RENAMED = {"cls.weight": ("cls", [1, 1, 6]), "stage.gamma.weight": ("stage.gamma", [6, 1, 1]),
           "enc.attn.weight": ("enc.attn.in_proj_weight", [18, 6]),
           "enc.attn.bias": ("enc.attn.in_proj_bias", [18]),
           "enc.attn.out_proj.weight": ("enc.attn.out_proj.weight", [6, 6])}
for prefix in "", "module.":
    theirs = {}
    for name, entry in head.items():
        other, shape = RENAMED.get(name, (name, entry.get("shape")))
        theirs[prefix + other if "shape" in entry else other] = dict(entry, shape=shape) if shape else entry
    text = json.dumps(theirs).encode()
    with open("torch.safetensors", "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text + data[8 + size:])
    done, got = model_of("torch.safetensors")
    check(got and got == wanted, f"  with PyTorch's names and shapes after '{prefix}'", done.stderr)
theirs = dict(head, **{"cls.weight": dict(head["cls.weight"], shape=[6, 1, 1])})
theirs["enc.attn.weight"] = dict(head["enc.attn.weight"], shape=[6, 18])
text = json.dumps(theirs).encode()
with open("torch.safetensors", "wb") as file:
    file.write(len(text).to_bytes(8, "little") + text + data[8 + size:])
done, got = model_of("torch.safetensors")
check(done.returncode == 1 and "enc.attn.weight is [6, 18]" in done.stderr,
      "  a transposed matrix does not match", done.stderr)
finish()
