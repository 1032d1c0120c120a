"""What other tools take to read ResNet-50 and find its shapes, beside `addnn summary ResNet50`.

Run `python -m tests.benchmarks.bench_peers`. Each reads it in its own form: narchi a jsonnet text
(`peers/resnet50.jsonnet`), NNEF one written by `nnef_text`, torchview torchvision's module without
storage. What is not installed is left out (`pip install ".[peers]"`).
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

from tests.benchmarks.bench_compiler import TORCHVISION, Bench, Cost, Figure

STAGES = ((64, 3), (128, 4), (256, 6), (512, 3))
"""The width of each stage's 3×3 convolutions, and its number of blocks. He et al. 2016, table 1."""

NARCHI = "import sys; from narchi.module import ModuleArchitecture as A; A(sys.argv[1])"
NNEF = (
    "import sys, nnef; graph = nnef.parse_file(sys.argv[1]); nnef.infer_shapes(graph); "
    "assert graph.tensors['logits'].shape == [1, 1000]"
)
TORCHVIEW = (
    f"{TORCHVISION}; from torchview import draw_graph; "
    "draw_graph(m, input_size=(1, 3, 224, 224), device='meta')"
)


def nnef_text() -> str:
    """Return ResNet-50 in NNEF's flat text: one statement a tensor."""
    lines = ["image = external<scalar>(shape = [1, 3, 224, 224]);"]

    def norm(x: str, name: str, width: int) -> str:
        parts = []
        for part in ("mean", "variance", "offset", "scale"):
            parts.append(f"{name}_{part}")
            label = f"label = '{name}/{part}'"
            lines.append(f"{parts[-1]} = variable<scalar>(shape = [1, {width}], {label});")
        lines.append(f"{name} = batch_normalization({x}, {', '.join(parts)}, epsilon = 1e-5);")
        return name

    def conv(x: str, name: str, sizes: tuple[int, int, int], stride: int = 1) -> str:
        inputs, width, kernel = sizes
        pad = (kernel - 1) // 2
        shape = [width, inputs, kernel, kernel]
        lines.append(f"{name}_w = variable<scalar>(shape = {shape}, label = '{name}/w');")
        lines.append(
            f"{name} = conv({x}, {name}_w, 0.0, stride = [{stride}, {stride}], "
            f"padding = [({pad}, {pad}), ({pad}, {pad})]);"
        )
        return norm(name, f"{name}_bn", width)

    def relu(x: str) -> str:
        lines.append(f"{x}_relu = relu({x});")
        return f"{x}_relu"

    x = relu(conv("image", "stem", (3, 64, 7), 2))
    lines.append(
        f"pool = max_pool({x}, size = [1, 1, 3, 3], stride = [1, 1, 2, 2], border = 'ignore', "
        "padding = [(0, 0), (0, 0), (1, 1), (1, 1)]);"
    )
    x, inputs = "pool", 64
    for stage, (width, turns) in enumerate(STAGES):
        for turn in range(turns):
            at, stride = f"s{stage}_{turn}", 2 if stage and not turn else 1
            y = relu(conv(x, f"{at}_a", (inputs, width, 1)))
            y = relu(conv(y, f"{at}_b", (width, width, 3), stride))
            y = conv(y, f"{at}_c", (width, 4 * width, 1))
            short = x if turn else conv(x, f"{at}_d", (inputs, 4 * width, 1), stride)
            lines.append(f"{at} = add({y}, {short});")
            x, inputs = relu(at), 4 * width
    lines += [
        f"mean = mean_reduce({x}, axes = [2, 3]);",
        "features = squeeze(mean, axes = [2, 3]);",
        "fc_w = variable<scalar>(shape = [1000, 2048], label = 'fc/w');",
        "fc_b = variable<scalar>(shape = [1, 1000], label = 'fc/b');",
        "logits = linear(features, fc_w, fc_b);",
    ]
    body = "\n".join(f"    {line}" for line in lines)
    return f"version 1.0;\n\ngraph ResNet50(image) -> (logits)\n{{\n{body}\n}}\n"


def figures() -> Iterator[Figure]:
    """CPU seconds and peak memory of each tool, and its time as a multiple of ours."""
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder))
        flat = bench.spec("resnet50.nnef", nnef_text())
        short = str(Path(__file__).parent / "peers" / "resnet50.jsonnet")
        tools: dict[str, Callable[[], Cost]] = {
            "narchi": lambda: bench.python(NARCHI, short),
            "nnef": lambda: bench.python(NNEF, flat),
            "torchview": lambda: bench.python(TORCHVIEW),
        }
        installed = [name for name in tools if find_spec(name)]
        ours, *theirs = bench.medians(
            [lambda: bench.addnn("summary", "ResNet50"), *(tools[name] for name in installed)]
        )
        yield Figure("addnn summary ResNet50", ours.cpu, "s")
        yield Figure("addnn summary ResNet50, peak", ours.mib, "MiB")
        for name, cost in zip(installed, theirs, strict=True):
            yield Figure(f"{name}, ResNet-50", cost.cpu, "s")
            yield Figure(f"{name}, peak", cost.mib, "MiB")
            yield Figure(f"{name} / addnn", cost.cpu / ours.cpu, "")


if __name__ == "__main__":
    for figure in figures():
        print(figure, flush=True)
