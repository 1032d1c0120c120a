"""Specs are short: together, and beside the source of what they are held against."""

from __future__ import annotations

import io
import re
import tokenize
from functools import cache
from importlib import import_module
from pathlib import Path

from addnn_spec.catalogue import entries
from addnn_spec.resources import folder
from tests import oracles

SPECS = folder("specs")
OTHERS = {"blocks", "generative", "graphs", "metric", "sequences"}
"""Families that are not of convolutional networks; of `blocks` counts what those import."""
WINDOWS = {"maxvit.net", "swin.net", "swin_v2.net"}
"""Transformers on windows of a map."""
IMPORT = re.compile(r'^from "([^"]+)" import', re.MULTILINE)
NOT_CODE = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT}


def test_the_convolutional_specs_are_short_together() -> None:
    families = {
        path
        for path in SPECS.glob("*/*.net")
        if path.parent.name not in OTHERS and path.name not in WINDOWS
    }
    assert sum(len(path.read_text().splitlines()) for path in _with_imports(families)) < 2500


def _with_imports(files: set[Path]) -> set[Path]:
    """Specs and the files that they import from, and so on."""
    found, new = set[Path](), files
    while new:
        found |= new
        names = {name for path in new for name in IMPORT.findall(path.read_text(encoding="utf-8"))}
        new = {path for name in names for path in SPECS.rglob(name)} - found
    return found


def test_residual_networks_take_less_than_45_lines() -> None:
    """ResNet-18 to -152, and beside them all that ResNeXt-50 and -101 need."""
    resnext = (SPECS / "width" / "resnext.net").read_text(encoding="utf-8").splitlines()
    networks = [line for line in resnext if line.startswith("network ") and " = ResNet(" in line]
    assert len(networks) == 4
    imports = [line for line in resnext if line.startswith("from ")]
    assert _spec_lines(SPECS / "depth" / "resnet.net") + len(imports + networks) < 45


def test_no_spec_is_longer_than_its_reference() -> None:
    longer, compared = [], 0
    for entry in entries():
        source = _source(entry.reference or "")
        if source is None or entry.family in OTHERS:
            continue
        compared += 1
        ours = _spec_lines(SPECS / entry.file)
        if ours > _python_lines(source):
            longer.append(f"{entry.name}: {ours} lines, {source.name} {_python_lines(source)}")
    assert longer == []
    assert compared > 60


def _source(reference: str) -> Path | None:
    """The file of a registered network of torchvision, timm or pytorchcv."""
    library, _, name = reference.partition(".")
    made: object = None
    if library == "torchvision":
        made = getattr(oracles.torchvision().models, name, None)
    elif library == "timm":
        oracles.torchvision()
        made = import_module("timm").model_entrypoint(name)
    elif library == "pytorchcv":
        oracles.torchvision()
        made = import_module("pytorchcv.model_provider")._models.get(name)
    if made is None:
        return None
    file = import_module(str(made.__module__)).__file__
    assert file is not None
    return Path(file)


@cache
def _spec_lines(path: Path) -> int:
    """Lines that are neither empty nor a comment."""
    lines = (line.strip() for line in path.read_text(encoding="utf-8").splitlines())
    return sum(1 for line in lines if line and not line.startswith("#"))


@cache
def _python_lines(path: Path) -> int:
    """Lines with code: without comments and strings that stand alone."""
    found: set[int] = set()
    alone = True
    for token in tokenize.generate_tokens(io.StringIO(path.read_text(encoding="utf-8")).readline):
        if token.type in NOT_CODE:
            alone = True
        elif token.type != tokenize.STRING or not alone:
            found.update(range(token.start[0], token.end[0] + 1))
            alone = False
    return len(found)
