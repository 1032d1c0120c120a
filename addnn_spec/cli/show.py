"""`addnn show`: the text of a spec."""

from __future__ import annotations

import sys

import click

from addnn_spec.catalogue import choose, open_spec
from addnn_spec.cli.options import Options, file_options
from addnn_spec.cli.outcome import OK, has_colour
from addnn_spec.cli.specs import STDIN, Spec, read_stdin
from addnn_spec.diagnostics.excerpt import visible


@click.command()
@click.argument("spec", type=Spec())
@file_options
def show(spec: str, options: Options) -> int:
    """Print the text of the file that a network stands in.

    \b
      addnn show ResNet50
      addnn show ResNet50 > my.net   # a start for a network of your own
    """
    source = read_stdin(options) if spec == STDIN else None
    session, network = open_spec(spec, source=source, limits=options.limits)
    if network is not None:
        choose(session, network)
    text = visible(session.source.text)
    if has_colour(sys.stdout):
        from addnn_spec.highlighting import in_colour

        text = in_colour(text)
    click.echo(text, nl=False)
    return OK
