"""What can be said of indices of a sample: standard errors, intervals, and tests of differences.

Needs numpy only. Formulas: docs/indices.md, "What a report shows" and "Statements".
"""
