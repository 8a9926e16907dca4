"""samples.py: inputs for shipped models, by kind. A model's row of wild.tsv names one kind for all inputs, or
`input:kind;input:kind`:
  n, u01, m11, b255   normal; uniform in 0..1, -1..1, 0..255
  iLOW-HIGH, z        uniform integers; zeros
  wave, wave16        two tones in noise, in -1..1; as 16-bit numbers
  pic, page           a photograph, a scanned page. The scale follows the word: 01, m11, 255, or img
                      (ImageNet's mean and standard deviation)
"""
# SPDX-License-Identifier: Apache-2.0
import io, re
import numpy as np
import packages

IMAGES = "scikit-image==0.26.0"  # its data folder has both images
IMAGENET = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
SCALES = {"01": lambda x: x / 255, "m11": lambda x: x / 127.5 - 1, "255": lambda x: x,
          "img": lambda x: (x / 255 - IMAGENET[0]) / IMAGENET[1]}


def kinds(text, names):
    """The kind of each input."""
    if ":" not in text:
        return {name: text for name in names}
    given = dict(part.rsplit(":", 1) for part in text.split(";"))
    return {name: given.get(name, "n") for name in names}


def image(name, height, width, channels, cache):
    from PIL import Image
    archive = packages.fetch(IMAGES, cache)
    data = packages.extract(archive, f"skimage/data/{name}.png")
    picture = Image.open(io.BytesIO(data)).convert("RGB").resize((width, height), Image.BILINEAR)
    array = np.asarray(picture, np.float32)
    if channels == 1:
        return array.mean(-1, keepdims=True)
    return array if channels == 3 else np.resize(array, (height, width, channels))


def image_sample(kind, shape, cache):
    """A batch of one image. The channels are first if the second size is 1 or 3 and the last size is not."""
    name, scale = re.fullmatch(r"(pic|page)(.*)", kind).groups()
    planes = len(shape) == 4 and shape[1] in (1, 3) and shape[3] not in (1, 3)
    height, width, channels = (shape[2], shape[3], shape[1]) if planes else shape[-3:]
    x = SCALES[scale](image({"pic": "astronaut"}.get(name, name), height, width, channels, cache))
    x = np.moveaxis(x, -1, 0) if planes else x
    return np.broadcast_to(x[None] if x.ndim < len(shape) else x, shape)


def number_sample(kind, shape, dtype, random):
    if kind.startswith("i"):
        low, high = map(int, re.fullmatch(r"i(-?\d+)-(-?\d+)", kind).groups())
        return random.integers(low, high + 1, shape)
    if kind == "wave16":
        return 12000 * number_sample("wave", shape, np.dtype(np.float64), random)
    if np.issubdtype(dtype, np.integer):
        limits = np.iinfo(dtype)
        return random.integers(max(limits.min, -128), min(limits.max, 127) + 1, shape)
    if kind == "wave":
        t = np.arange(int(np.prod(shape)), dtype=np.float64)
        tones = 0.4 * np.sin(t * 0.17) + 0.2 * np.sin(t * 0.031)
        return (tones + 0.05 * random.standard_normal(t.size)).reshape(shape)
    makers = {"u01": lambda: random.random(shape), "m11": lambda: random.random(shape) * 2 - 1,
              "b255": lambda: random.random(shape) * 255, "n": lambda: random.standard_normal(shape),
              "z": lambda: np.zeros(shape)}
    return makers[kind]()


def sample(kind, shape, dtype, random, cache):
    made = (image_sample(kind, shape, cache) if kind.startswith(("pic", "page")) else
            number_sample(kind, shape, dtype, random))
    return np.ascontiguousarray(made.astype(dtype))
