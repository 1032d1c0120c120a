"""The reference of the operators, generated from their classes: docs/operators/.

    python -m addnn_spec.backends.reference docs

A page a family, an entry an operator: its attributes with types and defaults, what flows in and
out, its docstring, and an example with the shapes and parameters that the compiler gives it. The
contents list the library's blocks, too.
"""

from __future__ import annotations

import re
import sys
from importlib import import_module
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from addnn_spec.files import write_atomic
from addnn_spec.ops import find, index
from addnn_spec.ops.applied import Applied
from addnn_spec.ops.base import Example, HigherOperator, Operator, TensorType
from addnn_spec.ops.init import Init
from addnn_spec.resources import folder
from addnn_spec.sizes import SymbolicSize
from addnn_spec.values import show

NOT_OPERATORS = {
    "Transformer, TransformerEncoder, TransformerDecoder": "library blocks: `from "
    '"encoder_decoder.net" import Transformer`',
    "TripletMarginWithDistanceLoss": "a library block, its distance a layer: `from "
    '"losses.net" import TripletMarginWithDistanceLoss`',
    "LinearCrossEntropyLoss": "`Linear` and `CrossEntropyLoss`",
    "NLLLoss2d": "torch's old name for `NLLLoss`",
    "LazyBatchNorm1d, LazyBatchNorm2d, LazyBatchNorm3d, LazyConv1d, LazyConv2d, LazyConv3d, "
    "LazyConvTranspose1d, LazyConvTranspose2d, LazyConvTranspose3d, LazyInstanceNorm1d, "
    "LazyInstanceNorm2d, LazyInstanceNorm3d, LazyLinear": "each layer infers the size of its input",
    "Container, Module, ModuleDict, ModuleList, ParameterDict, ParameterList, RNNBase, "
    "RNNCellBase, Sequential": "they hold or found layers: chains, braces, blocks",
    "DataParallel": "how a module runs, not what it computes",
}
"""What `torch.nn` has that is no operator, and what stands for it; a test holds the list whole."""


def pages() -> dict[str, str]:
    """Return the pages of the reference by file name, `README.md` the list of all."""
    families: dict[str, list[type[Operator]]] = {}
    for name, module in index().items():
        operator = find(name)
        if operator is not None and operator.__module__ == module:
            families.setdefault(operator.family, []).append(operator)
    made = {f"{family}.md": _page(family, found) for family, found in sorted(families.items())}
    return {"README.md": _contents(families), **made}


def _contents(families: dict[str, list[type[Operator]]]) -> str:
    lines = [
        "# Operators",
        "",
        "Every operator of the language, by family. Generated from the classes in",
        "`addnn_spec/ops/` by `make docs`; change the class, not the page.",
        "",
        "| family | operators |",
        "| --- | --- |",
    ]
    for family, operators in sorted(families.items()):
        linked = [op.__name__ for op in operators]
        links = (f"[{name}]({family}.md#{name.lower()})" for name in linked)
        names = ", ".join(links)
        lines.append(f"| [{family}]({family}.md) | {names} |")
    lines += ["", "## Library blocks", "", *_LIBRARY, *_library()]
    lines += ["", "## What else `torch.nn` has", "", "| torch.nn | here |", "| --- | --- |"]
    lines += [f"| {names} | {here} |" for names, here in NOT_OPERATORS.items()]
    return "\n".join(lines) + "\n"


_LIBRARY = (
    'Made of operators, and imported where they are used: `from "pooling.net" import RowMaxPool`.',
    "What each kind is for: [kinds](../kinds.md).",
    "",
    "| file | blocks |",
    "| --- | --- |",
)
_BLOCK = re.compile(r"^block (\w+)", re.MULTILINE)


def _library() -> list[str]:
    rows = []
    for path in sorted((folder("specs") / "blocks").glob("*.net")):
        names = _BLOCK.findall(path.read_text(encoding="utf-8"))
        rows.append(f"| [{path.name}](../../specs/blocks/{path.name}) | {', '.join(names)} |")
    return rows


def _page(family: str, operators: list[type[Operator]]) -> str:
    module = import_module(f"addnn_spec.ops.{family}")
    about = (module.__doc__ or "").strip()
    parts = [f"# {family.capitalize()}\n\n{about}\n"]
    parts += [entry(operator) for operator in operators]
    return "\n".join(parts)


