"""The part that every project shares: the model as a C library.

All numbers are computed here; the templates only place them.
"""

from __future__ import annotations

import math
import posixpath
import struct
import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from anvil.core.tensor import DType
from anvil.render.environment import jinja_environment, render

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import jinja2

    from anvil.core.plan import Constant, Plan, PlannedCall
    from anvil.core.tensor import Tensor

# Kernels may load whole words from constants whatever their element type.
_CONSTANT_ALIGNMENT = 16
_ARENA_ALIGNMENT = 16

_STRUCT_FORMAT = {
    DType.INT8: "b",
    DType.UINT8: "B",
    DType.INT16: "h",
    DType.INT32: "i",
    DType.INT64: "q",
    DType.FLOAT16: "H",  # its bits, see DType.c_type
    DType.FLOAT32: "f",
    DType.FLOAT64: "d",
    DType.BOOL: "?",
}
_INT32_MIN = -(2**31)
_WORDS_PER_LINE = 16
_ARGUMENTS_WIDTH = 88
_COMMENT_WIDTH = 80


def float_literal(value: float) -> str:
    """A C expression that is exactly the float32 `value`: nine digits tell them all apart.

    >>> float_literal(0.5), float_literal(3.0)
    ('0.5f', '3.0f')
    """
    if math.isnan(value):
        return "(0.0f / 0.0f)"
    if math.isinf(value):
        return "(1.0f / 0.0f)" if value > 0 else "(-1.0f / 0.0f)"
    digits = f"{value:.9g}"
    return f"{digits}f" if "." in digits or "e" in digits else f"{digits}.0f"


def _integer_literal(value: int) -> str:
    # -2147483648 is a unary minus on a number that does not fit an int.
    return f"({value + 1} - 1)" if value == _INT32_MIN else str(value)


def _literal(value: float) -> str:
    return _integer_literal(value) if isinstance(value, int) else float_literal(value)


def _array_lines(dtype: DType, data: bytes) -> list[str]:
    count = len(data) // dtype.n_bytes
    values = struct.unpack(f"<{count}{_STRUCT_FORMAT[dtype]}", data)
    if dtype is DType.FLOAT32:
        words = [float_literal(value) for value in values]
    elif dtype is DType.FLOAT64:
        words = [float(value).hex() for value in values]
    else:
        words = [_integer_literal(int(value)) for value in values]
    return [
        ", ".join(words[start : start + _WORDS_PER_LINE]) + ","
        for start in range(0, len(words), _WORDS_PER_LINE)
    ]


def _port(name: str, role: str, index: int, tensor: Tensor, offset: int) -> dict[str, Any]:
    quantization = tensor.quantization
    return {
        "role": role,
        "index": index,
        "tensor_name": _comment(tensor.name),
        "dtype": tensor.dtype.value,
        "meaning": "" if quantization is None else ", real = SCALE * (q - ZERO_POINT)",
        "macro": f"{name}_{role}{index}".upper(),
        "type_name": f"{name}_{role}{index}_t",
        "c_type": tensor.dtype.c_type,
        "shape": tensor.shape,
        "shape_initializer": "{" + ", ".join(map(str, tensor.shape or (1,))) + "}",
        "n_elements": tensor.n_elements,
        "n_bytes": tensor.n_bytes,
        "quantized": quantization is not None,
        "scale": None if quantization is None else float_literal(quantization.scale),
        "zero_point": None if quantization is None else f"({quantization.zero_point})",
        "offset": offset,
    }


def _comment(text: str) -> str:
    """Text from a model, made safe inside a C comment, and short."""
    plain = "".join(c if c.isprintable() and c.isascii() else "?" for c in text)
    if len(plain) > _COMMENT_WIDTH:
        plain = f"{plain[:_COMMENT_WIDTH]}..."
    # Neither an end nor a beginning, of which compilers warn.
    return plain.replace("*/", "* /").replace("/*", "/ *")


def ports(plan: Plan) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Template values of the model's inputs and outputs."""
    graph = plan.graph

    def listed(role: str, indices: Iterable[int]) -> list[dict[str, Any]]:
        return [
            _port(plan.name, role, i, graph.tensors[tensor], plan.offset_of(tensor))
            for i, tensor in enumerate(indices)
        ]

    return listed("input", graph.inputs), listed("output", graph.outputs)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Names:
    """What constant arrays are called; calls that read equal ones share the first."""

    tensors: Mapping[int, str]
    constants: Mapping[Constant, str]


def _constants(plan: Plan) -> tuple[_Names, list[dict[str, Any]]]:
    """Names of the constants that calls read, and every array to write out."""
    graph = plan.graph
    tensor_names: dict[int, str] = {}
    constant_names: dict[Constant, str] = {}
    arrays: list[dict[str, Any]] = []

    def add(name: str, dtype: DType, shape: tuple[int, ...], data: bytes, comment: str) -> None:
        arrays.append(
            {
                "name": name,
                "c_type": dtype.c_type,
                "n_elements": len(data) // dtype.n_bytes,
                "comment": f"{comment} {'x'.join(map(str, shape))}",
                "lines": _array_lines(dtype, data),
            }
        )

    for number, planned in enumerate(plan.calls):
        for index in planned.call.inputs:
            tensor = graph.tensors[index]
            if tensor.data is not None and index not in tensor_names:
                tensor_names[index] = f"{plan.name}_tensor{index}"
                add(
                    tensor_names[index],
                    tensor.dtype,
                    tensor.shape,
                    tensor.data,
                    _comment(tensor.name),
                )
        for constant in planned.call.constants:
            if constant in constant_names:
                continue
            constant_names[constant] = f"{_call_name(plan, number)}_{constant.name}"
            add(
                constant_names[constant],
                constant.dtype,
                constant.shape,
                constant.data,
                f"{planned.op_kind} {planned.op_index}: {constant.name}",
            )
    return _Names(tensors=tensor_names, constants=constant_names), arrays


