"""What a model's float outputs may differ by, and the float16 constants that no kernel reads."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from anvil.core.graph import Graph, Op
from anvil.core.tensor import DType
from anvil.core.tolerance import EXACT, Tolerance
from anvil.ops.registry import DEFINITIONS
from anvil.ops.tolerances import tensor_tolerances
from anvil.plan.halves import expand_halves
from anvil.verify.compare import compare
from anvil.verify.invocation import Port
from tests.support.number_networks import number_network
from tests.support.projects import plan_of
from tests.support.tflite_builder import activation


def by_kind(graph: Graph) -> dict[str, Tolerance]:
    tolerances = tensor_tolerances(graph, DEFINITIONS)
    return {op.kind: tolerances[op.outputs[0]] for op in graph.ops}


def test_tolerances_grow_along_the_way_in_quadrature() -> None:
    found = by_kind(number_network("float32"))
    once = DEFINITIONS["CONV_2D"].tolerance.relative
    assert once > 0
    assert found["CONV_2D"].relative == once
    assert found["DEPTHWISE_CONV_2D"].relative == pytest.approx(math.sqrt(2) * once)
    # What adds no rounding that TFLite has not passes on what came in.
    assert found["MEAN"] == found["DEPTHWISE_CONV_2D"]
    assert found["FULLY_CONNECTED"].relative == pytest.approx(math.sqrt(3) * once)
    assert found["SOFTMAX"].relative == pytest.approx(16 * math.sqrt(3) * once, rel=1e-3)


def test_integers_are_exact() -> None:
    assert set(by_kind(number_network("int16x8")).values()) == {EXACT}


def _rounded(scale: float, kind: str = "LOGISTIC") -> Graph:
    """X -> LOGISTIC -> QUANTIZE to int8 -> RELU -> DEQUANTIZE -> QUANTIZE to int16."""
    shape = (1, 4)
    return Graph(
        tensors=(
            activation("x", shape, dtype=DType.FLOAT32, scale=None),
            activation("y", shape, dtype=DType.FLOAT32, scale=None),
            activation("q", shape, scale=scale, zero_point=-128),
            activation("r", shape, scale=scale, zero_point=-128),
            activation("d", shape, dtype=DType.FLOAT32, scale=None),
            activation("w", shape, dtype=DType.INT16, scale=scale / 4),
        ),
        ops=tuple(
            Op(index=n, kind=name, inputs=(n,), outputs=(n + 1,), attributes=None)
            for n, name in enumerate([kind, "QUANTIZE", "RELU", "DEQUANTIZE", "QUANTIZE"])
        ),
        inputs=(0,),
        outputs=(5,),
    )


def test_a_float_that_is_rounded_may_go_to_either_neighbour() -> None:
    found = tensor_tolerances(_rounded(1 / 256), DEFINITIONS)
    assert not found[1].is_exact
    assert [found[2], found[3]] == [Tolerance(steps=1)] * 2
    assert found[4] == Tolerance(absolute=1 / 256)
    assert found[5] == Tolerance(steps=4)
    # Steps as fine as a fifth of the tolerance: five of them.
    fine = tensor_tolerances(_rounded(DEFINITIONS["LOGISTIC"].tolerance.absolute / 5), DEFINITIONS)
    assert fine[2].steps == 5


def test_a_float_that_is_exact_is_rounded_exactly() -> None:
    assert set(tensor_tolerances(_rounded(1 / 256, "RELU"), DEFINITIONS)) == {EXACT}


def test_integers_are_compared_by_steps() -> None:
    port = Port(name="y", shape=(3,), dtype="int8", n_bytes=3)

    def is_equal(found: bytes, steps: int) -> bool:
        return compare(
            expected=((b"\x01\x02\x7f",),),
            found=((found,),),
            ports=[port],
            tolerances=[Tolerance(steps=steps)],
        ).is_equal

    assert is_equal(b"\x01\x02\x7f", 0)
    assert not is_equal(b"\x01\x03\x7f", 0)
    assert is_equal(b"\x00\x03\x7f", 1)
    assert not is_equal(b"\x00\x04\x7f", 1)


@pytest.mark.parametrize("bad", [{"absolute": -1e-9}, {"relative": 1.0}, {"relative": math.nan}])
def test_a_tolerance_is_a_small_number(bad: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="both parts of a tolerance"):
        Tolerance(**bad)


def test_halves_become_floats_only_where_no_kernel_reads_them() -> None:
    graph = number_network("float16")
    expanded = expand_halves(graph, DEFINITIONS)
    n_weights = 6  # weights and bias of three operators
    assert sum(op.kind == "DEQUANTIZE" for op in graph.ops) == n_weights + 2
    assert sum(op.kind == "DEQUANTIZE" for op in expanded.ops) == n_weights
    for kind in ("ADD", "MUL"):
        (op,) = (op for op in expanded.ops if op.kind == kind)
        operand = expanded.tensors[op.inputs[1]]
        (source,) = (
            graph.tensors[one.inputs[0]] for one in graph.ops if one.outputs[0] == op.inputs[1]
        )
        assert operand.data is not None
        assert source.data is not None
        assert operand.dtype is DType.FLOAT32
        halves = np.frombuffer(source.data, np.float16)
        assert np.frombuffer(operand.data, np.float32).tolist() == halves.tolist()


def test_a_graph_without_halves_stays_the_same_object() -> None:
    graph = number_network("float32")
    assert expand_halves(graph, DEFINITIONS) is graph


def test_half_weights_take_half_the_flash_and_no_memory() -> None:
    plans = {kind: plan_of(number_network(kind), "nrf52840") for kind in ("float32", "float16")}
    assert plans["float16"].arena_bytes == plans["float32"].arena_bytes
    weights = {kind: plan.weight_bytes for kind, plan in plans.items()}
    assert weights["float16"] < 0.7 * weights["float32"]
    assert not any(call.op_kind == "DEQUANTIZE" for call in plans["float16"].calls)
