"""Runs kernels natively and on emulators, and compares them with NumPy and with TFLite.

    case = Case(name="1x1", graph=one_op_graph(...), inputs=(values,))
    reference_outputs(case)                  # the operator's NumPy reference
    tflite_outputs(case)                     # TFLite's reference kernels
    kernel_outputs(platform, cases, folder)  # every kernel variant that fits, in C
    check_references(case), check_kernels(platform, cases, folder)

Integers are compared bit by bit, floats within the operator's tolerance.

All cases of one `kernel_outputs` become one program, so that a platform costs one compile
and one start of its emulator, however many cases there are. Each output lies between two
guards, and a kernel that writes beside its output fails.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from anvil.core.graph import ABSENT
from anvil.ops.arrays import array_of, numpy_dtype
from anvil.ops.registry import DEFINITIONS
from anvil.plan.expressions import evaluate
from anvil.plan.kernel_registry import load_variants
from anvil.plan.layouts.packing import NotPackable, packed
from tests.support.agreement import check_agreement
from tests.support.case_program import cases_source
from tests.support.compiled_program import KERNELS, compile_program, run_program
from tests.support.platforms import core_features, runner_of
from tests.support.tflite_builder import run_reference, tflite_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import numpy.typing as npt

    from anvil.core.graph import Graph, Op
    from anvil.core.plan import KernelCall, Variant
    from tests.support.platforms import Platform

    Array = npt.NDArray[Any]
    Outputs = tuple[Array, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Case:
    """One operator with its inputs: the graph's last, after those that expand its constants."""

    name: str
    graph: Graph
    inputs: tuple[Array, ...]  # in the order of graph.inputs

    @property
    def op(self) -> Op:
        """The operator under test."""
        return self.graph.ops[-1]

    @property
    def values(self) -> dict[int, Array]:
        """What is known before the operator runs, by tensor index."""
        constants = {
            i: array_of(tensor) for i, tensor in enumerate(self.graph.tensors) if tensor.is_constant
        }
        for op in self.graph.ops[:-1]:
            # A float16 constant; every half-precision number is a float32 one.
            constants[op.outputs[0]] = constants[op.inputs[0]].astype(np.float32)
        return constants | dict(zip(self.graph.inputs, self.inputs, strict=True))


def reference_outputs(case: Case) -> Outputs:
    """What the operator's NumPy reference computes."""
    values = case.values
    inputs = [None if index == ABSENT else values[index] for index in case.op.inputs]
    return DEFINITIONS[case.op.kind].reference(case.op, case.graph, inputs)


def tflite_outputs(case: Case) -> Outputs:
    """What TFLite's reference kernels compute."""
    return run_reference(tflite_bytes(case.graph), case.inputs)


def check_references(case: Case) -> float:
    """NumPy and TFLite agree, and the operator's own rules accept the case.

    Agreement is equal bytes for integers, and the operator's tolerance for floats. Returns the
    largest difference, relative to the largest magnitude of its tensor: 0 for integers.
    """
    definition = DEFINITIONS[case.op.kind]
    assert list(definition.check(case.op, case.graph)) == []
    shapes = tuple(case.graph.tensors[index].shape for index in case.op.outputs)
    assert definition.infer_shapes(case.op, case.graph) == shapes
    return max(
        check_agreement(ours, truth, definition.tolerance, f"{case.name}: NumPy against TFLite")
        for ours, truth in zip(reference_outputs(case), tflite_outputs(case), strict=True)
    )


def check_kernels(
    platform: Platform, cases: Sequence[Case], folder: Path, *, every_variant: bool = True
) -> float:
    """Every variant on `platform` agrees with the NumPy reference in every case.

    Agreement and result are those of `check_references`. With `every_variant`, one that
    `platform` could run and that no case fits fails too.
    """
    largest = 0.0
    results = kernel_outputs(platform, cases, folder)
    ran = {
        symbol for by_variant in results for symbols in by_variant for symbol in symbols.split("+")
    }
    for variant in _variants_for(cases, platform) if every_variant else ():
        assert variant.symbol in ran, f"no case is one that {variant.symbol} takes"
    for case, by_variant in zip(cases, results, strict=True):
        expected = reference_outputs(case)
        tolerance = DEFINITIONS[case.op.kind].tolerance
        for symbol, outputs in by_variant.items():
            for ours, truth in zip(outputs, expected, strict=True):
                label = f"{case.name}: {symbol} on {platform.name} against NumPy"
                largest = max(largest, check_agreement(ours, truth, tolerance, label))
    return largest


