"""Walks over the conditions of kernels: one number of a case changes step by step.

Where a kernel ceases to take the case, or takes it in another way, two neighbours on the walk are
an edge: one just meets a condition and the other just misses it. Which condition that is, a walk
does not know; tests/kernels/test_conditions.py demands that the walks cross all there are.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from anvil.core.attributes import (
    Activation,
    Conv2DAttributes,
    DepthwiseConv2DAttributes,
    Margins,
    Padding,
)
from anvil.ops.registry import DEFINITIONS
from tests.kernels.test_fully_connected import fully_connected_case
from tests.support.elementwise_walks import elementwise_walks
from tests.support.paired_cases import with_constants
from tests.support.walk import (
    Walk,
    biased,
    float_bits,
    from_bits,
    halves,
    output_ranges,
    scales,
    tame,
    uniform_weights,
)
from tests.support.window_cases import (
    Windows,
    convolution_case,
    depthwise_case,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from tests.support.kernel_harness import Case

    Array = npt.NDArray[Any]

_MOST = 2**31 - 1
_GREATEST_SUM = 8 * 63 * 255


def walks() -> list[Walk]:
    """All of them; names are unique."""
    return [*_convolutions(), *_depthwise(), *_layers(), *_sums(), *elementwise_walks()]


def _dense(
    windows: Windows,
    scale: float = 0.001,
    *,
    channels: tuple[int, int] = (8, 5),
    n_groups: int = 1,
    batches: int = 1,
    fused: Activation = Activation.NONE,
    zero_points: tuple[int, int] = (-5, -128),
    output_scale: float = 1.0,
) -> Case:
    return tame(
        convolution_case(
            windows,
            input_channels=channels[0],
            filter_channels=channels[0] // n_groups,
            output_channels=channels[1],
            batches=batches,
            fused=fused,
            zero_points=zero_points,
            scales=(1.0, output_scale),
            weight_scales=(scale,) * channels[1],
        )
    )


def _grouped(windows: Windows, n_groups: int) -> Case:
    return _dense(windows, channels=(8, 6), n_groups=n_groups)


def _single(
    windows: Windows,
    scale: float = 0.005,
    *,
    n_channels: int = 9,
    multiplier: int = 1,
    batches: int = 1,
    fused: Activation = Activation.NONE,
    zero_points: tuple[int, int] = (-5, -128),
    output_scale: float = 1.0,
) -> Case:
    return tame(
        depthwise_case(
            windows,
            input_channels=n_channels,
            depth_multiplier=multiplier,
            batches=batches,
            fused=fused,
            zero_points=zero_points,
            scales=(1.0, output_scale),
            weight_scales=(scale,) * (n_channels * multiplier),
        )
    )


def _layer(
    depth: int = 8,
    units: int = 8,
    scale: float = 0.003,
    *,
    fused: Activation = Activation.NONE,
    zero_points: tuple[int, int] = (-5, -128),
    output_scale: float = 1.0,
) -> Case:
    return tame(
        fully_connected_case(
            (2, depth),
            depth=depth,
            units=units,
            fused=fused,
            zero_points=zero_points,
            scales=(1.0, output_scale),
            weight_scales=(scale,),
        )
    )


def _convolutions() -> list[Walk]:
    one, three = Windows(image=(4, 5), filter=(1, 1)), Windows(image=(5, 6), filter=(3, 3))
    flat = Windows(image=(1, 1), filter=(1, 1))

    def margin(side: str) -> Callable[[int], Case]:
        return lambda n: _with_margin(_dense(replace(one, padding=Padding.VALID)), side, n)

    return [
        Walk(name="conv groups", first=1, last=2, build=lambda n: _grouped(one, n)),
        Walk(name="conv window groups", first=1, last=2, build=lambda n: _grouped(three, n)),
        Walk(name="conv batches", first=1, last=2, build=lambda n: _dense(three, batches=n)),
        *(
            Walk(name=f"conv {name} {what} {axis}", first=1, last=4, build=build)
            for name, what, around in (
                ("1x1", "filter", one),
                ("1x1", "stride", flat),
                ("3x3", "filter", three),
                ("3x3", "stride", three),
                ("3x3", "dilation", three),
            )
            for axis in range(2)
            for build in [_along(around, what, axis, _dense)]
        ),
        *(
            Walk(name=f"conv margin {side}", first=0, last=1, build=margin(side))
            for side in ("top", "left", "bottom", "right")
        ),
        *output_ranges("conv", lambda **more: _dense(three, **more)),
        *uniform_weights("conv", _dense(three)),
        *uniform_weights("conv 1x1", _dense(one)),
        *scales("conv", lambda scale: _dense(three, scale)),
        halves("conv", 0.5, lambda scale: _dense(one, scale, zero_points=(3, 7))),
        Walk(
            name="conv input channels",
            first=7,
            last=9,
            build=lambda n: _dense(three, channels=(n, 5)),
        ),
        Walk(
            name="conv most input channels",
            first=32767,
            last=32768,
            build=lambda n: _dense(flat, 1e-5, channels=(n, 1)),
        ),
    ]


def _with_margin(case: Case, side: str, width: int) -> Case:
    """With margins that only the planner makes, of a PAD: `width` on one side."""
    op, tensors = case.op, list(case.graph.tensors)
    margins = Margins(**(dict.fromkeys(("top", "bottom", "left", "right"), 0) | {side: width}))
    assert isinstance(op.attributes, Conv2DAttributes | DepthwiseConv2DAttributes)
    attributes = replace(op.attributes, padding=Padding.EXPLICIT, margins=margins)
    graph = replace(case.graph, ops=(replace(op, attributes=attributes),))
    (shape,) = DEFINITIONS[op.kind].infer_shapes(graph.ops[0], graph)
    tensors[op.outputs[0]] = replace(tensors[op.outputs[0]], shape=shape)
    return replace(case, graph=replace(graph, tensors=tuple(tensors)))


def _along(
    around: Windows, what: str, axis: int, build: Callable[[Windows], Case]
) -> Callable[[int], Case]:
    """One number of the windows, which is the same otherwise."""

    def along(number: int) -> Case:
        changed = list(getattr(around, what))
        changed[axis] = number
        changes: dict[str, Any] = {what: tuple(changed)}
        return build(replace(around, **changes))

    return along


def _depthwise() -> list[Walk]:
    three = Windows(image=(5, 6), filter=(3, 3))
    line = Windows(image=(6, 1), filter=(3, 1))
    found = [
        Walk(
            name="depthwise multiplier",
            first=1,
            last=2,
            build=lambda n: _single(three, multiplier=n),
        ),
        Walk(name="depthwise batches", first=1, last=2, build=lambda n: _single(three, batches=n)),
        Walk(
            name="depthwise channels",
            first=1,
            last=18,
            build=lambda n: _single(three, n_channels=n),
        ),
        Walk(
            name="depthwise both strides",
            first=1,
            last=3,
            build=lambda n: _single(replace(three, stride=(n, n))),
        ),
        Walk(
            name="depthwise output rows",
            first=1,
            last=3,
            build=lambda n: _single(replace(three, image=(n, 6))),
        ),
        Walk(
            name="depthwise output columns",
            first=1,
            last=3,
            build=lambda n: _single(replace(three, image=(5, n))),
        ),
        Walk(
            name="depthwise far apart",
            first=2,
            last=60,
            build=lambda n: _single(replace(three, image=(n + 3, n + 3), stride=(n, n))),
        ),
    ]
    for name, around in (("", three), (" line", line)):
        found += [
            Walk(name=f"depthwise{name} {what} {axis}", first=1, last=4, build=build)
            for what in ("filter", "dilation", "stride")
            for axis in range(2)
            for build in [_along(around, what, axis, _single)]
        ]
    found += [
        Walk(
            name="depthwise line multiplier",
            first=1,
            last=2,
            build=lambda n: _single(line, multiplier=n),
        ),
        Walk(
            name="depthwise line input width",
            first=1,
            last=2,
            build=lambda n: _single(replace(line, image=(6, n), stride=(2, 2))),
        ),
        *(
            Walk(
                name=f"depthwise line margin {side} stride {stride}",
                first=0,
                last=1,
                build=partial(_with_margin, line_of_stride, side),
            )
            for side in ("left", "right")
            for stride in (1, 2)
            for line_of_stride in [
                _single(replace(line, padding=Padding.VALID, stride=(stride, stride)))
            ]
        ),
        Walk(name="depthwise line width", first=1, last=3, build=_along(line, "image", 1, _single)),
        *output_ranges("depthwise", lambda **more: _single(three, **more)),
        *uniform_weights("depthwise", _single(three)),
        *scales("depthwise", lambda scale: _single(three, scale)),
        halves("depthwise", 0.5, lambda scale: _single(three, scale, zero_points=(3, 7))),
        Walk(
            name="depthwise signs",
            first=-128,
            last=-127,
            build=lambda n: _single(three, zero_points=(3, n)),
        ),
    ]
    return found


def _layers() -> list[Walk]:
    return [
        Walk(name="layer units", first=1, last=33, build=lambda n: _layer(units=n)),
        *output_ranges("layer", _layer),
        *uniform_weights("layer", _layer(16)),
        *scales("layer", lambda scale: _layer(scale=scale), most=2e4),  # more is refused for all
        Walk(
            name="layer greatest scale",
            first=float_bits(16000.0),
            last=float_bits(2**31 / _GREATEST_SUM) - 1,  # any more, and a product leaves 32 bits
            build=lambda bits: _greatest_sums(from_bits(bits)),
        ),
        halves("layer", 0.25, lambda scale: _layer(1, scale=scale, zero_points=(0, 0))),
        halves(
            "layer with a wide sum",
            0.5,
            lambda scale: biased(_layer(1, scale=scale, zero_points=(0, 0)), 1, 2**25),
        ),
    ]


def _greatest_sums(scale: float) -> Case:
    """Of _GREATEST_SUM: eight products of 63 and an input that is 255 above its zero point."""

    def fill(weights: Array, bias: Array) -> None:
        weights[...], bias[...] = 63, 0

    return with_constants(_layer(scale=scale, zero_points=(-128, 0)), fill)


def _sums() -> list[Walk]:
    """Biases until a sum leaves what a kernel has for it, in the first channel or the second."""
    three = Windows(image=(4, 4), filter=(3, 3))
    cases = {
        "conv": _dense(three, 1e-7),
        "depthwise": _single(three, 1e-7),
        "depthwise common": _single(three),
        "layer": _layer(scale=1e-7),
    }
    return [
        Walk(
            name=f"{name} bias {channel} to {last}",
            first=0,
            last=last,
            build=partial(biased, case, channel),
        )
        for name, case in cases.items()
        for channel, last in ((0, _MOST), (1, _MOST), (1, -_MOST))
    ]
