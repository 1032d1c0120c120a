"""Other people's implementations, as witnesses."""

from __future__ import annotations

import warnings
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import torch
from torch import library as operators

_BOXES = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
_declared: list[operators.Library] = []  # a library is gone when nothing refers to it


@cache
def torchvision() -> ModuleType:
    """torchvision, with `models` loaded.

    A build whose compiled operators do not fit torch's (a CUDA build beside the CPU's torch) can
    be imported only if someone else declares the two operators that it names while it loads.
    """
    if not _loads_compiled_operators():
        library = operators.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
        for name in ("nms", "qnms"):
            library.define(name + _BOXES)  # type: ignore[no-untyped-call]
        _declared.append(library)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns of codecs that it lacks
        import_module("torchvision.models")
        return import_module("torchvision")


def _loads_compiled_operators() -> bool:
    found = find_spec("torchvision")
    assert found is not None and found.origin is not None
    for extension in Path(found.origin).parent.glob("_C.*"):
        try:
            torch.ops.load_library(str(extension))  # type: ignore[no-untyped-call]
        except OSError:
            continue
        return True
    return False
