"""What a user sets: of the file `addnn.toml`, and of the editor's settings, which win."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

FILE = "addnn.toml"


class ConfigurationError(Exception):
    """An option that is not understood, in the user's words."""


@dataclass(frozen=True)
class Configuration:
    """How specs are looked at.

    `set` and `dim` are values by name, in the language's own writing (`{"depth": "18"}`). `ops` are
    modules with operators of the user's own, whose code runs.
    """

    set: Mapping[str, str] = field(default_factory=dict)
    dim: Mapping[str, int] = field(default_factory=dict)
    ops: tuple[str, ...] = ()
    costs: bool = False
    """Hints show parameters and MACs, too."""
    symbolic: bool = False
    """Hints show sizes such as `floor((H + 3)/4)` as they are, not at the default of `H`."""

    def over(self, given: Mapping[str, Any]) -> Configuration:
        """Return the options with those that are given in their place. Raises `OptionError`."""
        known: dict[str, Any] = {
            "set": _texts,
            "dim": _sizes,
            "ops": _names,
            "costs": _truth,
            "symbolic": _truth,
        }
        wrong = sorted(set(given) - set(known))
        if wrong:
            raise ConfigurationError(
                f"there is no setting {wrong[0]}: there are {', '.join(known)}"
            )
        read: dict[str, Any] = {name: known[name](name, value) for name, value in given.items()}
        return replace(self, **read)


def read_options(folder: Path) -> Configuration:
    """Return what `addnn.toml` in a folder says. Raises `OptionError`."""
    try:
        text = (folder / FILE).read_text(encoding="utf-8")
    except FileNotFoundError:
        return Configuration()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{FILE} cannot be read: {error}") from error
    try:
        return Configuration().over(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{FILE}: {error}") from error
    except ConfigurationError as error:
        raise ConfigurationError(f"{FILE}: {error}") from error


def _texts(name: str, value: Any) -> dict[str, str]:
    return {key: _written(part) for key, part in _table(name, value).items()}


def _written(value: Any) -> str:
    """Return a value of TOML or JSON as the language writes it; a text is written so already."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return f"[{', '.join(map(_written, value))}]"
    return str(value)


def _sizes(name: str, value: Any) -> dict[str, int]:
    table = _table(name, value)
    for key, size in table.items():
        if not isinstance(size, int) or isinstance(size, bool) or size < 1:
            raise ConfigurationError(f"{name}.{key} is a whole number from 1, not {size!r}")
    return table


def _table(name: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ConfigurationError(f"{name} is a table, as in [{name}]")
    return value


def _names(name: str, value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(part, str) for part in value):
        raise ConfigurationError(f"{name} is a list of texts")
    return tuple(value)


def _truth(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise ConfigurationError(f"{name} is true or false")
    return value
