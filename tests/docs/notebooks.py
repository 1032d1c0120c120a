"""Runs the notebooks of `docs/notebooks`.

``python -m tests.docs.notebooks [NAME.ipynb ...]`` writes them anew, with what their cells give.
They run in an empty folder, so no path of this machine gets into them.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

NOTEBOOKS = Path(__file__).parents[2] / "docs" / "notebooks"


def executed(path: Path) -> Any:
    """The notebook with the outputs of its cells, run in a new kernel.

    Raises `nbclient.exceptions.CellExecutionError` where a cell does.
    """
    notebook = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
    scripts = str(Path(sys.executable).parent)
    environment = os.environ | {
        "PATH": os.pathsep.join([scripts, os.environ.get("PATH", "")]),
        "COLUMNS": "160",
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(NOTEBOOKS.parents[1]),
    }
    with tempfile.TemporaryDirectory() as folder:
        client = NotebookClient(
            notebook,
            timeout=600,
            kernel_name="python3",
            resources={"metadata": {"path": folder}},
            record_timing=False,
            coalesce_streams=True,
        )
        client.execute(env=environment)
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number}"
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    return notebook


def main() -> None:
    """Write the notebooks anew, all or those that are named."""
    for name in sys.argv[1:] or sorted(path.name for path in NOTEBOOKS.glob("*.ipynb")):
        path = NOTEBOOKS / name
        nbformat.write(executed(path), path)  # type: ignore[no-untyped-call]


if __name__ == "__main__":
    main()
