"""Modules of the user's own that a command runs: what goes wrong in them is theirs, and told."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Addnn

HEAD = "from torch import nn\nimport torch\nclass Net(nn.Module):\n"
INIT = "    def __init__(self):\n        super().__init__()\n"
MODULES = {
    "class Net(\n": ("cannot be imported: SyntaxError: '(' was never closed", 1),
    "\n1 / 0\n": ("cannot be imported: ZeroDivisionError: division by zero", 2),
    "import nowhere_at_all\n": ("cannot be imported: ModuleNotFoundError: No module named", 1),
    "import sys\nsys.exit(3)\n": ("cannot be imported: SystemExit: 3", 2),
    "raise KeyboardInterruptions\n": ("cannot be imported: NameError", 1),
    "def f():\n    return f()\nf()\n": ("cannot be imported: RecursionError", 2),
    "x = '\0'\n": ("cannot be imported: ", None),
    HEAD + "    def __init__(self, width): super().__init__()\n": ("missing 1 required", None),
    HEAD + INIT + "        raise KeyError('x')\n": ("Net() of net.py raised: KeyError: 'x'", 6),
    HEAD + "    def __init__(self): pass\n": ("Net() of net.py raised: AttributeError", None),
    HEAD + "    pass\n": ("the network does not run on these data", None),
    HEAD + "    def forward(self, x): return x.nothing\n": ("does not run on these data", None),
    HEAD + "    def forward(self, x): return {}['x']\n": ("does not run on these data", None),
    HEAD + "    def forward(self): return 0\n": ("does not run on these data", None),
    HEAD + "    def forward(self, x): assert False, 'no'\n": ("does not run on these data", None),
    HEAD + "    def forward(self, x): return None\n": ("", None),
    HEAD + INIT + "        self.fc = nn.LazyLinear(2)\n"
    "    def forward(self, x): return self.fc(x)\n": ("", None),
    HEAD + INIT + "        self.fc = nn.Linear(4, 2, device='meta')\n"
    "    def forward(self, x): return self.fc(x)\n": ("", None),
    HEAD + INIT + "        self.register_buffer('b', torch.eye(4).to_sparse())\n"
    "    def forward(self, x): return (self.b @ x.T).T\n": ("", None),
    HEAD + INIT + "        self.lock = __import__('threading').Lock()\n        "
    "self.fc = nn.Linear(4, 2).double()\n    def forward(self, x): return self.fc(x)\n": ("", None),
    HEAD + "    def forward(self, *x): return x[0].to_sparse()\n": ("", None),
    HEAD + "    def forward(self, x): return x[:1]\n": ("", None),
    HEAD + "    def state_dict(self, *a, **k): raise OSError(2, 'no')\n": ("raised: no", None),
}  # fmt: skip


@pytest.mark.parametrize("text", MODULES)
def test_modules_that_fail(text: str, addnn: Addnn, tmp_path: Path) -> None:
    told, line = MODULES[text]
    (tmp_path / "net.py").write_text(text)
    outcome = addnn("probe", "net.py:Net", "--data", "iris", "--samples", "20")
    if told:
        assert (outcome.code, outcome.out) == (2, "")
        assert outcome.err.startswith("error[E0617]: ")
    assert "E0900" not in outcome.err
    assert told in outcome.err
    assert line is None or f"net.py, line {line}" in outcome.err
