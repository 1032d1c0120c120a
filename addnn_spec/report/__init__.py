"""Reports of probe runs: verdicts, a page, a picture. Nothing is computed again."""
