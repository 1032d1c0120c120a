"""What the package's own code never does, by its syntax tree; what reading a spec imports."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "addnn_spec"
FILES = sorted(PACKAGE.rglob("*.py"))
RUNS_CODE = {"eval", "exec", "__import__", "execfile"}
FORBIDDEN_MODULES = {"pickle", "cPickle", "dill", "marshal", "shelve", "code", "codeop", "ctypes",
                     "socket", "ssl", "urllib", "http", "requests", "httpx", "ftplib"}  # fmt: skip
MAY_COMPILE = {"re", "torch"}
"""`re.compile` and `torch.compile` run nothing of a spec."""
BUILDS = {"runtime/build.py"}
"""The one place where emitted source becomes a module: what we wrote, never what a spec says."""


def name_of(node: ast.expr) -> str:
    """A dotted name as text; "" for what is none."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{name_of(node.value)}.{node.attr}"
    return ""


def faults(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
            yield from (f"import {name}" for name in names if _is_forbidden(name))
        elif isinstance(node, ast.ImportFrom):
            if _is_forbidden(node.module or ""):
                yield f"from {node.module} import"
        elif isinstance(node, ast.Call):
            yield from _call(node)


def _is_forbidden(module: str) -> bool:
    return module.split(".")[0] in FORBIDDEN_MODULES and module != "urllib.parse"


def _call(node: ast.Call) -> Iterator[str]:
    name = name_of(node.func)
    head, _, last = name.rpartition(".")
    if name in RUNS_CODE or name in {f"builtins.{word}" for word in RUNS_CODE}:
        yield name
    if last == "compile" and head not in MAY_COMPILE:
        yield name
    if name in ("os.system", "os.popen"):
        yield name
    given = {keyword.arg: keyword.value for keyword in node.keywords}
    shell = given.get("shell")
    if shell is not None and not (isinstance(shell, ast.Constant) and shell.value is False):
        yield f"{name}(shell=…)"
    if name == "torch.load":
        only = given.get("weights_only")
        if not (isinstance(only, ast.Constant) and only.value is True):
            yield "torch.load without weights_only=True"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_file_runs_text_or_unpickles(path: Path) -> None:
    found = set(faults(ast.parse(path.read_text(encoding="utf-8"))))
    if path.relative_to(PACKAGE).as_posix() in BUILDS:
        found -= {"exec", "compile"}
    assert not found


@pytest.mark.parametrize(
    "text",
    ["eval('1')", "import pickle", "from pickle import loads", "compile('1', '', 'eval')",
     "import subprocess\nsubprocess.run('a', shell=True)", "torch.load(f)", "os.system('a')",
     "torch.load(f, weights_only=False)", "import urllib.request", "__import__('os')"],
)  # fmt: skip
def test_the_gate_sees_them(text: str) -> None:
    assert list(faults(ast.parse(text)))


LIBRARY = {*sys.stdlib_module_names, "pydantic", "pydantic_core", "networkx"}
"""What operators and graphs are made with; nothing else may be loaded while a spec is read."""

READ = """
import sys
from pathlib import Path
import addnn_spec.compiler, addnn_spec.backends.torch_source, addnn_spec.passes.summary
from addnn_spec.compiler import Session
opened = []
def hook(event, given):
    if event in ("open", "import", "socket.connect", "subprocess.Popen", "os.system"):
        if not (event == "open" and isinstance(given[0], int)):  # a handle that is open already
            opened.append((event, str(given[0])[:200]))
sys.addaudithook(hook)
session = Session(Path(sys.argv[1]))
graph = session.graph("Net")
addnn_spec.backends.torch_source.torch_source(session, graph)
for event, what in opened:
    print(event, what)
"""


def test_reading_a_spec_imports_operators_only_and_opens_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "other.net").write_text("block B(n) { return x -> Conv2d(n, 1) }\n")
    spec = tmp_path / "spec.net"
    spec.write_text(
        'from "other.net" import B\nnetwork Net { input os: float[N, 3, 8, 8]\n'
        "  input pickle: int[N, 4]\n  output a = os -> subprocess: B(4) -> LSTM2: LayerNorm\n"
        "  output b = pickle -> Embedding(9, 8) -> socket: { y, h, c = x -> LSTM(3) return y } }\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", READ, str(spec)], capture_output=True, text=True, check=True,
        cwd=PACKAGE.parent,
    )  # fmt: skip
    library = str(Path(sys.prefix).resolve()), sys.base_prefix, str(PACKAGE)
    for line in run.stdout.splitlines():
        event, what = line.split(" ", 1)
        assert event in ("open", "import"), line
        if event == "import":
            assert what.startswith("addnn_spec.") or what.split(".")[0] in LIBRARY, line
        else:
            # A file below a folder is opened by its name there, from the folder's handle.
            path = str((tmp_path / what if what == "other.net" else Path(what)).resolve())
            assert path.startswith((*library, str(tmp_path))), line
