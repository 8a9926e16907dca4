# file_formats.py: the cases of file_formats.tap: executables read files that other programs write.
# SPDX-License-Identifier: Apache-2.0
import json, os, struct, subprocess, unicodedata, zipfile
from tap import check, finish, start

start("formats")


def exits(status, title, *words, says="", silent=None):
    done = subprocess.run(words, capture_output=True, text=True, timeout=120)
    both = done.stdout + done.stderr
    good = done.returncode == status and says in both and (silent is None or silent not in both)
    check(good, title, f"{' '.join(words)}: exit {done.returncode}\n{both}")
    return done


def build(name, text, *options):
    with open(name + ".cnn", "w") as file:
        file.write(text)
    exits(0, f"{name} is built", os.environ["CNNC"], name + ".cnn", "-o", name, *options)


def write(path, data):
    with open(path, "wb") as file:
        file.write(data if isinstance(data, bytes) else data.encode())


def tensors(path):
    data = open(path, "rb").read()
    n = struct.unpack("<Q", data[:8])[0]
    return json.loads(data[8:8 + n]), data[8 + n:]


def rename(source, target, names, metadata=None):  # the same tensors with other names
    header, data = tensors(source)
    header.pop("__metadata__", None)
    header = {names(name): entry for name, entry in header.items()}
    if metadata:
        header["__metadata__"] = metadata
    text = json.dumps(header).encode()
    write(target, struct.pack("<Q", len(text)) + text + data)


# ---- tables
build("beans", """net beans {
    input sizes: 3
    dense(8) -> relu
    dense(2) -> softmax
    labels ["small", "large"]
    train { loss = cross_entropy; optimizer = adam(rate=0.05); epochs = 30; batch = 8 }
}
""")
rows = [(3 + i % 7 * 0.1, 1 + i % 5 * 0.1, "small") if i % 2 else (6 + i % 7 * 0.1, 3 - i % 5 * 0.1, "large")
        for i in range(60)]
write("beans.csv", "length,width,kind,color\n" + "".join(f"{a:.2f},{b:.2f},{kind},{a * b:.3f}\n" for a, b,
                                                          kind in rows))
exits(1, "the last column is the target", "./beans", "train", "--data", "beans.csv",
      says="beans.csv:2: column 4 (color): '18.000' is not one of the net's labels; --target names another "
           "column")
exits(0, "a table is learnt", "./beans", "train", "--data", "beans.csv", "--target", "kind",
      says="CSV with a header: 54 training, 6 validation and 0 test samples, 2 classes")
done = exits(0, "and evaluated", "./beans", "eval", "--data", "beans.csv", "--target", "kind", "--weights",
             "beans.safetensors", "--json")
facts = json.loads(done.stdout)
check(facts["metrics"]["accuracy"] > 0.95 and [c["label"] for c in facts["classes"]] == ["small", "large"],
      "  with the names of its classes", facts)
exits(0, "resuming needs no --target", "./beans", "train", "--data", "beans.csv", "--resume",
      "--epochs", "31", says="CSV with a header")
exits(1, "an unknown column", "./beans", "eval", "--data", "beans.csv", "--target", "kinds",
      "--weights", "beans.safetensors", says="did you mean 'kind'?")
exits(1, "--target of another set", "./beans", "train", "--data", "synthetic", "--target", "kind",
      says="only tables (.csv) have a target column")

# ---- tables to predict
BEANS = ("./beans", "predict", "--weights", "beans.safetensors")
done = exits(0, "rows with the target", *BEANS, "beans.csv", "--target", "kind")
lines = done.stdout.splitlines()
check(len(lines) == 60 and all(line.startswith(f"beans.csv[{i}]: {rows[i][2]} ") for i,
                               line in enumerate(lines)),
      "  are listed by name, in their order", done.stdout)
header, *cells = [line.split(",") for line in open("beans.csv").read().splitlines()]
write("bare.csv", "".join(f"{a},{b},{c}\n" for a, b, _, c in [header, *cells]))
done = exits(0, "rows without it", *BEANS, "bare.csv")
check(done.stdout.replace("bare", "beans").splitlines() == lines, "  are the same", done.stdout)
write("last.tsv", "".join(f"{a}\t{b}\t{c}\t{kind if i % 2 else ''}\n" for i,
                          (a, b, kind, c) in enumerate(cells)))
done = exits(0, "the last column is the target, with any contents", *BEANS, "last.tsv")
check(done.stdout.replace("last.tsv", "beans.csv").splitlines() == lines, "  without a header, too",
      done.stdout)
exits(0, "raw outputs of rows", *BEANS, "bare.csv", "-o", "bare.npy")
check(open("bare.npy", "rb").read(90).count(b"(60, 2)") == 1, "  are one array")
exits(0, "rows as JSON", *BEANS, "bare.csv", "--json", says='"index": 59')
write("more.csv", "".join(f"1,{a},{b},{c},{kind}\n" for a, b, kind, c in cells))
exits(1, "too many columns", *BEANS, "more.csv",
      says='has 5 columns, but the input "sizes" has 3 values; --target=NAME ignores a column')
