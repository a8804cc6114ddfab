"""The operators that the .tflite importer reads: arity and attributes, a row per kind."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from anvil.core.attributes import (
    Activation,
    ArithmeticAttributes,
    ConcatenationAttributes,
    Conv2DAttributes,
    DepthwiseConv2DAttributes,
    FullyConnectedAttributes,
    MeanAttributes,
    Padding,
    Pool2DAttributes,
    SoftmaxAttributes,
)
from anvil.core.graph import ABSENT
from anvil.core.tensor import DType
from anvil.importers.flatbuffer import DamagedFileError
from anvil.importers.schema import ACTIVATIONS, DTYPES, PADDINGS, WEIGHTS_FORMATS, OptionsType

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping

    from anvil.importers.flatbuffer import Table
    from anvil.importers.tflite_file import FileOperator


_MANY = 1 << 32  # more inputs than any file can list for one operator


class UnsupportedOptionError(Exception):
    """An option that is valid and that this version does not build; the reason in a clause."""


def _no_attributes(_options: Table) -> None:
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """How one kind of operator is read. It has one output."""

    newest: int  # the newest version of the operator that the reference kernels know
    min_inputs: int
    max_inputs: int  # inputs from min_inputs on may be ABSENT, unless there is no maximum
    options: OptionsType = OptionsType.NONE  # NONE where nothing is read from them
    attributes: Callable[[Table], Hashable] = _no_attributes
    default: Hashable = None  # the attributes without options; None where TFLite has none


def read_attributes(operator: FileOperator, row: Row) -> Hashable:
    """An operator's attributes, its arity checked first.

    Raises DamagedFileError, and UnsupportedOptionError for what is only not supported.
    """
    if not 1 <= operator.version <= row.newest:
        msg = f"it is version {operator.version} of its kind, known are 1 to {row.newest}"
        raise UnsupportedOptionError(msg)
    n_inputs, n_outputs = len(operator.inputs), len(operator.outputs)
    if not row.min_inputs <= n_inputs <= row.max_inputs or n_outputs != 1:
        raise DamagedFileError(
            path=operator.path,
            message=f"{operator.label} has {n_inputs} inputs and {n_outputs} outputs, expected "
            f"{_range(row.min_inputs, row.max_inputs)} and 1",
        )
    n_required = n_inputs if row.max_inputs == _MANY else row.min_inputs
    for position, index in enumerate(operator.inputs[:n_required]):
        if index == ABSENT:
            raise DamagedFileError(
                path=f"{operator.path}.inputs[{position}]",
                message=f"{operator.label} lacks its input {position}",
            )
    if row.options is OptionsType.NONE:
        return None
    if operator.options is None and operator.options_type == 0 and row.default is not None:
        return row.default
    if operator.options is None or operator.options_type != row.options:
        raise DamagedFileError(
            path=f"{operator.path}.builtin_options",
            message=f"{operator.label} needs the options {row.options.name} "
            f"(type {row.options.value}), "
            f"found {'none' if operator.options is None else f'type {operator.options_type}'}",
        )
    return row.attributes(operator.options)


def new_shape(operator: FileOperator) -> tuple[int, ...]:
    """The shape in the options of a RESHAPE that has no second input."""
    options = operator.options if operator.options_type == OptionsType.RESHAPE else None
    shape = None if options is None else options.integers(0, "new_shape", "i")
    if shape is None:
        raise DamagedFileError(
            path=operator.path,
            message=f"{operator.label} has its new shape neither as an input nor in its options",
        )
    # Files from before scalars had a notation write them so.
    return () if shape == (0,) else shape


def _range(low: int, high: int) -> str:
    if low == high:
        return str(low)
    return f"{low} to {high}" if high < _MANY else f"at least {low}"


def _conv_2d(options: Table) -> Conv2DAttributes:
    return Conv2DAttributes(
        padding=_padding(options, 0),
        stride_w=_positive(options, 1, "stride_w"),
        stride_h=_positive(options, 2, "stride_h"),
        activation=_activation(options, 3),
        dilation_w=_positive(options, 4, "dilation_w_factor", default=1),
        dilation_h=_positive(options, 5, "dilation_h_factor", default=1),
        bias_dtype=_bias_dtype(options, 6),
    )


def _depthwise_conv_2d(options: Table) -> DepthwiseConv2DAttributes:
    return DepthwiseConv2DAttributes(
        padding=_padding(options, 0),
        stride_w=_positive(options, 1, "stride_w"),
        stride_h=_positive(options, 2, "stride_h"),
        depth_multiplier=_at_least(options, 3, "depth_multiplier", minimum=0, default=0),
        activation=_activation(options, 4),
        dilation_w=_positive(options, 5, "dilation_w_factor", default=1),
        dilation_h=_positive(options, 6, "dilation_h_factor", default=1),
    )


def _pool_2d(options: Table) -> Pool2DAttributes:
    return Pool2DAttributes(
        padding=_padding(options, 0),
        stride_w=_positive(options, 1, "stride_w"),
        stride_h=_positive(options, 2, "stride_h"),
        filter_w=_positive(options, 3, "filter_width"),
        filter_h=_positive(options, 4, "filter_height"),
        activation=_activation(options, 5),
    )


def _fully_connected(options: Table) -> FullyConnectedAttributes:
    layout = _choice(options, 1, "weights_format", WEIGHTS_FORMATS)
    if layout != WEIGHTS_FORMATS[0]:
        msg = f"its weights are laid out as {layout}, only {WEIGHTS_FORMATS[0]} is supported"
        raise UnsupportedOptionError(msg)
    return FullyConnectedAttributes(
        activation=_activation(options, 0),
        keep_num_dims=options.boolean(2, "keep_num_dims"),
        bias_dtype=_bias_dtype(options, 4),
    )


def _arithmetic(options: Table) -> ArithmeticAttributes:
    return ArithmeticAttributes(activation=_activation(options, 0))


def _add(options: Table) -> ArithmeticAttributes:
    # The format's default is true.
    return ArithmeticAttributes(
        activation=_activation(options, 0),
        pot_scale_int16=options.boolean(1, "pot_scale_int16", default=True),
    )


def _concatenation(options: Table) -> ConcatenationAttributes:
    return ConcatenationAttributes(
        axis=options.integer(0, "axis", "i"), activation=_activation(options, 1)
    )


def _mean(options: Table) -> MeanAttributes:
    return MeanAttributes(keep_dims=options.boolean(0, "keep_dims"))


def _softmax(options: Table) -> SoftmaxAttributes:
    beta = options.real(0, "beta")
    if not math.isfinite(beta):
        raise DamagedFileError(
            path=options.name_of("beta"), message=f"is {beta}, expected a number"
        )
    return SoftmaxAttributes(beta=beta)


def _choice(options: Table, slot: int, name: str, names: tuple[str, ...]) -> str:
    number = options.integer(slot, name, "b")
    if not 0 <= number < len(names):
        raise DamagedFileError(
            path=options.name_of(name), message=f"is {number}, expected 0 to {len(names) - 1}"
        )
    return names[number]


def _padding(options: Table, slot: int) -> Padding:
    return Padding(_choice(options, slot, "padding", PADDINGS))


def _activation(options: Table, slot: int) -> Activation:
    name = _choice(options, slot, "fused_activation_function", ACTIVATIONS)
    if name not in Activation.__members__:
        msg = (
            f"its fused activation is {name}, supported are "
            f"{', '.join(known.value for known in Activation)}"
        )
        raise UnsupportedOptionError(msg)
    return Activation(name)


def _bias_dtype(options: Table, slot: int) -> DType | None:
    # 0 is float32, which stands for an undeclared type.
    number = options.integer(slot, "quantized_bias_type", "b")
    dtype = DTYPES.get(number) if number else None
    if number and dtype not in {DType.INT32, DType.INT64}:
        msg = (
            f"its bias is declared to be of type {number}; "
            "int32 (2), int64 (4) and nothing (0) are supported"
        )
        raise UnsupportedOptionError(msg)
    return dtype


def _positive(options: Table, slot: int, name: str, *, default: int = 0) -> int:
    return _at_least(options, slot, name, minimum=1, default=default)


def _at_least(options: Table, slot: int, name: str, *, minimum: int, default: int) -> int:
    value = options.integer(slot, name, "i", default)
    if value < minimum:
        raise DamagedFileError(
            path=options.name_of(name), message=f"is {value}, expected at least {minimum}"
        )
    return value


# RESHAPE's options are read only where it has no second input (anvil/importers/tflite.py).
ROWS: Mapping[str, Row] = {
    "ADD": Row(
        newest=5,
        min_inputs=2,
        max_inputs=2,
        options=OptionsType.ADD,
        attributes=_add,
        default=ArithmeticAttributes(activation=Activation.NONE),
    ),
    "AVERAGE_POOL_2D": Row(
        newest=3, min_inputs=1, max_inputs=1, options=OptionsType.POOL_2D, attributes=_pool_2d
    ),
    "CONCATENATION": Row(
        newest=7,
        min_inputs=1,
        max_inputs=_MANY,
        options=OptionsType.CONCATENATION,
        attributes=_concatenation,
        default=ConcatenationAttributes(axis=0, activation=Activation.NONE),
    ),
    "CONV_2D": Row(
        newest=8, min_inputs=2, max_inputs=3, options=OptionsType.CONV_2D, attributes=_conv_2d
    ),
    "DEPTHWISE_CONV_2D": Row(
        newest=6,
        min_inputs=2,
        max_inputs=3,
        options=OptionsType.DEPTHWISE_CONV_2D,
        attributes=_depthwise_conv_2d,
    ),
    "DEQUANTIZE": Row(newest=9, min_inputs=1, max_inputs=1),
    "FULLY_CONNECTED": Row(
        newest=14,
        min_inputs=2,
        max_inputs=3,
        options=OptionsType.FULLY_CONNECTED,
        attributes=_fully_connected,
    ),
    "LOGISTIC": Row(newest=3, min_inputs=1, max_inputs=1),
    "MAX_POOL_2D": Row(
        newest=3, min_inputs=1, max_inputs=1, options=OptionsType.POOL_2D, attributes=_pool_2d
    ),
    "MEAN": Row(
        newest=3,
        min_inputs=2,
        max_inputs=2,
        options=OptionsType.REDUCER,
        attributes=_mean,
        default=MeanAttributes(keep_dims=False),
    ),
    "MUL": Row(
        newest=7,
        min_inputs=2,
        max_inputs=2,
        options=OptionsType.MUL,
        attributes=_arithmetic,
        default=ArithmeticAttributes(activation=Activation.NONE),
    ),
    "PAD": Row(newest=6, min_inputs=2, max_inputs=2),
    "QUANTIZE": Row(newest=6, min_inputs=1, max_inputs=1),
    "RELU": Row(newest=3, min_inputs=1, max_inputs=1),
    "RELU6": Row(newest=3, min_inputs=1, max_inputs=1),
    "RESHAPE": Row(newest=1, min_inputs=1, max_inputs=2),
    "SOFTMAX": Row(
        newest=3, min_inputs=1, max_inputs=1, options=OptionsType.SOFTMAX, attributes=_softmax
    ),
    "TANH": Row(newest=3, min_inputs=1, max_inputs=1),
}
