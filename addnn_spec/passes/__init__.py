"""Passes: pure functions from a graph to a side table. None of them changes the graph."""
