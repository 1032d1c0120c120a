"""`addnn edit`: another network from a network, as a small change of its text."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click

from addnn_spec.cli.data_options import weights_options
from addnn_spec.cli.design_outputs import outputs, plan_of
from addnn_spec.cli.options import Options, network_options
from addnn_spec.cli.outcome import OK, say
from addnn_spec.cli.outputs import OutputFile, force_option, put, refuse_inputs
from addnn_spec.cli.shell_completion import complete_node, complete_node_value
from addnn_spec.cli.specs import Spec
from addnn_spec.design.expected_sizes import figures
from addnn_spec.design.plan import Plan
from addnn_spec.diagnostics import Refusal
from addnn_spec.packages import require
from addnn_spec.passes.widths import ChannelClass
from addnn_spec.patterns import matches, suggestion

_LONG = 18
"""As many digits are read of a number of turns."""


class NodeValue(click.ParamType[tuple[str, str]]):
    """`NODE=VALUE`: what stands behind the first sign is the value."""

    def __init__(self, name: str) -> None:
        self.name = name

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        if isinstance(value, tuple):
            return value
        name, sign, text = value.partition("=")
        if not sign or not name.strip() or not text.strip():
            self.fail(f"{value} is not {self.name}", param, ctx)
        return name.strip(), text.strip()


def _several(name: str, form: str, help: str) -> Callable[[Callable[..., int]], Callable[..., int]]:
    return click.option(
        name,
        multiple=True,
        type=NodeValue(form),
        metavar=form,
        help=help,
        shell_complete=complete_node_value,
    )


@click.command()
@click.argument("spec", type=Spec())
@click.option(
    "--cut",
    metavar="NODE",
    shell_complete=complete_node,
    help="End behind a node, with a new head.",
)
@click.option("--head", default="linear", show_default=True, help="Of --cut: linear, or mlp:128.")
@click.option(
    "--classes",
    metavar="N",
    type=click.IntRange(1, 1_000_000),
    help="Of --cut: how many the new head tells apart, if not as many as now.",
)
@_several("--turns", "REPEAT=N", "Give a labelled repeat so many turns.")
@_several("--narrow", "CLASS=SIZE", "Keep so many channels of a class, or a share: 0.5.")
@_several("--widen", "CLASS=SIZE", "Copy a class's channels up to so many, or times: 1.5.")
@_several("--replace", "NODE=TEXT", "Put another element in a node's place.")
@_several("--insert", "NODE=TEXT", "Put a labelled element behind a node.")
@weights_options
@click.option("--dry", is_flag=True, help="Print the figures and the new text; write nothing.")
@click.option("-o", "--output", type=OutputFile(), help="The spec to write: new.net.")
@force_option
@network_options
def edit(
    spec: str, options: Options, weights: Path | None, keys: Any, output: Path | None,
    force: bool, dry: bool, **given: Any,
) -> int:  # fmt: skip
    """Change a network's text: cut, add turns, narrow, widen, replace, insert, in this order.

    The new text is checked to be what was asked for. A CLASS is a node whose width it is, as
    `addnn widths` has it, or a pattern of nodes: 'stage[12].*'. A network that is widened computes
    what it did. With --weights, new.safetensors comes beside new.net: of a class that is narrowed
    the channels of the largest weights stay, and what is new begins as torch begins it.

    \b
      addnn edit Digits --narrow '*=0.5' --dry
      addnn edit Digits --cut stage1 --turns stage1=3 -o short.net
      addnn edit Digits --replace relu=GELU --insert 'stage1=extra: Conv2d(16, 1)' --dry
    """
    if not any(given[name] for name in ("cut", "turns", "narrow", "widen", "replace", "insert")):
        raise click.UsageError("say what shall change: --cut, --turns, --narrow, --widen, …")
    if output is None and not dry:
        raise click.UsageError("--output is needed, but with --dry")
    first = plan_of(spec, options)
    written = {} if output is None or dry else outputs(output, force, _kinds(weights))
    refuse_inputs(output, [*first.network.session.files, weights])
    state: dict[str, Any] | None = None
    if weights is not None and not dry:
        require("weights", "torch", "safetensors", extra="torch")
        state = first.network.build(weights, keys=keys).state_dict()
    plan = _edited(first, given, state)
    rows = [
        f"{what}: {a:,} → {b:,} ({b / a - 1:+.0%})"
        for what, a, b in zip(("parameters", "MACs"), figures(first), figures(plan), strict=True)
        if a
    ]
    rows += [f"note: {note}" for note in plan.notes]
    if not written:
        put(None, "\n".join([*(f"# {row}" for row in rows), "", plan.text]))
        return OK
    put(written["spec"], plan.text)
    if state is not None:
        rows += _write_weights(written["weights"], plan, state)
    say("\n".join(rows))
    return OK


def _kinds(weights: Path | None) -> tuple[str, ...]:
    return ("spec",) if weights is None else ("spec", "weights")


def _edited(plan: Plan, given: dict[str, Any], state: dict[str, Any] | None) -> Plan:
    """Return the plan with all that was asked for, one edit after the other."""
    if given["cut"]:
        plan = plan.cut(given["cut"], given["head"], given["classes"])
    for path, turns in given["turns"]:
        if not turns.isdecimal() or len(turns) > _LONG:
            raise click.UsageError(f"--turns: {turns} is no number of turns")
        plan = plan.repeated(path, int(turns))
    if given["narrow"]:
        plan = plan.narrow(_kept(plan, _sizes(plan, given["narrow"], "--narrow"), state))
    if given["widen"]:
        plan = plan.widen(_sizes(plan, given["widen"], "--widen"))
    for path, text in given["replace"]:
        plan = plan.replaced(path, text)
    for path, text in given["insert"]:
        plan = plan.inserted(path, text)
    return plan


def _sizes(plan: Plan, asked: tuple[tuple[str, str], ...], option: str) -> dict[int, int]:
    """Return the new size of each class that is named."""
    found: dict[int, int] = {}
    for pattern, text in asked:
        for one in _classes(plan, pattern):
            try:
                size = round(one.size * float(text)) if "." in text else int(text)
            except (ValueError, OverflowError):
                raise click.UsageError(f"{option}: {text} is no size, and no share") from None
            found[one.number] = max(size, 1) if "." in text else size
    return found


def _classes(plan: Plan, pattern: str) -> Iterator[ChannelClass]:
    """Yield the classes that a node makes, or of a pattern those that may change.

    Raises `Refusal` (E0620) where there are none.
    """
    classes = plan.widths.classes
    named = [one for one in classes if pattern in one.makers]
    found = named or [
        one
        for one in classes
        if not one.frozen and any(matches(maker, pattern) for maker in one.makers)
    ]
    if not found:
        makers = [maker for one in classes for maker in one.makers]
        raise Refusal(
            "E0620", f"no width that may change is {pattern}'s", help=suggestion(pattern, makers)
        )
    yield from found


def _kept(plan: Plan, sizes: dict[int, int], state: dict[str, Any] | None) -> dict[int, list[int]]:
    """Return which channels stay: with weights those of the largest, else the first."""
    classes = plan.widths.classes
    for number, size in sizes.items():
        if not 0 < size <= classes[number].size:
            one = classes[number]
            raise Refusal("E0620", f"{one.name} has {one.size} channels, {size} cannot be kept")
    if state is None:
        return {number: list(range(size)) for number, size in sizes.items()}
    from addnn_spec.design.choosing import largest_channels

    return largest_channels(plan, sizes, plan.apply(state))


def _write_weights(path: Path, plan: Plan, state: dict[str, Any]) -> list[str]:
    """Write the weights of the new network; tell which of them are new."""
    import torch
    from safetensors.torch import save

    kept = plan.apply(state)
    # What is new is drawn alike in every run.
    torch.manual_seed(0)
    module = plan.network.build()
    module.load_state_dict(kept, strict=False)
    found = module.state_dict()
    put(path, save({key: value.contiguous() for key, value in found.items()}))
    new = [key for key in found if key not in kept]
    return [f"new weights: {', '.join(new)}"] if new else []
