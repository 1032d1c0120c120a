"""The group of commands. A command's module is imported when the command is called."""

from __future__ import annotations

import gc
from importlib import import_module
from typing import Any

import click

from addnn_spec import __version__
from addnn_spec.cli import ReaderGoneError

COMMANDS: dict[str, tuple[str, str]] = {
    "check": ("check:check", "Find what is wrong in specs."),
    "summary": ("summary:summary", "Show a network's nodes, shapes and costs."),
    "compile": ("compile:compile_", "Write a network as PyTorch source."),
    "draw": ("draw:draw", "Draw a network as SVG or DOT."),
    "export": ("export:export", "Write a network as an ONNX file."),
    "fmt": ("fmt:fmt", "Lay specs out in the canonical form."),
    "diff": ("diff:diff", "Compare two networks."),
    "widths": ("widths:widths", "Show which widths are one, and may change."),
    "edit": ("edit:edit", "Cut, narrow, widen or replace, from text to text."),
    "compress": ("compress:compress", "Make a trained network smaller, and measure that."),
    "grow": ("grow:grow", "Train a network block after block, as deep as it pays."),
    "fuse": ("fuse:fuse", "Make one network of two trained ones, with one head."),
    "data": ("datasets:data", "Look at a data set, and for its doubtful labels."),
    "probe": ("probe:probe", "Take the indices at a network's nodes."),
    "compare": ("compare:compare", "Compare two runs of probe."),
    "list": ("list:list_", "List the packaged networks."),
    "show": ("show:show", "Print the text of a spec."),
    "explain": ("explain:explain", "Explain a code, an operator, a block, a network."),
    "report": ("report:report_", "Show runs of the probe as a page or a picture."),
    "rank": ("rank:rank", "Rank networks by their features on one's own data."),
    "confidence": ("confidence:confidence", "Say which predictions an error cannot change."),
    "lsp": ("lsp:lsp", "Serve editors: shapes and errors while one types."),
    "new": ("new:new", "Write a small spec to begin with."),
    "demo": ("demo:demo", "Compile and train a small network."),
}
"""Each command's function, as module:name within `addnn_spec.cli`, and its line in the help."""


class LazyGroup(click.Group):
    """A group that knows its commands' names and imports only the one that is called."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            raise ReaderGoneError from error

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        module, function = COMMANDS[name][0].split(":")
        command = getattr(import_module(f"addnn_spec.cli.{module}"), function)
        if not gc.isenabled():  # the first command of this process
            gc.freeze()  # modules live to the end: no collection needs to look at them
            gc.enable()
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name not in COMMANDS and not name.startswith("-"):
            from addnn_spec.diagnostics.near_names import did_you_mean

            near = did_you_mean(name, COMMANDS)
            ctx.fail(f"there is no command {name}" + (f": {near}" if near else ""))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[Any]:
        from click.shell_completion import CompletionItem

        return [
            CompletionItem(name, help=line)
            for name, (_, line) in COMMANDS.items()
            if name.startswith(incomplete)
        ]


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="addnn %(version)s")
def addnn() -> None:
    """Compile declarative network specs (.net) to PyTorch source."""
