"""Options that commands share, read into one value, `Options`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import wraps
from typing import Any

import click

from addnn_spec.cli.outcome import exit_code, report
from addnn_spec.cli.shell_completion import complete_network, complete_parameter, complete_size
from addnn_spec.diagnostics import DiagnosticError
from addnn_spec.diagnostics.render import FORMATS, Format
from addnn_spec.limits import Limits
from addnn_spec.passes.unfold import MAX_FLAT_NODES
from addnn_spec.runtime.foreign_errors import reason

_Command = Callable[..., int]
_Decorator = Callable[[_Command], _Command]


@dataclass(frozen=True, slots=True)
class Options:
    """What the shared options of a command say."""

    output_format: Format = "full"
    strict: bool = False
    stdin_filename: str = "<stdin>"
    limits: Limits = Limits()
    listed: int = MAX_FLAT_NODES
    network: str | None = None
    settings: tuple[str, ...] = ()
    dims: tuple[str, ...] = ()


_NAMES = tuple(field.name for field in fields(Options))
_LIMITS = {
    "text_bytes": ("text", "bytes of a file"),
    "calls": ("calls", "calls within one another"),
    "nodes": ("nodes", "distinct nodes"),
    "instances": ("instances", "nodes, each as often as it runs"),
    "steps": ("steps", "compile-time steps: calls, loop turns, list elements, characters"),
}


def format_option(command: _Command) -> _Command:
    return click.option(
        "--output-format",
        type=click.Choice(FORMATS),
        default="full",
        show_default=True,
        help="How diagnostics are written.",
    )(command)


def _limit_options(command: _Command) -> _Command:
    defaults = Limits()
    command = click.option(
        "--limit-listed",
        "listed",
        type=click.IntRange(1),
        default=MAX_FLAT_NODES,
        show_default=True,
        help="Limit: nodes where all are listed (--json, drawings).",
    )(command)
    # Each option is put before those that the command has: reversed, the help has them in order.
    for field, (name, what) in reversed(_LIMITS.items()):
        command = click.option(
            f"--limit-{name}",
            f"limit_{field}",
            type=click.IntRange(1),
            default=getattr(defaults, field),
            show_default=True,
            help=f"Limit: {what}.",
        )(command)
    return command


def _stdin_option(command: _Command) -> _Command:
    return click.option(
        "--stdin-filename",
        default="<stdin>",
        metavar="NAME",
        help="The name to show for standard input.",
    )(command)


def _register(_: click.Context, __: click.Parameter, modules: tuple[str, ...]) -> None:
    """Make the operators of the caller's own modules known."""
    from addnn_spec.ops import register

    for module in modules:
        try:
            register(module)
        except (ImportError, ValueError) as error:
            raise click.BadParameter(str(error)) from error
        except (Exception, SystemExit) as error:  # the module's own
            raise click.BadParameter(f"{module} cannot be imported: {reason(error)}") from error


def ops_option(command: _Command) -> _Command:
    return click.option(
        "--ops",
        multiple=True,
        metavar="MODULE",
        expose_value=False,
        is_eager=True,
        callback=_register,
        help="A Python module with operators of your own; its code runs.",
    )(command)


def _strict_option(command: _Command) -> _Command:
    return click.option("--strict", is_flag=True, help="Warnings exit 1, too.")(command)


def _network_options(command: _Command) -> _Command:
    command = click.option(
        "--dim",
        "dims",
        multiple=True,
        metavar="NAME=N",
        shell_complete=complete_size,
        help="The value of a symbolic size: H=320.",
    )(command)
    command = click.option(
        "--set",
        "settings",
        multiple=True,
        metavar="NAME=VALUE",
        shell_complete=complete_parameter,
        help="A parameter of the network: depth=18.",
    )(command)
    return click.option(
        "--network",
        metavar="NAME",
        shell_complete=complete_network,
        help="Which network of the file.",
    )(command)


def _gathered(command: _Command) -> _Command:
    """Pass the shared options as one `Options`, and show in their format what stops the command."""

    @wraps(command)
    def run(**given: Any) -> int:
        limits = {field: given.pop(f"limit_{field}") for field in _LIMITS}
        shared = {name: given.pop(name) for name in _NAMES if name in given}
        options = Options(limits=Limits(**limits), **shared)
        try:
            return command(options=options, **given)
        except DiagnosticError as error:
            report(error.diagnostics, options.output_format)
            return exit_code(error.diagnostics)

    return run


def all_of(*decorators: _Decorator) -> _Decorator:
    """Several options as one, in this order in the help."""

    def decorate(command: _Command) -> _Command:
        # As above: the last one to be applied comes first in the help.
        for decorator in reversed(decorators):
            command = decorator(command)
        return command

    return decorate


file_options = all_of(
    ops_option, _strict_option, _stdin_option, format_option, _limit_options, _gathered
)
"""Options of a command that reads whole files. It gets `options`."""

network_options = all_of(_network_options, file_options)
"""Options of a command that looks at one network. It gets `options`."""


place_options = all_of(
    click.option("--seed", type=click.IntRange(0), default=0, show_default=True),
    click.option("--device", default="cpu", show_default=True, metavar="cpu|cuda:N"),
)
"""What draws samples, and where it runs."""

training_options = all_of(
    click.option("--lr", type=click.FloatRange(0, min_open=True), default=1e-3, show_default=True),
    click.option(
        "--optimizer", type=click.Choice(["adam", "sgd"]), default="adam", show_default=True
    ),
    place_options,
    click.option(
        "--augment",
        type=click.Choice(["none", "shift", "flip", "shift+flip"]),
        default="none",
        show_default=True,
        help="Move or mirror images at random, in training.",
    ),
)
"""How a network learns: the same for all that trains one, but for how long and on how many."""
