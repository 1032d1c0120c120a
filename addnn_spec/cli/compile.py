"""`addnn compile`: a network as PyTorch source."""

from __future__ import annotations

from pathlib import Path

import click

from addnn_spec.cli.options import Options, network_options
from addnn_spec.cli.outcome import exit_code
from addnn_spec.cli.outputs import STDOUT, OutputFile, force_option, guard, put
from addnn_spec.cli.specs import Spec, load
from addnn_spec.diagnostics import Refusal


@click.command("compile")
@click.argument("spec", type=Spec())
@click.option("-o", "--output", type=OutputFile(), help="The file to write; - is standard output.")
@click.option("--check", is_flag=True, help="Write nothing; exit 3 if --output is not up to date.")
@click.option("--probes", is_flag=True, help="Let every node's value pass a tap.")
@force_option
@network_options
def compile_(
    spec: str, options: Options, output: Path | None, check: bool, probes: bool, force: bool
) -> int:
    """Write a network as PyTorch source, to standard output or a file.

    The source needs torch and the standard library alone. Costs in its head are at the default
    sizes; --dim is checked and changes nothing else.

    \b
      addnn compile ResNet50 --set classes=10 -o resnet50.py
      addnn compile my.net -o my.py --check
    """
    if check and output in (None, STDOUT):
        raise click.UsageError("--check compares with a file: name it with --output")
    network, _ = load(spec, options)
    # With --check the file is read, and not written over.
    guard(output, network.session.files, force=force or check)
    given = [f"--set {text}" for text in options.settings]
    text = network.source(probes=probes, options=given)
    if output is None or not check:
        put(output, text)
    elif _read(output) != text.encode("utf-8"):
        raise _not_up_to_date(output, spec)
    return exit_code(network.session.collector.diagnostics, strict=options.strict)


def _read(path: Path) -> bytes | None:
    """Return what stands in a file; None if there is none."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:  # a NUL in the path is a ValueError
        reason = error.strerror if isinstance(error, OSError) else None
        message = f"{path} cannot be read: {reason or error}"
        raise Refusal("E0601", message) from error


def _not_up_to_date(path: Path, spec: str) -> Refusal:
    return Refusal(
        "E0608", f"{path} is not what {spec} compiles to", help="compile without --check writes it"
    )
