"""Elements of SVG as text: names are escaped, and what XML cannot hold is shown as �."""

from __future__ import annotations

import re
from html import escape

_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")


def clean(text: str) -> str:
    """Return a text without the characters that XML cannot hold."""
    return _NOT_XML.sub("\ufffd", text)


def quoted(text: str) -> str:
    """Return a text as content or attribute."""
    return escape(clean(text), quote=True)


def tag(name: str, content: str = "", /, **attributes: str | float | None) -> str:
    """Return an element; `content` is markup. `data_n` is the attribute data-n, `class_` is class;
    those that are None are left out."""
    parts = [name]
    for key, value in attributes.items():
        if value is not None:
            shown = number(value) if isinstance(value, float) else quoted(str(value))
            parts.append(f'{key.rstrip("_").replace("_", "-")}="{shown}"')
    head = " ".join(parts)
    return f"<{head}>{content}</{name}>" if content else f"<{head}/>"


def text(x: float, y: float, content: str, /, **attributes: str | float | None) -> str:
    """Return a line of text."""
    return tag("text", quoted(content), x=float(x), y=float(y), **attributes)


def number(value: float) -> str:
    """Return a coordinate, to a hundredth."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


def shortened(content: str, length: int) -> str:
    """Return a text of at most so many characters, its middle left out."""
    if len(content) <= length:
        return content
    head = (length - 1) // 2
    return f"{content[:head]}…{content[len(content) - (length - 1 - head) :]}"


def element(width: float, height: float, content: str, label: str) -> str:
    """Return a whole `<svg>` element."""
    return tag(
        "svg",
        tag("title", quoted(label)) + content,
        xmlns="http://www.w3.org/2000/svg",
        class_="picture",
        role="img",
        width=width,
        height=height,
        viewBox=f"0 0 {number(width)} {number(height)}",
    )
