"""What a kind of project adds to its kernels: fitted on real builds of several sizes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from anvil.core.target import Requirements
from anvil.package.measure import measured_document
from anvil.plan.document import plan_document
from anvil.plan.predict import program_names
from benchmarks.costs.linear import non_negative
from benchmarks.costs.measure import program_of
from benchmarks.costs.sizes import elf_functions

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from anvil.core.plan import Plan

# An exception stacks 26 words with the FPU's, and one more to align (ARMv7-M ARM, B1.5.7).
_EXCEPTION_FRAME_BYTES = 108
_WASM_FRAME_BYTES = 2048
# Structs and the gaps between arrays are in the file byte by byte; the rest is fitted.
_EXACT = ("field_bytes", "padding")
_CODE = {
    "platformio": ("1", "calls", "argument_words", "ports"),
    "cmake": ("1", "calls", "argument_words", "ports", "port_text", "name_length"),
    "web": ("1", "calls", "argument_words", "ports"),
}
_EXACT_DATA = (*_EXACT, "weight_bytes")  # WebAssembly has no other place for constants
# From reset or _start to the call of the model; what a compiler inlined is not there.
_WAY = ("Reset_Handler", "start", "_start", "main", "program", "run_stream", "run_bench", "invoke")
_COUNTER = "counter_measure"


def fit_program(
    built: Sequence[tuple[Plan, Mapping[str, bytes], int]], table: Mapping[str, Any]
) -> dict[str, Any]:
    """The entry of one kind of project. built: plans, their outputs, instructions of slot 0."""
    kind = built[0][0].target.build
    names = [program_names(plan) for plan, _, _ in built]
    measured = [
        measured_document(plan.target, plan_document(plan, Requirements()), program_of(plan, out))
        for plan, out, _ in built
    ]
    helpers = sorted(
        name
        for name in table["helpers"]
        if kind != "web"
        and not name.startswith("anvil_")  # a part of kernels
        and all(name in _function_names(plan, out) for plan, out, _ in built)
    )
    code = [
        document["flash_bytes"]["code"] - _kernel_bytes(plan, table, helpers)
        for document, (plan, _, _) in zip(measured, built, strict=True)
    ]
    data = [document["ram_bytes"]["data"] for document in measured]
    entry = {
        "code": _fit(_CODE[kind], _EXACT, names, code),
        "helpers": helpers,
        "data": _fit(("1",), _EXACT_DATA if kind == "web" else (), names, data),
        "bss": max(document["ram_bytes"]["bss"] for document in measured),
        "instructions": round(float(np.mean([base for _, _, base in built]))),
    }
    if kind == "web":
        return entry | {
            "stack": {"1": _WASM_FRAME_BYTES},
            "least_stack": _WASM_FRAME_BYTES,
            "reserved_stack": measured[0]["ram_bytes"]["stack"],
        }
    return entry | _stack(built, names, table)


def _function_names(plan: Plan, outputs: Mapping[str, bytes]) -> set[str]:
    return {function.name for function in elf_functions(program_of(plan, outputs))}


def _kernel_bytes(plan: Plan, table: Mapping[str, Any], helpers: Sequence[str]) -> int:
    kernels = [table["kernels"][s] for s in {p.variant.symbol for p in plan.calls}]
    used = set(helpers).union(*(kernel.get("helpers", ()) for kernel in kernels))
    return sum(int(kernel["code"]) for kernel in kernels) + sum(
        int(table["helpers"][helper]["code"]) for helper in used
    )


def _fit(
    features: Sequence[str],
    exact: Sequence[str],
    names: Sequence[Mapping[str, float]],
    values: Sequence[float],
) -> dict[str, float]:
    """Coefficients of `features`, and 1 for each of `exact`; prints how far the fit is off."""
    matrix = np.array([[1.0 if f == "1" else case[f] for f in features] for case in names])
    known = np.array([sum(case[f] for f in exact) for case in names])
    rest = np.array(values, dtype=np.float64) - known
    scales = np.maximum(np.abs(matrix).max(axis=0), 1.0)
    solution = non_negative(matrix / scales, rest) / scales
    off = matrix @ solution - rest
    print(f"    {', '.join(features)}: off by {np.round(off).astype(int).tolist()} B", flush=True)
    fitted = {f: float(f"{x:.5g}") for f, x in zip(features, solution, strict=True) if x > 1e-9}
    return (fitted or {"1": 0.0}) | dict.fromkeys(exact, 1.0)


def _stack(
    built: Sequence[tuple[Plan, Mapping[str, bytes], int]],
    names: Sequence[Mapping[str, float]],
    table: Mapping[str, Any],
) -> dict[str, Any]:
    """The way to a kernel; and, as a bound of all else, every other function at once."""
    word = 8 if built[0][0].target.build == "cmake" else 4
    exception = _EXCEPTION_FRAME_BYTES if built[0][0].target.build == "platformio" else 0
    ways, others = [], []
    for (plan, out, _), case in zip(built, names, strict=True):
        functions = elf_functions(program_of(plan, out))
        run = f"{plan.name}_run"
        way = {*_WAY, _COUNTER, run}
        frames = {f.name: f.frame_bytes for f in functions}
        ways.append(
            sum(n_bytes for name, n_bytes in frames.items() if name in way)
            - word * case["deepest_arguments"]
        )
        others.append(
            sum(
                n_bytes
                for name, n_bytes in frames.items()
                if name not in table["kernels"] and name != run
            )
        )
    return {
        "stack": {"1": max(ways) + exception, "deepest_arguments": word},
        "least_stack": max(others) + exception,
    }
