"""What the operators without weights refuse, as TFLite's reference does where it can."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from anvil.core.attributes import (
    Activation,
    ArithmeticAttributes,
    ConcatenationAttributes,
    MeanAttributes,
    SoftmaxAttributes,
)
from anvil.core.graph import Graph
from anvil.core.tensor import DType, Quantization, Tensor
from anvil.ops.registry import DEFINITIONS
from tests.support.tflite_builder import (
    activation,
    constant,
    one_op_graph,
    random_array,
    run_reference,
    tflite_bytes,
)

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

PLAIN = ArithmeticAttributes(activation=Activation.NONE)
ONCE = SoftmaxAttributes(beta=1.0)
DROP = MeanAttributes(keep_dims=False)
FLOAT = DType.FLOAT32
BOTH_UNARY = ("RELU", "RELU6")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Refused:
    """A use of an operator, and words that its only sentence has."""

    kind: str
    why: str
    graph: Graph
    words: tuple[str, ...]
    tflite_refuses: bool


def q(name: str, shape: tuple[int, ...], scale: float = 0.1, zero_point: int = 0) -> Tensor:
    return activation(name, shape, scale=scale, zero_point=zero_point)


def ints(
    name: str, values: Sequence[int] | Sequence[Sequence[int]], dtype: str = "int32"
) -> Tensor:
    return constant(name, np.array(values, dtype=dtype))


def refused(
    kind: str,
    why: str,
    inputs: Sequence[Tensor | None],
    output: Tensor,
    *words: str,
    attributes: Hashable = None,
    tflite_refuses: bool = False,
) -> Refused:
    return Refused(
        kind=kind,
        why=why,
        graph=one_op_graph(kind, inputs, [output], attributes),
        words=words,
        tflite_refuses=tflite_refuses,
    )


X = q("x", (2, 3))
Y = q("y", (2, 3))
PROBABILITIES = q("y", (2, 3), 1 / 256, -128)
FLOATS = activation("floats", (2, 3), dtype=FLOAT, scale=None)
BARE = activation("bare", (2, 3), scale=None)
HALVES = activation("halves", (2, 3), dtype=DType.INT16)
OCTETS = activation("octets", (2, 3), dtype=DType.UINT8, scale=0.1, zero_point=128)
SHORTS = activation("shorts", (2, 3), dtype=DType.INT16, scale=0.1)
PER_CHANNEL = replace(X, quantization=Quantization(scales=(1.0, 2.0), zero_points=(0, 0), axis=0))
FAR_ZERO = q("far", (2, 3), zero_point=128)
EMPTY = q("empty", (2, 0))
COMPUTED = activation("computed", (2, 2), dtype=DType.INT32, scale=None)
PADDED = q("y", (4, 5))
ONE_EACH = ints("p", [[1, 1], [1, 1]])
JOIN = ConcatenationAttributes(axis=1, activation=Activation.NONE)

CASES = [
    # Types and quantization, which every operator looks at.
    refused(
        "ADD",
        "a float operand",
        [FLOATS, FLOATS],
        Y,
        "input 0",
        "float32",
        "int8",
        attributes=PLAIN,
    ),
    refused("MUL", "a float operand", [X, FLOATS], Y, "input 1", "float32", attributes=PLAIN),
    *(
        refused(kind, why, [tensor], output, *words)
        for kind, output in (("RELU", Y), ("RELU6", Y), ("LOGISTIC", PROBABILITIES))
        for why, tensor, words in (
            ("int16", HALVES, ("int16", "int8")),
            ("no quantization", BARE, ("'bare'", "without quantization")),
            ("several scales", PER_CHANNEL, ("2 scales", "one scale")),
            ("a zero point outside int8", FAR_ZERO, ("128", "-128 to 127")),
        )
    ),
    refused("RELU", "no elements", [EMPTY], q("y", (2, 0)), "no elements"),
    refused("RELU", "an output of another shape", [X], q("y", (3, 2)), "[3, 2]", "[2, 3]"),
    refused("RELU", "two inputs", [X, X], Y, "2 inputs", "needs 1"),
    refused("RELU6", "an overflowing scale", [X], q("y", (2, 3), 1e-9), "overflows 32 bits"),
    # Broadcasting.
    refused("ADD", "one input", [X], Y, "1 inputs", "needs 2", attributes=PLAIN),
    refused("ADD", "an absent input", [X, None], Y, "1 inputs of 2", attributes=PLAIN),
    refused(
        "ADD",
        "shapes that do not broadcast",
        [X, q("b", (2, 2))],
        Y,
        "[2, 3]",
        "[2, 2]",
        attributes=PLAIN,
        tflite_refuses=True,
    ),
    refused(
        "MUL",
        "rank 9",
        [q("a", (1,) * 8 + (2,)), q("b", (2,) + (1,) * 8)],
        q("y", (2,) + (1,) * 7 + (2,)),
        "rank 9",
        attributes=PLAIN,
    ),
    refused("ADD", "a tiny output scale", [X, X], q("y", (2, 3), 1e-8), "2**19", attributes=PLAIN),
    refused(
        "MUL", "a tiny output scale", [X, X], q("y", (2, 3), 1e-8), "overflows", attributes=PLAIN
    ),
    # PAD.
    refused("PAD", "computed paddings", [X, COMPUTED], PADDED, "computed at run time"),
    refused(
        "PAD", "paddings of another rank", [X, ints("p", [[1, 1]])], PADDED, "[1, 2]", "[2, 2]"
    ),
    refused(
        "PAD",
        "negative paddings",
        [X, ints("p", [[1, -1], [0, 0]])],
        X,
        "-1",
        "at least 0",
        tflite_refuses=True,
    ),
    refused(
        "PAD", "float paddings", [X, ints("p", [[1, 1], [1, 1]], "float32")], PADDED, "float32"
    ),
    refused("PAD", "another scale", [X, ONE_EACH], q("y", (4, 5), 0.2), "0.1", "0.2", "equal"),
    refused("PAD", "a contradicting shape", [X, ONE_EACH], q("y", (4, 4)), "[4, 4]", "[4, 5]"),
    refused(
        "PAD",
        "rank 6",
        [q("x", (1,) * 6), ints("p", [[0, 0]] * 6)],
        q("y", (1,) * 6),
        "rank 6",
        tflite_refuses=True,
    ),
    # CONCATENATION.
    refused(
        "CONCATENATION",
        "another scale",
        [X, q("b", (2, 3), 0.2)],
        q("y", (2, 6)),
        "input 1",
        "0.2",
        attributes=JOIN,
        tflite_refuses=True,
    ),
    refused(
        "CONCATENATION",
        "another zero point",
        [q("b", (2, 3), zero_point=4), X],
        q("y", (2, 6)),
        "input 0",
        "4",
        attributes=JOIN,
        tflite_refuses=True,
    ),
    refused(
        "CONCATENATION",
        "a fused activation",
        [X, X],
        q("y", (2, 6)),
        "RELU6",
        attributes=ConcatenationAttributes(axis=1, activation=Activation.RELU6),
        tflite_refuses=True,
    ),
    refused(
        "CONCATENATION",
        "an axis outside",
        [X, X],
        q("y", (2, 6)),
        "axis is 2",
        "-2 to 1",
        attributes=ConcatenationAttributes(axis=2, activation=Activation.NONE),
        tflite_refuses=True,
    ),
    refused(
        "CONCATENATION",
        "other extents",
        [X, q("b", (3, 3))],
        q("y", (2, 6)),
        "input 1",
        "[3, 3]",
        attributes=JOIN,
        tflite_refuses=True,
    ),
    refused(
        "CONCATENATION",
        "another rank",
        [X, q("b", (2, 3, 1))],
        q("y", (2, 6)),
        "[2, 3, 1]",
        attributes=JOIN,
        tflite_refuses=True,
    ),
    # MEAN.
    refused(
        "MEAN",
        "computed axes",
        [X, activation("axes", (1,), dtype=DType.INT32, scale=None)],
        q("y", (2,)),
        "computed at run time",
        attributes=DROP,
    ),
    refused(
        "MEAN", "an axis outside", [X, ints("axes", [2])], q("y", (2,)), "axis 2", attributes=DROP
    ),
    refused(
        "MEAN",
        "int64 axes",
        [X, ints("axes", [1], "int64")],
        q("y", (2,)),
        "int64",
        attributes=DROP,
        tflite_refuses=True,
    ),
    refused(
        "MEAN",
        "dims that were not kept",
        [X, ints("axes", [1])],
        q("y", (2,)),
        "[2]",
        "[2, 1]",
        attributes=MeanAttributes(keep_dims=True),
    ),
    refused(
        "MEAN",
        "an overflowing scale",
        [X, ints("axes", [1])],
        q("y", (2,), 1e-9),
        "overflow",
        attributes=DROP,
    ),
    # SOFTMAX and LOGISTIC.
    refused(
        "SOFTMAX",
        "another zero point",
        [X],
        q("y", (2, 3), 1 / 256),
        "-128",
        attributes=ONCE,
        tflite_refuses=True,
    ),
    refused(
        "SOFTMAX",
        "another scale",
        [X],
        q("y", (2, 3), 1 / 250, -128),
        "1/256",
        attributes=ONCE,
        tflite_refuses=True,
    ),
    refused(
        "SOFTMAX",
        "a scalar",
        [q("x", ())],
        q("y", (), 1 / 256, -128),
        "scalar",
        attributes=ONCE,
        tflite_refuses=True,
    ),
    refused(
        "SOFTMAX",
        "a long row",
        [q("x", (1, 4096))],
        q("y", (1, 4096), 1 / 256, -128),
        "4096",
        attributes=ONCE,
    ),
    refused(
        "SOFTMAX", "beta 0", [X], PROBABILITIES, "beta 0", attributes=SoftmaxAttributes(beta=0.0)
    ),
    refused(
        "SOFTMAX",
        "a beta that is no number",
        [X],
        PROBABILITIES,
        "beta nan",
        attributes=SoftmaxAttributes(beta=float("nan")),
    ),
    refused(
        "LOGISTIC",
        "another scale",
        [X],
        q("y", (2, 3), 1 / 250, -128),
        "1/256",
        tflite_refuses=True,
    ),
    # QUANTIZE and DEQUANTIZE.
    refused("QUANTIZE", "from uint8", [OCTETS], Y, "uint8", "float32, int8 and int16"),
    refused("QUANTIZE", "to uint8", [FLOATS], OCTETS, "uint8", "int8 is supported"),
    refused(
        "QUANTIZE",
        "an int16 zero point",
        [activation("x", (2, 3), dtype=DType.INT16, scale=0.1, zero_point=5)],
        Y,
        "zero point 5",
        "0 alone",
    ),
    refused(
        "QUANTIZE",
        "without quantization",
        [FLOATS],
        activation("y", (2, 3), scale=None),
        "quantization",
    ),
    refused("QUANTIZE", "an overflowing scale", [X], q("y", (2, 3), 1e-9), "overflows"),
    refused("DEQUANTIZE", "from uint8", [OCTETS], FLOATS, "uint8"),
    refused(
        "DEQUANTIZE",
        "from computed halves",
        [activation("h", (2, 3), dtype=DType.FLOAT16, scale=None)],
        FLOATS,
        "computed at run time",
    ),
    # int16 and float32.
    refused("TANH", "int8", [X], Y, "int8", "int16, float32"),
    *(
        refused(kind, "another scale", [SHORTS], SHORTS, "1/32768", tflite_refuses=True)
        for kind in ("LOGISTIC", "TANH")
    ),
    refused(
        "LOGISTIC",
        "a large scale",
        [activation("x", (2, 3), dtype=DType.INT16, scale=3.0)],
        activation("y", (2, 3), dtype=DType.INT16, scale=2.0**-15),
        "input scale is 3",
    ),
    refused(
        "SOFTMAX",
        "an int16 scale",
        [SHORTS],
        SHORTS,
        "1/32768",
        attributes=ONCE,
        tflite_refuses=True,
    ),
    refused(
        "SOFTMAX",
        "a float scalar",
        [activation("x", (), dtype=FLOAT, scale=None)],
        activation("y", (), dtype=FLOAT, scale=None),
        "scalar",
        attributes=ONCE,
        tflite_refuses=True,
    ),
    refused("ADD", "two types", [SHORTS, X], SHORTS, "input 1", "one type", attributes=PLAIN),
    refused("DEQUANTIZE", "to int8", [X], Y, "float32 is supported"),
    # RESHAPE.
    refused(
        "RESHAPE",
        "a computed shape",
        [X, activation("s", (1,), dtype=DType.INT32, scale=None)],
        q("y", (6,)),
        "computed at run time",
    ),
    refused(
        "RESHAPE",
        "another number of elements",
        [X, ints("s", [4, 2])],
        q("y", (4, 2)),
        "[4, 2]",
        tflite_refuses=True,
    ),
    refused(
        "RESHAPE",
        "no multiple",
        [X, ints("s", [4, -1])],
        q("y", (4, 2)),
        "[4, -1]",
        tflite_refuses=True,
    ),
    refused(
        "RESHAPE",
        "two unknown extents",
        [X, ints("s", [-1, -1])],
        q("y", (2, 3)),
        "[-1, -1]",
        tflite_refuses=True,
    ),
    refused(
        "RESHAPE",
        "another type",
        [X, ints("s", [6])],
        activation("y", (6,), dtype=FLOAT, scale=None),
        "changes no type",
    ),
    refused("RESHAPE", "another scale", [X, ints("s", [6])], q("y", (6,), 0.2), "0.2", "equal"),
    refused("RESHAPE", "no input", [None, ints("s", [6])], q("y", (6,)), "needs the tensor"),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.kind}: {case.why}")
def test_refused(case: Refused) -> None:
    problems = DEFINITIONS[case.kind].check(case.graph.ops[0], case.graph)
    text = "\n".join(problems)
    assert problems
    assert all(problem and not problem.endswith(".") for problem in problems)
    for words in case.words:
        assert words in text


@pytest.mark.parametrize(
    "case",
    [case for case in CASES if case.tflite_refuses],
    ids=lambda case: f"{case.kind}: {case.why}",
)
def test_tflite_refuses_it_too(case: Refused) -> None:
    rng = np.random.default_rng(0)
    inputs = [random_array(case.graph.tensors[index], rng) for index in case.graph.inputs]
    with pytest.raises((RuntimeError, ValueError)):
        run_reference(tflite_bytes(case.graph), inputs)


def test_every_problem_is_listed() -> None:
    graph = one_op_graph(
        "CONCATENATION",
        [FLOATS, BARE],
        [Y],
        ConcatenationAttributes(axis=7, activation=Activation.RELU),
    )
    assert len(DEFINITIONS["CONCATENATION"].check(graph.ops[0], graph)) == 4


RESHAPES = [
    ("flattened", (2, 3, 4), [2, 12], (2, 12)),
    ("an extent to work out", (2, 3, 4), [-1, 4, 3], (2, 4, 3)),
    ("to a scalar", (1, 1), [], ()),
    ("from the output", (2, 3, 4), None, (24,)),
]


@pytest.mark.parametrize(
    ("shape", "wanted", "result"),
    [case[1:] for case in RESHAPES],
    ids=[case[0] for case in RESHAPES],
)
def test_reshape_moves_nothing(
    shape: tuple[int, ...], wanted: list[int] | None, result: tuple[int, ...]
) -> None:
    source, output = q("x", shape), q("y", result)
    given = [] if wanted is None else [constant("s", np.array(wanted, dtype=np.int32))]
    graph = one_op_graph("RESHAPE", [source, *given], [output])
    definition, (op,) = DEFINITIONS["RESHAPE"], graph.ops
    assert list(definition.check(op, graph)) == []
    assert definition.infer_shapes(op, graph) == (result,)
    assert definition.lower(op, graph) == ()
    assert definition.is_alias
    values = random_array(source, np.random.default_rng(1))
    (ours,) = definition.reference(op, graph, [values, *(None for _ in given)])
    assert ours.shape == result
    assert ours.tobytes() == values.tobytes()
    if wanted is not None:  # otherwise TFLite reads an attribute, which importers drop
        (truth,) = run_reference(tflite_bytes(graph), [values])
        assert (truth.shape, truth.tobytes()) == (result, ours.tobytes())
