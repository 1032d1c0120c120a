"""`addnn fuse`: two trained networks as one, with one head."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from addnn_spec.cli.data_options import setting_options
from addnn_spec.cli.design_outputs import outputs, plan_of, preparation_of, verdict, write_design
from addnn_spec.cli.options import Options, network_options, place_options
from addnn_spec.cli.outcome import OK, say
from addnn_spec.cli.outputs import OutputFile, force_option, put, refuse_inputs
from addnn_spec.cli.progress import shown_work
from addnn_spec.cli.specs import Spec
from addnn_spec.packages import require
from addnn_spec.runtime.settings import PREPARATION

if TYPE_CHECKING:
    from addnn_spec.design.fusing import Fused, Fusing

_SHOWN = 8
"""So many pairs of nodes are told."""


class Nodes(click.ParamType[tuple[str, str]]):
    """A node of each network: `stage4,layer3`; None is `auto`."""

    name = "nodes"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not isinstance(value, str) or value == "auto":
            return None if value == "auto" else value
        first, comma, second = value.partition(",")
        if not first or not comma or not second or "," in second:
            self.fail(f"{value} is not auto, and not like stage4,layer3", param, ctx)
        return first.strip(), second.strip()


@click.command("fuse")
@click.argument("a", type=Spec())
@click.argument("b", type=Spec())
@click.option(
    "--weights",
    type=click.Path(path_type=Path),
    multiple=True,
    help="A's weights, and again for B's.",
)
@click.option("--keys", metavar="MAP", help="A key map for both: a .toml file, or a packaged one.")
@click.option("--data", metavar="TRAIN", help="A bundled set's name, a file or folder.")
@click.option("--test", metavar="TEST", help="What judges; else a third of the data is held out.")
@setting_options("task", *PREPARATION)
@click.option(
    "--nodes",
    type=Nodes(),
    default="auto",
    show_default=True,
    metavar="auto|A,B",
    help="Where each ends; auto is the pair of the best cross-index.",
)
@click.option("--head", default="linear", show_default=True, help="linear, or mlp:128.")
@click.option(
    "--margin",
    type=click.FloatRange(0),
    default=0.005,
    show_default=True,
    help="A loss that is none: for the verdict.",
)
@click.option("--control/--no-control", default=True, help="Fuse at a random pair of nodes, too.")
@place_options
@click.option(
    "--dry",
    is_flag=True,
    help="Print the figures and the text for --nodes A,B; run and write nothing.",
)
@click.option("-o", "--output", type=OutputFile(), help="The spec to write: fused.net.")
@force_option
@network_options
def fuse(
    a: str, b: str, options: Options, weights: tuple[Path, ...], data: str | None,
    output: Path | None, force: bool, dry: bool, **given: Any,
) -> int:  # fmt: skip
    """Make one network of two trained ones: each up to a node, and a new head behind both.

    The parts are called a and b, and stay as they were trained; the head is trained. Judged against
    the mean of what the two say. Beside fused.net come fused.safetensors and fused.design.json.

    \b
      addnn fuse upper.net lower.net --weights upper.safetensors --weights lower.safetensors \\
          --data digits -o fused.net
    """
    plans = (plan_of(a, options), plan_of(b, options))
    if dry:
        from addnn_spec.design.expected_sizes import figures
        from addnn_spec.design.fusion import fused

        if given["nodes"] is None:
            raise click.UsageError("--dry takes --nodes A,B: auto looks at the data")
        fusion = fused(*plans, given["nodes"], head=given["head"])
        sizes = zip(*(figures(plan) for plan in (*plans, fusion.plan)), strict=True)
        rows = [
            f"# {what}: {one:,} and {other:,} → {both:,}"
            for what, (one, other, both) in zip(("parameters", "MACs"), sizes, strict=True)
        ]
        put(None, "\n".join([*rows, "", fusion.text]))
        return OK
    if data is None or output is None or len(weights) != 2:
        raise click.UsageError("--weights twice, --data and --output are needed, but with --dry")
    written = outputs(output, force, ("spec", "weights", "record"))
    read = [path for plan in plans for path in plan.network.session.files]
    refuse_inputs(output, [*read, data, given["test"], *weights])
    require("designing", "torch", "safetensors", extra="torch")
    from addnn_spec.design.fusing import fuse as run

    with shown_work("fusing") as (tell, progress):
        made = run(
            plans,
            (weights[0], weights[1]),
            data,
            given["test"],
            how=_how(given),
            keys=given["keys"],
            task=given["task"],
            preparation=preparation_of(given),
            progress=progress,
            tell=tell,
        )
    write_design(written, made.fusion.plan, made.module, made.record)
    say("\n".join(_told(made)))
    return OK


def _how(given: dict[str, Any]) -> Fusing:
    from addnn_spec.design.fusing import Fusing
    from addnn_spec.design.training import Recipe

    recipe = Recipe(seed=given["seed"], device=given["device"])
    names = ("nodes", "head", "margin", "control")
    return Fusing(**{name: given[name] for name in names}, recipe=recipe)


def _told(made: Fused) -> list[str]:
    record = made.record
    first, rest = record.pairs[:_SHOWN], record.pairs[_SHOWN:]
    shown = [*first, *(pair for pair in rest if (pair.a, pair.b) == record.nodes)]
    width = max(len(f"{pair.a} + {pair.b}") for pair in shown)
    lines = [f"{'nodes':{width}}  cross-index"]
    for pair in shown:
        taken = "  taken" if (pair.a, pair.b) == record.nodes else ""
        ties = "" if pair.ties else "  below the best"
        name = f"{pair.a} + {pair.b}"
        lines.append(f"{name:{width}}  {pair.cross:.4f} ± {pair.error:.4f}{taken}{ties}")
    before, after = record.before, record.after
    for what in ("params", "macs"):
        sizes = [getattr(one, what) for one in (*before, after)]
        name = {"params": "parameters", "macs": "MACs"}[what]
        lines.append(f"{name:12} {sizes[0]:,} + {sizes[1]:,} → {sizes[2]:,}")
    width = max(len(one.name) for one in record.scores)
    lines += [f"{one.name:{width}}  {one.value:.4f} ± {one.error:.4f}" for one in record.scores]
    lines += [verdict(one, record.margin) for one in record.comparisons]
    return lines
