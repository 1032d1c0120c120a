"""How long emitted files are, and how much of them the text does not say.

Run `python -m tests.benchmarks.bench_emission`, or `make bench`. Lines are those that are neither
blank nor comments nor docstrings. What the text does not say are constructor parameters that are
neither the block's own nor sizes: numbers that could not be read (provenance), and flags for arms
that hang on a layer that is given.
"""

from __future__ import annotations

import ast
from pathlib import Path
from time import process_time

from addnn_spec.backends.torch_source import torch_source
from addnn_spec.catalogue import entries
from addnn_spec.network import load

SPECS = Path(__file__).parent / "specs"
"""Networks that show loops."""
LONG = ("SwinT", "SwinV2T", "MaxViT_T")
"""Packaged networks whose length is watched."""


def code_lines(source: str) -> int:
    """Return the lines that are neither blank nor comments nor docstrings."""
    docs = {
        line
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node)
        for line in range(node.body[0].lineno, (node.body[0].end_lineno or 0) + 1)
    }
    lines = enumerate((line.strip() for line in source.splitlines()), 1)
    return sum(1 for place, line in lines if line and line[0] != "#" and place not in docs)


def main() -> None:
    """Print the figures."""
    unsaid: dict[tuple[str, str], list[str]] = {}
    lines, began = 0, process_time()
    networks = [entry.name for entry in entries() if entry.params is not None]
    for network_name in networks:
        network = load(network_name)
        emitted = torch_source(network.session, network.graph)
        lines += code_lines(emitted.text)
        for parameter in emitted.unsaid:
            unsaid.setdefault(parameter, []).append(network_name)
    taken = process_time() - began
    print(f"{len(networks)} packaged networks: {lines:,} lines, {taken:.1f} s to load and write")
    for name in LONG:
        print(f"{name}: {code_lines(load(name).source())} lines")
    for spec in sorted(SPECS.glob("*.net")):
        print(f"{spec.stem}: {code_lines(load(str(spec)).source())} lines")
    print(f"{len(unsaid)} parameters that the text does not give:")
    for (cls, name), names in sorted(unsaid.items()):
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        print(f"  {cls}({name}) of {names[0]}{more}")


if __name__ == "__main__":
    main()
