"""Drafts that differ in taken arms of `if`, as one body.

They are aligned step by step; a step that some lack stands in a `Branch`, and where a later step
reads this in one use and that in another, the branch ends in a `Join` of the two.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from difflib import SequenceMatcher
from typing import Any

from addnn_spec.backends.torch_code.body import (
    Apart,
    Branch,
    ClassBody,
    Flag,
    Guard,
    Join,
    add_columns,
    moved,
)
from addnn_spec.backends.torch_code.class_draft import ChildDraft, DraftStep
from addnn_spec.backends.torch_code.names import snake_case
from addnn_spec.backends.torch_code.origins import text_order
from addnn_spec.backends.torch_code.parameters import Arm
from addnn_spec.backends.torch_code.sequences import function_of, parts_of, with_parts
from addnn_spec.backends.torch_code.tree import (
    Leaf,
    Origin,
    Spanned,
    Tree,
    Value,
    When,
    rewrite,
    walk,
)
from addnn_spec.ops.base import TensorType
from addnn_spec.ops.code import Call

MOST_FLAGS = 2
"""Structures that differ in more `if`s than this are separate classes."""


Reason = Callable[[Arm], Tree | None]
"""Finds the condition of the text that decides on an arm, whether the arm is its `then` or not."""


def body_of(groups: Sequence[Sequence[Apart]], probes: bool, reason: Reason) -> ClassBody | None:
    """Make one body for drafts of several structures; None if they do not go together."""
    return _Merger(groups, probes, reason).build()


Variants = frozenset[int]


@dataclass
class _Slot:
    """A step or child of some structures: by structure, what it is there."""

    key: Hashable
    of: dict[int, Any]
    place: Origin | None = None
    """Where the text has it."""
    elements: list[_Slot] = field(default_factory=list)
    """Of Sequentials that differ in what some lack: their elements."""
    reason: Tree | None = None
    """The condition of the text that tells if a structure has it."""


class _Merger:
    def __init__(self, groups: Sequence[Sequence[Apart]], probes: bool, reason: Reason) -> None:
        self._probes = probes
        self._reason = reason
        self._groups = groups
        self._all: Variants = frozenset(range(len(groups)))
        self._uses = [(v, flat) for v, group in enumerate(self._groups) for flat in group]
        self._body = ClassBody([flat.draft for _, flat in self._uses])
        self._values: list[dict[int, int]] = [{} for _ in groups]
        self._count = 0
        self._flag_sets: list[Variants] = []
        self._reasons: list[Tree | None] = []
        """Of each flag, the condition of the text that it stands for."""
        self._joins: dict[tuple[int, Tree, Tree], int] = {}
        self._where: dict[int, tuple[int, Variants]] = {}
        """Of each new value: the item it is made in, and the structures that have it."""

    def build(self) -> ClassBody | None:
        if not self._same_frame():
            return None
        self._inputs()
        steps = self._aligned(
            [[s for s, _ in g[0].steps] for g in self._groups], self._step_key, _place
        )
        children = self._aligned(
            [[c for c, _ in g[0].children] for g in self._groups], self._child_key, _place
        )
        children = self._with_sequences(children)
        if not self._find_flags(steps, children) or not self._one_at_a_path(children):
            return None
        self._add_children(children)
        if not self._add_steps(steps):
            return None
        self._name_flags()
        self._drop_unread_joins()
        return self._body

    def _same_frame(self) -> bool:
        firsts = [group[0].draft for group in self._groups]
        return all(
            [name for name, _ in d.inputs] == [name for name, _ in firsts[0].inputs]
            and d.ports == firsts[0].ports
            and len(d.outputs) == len(firsts[0].outputs)
            for d in firsts
        )

    def _inputs(self) -> None:
        for index in range(len(self._body.drafts[0].inputs)):
            types: list[TensorType | None] = [d.inputs[index][1] for d in self._body.drafts]
            self._body.types[index] = types
            for values in self._values:
                values[index] = index
            self._where[index] = (-1, self._all)
        self._count = len(self._body.drafts[0].inputs)

    # --- alignment -------------------------------------------------------------------------------
    def _step_key(self, step: DraftStep) -> Hashable:
        # Steps are one though they read other tensors: these become joins.
        blank = rewrite(step.tree, lambda t: Value(0) if isinstance(t, Value) else None)
        name = step.name if self._probes else ""
        form = (len(step.outputs), step.pattern, step.training, step.loop, step.run)
        return (step.span, blank, form, name)

    def _child_key(self, child: ChildDraft) -> Hashable:
        return (child.path, child.tree, child.inits, child.tensor, child.run, child.listed)

    def _aligned(self, rows: list[list[Any]], key_of: Any, place_of: Any) -> list[_Slot]:
        """Lay the rows over one another in one order, equal keys in one slot."""
        slots = [_Slot(key_of(part), {0: i}, place_of(part)) for i, part in enumerate(rows[0])]
        for variant, row in enumerate(rows[1:], 1):
            keys = [key_of(part) for part in row]
            numbers = _numbered([slot.key for slot in slots], keys)
            # Not with `autojunk`: it would ignore what a long body does again and again.
            matcher = SequenceMatcher(None, numbers[0], numbers[1], autojunk=False)
            merged: list[_Slot] = []
            for tag, a, b, c, d in matcher.get_opcodes():
                if tag == "equal":
                    for slot, i in zip(slots[a:b], range(c, d), strict=True):
                        slot.of[variant] = i
                        merged.append(slot)
                    continue
                new = [_Slot(keys[i], {variant: i}, place_of(row[i])) for i in range(c, d)]
                merged += _as_the_text(slots[a:b], new)
            slots = merged
        return slots

    def _with_sequences(self, slots: Sequence[_Slot]) -> list[_Slot]:
        """Use one slot for a child that is a Sequential in all, if some elements agree."""
        at_path: dict[str, list[_Slot]] = {}
        for slot in slots:
            at_path.setdefault(self._child(slot).path, []).append(slot)
        made = {id(same[0]): self._as_sequence(same) for same in at_path.values()}
        gone = {id(s) for same in at_path.values() if made[id(same[0])] is not None for s in same}
        found: list[_Slot] = []
        for slot in slots:
            sequence = made.get(id(slot))
            found += [sequence] if sequence else [] if id(slot) in gone else [slot]
        return found

    def _as_sequence(self, same: list[_Slot]) -> _Slot | None:
        of = {variant: index for slot in same for variant, index in slot.of.items()}
        made = [self._groups[v][0].children[i][0] for v, i in sorted(of.items())]
        functions = {function_of(child) for child in made}
        if len(same) < 2 or frozenset(of) != self._all or len(functions) > 1 or None in functions:
            return None
        elements = self._aligned(
            [parts_of(child) for child in made],
            lambda part: part.key,
            lambda part: _spanned(part.tree),
        )
        if all(len(element.of) < len(self._all) for element in elements):
            return None
        return _Slot(("sequence", made[0].path), of, _place(made[0]), elements)

    def _child(self, slot: _Slot) -> ChildDraft:
        variant, index = next(iter(slot.of.items()))
        child: ChildDraft = self._groups[variant][0].children[index][0]
        return child

    def _find_flags(self, steps: Sequence[_Slot], children: Sequence[_Slot]) -> bool:
        """Tell if few flags tell the structures apart; those of elements are not in `forward`."""
        asked = self._add_flags([*steps, *children])
        inside = self._add_flags([element for slot in children for element in slot.elements])
        few = len(asked) <= MOST_FLAGS and len(inside - asked) <= MOST_FLAGS
        return few and not self._turns_differ(steps)

    def _add_flags(self, slots: Sequence[_Slot]) -> set[frozenset[Variants]]:
        """Add a flag for each condition of the text; return how they divide the structures.

        What stands in no `if` itself is not there since an `if` made it superfluous: it has the
        flag of another that is there as often.
        """
        divided = [slot for slot in slots if frozenset(slot.of) != self._all]
        for slot in divided:
            slot.reason = self._why(slot)
        told = [*zip(map(self._ways, self._flag_sets), self._reasons, strict=True)]
        told += [(self._ways(slot.of), slot.reason) for slot in divided]
        for slot in divided:
            alike = (reason for ways, reason in told if ways == self._ways(slot.of) and reason)
            slot.reason = slot.reason or next(alike, None)
            if self._flag(slot) is None:
                self._flag_sets.append(frozenset(slot.of))
                self._reasons.append(slot.reason)
        return {self._ways(slot.of) for slot in divided}

    def _ways(self, structures: Iterable[int]) -> frozenset[Variants]:
        """Return the structures that have something, and those that lack it."""
        present = frozenset(structures)
        return frozenset((present, self._all - present))

    def _why(self, slot: _Slot) -> Tree | None:
        values = tuple(v in slot.of for v, _ in self._uses)
        return None if slot.place is None else self._reason(Arm((slot.place,), values))

    def _turns_differ(self, steps: Sequence[_Slot]) -> bool:
        """Tell if a step that some lack is a turn of a loop that all have, and so no arm of an
        `if`."""
        partial = {self._first(slot).span for slot in steps if len(slot.of) < len(self._all)}
        return any(
            self._first(slot).span in partial for slot in steps if len(slot.of) == len(self._all)
        )

    def _first(self, slot: _Slot) -> DraftStep:
        variant, index = next(iter(slot.of.items()))
        first: DraftStep = self._groups[variant][0].steps[index][0]
        return first

    def _one_at_a_path(self, children: Sequence[_Slot]) -> bool:
        """Return True if every structure has at most one child at a path, of at most two in all."""
        paths: dict[str, list[_Slot]] = {}
        for slot in children:
            paths.setdefault(self._child(slot).path, []).append(slot)
        return all(
            frozenset(slots[0].of) == self._all
            or (path and "." not in path and (len(slots) == 1 or self._are_arms(slots)))
            for path, slots in paths.items()
        )

    def _are_arms(self, slots: Sequence[_Slot]) -> bool:
        """Return True if slots are the two arms of one `if`."""
        guards = {self._flag(slot) for slot in slots}
        complete = frozenset(variant for slot in slots for variant in slot.of) == self._all
        return len(slots) == 2 and complete and len({g and g.flag for g in guards}) == 1

    def _flag(self, slot: _Slot) -> Guard | None:
        """Return the flag that says which structures have a slot; None if there is none."""
        present = frozenset(slot.of)
        for flag, (set_, reason) in enumerate(zip(self._flag_sets, self._reasons, strict=True)):
            if slot.reason == reason and present in (set_, self._all - set_):
                return Guard(flag, present == set_)
        return None

    # --- parts -----------------------------------------------------------------------------------
    def _columns(self, kind: str, slot: _Slot, name: str) -> int:
        rows: list[tuple[Leaf, ...] | None] = []
        for variant, apart in self._uses:
            parts = apart.children if kind == "child" else apart.steps
            rows.append(parts[slot.of[variant]][1] if variant in slot.of else None)
        return add_columns(self._body, rows, name)

    def _add_children(self, slots: Sequence[_Slot]) -> None:
        for slot in slots:
            child = self._child(slot)
            if slot.elements:
                tree = with_parts(child, [self._element(slot, item) for item in slot.elements])
                self._body.children.append((replace(child, tree=tree), None))
                continue
            base = self._columns("child", slot, child.path)
            inits = tuple(moved(code, base) for code in child.inits)
            child = replace(child, tree=moved(child.tree, base), inits=inits)
            self._body.children.append((child, self._flag(slot)))

    def _element(self, slot: _Slot, element: _Slot) -> Tree:
        """Return an element of Sequentials laid over one another, with its columns."""
        parts = {
            v: parts_of(self._groups[v][0].children[slot.of[v]][0])[i]
            for v, i in element.of.items()
        }
        rows = [
            parts[v].leaves(apart.children[slot.of[v]][1]) if v in parts else None
            for v, apart in self._uses
        ]
        base = add_columns(self._body, rows, self._child(slot).path)
        trees = [part.tree for part in parts.values()]
        alike = all(tree == trees[0] for tree in trees)
        tree = moved(trees[0] if alike else next(iter(parts.values())).key, base)
        guard = self._flag(element)
        return tree if guard is None else When(guard.flag, guard.present, tree)

    def _add_steps(self, slots: Sequence[_Slot]) -> bool:
        for slot in slots:
            target = self._target(self._flag(slot))
            alone = target is self._body.items
            # A step of a branch stands in the last item, which is that branch.
            step = self._step(slot, frozenset(slot.of), len(self._body.items) - (not alone))
            if step is None:
                return False
            target.append(step)
        outputs: list[Tree] = []
        for index in range(len(self._body.drafts[0].outputs)):
            trees = {
                v: self._moved(g[0].draft.outputs[index], v) for v, g in enumerate(self._groups)
            }
            output = self._resolve(trees)
            if output is None:
                return False
            outputs.append(output)
        self._body.outputs = outputs
        return True

    def _target(self, guard: Guard | None) -> list[Any]:
        items = self._body.items
        if guard is None:
            return items
        last = items[-1] if items else None
        # A branch with joins has ended, for the steps behind it read them.
        if not (isinstance(last, Branch) and last.flag == guard.flag and not last.joins):
            last = Branch(guard.flag)
            items.append(last)
        return last.then if guard.present else last.orelse

    def _step(self, slot: _Slot, present: Variants, place: int) -> DraftStep | None:
        """Return a slot's step, to be put at this place among the items, or into the branch
        there."""
        variant, index = next(iter(slot.of.items()))
        step: DraftStep = self._groups[variant][0].steps[index][0]
        trees = {v: self._moved(self._groups[v][0].steps[i][0].tree, v) for v, i in slot.of.items()}
        tree = self._resolve_tree(trees)
        if tree is None:
            return None
        outputs = []
        for port in range(len(step.outputs)):
            value = self._new_value(present, place)
            outputs.append(value)
            for v, i in slot.of.items():
                self._values[v][self._groups[v][0].steps[i][0].outputs[port]] = value
            self._body.types[value] = [
                flat.steps[slot.of[v]][0].types[port] if v in slot.of else None
                for v, flat in self._uses
            ]
        base = self._columns("step", slot, step.name)
        return replace(step, tree=moved(tree, base), outputs=tuple(outputs))

    def _new_value(self, present: Variants, place: int) -> int:
        value = self._count
        self._count += 1
        self._where[value] = (place, present)
        return value

    # --- joins -----------------------------------------------------------------------------------
    def _moved(self, tree: Tree, variant: int) -> Tree:
        values = self._values[variant]
        return rewrite(tree, lambda t: Value(values[t.index]) if isinstance(t, Value) else None)

    def _resolve_tree(self, trees: dict[int, Tree]) -> Tree | None:
        """Make one tree for all structures, with joins where they read different tensors."""
        rows = {v: list(_values(tree)) for v, tree in trees.items()}
        first = next(iter(trees))
        resolved: list[Tree] = []
        for place in range(len(rows[first])):
            one = self._resolve({v: row[place] for v, row in rows.items()})
            if one is None:
                return None
            resolved.append(one)
        iterator = iter(resolved)
        tree: Tree = rewrite(
            trees[first], lambda t: next(iterator) if isinstance(t, Value) else None
        )
        return tree

    def _resolve(self, wanted: dict[int, Tree], latest: bool = True) -> Tree | None:
        values = list(wanted.values())
        if all(value == values[0] for value in values):
            return self._latest(values[0], frozenset(wanted)) if latest else values[0]
        for flag in self._deciding(values):
            inside = {v: t for v, t in wanted.items() if v in self._flag_sets[flag]}
            outside = {v: t for v, t in wanted.items() if v not in self._flag_sets[flag]}
            if inside and outside:
                # A join of a branch cannot be read where that branch itself ends.
                for last in (True, False) if latest else (False,):
                    then, orelse = self._resolve(inside, last), self._resolve(outside, last)
                    joined = then and orelse and self._join(flag, then, orelse)
                    if joined:
                        return joined
        return None

    def _deciding(self, values: Sequence[Tree]) -> list[int]:
        """Return the flags, first those of the branches that make one of the values."""
        made = {self._where[value.index][0] for value in values if isinstance(value, Value)}
        making = {
            item.flag
            for place, item in enumerate(self._body.items)
            if place in made and isinstance(item, Branch)
        }
        return sorted(range(len(self._flag_sets)), key=lambda flag: (flag not in making, -flag))

    def _latest(self, value: Tree, structures: Variants) -> Tree:
        """Return the join that has a value in all of these structures, if there is one; else the
        value.

        What the text reads is what was made last, whichever arm was taken.
        """
        for (flag, then, orelse), joined in reversed(self._joins.items()):
            members = self._flag_sets[flag]
            taken = then if structures <= members else orelse
            if value == taken and (structures <= members or structures.isdisjoint(members)):
                return Value(joined)
        return value

    def _join(self, flag: int, then: Tree, orelse: Tree) -> Tree | None:
        found = self._joins.get((flag, then, orelse))
        if found is not None:
            return Value(found)
        if not isinstance(then, Value) or not isinstance(orelse, Value):
            return None
        members = self._flag_sets[flag]
        # Each value has to be there whenever its arm is taken: made in the arm, or in all
        # structures.
        if self._where[then.index][1] not in (self._all, members):
            return None
        if self._where[orelse.index][1] not in (self._all, self._all - members):
            return None
        # A branch that ends before one of the values is made cannot join them.
        made = max(self._where[then.index][0], self._where[orelse.index][0])
        for place, item in enumerate(self._body.items):
            if isinstance(item, Branch) and item.flag == flag and place >= made:
                value = self._count
                self._count += 1
                self._where[value] = (place + 1, self._all)
                item.joins.append(Join(value, then, orelse))
                self._joins[flag, then, orelse] = value
                both = zip(
                    self._body.types[then.index], self._body.types[orelse.index], strict=True
                )
                self._body.types[value] = [a or b for a, b in both]
                return Value(value)
        return None

    def _drop_unread_joins(self) -> None:
        """Forget the joins that were tried and led nowhere."""
        read = {value.index for output in self._body.outputs for value in _values(output)}
        # Backwards: a join may be read by nothing but a later one, which is dropped itself.
        for item in reversed(self._body.items):
            steps = (item,) if isinstance(item, DraftStep) else (*item.then, *item.orelse)
            if isinstance(item, Branch):
                item.joins = [join for join in item.joins if join.value in read]
                for join in item.joins:
                    read |= {join.then.index, join.orelse.index}
            read |= {value.index for step in steps for value in _values(step.tree)}

    def _named_by_child(self, flag: int) -> str | None:
        """Name a child that only the flag brings, else one that it makes in another way."""
        paths = {
            present: [c.path for c, guard in self._body.children if guard == Guard(flag, present)]
            for present in (True, False)
        }
        alone = [path for path in paths[True] if path not in paths[False]]
        return next(iter([*alone, *paths[True]]), None)

    def _named_by_element(self, flag: int) -> str | None:
        """Name the class of the first element that only the flag brings."""
        for child, _ in self._body.children:
            for node in walk(child.tree):
                if isinstance(node, When) and node.flag == flag and node.present:
                    calls = (n.fn for n in walk(node.value) if isinstance(n, Call))
                    layers = (fn.rpartition(".")[2] for fn in calls if fn != "range")
                    return snake_case(next(layers, "layer"))
        return None

    def _name_flags(self) -> None:
        for flag, present in enumerate(self._flag_sets):
            name = self._named_by_child(flag) or self._named_by_element(flag)
            if name is None:
                steps = (
                    step
                    for item in self._body.items
                    if isinstance(item, Branch) and item.flag == flag
                    for step in item.then
                )
                name = next((step.name for step in steps), "variant")
            values = tuple(variant in present for variant, _ in self._uses)
            places, others = self._places(Guard(flag, True)), self._places(Guard(flag, False))
            self._body.flags.append(Flag(name, values, places, others))

    def _places(self, guard: Guard) -> tuple[Origin, ...]:
        """Return where the text has the parts that stand under a guard."""
        found: list[Origin] = [_place(child) for child, own in self._body.children if own == guard]
        for item in self._body.items:
            if isinstance(item, Branch) and item.flag == guard.flag:
                steps = item.then if guard.present else item.orelse
                found += map(_place, steps)
        for child, _ in self._body.children:
            for node in walk(child.tree):
                if isinstance(node, When) and Guard(node.flag, node.present) == guard:
                    place = _spanned(node.value)
                    found += [] if place is None else [place]
        return tuple(dict.fromkeys(found))


def _as_the_text(known: Sequence[_Slot], new: Sequence[_Slot]) -> list[_Slot]:
    """Return two rows as one in the order of the text; each keeps its own."""
    merged: list[_Slot] = []
    waiting = list(new)
    for slot in known:
        while waiting and _is_before(waiting[0].place, slot.place):
            merged.append(waiting.pop(0))
        merged.append(slot)
    return [*merged, *waiting]


def _is_before(one: Origin | None, other: Origin | None) -> bool:
    if one is None or other is None:
        return False
    return text_order(one) < text_order(other)


def _place(part: DraftStep | ChildDraft) -> Origin:
    return part.place or part.span


def _spanned(tree: Tree) -> Origin | None:
    """Return where the text has an element."""
    spanned = (node for node in walk(tree) if isinstance(node, Spanned))
    return next((node.place or node.span for node in spanned), None)


def _values(tree: Tree) -> Iterator[Value]:
    return (node for node in walk(tree) if isinstance(node, Value))


def _numbered(*rows: Sequence[Hashable]) -> list[list[int]]:
    numbers: dict[Hashable, int] = {}
    return [[numbers.setdefault(key, len(numbers)) for key in row] for row in rows]
