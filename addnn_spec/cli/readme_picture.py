"""The readme's picture: a spec, its drawing, its code, side by side.

python -m addnn_spec.cli.readme_picture docs
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from pygments import highlight
from pygments.formatters.svg import SvgFormatter
from pygments.lexer import Lexer
from pygments.lexers.python import PythonLexer

from addnn_spec.backends.drawing import inline
from addnn_spec.files import write_atomic
from addnn_spec.highlighting import NetLexer
from addnn_spec.network import loads

SPEC = """\
block Residual(width) {
  main = x
    -> conv1: Conv2d(width, 3, padding = 1) -> ReLU
    -> conv2: Conv2d(width, 3, padding = 1)
  return main + x -> ReLU
}

network Tiny(width = 16, classes = 10) {
  input image: float[N, 3, H = 32, W = 32]
  output logits = image
    -> stem: Conv2d(width, 3, padding = 1) -> ReLU
    -> body: Residual(width)
    -> AdaptiveAvgPool2d(1) -> Flatten
    -> fc: Linear(classes)
}
"""
_SIZE, _LINE = 12, 17
_CHARACTER = 0.61 * _SIZE
_GAP, _TOP = 28, 44
_SCALE = 0.66
"""Of the drawing: its letters are then about as large as the others."""
_TITLES = ("what you write", "what it is", "what you get")


def picture() -> str:
    """Return the picture as SVG."""
    network = loads(SPEC, "tiny.net")
    code = network.source().split("from torch import Tensor, nn\n")[1].strip("\n")
    drawing = inline(network.draw().svg)
    drawn_width, drawn_height = (
        _SCALE * 4 / 3 * float(found)
        for found in re.findall(r' (?:width|height)="([\d.]+)pt"', drawing)
    )
    parts = [
        (_width(SPEC), _height(SPEC), _text(SPEC, NetLexer())),
        (drawn_width, drawn_height, f'<g transform="scale({_SCALE})">{drawing}</g>'),
        (_width(code), _height(code), _text(code, PythonLexer())),
    ]
    width = sum(part[0] for part in parts) + _GAP * (len(parts) + 1)
    height = _TOP + max(part[1] for part in parts) + _GAP
    rows = [f'<rect width="{width:.0f}" height="{height:.0f}" fill="white"/>']
    x = float(_GAP)
    for title, (wide, _, content) in zip(_TITLES, parts, strict=True):
        rows.append(f'<text x="{x:.0f}" y="26" font-weight="bold" fill="#444444">{title}</text>')
        rows.append(f'<g transform="translate({x:.0f} {_TOP})">{content}</g>')
        x += wide + _GAP
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'width="{width:.0f}" height="{height:.0f}" viewBox="0 0 {width:.0f} {height:.0f}" '
        'font-family="Helvetica, Arial, sans-serif" font-size="14">'
    )
    return "\n".join([head, *rows, "</svg>"]) + "\n"


def _width(text: str) -> float:
    return _CHARACTER * max(map(len, text.splitlines()))


def _height(text: str) -> float:
    return _LINE * len(text.splitlines())


def _text(text: str, lexer: Lexer) -> str:
    form = SvgFormatter(nowrap=True, fontsize=f"{_SIZE}px", yoffset=_SIZE, ystep=_LINE, xoffset=0)
    lines: str = highlight(text, lexer, form)
    return f'<g font-family="Menlo, Consolas, monospace" font-size="{_SIZE}px">{lines}</g>'


if __name__ == "__main__":
    write_atomic(Path(sys.argv[1]) / "figures" / "readme.svg", picture())