exits(1, "a cell that is not a number", *BEANS, "beans.csv",
      says="beans.csv:2: column 3 (kind): 'large' is not a number")
build("four", "net four { input image: 4x4x1 \n conv(1, 3x3, init=ones, bias=false, frozen=true) }\n")
build("steps", "net steps { input x: 4x2 \n conv(1, 3, init=ones, bias=false, frozen=true) }\n")
write("rows.csv", "".join(f"{i},{i + 1},{i + 2},{i + 3}\n" for i in range(7, 23, 4)))
for program, values, kind in ("four", 16, "image"), ("steps", 8, "sequence"):
    exits(1, f"a line for each row of one {kind}", f"./{program}", "predict", "rows.csv",
          says=f"has {values} values; a line is one sample, with all {values} values of its {kind}")
for first in 0, 1, 7:  # 0 and 1: as pandas numbers columns
    write("line.csv", ",".join(str(first + i) for i in range(16)) + "\n")
    corner = 9 * (first + 5)
    exits(0, f"a line alone from {first} is a sample", "./four", "predict", "line.csv",
          says=f"line.csv[0]: {corner} {corner + 9} {corner + 36} {corner + 45}\n")
write("lines.csv", "\n".join(",".join(str(i) for i in range(16)) for _ in range(2)))
done = exits(0, "  before others it numbers the columns", "./four", "predict", "lines.csv",
             says="lines.csv[0]: ")
check("lines.csv[1]" not in done.stdout, "    and is not a sample", done.stdout)
write("a.png", b"no picture")
exits(1, "--target of a file that is not a table", *BEANS, "beans.safetensors", "--target", "kind",
      says="nor a table (.csv)")

# ---- tables in other encodings
build("cafes", """net cafes {
    input sizes: 3
    dense(2) -> softmax
    labels ["café", "thé"]
    train { loss = cross_entropy; epochs = 1 }
}
""")
cafes = "a,b,c,kind\n" + "".join(f"{900 * i},{i},1,{'thé' if i % 2 else 'café'}\n" for i in range(30))
write("latin.csv", cafes.encode("latin-1"))
for words in ("./cafes", "train", "--data", "latin.csv"), ("./beans", "predict", "latin.csv", "--weights",
                                                           "beans.safetensors"):
    exits(1, f"{words[1]} of Latin-1", *words,
          says='latin.csv:2: is not UTF-8: the byte 0xE9; a table in Latin-1 or Windows-1252 is converted '
               'by iconv -f WINDOWS-1252 -t UTF-8 "latin.csv" >utf8.csv')
write("cafes.csv", unicodedata.normalize("NFD", cafes))
done = exits(0, "decomposed accents", "./cafes", "train", "--data", "cafes.csv", says="2 classes",
             silent="normalize")
check("hint: the input \"sizes\" has values from 0 to" in done.stderr
      and "after batchnorm, which scales each column" in done.stderr,
      "a hint for columns of other sizes", done.stderr)
build("scaled_cafes", open("cafes.cnn").read().replace("net cafes", "net scaled_cafes")
      .replace("dense", "batchnorm -> dense"))
exits(0, "  which removes it", "./scaled_cafes", "train", "--data", "cafes.csv", silent="hint")
write("digits.csv", "".join(",".join(str((p * i) % 256) for p in range(64)) + f",{i % 3}\n"
                            for i in range(30)))
PLAIN = ("net digits { input image: 8x8x1 \n conv(2, 3x3) -> relu -> flatten -> dense(3) \n train { loss = "
         "cross_entropy; epochs = 1 } }\n")
build("digits", PLAIN)
exits(0, "pixels in a table", "./digits", "train", "--data", "digits.csv", says="normalize(scale=1/255)")

# ---- raw values
plain = ("net %s { input image: 8x8x1%s \n %sconv(2, 3x3) -> relu -> flatten -> dense(3) \n train { loss = "
         "cross_entropy; epochs = 1 } }\n")
for name, type_, first, hint in (("raw", "", "", "0 to 255"), ("bytes", " as u8", "", "0 to 255"),
                                 ("signed", " as i8", "", "normalize(scale=1/128)"),
                                 ("scaled", "", "normalize(scale=1/255) \n ", None),
                                 ("normed", "", "batchnorm \n ", None)):
    build(name, plain % (name, type_, first))
    with zipfile.ZipFile(name + ".npz", "w") as archive:
        for key, shape, kind, values in ("x", (40, 8, 8), "|i1" if name == "signed" else "|u1",
                                         bytes(range(64)) * 40), ("y", (40,), "|u1",
                bytes(i % 3 for i in range(40))):
            sizes = "".join(f"{n}, " for n in shape)
            head = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': ({sizes}), }}"
            head += " " * ((64 - (11 + len(head)) % 64) % 64) + "\n"
            values = bytes(4 * v & 255 if key == "x" else v for v in values)
            archive.writestr(key + ".npy",
                             b"\x93NUMPY\1\0" + struct.pack("<H", len(head)) + head.encode() + values)
    words = ("./" + name, "train", "--data", name + ".npz", "--limit", "20")
    if hint is None:
        exits(0, f"{name}: no hint", *words, silent="hint:")
    else:
        done = exits(0, f"{name}: a hint", *words, says="hint: the input")
        check("normalize(scale=1/" in done.stderr
              and sum("hint" in line for line in done.stderr.splitlines()) == 1,
              "  of one line, on standard error", done.stderr)
