"""figure.py: common code of the examples' scripts: NumPy arrays and PNG in plain Python, and a figure of
images with captions as one SVG."""
# SPDX-License-Identifier: MIT-0
import ast, base64, io, os, shutil, struct, sys, zipfile, zlib


def compiler():
    """The cnnc that the command line names: a path, or a command on the PATH."""
    script, *words = sys.argv
    found = shutil.which(words[0]) if words else None
    if not found:
        sys.exit(f"{os.path.basename(script)}: " +
                 (f"there is no program '{words[0]}'" if words else "it needs the path or name of cnnc"))
    return os.path.abspath(found)


def read_npy(data):
    """Shape and numbers of an array of 32-bit floats."""
    n, = struct.unpack("<H", data[8:10])
    head = ast.literal_eval(data[10:10 + n].decode())
    assert head["descr"] == "<f4" and not head["fortran_order"], head
    return head["shape"], [x for x, in struct.iter_unpack("<f", data[10 + n:])]


def read_npz(path):
    with zipfile.ZipFile(path) as archive:
        return {name[:-len(".npy")]: read_npy(archive.read(name)) for name in archive.namelist()}


def write_npy(path, shape, numbers, kind="f"):
    """Writes an array of 32-bit floats, or of bytes with kind="B"."""
    descr = {"f": "<f4", "B": "|u1"}[kind]
    head = str({"descr": descr, "fortran_order": False, "shape": tuple(shape)}).encode()
    head += b" " * (-(len(head) + 11) % 64) + b"\n"
    with open(path, "wb") as f:
        f.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head)
        f.write(struct.pack(f"<{len(numbers)}{kind}", *numbers))


def grey(numbers, width, low=0.0, high=1.0):
    """Numbers as gray levels from 0 to 255, in rows of `width`: `low` becomes black, `high` white."""
    levels = [min(255, max(0, round(255 * (x - low) / (high - low)))) for x in numbers]
    return [levels[i:i + width] for i in range(0, len(levels), width)]


def png(rows):
    """A PNG file, as bytes. `rows`: gray levels, or tuples (red, green, blue)."""
    colour = isinstance(rows[0][0], tuple)
    flat = [bytes(x for pixel in row for x in pixel) if colour else bytes(row) for row in rows]
    step, packed, above = 3 if colour else 1, b"", bytes(len(flat[0]))
    for row in flat:  # the filter Up or Sub of PNG, whichever has smaller differences
        up = bytes((x - y) % 256 for x, y in zip(row, above))
        sub = bytes((x - y) % 256 for x, y in zip(row, bytes(step) + row))
        size = lambda line: sum(min(x, 256 - x) for x in line)
        packed += b"\2" + up if size(up) < size(sub) else b"\1" + sub
        above = row

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", len(rows[0]), len(rows), 8, 2 if colour else 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(packed, 9)) + chunk(
        b"IEND", b"")


class Figure:
    """Images in rows of `columns`, each with a caption below; each pixel is drawn as `scale` x `scale`
    pixels."""

    def __init__(self, columns, scale=1, gap=12, line=18):
        self.columns, self.scale, self.gap, self.line, self.panels = columns, scale, gap, line, []

    def add(self, rows, caption):
        self.panels.append((rows, caption))

    def save(self, path):
        out, x, y, lowest, width = io.StringIO(), self.gap, self.gap, 0, 0
        for i, (rows, caption) in enumerate(self.panels):
            w, h = self.scale * len(rows[0]), self.scale * len(rows)
            data = base64.b64encode(png(rows)).decode()
            out.write(f'<image x="{x}" y="{y}" width="{w}" height="{h}" image-rendering="pixelated" '
                      f'href="data:image/png;base64,{data}"/>\n'
                      f'<text x="{x + w / 2}" y="{y + h + self.line - 4}" text-anchor="middle">'
                      f'{caption}</text>\n')
            x, lowest = x + w + self.gap, max(lowest, y + h + self.line)
            width = max(width, x)
            if (i + 1) % self.columns == 0 or i + 1 == len(self.panels):
                x, y = self.gap, lowest + self.gap
        with open(path, "w") as f:
            f.write(f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{y}" '
                    'font-family="sans-serif" font-size="13">\n'
                    f'<rect width="100%" height="100%" fill="white"/>\n{out.getvalue()}</svg>\n')
