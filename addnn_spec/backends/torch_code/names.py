"""Names in emitted code: unique, and never a keyword, a builtin or an import."""

from __future__ import annotations

import builtins
import keyword
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import count

RESERVED = frozenset({*keyword.kwlist, *keyword.softkwlist, *dir(builtins), "self", "cls"})
"""What no variable, parameter or class of the emitted file may be called."""

_IMPORTED = (
    "Any",
    "Callable",
    "F",
    "Literal",
    "NamedTuple",
    "OrderedDict",
    "Tensor",
    "TypeVar",
    "math",
    "nn",
    "pairwise",
    "torch",
)
FILE_NAMES = frozenset({*_IMPORTED, "Tapping", "annotations"})
"""The names that the emitted file has besides its classes."""


class Namespace:
    """Hands out names that are valid and not taken yet."""

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._taken = {*RESERVED, *FILE_NAMES, *taken}
        self._numbers: defaultdict[str, Iterator[int]] = defaultdict(lambda: count(2))
        """By name, the numbers that were not tried yet."""

    def __contains__(self, name: str) -> bool:
        return name in self._taken

    def copy(self) -> Namespace:
        """Return a namespace in which the same names are taken."""
        return Namespace(self._taken)

    def reserve(self, name: str) -> None:
        """Take a name without changing it."""
        self._taken.add(name)

    def unique(self, wish: str, *, joint: str = "_") -> str:
        """Return the wished name, made an identifier, with a number where it is taken."""
        base = identifier(wish)
        name = base
        while name in self._taken:
            name = f"{base}{joint}{next(self._numbers[base + joint])}"
        self._taken.add(name)
        return name


def identifier(text: str) -> str:
    """Replace what Python does not allow in a name: `"encoder.0"` → `encoder_0`."""
    name = re.sub(r"[^A-Za-z0-9_]+", "_", text).strip("_")
    if not name:
        return "value"
    return f"_{name}" if name[0].isdigit() else name


def class_name(label: str) -> str:
    """Turn a label into a class's name: `mask_head` → `MaskHead`, `transition2` → `Transition`."""
    words = re.findall(r"[A-Za-z]+|[0-9]+", label)
    while words and words[-1].isdigit():
        words.pop()
    name = "".join(word[:1].upper() + word[1:] for word in words)
    return identifier(name) if name else "Block"


def snake_case(name: str) -> str:
    """Turn a class's name into a variable's: `ConvNormAct` → `conv_norm_act`, `ReLU` → `relu`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z][a-z])", "_", name).lower()


def is_plain(name: str) -> bool:
    """Return True if `self.<name>` can be written."""
    return name.isidentifier() and not keyword.iskeyword(name)


def turn_name(path: str) -> str:
    """Name what goes through a list of modules: `layer` through `layers`."""
    label = path.rpartition(".")[2]
    word = label[:-1] if label.endswith("s") and not label.endswith("ss") else label
    plain = word.isidentifier() and word not in RESERVED
    return word if len(word) > 2 and plain else "layer"
