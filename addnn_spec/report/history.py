"""The index by epoch: a callback that probes a network while it is trained."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from addnn_spec.diagnostics import Refusal
from addnn_spec.packages import require
from addnn_spec.probes.run import probe
from addnn_spec.runtime.keywords import ProbeKeywords
from addnn_spec.runtime.run_record import RunRecord

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from torch import nn


class IndexHistory:
    """Takes the indices at a module's nodes after each epoch, or each `every`-th.

    In a loop of one's own `history(module)` at the end of an epoch; in Lightning's
    `Trainer(callbacks=[history.lightning()])`. The module is left as it was, to the bit. `runs`
    holds what was found by epoch, from 1; with `folder` each is written there as a run.json of its
    own, `epoch-0001.json`, for `addnn report folder/*.json --figure epochs`.

    `train`, `test` and the options are those of `probe`. The samples are the same in each epoch.
    """

    def __init__(
        self,
        train: Any,
        test: Any = None,
        *,
        folder: str | Path | None = None,
        every: int = 1,
        **options: Unpack[ProbeKeywords],
    ) -> None:
        if every < 1:
            raise Refusal("E0607", f"every is a number of epochs, 1 or more, not {every}")
        self.train, self.test = train, test
        self.folder = None if folder is None else Path(folder)
        self.every, self.options = every, options
        self.epoch = 0
        self.runs: dict[int, RunRecord] = {}

    def __call__(self, module: nn.Module) -> RunRecord | None:
        """Count an epoch, and probe the module if it is one of those; return the run."""
        self.epoch += 1
        if self.epoch % self.every:
            return None
        found = probe(module, train=self.train, test=self.test, **self.options).record
        self.runs[self.epoch] = found
        if self.folder is not None:
            self.folder.mkdir(parents=True, exist_ok=True)
            path = self.folder / f"epoch-{self.epoch:04}.json"
            path.write_text(found.text(), encoding="utf-8")
        return found

    def figure(self) -> Figure:
        """Return the index over epochs, a small multiple a layer, as a matplotlib figure."""
        require("a figure", "matplotlib", extra="report")
        from addnn_spec.report.figures import epochs_panel, put_together

        if not self.runs:
            raise Refusal("E0607", "no epoch has been probed")
        return put_together([epochs_panel(list(self.runs.values()), list(self.runs))])

    def lightning(self) -> Any:
        """Return a callback of Lightning that probes at the end of each training epoch."""
        names = ("lightning.pytorch", "pytorch_lightning")
        found = [name for name in names if find_spec(name.partition(".")[0]) is not None]
        if not found:
            message = "a callback of Lightning needs lightning, or pytorch-lightning"
            raise Refusal("E0611", message, help="pip install lightning")
        base: Any = import_module(found[0]).Callback
        history = self

        class AfterEpoch(base):  # type: ignore[misc]
            def on_train_epoch_end(self, trainer: Any, module: nn.Module) -> None:
                # Of several processes one is enough: their networks are equal after each epoch.
                if getattr(trainer, "is_global_zero", True):
                    history(module)

        return AfterEpoch()
