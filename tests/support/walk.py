"""One number of a case changes step by step, until a kernel does not take it, or otherwise."""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from anvil.core.attributes import Activation
from tests.support.paired_cases import with_constants

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from tests.support.kernel_harness import Case

    Array = npt.NDArray[Any]
    Build = Callable[[float], Case]  # from the scale of all weights


@dataclass(frozen=True, slots=True, kw_only=True)
class Walk:
    """Cases by a number from `first` to `last`, up or down."""

    name: str
    build: Callable[[int], Case]
    first: int
    last: int

    def case(self, number: int) -> Case:
        """The case at one step, with a name of its own."""
        return replace(self.build(number), name=f"{self.name} {number}")


def float_bits(value: float) -> int:
    """A float32 above 0 as a number: its neighbours are one more and one less."""
    return int(struct.unpack("<i", struct.pack("<f", value))[0])


def from_bits(bits: int) -> float:
    """The float32 with these bits."""
    return float(struct.unpack("<f", struct.pack("<i", bits))[0])


def tame(case: Case) -> Case:
    """Without the weights that one kernel or another refuses: a walk changes one thing."""

    def bound(weights: Array, _: Array) -> None:
        np.clip(weights, -63, 63, out=weights)

    return with_constants(case, bound)


def output_ranges(name: str, build: Callable[..., Case]) -> list[Walk]:
    """The bounds of a fused activation leave those of int8."""

    def least(zero_point: int) -> Case:
        return build(fused=Activation.RELU, zero_points=(-5, zero_point))

    def greatest(steps: int) -> Case:
        return build(fused=Activation.RELU6, output_scale=6.0 / steps)

    return [
        Walk(name=f"{name} least output", first=-128, last=-126, build=least),
        Walk(name=f"{name} greatest output", first=256, last=253, build=greatest),
    ]


def uniform_weights(name: str, case: Case) -> list[Walk]:
    """Weights that are all the same, from small ones to -128 and to 127."""

    def uniform(number: int) -> Case:
        def fill(weights: Array, _: Array) -> None:
            weights[...] = number

        return with_constants(case, fill)

    return [
        Walk(name=f"{name} negative weights", first=-1, last=-128, build=uniform),
        Walk(name=f"{name} positive weights", first=1, last=127, build=uniform),
    ]


def scales(name: str, build: Build, most: float = 1e6) -> list[Walk]:
    """Scales of sums, from one float32 to the next: up to shifts to the left, and to nothing."""
    ordinary = float_bits(0.0013)
    return [
        Walk(
            name=f"{name} scale up to {end}",
            first=ordinary,
            last=float_bits(end),
            build=lambda bits: build(from_bits(bits)),
        )
        for end in (most, 2.0**-40)
    ]


def halves(name: str, scale: float, build: Build) -> Walk:
    """Around a scale that gives exact halves."""
    middle = float_bits(scale)
    return Walk(
        name=f"{name} scale around {scale}",
        first=middle - 1,
        last=middle + 1,
        build=lambda bits: build(from_bits(bits)),
    )


def biased(case: Case, channel: int, number: int) -> Case:
    """The same case with the bias of one channel."""

    def fill(_: Array, bias: Array) -> None:
        bias[channel] = number

    return with_constants(case, fill)
