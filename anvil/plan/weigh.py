"""Which of its feasible kernels each call takes, weighed over the plan as a whole.

A kernel's code counts once however many calls share it, constants that are equal count once,
and the arena is that of the call that needs most; so no call can be decided alone. The search
starts from the fastest kernel of every call. Of the kernels of one operator and dtype it tries
each set: every call takes the best of the set, and what is in no call's favour costs no code.
Then it tries other kernels call by call, and goes round again until nothing is better.

What the cost table does not know cannot be weighed: there the order of kernels.yaml decides.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from anvil.core.decision import Criterion, balance
from anvil.core.plan import SPECIALISED, Rejection
from anvil.plan.features import call_names, evaluate_linear
from anvil.plan.predict import names_of_program, spent_by
from anvil.plan.select import Choice, Feasible, Option

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from anvil.core.graph import Graph, Op
    from anvil.core.plan import Constant, KernelCall
    from anvil.core.target import Target
    from anvil.plan.costs import CostTable, KernelCost

# Latency is compared in the first of these that is known of everything.
_UNITS = ("nanoseconds", "cycles", "instructions")
_MOST_KERNELS = 6  # of one operator, of which every set is tried; of more, single ones and pairs
_CONSTANT_ALIGNMENT = 16  # as they are rendered
_FIELD_BYTES = 4  # of every field of a parameter struct
_QUANTITIES = (Criterion.LATENCY, Criterion.FLASH, Criterion.RAM)


@dataclass(frozen=True, slots=True, kw_only=True)
class Weighing:
    """What kernels are weighed by; without costs the order of kernels.yaml decides."""

    name: str  # of the project
    target: Target
    costs: CostTable | None = None
    order: tuple[Criterion, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Item:
    """One option with its figures."""

    option: Option
    latency: float  # in the unit in which all are compared; 0 where nothing is
    code: tuple[tuple[str, int], ...]  # kernel and helpers with their bytes: all calls share them
    constants: tuple[Constant, ...]
    own_bytes: int  # of flash that no other call shares
    need_bytes: int  # of the arena while it runs
    is_weighed: bool = True

    @property
    def symbol(self) -> str:
        """The kernel."""
        return self.option.variant.symbol

    @property
    def label(self) -> str:
        """Its name in explanations."""
        return f"{self.symbol}{SPECIALISED if self.option.is_specialised else ''}"

    @property
    def alone_bytes(self) -> int:
        """Flash that is the call's own, with its constants."""
        return self.own_bytes + sum(map(_padded, self.constants))

    @property
    def flash_bytes(self) -> int:
        """What it would take if no call shared anything."""
        return self.alone_bytes + sum(n_bytes for _, n_bytes in self.code)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Base:
    """What a program has besides kernels, constants and arena; and what decides."""

    target: Target
    flash_bytes: float
    ram_bytes: float
    order: tuple[Criterion, ...]

    def rank(self, items: Sequence[_Item]) -> tuple[float, ...]:
        """The quantities that decide, the first one first; the smaller the better."""
        code = dict(part for item in items for part in item.code)
        constants = {constant for item in items for constant in item.constants}
        own = sum(item.own_bytes for item in items)
        quantities = {
            Criterion.FLASH: self.flash_bytes
            + own
            + sum(code.values())
            + sum(map(_padded, constants)),
            Criterion.RAM: self.ram_bytes + max(item.need_bytes for item in items),
            Criterion.LATENCY: math.fsum(item.latency for item in items),
        }
        quantities[Criterion.PRODUCT] = balance(
            self.target,
            latency=quantities[Criterion.LATENCY],
            flash_bytes=quantities[Criterion.FLASH],
            ram_bytes=quantities[Criterion.RAM],
        )
        return tuple(quantities[criterion] for criterion in self.order)


def weigh(
    graph: Graph,
    lowered: Sequence[tuple[Op, KernelCall]],
    found: Sequence[Feasible],
    need: Callable[[int, Option], int],
    weighing: Weighing,
) -> list[Choice]:
    """A choice for each call, in their order.

    need: bytes of the arena while the call of that number runs so.
    """
    calls: list[list[_Item]] = []
    unit = _unit(weighing.costs)
    for number, ((_, call), feasible) in enumerate(zip(lowered, found, strict=True)):
        items = _items(call, feasible, graph, weighing, unit)
        calls.append([replace(i, need_bytes=need(number, i.option)) for i in items])
    if not calls:
        return []
    taken = _search(calls, _base(graph, calls, weighing))
    return [
        Choice(
            option=item.option,
            rejected=(
                *feasible.rejected,
                *_rejections(op.index, item, items, feasible, weighing),
            ),
        )
        for item, items, feasible, (op, _) in zip(taken, calls, found, lowered, strict=True)
    ]


