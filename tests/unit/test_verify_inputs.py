from __future__ import annotations

import hashlib
import struct

from anvil.core.graph import Graph, Op
from anvil.core.tensor import DType, Quantization, Tensor
from anvil.verify.inputs import standard_inferences


def graph_of(*tensors: Tensor) -> Graph:
    return Graph(tensors=tensors, ops=(), inputs=tuple(range(len(tensors))), outputs=())


def tensor(dtype: DType, *, n: int = 40, zero_point: int | None = None) -> Tensor:
    quantization = None
    if zero_point is not None:
        quantization = Quantization(scales=(0.5,), zero_points=(zero_point,))
    return Tensor(name="x", shape=(1, n), dtype=dtype, quantization=quantization)


def test_int8_gets_random_ones_and_then_both_ends_and_the_zero_point() -> None:
    inferences = standard_inferences(graph_of(tensor(DType.INT8, zero_point=-7)))
    assert [i.name for i in inferences[:16]] == [f"random {n}" for n in range(16)]
    assert [i.name for i in inferences[16:]] == ["all lowest", "all highest", "all zero point"]
    assert [i.inputs[0] for i in inferences[16:]] == [b"\x80" * 40, b"\x7f" * 40, b"\xf9" * 40]


def test_random_inputs_cover_the_type_and_differ_from_each_other() -> None:
    inferences = standard_inferences(graph_of(tensor(DType.INT8, n=4096)))
    randoms = [i.inputs[0] for i in inferences[:16]]
    assert len(set(randoms)) == 16
    assert all(len(set(content)) == 256 for content in randoms)


def test_several_ports_get_different_bytes() -> None:
    inferences = standard_inferences(graph_of(tensor(DType.INT8), tensor(DType.INT8)))
    assert all(i.inputs[0] != i.inputs[1] for i in inferences[:16])


def test_the_bytes_are_the_same_for_ever() -> None:
    # An old report stays comparable with a new one only while this digest stands.
    graph = graph_of(tensor(DType.INT8), tensor(DType.FLOAT32), tensor(DType.BOOL))
    content = b"".join(b"".join(i.inputs) for i in standard_inferences(graph))
    assert hashlib.sha256(content).hexdigest() == (
        "e0d2c3f8e26e242952a4e80a5c68b6ff491fcce4d73460b84ecdba0692526542"
    )


def test_other_integer_types_get_their_own_ends() -> None:
    for dtype, code, ends in (
        (DType.UINT8, "B", (0, 255, 128)),
        (DType.INT16, "h", (-32768, 32767, 0)),
        (DType.INT32, "i", (-(2**31), 2**31 - 1, 0)),
        (DType.INT64, "q", (-(2**63), 2**63 - 1, 0)),
    ):
        zero_point = 128 if dtype is DType.UINT8 else 0
        inferences = standard_inferences(graph_of(tensor(dtype, n=3, zero_point=zero_point)))
        filled = [struct.unpack(f"<3{code}", i.inputs[0]) for i in inferences[16:]]
        assert filled == [(end,) * 3 for end in ends]


def test_bool_is_zero_or_one() -> None:
    inferences = standard_inferences(graph_of(tensor(DType.BOOL)))
    assert {byte for i in inferences for byte in i.inputs[0]} == {0, 1}


def floats(content: bytes) -> tuple[float, ...]:
    return struct.unpack(f"<{len(content) // 4}f", content)


def test_a_float_that_nothing_quantizes_lies_within_one() -> None:
    inferences = standard_inferences(graph_of(tensor(DType.FLOAT32)))
    assert all(-1 <= value < 1 for i in inferences[:16] for value in floats(i.inputs[0]))
    assert [floats(i.inputs[0])[0] for i in inferences[16:]] == [-1, 1, 0]


def test_a_float_that_is_quantized_reaches_a_little_beyond_the_range() -> None:
    output = tensor(DType.INT8, n=2000, zero_point=28)
    graph = Graph(
        tensors=(tensor(DType.FLOAT32, n=2000), output),
        ops=(Op(index=0, kind="QUANTIZE", inputs=(0,), outputs=(1,)),),
        inputs=(0,),
        outputs=(1,),
    )
    inferences = standard_inferences(graph)
    # Steps of 0.5 from -128 - 28 to 127 - 28, and four steps beyond either end.
    assert [floats(i.inputs[0])[0] for i in inferences[16:]] == [-80, 51.5, 0]
    values = [value for i in inferences[:16] for value in floats(i.inputs[0])]
    assert -80 <= min(values) < -78
    assert 49.5 < max(values) <= 51.5


def test_a_scale_that_leaves_the_type_is_cut_off() -> None:
    output = Tensor(
        name="y",
        shape=(1, 2),
        dtype=DType.INT8,
        quantization=Quantization(scales=(3.0e38,), zero_points=(0,)),
    )
    graph = Graph(
        tensors=(tensor(DType.FLOAT32, n=2), output),
        ops=(Op(index=0, kind="QUANTIZE", inputs=(0,), outputs=(1,)),),
        inputs=(0,),
        outputs=(1,),
    )
    lowest = floats(standard_inferences(graph)[16].inputs[0])[0]
    assert lowest == -((2 - 2**-23) * 2.0**127)
