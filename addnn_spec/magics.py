"""`%load_ext addnn_spec`: cells of a notebook whose text is a spec."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from addnn_spec.compiler import Session
from addnn_spec.diagnostics import DiagnosticError, Refusal
from addnn_spec.network import Network

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell


def install(shell: InteractiveShell) -> None:
    """Give a notebook the cell magic `%%net`."""
    shell.register_magic_function(Cells(shell).net, "cell", "net")  # type: ignore[arg-type]


class _Arguments(argparse.ArgumentParser):
    """The words behind `%%net`; what is wrong with them is told as all else is."""

    def error(self, message: str) -> NoReturn:
        help = "write %%net name, or %%net name --network Net"
        raise Refusal("E0607", f"%%net: {message}", help=help)


class Cells:
    """The cells of a notebook that are specs, by name; each can import from the others."""

    def __init__(self, shell: InteractiveShell) -> None:
        self._shell = shell
        self._texts: dict[str, str] = {}
        self._words = _Arguments(prog="%%net", add_help=False)
        self._words.add_argument("name")
        self._words.add_argument("--network")

    def net(self, line: str, cell: str) -> Network | None:
        """Make the network of this cell, and give it a name: `%%net name`, or, where there are
        several, `%%net name --network B`.

        A cell of blocks alone is there for others: `from "name.net" import Block`, as a file of
        that name would be. Imports are looked up in cells, beside the notebook, and in the package.
        """
        given = self._words.parse_args(shlex.split(line))
        name: str = given.name
        if not name.isidentifier():
            raise Refusal("E0607", f"%%net: {name} is no name that Python can give")
        texts = self._texts | {name: cell}
        files = {Path(f"{known}.net").resolve(): text for known, text in texts.items()}
        session = Session(Path(f"{name}.net"), name=f"{name}.net", texts=files)
        self._texts[name] = cell
        if not session.networks and given.network is None:
            found = session.check()
            if session.collector.has_errors:
                raise DiagnosticError(*found)
            return None
        from addnn_spec.catalogue import choose

        network = Network(session, choose(session, given.network))
        self._shell.user_ns[name] = network
        return network
