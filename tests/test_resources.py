from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from addnn_spec import resources

ROOT = Path(__file__).parent.parent


def test_the_checkout_is_found_without_packaged_data() -> None:
    assert (resources.folder("grammar") / "net.lark").is_file()
    assert list(resources.folder("specs").glob("**/*.net"))
    assert resources.folder("errors").is_dir()


def test_packaged_data_come_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "addnn_spec"
    (package / "_data" / "errors").mkdir(parents=True)
    (package / "_data" / "errors" / "E0001.md").write_text("# the packaged page\n")
    monkeypatch.setattr(resources, "_PACKAGE", package)
    assert resources.error_page("E0001") == "# the packaged page\n"
    assert resources.folder("grammar") == tmp_path / "grammar"


@pytest.mark.parametrize("code", ["E9999", "", "README", "../errors/E0001", "E0001\n", "e0001"])
def test_what_is_no_code_has_no_page(code: str) -> None:
    assert resources.error_page(code) is None


def test_the_wheel_takes_each_folder_to_where_it_is_looked_for() -> None:
    config = tomllib.loads((ROOT / "pyproject.toml").read_text())
    included = config["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    expected = {place: f"addnn_spec/_data/{name}" for name, place in resources._IN_CHECKOUT.items()}
    assert included == expected
