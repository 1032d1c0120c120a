"""addnn-spec: a compiler from declarative network specs to PyTorch source."""

__version__ = "0.1.0"
