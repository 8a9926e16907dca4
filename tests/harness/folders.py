# folders.py: Helpers of the tests in tests/runtime: programs that classify colors, folders of small images.
# SPDX-License-Identifier: Apache-2.0
import os, random, struct, subprocess, zlib
from tap import check

COLOURS = {"red": (220, 30, 30), "green": (30, 200, 40), "blue": (30, 40, 230)}
COUNT = 24  # images per class


def run(*words):
    done = subprocess.run(words, capture_output=True, text=True, timeout=120)
    done.both = done.stdout + done.stderr
    return done


def exits(status, title, *words, says=()):
    done = run(*words)
    missing = [text for text in ([says] if isinstance(says, str) else says) if text not in done.both]
    check(
        done.returncode == status and not missing,
        title,
        f"{' '.join(words)}: exit {done.returncode}, without {missing}\n{done.both}",
    )
    return done


def build(name, outputs, labels="", *options):
    with open(name + ".cnn", "w") as file:
        file.write(f"""net {name} {{
    input image: 4x4x3 as u8
    normalize(scale=1/255)
    flatten
    dense({outputs}) -> softmax
    {labels}
    train {{
        loss = cross_entropy
        optimizer = adam(rate=0.05)
        epochs = 30
        batch = 8
    }}
}}
""")
    exits(0, f"{name} is built", os.environ["CNNC"], name + ".cnn", "-O1", "-o", name, *options)


def png(path, rgb):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    noise = random.Random(path)
    rows = b"".join(
        b"\0" + bytes(max(0, min(255, value + noise.randint(-20, 20))) for _ in range(4) for value in rgb)
        for _ in range(4)
    )
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(
            b"\x89PNG\r\n\x1a\n"
            + chunk(b"IHDR", struct.pack(">IIBBBBB", 4, 4, 8, 2, 0, 0, 0))
            + chunk(b"IDAT", zlib.compress(rows))
            + chunk(b"IEND", b"")
        )


def folders(root, count=COUNT, **colour_of):  # one folder per class: its name and color
    for name, colour in colour_of.items():
        for i in range(count):
            png(f"{root}/{name}/{i:02}.png", COLOURS[colour])
    return root


def write(path, text=""):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as file:
        file.write(text)


def train(program, data, *words):
    return ["./" + program, "train", "--data", data, "--progress", "none", *words]


def evaluate(program, data, *words):
    return ["./" + program, "eval", "--data", data, *words]