def _unit(costs: CostTable | None) -> str | None:
    """What the kernels of a table are measured in; None where in nothing that all have."""
    kernels = [] if costs is None else list(costs.kernels.values())
    return next(
        (unit for unit in _UNITS if kernels and any(getattr(k, unit) is not None for k in kernels)),
        None,
    )


def _items(
    call: KernelCall, feasible: Feasible, graph: Graph, weighing: Weighing, unit: str | None
) -> list[_Item]:
    """The options with their figures; the first alone where those of one are not known."""
    costs = weighing.costs
    items: list[_Item] = []
    for option in feasible.options:
        cost = None if costs is None else costs.kernel(option.variant)
        names = call_names(call, graph, option.call)
        latency = None if cost is None or unit is None else getattr(spent_by(cost, names), unit)
        if costs is None or cost is None or latency is None:
            first = feasible.options[0]
            return [
                _Item(
                    option=first,
                    latency=items[0].latency if items else 0.0,
                    code=items[0].code if items else (),
                    constants=first.call.constants,
                    own_bytes=_FIELD_BYTES * len(first.call.parameters),
                    need_bytes=0,
                    is_weighed=False,
                )
            ]
        items.append(
            _Item(
                option=option,
                latency=latency,
                code=_code(option.variant.symbol, cost, costs),
                constants=option.call.constants,
                own_bytes=_FIELD_BYTES * len(option.call.parameters),
                need_bytes=0,
            )
        )
    return [*items, *_specialised(call, items, graph, weighing, unit)]


def _specialised(
    call: KernelCall, items: Sequence[_Item], graph: Graph, weighing: Weighing, unit: str | None
) -> Iterator[_Item]:
    """The same options compiled for the call alone, where the table knows what that brings.

    Only where speed comes first: what a compiler makes of known numbers is foretold less well
    than a kernel that is there already, and code grows with every call.
    """
    if weighing.order[:1] != (Criterion.LATENCY,):
        return
    costs = weighing.costs
    for item in items:
        variant = item.option.variant
        cost = None if costs is None else costs.kernel(variant, is_specialised=True)
        if costs is None or cost is None or unit is None:
            continue
        names = call_names(call, graph, item.option.call)
        latency = getattr(spent_by(cost, names), unit)
        if latency is not None:
            yield replace(
                item,
                option=replace(item.option, is_specialised=True),
                latency=latency,
                code=_code(variant.symbol, cost, costs)[1:],
                own_bytes=cost.code_bytes,
            )


def _code(symbol: str, cost: KernelCost, costs: CostTable) -> tuple[tuple[str, int], ...]:
    known = [name for name in cost.helpers if name in costs.helpers]
    helpers = ((name, costs.helpers[name].code_bytes) for name in known)
    return ((symbol, cost.code_bytes), *helpers)


def _base(graph: Graph, calls: Sequence[Sequence[_Item]], weighing: Weighing) -> _Base:
    flash = ram = 0.0
    program = None
    if weighing.costs is not None:
        program = weighing.costs.programs.get(weighing.target.build)
    if program is not None:
        first = [items[0].option for items in calls]
        names = names_of_program(
            weighing.name, graph, [(one.call, one.variant.takes_scratch) for one in first]
        )
        shared = dict.fromkeys(("field_bytes", "padding", "weight_bytes"), 0)
        flash = evaluate_linear(program.code_bytes, names | shared) or 0.0
        ram = evaluate_linear(program.data_bytes, names | shared) or 0.0
        ram += program.bss_bytes
        ram += weighing.target.stack_bytes or program.reserved_stack_bytes or 0
    decisive = [one for one in weighing.order if one is not Criterion.ACCURACY]
    # What no criterion decides, the product does, then the quantities alone.
    order = tuple(dict.fromkeys([*decisive, Criterion.PRODUCT, *_QUANTITIES]))
    return _Base(target=weighing.target, flash_bytes=flash, ram_bytes=ram, order=order)


