"""`addnn compress`: a smaller spec, its weights, and what that did."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import click

from addnn_spec.cli.data_options import setting_options, weights_options
from addnn_spec.cli.design_outputs import outputs, plan_of, preparation_of, verdict, write_design
from addnn_spec.cli.options import Options, network_options, training_options
from addnn_spec.cli.outcome import OK, say
from addnn_spec.cli.outputs import OutputFile, force_option, put, refuse_inputs
from addnn_spec.cli.progress import shown_work
from addnn_spec.cli.shell_completion import complete_node
from addnn_spec.cli.specs import Spec
from addnn_spec.design.expected_sizes import figures
from addnn_spec.design.plan import Plan
from addnn_spec.packages import require
from addnn_spec.runtime.settings import PREPARATION

if TYPE_CHECKING:
    from addnn_spec.design.compressing import Aim, Compressed

By = Literal["bn", "l1", "greedy-si", "soft-si", "random"]


class WidthsOption(click.ParamType[Any]):
    """A ratio between 0 and 1, or `peak`."""

    name = "ratio"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value == "peak" or isinstance(value, float):
            return value
        try:
            ratio = float(value)
        except ValueError:
            ratio = 0.0
        if not 0 < ratio < 1:
            self.fail(f"{value} is no ratio between 0 and 1, and not peak", param, ctx)
        return ratio


_SHARE = click.FloatRange(0, 1, min_open=True, max_open=True)


@click.command("compress")
@click.argument("spec", type=Spec())
@weights_options
@click.option("--data", metavar="TRAIN", help="A bundled set's name, a file or folder.")
@click.option("--test", metavar="TEST", help="What judges; else a third of the data is held out.")
@setting_options("task", *PREPARATION)
@click.option(
    "--cut",
    default="none",
    show_default=True,
    metavar="auto|NODE|none",
    shell_complete=complete_node,
    help="Cut behind a node, or where the index of the training samples settles.",
)
@click.option("--head", default="linear", show_default=True, help="linear, or mlp:128.")
@click.option(
    "--widths", type=WidthsOption(), metavar="RATIO|peak", help="Of every class's channels."
)
@click.option("--params", type=_SHARE, metavar="SHARE", help="Narrow to this share of parameters.")
@click.option("--macs", type=_SHARE, metavar="SHARE", help="Narrow to this share of MACs.")
@click.option(
    "--by",
    type=click.Choice(get_args(By)),
    default="bn",
    show_default=True,
    help="What chooses the channels.",
)
@click.option(
    "--keep-form/--unroll",
    default=False,
    help="With peak: one share of the channels for what the text ties, or each its own.",
)
@click.option("--refit/--no-refit", default=True, help="Fit each next layer in closed form.")
@click.option(
    "--margin",
    type=click.FloatRange(0),
    default=0.005,
    show_default=True,
    help="A loss that is none: for the verdict.",
)
@click.option(
    "--controls",
    type=click.Choice(["none", "random", "all"]),
    default="all",
    show_default=True,
    help="Random channels; and the same spec from scratch.",
)
@click.option(
    "--original-epochs",
    type=click.IntRange(1),
    default=8,
    show_default=True,
    help="Of the control from scratch.",
)
@click.option(
    "--epochs", type=click.IntRange(0), default=0, show_default=True, help="Of fine-tuning."
)
@click.option("--batch", type=click.IntRange(2), default=64, show_default=True)
@training_options
@click.option("--dry", is_flag=True, help="Print the plan and its figures; run and write nothing.")
@click.option("-o", "--output", type=OutputFile(), help="The spec to write: small.net.")
@force_option
@network_options
def compress(
    spec: str, options: Options, data: str | None, output: Path | None, force: bool, dry: bool,
    **given: Any,
) -> int:  # fmt: skip
    """Make a trained network smaller: cut it, narrow it, fit what is left, and judge that.

    Beside small.net come small.safetensors, small.design.json and small.html. With --dry, and a
    node and widths that are named, neither weights nor data are needed.

    \b
      addnn compress Digits --weights digits.safetensors --data digits --params 0.5 -o small.net
    """
    if given["cut"] == "none" and all(given[name] is None for name in _SIZES):
        raise click.UsageError("say what shall get smaller: --cut, --widths, --params or --macs")
    if sum(given[name] is not None for name in _SIZES) > 1:
        raise click.UsageError("--widths, --params and --macs say the same: give one of them")
    plan = plan_of(spec, options)
    if dry:
        put(None, _planned(plan, given))
        return OK
    if data is None or output is None or given["weights"] is None:
        raise click.UsageError("--weights, --data and --output are needed, but with --dry")
    written = outputs(output, force, ("spec", "weights", "record", "page"))
    refuse_inputs(output, [*plan.network.session.files, data, given["test"], given["weights"]])
    require("designing", "torch", "safetensors", extra="torch")
    from addnn_spec.design.compressing import compress as run

    with shown_work("compressing") as (tell, progress):
        made = run(
            plan,
            given["weights"],
            data,
            given["test"],
            aim=_aim(given),
            keys=given["keys"],
            task=given["task"],
            preparation=preparation_of(given),
            progress=progress,
            tell=tell,
        )
    from addnn_spec.design.compression_page import design_page

    write_design(written, made.plan, made.module, made.record)
    put(written["page"], design_page(made.record, plan, made.plan))
    say("\n".join(_told(made)))
    return OK


_SIZES = ("widths", "params", "macs")


def _aim(given: dict[str, Any]) -> Aim:
    from addnn_spec.design.compressing import Aim
    from addnn_spec.design.training import Recipe

    trained = ("epochs", "batch", "lr", "optimizer", "seed", "device", "augment")
    recipe = Recipe(**{name: given[name] for name in trained})
    names = (
        "cut",
        "head",
        *_SIZES,
        "by",
        "refit",
        "keep_form",
        "margin",
        "controls",
        "original_epochs",
    )
    return Aim(**{n: given[n] for n in names}, recipe=recipe)


def _planned(plan: Plan, given: dict[str, Any]) -> str:
    """Return what a dry run prints: the figures before and after, and the new text."""
    from addnn_spec.design.budget import narrowed_counts

    if given["cut"] == "auto" or given["widths"] == "peak":
        raise click.UsageError("--dry takes a node and a ratio: auto and peak look at the data")
    before = figures(plan)
    edited = plan if given["cut"] == "none" else plan.cut(given["cut"], given["head"])
    counts = narrowed_counts(edited, given["widths"], given["params"], given["macs"])
    if counts:
        edited = edited.narrow({number: range(count) for number, count in counts.items()})
    rows = [
        f"# {what}: {a:,} → {b:,} ({b / a - 1:+.0%})"
        for what, a, b in zip(("parameters", "MACs"), before, figures(edited), strict=True)
    ]
    rows += [f"# note: {note}" for note in edited.notes]
    return "\n".join([*rows, "", edited.text])


def _told(made: Compressed) -> list[str]:
    record = made.record
    lines = []
    for name, a, b in (
        ("parameters", record.before.params, record.after.params),
        ("MACs", record.before.macs, record.after.macs),
    ):
        lines.append(f"{name:12} {a:>12,} → {b:>12,}  {b / a - 1:+.0%}")
    width = max(len(score.name) for score in record.scores)
    lines += [f"{one.name:{width}}  {one.value:.4f} ± {one.error:.4f}" for one in record.scores]
    lines += [verdict(one, record.margin) for one in record.comparisons]
    return [*lines, *(f"note: {note}" for note in record.notes)]
