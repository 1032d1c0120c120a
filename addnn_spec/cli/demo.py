"""`addnn demo`: from a spec to a trained and probed network, with every step shown."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from addnn_spec.catalogue import locate
from addnn_spec.cli.outcome import FOUND, OK, exit_code, report, say
from addnn_spec.cli.outputs import force_option
from addnn_spec.diagnostics import DiagnosticError, Refusal
from addnn_spec.files import write_atomic
from addnn_spec.network import Network
from addnn_spec.packages import require

if TYPE_CHECKING:
    from torch import nn

_NETWORK = "Digits"
_FILES = (
    "digits.net",
    "digits.dot",
    "digits.svg",
    "digits.py",
    "digits.safetensors",
    "run.json",
    "report.html",
)
_NEXT = """
next: change something in {spec}, a width (ConvBn(16)) or how often it repeats (repeat 2); then
  addnn check {spec}
  addnn diff Digits {spec}
  addnn summary {spec} --sort params --percent
  addnn compile {spec} -o {code}
or take the trained network elsewhere:
  addnn export Digits --weights {weights} --onnx digits.onnx
a network of your own begins with: addnn new my_net"""


@click.command()
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("addnn-demo"),
    show_default=True,
    help="The folder to write to.",
)
@force_option
@click.option(
    "--epochs",
    type=click.IntRange(1, 1000),
    default=12,
    show_default=True,
    help="How often all images are seen.",
)
def demo(output: Path, force: bool, epochs: int) -> int:
    """Check, summarise, draw, compile, train and probe a small convolutional network.

    The network is `Digits`, of the packaged digits.net; the data are scikit-learn's handwritten
    digits of 8×8 pixels.

    \b
      addnn demo -o my-demo
    """
    try:
        if str(output) == "-":
            raise Refusal("E0607", "the demo writes a folder: name it")
        require("the demo", "torch", "sklearn", "jinja2", extra="data,report")
        _make_folder(output, force)
        return _demo(output, epochs)
    except DiagnosticError as error:
        report(error.diagnostics)
        return exit_code(error.diagnostics)


def _demo(output: Path, epochs: int) -> int:
    session, name = locate(_NETWORK)
    _step(1, f"check {session.source.name}")
    found = session.check()
    report(found)
    if session.collector.has_errors:
        return FOUND
    say("nothing is wrong with it\n" if not found else "")
    network = Network(session, name)

    _step(2, f"summary {name}")
    say(f"{network.summary()}\n")

    spec = output / "digits.net"
    write_atomic(spec, session.source.text)
    _step(3, f"draw {name}")
    written = [spec, *_draw(network, output)]

    _step(4, f"compile {name}")
    source = network.source()
    written.append(output / "digits.py")
    write_atomic(written[-1], source)
    say(f"{len(source.splitlines())} lines of PyTorch: {written[-1]}\n")

    _step(5, "train the compiled module on 1,437 digits")
    module, accuracy = _train(source, epochs)
    written.append(output / "digits.safetensors")
    _save(module, written[-1])
    say(f"accuracy on 360 digits that it has not seen: {accuracy:.1%}\n")

    _step(6, "probe the trained network")
    written += _probe(network, written[-1], output)

    say("written:")
    for path in written:
        say(f"  {path}")
    say(_NEXT.format(spec=spec, code=output / "mine.py", weights=output / "digits.safetensors"))
    return OK


def _step(number: int, title: str) -> None:
    click.secho(f"[{number}/6] {title}", bold=True)


def _make_folder(path: Path, force: bool) -> None:
    """Make the folder; refuse (E0607) where a file of the demo's stands in it, perhaps changed."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:
        raise Refusal("E0602", f"{path} cannot be made: {error}") from error
    standing = [path / name for name in _FILES if (path / name).exists()]
    if standing and not force:
        help = "write to another folder, or over it with --force"
        raise Refusal("E0607", f"{standing[0]} stands already", help=help)


def _draw(network: Network, output: Path) -> list[Path]:
    """Draw the network as DOT, and as SVG where there is an engine."""
    dot, svg = output / "digits.dot", output / "digits.svg"
    network.draw().save(dot)
    try:
        network.draw().save(svg)
    except DiagnosticError as error:
        if error.diagnostics[0].code != "E0609":
            raise
        report(error.diagnostics)
        say(f"{dot}\n")
        return [dot]
    say(f"{svg}\n")
    return [dot, svg]


def _train(source: str, epochs: int) -> tuple[nn.Module, float]:
    """Train the module; return it with its accuracy on the test images."""
    import torch
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    from addnn_spec.runtime.build import build_module
    from addnn_spec.runtime.digits import accuracy, load_digits, train

    torch.manual_seed(0)
    torch.set_num_threads(1)  # so small a network is slower on several
    data = load_digits()
    module = build_module(source, _NETWORK)
    columns = (
        TextColumn("epoch {task.completed:>3}/{task.total}"),
        BarColumn(),
        TextColumn("loss {task.fields[loss]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(file=sys.stderr)) as bar:
        task = bar.add_task("", total=epochs, loss="     ")

        def shown(epoch: int, loss: float) -> None:
            bar.update(task, completed=epoch, loss=f"{loss:.3f}")

        train(module, data, epochs=epochs, progress=shown)
    return module, accuracy(module, data.test_images, data.test_labels)


def _probe(network: Network, weights: Path, output: Path) -> list[Path]:
    """Take the Separation Index at each node; write it as a file, and as a page."""
    from addnn_spec.probes.run import probe
    from addnn_spec.report.page import page
    from addnn_spec.runtime.digits import load_digits

    data = load_digits()
    run = probe(
        network,
        train=(data.train_images.numpy(), data.train_labels.numpy()),
        test=(data.test_images.numpy(), data.test_labels.numpy()),
        weights=weights,
        nodes=("layers", "blocks"),
        layout="NCHW",
        device="cpu",
    )
    paths = [output / "run.json", output / "report.html"]
    run.save(paths[0])
    write_atomic(paths[1], page([run.record]))
    say(f"{run}\nthe figure, and what can be said: {paths[1]}\n")
    return paths


def _save(module: nn.Module, path: Path) -> None:
    from safetensors.torch import save

    tensors = {name: value.contiguous() for name, value in module.state_dict().items()}
    write_atomic(path, save(tensors))