def kernel_outputs(
    platform: Platform, cases: Sequence[Case], folder: Path
) -> list[dict[str, Outputs]]:
    """For each case, its outputs by kernel variant; skips where `platform` cannot run here.

    An operator that takes several calls is run once for each way to choose the n-th variant
    of every call; the key then joins the symbols.
    """
    runner = runner_of(platform)
    runs = [(case, calls) for case in cases for calls in _choices(case, platform)]
    variants = {variant.symbol: variant for _, calls in runs for _, variant in calls}
    sources = sorted(
        {str(KERNELS / path) for v in variants.values() for path in (v.source, *v.parts)}
    )
    program = compile_program(platform, cases_source(runs), sources, folder)
    written = run_program(platform, [*runner, str(program)])
    results: dict[int, dict[str, Outputs]] = {id(case): {} for case in cases}
    rest = written
    for case, calls in runs:
        symbols = "+".join(variant.symbol for _, variant in calls)
        assert rest[:1] == b"\x01", f"{case.name}: {symbols} wrote beside an output"
        rest = rest[1:]
        outputs = []
        for index in case.op.outputs:
            tensor = case.graph.tensors[index]
            data, rest = rest[: tensor.n_bytes], rest[tensor.n_bytes :]
            outputs.append(np.frombuffer(data, numpy_dtype(tensor.dtype)).reshape(tensor.shape))
        results[id(case)][symbols] = tuple(outputs)
    assert rest == b"", f"{platform.name}: {len(rest)} bytes too many"
    return [results[id(case)] for case in cases]


@cache
def kernel_files() -> Mapping[str, bytes]:
    """Every file under kernels/, by path relative to it."""
    return {
        path.relative_to(KERNELS).as_posix(): path.read_bytes()
        for path in sorted(KERNELS.rglob("*"))
        if path.is_file()
    }


@cache
def variants_of(op: str, dtype: str) -> tuple[Variant, ...]:
    """The variants that kernels/<op>/kernels.yaml lists for an element type."""
    own = {path: data for path, data in kernel_files().items() if path.startswith(f"{op}/")}
    common = {path: data for path, data in kernel_files().items() if path.startswith("common/")}
    return tuple(v for v in load_variants(own | common) if v.dtype == dtype)


def _variants_for(cases: Sequence[Case], platform: Platform) -> list[Variant]:
    lowered = [DEFINITIONS[case.op.kind].lower(case.op, case.graph) for case in cases]
    names = {(call.op, call.dtype) for calls in lowered for call in calls}
    return [
        variant
        for op, dtype in sorted(names)
        for variant in variants_of(op, dtype)
        if core_features(platform.core).issuperset(variant.requires)
    ]


def fits(variant: Variant, call: KernelCall) -> bool:
    """Whether the call meets the variant's conditions on parameters and constants."""
    if variant.when and not evaluate(variant.when, dict(call.parameters)):
        return False
    try:
        packed(variant, call)
    except NotPackable:
        return False
    return True


def _choices(case: Case, platform: Platform) -> list[list[tuple[KernelCall, Variant]]]:
    calls = DEFINITIONS[case.op.kind].lower(case.op, case.graph)
    if not calls:
        msg = f"{case.name}: {case.op.kind} runs no kernel"
        raise ValueError(msg)
    fitting = [
        [
            variant
            for variant in variants_of(call.op, call.dtype)
            if core_features(platform.core).issuperset(variant.requires) and fits(variant, call)
        ]
        for call in calls
    ]
    for call, variants in zip(calls, fitting, strict=True):
        assert variants, f"{case.name}: no kernel for {call.op} {call.dtype} on {platform.name}"
    return [
        [
            (call, variants[min(n, len(variants) - 1)])
            for call, variants in zip(calls, fitting, strict=True)
        ]
        for n in range(max(map(len, fitting)))
    ]
