"""`python -m addnn_spec`: the command line where `addnn` is not on the path."""

from __future__ import annotations

from addnn_spec.cli import main

main()
