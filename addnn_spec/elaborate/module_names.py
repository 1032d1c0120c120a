"""Names that an emitted module cannot carry, and how nodes without a label are called."""

from __future__ import annotations

import builtins
import keyword
import re

MODULE_ATTRIBUTES = frozenset(
    """
    T_destination add_module apply bfloat16 buffers call_super_init children compile cpu cuda
    double dump_patches eval extra_repr float forward get_buffer get_extra_state get_parameter
    get_submodule half ipu load_state_dict modules mtia named_buffers named_children named_modules
    named_parameters parameters register_backward_hook register_buffer register_forward_hook
    register_forward_pre_hook register_full_backward_hook register_full_backward_pre_hook
    register_load_state_dict_post_hook register_load_state_dict_pre_hook register_module
    register_parameter register_state_dict_post_hook register_state_dict_pre_hook requires_grad_
    set_extra_state set_submodule share_memory state_dict to to_empty train training type xpu
    zero_grad
    """.split()  # noqa: SIM905
)
"""The public attributes of `torch.nn.Module`: a layer of such a name breaks it in silence."""

_OWN = frozenset({"tap"})
_SEGMENT = re.compile(r"[ -\-/-~]+")
"""Printable ASCII characters without the dot: letters of other scripts look like these."""


def forbidden(segment: str) -> str | None:
    """Return why a node cannot be called `segment`, or None."""
    if keyword.iskeyword(segment):
        return f"{segment} is a keyword of Python"
    if segment in MODULE_ATTRIBUTES:
        return f"every torch.nn.Module has an attribute {segment}"
    if segment in _OWN:
        return f"emitted modules have a method {segment}"
    if segment.startswith("_"):
        return "names with a leading underscore are torch's own"
    return None


_EMITTED = frozenset(
    """
    Any Callable F Literal NamedTuple OrderedDict Probed Tapped Tapping Tensor TypeVar annotations
    math nn pairwise torch
    """.split()  # noqa: SIM905
)


def forbidden_class(name: str) -> str | None:
    """Return why the class of a network cannot be called `name`, or None."""
    if keyword.iskeyword(name) or keyword.issoftkeyword(name):
        return f"{name} is a keyword of Python"
    if name in dir(builtins):
        return f"{name} is Python's own"
    if name in _EMITTED:
        return f"the emitted file has another {name}"
    return None


def well_formed(label: str) -> bool:
    """Return True if each part between dots can be a key of a module."""
    return all(map(_SEGMENT.fullmatch, label.split(".")))


def free_name(segment: str) -> str:
    """Return a name near `segment` that can be used."""
    bare = segment.strip("_") or "node"
    return bare if not forbidden(bare) and bare != segment else f"{bare}_layer"


def free_field(name: str) -> str:
    """Return a name near `name` for an input or output: `class_`, as Python's style guide has
    it."""
    bare = name.strip("_")
    if not bare:
        return "value"
    return f"{bare}_" if f"{bare}_" != name else f"{bare}_value"


def auto_base(operator: str) -> str:
    """Return what an unlabelled node is called: the operator's name in lower case, if it may be."""
    base = operator.lower()
    return f"{base}_" if forbidden(base) else base
