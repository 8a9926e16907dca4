"""tail.py: the tail of detection nets (the layers after the convolutions): the share of each of these layers
in the time of the net, measured by the command `bench` of the executables. Needs no packages. The weights are
drawn from a normal distribution, with which the variance of values is the same in all layers. The weights of
the last layers before the tail have a larger deviation and a bias. With these, the tail has as much work as
for an image of many objects: thousands of scores are above the threshold, and boxes overlap."""
# SPDX-License-Identifier: Apache-2.0
import argparse, array, json, os, random, subprocess, tempfile

HERE = os.path.dirname(os.path.abspath(__file__))


def yolo_head(channel):
    """Deviation and bias of a channel's weights. With them, boxes are about as large as the anchors, and few
    boxes have an object."""
    return {2: (0.3, 0), 3: (0.3, 0), 4: (1.2, -7)}.get(channel % 10, (1, 0))


# source: the program; constants: its constants. allowed: the permitted share of the tail in the net's time,
# in percent. parts: {part of the tail: words in the names of its layers}. heads: for each layer before the
# tail, a function that returns the deviation of the random weights of a channel, and the channel's bias.
NETS = {
    "tiny_yolov3": {
        "source": os.path.join(HERE, "..", "examples", "yolo", "tiny_yolov3.cnn"), "constants": ["side=416"],
        "allowed": 2, "parts": {"yolo": ["yolo"], "concat": ["concat2"], "nms": ["found"]},
        "heads": {name: yolo_head for name in ("large.conv1", "small.conv1")}},
    "faster_rcnn": {
        "source": os.path.join(HERE, "programs", "faster_rcnn.cnn"), "constants": [], "allowed": 10,
        "parts": {"proposals": ["regions"], "roi_align": ["cut"], "decode": ["moved"], "nms": ["found"]},
        "heads": {"objects": lambda channel: (2, 0), "moves": lambda channel: (0.3, 0),
                  "likely": lambda channel: (1.5, 0), "deltas": lambda channel: (0.3, 0)}},
}


def numbers(name, shape, head):
    """The weights of one array, as bytes."""
    layer, member = name.rsplit(".", 1)
    count, inputs = 1, 1
    for i, size in enumerate(shape):
        count *= size
        inputs *= size if i else 1
    of_channel = head.get(layer, lambda channel: (1, 0))
    if member == "weight" and len(shape) > 1:
        deviation = (2 / inputs) ** 0.5
        some = array.array("f", (random.gauss(0, deviation) for _ in range(min(count, 1 << 18))))
        every = (some * (count // len(some) + 1))[:count]
        if layer in head:
            every = array.array("f", (x * of_channel(i // inputs)[0] for i, x in enumerate(every)))
        return every.tobytes()
    if member == "bias":
        return array.array("f", (of_channel(c)[1] for c in range(count))).tobytes()
    return array.array("f", [0 if member == "running_mean" else 1] * count).tobytes()


def write_weights(path, facts, head):
    random.seed(1)
    header, at = {}, 0
    for row in facts["weights"]:
        bytes_ = 4
        for size in row["shape"]:
            bytes_ *= size
        header[row["name"]] = {"dtype": "F32", "shape": row["shape"], "data_offsets": [at, at + bytes_]}
        at += bytes_
    text = json.dumps(header).encode()
    with open(path, "wb") as f:
        f.write(len(text).to_bytes(8, "little") + text)
        for row in facts["weights"]:
            f.write(numbers(row["name"], row["shape"], head))


def built(cnnc, net, work):
    """Builds the program with random weights as constants. Returns its path."""
    constants = [word for constant in net["constants"] for word in ("-D", constant)]
    facts = json.loads(subprocess.run([cnnc, net["source"], *constants, "--emit=json"], check=True,
                                      capture_output=True).stdout)
    weights, program = os.path.join(work, "random.safetensors"), os.path.join(work, "net")
    write_weights(weights, facts, net["heads"])
    subprocess.run([cnnc, net["source"], *constants, "--no-train", "-Wno-weights-order",
                    f"--weights={weights}", "-o", program], check=True)
    os.remove(weights)
    return program


def row(name, net, program, threads, seconds):
    run = subprocess.run([program, "bench", "--json", f"--threads={threads}", f"--seconds={seconds}"],
                         check=True, capture_output=True)
    layers = json.loads(run.stdout)["layers"]
    whole = sum(layer["ms"] for layer in layers)
    parts = {part: sum(layer["ms"] for layer in layers if any(word in layer["name"] for word in words))
             for part, words in net["parts"].items()}
    share = 100 * sum(parts.values()) / whole
    each = ", ".join(f"{part} {ms:.3f}" for part, ms in parts.items())
    print(f"| {name} | {threads} | {whole:.4g} | {each} | {share:.2f} % | {net['allowed']} % |", flush=True)


def main():
    parser = argparse.ArgumentParser(prog="bench/tail")
    parser.add_argument("--cnnc", required=True)
    parser.add_argument("--threads", default="1,2", type=lambda s: [int(n) for n in s.split(",")])
    parser.add_argument("--seconds", default=4, type=float)
    parser.add_argument("nets", nargs="*", default=list(NETS))
    options = parser.parse_args()
    print("| net | threads | ms per call | ms after the convolutions | share of these ms "
          "| largest allowed share |\n|---|---|---|---|---|---|")
    for name in options.nets:
        with tempfile.TemporaryDirectory() as work:
            program = built(options.cnnc, NETS[name], work)
            for threads in options.threads:
                row(name, NETS[name], program, threads, options.seconds)


if __name__ == "__main__":
    main()
