"""`addnn grow`: a network that learns block after block, as deep as the index asks for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import click

from addnn_spec.cli.data_options import setting_options
from addnn_spec.cli.design_outputs import outputs, plan_of, preparation_of, write_design
from addnn_spec.cli.options import Options, network_options, training_options
from addnn_spec.cli.outcome import OK, say
from addnn_spec.cli.outputs import OutputFile, force_option, refuse_inputs
from addnn_spec.cli.progress import shown_work
from addnn_spec.cli.specs import Spec
from addnn_spec.packages import require
from addnn_spec.runtime.settings import PREPARATION

if TYPE_CHECKING:
    from addnn_spec.design.growing import Growing, Grown

Local = Literal[
    "soft-si", "triplet", "sim", "pred", "predsim", "smoothness", "forward-forward", "k-means"
]


class Depth(click.ParamType[tuple[str, int]]):
    """A labelled repeat, and how many turns it may come to: `stage4=6`."""

    name = "repeat"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, int]:
        if isinstance(value, tuple):
            return value
        path, _, count = value.rpartition("=")
        if not path or not count.isdigit() or not 1 <= int(count) <= _MOST_TURNS:
            self.fail(f"{value} is not like stage4=6, of 1 to {_MOST_TURNS} turns", param, ctx)
        return path, int(count)


_MOST_TURNS = 1000


@click.command("grow")
@click.argument("spec", type=Spec())
@click.option("--data", required=True, metavar="TRAIN", help="A bundled set, a file or folder.")
@click.option("--test", metavar="TEST", help="What judges; else a third of the data is held out.")
@setting_options("task", *PREPARATION)
@click.option(
    "--loss",
    type=click.Choice(get_args(Local)),
    default="soft-si",
    show_default=True,
    help="What each block learns by; of targets it is smoothness.",
)
@click.option(
    "--max-repeat",
    type=Depth(),
    multiple=True,
    metavar="LABEL=N",
    help="Let a labelled repeat grow to so many turns; repeatable.",
)
@click.option(
    "--epochs", type=click.IntRange(1), default=4, show_default=True, help="Of each block."
)
@click.option("--batch", type=click.IntRange(8), default=128, show_default=True)
@training_options
@click.option(
    "--control/--no-control",
    default=True,
    help="Train the grown spec by backpropagation, too, for as many epochs.",
)
@click.option("-o", "--output", type=OutputFile(), required=True, help="The spec: grown.net.")
@force_option
@network_options
def grow(
    spec: str, options: Options, data: str, test: str | None, output: Path, force: bool,
    **given: Any,
) -> int:  # fmt: skip
    """Train a network forward: each block by a local loss, on what the block before gives.

    With --max-repeat a labelled repeat gets turns as long as they raise the cross-index of held-out
    samples. Beside grown.net come grown.safetensors and grown.design.json.

    \b
      addnn grow net.net --data digits --max-repeat stage2=4 -o grown.net
    """
    plan = plan_of(spec, options)
    written = outputs(output, force, ("spec", "weights", "record"))
    refuse_inputs(output, [*plan.network.session.files, data, test])
    require("designing", "torch", "safetensors", "numpy", extra="torch")
    from addnn_spec.design.growing import grow as run

    with shown_work("growing") as (tell, progress):
        made = run(
            plan,
            data,
            test,
            how=_how(given),
            task=given["task"],
            preparation=preparation_of(given),
            progress=progress,
            tell=tell,
        )
    write_design(written, made.plan, made.module, made.record)
    say("\n".join(_told(made)))
    return OK


def _how(given: dict[str, Any]) -> Growing:
    from addnn_spec.design.growing import Growing
    from addnn_spec.design.training import Recipe

    names = ("epochs", "batch", "lr", "optimizer", "seed", "device", "augment")
    recipe = Recipe(**{name: given[name] for name in names})
    return Growing(given["loss"], recipe, dict(given["max_repeat"]), given["control"])


def _told(made: Grown) -> list[str]:
    record = made.record
    width = max(len(step.block) for step in record.curve)
    lines = [f"{'block':{width}}  cross-index"]
    lines += [f"{one.block:{width}}  {one.cross:.4f} ± {one.error:.4f}" for one in record.curve]
    lines += [f"{path}: {turns} turns" for path, turns in record.turns.items()]
    lines.append(f"accuracy on the judging samples: {record.accuracy:.4f}")
    if record.comparison is not None and record.backprop is not None:
        one = record.comparison
        lines.append(
            f"by backpropagation, as many epochs: {record.backprop:.4f} "
            f"({one.verdict}: {one.difference:+.4f} ± {one.error:.4f})"
        )
    return [*lines, *(f"note: {note}" for note in record.notes)]
