# visualize.py: the cases of visualize.tap. Drawn values are also written as numbers, and these numbers are
# compared with predictions: features with outputs, saliency with differences, occlude with predictions of
# covered inputs, dream with its target class.
# SPDX-License-Identifier: Apache-2.0
import json, math, os, random, struct, subprocess, zlib
from tap import check, finish, start

start("look")


def exits(status, title, *words, says=""):
    done = subprocess.run(words, capture_output=True, text=True, timeout=120)
    both = done.stdout + done.stderr
    check(done.returncode == status and says in both, title,
          f"{' '.join(words)}: exit {done.returncode}\n{both}")
    return done


def build(name, text, *options):
    with open(name + ".cnn", "w") as file:
        file.write(text)
    exits(0, f"{name} is built", os.environ["CNNC"], name + ".cnn", "-o", name, *options)


def write_npy(path, shape, values, code="f", kind="<f4"):
    head = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': ({''.join(f'{n}, ' for n in shape)}), }}"
    head += " " * ((64 - (11 + len(head)) % 64) % 64) + "\n"
    with open(path, "wb") as file:
        file.write(b"\x93NUMPY\1\0" + struct.pack("<H", len(head)) + head.encode() +
                   struct.pack(f"<{len(values)}{code}", *values))


def read_npy(path):
    with open(path, "rb") as file:
        data = file.read()
    length = struct.unpack("<H", data[8:10])[0]
    shape = eval(data[10:10 + length].decode())["shape"]
    return shape, struct.unpack(f"<{math.prod(shape)}f", data[10 + length:])


def write_weights(program, path, seed):  # random values for every weight of the program
    random.seed(seed)
    facts = json.loads(subprocess.run([os.environ["CNNC"], program + ".cnn", "--emit=json", "-o", "-"],
                                      capture_output=True, text=True, check=True).stdout)
    header, data = {}, b""
    for weight in facts["weights"]:
        n = math.prod(weight["shape"])
        positive = weight["name"].endswith("running_var")
        data += struct.pack(f"<{n}f",
                            *(random.uniform(0.5, 1.5) if positive else random.uniform(-0.6, 0.6)
                              for _ in range(n)))
        header[weight["name"]] = {"dtype": "F32", "shape": weight["shape"],
                                  "data_offsets": [len(data) - 4 * n, len(data)]}
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + data)


