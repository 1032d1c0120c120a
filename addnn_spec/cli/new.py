"""`addnn new`: a small spec to begin with."""

from __future__ import annotations

from pathlib import Path

import click

from addnn_spec.cli.outcome import OK, exit_code, report, say
from addnn_spec.diagnostics import DiagnosticError, Refusal
from addnn_spec.files import write_atomic

_TEXT = """\
# A small network for pictures. `addnn explain Conv2d` tells what a layer takes,
# `addnn list` what there is to begin from (`addnn show ResNet18`).

# A block is used like a layer; x is what flows into it.
block ConvBn(width, stride = 1) {
  return x -> conv: Conv2d(width, 3, stride, padding = 1, bias = false) -> bn: BatchNorm2d -> ReLU
}

# What stands in brackets can be set: addnn summary FILE --set width=32
network NAME(width = 16, classes = 10) {
  # N, H and W stay open: the network takes any batch, and any size from H and W on.
  input image: float[N, 3, H = 32, W = 32]

  # Data flows along the arrows. Layers are torch's, less what can be inferred:
  # the sizes of their inputs. `stem:` is the layer's name in the module.
  x = image
    -> stem: ConvBn(width)
    -> stage1: repeat 2 { ConvBn(width) }
    -> down: ConvBn(2 * width, stride = 2)

  # A branch is a name, a residual is `+`.
  y = x -> conv1: ConvBn(2 * width) -> conv2: ConvBn(2 * width)
  output logits = x + y -> AdaptiveAvgPool2d(1) -> Flatten -> fc: Linear(classes)
}
"""


@click.command()
@click.argument("name")
def new(name: str) -> int:
    """Write NAME.net, a small network with comments, in this folder.

    \b
      addnn new my_net
    """
    try:
        path, network = _names(name)
        if path.exists():
            raise Refusal("E0602", f"{path} stands already", help="give another name")
        write_atomic(path, _TEXT.replace("NAME", network).replace("FILE", str(path)))
    except DiagnosticError as error:
        report(error.diagnostics)
        return exit_code(error.diagnostics)
    say(f"{path}: change it, and look at it with")
    for command in ("check", "summary", "draw -o net.svg", "compile"):
        words = command.split()
        say(f"  addnn {' '.join([words[0], str(path), *words[1:]])}")
    return OK


def _names(name: str) -> tuple[Path, str]:
    """Return the file, and what its network is called: `my_net` gives `MyNet`."""
    base = name.removesuffix(".net")
    if not (base.isascii() and base.isidentifier()):
        help = "letters, digits and _, not a digit first: addnn new my_net"
        raise Refusal("E0607", f"{name} is no name for a network", help=help)
    network = "".join(part[:1].upper() + part[1:] for part in base.split("_")) or "Net"
    return Path(f"{base}.net"), network if network.isidentifier() else "Net"
