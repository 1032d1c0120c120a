"""Long work, shown on stderr: the plan before the start, then a bar with the time left."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from addnn_spec.diagnostics.excerpt import visible

if TYPE_CHECKING:
    from rich.console import Console

    from addnn_spec.runtime.probing import Prober
    from addnn_spec.runtime.run_record import PlanRecord


@contextmanager
def _told_notes(console: Console) -> Iterator[None]:
    """Show what loading weights puts right as notes."""
    from addnn_spec.runtime.foreign_errors import WeightsNote

    others = warnings.showwarning

    def show(message: Warning | str, category: type[Warning], *rest: Any, **more: Any) -> None:
        if issubclass(category, WeightsNote):
            console.print(
                visible(f"note: {message}"), highlight=False, markup=False, soft_wrap=True
            )
        else:
            others(message, category, *rest, **more)

    with warnings.catch_warnings():
        warnings.simplefilter("always", WeightsNote)
        warnings.showwarning = show
        yield


@contextmanager
def shown_progress() -> Iterator[
    tuple[Callable[[Prober, PlanRecord, Sequence[str]], None], Callable[[float, str], None]]
]:
    """Show the plan and what must be known on stderr before the start, then a bar with the time
    left."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    from addnn_spec.probes.probe_run import plan_text

    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    console = Console(file=sys.stderr)
    quiet = not console.is_terminal or os.environ.get("RANK", "0") != "0"
    with Progress(*columns, console=console, disable=quiet) as bar, _told_notes(bar.console):
        task = bar.add_task("probing", total=1.0)

        def announce(prober: Prober, plan: PlanRecord, notes: Sequence[str]) -> None:
            widths = [found.size.dimensions for found in prober.found.values()]
            text = plan_text(plan, len(widths), sum(widths), len(prober.feed.splits))
            for line in (text, *(f"note: {note}" for note in notes)):
                bar.console.print(visible(line), highlight=False, markup=False, soft_wrap=True)

        def progress(share: float, what: str) -> None:
            bar.update(task, completed=share, description=what)

        yield announce, progress


@contextmanager
def shown_work(
    what: str,
) -> Iterator[tuple[Callable[[str], None], Callable[[float, str], None]]]:
    """Tell on stderr what must be known before the start, then show a bar with the time left."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    console = Console(file=sys.stderr)
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(what, total=1.0)
        with _told_notes(bar.console):
            yield (
                lambda text: bar.console.print(visible(text), highlight=False, markup=False),
                lambda share, now: bar.update(task, completed=share, description=now),
            )
