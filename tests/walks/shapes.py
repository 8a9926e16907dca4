"""shapes.py: images of shapes, 32x32 RGB: the data on which a net is first trained, and the data on which it
is fine-tuned."""
# SPDX-License-Identifier: Apache-2.0
import os, random, struct, zlib

SIDE = 32
INSIDE = {
    "circle": lambda x, y: x * x + y * y < 1,
    "square": lambda x, y: max(abs(x), abs(y)) < 0.9,
    "cross": lambda x, y: min(abs(x), abs(y)) < 0.3 and max(abs(x), abs(y)) < 1,
    "ring": lambda x, y: 0.4 < x * x + y * y < 1,
    "stripes": lambda x, y: max(abs(x), abs(y)) < 1 and int(5 * (y + 1)) % 2 == 0,
    "triangle": lambda x, y: y < 0.8 and abs(x) < 0.5 * (y + 1),
}


def picture(numbers, shape):
    """Bytes, rows of red, green and blue."""
    size, cx, cy = numbers.uniform(8, 13), numbers.uniform(13, 19), numbers.uniform(13, 19)
    ground, colour = [[numbers.randrange(90) + 150 * up for _ in range(3)]
                      for up in numbers.sample((0, 1), 2)]
    return bytes(min(255, c + numbers.randrange(12)) for y in range(SIDE) for x in range(SIDE)
                 for c in (colour if INSIDE[shape]((x - cx) / size, (y - cy) / size) else ground))


def png(pixels):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    row = 3 * SIDE
    rows = b"".join(b"\0" + pixels[row * y:row * (y + 1)] for y in range(SIDE))
    head = struct.pack(">IIBBBBB", SIDE, SIDE, 8, 2, 0, 0, 0)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) +
            chunk(b"IEND", b""))


def write(folder, shapes, part, count):
    """folder/part/shape/N.png"""
    for shape in shapes:
        to = os.path.join(folder, part, shape)
        os.makedirs(to)
        for n in range(count):
            with open(os.path.join(to, f"{n}.png"), "wb") as file:
                file.write(png(picture(random.Random(f"{part} {shape} {n}"), shape)))