def _padded(constant: Constant) -> int:
    return -(-len(constant.data) // _CONSTANT_ALIGNMENT) * _CONSTANT_ALIGNMENT


# The search.


def _search(calls: Sequence[Sequence[_Item]], base: _Base) -> list[_Item]:
    """An item for each call, such that no step of the search gives a better whole."""
    taken = [min(items, key=lambda item: item.latency) for items in calls]
    best = base.rank(taken)
    while True:
        before = best
        for trial in itertools.chain(_by_kernels(calls, taken), _one_by_one(calls, taken)):
            rank = base.rank(trial)
            if rank < best:
                best = rank
                taken[:] = trial
        if best == before:
            return taken


def _by_kernels(calls: Sequence[Sequence[_Item]], taken: list[_Item]) -> Iterator[list[_Item]]:
    """Every set of shared kernels of each operator, the calls taking the best of the set."""
    groups: dict[tuple[str, str], list[int]] = {}
    for number, items in enumerate(calls):
        variant = items[0].option.variant
        if len(items) > 1:
            groups.setdefault((variant.op, variant.dtype), []).append(number)
    for numbers in groups.values():
        shared = {
            number: [item for item in calls[number] if not item.option.is_specialised]
            for number in numbers
        }
        symbols = sorted({item.symbol for items in shared.values() for item in items})
        most = len(symbols) if len(symbols) <= _MOST_KERNELS else 2
        for size in range(1, most + 1):
            for kernels in itertools.combinations(symbols, size):
                for preference in _PREFERENCES:
                    trial = list(taken)
                    for number, items in shared.items():
                        of_set = [item for item in items if item.symbol in kernels]
                        trial[number] = min(of_set or items, key=preference)
                    yield trial


_PREFERENCES: tuple[Callable[[_Item], tuple[float, ...]], ...] = (
    lambda item: (item.latency, item.alone_bytes, item.need_bytes),
    lambda item: (item.alone_bytes, item.need_bytes, item.latency),
    lambda item: (item.need_bytes, item.latency, item.alone_bytes),
)


def _one_by_one(calls: Sequence[Sequence[_Item]], taken: list[_Item]) -> Iterator[list[_Item]]:
    """Every other item of every call, all else staying."""
    for number, items in enumerate(calls):
        for item in items:
            if item is not taken[number]:
                trial = list(taken)
                trial[number] = item
                yield trial


# The explanation.


def _rejections(
    op_index: int, taken: _Item, items: Sequence[_Item], feasible: Feasible, weighing: Weighing
) -> Iterator[Rejection]:
    """Why each other option of a call was not taken."""
    unit = _unit(weighing.costs)
    for item in items:
        if item is not taken:
            yield Rejection(
                op_index=op_index, choice=item.label, reason=_reason(item, taken, unit or "")
            )
    if not taken.is_weighed:
        unknown = [
            option.variant.symbol
            for option in feasible.options
            if weighing.costs is None or weighing.costs.kernel(option.variant) is None
        ]
        why = f"the cost table lacks {', '.join(unknown)}"
        if weighing.costs is None:
            why = "there is no cost table for the core"
        for option in feasible.options[1:]:
            yield Rejection(
                op_index=op_index,
                choice=option.variant.symbol,
                reason=f"behind in the order of kernels.yaml, which decides, as {why}",
            )


def _reason(item: _Item, taken: _Item, unit: str) -> str:
    """What speaks against `item`, beside what was taken in its stead."""
    latency = f"{item.latency:,.0f} {unit} against {taken.latency:,.0f}"
    if item.latency > taken.latency:
        return f"slower: {latency}"
    bytes_of = (
        ("flash", item.flash_bytes, taken.flash_bytes),
        ("the arena", item.need_bytes, taken.need_bytes),
    )
    dearer = [
        f"{mine:,} B of {what} against {theirs:,}"
        for what, mine, theirs in bytes_of
        if mine > theirs
    ]
    word = "faster" if item.latency < taken.latency else "as fast"
    why = f", {' and '.join(dearer)}" if dearer else ""
    return f"{word}, {latency}, but no better for the plan as a whole{why}"
