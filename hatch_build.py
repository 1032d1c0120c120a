"""The readme as package indexes show it: links lead to the repository, once that has an address."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

ADDRESS = ""
"""What the repository's files begin with, `https://github.com/OWNER/addnn-spec/blob/main/`; empty
until it is known: links stay as they are."""

_LINK = re.compile(r"(?P<image>!?)\[(?P<text>[^\]]*)\]\((?P<target>[^)\s]+)\)")


class ReadmeHook(MetadataHookInterface):
    """Gives the readme, with absolute links."""

    def update(self, metadata: dict[str, Any]) -> None:
        text = Path(self.root, "README.md").read_text(encoding="utf-8")
        content = {"content-type": "text/markdown", "text": absolute(text, ADDRESS)}
        metadata["readme"] = content


def absolute(text: str, address: str) -> str:
    """Return Markdown whose links to files begin with an address, pictures as they are stored."""

    def lead(link: re.Match[str]) -> str:
        target = link["target"]
        if not address or re.match(r"[a-z]+:|#", target):
            return link[0]
        raw = "?raw=true" if link["image"] else ""
        return f"{link['image']}[{link['text']}]({address}{target}{raw})"

    return _LINK.sub(lead, text)
