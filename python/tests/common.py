# SPDX-License-Identifier: Apache-2.0
"""Common parts of the tests: programs, folders, samples."""

from __future__ import annotations

import importlib.util
import os
import shutil
import tempfile
import unittest
import warnings
from pathlib import Path

import numpy as np

import cnnc

TREE = Path(__file__).resolve().parents[2]

SMALL = """
net small {
    input image: 6x6x1 as u8
    labels ["zero", "one", "two", "three"]
    normalize(scale=1/255)
    conv(3, 3x3) -> relu
    flatten
    dense(4)
    train {
        loss   = cross_entropy
        optimizer = adam(rate=0.02)
        batch  = 16
        epochs = 3
    }
}
"""
FLOATS = """
net floats {
    input x: 4x3x2
    conv(5, 2x2, name="first") -> relu
    flatten
    dense(3, name="last")
}
"""


def has(*names: str) -> bool:
    return all(importlib.util.find_spec(name) is not None for name in names)


def random(shape: tuple[int, ...], seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape, np.float32)


def filled(text: str, seed: int = 2, **options: object) -> cnnc.Net:
    """A net with random weights."""
    shapes = {weight.name: weight.shape for weight in cnnc.compile(text)._facts.weights}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return cnnc.compile(
            text,
            {name: random(shape, seed + i) / 2 for i, (name, shape) in enumerate(shapes.items())},
            **options,
        )


def digits(n: int, seed: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Images of noise with one bright corner, and the index of that corner."""
    generator = np.random.default_rng(seed)
    x = generator.integers(0, 90, (n, 6, 6, 1), np.uint8)
    y = np.arange(n) % 4
    for i, c in enumerate(y):
        x[i, 3 * (c // 2) : 3 * (c // 2) + 3, 3 * (c % 2) : 3 * (c % 2) + 3] += 130
    return x, y


class Case(unittest.TestCase):
    def setUp(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="cnnc-python-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        return path

    def environment(self, **values: str) -> None:
        before = {name: os.environ.get(name) for name in values}
        os.environ.update(values)

        def restore() -> None:
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value

        self.addCleanup(restore)

    def close(self, a: np.ndarray, b: np.ndarray, part: float = 1e-5) -> None:
        self.assertEqual(np.shape(a), np.shape(b))
        self.assertLessEqual(float(np.abs(np.subtract(a, b)).max()), part * float(np.abs(b).max()))
