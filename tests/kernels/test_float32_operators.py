"""The operators without weights on float32: NumPy against TFLite, kernels against NumPy.

ADD, MUL, the pools, PAD, CONCATENATION, RELU and RELU6 give TFLite's bits; SOFTMAX, LOGISTIC and
TANH agree within their tolerance, since each library has an exp of its own.
"""

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
from tests.support.kernel_harness import Case, check_kernels, check_references, kernel_outputs
from tests.support.platforms import PLATFORMS, Platform, each_platform
from tests.support.tflite_builder import activation, constant, one_op_graph, random_array
from tests.support.window_cases import ACTIVATIONS, UNDILATED, pool_case

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence
    from pathlib import Path

    import numpy.typing as npt

    from anvil.core.tensor import Tensor

FLOAT = DType.FLOAT32
LARGEST = float(np.finfo(np.float32).max)
# No NaN: it propagates, but the sign of one that arises differs between processors.
EXTREMES = np.array(
    [0.0, -0.0, 1.0, -1.0, 6.0, 6.5, 1e-45, -1e-45, 1.2e-38, LARGEST, -LARGEST, np.inf, -np.inf],
    np.float32,
)


def f(name: str, shape: Sequence[int]) -> Tensor:
    return activation(name, shape, dtype=FLOAT, scale=None)


def case(
    name: str,
    kind: str,
    inputs: Sequence[Tensor],
    output: Tensor,
    attributes: Hashable = None,
    *,
    values: Sequence[npt.NDArray[Any]] = (),
) -> Case:
    graph = one_op_graph(kind, inputs, [output], attributes)
    rng = np.random.default_rng(list(f"{kind} {name}".encode()))
    given = tuple(random_array(graph.tensors[index], rng) for index in graph.inputs)
    return Case(
        name=f"{kind} {name}",
        graph=graph,
        inputs=tuple(array.astype(np.float32) for array in values) or given,
    )


def binary(
    kind: str,
    name: str,
    shapes: tuple[tuple[int, ...], tuple[int, ...]],
    fused: Activation = Activation.NONE,
    *,
    second_is_constant: bool = False,
    values: Sequence[npt.NDArray[Any]] = (),
) -> Case:
    shape = broadcast_shape(*shapes)
    assert shape is not None
    second = f("b", shapes[1])
    if second_is_constant:
        second = constant("b", random_array(second, np.random.default_rng(7)))
    attributes = ArithmeticAttributes(activation=fused)
    return case(name, kind, [f("a", shapes[0]), second], f("y", shape), attributes, values=values)


def arithmetic() -> list[Case]:
    first, second = (array.reshape(-1) for array in np.meshgrid(EXTREMES, EXTREMES))
    cases = []
    for kind, function in (("ADD", np.add), ("MUL", np.multiply)):
        with np.errstate(all="ignore"):
            is_number = ~np.isnan(function(first, second))
        values = [array[is_number] for array in (first, second)]
        cases += [
            binary(kind, "equal shapes", ((2, 3, 5, 7), (2, 3, 5, 7))),
            binary(kind, "scalars", ((), ())),
            binary(kind, "one per channel", ((2, 3, 5), (5,)), second_is_constant=True),
            binary(kind, "both repeat", ((2, 1, 5, 1), (3, 1, 7))),
            binary(kind, "extremes", (values[0].shape, values[0].shape), values=values),
            *(
                binary(kind, f"fused {fused.value}", ((251,), (251,)), fused)
                for fused in ACTIVATIONS
            ),
        ]
    return cases


def moves() -> list[Case]:
    join = ConcatenationAttributes(axis=-1, activation=Activation.NONE)
    paddings = constant("p", np.array([[0, 0], [1, 2], [3, 0]], np.int32))
    return [
        case(
            "last axis",
            "CONCATENATION",
            [f("a", (2, 3, 1)), f("b", (2, 3, 4))],
            f("y", (2, 3, 5)),
            join,
        ),
        case("rows", "PAD", [f("a", (2, 3, 5)), paddings], f("y", (2, 6, 8))),
    ]