def _call_name(plan: Plan, number: int) -> str:
    return f"{plan.name}_call{number}"


def _call_values(plan: Plan, number: int, names: _Names) -> dict[str, Any]:
    planned = plan.calls[number]
    call = planned.call
    tensors = plan.graph.tensors

    def pointer(index: int, qualifier: str) -> str:
        if index in names.tensors:
            return names.tensors[index]
        c_type = tensors[index].dtype.c_type
        return f"({qualifier}{c_type} *)(arena + {plan.offset_of(index)})"

    arguments = [f"&{_call_name(plan, number)}_parameters"]
    arguments += [pointer(index, "const ") for index in call.inputs]
    arguments += [names.constants[constant] for constant in call.constants]
    arguments += [pointer(index, "") for index in call.outputs]
    if planned.scratch_offset is not None:
        arguments.append(f"arena + {planned.scratch_offset}")
    kernel = planned.variant.symbol
    lines = _wrapped(arguments)
    return {
        "title": _title(plan, planned),
        "struct": planned.variant.struct,
        "parameters_name": f"{_call_name(plan, number)}_parameters",
        "parameters": [(field, _literal(value)) for field, value in call.parameters],
        "is_specialised": planned.is_specialised,
        "kernel": kernel,
        "kernel_argument_lines": lines,
        "source": planned.variant.source,
        "symbol": _call_name(plan, number) if planned.is_specialised else kernel,
        "argument_lines": ["arena"] if planned.is_specialised else lines,
    }


def call_values(plan: Plan) -> list[dict[str, Any]]:
    """Template values of every call, in the order of the plan."""
    names, _ = _constants(plan)
    return [_call_values(plan, number, names) for number in range(len(plan.calls))]


def _wrapped(arguments: Iterable[str]) -> list[str]:
    return textwrap.wrap(
        ", ".join(arguments),
        width=_ARGUMENTS_WIDTH,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _specialised(
    environment: jinja2.Environment, values: Mapping[str, Any], calls: Sequence[Mapping[str, Any]]
) -> dict[str, bytes]:
    """A file for each call that has a kernel of its own, and a header with all of them."""
    own = [call for call in calls if call["is_specialised"]]
    files = {
        f"src/{call['symbol']}.c": render(environment, "library/call.c.j2", **values, call=call)
        for call in own
    }
    if own:
        header = render(environment, "library/calls.h.j2", **values, calls=calls)
        files[f"src/{values['name']}_calls.h"] = header
    return files


def _title(plan: Plan, planned: PlannedCall) -> str:
    def shapes(indices: Iterable[int]) -> str:
        return ", ".join("x".join(map(str, plan.graph.tensors[i].shape)) for i in indices)

    return (
        f"{planned.op_kind} {planned.op_index}: "
        f"{shapes(planned.call.inputs)} -> {shapes(planned.call.outputs)}"
    )


def render_library(
    plan: Plan, *, plan_digest: str, kernels: Mapping[str, bytes], templates: Mapping[str, bytes]
) -> dict[str, bytes]:
    """The files under `library/` by path.

    kernels: every file under kernels/ by path relative to it; only those in use are kept.
    """
    environment = jinja_environment(templates)
    inputs, outputs = ports(plan)
    names, arrays = _constants(plan)
    variants = [planned.variant for planned in plan.calls]
    headers = sorted({header for variant in variants for header in variant.headers})
    prototypes = sorted({header for v in variants for header in v.prototypes})
    values: dict[str, Any] = {
        "name": plan.name,
        "upper": plan.name.upper(),
        "target": plan.target.name,
        "plan_digest": plan_digest,
        "model_sha256": plan.model_sha256,
        "arena_bytes": plan.arena_bytes,
        "inputs": inputs,
        "outputs": outputs,
        "arrays": arrays,
        "alignment": _CONSTANT_ALIGNMENT,
    }
    calls = [_call_values(plan, number, names) for number in range(len(plan.calls))]
    files = {
        f"include/{plan.name}.h": render(environment, "library/model.h.j2", **values),
        f"src/{plan.name}.c": render(
            environment,
            "library/model.c.j2",
            **(values | {"alignment": _ARENA_ALIGNMENT}),
            calls=calls,
            kernel_headers=prototypes,
        ),
        f"src/{plan.name}_weights.h": render(environment, "library/weights.h.j2", **values),
        f"src/{plan.name}_weights.c": render(environment, "library/weights.c.j2", **values),
    }
    files |= _specialised(environment, values, calls)
    sources = sorted({source for v in variants for source in (v.source, *v.parts)})
    files |= {posixpath.join("kernels", path): kernels[path] for path in (*headers, *sources)}
    return {posixpath.join("library", path): content for path, content in sorted(files.items())}