def read_png(path):  # width, height, rows of RGB
    with open(path, "rb") as file:
        data = file.read()
    at, packed = 8, b""
    while at < len(data):
        size, kind = struct.unpack(">I4s", data[at:at + 8])
        body = data[at + 8:at + 8 + size]
        if kind == b"IHDR":
            width, height, depth, colour = struct.unpack(">IIBB", body[:10])
        packed += body if kind == b"IDAT" else b""
        at += 12 + size
    raw, channels = zlib.decompress(packed), 3 if colour == 2 else 1
    stride, rows, above = width * channels, [], bytes(width * channels)
    for y in range(height):
        kind, line = raw[y * (stride + 1)], bytearray(raw[y * (stride + 1) + 1:(y + 1) * (stride + 1)])
        for x in range(stride):
            a, b, c = line[x - channels] if x >= channels else 0, above[x], above[
                x - channels] if x >= channels else 0
            p = a + b - c
            paeth = a if abs(p - a) <= abs(p - b) and abs(p - a) <= abs(p - c) else b if abs(p - b) <= abs(
                p - c) else c
            line[x] = line[x] + [0, a, b, (a + b) // 2, paeth][kind] & 255
        rows.append(bytes(line))
        above = bytes(line)
    return width, height, rows


def colours(rows):
    return {row[x:x + 3] for row in rows for x in range(0, len(row), 3)}


def content(path):
    with open(path, "rb") as file:
        return file.read()


DARK_BLUE, DARK_RED, YELLOW = bytes((16, 42, 99)), bytes((107, 10, 36)), bytes((253, 231, 37))

# ---- smooth operators, values of all kinds: the numbers are compared
build("smooth", """net smooth {
    input image: 6x5x3 (layout=chw)
    first = conv(4, 3x3, pad=same) -> tanh
    second = conv(4, 3x3, pad=same) -> sigmoid -> add(first) -> batchnorm -> dropout(0.5)
    avgpool(2, stride=2) -> flatten
    last = dense(3)
}
""", "--target=x86-64-v3,x86-64" if os.uname().machine == "x86_64" else "--target=native")
write_weights("smooth", "w.safetensors", 1)
W = ("--weights", "w.safetensors")
random.seed(2)
image = [random.uniform(-1, 1) for _ in range(6 * 5 * 3)]
write_npy("x.npy", (6, 5, 3), image)
exits(0, "predictions", "./smooth", "predict", "x.npy", *W, "-o", "y.npy")
output = read_npy("y.npy")[1]
exits(0, "features of the last layer", "./smooth", "features", "x.npy", *W, "--layer", "last", "-o", "f.npy")
check(max(abs(a - b) for a, b in zip(output, read_npy("f.npy")[1])) < 1e-5, "are the output",
      (output, read_npy("f.npy")))
exits(0, "features of a layer in the middle", "./smooth", "features", "x.npy", *W, "--layer", "first", "-o",
      "f.npy")
shape, values = read_npy("f.npy")
exits(0, "and of the one after it", "./smooth", "features", "x.npy", *W, "--layer", "tanh1", "-o", "g.npy")
check(shape == (6, 5, 4) and max(abs(math.tanh(a) - b) for a, b in zip(values, read_npy("g.npy")[1])) < 1e-5,
      "are its input and its output", shape)

exits(0, "the gradient of a score", "./smooth", "saliency", "x.npy", *W, "--class", "1", "-o", "s.npy")
shape, gradient = read_npy("s.npy")
step, batch = 2 ** -6, []
for i in range(len(image)):
    for sign in (1, -1):
        batch += image[:i] + [image[i] + sign * step] + image[i + 1:]
write_npy("batch.npy", (2 * len(image), 6, 5, 3), batch)
exits(0, "  predictions nearby", "./smooth", "predict", "batch.npy", *W, "-o", "near.npy")
near = read_npy("near.npy")[1]
differences = [(near[6 * i + 1] - near[6 * i + 4]) / (2 * step) for i in range(len(image))]
largest = max(map(abs, differences))
check(shape == (6, 5, 3) and max(abs(a - b) for a, b in zip(gradient, differences)) < 2e-3 * largest,
      "  it is that of differences", (gradient[:6], differences[:6]))

exits(0, "a program of -O1", os.environ["CNNC"], "smooth.cnn", "-O1", "-o", "quick")
exits(0, "  reference schedule", "./quick", "features", "x.npy", *W, "--layer", "tanh1", "-o", "q.npy")
check(max(abs(a - b) for a, b in zip(read_npy("g.npy")[1], read_npy("q.npy")[1])) < 1e-5,
      "    and prints the same features")
exits(0, "  and gradients", "./quick", "saliency", "x.npy", *W, "--class", "1", "-o", "q.npy")
check(max(abs(a - b) for a, b in zip(gradient, read_npy("q.npy")[1])) < 1e-5 * largest, "    are the same")

exits(0, "an image of it", "./smooth", "saliency", "x.npy", *W, "-o", "s.png")
width, height, rows = read_png("s.png")
check(width > 300 and height > 200 and YELLOW in colours(rows),
      "  has the brightest color where the gradient is largest", (width, height))
exits(0, "smoothed", "./smooth", "saliency", "x.npy", *W, "--smooth", "8", "--seed", "5", "-o", "s2.png")
exits(0, "  again", "./smooth", "saliency", "x.npy", *W, "--smooth", "8", "--seed", "5", "-o", "s3.png")
check(content("s2.png") == content("s3.png") != content("s.png"), "  gives the same bytes")

# ---- bytes, classes, labels
build("bytes", """net bytes {
    input image: 12x10x1 as u8
    normalize(scale=1/255)
    conv1 = conv(6, 3x3)
    relu
    maxpool(2) -> conv(8, 3x3) -> leaky_relu -> flatten -> dense(4) -> softmax
    labels ["north", "east", "south", "west"]
}
""")
write_weights("bytes", "b.safetensors", 3)
B = ("--weights", "b.safetensors")
picture = [random.randrange(256) for _ in range(120)]
write_npy("p.npy", (12, 10, 1), picture, "B", "|u1")
scores = json.loads(exits(0, "a prediction", "./bytes", "predict", "p.npy", *B, "--json").stdout)[0]
done = exits(0, "occlusion", "./bytes", "occlude", "p.npy", *B, "--window", "3", "--stride", "2", "--fill",
             "128", "-o", "o.npy")
shape, value = read_npy("o.npy")
check(shape == (6, 5), "  has a number for each position of the window", shape)
covered, places = [], []
for row in range(shape[0]):
    for column in range(shape[1]):
        top, left, one = min(2 * row, 9), min(2 * column, 7), list(picture)
        for y in range(top, top + 3):
            one[y * 10 + left:y * 10 + left + 3] = [128] * 3
        covered += one
        places.append((top, left))
write_npy("covered.npy", (len(places), 12, 10, 1), covered, "B", "|u1")
wanted = [p["scores"][scores["class"]]
          for p in json.loads(exits(0, "  equal predictions of covered images", "./bytes", "predict",
                                    "covered.npy", *B, "--json").stdout)]
check(max(abs(a - b) for a, b in zip(value, wanted)) < 1e-5, "  for probabilities", (value, wanted))
top, left = places[value.index(min(value))]
check(f"rows {top} to {top + 2}, columns {left} to {left + 2} covered" in done.stdout
      and scores["label"] in done.stdout, "  the most important one is reported", done.stdout)
exits(0, "  an image of it", "./bytes", "occlude", "p.npy", *B, "-o", "o.png")
check(DARK_RED in colours(read_png("o.png")[2]) or DARK_BLUE in colours(read_png("o.png")[2]),
      "  has the darkest color at the most important region")

done = exits(0, "a dream", "./bytes", "dream", *B, "--output", "South", "--steps", "60", "-o", "d.npy")
words = done.stdout.replace(",", "").split()
check(words[0] == "south:" and float(words[4]) > float(words[2]) + 0.05, "  raises its score", done.stdout)
exits(0, "  predicted as the requested class", "./bytes", "predict", "d.npy", *B, says="d.npy[0]: south")
exits(0, "  all of them on one page", "./bytes", "dream", *B, "--output", "all", "--steps", "5", "-o",
      "d.png")
exits(0, "  and the same again", "./bytes", "dream", *B, "--output", "all", "--steps", "5", "-o", "d2.png")
check(content("d.png") == content("d2.png"), "  gives the same bytes")
exits(0, "  from an image", "./bytes", "dream", *B, "--output", "2", "--from", "p.npy", "--steps", "5",
      "-o", "d.png", says="south")

exits(0, "all features", "./bytes", "features", "p.npy", *B, "-o", "f.png")
exits(0, "a layer, eight pixels per value", "./bytes", "features", "p.npy", *B, "--layer", "conv1",
      "--scale", "8", "--channels", "4", "-o", "f1.png")
width, height, rows = read_png("f1.png")
check(width >= 4 * 8 * 8 and height >= 10 * 8 and {DARK_RED, DARK_BLUE} & colours(rows),
      "  show the largest value", (width, height))
exits(0, "filters of the first convolution", "./bytes", "filters", *B, "--scale", "16", "-o", "k.png")
width, height, rows = read_png("k.png")
check(width >= 3 * (3 * 16) and {DARK_RED, DARK_BLUE} & colours(rows), "  show the largest weight",
      (width, height))
exits(0, "filters of many channels", "./bytes", "filters", *B, "--layer", "conv2", "-o", "k2.png")
exits(0, "weights of a dense layer", "./bytes", "filters", *B, "--layer", "dense1", "-o", "k3.png")

# ---- sequences, several inputs, nets without parameters
build("tones",
      "net tones { input sound: 20x5 \n conv(6, 3) -> relu -> global_avgpool -> dense(2) -> softmax }\n")
write_weights("tones", "t.safetensors", 4)
write_npy("t.npy", (20, 5), [random.uniform(-1, 1) for _ in range(100)])
for words in (["features", "t.npy"], ["features", "t.npy", "--layer", "conv1"], ["filters"],
              ["saliency", "t.npy"], ["occlude", "t.npy"], ["dream", "--output", "1", "--steps", "5"]):
    exits(0, "a sequence: " + " ".join(words), "./tones", *words, "--weights", "t.safetensors", "-o",
          "out.png")
exits(0, "positions of a sequence are covered", "./tones", "occlude", "t.npy", "--weights",
      "t.safetensors", "-o", "out.npy", says="with positions ")
exits(0, "features of a sequence", "./tones", "features", "t.npy", "--weights", "t.safetensors", "-o",
      "out.png")


def lines_of_frames(rows):  # begin and end of the frames around wide panels
    found = []
    for row in rows:
        pixels = [tuple(row[i:i + 3]) for i in range(0, len(row), 3)]
        frame = [x for x, pixel in enumerate(pixels) if pixel == (176, 176, 184)]
        if len(frame) > 700:
            found.append((frame[0], next(x for x in frame if x + 1 not in frame)))
    return found


ends = lines_of_frames(read_png("out.png")[2])
# two lines for each strip: the input has 20 positions, conv1 and relu1 have fewer
check(len(ends) == 6 and len(set(ends)) == 1, "  all strips are aligned", ends)
build("longnames",
      "net longnames { input x: 8x8x1 \n conv(2, 3x3, name=\"a.layer.of.quite.a.long.name.indeed\") -> "
      "flatten -> dense(2) }\n")
lines = exits(0, "bench with long names", "./longnames", "bench", "--seconds", "0.05").stdout.splitlines()
table = lines[lines.index("") + 1:] if "" in lines else []
check(len(table) > 1 and len({len(line) for line in table}) == 1, "  aligns its columns", lines)
build("edges",
      "net edges { input image: 6x6x1 as u8 \n conv(1, 3x3, init=[[1, 0, -1], [2, 0, -2], [1, 0, -1]], "
      "bias=false, frozen=true) -> abs }\n")
write_npy("e.npy", (6, 6, 1), list(range(0, 252, 7)), "B", "|u1")
for words in (["features", "e.npy"], ["filters"], ["saliency", "e.npy"], ["occlude", "e.npy"],
              ["dream", "--output", "0", "--steps", "5"]):
    exits(0, "constant weights: " + " ".join(words), "./edges", *words, "-o", "out.png")

# ---- weights with init= but without frozen=true are not compiled in
FROZEN = "weights from init= are compiled in if the layer has frozen=true"
for name, init, hinted in ("given", "[[1, 0, -1], [2, 0, -2], [1, 0, -1]]", True), ("drawn", "he", False):
    build(name, f"net {name} {{ input image: 6x6x1 as u8 \n conv(1, 3x3, bias=false, init={init}) }}\n")
    done = exits(2, f"init={init[:6]} without weights", f"./{name}", "predict", "e.npy",
                 says="this command needs --weights")
    check((FROZEN in done.stderr) == hinted, "  names frozen=true" if hinted else "  needs them", done.stderr)

# ---- values that an image file cannot show are reported: clamped values, other outputs, NaN and infinities
build("roots",
      "net roots { input image: 8x8x1 as u8 \n x = image -> normalize(scale=1/16) -> add(-4) \n"
      " root = x -> power(0.5) \n fine = image -> normalize(scale=1/255) \n output x, fine, root }\n")
write_npy("ramp.npy", (8, 8, 1), [4 * i for i in range(64)], "B", "|u1")
done = exits(0, "predict as an image", "./roots", "predict", "ramp.npy", "-o", "x.png",
             says='x.png: the values of "x", -4 to 11.75, are clamped to 0..1\n')
check('x.png: shows the output "x", the first of 3 outputs that are images\n' in done.stderr
      and "`features` draws each output on its own scale" in done.stderr, "  names the output", done.stderr)
check("16 output values are NaN or infinite (first: ramp.npy, output \"root\")" in done.stderr,
      "  and reports NaN and infinities", done.stderr)
done = exits(0, "predict as lines", "./roots", "predict", "ramp.npy",
             says="roots: warning: 16 output values are NaN or infinite")
check("cut to" not in done.stderr, "  clamps nothing", done.stderr)
exits(0, "features names the first layer", "./roots", "features", "ramp.npy", "-o", "x.png",
      says="roots: warning: 16 of 64 values of root (power, line 3) are NaN or infinite\n")
build("rooted", "net rooted { input image: 8x8x1 \n power(0.5) -> flatten\n"
      " dense(2, init=ones, frozen=true) }\n")
write_npy("nan.npy", (8, 8, 1), [math.nan] * 64)
for command in "saliency", "occlude":
    exits(0, f"  and so does {command}", "./rooted", command, "nan.npy", "-o", "nan.png",
          says="rooted: warning: 64 of 64 values of power1 (power, line 2) are NaN or infinite; so are ")
MAGENTA = bytes((255, 0, 200))
check(MAGENTA in colours(read_png("x.png")[2]), "  and draws them in a separate color")
build("wide", "net wide { input image: 8x8x1 as u8 \n normalize(scale=1/16) }\n")
exits(0, "predict as an image of the only output", "./wide", "predict", "ramp.npy", "-o", "x.png",
      says="clamped to 0..1\nthe command `features` draws the output on its own scale\n")
build("sound", "net sound { input image: 8x8x1 as u8 \n normalize(scale=1/255) }\n")
done = exits(0, "values from 0 to 1 of one output", "./sound", "predict", "ramp.npy", "-o", "x.png")
check(not done.stderr, "  need no line", done.stderr)
exits(0, "  nor do features", "./sound", "features", "ramp.npy", "-o", "x.png")
check(MAGENTA not in colours(read_png("x.png")[2]), "  have the separate color")
os.remove("x.png")

# ---- command lines
for command in "features", "filters", "dream", "occlude", "saliency":
    exits(0, f"{command} --help", "./bytes", command, "--help", says=f"usage: bytes {command}")
for words in (["features", "-o", "x.png"], ["features", "p.npy"], ["features", "p.npy", "-o", "x.jpg"],
              ["features", "p.npy", "-o", "x.npy"], ["features", "p.npy", "p.npy", "-o", "x.png"],
              ["filters"], ["filters", "-o", "x.npy"], ["dream", "-o", "x.png"], ["dream", "--output", "1"],
              ["dream", "--output", "1", "--steps", "0", "-o", "x.png"], ["occlude", "p.npy"],
              ["occlude", "p.npy", "--window", "0", "-o", "x.png"],
              ["saliency", "p.npy", "--smooth", "0", "-o", "x.png"]):
    exits(2, "exit 2: " + " ".join(words), "./bytes", *words, *B, says="bytes")
exits(2, "no weights", "./bytes", "saliency", "p.npy", "-o", "x.png", says="--weights")
for words, says in ((["features", "p.npy", "--layer", "conv"], "the nearest is 'conv1'"),
                    (["filters", "--layer", "relu1"], "no filters"),
                    (["dream", "--output", "up"], "no output 'up'"),
                    (["dream", "--output", "4"], "no output '4'"),
                    (["saliency", "p.npy", "--class", "-1"], "no output '-1'"),
                    (["saliency", "nowhere.png"], "nowhere.png"),
                    (["saliency", "p.npy", "--index", "1"], "no sample 1"),
                    (["occlude", "p.npy", "--window", "40"], "covers all"), (["features", "x.npy"], "x.npy")):
    exits(1, "refused: " + " ".join(words), "./bytes", *words, *B, "-o", "x.png", says=says)
exits(1, "a directory that does not exist", "./bytes", "filters", *B, "-o", "no/such.png", says="no/such.png")
check(not os.path.exists("x.png"), "nothing was written")
finish()
