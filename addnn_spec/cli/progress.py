"""Long work, shown on stderr: the plan before the start, then a bar with the time left.

Where stderr is no terminal a line stands for the bar, every ten seconds.
"""

from __future__ import annotations

import os
import sys
import time
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


_EVERY = 10.0  # seconds between lines


class _Lines:
    """Progress as lines, for a stderr that is a pipe or a file: of short work none."""

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        self.console, self.clock = console, clock
        self.start = self.told = clock()

    def __call__(self, share: float, what: str) -> None:
        """Tell how much is done, and what is being done, if it is time for a line."""
        now = self.clock()
        if now - self.told < _EVERY:
            return
        self.told = now
        left = f", {(now - self.start) * (1 - share) / share:,.0f} s left" if share > 0 else ""
        line = f"{100 * share:.0f} %{left}: {what}"
        self.console.print(visible(line), highlight=False, markup=False, soft_wrap=True)


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
    # Of the processes that torchrun has started only the first one shows anything.
    first = os.environ.get("RANK", "0") == "0"
    quiet = not (console.is_terminal and first)
    with Progress(*columns, console=console, disable=quiet) as bar, _told_notes(bar.console):
        task = bar.add_task("probing", total=1.0)
        lines = _Lines(console) if first and not console.is_terminal else None

        def announce(prober: Prober, plan: PlanRecord, notes: Sequence[str]) -> None:
            widths = [found.size.dimensions for found in prober.found.values()]
            text = plan_text(plan, len(widths), sum(widths), len(prober.feed.splits))
            for line in (text, *(f"note: {note}" for note in notes)):
                bar.console.print(visible(line), highlight=False, markup=False, soft_wrap=True)

        def progress(share: float, what: str) -> None:
            bar.update(task, completed=share, description=what)
            if lines is not None:
                lines(share, what)

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
        lines = None if console.is_terminal else _Lines(console)

        def progress(share: float, now: str) -> None:
            bar.update(task, completed=share, description=now)
            if lines is not None:
                lines(share, now)

        with _told_notes(bar.console):
            yield (
                lambda text: bar.console.print(visible(text), highlight=False, markup=False),
                progress,
            )
