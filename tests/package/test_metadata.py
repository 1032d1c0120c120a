"""What the package says of itself: pins that are needed, a readme whose links can be absolute."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires
from importlib.util import module_from_spec, spec_from_file_location
from types import ModuleType

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.package.environments import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def _hook() -> ModuleType:
    spec = spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_links_are_absolute_once_the_address_is_known() -> None:
    text = "[a](docs/a.md#b) ![p](docs/p.svg) [c](https://x.org) [d](#d) `[e](f)`"
    absolute = _hook().absolute
    assert absolute(text, "") == text
    assert absolute(text, "https://h.org/blob/main/").startswith(
        "[a](https://h.org/blob/main/docs/a.md#b) "
        "![p](https://h.org/blob/main/docs/p.svg?raw=true) [c](https://x.org) [d](#d)"
    )
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)\s]+)", absolute(readme, "https://h.org/"))
    assert len(links) > 20
    assert all(link.startswith(("https://", "#")) for link in links)


def test_each_extra_is_within_all() -> None:
    extras = PROJECT["optional-dependencies"]
    assert extras["all"] == ["addnn-spec[data,draw,lsp,onnx,report]"]
    assert "addnn-spec[torch]" in extras["data"] and "addnn-spec[torch]" in extras["onnx"]
    assert set(extras) == {"torch", "data", "lsp", "onnx", "draw", "report", "peers", "all", "dev"}


def test_every_pin_is_of_a_package_that_is_needed() -> None:
    needed = {name for name, _ in _needed()}
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [canonicalize_name(line.split("==")[0]) for line in lines if "==" in line]
    assert [pin for pin in pins if pin not in needed] == []


def _needed() -> Iterator[tuple[str, str]]:
    """Yield the packages that the project and its extras need, and what these need."""
    groups = [PROJECT["dependencies"], *PROJECT["optional-dependencies"].values()]
    waiting = [Requirement(text) for group in groups for text in group]
    seen: set[tuple[str, str]] = set()
    while waiting:
        wanted = waiting.pop()
        for extra in ("", *wanted.extras):
            known = (canonicalize_name(wanted.name), extra)
            if known not in seen:
                seen.add(known)
                yield known
                waiting += _further(wanted.name, extra)


def _further(name: str, extra: str) -> Iterator[Requirement]:
    try:
        found = requires(name) or []
    except PackageNotFoundError:  # of another platform
        return
    for text in found:
        requirement = Requirement(text)
        if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
            yield requirement
