"""From the graph to text: PyTorch source, drawings, tables."""
