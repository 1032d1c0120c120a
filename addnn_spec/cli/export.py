"""`addnn export`: a network as a file that other programs run."""

from __future__ import annotations

from pathlib import Path

import click

from addnn_spec.cli.data_options import weights_options
from addnn_spec.cli.options import Options, network_options
from addnn_spec.cli.outcome import exit_code
from addnn_spec.cli.outputs import STDOUT, OutputFile, force_option, guard
from addnn_spec.cli.specs import Spec, load
from addnn_spec.packages import require


@click.command()
@click.argument("spec", type=Spec())
@click.option("--onnx", type=OutputFile(), required=True, help="The ONNX file to write.")
@click.option("--dynamic", multiple=True, metavar="NAME", help="A symbolic size to keep open: N.")
@weights_options
@force_option
@network_options
def export(
    spec: str,
    options: Options,
    onnx: Path,
    dynamic: tuple[str, ...],
    weights: Path | None,
    keys: str | None,
    force: bool,
) -> int:
    """Write a network, in evaluation, as an ONNX file; without weights as it is initialised.

    \b
      addnn export ResNet50 --weights resnet50.safetensors --onnx resnet50.onnx --dynamic N
      addnn export my.net --onnx my.onnx --dim H=320 --dim W=320
    """
    if onnx == STDOUT:
        raise click.UsageError("an ONNX file is not written to standard output: name it")
    require("ONNX", "torch", "onnx", "onnxscript", extra="onnx")
    network, dims = load(spec, options)
    guard(onnx, [*network.session.files, weights, keys], force=force)
    network.export_onnx(onnx, weights, keys=keys, dynamic=dynamic, dims=dims)
    return exit_code(network.session.collector.diagnostics, strict=options.strict)
