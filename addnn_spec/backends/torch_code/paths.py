"""Children by their paths: what the constructor assigns, and how `forward` reads them.

`conv1` is `self.conv1`. Labels with dots nest: `encoder.layer` and `encoder.norm` are the entries
of one `nn.ModuleDict`, `branches.0` and `branches.1` of one `nn.ModuleList`. A child whose name is
none of Python's (`0`, `block1-0`) makes the class an `nn.ModuleDict` itself: `self["0"]`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from addnn_spec.backends.torch_code.class_draft import ChildDraft
from addnn_spec.backends.torch_code.code_text import quoted
from addnn_spec.backends.torch_code.names import is_plain
from addnn_spec.backends.torch_code.sequential import module_list
from addnn_spec.backends.torch_code.tree import (
    Child,
    Display,
    Each,
    Leaf,
    Name,
    Submodule,
    Tree,
    rewrite,
    walk,
    with_leaves,
)
from addnn_spec.backends.torch_code.value_loops import ChildElement, with_loop_names
from addnn_spec.graph import OWN
from addnn_spec.ops.code import Arg, Call, Seq, Support

DICT_METHODS = frozenset({"clear", "items", "keys", "pop", "update", "values"})
"""What `nn.ModuleDict` has besides a Module's attributes: no entry can be called so."""

OWN_FORWARD = "super().forward"
"""The call of the own layer, whose class is the base."""

_UNNAMED = "positional"
"""The name of arguments that are given by their place."""

SCOPE = Support(
    "Scope",
    '''\
class Scope(nn.Module):
    """Modules under one name, read like a dictionary's."""

    def __init__(self, modules: dict[str, nn.Module]) -> None:
        super().__init__()
        for name, module in modules.items():
            self.add_module(name, module)

    def __getitem__(self, name: str) -> nn.Module:
        return self.get_submodule(name)
''',
)


@dataclass
class Container:
    """Children under a common prefix, in order: a child, or a container again."""

    entries: dict[str, ChildDraft | Container] = field(default_factory=dict)
    made: Tree = None
    """The call that makes it, where a loop of the text does."""

    @property
    def kind(self) -> str:
        """The class that holds them."""
        names = list(self.entries)
        if any(isinstance(e, ChildDraft) and e.tensor for e in self.entries.values()):
            return "Scope"
        if names == [str(place) for place in range(len(names))]:
            return "nn.ModuleList"
        return "nn.ModuleDict" if DICT_METHODS.isdisjoint(names) else "Scope"

    def tree(self) -> Tree:
        """Return the call that makes it."""
        if self.made is not None:
            return self.made
        trees = {
            name: entry.tree if isinstance(entry, ChildDraft) else entry.tree()
            for name, entry in self.entries.items()
            if not (isinstance(entry, ChildDraft) and entry.tensor)
        }
        if self.kind == "nn.ModuleList":
            return _list(trees)
        entries = Display(tuple(trees), tuple(trees.values()))
        return Call(self.kind, (Arg(entries),))


def _list(trees: Mapping[str, Tree]) -> Tree:
    """Return the list of modules, with those in a row that are alike as a loop."""
    made = module_list(
        [ChildElement(name, with_leaves(tree, _UNNAMED)) for name, tree in trees.items()]
    )
    if any(_is_unclear(node) for node in walk(made)):
        return Call("nn.ModuleList", (Arg(Seq(tuple(trees.values()), True)),))
    return with_loop_names(rewrite(made, lambda t: t.value if isinstance(t, Leaf) else None))


def _is_unclear(node: Tree) -> bool:
    """Return True for a loop over what has no name at its place."""
    return isinstance(node, Each) and any(_UNNAMED in target for target in node.targets)


class Paths:
    """The children of a class, and the text by which each is reached."""

    def __init__(
        self, children: Iterable[ChildDraft], made: Mapping[str, Tree] | None = None
    ) -> None:
        self._made = made or {}
        self.root = Container()
        self.own: ChildDraft | None = None
        """The layer whose class is the base of this one."""
        for child in children:
            if child.path == OWN:
                self.own = child
            elif child.path:
                self._insert(child)

    def _insert(self, child: ChildDraft) -> None:
        *prefix, last = child.path.split(".")
        container = self.root
        for depth, name in enumerate(prefix, 1):
            made = self._made.get(".".join(prefix[:depth]))
            inner = container.entries.setdefault(name, Container(made=made))
            assert isinstance(inner, Container)
            container = inner
        container.entries[last if child.run is None else f"{last}*"] = child

    def entry_of(self, path: str) -> str:
        """Return the name under which the root has a child, or what holds it."""
        name = path.partition(".")[0]
        return name if name in self.root.entries else f"{name}*"

    @property
    def keyed(self) -> bool:
        """Whether a child has a name that no attribute can have."""
        return any(
            not is_plain(name)
            for name, entry in self.root.entries.items()
            if isinstance(entry, Container) or (entry.run is None and not entry.tensor)
        )

    def access(self, path: str) -> str:
        """Return how `self`'s child is read: `self.encoder["layer"]`."""
        if path == OWN:
            return "self"
        first, *rest = path.split(".")
        text, keyed = f"self.{first}", not is_plain(first)
        container = self.root.entries.get(first)
        if keyed:
            tensor = container.tensor if isinstance(container, ChildDraft) else None
            text = f"self.get_{tensor or 'submodule'}({quoted(first)})"
            if not (self.own or tensor):
                text = f"self[{quoted(first)}]"
        if not rest:
            return text
        entry = container
        for name in rest:
            assert isinstance(entry, Container)
            entry = entry.entries[name]
        assert isinstance(container, Container)
        inner = ".".join(rest)
        if keyed:  # a type checker takes it for any module
            text, inner = "self", path
        if isinstance(entry, ChildDraft) and entry.tensor:
            return f"{text}.get_{entry.tensor}({quoted(inner)})"
        if len(rest) > 1 or keyed:
            return f"{text}.get_submodule({quoted(inner)})"
        return (
            f"{text}[{inner}]" if container.kind == "nn.ModuleList" else f"{text}[{quoted(inner)}]"
        )

    def written(self, tree: Tree) -> Tree:
        """Return the tree with its children as the text that reads or calls them."""

        def change(node: Tree) -> Tree | None:
            if isinstance(node, Submodule):
                access = self.access(node.path)
                counted = any(map(str.isdigit, node.tensor.split(".")))  # `tail.0.weight`
                if node.tensor and (counted or access.endswith(("]", ")"))):
                    return Name(f"{access}.get_parameter({quoted(node.tensor)})")
                return Name(f"{access}.{node.tensor}" if node.tensor else access)
            if isinstance(node, Child):
                args = tuple(Arg(self.written(a.value), a.name, a.default) for a in node.args)
                return Call(OWN_FORWARD if node.path == OWN else self.access(node.path), args)
            return None

        return rewrite(tree, change)
