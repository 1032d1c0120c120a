"""The PyTorch backend: a graph as source that reads as if an expert had written it.

    emitted = emit(graph, probes=False, header=FileHeader(...))
    emitted.text        the file: torch and the standard library only, formatted
    emitted.lines_of    for each line (from 1) the places of the spec that it comes from

The stages, each a module: `class_draft` (a graph as a class to be, literals in place) ·
`sequential` (chains) · `body` (drafts of one block laid over one another) · `literal_columns` and
`runtime_sizes` (where what differs comes from) · `class_plan` (which graphs share a class) ·
`classes` (columns resolved) · `forward` and `variables` (statements) · `writer` and `file` (text).

With `probes`, every node's value passes `self.tap("name", value)`, where `name` is the node's path
inside its class: the node's path in the graph is the module's name in `named_modules()`, a dot, and
this name. `tap` returns its argument; a probe replaces it per instance (`module.tap = …`) on every
module that is a `Probed`. Each `nn.Sequential` is a `Tapped` one, which taps every child under the
child's name. `value` is what the node computed: a tensor, or a (nested) tuple of tensors. In a
shared module, and in the cell of a `Scan`, a tap is called more than once in a forward pass, in the
order of the uses: its call index tells them apart. The network's inputs are tapped under their
names; parameters, buffers and tensors of modules are not.
"""

from addnn_spec.backends.torch_code.file import EmittedSource, FileHeader, emit

__all__ = ["EmittedSource", "FileHeader", "emit"]