def entry(operator: type[Operator]) -> str:
    """Return what the reference says of an operator, as Markdown."""
    lines = [f"## {operator.__name__}", "", f"`{_signature(operator)}`", ""]
    lines += [_docstring(operator), ""]
    lines += [f"- in: {_inputs(operator)}", f"- out: {', '.join(operator.output_names)}"]
    attributes = _attributes(operator)
    if attributes:
        lines += ["", "| attribute | values | default |", "| --- | --- | --- |", *attributes]
    example = "" if issubclass(operator, HigherOperator) else _example(operator.examples()[0])
    if example:
        lines += ["", example]
    return "\n".join(lines) + "\n"


def _docstring(operator: type[Operator]) -> str:
    text = operator.__doc__ or ""
    lines = text.strip().splitlines()
    return "\n".join([lines[0], *(line.removeprefix("    ") for line in lines[1:])])


def _signature(operator: type[Operator]) -> str:
    given = []
    for name in _fields(operator):
        info = operator.model_fields[name]
        given.append(name if info.is_required() else f"{name} = {_default(info)}")
    return f"{operator.__name__}({', '.join(given)})" if given else operator.__name__


def _fields(operator: type[Operator]) -> tuple[str, ...]:
    """Return the attributes, those that may be given by position first."""
    return (*operator.positional_fields(), *operator.keyword_only)


def _default(info: Any) -> str:
    return show(info.get_default(call_default_factory=True))


def _inputs(operator: type[Operator]) -> str:
    if not operator.input_names:
        return "nothing"
    if operator.variadic:
        return "a list of tensors"
    named = [
        f"{name} (optional{', by name' if name in operator.named_inputs else ''})"
        if name in operator.optional_inputs
        else name
        for name in operator.input_names
    ]
    return ", ".join(named)


def _attributes(operator: type[Operator]) -> list[str]:
    rows = []
    for name in _fields(operator):
        words, default = attribute(operator, name)
        rows.append(f"| `{name}` | {words} | {f'`{default}`' if default else ''} |")
    return rows


def attribute(operator: type[Operator], name: str) -> tuple[str, str]:
    """Return what an attribute may be, in words, and its default: empty where it must be given."""
    info = operator.model_fields[name]
    return _words(info.annotation), "" if info.is_required() else _default(info)


def choices(operator: type[Operator], name: str) -> list[str]:
    """Return the values that an attribute is one of, as the language writes them; none where it may
    be any."""
    return re.findall(r"`([^`]+)`", attribute(operator, name)[0])


def _words(annotation: Any) -> str:
    """Return a field's type in the language's words."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _words(get_args(annotation)[0])
    if origin in (Union, UnionType):
        parts = [_words(part) for part in get_args(annotation)]
        return " or ".join(dict.fromkeys(part for part in parts if part))
    if origin is Literal:
        return ", ".join(f"`{show(value)}`" for value in get_args(annotation))
    if origin is tuple:
        parts = [part for part in get_args(annotation) if part is not Ellipsis]
        return f"list of {_words(parts[0])}" if parts else "list"
    return _WORDS.get(annotation, "layer" if annotation is Any else "value")


_WORDS: dict[Any, str] = {
    int: "whole number",
    float: "number",
    bool: "`true`, `false`",
    str: "string",
    NoneType: "`none`",
    SymbolicSize: "size",
    Init: "initialiser",
}


def _example(example: Example) -> str:
    """Return the example as a chain, with the types that flow in and out."""
    operator = example.operator
    types, applied = example.inputs, Applied(operator, example.inputs)
    given = ", ".join(f"{name} = {show(value)}" for name, value in operator.given().items())
    name = type(operator).__name__
    flows = _types(tuple(type for type in types if type is not None))
    call = f"{name}({given})" if given else name
    count = sum(_numel(weight.shape) for _, weight, learned in applied.tensors() if learned)
    weights = f", {count:,} parameters" if count else ""
    return f"Example: {flows} → `{call}` → {_types(applied.infer())}{weights}"


def _types(types: tuple[TensorType, ...]) -> str:
    if not types:
        return "nothing"
    return ", ".join(f"`{type.dtype}{type}`" for type in types)


def _numel(shape: tuple[Any, ...]) -> int:
    total = 1
    for size in shape:
        total *= size
    return total


def main(folder: str) -> None:
    """Write the pages to `folder`/operators; pages of families that are gone are removed."""
    target = Path(folder) / "operators"
    target.mkdir(parents=True, exist_ok=True)
    made = pages()
    for name, text in made.items():
        write_atomic(target / name, text)
    for old in target.glob("*.md"):
        if old.name not in made:
            old.unlink()


if __name__ == "__main__":
    main(sys.argv[1])
