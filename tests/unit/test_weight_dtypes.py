"""Operators with weights on int16 and floats: what is refused, and what kernels are given."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from anvil.core.tensor import DType, Quantization
from anvil.ops.registry import DEFINITIONS
from tests.support.kernel_harness import check_references
from tests.support.tflite_builder import constant, run_reference, tflite_bytes
from tests.support.weighted_cases import (
    Numbers,
    conv_case,
    depthwise_case,
    fully_connected_case,
)
from tests.support.window_cases import Windows

if TYPE_CHECKING:
    from anvil.core.graph import Graph
    from anvil.core.plan import Constant, KernelCall
    from tests.support.kernel_harness import Case

WINDOWS = Windows(image=(4, 4), filter=(3, 3))


def conv(flavour: str) -> Case:
    return conv_case(flavour, WINDOWS, (2, 2, 3))


def depthwise(flavour: str) -> Case:
    return depthwise_case(flavour, WINDOWS, (3, 2))


def fully_connected(flavour: str, **numbers: Any) -> Case:  # noqa: ANN401  any of Numbers
    return fully_connected_case(flavour, (2, 4), (3, 4), numbers=Numbers(**numbers))


def changed(case: Case, index: int, **changes: Any) -> Case:  # noqa: ANN401  any field
    tensors = list(case.graph.tensors)
    tensors[index] = replace(tensors[index], **changes)
    return with_graph(case, tensors=tuple(tensors))


def with_constant(case: Case, index: int, array: Any, **quantization: Any) -> Case:  # noqa: ANN401
    tensors = list(case.graph.tensors)
    tensors[index] = constant(tensors[index].name, array, **quantization)
    return with_graph(case, tensors=tuple(tensors))


def with_attributes(case: Case, **changes: Any) -> Case:  # noqa: ANN401  any field
    attributes: Any = case.op.attributes
    op = replace(case.op, attributes=replace(attributes, **changes))
    return with_graph(case, ops=(*case.graph.ops[:-1], op))


def with_graph(case: Case, **changes: Any) -> Case:  # noqa: ANN401  any field
    return replace(case, graph=replace(case.graph, **changes))


def with_computed_weights(case: Case) -> Case:
    tensors = list(case.graph.tensors)
    tensors[1] = replace(tensors[1], data=None)
    return with_graph(case, tensors=tuple(tensors), inputs=(0, 1))


def check(graph: Graph) -> list[str]:
    return list(DEFINITIONS[graph.ops[-1].kind].check(graph.ops[-1], graph))


def lowered(case: Case) -> KernelCall:
    (call,) = DEFINITIONS[case.op.kind].lower(case.op, case.graph)
    return call


def named(call: KernelCall, name: str) -> Constant:
    return next(c for c in call.constants if c.name == name)


TWO = Quantization(scales=(0.5, 0.5), zero_points=(0, 0))
SHIFTED = Quantization(scales=(0.5,), zero_points=(1,))
OUTPUT = 3
REFUSED = {
    "int16 input without a scale": (
        changed(conv("int16"), 0, quantization=None),
        "'input' is int16 without quantization",
    ),
    "int16 input with two scales": (
        changed(conv("int16"), 0, quantization=TWO),
        "'input' has 2 scales",
    ),
    "int16 input with a zero point": (
        changed(fully_connected("int16"), 0, quantization=SHIFTED),
        "'input' has zero point 1; int16 allows 0",
    ),
    "int16 output with a zero point": (
        changed(depthwise("int16"), OUTPUT, quantization=SHIFTED),
        "'output' has zero point 1; int16 allows 0",
    ),
    "int16 to int8": (
        changed(fully_connected("int16"), OUTPUT, dtype=DType.INT8),
        "'output' is int8; int16 is supported",
    ),
    "int16 weights": (
        with_constant(fully_connected("int16"), 1, np.ones((3, 4), np.int16), scales=[0.1]),
        "'weights' is int16; int8 is supported",
    ),
    "an int32 bias that is not declared": (
        with_constant(conv("int16"), 2, np.ones(3, np.int32)),
        "'bias' is int32; int64 is supported",
    ),
    "an int64 bias declared as int32": (
        with_constant(fully_connected("int16_32"), 2, np.ones(3, np.int64)),
        "'bias' is int64; int32 is supported",
    ),
    "an int32 bias of a depthwise convolution": (
        with_constant(depthwise("int16"), 2, np.ones(6, np.int32)),
        "'bias' is int32; int64 is supported",
    ),
    "a multiplier that int64 sums do not take": (
        with_constant(conv("int16"), 1, np.ones((3, 3, 3, 2), np.int8), scales=[30.0]),
        "by 180; less than 2^7 is supported",
    ),
    "sums of 48 bits": (
        with_constant(conv("int16"), 2, np.array([0, 2**47, 0])),
        "its sums reach 1407",
    ),
    "results of 32 bits": (
        with_constant(fully_connected("int16"), 2, np.array([0, 2**46, 0])),
        "which leaves 32 bits",
    ),
    "float16 input": (changed(conv("float32"), 0, dtype=DType.FLOAT16), "'input' is float16; int8"),
    "float to int8": (
        changed(conv("float32"), OUTPUT, dtype=DType.INT8),
        "'output' is int8; float32 is supported",
    ),
    "float16 weights that nothing expands": (
        with_graph(conv("float16"), ops=(replace(conv("float16").op, inputs=(0, 1, 2)),)),
        "'weights' is float16; float32 is supported",
    ),
    "weights of dynamic range quantization": (
        with_constant(fully_connected("float32"), 1, np.ones((3, 4), np.int8), scales=[0.1]),
        "'weights' is int8; float32 is supported",
    ),
    "float weights computed at run time": (
        with_computed_weights(fully_connected("float32")),
        "'weights' is computed at run time",
    ),
    "a short float bias": (
        with_constant(fully_connected("float32"), 2, np.ones(2, np.float32)),
        "'bias' has 2 values",
    ),
}


@pytest.mark.parametrize(("case", "part"), REFUSED.values(), ids=REFUSED)
def test_what_is_refused_and_how_it_is_said(case: Case, part: str) -> None:
    found = check(case.graph)
    assert any(part in problem for problem in found), found


@pytest.mark.parametrize(
    "name",
    [
        "int16 input with a zero point",
        "int16 output with a zero point",
        "an int64 bias declared as int32",
        "an int32 bias of a depthwise convolution",
        "float16 weights that nothing expands",
        "a short float bias",
    ],
)
def test_tflite_refuses_it_too(name: str) -> None:
    case, _ = REFUSED[name]
    with pytest.raises((RuntimeError, ValueError)):
        run_reference(tflite_bytes(case.graph), case.inputs)


@pytest.mark.parametrize("flavour", ["int16", "float32"])
def test_a_depth_multiplier_may_be_left_out(flavour: str) -> None:
    case = with_attributes(depthwise(flavour), depth_multiplier=0)
    check_references(case)


def test_half_precision_weights_are_read_as_they_are_stored() -> None:
    for case in (conv("float16"), depthwise("float16"), fully_connected("float16")):
        call = lowered(case)
        assert call.dtype == "float16"
        assert call.inputs == (0,)
        stored = case.graph.tensors[1]
        assert named(call, "weights").dtype is DType.FLOAT16
        assert named(call, "weights").data == stored.data
        # A bias is small: it is expanded at build time.
        assert named(call, "bias").dtype is DType.FLOAT32
        bias = np.frombuffer(case.graph.tensors[2].data or b"", "<f2").astype("<f4")
        assert named(call, "bias").data == bias.tobytes()


def test_a_half_precision_bias_alone_needs_no_kernel_of_its_own() -> None:
    case = with_constant(fully_connected("float16"), 1, np.ones((3, 4), np.float32))
    ops = (case.graph.ops[1], replace(case.op, inputs=(0, 1, case.op.inputs[2])))
    case = with_graph(case, ops=ops)
    assert check(case.graph) == []
    assert lowered(case).dtype == "float32"


@pytest.mark.parametrize(("flavour", "bits"), [("int16", 64), ("int16_32", 32)])
def test_sums_are_as_wide_as_the_declared_bias(flavour: str, bits: int) -> None:
    for case in (conv(flavour), fully_connected(flavour)):
        call = lowered(case)
        assert call.dtype == "int16"
        assert dict(call.parameters)["sum_bits"] == bits
        assert named(call, "bias").dtype is DType.INT64


def test_multipliers_of_int64_sums_have_15_bits() -> None:
    wide = np.frombuffer(named(lowered(conv("int16")), "multiplier").data, "<i4")
    narrow = np.frombuffer(named(lowered(conv("int16_32")), "multiplier").data, "<i4")
    assert ((wide >= 2**14) & (wide < 2**15)).all()
    assert ((narrow >= 2**30) & (narrow <= 2**31 - 1)).all()