exits(0, "a hint is printed with any --progress", "./raw", "train", "--data", "raw.npz", "--progress",
      "none",
      says="hint:")

# ---- images
write("a.bmp", b"BM" + struct.pack("<IHHI", 70, 0, 0, 54) + bytes(56))
write("a.gif", b"GIF89a" + bytes(20))
write("a.png", b"no picture")
for name, says in ("a.bmp", "a.bmp: is a BMP image; convert it to PNG, JPEG or WebP"), ("a.gif",
        "is a GIF image"), ("a.png", "neither an image (PNG, JPEG, WebP) nor an array"):
    exits(1, f"{name} is refused by name", "./raw", "predict", name, "--weights", "raw.safetensors",
          says=says)

# ---- weights
rename("raw.safetensors", "module.safetensors", lambda name: "module." + name, {"format": "pt"})
exits(0, "a common prefix of all names is ignored", "./raw", "eval", "--data", "raw.npz", "--weights",
      "module.safetensors", says="module.safetensors: warning: dense1.weight expects a flattened 6x6x2")
rename("raw.safetensors", "branches.safetensors",
       lambda name: ("module." if name[0] == "c" else "other.") + name, {"format": "pt"})
exits(1, "an absent prefix is reported", "./raw", "eval", "--data", "raw.npz", "--weights",
      "branches.safetensors",
      says="has 2 of the net's 4 weights, with 'module.' before their names; --weights-prefix=module. "
           "removes that prefix")
exits(0, "  and ignored", "./raw", "eval", "--data", "raw.npz", "--weights", "module.safetensors",
      "--weights-prefix=module.",
      says="module.safetensors: warning: dense1.weight expects a flattened 6x6x2")
exits(0, "  also by train", "./raw", "train", "--data", "raw.npz", "--init", "module.safetensors",
      "--weights-prefix", "module.", "-o", "again.safetensors", says="4 of 4 weights loaded")
exits(1, "  there, too", "./raw", "train", "--data", "raw.npz", "--init", "branches.safetensors", "-o",
      "again.safetensors", says="--weights-prefix=module.")
exits(1, "  a prefix without its dot is reported", "./raw", "eval", "--data", "raw.npz", "--weights",
      "module.safetensors", "--weights-prefix=module", says="did you mean '--weights-prefix=module.'?\n")
exits(0, "  and by cnnc", os.environ["CNNC"], "raw.cnn", "--weights=module.safetensors",
      "--weights-prefix=module.", "-o", "raw.c", says="[weights-order]")
exits(2, "a prefix without a file", os.environ["CNNC"], "raw.cnn", "--weights-prefix=module.", "-o", "raw.c",
      says="--weights is missing")
write("state.pt", b"\x80\x02}q\x00." + bytes(8))
write("net.onnx", b"\x08\x08\x12\x04test" + bytes(16))
write("net.h5", b"\x89HDF\r\n\x1a\n" + bytes(16))
for name in "state.pt", "net.onnx", "net.h5":
    for words in (os.environ["CNNC"], "raw.cnn", "-o", "raw.c"), ("./raw", "eval", "--data", "raw.npz"):
        done = exits(1, f"{name} is answered with Python code", *words, f"--weights={name}", says="import ")
        lines = done.stderr.splitlines()[1:]
        try:
            compile("\n".join(lines[:-1] if lines[-1] == "1 error" else lines), name, "exec")
            check(True, "  that can be pasted")
        except SyntaxError as error:
            check(False, "  that can be pasted", f"{error}\n{done.stderr}")
exits(0, "own weights cause no warning", "./raw", "eval", "--data", "raw.npz", "--weights",
      "raw.safetensors", silent="warning")
rename("raw.safetensors", "keras.safetensors", lambda name: name, {"format": "keras"})
exits(0, "nor do those of a framework with the same order", "./raw", "eval", "--data", "raw.npz",
      "--weights", "keras.safetensors", silent="warning")
write("model.h5", b"\x89HDF\r\n\x1a\n" + bytes(64))
exits(1, "a Keras file", "./raw", "train", "--data", "raw.npz", "--init", "model.h5",
      says="model.h5: is an HDF5 file")
finish()
