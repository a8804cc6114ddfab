"""Which kernels a plan takes: by what it asks for, by what is shared, by what is known."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from anvil.core.decision import ORDERS, Criterion
from anvil.core.graph import Graph, Op
from anvil.core.plan import Constant, KernelCall, Variant
from anvil.core.target import Target
from anvil.core.tensor import DType, Tensor
from anvil.plan.costs import CostTable, HelperCost, KernelCost
from anvil.plan.features import Linear
from anvil.plan.select import Choice, Feasible, Option
from anvil.plan.weigh import Weighing, weigh
from tests.support import projects


@dataclass(kw_only=True)
class Kernel:
    """A kernel that was never written: the figures that the table would have."""

    cycles: float = 100.0  # for each output element
    code: int = 100
    scratch: int = 0
    weights: int = 0  # bytes of each call's constants as it takes them
    fits: frozenset[int] = frozenset(range(100))  # the calls that it can run
    specialised: tuple[float, int] | None = None  # cycles and bytes of a copy
    helpers: tuple[str, ...] = ()
    is_known: bool = True


@dataclass(kw_only=True)
class Bench:
    """Calls in a row over tensors of `size` elements, and what can run them."""

    kernels: dict[str, Kernel]
    n_calls: int = 2
    size: int = 16
    memory: int = 256 * 1024  # bytes of flash, and of RAM
    options: list[Feasible] = field(init=False)

    def chosen(
        self, order: str | tuple[Criterion, ...], *, with_table: bool = True
    ) -> list[Choice]:
        tensors = tuple(
            Tensor(name=f"t{n}", shape=(self.size,), dtype=DType.INT8)
            for n in range(self.n_calls + 1)
        )
        ops = tuple(
            Op(index=n, kind="ADD", inputs=(n,), outputs=(n + 1,)) for n in range(self.n_calls)
        )
        graph = Graph(tensors=tensors, ops=ops, inputs=(0,), outputs=(self.n_calls,))
        lowered = [
            KernelCall(
                op="add",
                dtype="int8",
                parameters=(("n", 1),),
                inputs=op.inputs,
                constants=(),
                outputs=op.outputs,
                n_macs=0,
            )
            for op in ops
        ]
        self.options = [
            Feasible(
                options=tuple(
                    Option(
                        variant=variant_of(name),
                        call=replace(call, constants=constants_of(number, kernel)),
                        scratch_bytes=kernel.scratch,
                    )
                    for name, kernel in self.kernels.items()
                    if number in kernel.fits
                ),
                rejected=(),
            )
            for number, call in enumerate(lowered)
        ]
        weighing = Weighing(
            name="n",
            target=self.target(),
            costs=self.table() if with_table else None,
            order=ORDERS[order] if isinstance(order, str) else order,
        )
        return weigh(
            graph,
            list(zip(ops, lowered, strict=True)),
            self.options,
            lambda _, option: 2 * self.size + option.scratch_bytes,
            weighing,
        )

    def names(self, order: str | tuple[Criterion, ...]) -> list[str]:
        return [label(choice.option) for choice in self.chosen(order)]

    def target(self) -> Target:
        board = projects.target("nrf52840")
        assert board.flash is not None
        assert board.ram is not None
        return replace(
            board,
            flash=replace(board.flash, size_bytes=self.memory),
            ram=replace(board.ram, size_bytes=self.memory),
        )

    def table(self) -> CostTable:
        known = {name: kernel for name, kernel in self.kernels.items() if kernel.is_known}
        entries = {symbol_of(n): entry(k.cycles, k.code, k.helpers) for n, k in known.items()}
        entries |= {
            f"{symbol_of(name)}@specialised": entry(*kernel.specialised, kernel.helpers)
            for name, kernel in known.items()
            if kernel.specialised is not None
        }
        return CostTable(
            kernels=entries,
            helpers={"divide": HelperCost(code_bytes=1000, stack_bytes=0)},
            programs={},
        )


def symbol_of(name: str) -> str:
    return f"anvil_add_int8_{name}__scalar"


def variant_of(name: str) -> Variant:
    return Variant(
        op="add",
        dtype="int8",
        name=f"{name}__scalar",
        symbol=symbol_of(name),
        source=f"add/{name}.c",
        headers=(),
        requires=(),
        when="",
        scratch_bytes="0",
        digest="d",
    )


def constants_of(number: int, kernel: Kernel) -> tuple[Constant, ...]:
    data = bytes([number]) * kernel.weights
    one = Constant(name="weights", dtype=DType.INT8, shape=(len(data),), data=data)
    return (one,) if data else ()


def entry(cycles: float, code: int, helpers: tuple[str, ...]) -> KernelCost:
    linear: Linear = (("output_elements", cycles),)
    return KernelCost(
        source_digest="d",
        code_bytes=code,
        stack_bytes=0,
        helpers=helpers,
        instructions=linear,
        cycles=linear,
        nanoseconds=None,
    )


def label(option: Option) -> str:
    name = option.variant.name.removesuffix("__scalar")
    return f"{name}, specialised" if option.is_specialised else name


def reasons(choices: list[Choice]) -> set[str]:
    return {rejection.reason for choice in choices for rejection in choice.rejected}


def test_for_speed_each_call_takes_its_fastest_whatever_the_order_of_the_file() -> None:
    bench = Bench(
        kernels={"slow": Kernel(), "fast": Kernel(cycles=10, code=9000, fits=frozenset({1}))}
    )
    assert bench.names("speed") == ["slow", "fast"]
    (rejection,) = bench.chosen("speed")[1].rejected
    assert rejection.choice == symbol_of("slow")
    assert (rejection.op_index, rejection.reason) == (1, "slower: 1,600 cycles against 160")


def test_for_size_one_kernel_for_all_calls_beats_a_smaller_one_for_some() -> None:
    small_for_one = Kernel(code=300, cycles=1, fits=frozenset({0}))
    bench = Bench(kernels={"small": small_for_one, "general": Kernel(code=500)})
    assert bench.names("size") == ["general", "general"]
    assert bench.names("speed") == ["small", "general"]
    (reason,) = reasons(bench.chosen("size"))
    assert reason == "faster, 16 cycles against 1,600, but no better for the plan as a whole"


def test_bytes_of_packed_weights_count_for_each_call() -> None:
    packed = Kernel(code=100, weights=400, cycles=10)
    bench = Bench(kernels={"packed": packed, "plain": Kernel(code=600, weights=40)}, n_calls=3)
    assert bench.names("size") == ["plain"] * 3, "600 + 3 * 48 B are less than 100 + 3 * 400 B"
    bench.n_calls = 1
    assert bench.names("size") == ["packed"]


def test_a_helper_that_another_kernel_links_anyway_costs_nothing() -> None:
    bench = Bench(
        kernels={
            "only": Kernel(helpers=("divide",), fits=frozenset({0})),
            "dividing": Kernel(code=100, helpers=("divide",), fits=frozenset({1})),
            "alone": Kernel(code=700, fits=frozenset({1})),
        }
    )
    assert bench.names("size") == ["only", "dividing"]
    bench.kernels["only"] = Kernel(fits=frozenset({0}))
    assert bench.names("size") == ["only", "alone"], "the divisor would come for this call alone"


def test_scratch_memory_is_weighed_and_not_taken_blindly() -> None:
    def bench(scratch: int, memory: int = 4096) -> Bench:
        fast = Kernel(cycles=50, scratch=scratch)
        return Bench(kernels={"fast": fast, "plain": Kernel()}, size=500, memory=memory)

    assert bench(100).names("balanced") == ["fast", "fast"]
    assert bench(9000).names("balanced") == ["plain", "plain"]
    assert bench(9000, memory=65536).names("balanced") == ["fast", "fast"]
    assert bench(9000).names("speed") == ["fast", "fast"]
    assert bench(100).names((Criterion.RAM, Criterion.LATENCY)) == ["plain", "plain"]
    (reason,) = reasons(bench(9000).chosen("balanced"))
    assert "faster, 25,000 cycles against 50,000" in reason
    assert "10,000 B of the arena against 1,000" in reason


def test_one_call_that_sets_the_arena_anyway_lets_others_have_scratch() -> None:
    bench = Bench(
        kernels={
            "large": Kernel(scratch=5000, fits=frozenset({0})),
            "fast": Kernel(cycles=50, scratch=4000, fits=frozenset({1})),
            "plain": Kernel(fits=frozenset({1})),
        }
    )
    assert bench.names("balanced") == ["large", "fast"]


def test_a_copy_for_one_call_pays_where_speed_is_asked_for() -> None:
    kernel = Kernel(cycles=10, code=1000, specialised=(9.0, 800))
    bench = Bench(kernels={"one": kernel}, n_calls=3)
    assert bench.names("speed") == ["one, specialised"] * 3
    assert bench.names("size") == bench.names("balanced") == ["one"] * 3
    bench.n_calls = 2
    (rejection, _) = [r for choice in bench.chosen("speed") for r in choice.rejected]
    assert rejection.choice == symbol_of("one")


def test_where_a_cost_is_not_known_the_order_of_the_file_decides_and_says_so() -> None:
    bench = Bench(
        kernels={
            "new": Kernel(cycles=500, is_known=False, fits=frozenset({1})),
            "old": Kernel(),
            "better": Kernel(cycles=10),
        }
    )
    for order in ORDERS:
        assert bench.names(order)[1] == "new"
    assert bench.names("speed")[0] == "better"
    why = f"the cost table lacks {symbol_of('new')}"
    assert {r.reason for r in bench.chosen("speed")[1].rejected} == {
        f"behind in the order of kernels.yaml, which decides, as {why}"
    }


def test_without_a_table_the_first_that_fits_is_taken() -> None:
    bench = Bench(kernels={"first": Kernel(), "second": Kernel(cycles=1)})
    choices = bench.chosen("speed", with_table=False)
    assert [label(choice.option) for choice in choices] == ["first", "first"]
    (reason,) = reasons(choices)
    assert reason.endswith("as there is no cost table for the core")


def test_a_source_that_changed_since_is_not_known() -> None:
    bench = Bench(kernels={"changed": Kernel(), "fast": Kernel(cycles=1)})
    table = bench.table()
    symbol = symbol_of("changed")
    assert table.kernel(variant_of("changed")) is table.kernels[symbol]
    assert table.kernel(replace(variant_of("changed"), digest="other")) is None


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("order", ["speed", "size", "balanced"])
def test_nothing_better_is_found_by_trying_everything(seed: int, order: str) -> None:
    rng = np.random.default_rng(seed)
    kernels = {
        name: Kernel(
            cycles=float(rng.integers(10, 100)),
            code=int(rng.integers(50, 1500)),
            scratch=int(rng.choice([0, 64, 800])),
            weights=int(rng.choice([16, 160, 480])),
            fits=frozenset(int(n) for n in np.flatnonzero(rng.random(4) < 0.6)),
        )
        for name in "abc"
    }
    every = kernels | {"general": Kernel(code=400, weights=16)}
    bench = Bench(kernels=every, n_calls=4, memory=2048)
    choices = bench.chosen(order)
    found = total(bench, [choice.option for choice in choices])
    best = min(
        total(bench, options)[order]
        for options in itertools.product(*(one.options for one in bench.options))
    )
    # The product is searched by moves, which may end a little beside the best.
    assert found[order] <= (best * 1.05 if order == "balanced" else best)


def total(bench: Bench, options: tuple[Option, ...] | list[Option]) -> dict[str, float]:
    """Latency, flash, and latency grown by shares of memory, added up plainly."""
    names = [label(option) for option in options]
    cycles = sum(bench.kernels[name].cycles * bench.size for name in names)
    flash = sum(bench.kernels[name].code for name in set(names)) + 4 * len(names)
    flash += sum(-(-bench.kernels[name].weights // 16) * 16 for name in names)
    ram = 2 * bench.size + max(option.scratch_bytes for option in options)
    return {
        "speed": cycles,
        "size": flash,
        "balanced": cycles * (1 + flash / bench.memory) * (1 + ram / bench.memory),
    }
