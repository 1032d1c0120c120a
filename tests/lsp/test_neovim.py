"""Neovim, headless, with the configuration that docs/editor.md gives."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
_ASK = """
local function wait(what) return vim.wait(60000, what, 50) end
vim.g.addnn_command = { PYTHON, "-m", "addnn_spec", "lsp" }
dofile(CONFIGURATION)
vim.cmd("edit " .. SPEC)
local found = {}
assert(wait(function() return #vim.diagnostic.get(0) > 0 end), "no diagnostics")
found.diagnostics = vim.tbl_map(function(d) return d.message end, vim.diagnostic.get(0))
vim.api.nvim_win_set_cursor(0, { 3, 27 })
local place = vim.lsp.util.make_position_params()
local hover = vim.lsp.buf_request_sync(0, "textDocument/hover", place, 60000)
for _, answer in pairs(hover) do found.hover = answer.result.contents.value end
vim.api.nvim_win_set_cursor(0, { 3, 22 })
found.start = vim.lsp.omnifunc(1, "")
local words = vim.lsp.buf_request_sync(0, "textDocument/completion",
  vim.lsp.util.make_position_params(), 60000)
for _, answer in pairs(words) do
  found.words = vim.tbl_map(function(item) return item.label end, answer.result)
end
found.filetype = vim.bo.filetype
vim.fn.writefile({ vim.fn.json_encode(found) }, OUT)
vim.cmd("qall!")
"""


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("nvim") is None, reason="there is no Neovim")
def test_diagnostics_hover_and_completion(tmp_path: Path) -> None:
    spec = tmp_path / "small.net"
    spec.write_text(
        "network Small {\n  input image: float[N, 3]\n  output y = image -> Linear(4) -> Rleu\n}\n"
    )
    out = tmp_path / "found.json"
    values = {
        "PYTHON": sys.executable,
        "CONFIGURATION": str(ROOT / "editors" / "neovim" / "addnn.lua"),
        "SPEC": str(spec),
        "OUT": str(out),
    }
    script = tmp_path / "ask.lua"
    given = "".join(f"local {name} = {json.dumps(value)}\n" for name, value in values.items())
    script.write_text(given + _ASK)
    subprocess.run(
        ["nvim", "--headless", "--clean", "-c", f"luafile {script}"],
        env=os.environ | {"PYTHONPATH": str(ROOT)}, check=True, timeout=120, cwd=tmp_path,
    )  # fmt: skip
    found = json.loads(out.read_text())
    assert found["filetype"] == "addnn"
    assert found["diagnostics"] == ["nothing is called Rleu here\nhelp: did you mean ReLU?"]
    assert "`[N, 3]` → `[N, 4]`" in found["hover"] and "## Linear" in found["hover"]
    assert "Conv2d" in found["words"] and "repeat" in found["words"]
