"""What the backend's tests share: from a text or a sample to source, and to the live module."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from addnn_spec.backends.torch_code import emit
from addnn_spec.compiler import Session
from addnn_spec.graph import Buffer, Graph, Parameter, Placeholder, WeightOf
from addnn_spec.ops.base import Operator
from addnn_spec.passes.unfold import unfold
from addnn_spec.runtime.build import import_source
from addnn_spec.sizes import defaults
from tests.support import graph_of

SAMPLES = Path(__file__).parents[2] / "samples"
_DTYPES = {"float": torch.float, "int": torch.long, "bool": torch.bool}


def source_of(text: str, *, probes: bool = False) -> str:
    """The emitted source of a text's last network."""
    return emit(graph_of(text), probes=probes).text


def sample_graph(file: str, network: str | None = None) -> Graph:
    session = Session(SAMPLES / file)
    graph = session.graph(network or session.networks[-1])
    assert graph is not None, [found.message for found in session.collector.diagnostics]
    return graph


def built(graph: Graph, *, probes: bool = False) -> nn.Module:
    """The live module, initialised by torch."""
    emitted = emit(graph, probes=probes)
    module = import_source(emitted.text, emitted.network)
    made: nn.Module = getattr(module, emitted.network)()
    return made


def inputs_of(graph: Graph, device: str = "cpu", *, training: bool = False) -> list[Tensor]:
    """Random inputs of the default sizes."""
    made = []
    for id in graph.inputs:
        node = graph.node(id)
        if node.training and not training:
            continue
        shape = [defaults(size) for size in node.outputs[0].shape]
        values = torch.rand(shape, device=device) * 2
        made.append(values.to(_DTYPES[node.outputs[0].dtype]))
    return made


def keys_of(graph: Graph, prefix: str = "") -> dict[str, tuple[int, ...]]:
    """The `state_dict` that the graph's paths promise: key → shape."""
    found: dict[str, tuple[int, ...]] = {}
    for module in graph.modules:
        _own(found, prefix + module.name, module.op, module.inputs, module.layers)
    for node in graph.nodes():
        if isinstance(node.op, Parameter | Buffer):
            found[prefix + node.name] = _sizes(node.outputs[0].shape)
        elif isinstance(node.op, Graph | Operator) and not node.module:
            types = tuple(None if ref is None else graph.type_of(ref) for ref in node.inputs)
            for name in node.names():
                at = prefix.removesuffix(".") if name == "_" else prefix + name
                _own(found, at, node.op, types, node.layers)
    return found


def _own(found: dict[str, tuple[int, ...]], path: str, op: Any, inputs: Any, layers: Any) -> None:
    if isinstance(op, Graph):
        found.update(keys_of(op, f"{path}."))
    elif not layers:
        weights = {**op.weights(*inputs), **op.buffers(*inputs)}
        found.update({f"{path}.{n}".lstrip("."): _sizes(w.shape) for n, w in weights.items()})
    for argument, graph in layers:
        found.update(keys_of(graph, f"{path}.{argument}."))


def _sizes(shape: Iterable[Any]) -> tuple[int, ...]:
    return tuple(int(size) for size in shape)


def tensors(value: Any) -> Iterator[Tensor]:
    """The tensors of what a network returns, in order."""
    if isinstance(value, Tensor):
        yield value
    elif value is not None:
        for item in value:
            yield from tensors(item)


def record(module: nn.Module, inputs: Iterable[Tensor]) -> list[tuple[str, Any]]:
    """Every tap of one forward pass: the node's path, and its value."""
    seen: list[tuple[str, Any]] = []

    def install(part: Any, prefix: str) -> None:
        def tap(name: str, value: Any) -> Any:
            seen.append((f"{prefix}.{name}" if prefix else name, value))
            return value

        part.tap = tap

    for prefix, part in module.named_modules():
        if hasattr(part, "tap"):
            install(part, prefix)
    module(*inputs)
    return seen


def node_paths(graph: Graph) -> list[str]:
    """The paths of all nodes that compute something, and of the inputs."""
    return [
        item.path
        for item in unfold(graph).nodes
        if not isinstance(item.node.op, Parameter | Buffer | WeightOf)
        and (not isinstance(item.node.op, Placeholder) or "." not in item.path)
    ]


def classes(source: str) -> list[str]:
    """The module classes of a file, in order."""
    return re.findall(r"^class (\w+)\((?!NamedTuple)", source, re.MULTILINE)


def check_style(folder: Path, *sources: str, types: bool = False) -> None:
    """`ruff format`, `ruff check` and, if asked, `mypy --strict` have nothing to say."""
    files = []
    for number, source in enumerate(sources):
        file = folder / f"emitted_{number}.py"
        file.write_text(source)
        files.append(str(file))
    lint = ["check", "--isolated", "--no-cache", "--select", "E,F,I,UP,B", "--line-length", "100"]
    commands = [
        ["ruff", "format", "--isolated", "--no-cache", "--check", "--line-length", "100"],
        ["ruff", *lint, "--target-version", "py311"],
    ]
    if types:
        commands.append(["mypy", "--strict", "--config-file=", f"--cache-dir={folder / 'cache'}"])
    for command in commands:
        done = subprocess.run(
            [sys.executable, "-m", *command, *files], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr


def body_of(source: str, cls: str, method: str = "forward") -> list[str]:
    """The statements of a method, without remarks."""
    tree = ast.parse(source)
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name == cls:
            for item in node.body:
                if isinstance(item, ast.FunctionDef) and item.name == method:
                    return [ast.unparse(statement) for statement in item.body]
    raise AssertionError(f"no {cls}.{method}")