def means() -> list[Case]:
    def mean(name: str, shape: tuple[int, ...], axes: list[int]) -> Case:
        kept = tuple(n for i, n in enumerate(shape) if i not in axes)
        return case(
            name,
            "MEAN",
            [f("a", shape), constant("axes", np.array(axes, np.int32))],
            f("y", kept),
            MeanAttributes(keep_dims=False),
        )

    return [
        mean("image", (2, 5, 3, 7), [1, 2]),
        mean("one element", (1, 1, 1, 3), [1, 2]),
        mean("last axis", (3, 17), [1]),
        mean("first axis", (17, 3), [0]),
        mean("first and last", (3, 4, 5), [0, 2]),
        mean("every axis", (3, 4, 5), [0, 1, 2]),
        mean("a long row", (2, 1000), [1]),
    ]


def softmaxes() -> list[Case]:
    def softmax(
        name: str,
        shape: tuple[int, ...],
        beta: float = 1.0,
        values: Sequence[npt.NDArray[Any]] = (),
    ) -> Case:
        attributes = SoftmaxAttributes(beta=float(np.float32(beta)))
        return case(name, "SOFTMAX", [f("x", shape)], f("y", shape), attributes, values=values)

    finite = EXTREMES[np.isfinite(EXTREMES)]
    wide = np.random.default_rng(3).uniform(-100, 100, (5, 40))
    return [
        softmax("ten classes", (7, 10)),
        softmax("one element", (3, 1)),
        softmax("one row", (17,)),
        softmax("pixels", (2, 3, 5, 7)),
        softmax("beta", (4, 10), 0.3),
        softmax("a long row", (1, 3000)),
        softmax("finite extremes", (1, finite.size), values=[finite[None]]),
        softmax("far apart", wide.shape, values=[wide]),
        softmax("all equal", (2, 12), values=[np.full((2, 12), -1e30)]),
    ]


def functions() -> list[Case]:
    """One input each: around 0, through the whole range of exp, and the ends."""
    values = np.concatenate(
        [
            EXTREMES,
            np.linspace(-0.1, 0.1, 501),
            np.linspace(-20, 20, 801),
            np.linspace(-110, 110, 441),
            10.0 ** np.arange(-30, 30),
        ]
    ).astype(np.float32)
    return [
        case("a range", kind, [f("x", values.shape)], f("y", values.shape), values=[values])
        for kind in ("RELU", "RELU6", "LOGISTIC", "TANH")
    ]


POOLS = [
    pool_case(
        kind,
        windows,
        channels=(1, 3, 5)[i % 3],
        fused=ACTIVATIONS[i % 4],
        scale=None,
        dtype=FLOAT,
    )
    for kind in ("AVERAGE_POOL_2D", "MAX_POOL_2D")
    for i, windows in enumerate(UNDILATED)
]
CASES = [*arithmetic(), *moves(), *means(), *softmaxes(), *functions(), *POOLS]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_numpy_agrees_with_tflite(case: Case) -> None:
    largest = check_references(case)
    assert largest == 0 or not DEFINITIONS[case.op.kind].tolerance.is_exact


@each_platform
def test_kernels_agree_with_numpy(platform: Platform, tmp_path: Path) -> None:
    check_kernels(platform, CASES, tmp_path)


@pytest.mark.parametrize("platform", PLATFORMS[2:], ids=lambda platform: platform.name)
def test_every_platform_gives_the_same_bits(platform: Platform, tmp_path: Path) -> None:
    here = kernel_outputs(PLATFORMS[0], CASES, tmp_path)
    there = kernel_outputs(platform, CASES, tmp_path)
    for one, other in zip(here, there, strict=True):
        for symbol, outputs in one.items():
            for ours, theirs in zip(outputs, other[symbol], strict=True):
                assert ours.tobytes() == theirs.tobytes(), symbol
