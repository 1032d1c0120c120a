"""Local variables of `forward`: the text's own names first, and a name again once it is free.

A value without a name takes that of the value that it flows into, or `x` where that is an output of
the network; else that of its first operand, if this is read for the last time; else its label. An
input of the network keeps its name, and what has one in the text, other than `x`, hands it on only
to what is made of it alone.
"""

from __future__ import annotations

import sys
from collections import Counter, defaultdict
from collections.abc import Collection, Container, Iterator, Mapping, Sequence
from heapq import heappop, heappush
from itertools import count

from addnn_spec.backends.torch_code.body import Join
from addnn_spec.backends.torch_code.forward import (
    Assign,
    Copy,
    Fork,
    ForStatement,
    Statement,
    pattern_text,
)
from addnn_spec.backends.torch_code.names import Namespace, identifier
from addnn_spec.backends.torch_code.tree import (
    NONE,
    Attribute,
    Dimension,
    Name,
    Tree,
    Value,
    rewrite,
    walk,
)

_NEVER_FREE = sys.maxsize
"""Where a list is read last: no tensor gets its variable."""


class Variables:
    """Gives every value a variable, and writes the statements over them."""

    def __init__(
        self,
        inputs: Sequence[str],
        statements: Sequence[Statement],
        outputs: Sequence[Tree],
        reserved: Sequence[str],
        results: Collection[str] = (),
        lists: Container[int] = (),
    ) -> None:
        self._names = Namespace(reserved)
        self._statements = statements
        self._outputs = outputs
        self._results = results
        self._network = bool(results)
        self._lists = lists
        self._wishes: dict[int, str] = {}
        self._named: set[int] = set()
        """The values that have a name in the text."""
        self._last: dict[int, int] = {}
        self._holds: dict[str, int] = {}
        """Which value a variable holds."""
        self._numbers: defaultdict[str, Iterator[int]] = defaultdict(lambda: count(2))
        """By wish, the numbers that were not tried yet."""
        self._numbered: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)
        """By wish, a heap of its numbered variables: where each is read last, and its number."""
        self._freed: defaultdict[str, list[int]] = defaultdict(list)
        """By wish, a heap of the numbers that were read for the last time."""
        self._variable: dict[int, str] = {}
        forks = (statement for statement in statements if isinstance(statement, Fork))
        arms = (inner for fork in forks for inner in (*fork.then, *fork.orelse))
        self._in_arms = {value for inner in arms for value in inner.step.outputs}
        """The values that only some uses make."""
        self.inputs = [self._names.unique(name) for name in inputs]
        for value, name in enumerate(self.inputs):
            self._bind(value, name)

    def assign(self) -> list[Tree]:
        """Name all values in place, and return the outputs over the variables."""
        self._measure()
        self._wish()
        position = 0
        for statement in self._statements:
            if isinstance(statement, Assign):
                self._name(statement, position)
                position += 1
            elif isinstance(statement, ForStatement):
                position = self._for(statement, position)
            else:
                position = self._fork(statement, position)
        return [self._written(output) for output in self._outputs]

    # --- lifetimes -------------------------------------------------------------------------------
    def _measure(self) -> None:
        position = 0
        for statement in self._statements:
            if isinstance(statement, Assign):
                self._read(statement.tree, position)
                if statement.step.loop:  # read in every turn
                    for value in list(_read(statement.tree))[1:]:
                        self._last[value] = position + 1
                position += 1
                continue
            if isinstance(statement, ForStatement):
                position = self._measure_for(statement, position)
                continue
            for inner in (*statement.then, *statement.orelse):
                self._read(inner.tree, position)
                position += 1
            for join in statement.joins:
                self._read(join.then, position)
                self._read(join.orelse, position)
            position += 1
        for output in self._outputs:
            self._read(output, position)

    def _measure_for(self, statement: ForStatement, position: int) -> int:
        """Note what a loop starts from as read before it; what its turns read, until it ends."""
        for carried in statement.loop.carried:
            self._last[carried.start] = position
        # What is made outside is read again in the next turn, so it is needed until the loop ends.
        end = position + 1 + len(statement.body)
        made = {value for inner in statement.body for value in inner.step.outputs}
        for place, inner in enumerate(statement.body, position + 1):
            for value in _read(inner.tree):
                self._last[value] = place if value in made else end
        for value in (
            *(carried.made for carried in statement.loop.carried),
            *(value for found in statement.loop.collected for value in (found.value, found.made)),
        ):
            self._last[value] = end
        return end + 1

    def _read(self, tree: Tree, position: int) -> None:
        for value in _read(tree):
            self._last[value] = position

    # --- wishes ----------------------------------------------------------------------------------
    def _wish(self) -> None:
        """Note the names that values should have: those of the text, and back along the flow from
        them."""
        for assign in self._all_assigns():
            for value, name in zip(assign.step.outputs, assign.step.names, strict=True):
                if name:
                    self._wishes[value] = identifier(name)
                    self._named.add(value)
        counts: Counter[int] = Counter(
            # A statement that reads a value twice is one reader.
            value
            for tree in self._all_trees()
            for value in set(_read(tree))
        )
        for statement in reversed(self._statements):
            if isinstance(statement, ForStatement):
                for inner in reversed(statement.body):
                    self._wish_back(inner, counts)
                self._wish_carried(statement)
            elif isinstance(statement, Fork):
                for join in statement.joins:
                    self._wish_join(join, counts)
                for inner in (*reversed(statement.orelse), *reversed(statement.then)):
                    self._wish_back(inner, counts)
            else:
                self._wish_back(statement, counts)

    def _all_trees(self) -> Iterator[Tree]:
        for statement in self._statements:
            if isinstance(statement, Assign):
                yield statement.tree
                continue
            if isinstance(statement, ForStatement):
                yield from (inner.tree for inner in statement.body)
                continue
            yield from (inner.tree for inner in (*statement.then, *statement.orelse))
            for join in statement.joins:
                yield join.then
                yield join.orelse
        yield from self._outputs

    def _all_assigns(self) -> Iterator[Assign]:
        for statement in self._statements:
            if isinstance(statement, Assign):
                yield statement
            elif isinstance(statement, ForStatement):
                yield from statement.body
            else:
                yield from (*statement.then, *statement.orelse)

    def _wish_back(self, assign: Assign, counts: Counter[int]) -> None:
        step = assign.step
        wish = self._wishes.get(step.outputs[0]) if len(step.outputs) == 1 else None
        first = next(_operands(assign.tree), None)
        if wish and first is not None and counts[first] == 1:
            # The name of an output is kept for what is returned: what leads there is not called
            # `logits`.
            self._wishes.setdefault(first, "x" if wish in self._results else wish)

    def _wish_carried(self, statement: ForStatement) -> None:
        """Wish that what a loop starts from be called as what its turns make."""
        for carried in statement.loop.carried:
            wish = self._wishes.get(carried.made)
            if wish:
                self._wishes.setdefault(carried.start, wish)

    def _wish_join(self, join: Join, counts: Counter[int]) -> None:
        wish = self._wishes.get(join.value)
        if wish is None:
            wish = self._wishes.get(join.then.index) or self._wishes.get(join.orelse.index)
        if wish is None:
            return
        self._wishes[join.value] = wish
        for taken in (join.then.index, join.orelse.index):
            if counts[taken] == 1:
                self._wishes.setdefault(taken, wish)

    # --- naming ----------------------------------------------------------------------------------
    def _name(self, assign: Assign, position: int, chosen: Mapping[int, str] | None = None) -> None:
        reads = list(_operands(assign.tree))
        tree, written = assign.tree, self._written(assign.tree)
        names = []
        for value in assign.step.outputs:
            if value not in self._last and len(assign.step.outputs) > 1:
                names.append("_")
            elif chosen and value in chosen:
                self._variable[value] = chosen[value]
                names.append(chosen[value])
            else:
                names.append(self._choose(value, assign, reads, position))
        pattern = assign.step.pattern
        assign.targets = names[0] if pattern is None else pattern_text(pattern, names)
        if assign.step.run is None:
            assign.tree = written
            return
        flowing, target = Value(reads[0]), Name(assign.targets)
        assign.carried = self._variable[reads[0]]  # and each turn reads what the one before made
        assign.tree = self._written(rewrite(tree, lambda t: target if t == flowing else None))

    def _choose(self, value: int, assign: Assign, reads: list[int], position: int) -> str:
        wish = self._wishes.get(value)
        if wish is None and len(assign.step.outputs) == 1:
            wish = self._taken_over(reads, position)
        if wish is None:
            label = assign.step.name.rpartition(".")[2]
            wish = identifier(label) if assign.step.labelled and not label.isdigit() else "y"
        if self._available(wish, position):
            return self._bind(value, wish)
        number = self._free_number(wish, position)
        # By heaps the lowest free number is found without a search through all that are taken,
        # which is quadratic in a network of thousands of values.
        heappush(self._numbered[wish], (self._last.get(value, -1), number))
        return self._bind(value, f"{wish}_{number}")

    def _taken_over(self, reads: Sequence[int], position: int) -> str | None:
        """Return the variable of the first operand, if that is read for the last time here."""
        if not reads or self._last[reads[0]] > position or reads[0] in self._lists:
            return None
        if reads[0] < len(self.inputs) and self._network:
            return "x"
        name = self._variable[reads[0]]
        alone = len(set(reads)) == 1
        return name if alone or name == "x" or reads[0] not in self._named else None

    def _free_number(self, wish: str, position: int) -> int:
        """Return the lowest number that is free."""
        held, freed = self._numbered[wish], self._freed[wish]
        while held and held[0][0] <= position:
            heappush(freed, heappop(held)[1])
        while freed:
            number = heappop(freed)
            name = f"{wish}_{number}"
            if self._available(name, position):
                return number
            # A loop or a join has taken the name without asking for a number: it is held once more.
            heappush(held, (self._last[self._holds[name]], number))
        return next(n for n in self._numbers[wish] if self._available(f"{wish}_{n}", position))

    def _available(self, name: str, position: int) -> bool:
        if name in self._holds:
            return self._last.get(self._holds[name], -1) <= position
        return name not in self._names

    def _bind(self, value: int, name: str) -> str:
        self._holds[name] = value
        self._variable[value] = name
        return name

    def _written(self, tree: Tree) -> Tree:
        return rewrite(
            tree, lambda t: Name(self._variable[t.index]) if isinstance(t, Value) else None
        )

    # --- loops -----------------------------------------------------------------------------------
    def _for(self, statement: ForStatement, position: int) -> int:
        """Name what a loop carries and collects, and what its turns make."""
        end = position + 1 + len(statement.body)
        chosen: dict[int, str] = {}
        for start, before, made in statement.loop.carried:
            name = self._carried_name(start, made, position)
            if name != self._variable[start]:
                statement.before.append(Copy(name, self._variable[start]))
            self._bind(made, name)
            self._variable[before] = chosen[made] = name
        lists = []
        for value, made, text in statement.loop.collected:
            wish = identifier(text)
            if not text or wish in self._wishes.values():  # a variable keeps its type
                wish = f"{wish or self._wishes.get(made, 'made')}_list"
            name, number = wish, 2
            while not self._available(name, position):
                name, number = f"{wish}_{number}", number + 1
            # A list's variable is declared as one: no tensor may be assigned to it later.
            self._last[value] = _NEVER_FREE
            lists.append((self._bind(value, name), made))
        statement.before = _one_by_one(statement.before)
        for place, inner in enumerate(statement.body, position + 1):
            self._name(inner, place, chosen)
        statement.collected = [(name, self._variable[made]) for name, made in lists]
        return end + 1

    def _carried_name(self, start: int, made: int, position: int) -> str:
        """Return the variable of what the first turn starts from, if nobody reads that any more."""
        held = self._variable[start]
        wish = self._wishes.get(made)
        own = self._network and start < len(self.inputs)  # an input of the network keeps its name
        free = self._last[start] <= position and self._holds[held] == start
        if free and not own and wish in (None, held):
            return held
        base = name = wish or "x"
        number = 2
        while not self._available(name, position):
            name, number = f"{base}_{number}", number + 1
        return name

    # --- branches --------------------------------------------------------------------------------
    def _fork(self, fork: Fork, position: int) -> int:
        end = position + len(fork.then) + len(fork.orelse)
        # Named before the arms, which assign to these variables.
        joined = self._name_joins(fork, end)
        if not fork.orelse:
            made = self._in_arms
            for join in fork.joins:
                name = joined[join.value]
                # Not read by the arm, and there also where the arm of another `if` is not taken.
                before = self._available(name, position - 1) and join.orelse.index not in made
                copies = fork.before if before else fork.else_copies
                self._copy(name, join.orelse, copies)
        for join in fork.joins:
            # From here on no value of an arm may take the variable, but the one that is joined.
            self._holds[joined[join.value]] = join.value
        # Reversed, for a value that is in several joins: it has the variable of the first.
        then = {join.then.index: joined[join.value] for join in reversed(fork.joins)}
        orelse = {join.orelse.index: joined[join.value] for join in reversed(fork.joins)}
        self._arm(fork.then, then, position)
        for join in fork.joins:
            self._copy(joined[join.value], join.then, fork.then_copies)
        if fork.orelse:
            self._arm(fork.orelse, orelse, position + len(fork.then))
            for join in fork.joins:
                self._copy(joined[join.value], join.orelse, fork.else_copies)
        fork.then_copies = _one_by_one(fork.then_copies)
        fork.else_copies = _one_by_one(fork.else_copies)
        for join in fork.joins:
            self._bind_join(join, joined[join.value])
        return end + 1

    def _bind_join(self, join: Join, name: str) -> None:
        """Hold the variable for as long as one of the values that are in it is read."""
        self._bind(join.value, name)
        for value in (join.then.index, join.orelse.index):
            if self._variable[value] == name:
                self._last[join.value] = max(self._last[join.value], self._last[value])

    def _copy(self, name: str, value: Value, copies: list[Copy]) -> None:
        if self._variable[value.index] != name:
            copies.append(Copy(name, self._variable[value.index]))

    def _name_joins(self, fork: Fork, end: int) -> dict[int, str]:
        """Return a variable for each value that the arms leave behind."""
        made = {join.then.index: join for join in fork.joins}
        made |= {join.orelse.index: join for join in fork.joins}
        joined: dict[int, str] = {}
        for join in fork.joins:
            others = {
                self._variable[value]
                for value, other in made.items()
                if other is not join and value in self._variable
            }
            taken = {*others, *joined.values()}
            joined[join.value] = self._join_name(join, end, both=bool(fork.orelse), taken=taken)
        return joined

    def _join_name(self, join: Join, end: int, *, both: bool, taken: set[str]) -> str:
        wish = self._wishes.get(join.value)
        held = None if both else self._variable.get(join.orelse.index)
        if held is not None and held not in taken and wish in (None, held):
            if self._last[join.orelse.index] <= end:
                return held
        base = name = wish or "y"
        number = 2
        while name in taken or not self._available(name, end):
            name, number = f"{base}_{number}", number + 1
        return name

    def _arm(self, arm: Sequence[Assign], joined: Mapping[int, str], position: int) -> None:
        """Name an arm's values; a joined one has its variable, unless that is still read."""
        for place, assign in enumerate(arm):
            later = {value for other in arm[place + 1 :] for value in _read(other.tree)}
            read = {self._variable[v] for v in {*later, *joined} if v in self._variable}
            chosen = {
                value: joined[value]
                for value in assign.step.outputs
                if value in joined and joined[value] not in read
            }
            self._name(assign, position + place, chosen)


def _one_by_one(copies: Sequence[Copy]) -> list[Copy]:
    """Order copies that are made at once: none overwrites what another is still to read."""
    made: list[Copy] = []
    waiting = list(copies)
    while waiting:
        read = {copy.source for copy in waiting}
        free = next((copy for copy in waiting if copy.targets not in read), None)
        if free is None:  # all that are left go round: `a, b = b, a`
            targets = ", ".join(copy.targets for copy in waiting)
            return [*made, Copy(targets, ", ".join(copy.source for copy in waiting))]
        waiting.remove(free)
        made.append(free)
    return made


def _read(tree: Tree) -> Iterator[int]:
    return (node.index for node in walk(tree) if isinstance(node, Value))


def _operands(tree: Tree) -> Iterator[int]:
    """Yield the tensors that flow into a step: not those whose shape, dtype or device it reads."""
    return _read(rewrite(tree, lambda node: NONE if _is_about(node) else None))


def _is_about(node: Tree) -> bool:
    return isinstance(node, Dimension) or (
        isinstance(node, Attribute) and node.name in ("shape", "device", "dtype")
    )
