"""`addnn explain`: what a code means; what an operator, a block, a packaged network is."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import click
from click.shell_completion import CompletionItem

from addnn_spec.cli.options import ops_option
from addnn_spec.cli.outcome import OK, exit_code, report, say
from addnn_spec.codes import CODES
from addnn_spec.diagnostics import Refusal, near
from addnn_spec.resources import error_page, folder

_BLOCK = re.compile(r"(?:^#.*\n)*^block (?P<name>\w+)\b.*?^}\n", re.MULTILINE | re.DOTALL)


class Topic(click.ParamType[str]):
    """What can be explained. Completed as such."""

    name = "topic"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        folded = incomplete.casefold()
        return [CompletionItem(name) for name in topics() if name.casefold().startswith(folded)]


@click.command()
@click.argument("topic", required=False, type=Topic())
@ops_option
def explain(topic: str | None) -> int:
    """Explain a code (E0301), an operator (Conv2d), a library block (SqueezeExcite) or a packaged
    network (ResNet50), as Markdown; without one, list the codes.

    \b
      addnn explain E0301
      addnn explain Conv2d
      addnn explain ResNet50    # with the parameters that --set takes
    """
    if topic is None:
        for code, title in CODES.items():
            click.echo(f"{code}  {title}")
        return OK
    found = _code(topic) or _operator(topic) or _block(topic) or _network(topic)
    if found is None:
        close = near(topic, topics())
        help = f"did you mean {' or '.join(close)}?" if close else "addnn explain lists the codes"
        kind = "code" if re.fullmatch(r"[A-Za-z]\d+", topic) else "code, operator, block or network"
        unknown = Refusal("E0610", f"there is no {kind} {topic}", help=help)
        report(unknown.diagnostics)
        return exit_code(unknown.diagnostics)
    say(found, nl=False)
    return OK


def topics() -> Iterator[str]:
    """Name all that can be explained."""
    from addnn_spec.catalogue import packaged
    from addnn_spec.ops import index

    yield from (*CODES, *index(), *_blocks(), *packaged())


def _code(topic: str) -> str | None:
    code = topic.upper()
    return error_page(code) or f"# {code}: {CODES[code]}\n" if code in CODES else None


def _operator(topic: str) -> str | None:
    from addnn_spec.backends.reference import entry
    from addnn_spec.ops import find, index, known

    found = find(topic) if known(topic) else find(_in_any_case(topic, index()))
    return None if found is None else entry(found)


def _in_any_case(name: str, known: Iterable[str]) -> str:
    fitting = [other for other in known if other.casefold() == name.casefold()]
    return fitting[0] if len(fitting) == 1 else name


def _block(topic: str) -> str | None:
    blocks = _blocks()
    name = _in_any_case(topic, blocks)
    if name not in blocks:
        return None
    file, text = blocks[name]
    return f'## {name}\n\n`from "{file}" import {name}`\n\n```\n{text}```\n'


def _blocks() -> dict[str, tuple[str, str]]:
    """Return the library's blocks by name: the file of each, and its text with the comment."""
    found: dict[str, tuple[str, str]] = {}
    for path in sorted((folder("specs") / "blocks").glob("*.net")):
        for block in _BLOCK.finditer(path.read_text(encoding="utf-8")):
            found.setdefault(block["name"], (path.name, block[0]))
    return found


def _network(topic: str) -> str | None:
    from addnn_spec.catalogue import packaged_name
    from addnn_spec.cli.network_page import network_page

    name = packaged_name(topic)
    return None if name is None else network_page(name)
