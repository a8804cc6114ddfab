"""The browser project: the library as WebAssembly, a module around it, and a page."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from anvil.core.diagnostics import AnvilError, Diagnostic
from anvil.core.tensor import DType
from anvil.render.cmake import (
    describe_ports,
    library_sources,
    render_files,
    toolchain_file,
    toolchain_values,
)
from anvil.render.environment import jinja_environment

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from anvil.core.plan import Plan
    from anvil.core.tensor import Tensor

_ARCHITECTURE = "wasm32"
_POINTER_BYTES = 4

# One WebAssembly page: kernels keep their scratch in the arena and need little.
_STACK_BYTES = 65536

_ARRAYS = {
    DType.BOOL: "Uint8Array",
    DType.INT8: "Int8Array",
    DType.UINT8: "Uint8Array",
    DType.INT16: "Int16Array",
    DType.INT32: "Int32Array",
    DType.INT64: "BigInt64Array",
    DType.FLOAT32: "Float32Array",
    DType.FLOAT64: "Float64Array",
}


def script_json(value: Any, *, indent: int | None = None) -> str:  # noqa: ANN401  any JSON value
    r"""JSON that may stand inside an HTML script element: no `<` and nothing but ASCII.

    >>> script_json("</script>")
    '"\\u003c/script>"'
    """
    return json.dumps(value, indent=indent, allow_nan=False).replace("<", "\\u003c")


def _tensor_json(tensor: Tensor) -> dict[str, Any]:
    quantization = tensor.quantization
    whole = quantization is not None and not quantization.is_per_channel
    return {
        "name": tensor.name,
        "shape": list(tensor.shape),
        "dtype": tensor.dtype.value,
        "scale": quantization.scale if quantization is not None and whole else None,
        "zeroPoint": quantization.zero_point if quantization is not None and whole else None,
        "elements": tensor.n_elements,
    }


def _infos(tensors: Sequence[Tensor]) -> str:
    return ", ".join(f'Tensor & {{readonly dtype: "{tensor.dtype.value}"}}' for tensor in tensors)


def render_web(
    plan: Plan, *, plan_digest: str, library: Mapping[str, bytes], templates: Mapping[str, bytes]
) -> dict[str, bytes]:
    """The whole project by path, `library/` included.

    library: what render_library gives; templates: every file under templates/ by path
    relative to it. AnvilError where the target's core is not WebAssembly's, or JavaScript has
    no array for a tensor.
    """
    inputs = [plan.graph.tensors[index] for index in plan.graph.inputs]
    outputs = [plan.graph.tensors[index] for index in plan.graph.outputs]
    _check(plan, [*inputs, *outputs])
    name = plan.name
    model = {
        "name": name,
        "modelSha256": plan.model_sha256,
        "arenaBytes": plan.arena_bytes,
        "weightBytes": plan.weight_bytes,
        "inputs": [_tensor_json(tensor) for tensor in inputs],
        "outputs": [_tensor_json(tensor) for tensor in outputs],
    }
    values: dict[str, Any] = {
        "plan_digest": plan_digest,
        "name": name,
        "board": plan.target.board,
        "host_preset": False,
        "stack_bytes": _STACK_BYTES,
        "library_sources": library_sources(library),
        "ports": describe_ports(plan),
        "model_json": script_json(model, indent=2),
        "description": f"The model {name} as WebAssembly",
        "first_array": _ARRAYS[inputs[0].dtype],
        "first_elements": inputs[0].n_elements,
        "input_infos": _infos(inputs),
        "output_infos": _infos(outputs),
        "invoke_parameters": ", ".join(
            f"input{index}: {_ARRAYS[tensor.dtype]}" for index, tensor in enumerate(inputs)
        ),
        "invoke_results": ", ".join(_ARRAYS[tensor.dtype] for tensor in outputs),
    } | toolchain_values(plan, processor=_ARCHITECTURE, pointer_bytes=_POINTER_BYTES)
    files = render_files(
        jinja_environment(templates),
        {
            "CMakeLists.txt": "web/CMakeLists.txt.j2",
            "CMakePresets.json": "cmake/CMakePresets.json.j2",
            "README.md": "web/README.md.j2",
            **toolchain_file(plan.target.toolchain),
            f"package/{name}.d.ts": "web/module.d.ts.j2",
            f"package/{name}.mjs": "web/module.mjs.j2",
            "package/package.json": "web/package.json.j2",
            "page/index.html": "web/index.html.j2",
            "page/page.css": "web/page.css.j2",
            "page/page.mjs": "web/page.mjs.j2",
            "src/exports.c": "web/exports.c.j2",
            "tools/inline_page.py": "web/inline_page.py.j2",
        },
        values,
    )
    return dict(sorted((files | dict(library)).items()))


def _check(plan: Plan, tensors: Sequence[Tensor]) -> None:
    problems = []
    architecture = plan.target.core.architecture
    if architecture != _ARCHITECTURE:
        problems.append(
            Diagnostic(
                code="render.unsupported-architecture",
                message=(
                    f"target {plan.target.name} has a core of architecture {architecture}, and "
                    f"web projects are made for {_ARCHITECTURE}"
                ),
                hint="give the target another core, or another kind of build",
            )
        )
    problems += [
        Diagnostic(
            code="render.unsupported-dtype",
            message=(
                f"tensor {tensor.name!r} is {tensor.dtype.value}, for which JavaScript has no "
                f"typed array; it has them for {', '.join(dtype.value for dtype in _ARRAYS)}"
            ),
            hint="convert the model with inputs and outputs of one of these types",
        )
        for tensor in tensors
        if tensor.dtype not in _ARRAYS
    ]
    if problems:
        raise AnvilError(*problems)
