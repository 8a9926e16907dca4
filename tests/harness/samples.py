# samples.py: Reads and writes images and arrays without numpy, for the tests in Python.
# SPDX-License-Identifier: Apache-2.0
import struct, zipfile, zlib


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def write_png(path, width, height, colour_of):
    rows = b"".join(b"\0" + b"".join(bytes(colour_of(x, y)) for x in range(width)) for y in range(height))
    with open(path, "wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n"
                   + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
                   + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def read_png(path):
    """Width, height and rows of (r, g, b)."""
    with open(path, "rb") as file:
        data = file.read()
    width, height = struct.unpack(">II", data[16:24])
    packed, at = b"", 8
    while at < len(data):
        size, kind = struct.unpack(">I4s", data[at:at + 8])
        packed += data[at + 8:at + 8 + size] if kind == b"IDAT" else b""
        at += size + 12
    raw, rows, above = zlib.decompress(packed), [], bytes(3 * width)
    for y in range(height):
        start = y * (3 * width + 1)
        how, line = raw[start], bytearray(raw[start + 1:start + 1 + 3 * width])
        for i in range(3 * width):
            left = line[i - 3] if i >= 3 else 0
            corner = above[i - 3] if i >= 3 else 0
            line[i] = (line[i] + [0, left, above[i], (left + above[i]) // 2,
                                  paeth(left, above[i], corner)][how]) % 256
        above = bytes(line)
        rows.append([tuple(line[3 * x:3 * x + 3]) for x in range(width)])
    return width, height, rows


def paeth(left, above, corner):
    near = [abs(above - corner), abs(left - corner), abs(left + above - 2 * corner)]
    return [left, above, corner][near.index(min(near))]


def npy(shape, values, kind="<f4", letter="f"):
    dims = "".join("%d," % n for n in shape)
    head = "{'descr': '%s', 'fortran_order': False, 'shape': (%s), }" % (kind, dims)
    head = head.ljust(117) + "\n"
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(head)) + head.encode() + struct.pack(
        "<%d%s" % (len(values), letter), *values)


def npz(path, **arrays):
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in arrays.items():
            archive.writestr(name + ".npy", data)


def read_npy(path):
    """The shape and the values of an array of floats."""
    with open(path, "rb") as file:
        data = file.read()
    length = struct.unpack("<H", data[8:10])[0]
    shape = eval(data[10:10 + length].decode())["shape"]
    values = data[10 + length:]
    return shape, struct.unpack(f"<{len(values) // 4}f", values)
