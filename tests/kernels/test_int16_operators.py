"""The operators without weights on int16: NumPy against TFLite, kernels against NumPy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from anvil.core.attributes import (
    Activation,
    ArithmeticAttributes,
    ConcatenationAttributes,
    MeanAttributes,
    SoftmaxAttributes,
)
from anvil.core.tensor import DType
from anvil.ops.broadcast import broadcast_shape
from anvil.ops.registry import DEFINITIONS
from tests.support.kernel_harness import Case, check_kernels, check_references
from tests.support.platforms import Platform, each_platform
from tests.support.tflite_builder import activation, constant, one_op_graph, random_array
from tests.support.window_cases import ACTIVATIONS, UNDILATED, Windows, pool_case

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence
    from pathlib import Path

    import numpy.typing as npt

    from anvil.core.tensor import Tensor

INT16 = DType.INT16
EVERY_VALUE = np.arange(-(2**15), 2**15).astype(np.int16)
SOME_VALUES = EVERY_VALUE[::97]
# Both ends, what is next to them and to the places where tables begin.
EXTREMES = np.array([-32768, -32767, -1, 0, 1, 32767, 32766, 127, 128, -128, -129], np.int16)
ONE_OVER_32768 = 2.0**-15


def q(name: str, shape: Sequence[int], scale: float) -> Tensor:
    return activation(name, shape, dtype=INT16, scale=scale)


def case(
    name: str,
    kind: str,
    inputs: Sequence[Tensor],
    output: Tensor,
    attributes: Hashable = None,
    *,
    values: npt.NDArray[Any] | None = None,
) -> Case:
    graph = one_op_graph(kind, inputs, [output], attributes)
    rng = np.random.default_rng(list(f"{kind} {name}".encode()))
    if values is not None:
        return Case(name=f"{kind} {name}", graph=graph, inputs=(values,))
    given = [random_array(graph.tensors[index], rng) for index in graph.inputs]
    for array in given:  # the ends of the range come together somewhere
        flat = array.reshape(-1)
        flat[: min(2, flat.size)] = [-32768, 32767][: flat.size]
    return Case(name=f"{kind} {name}", graph=graph, inputs=tuple(given))


def binary(
    kind: str,
    name: str,
    shapes: tuple[tuple[int, ...], tuple[int, ...]],
    scales: tuple[float, float, float],
    fused: Activation = Activation.NONE,
    *,
    second_is_constant: bool = False,
) -> Case:
    shape = broadcast_shape(*shapes)
    assert shape is not None
    second = q("b", shapes[1], scales[1])
    if second_is_constant:
        values = random_array(second, np.random.default_rng(7))
        second = constant("b", values, scales=scales[1:2])
    attributes = ArithmeticAttributes(activation=fused)
    return case(
        name, kind, [q("a", shapes[0], scales[0]), second], q("y", shape, scales[2]), attributes
    )


def arithmetic() -> list[Case]:
    # Outputs that use their range: of a sum, and of a product.
    shared = {"ADD": (1e-4, 2e-4, 3.1e-4), "MUL": (1e-4, 2e-4, 6.5e-4)}
    cases = []
    for kind, scales in shared.items():
        cases += [
            binary(kind, "equal shapes", ((2, 3, 5, 7), (2, 3, 5, 7)), scales),
            binary(kind, "scalars", ((), ()), scales),
            binary(kind, "one per channel", ((2, 3, 5), (5,)), scales, second_is_constant=True),
            binary(kind, "both repeat", ((2, 1, 5, 1), (3, 1, 7)), scales),
            binary(kind, "saturating", ((251,), (251,)), (1e-2, 2e-2, 1.3e-2)),
            binary(kind, "a tiny second scale", ((251,), (251,)), (1e-2, 1e-9, 2e-2)),
            *(
                binary(kind, f"fused {fused.value}", ((251,), (251,)), (2e-3, 3e-3, 1e-3), fused)
                for fused in ACTIVATIONS
            ),
        ]
        for seed in range(12):
            exponents = np.random.default_rng(seed).uniform(-4, -1, 3)
            a, b, y = (float(10**e) for e in exponents)
            if kind == "ADD":
                y = max(y, 1e-4 * max(a, b))
            cases.append(binary(kind, f"random {seed}", ((37,), (37,)), (a, b, y)))
    return cases


def moves() -> list[Case]:
    join = ConcatenationAttributes(axis=-1, activation=Activation.NONE)
    paddings = constant("p", np.array([[0, 0], [1, 2], [3, 0]], np.int32))
    return [
        case(
            "last axis",
            "CONCATENATION",
            [q("a", (2, 3, 1), 0.1), q("b", (2, 3, 4), 0.1)],
            q("y", (2, 3, 5), 0.1),
            join,
        ),
        case("rows", "PAD", [q("a", (2, 3, 5), 0.1), paddings], q("y", (2, 6, 8), 0.1)),
    ]


def means() -> list[Case]:
    def mean(
        name: str, shape: tuple[int, ...], axes: list[int], scales: tuple[float, float]
    ) -> Case:
        reduced = tuple(1 if i in axes else n for i, n in enumerate(shape))
        return case(
            name,
            "MEAN",
            [q("a", shape, scales[0]), constant("axes", np.array(axes, np.int32))],
            q("y", reduced, scales[1]),
            MeanAttributes(keep_dims=True),
        )

    return [
        mean("image", (2, 5, 3, 7), [1, 2], (0.1, 0.1)),
        mean("image, finer", (2, 5, 3, 7), [1, 2], (0.1, 0.013)),
        mean("one element", (1, 1, 1, 3), [1, 2], (0.1, 0.2)),
        mean("last axis", (3, 17), [1], (0.1, 0.07)),
        mean("first axis", (17, 3), [0], (0.1, 0.3)),
        mean("middle and last", (3, 4, 5), [1, 2], (2e-3, 1e-3)),
        mean("every axis", (3, 4, 5), [0, 1, 2], (2e-3, 2e-3)),
        mean("a long row", (2, 1000), [1], (0.1, 0.1)),
    ]


def softmaxes() -> list[Case]:
    def softmax(
        name: str,
        shape: tuple[int, ...],
        scale: float,
        beta: float = 1.0,
        values: npt.NDArray[Any] | None = None,
    ) -> Case:
        return case(
            name,
            "SOFTMAX",
            [q("x", shape, scale)],
            q("y", shape, ONE_OVER_32768),
            SoftmaxAttributes(beta=float(np.float32(beta))),
            values=values,
        )

    every = np.stack([np.full(2**16, 32767, np.int16), EVERY_VALUE], axis=1)[::131]
    return [
        *(softmax(f"at {scale:g}", (7, 10), scale) for scale in (1e-6, 1e-4, 5e-4, 1e-3, 0.1)),
        softmax("one element", (3, 1), 1e-3),
        softmax("one row", (17,), 1e-4),
        softmax("pixels", (2, 3, 5, 7), 1e-4),
        softmax("beta", (4, 10), 1e-4, 0.3),
        softmax("all equal", (2, 12), 1e-3, values=np.full((2, 12), -32768, np.int16)),
        softmax("a long row", (1, 3000), 1e-4),
        softmax("extremes", (1, 11), 3e-4, values=EXTREMES[None]),
        *(
            softmax(f"every difference at {scale:g}", every.shape, scale, values=every)
            for scale in (10 / 65535, 1e-3)
        ),
    ]


def functions(values: npt.NDArray[Any]) -> list[Case]:
    scales = (2.0**-12, 2.0**-13, 1e-9, 1e-4, 3.1e-4, 1.2e-3, 0.03, 1.3)
    uses = [(kind, scale, 2.0**-15) for kind in ("LOGISTIC", "TANH") for scale in scales]
    uses += [
        (kind, a, b)
        for kind in ("RELU", "RELU6")
        for a, b in ((1e-3, 1e-3), (1e-3, 7e-4), (1e-4, 0.9), (2.0, 1.1))
    ]
    shape = values.shape
    return [
        case(f"{a:g} to {b:g}", kind, [q("x", shape, a)], q("y", shape, b), values=values)
        for kind, a, b in uses
    ]


def dequantizations() -> list[Case]:
    output = activation("y", SOME_VALUES.shape, dtype=DType.FLOAT32, scale=None)
    return [
        case(
            f"at {scale:g}",
            "DEQUANTIZE",
            [q("x", SOME_VALUES.shape, scale)],
            output,
            values=SOME_VALUES,
        )
        for scale in (0.1, 3.05e-5, 1e35)
    ]


POOLS = [
    pool_case(
        kind,
        windows,
        channels=(1, 3, 5)[i % 3],
        fused=ACTIVATIONS[i % 4],
        zero_point=0,
        scale=2e-4,
        dtype=INT16,
    )
    for kind in ("AVERAGE_POOL_2D", "MAX_POOL_2D")
    for i, windows in enumerate((*UNDILATED, Windows(image=(9, 40), filter=(9, 40))))
]
CASES = [
    *arithmetic(),
    *moves(),
    *means(),
    *softmaxes(),
    *functions(SOME_VALUES),
    *dequantizations(),
    *POOLS,
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_numpy_equals_tflite(case: Case) -> None:
    check_references(case)


@pytest.mark.parametrize("case", functions(EVERY_VALUE), ids=lambda case: case.name)
def test_numpy_equals_tflite_on_every_value(case: Case) -> None:
    check_references(case)


@each_platform
def test_kernels_equal_numpy(platform: Platform, tmp_path: Path) -> None:
    check_kernels(platform, CASES, tmp_path)


def test_scales_that_are_powers_of_two_are_refused_where_shifts_are_declared() -> None:
    # TFLite then computes ADD in another way, whose results differ.
    tensors = [q("a", (3,), 0.25), q("b", (3,), 0.5)]
    for is_declared in (False, True):
        attributes = ArithmeticAttributes(activation=Activation.NONE, pot_scale_int16=is_declared)
        graph = one_op_graph("ADD", tensors, [q("y", (3,), 1.0)], attributes)
        problems = DEFINITIONS["ADD"].check(graph.ops[0], graph)
        assert bool(problems) == is_declared
        assert all("pot_scale_int16" in problem for problem in problems)
