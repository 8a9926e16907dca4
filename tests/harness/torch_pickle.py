# torch_pickle.py: writes files in the format of torch.save, without torch: a stand-in module defines torch's
# names.
# SPDX-License-Identifier: Apache-2.0
import collections, io, pickle, sys, types

torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")
sys.modules["torch"], sys.modules["torch._utils"], torch._utils = torch, utils, utils


def _rebuild_tensor_v2(*arguments):
    pass


_rebuild_tensor_v2.__module__ = "torch._utils"
utils._rebuild_tensor_v2 = _rebuild_tensor_v2
for kind in "FloatStorage", "ComplexFloatStorage":
    setattr(torch, kind, type(kind, (), {"__module__": "torch"}))


class Storage:
    def __init__(self, key, elements, kind="FloatStorage"):
        self.id = ("storage", getattr(torch, kind), key, "cpu", elements)


class Tensor:
    def __init__(self, storage, offset, size, stride):
        self.parts = storage, offset, size, stride, False, collections.OrderedDict()

    def __reduce__(self):
        return _rebuild_tensor_v2, self.parts


def contiguous(key, shape):
    """A tensor that fills its own storage."""
    strides, count = [], 1
    for n in reversed(shape):
        strides.insert(0, count)
        count *= n
    return Tensor(Storage(key, count), 0, tuple(shape), tuple(strides))


class Pickler(pickle.Pickler):
    def persistent_id(self, value):
        return value.id if isinstance(value, Storage) else None


def pickled(value):
    text = io.BytesIO()
    Pickler(text, 2).dump(value)
    return text.getvalue()
