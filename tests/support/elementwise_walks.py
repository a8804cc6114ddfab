"""Walks of average pools, ADD and QUANTIZE; see condition_walks.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anvil.core.attributes import Activation, Padding
from anvil.core.tensor import DType
from tests.kernels.test_add import add_case
from tests.support.kernel_harness import Case
from tests.support.tflite_builder import activation, one_op_graph, random_array
from tests.support.walk import Walk, float_bits, from_bits
from tests.support.window_cases import Windows, pool_case, random_for

if TYPE_CHECKING:
    from collections.abc import Callable


def elementwise_walks() -> list[Walk]:
    """All of them; names are unique."""
    return [*_pools(), *_others()]


def _pools() -> list[Walk]:
    def pool(windows: Windows, channels: int = 17) -> Case:
        return pool_case("AVERAGE_POOL_2D", windows, channels=channels)

    def wide(n_taps: int) -> Case:
        """Windows of one row over an image as wide."""
        return pool(Windows(image=(1, n_taps), filter=(1, n_taps), padding=Padding.VALID))

    return [
        Walk(
            name="pool channels",
            first=1,
            last=18,
            build=lambda n: pool(Windows(image=(3, 3), filter=(2, 2)), n),
        ),
        Walk(name="pool taps", first=253, last=258, build=wide),
        Walk(
            name="pool many taps",
            first=65535,
            last=65537,
            build=lambda n: pool(Windows(image=(1, 3), filter=(1, n))),
        ),
    ]


def _others() -> list[Walk]:
    def broadcast(n: int) -> Case:
        return add_case("", ((3, 5), (1 if n else 3, 5)))

    def one_for_all(n: int) -> Case:
        return add_case("", ((15,), (1 if n else 15,)))

    def clamped(zero_point: int) -> Case:
        return add_case("", ((19,), (19,)), zero_points=(3, -5, zero_point), act=Activation.RELU)

    def rescaled(dtype: DType) -> Callable[[int], Case]:
        def build(n: int) -> Case:
            kinds = [(dtype, 0), (DType.INT16 if n else DType.INT8, 0)]
            source, output = (
                activation(
                    name,
                    (37,),
                    dtype=kind,
                    scale=None if kind is DType.FLOAT32 else 0.25,
                    zero_point=zero_point,
                )
                for name, (kind, zero_point) in zip(("x", "y"), kinds, strict=True)
            )
            return Case(
                name="",
                graph=one_op_graph("QUANTIZE", [source], [output]),
                inputs=(random_array(source, random_for(f"quantize {dtype} {n}")),),
            )

        return build

    return [
        Walk(name="add rows", first=0, last=1, build=broadcast),
        Walk(name="add one for all", first=0, last=1, build=one_for_all),
        Walk(name="add bounds", first=-128, last=-127, build=clamped),
        Walk(
            name="add output scale",
            first=float_bits(0.3),
            last=float_bits(2.0**-19 * 1.1),
            build=lambda bits: add_case("", ((19,), (19,)), scales=(0.3, 0.5, from_bits(bits))),
        ),
        *(
            Walk(name=f"quantize {dtype.value}", first=0, last=1, build=rescaled(dtype))
            for dtype in (DType.FLOAT32, DType.INT16)
        ),
    ]
