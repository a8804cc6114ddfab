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

import math
import platform as host
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import yaml

from anvil.core.graph import ABSENT
from anvil.core.tensor import DType
from anvil.ops.arrays import array_of, numpy_dtype
from anvil.ops.registry import DEFINITIONS
from anvil.plan.kernel_registry import load_variants
from anvil.plan.layouts.packing import NotPackable, packed
from anvil.plan.select import evaluate
from tests.support.agreement import check_agreement
from tests.support.programs import MISSING, ROOT, require_program
from tests.support.tflite_builder import run_reference, tflite_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt

    from anvil.core.graph import Graph, Op
    from anvil.core.plan import KernelCall, Variant

    Array = npt.NDArray[Any]
    Outputs = tuple[Array, ...]

_KERNELS = ROOT / "kernels"
_TARGETS = ROOT / "targets"
_HARNESS = Path(__file__).resolve().parent / "harness"
_GUARD_BYTES = 16
_TIMEOUT_S = 600
_WARNINGS = ("-std=c99", "-Wpedantic", "-Wconversion")  # beside the toolchain's own


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """A machine that kernels are compiled for, with the default toolchain's flags, and run on."""

    name: str
    core: str  # under targets/cores/: says which variants fit and how they are compiled
    driver: str  # under tests/support/harness/
    runner: tuple[str, ...] = ()  # the program's path is appended; empty: it runs as it is
    compile_flags: tuple[str, ...] = ()  # after the toolchain's
    link_flags: tuple[str, ...] = ()
    compiler: str = ""  # a program of this machine that takes no flag but ours; empty: zig cc


PLATFORMS = (
    Platform(name="x86-64", core="x86-64", driver="linux.c"),
    Platform(
        # Ends with a trap where a kernel does what C leaves undefined; emulated, so that kernels
        # which ask the processor find one without AVX-VNNI, whatever the real one has.
        name="x86-64-undefined",
        core="x86-64",
        driver="linux.c",
        runner=("qemu-x86_64", "-cpu", "Haswell"),
        compile_flags=("-O1", "-fsanitize=undefined", "-fsanitize-trap=undefined"),
    ),
    Platform(
        name="cortex-m4f",
        core="cortex-m4f",
        driver="cortex_m.c",
        runner=(
            "qemu-system-arm",
            *("-machine", "mps2-an386"),
            *("-nographic", "-monitor", "none", "-serial", "none"),
            *("-semihosting-config", "enable=on,target=native"),
            "-kernel",
        ),
        link_flags=("-Wl,-e,Reset_Handler", f"-Wl,-T,{_HARNESS / 'cortex_m.ld'}"),
    ),
    Platform(
        name="cortex-m55",
        core="cortex-m55",
        driver="cortex_m.c",
        runner=(
            "qemu-system-arm",
            *("-machine", "mps3-an547"),
            *("-nographic", "-monitor", "none", "-serial", "none"),
            *("-semihosting-config", "enable=on,target=native"),
            "-kernel",
        ),
        link_flags=("-Wl,-e,Reset_Handler", f"-Wl,-T,{_HARNESS / 'cortex_m55.ld'}"),
    ),
    Platform(
        name="cortex-a72",
        core="cortex-a72",
        driver="linux.c",
        runner=("qemu-aarch64", "-cpu", "cortex-a72"),
    ),
    Platform(
        name="wasm32",
        core="wasm32",
        driver="wasm.c",
        runner=("node", str(_HARNESS / "run.mjs")),
        link_flags=("-Wl,--no-entry", "-Wl,--export=run_cases"),
    ),
)

# Beside the others, since it runs what they run and is the slowest: only tests of kernels for it
# use it. QEMU's micro:bit is a Cortex-M0 in earnest, which faults where a word is not aligned;
# its memories are made larger than the board's, since programs of tests are.
CORTEX_M0 = Platform(
    name="cortex-m0",
    core="cortex-m0",
    driver="cortex_m.c",
    runner=(
        "qemu-system-arm",
        *("-machine", "microbit"),
        *("-global", "nrf51-soc.flash-size=0x400000", "-global", "nrf51-soc.sram-size=0x400000"),
        *("-nographic", "-monitor", "none", "-serial", "none"),
        *("-semihosting-config", "enable=on,target=native"),
        "-kernel",
    ),
    link_flags=("-Wl,-e,Reset_Handler", f"-Wl,-T,{_HARNESS / 'cortex_m.ld'}"),
)
# AArch64 with dot products: only the tests of the kernels that use these run there.
CORTEX_A76 = Platform(
    name="cortex-a76",
    core="cortex-a76",
    driver="linux.c",
    runner=("qemu-aarch64", "-cpu", "cortex-a76"),
)
# RISC-V, for tests/kernels/test_*_rv32.py. In user mode: the instructions are a board's, without
# its memory around them. Ibex has no more extensions than the core's profile.
RV32IMC = Platform(
    name="rv32imc",
    core="rv32imc",
    driver="linux.c",
    runner=("qemu-riscv32", "-cpu", "lowrisc-ibex"),
)
ALL_PLATFORMS = (*PLATFORMS, CORTEX_M0, CORTEX_A76, RV32IMC)
# Ends with a report where a kernel touches what lies beside an array, whatever it does with what
# it read. Debian's GCC, since zig brings no run-time library for this.
X86_ADDRESSES = Platform(
    name="x86-64-addresses",
    core="x86-64",
    driver="hosted.c",
    compiler="gcc",
    compile_flags=(
        *("-O1", "-g", "-march=x86-64-v3", "-ffp-contract=off", "-fno-strict-aliasing"),
        *("-Wall", "-Wextra", "-Werror", "-fsanitize=address,undefined"),
        "-fno-sanitize-recover=all",
    ),
)
each_platform = pytest.mark.parametrize("platform", PLATFORMS, ids=lambda p: p.name)


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


def runner_of(platform: Platform) -> list[str]:
    """The command that runs a program of `platform`; skips where this machine has none."""
    if platform.runner:
        program, *arguments = platform.runner
        return [str(require_program(program)), *arguments]
    if (host.system(), host.machine()) != ("Linux", "x86_64"):
        pytest.skip(f"{MISSING}Linux on {platform.core}, to run its programs")
    return []


def kernel_outputs(
    platform: Platform, cases: Sequence[Case], folder: Path
) -> list[dict[str, Outputs]]:
    """For each case, its outputs by kernel variant; skips where `platform` cannot run here.

    An operator that takes several calls is run once for each way to choose the n-th variant
    of every call; the key then joins the symbols.
    """
    runner = runner_of(platform)
    runs = [(case, calls) for case in cases for calls in _choices(case, platform)]
    program = _compile(platform, runs, folder)
    written = _run(platform, [*runner, str(program)])
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


def program_output(
    platform: Platform,
    text: str,
    folder: Path,
    *,
    sources: Sequence[str] = (),
    include: Sequence[Path] = (),
) -> bytes:
    """What a C program writes whose `void run_cases(void)` calls `platform_write`.

    For code that is no kernel: under kernels/common/, or a whole model's `sources`, whose
    headers lie in `include`.
    """
    runner = runner_of(platform)
    return _run(platform, [*runner, str(_compile_text(platform, text, sources, folder, include))])


def _run(platform: Platform, command: Sequence[str]) -> bytes:
    ended = subprocess.run(command, capture_output=True, timeout=_TIMEOUT_S, check=False)
    assert ended.returncode == 0, (
        f"{platform.name}: exit code {ended.returncode}\n{ended.stderr.decode(errors='replace')}"
    )
    return ended.stdout


@cache
def kernel_files() -> Mapping[str, bytes]:
    """Every file under kernels/, by path relative to it."""
    return {
        path.relative_to(_KERNELS).as_posix(): path.read_bytes()
        for path in sorted(_KERNELS.rglob("*"))
        if path.is_file()
    }


@cache
def variants_of(op: str, dtype: str) -> tuple[Variant, ...]:
    """The variants that kernels/<op>/kernels.yaml lists for an element type."""
    own = {path: data for path, data in kernel_files().items() if path.startswith(f"{op}/")}
    common = {path: data for path, data in kernel_files().items() if path.startswith("common/")}
    return tuple(v for v in load_variants(own | common) if v.dtype == dtype)


@cache
def core_features(core: str) -> frozenset[str]:
    """The ISA features of a core under targets/cores/."""
    document = yaml.safe_load((_TARGETS / "cores" / f"{core}.yaml").read_text("utf-8"))
    return frozenset(document["features"])


@cache
def _toolchain_flags(core: str) -> tuple[str, ...]:
    document = yaml.safe_load((_TARGETS / "toolchains" / "zig.yaml").read_text("utf-8"))
    own = document["cores"][core]
    return (*document["compile_flags"], *own["flags"], *own["compile_flags"])


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
    if variant.when and not evaluate(variant.when, call):
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


def _compile(
    platform: Platform,
    runs: Sequence[tuple[Case, list[tuple[KernelCall, Variant]]]],
    folder: Path,
) -> Path:
    variants = {variant.symbol: variant for _, calls in runs for _, variant in calls}
    sources = sorted(
        {str(_KERNELS / path) for v in variants.values() for path in (v.source, *v.parts)}
    )
    return _compile_text(platform, _cases_source(runs), sources, folder)


def _compile_text(
    platform: Platform,
    text: str,
    sources: Sequence[str],
    folder: Path,
    include: Sequence[Path] = (),
) -> Path:
    source = folder / f"cases_{platform.name}.c"
    source.write_text(text, encoding="ascii")
    program = folder / f"cases_{platform.name}.bin"
    zig = (sys.executable, "-m", "ziglang", "cc")
    command = [
        *((str(require_program(platform.compiler)),) if platform.compiler else zig),
        *(() if platform.compiler else _toolchain_flags(platform.core)),
        *(() if include else _WARNINGS),  # kernels are C99, a model's library is C11
        *platform.compile_flags,
        *(word for path in (*include, _KERNELS, _HARNESS) for word in ("-I", str(path))),
        *sources,
        str(source),
        str(_HARNESS / platform.driver),
        *platform.link_flags,
        *("-o", str(program)),
    ]
    ended = subprocess.run(command, capture_output=True, timeout=_TIMEOUT_S, check=False)
    assert ended.returncode == 0, ended.stderr.decode(errors="replace")
    return program


def _cases_source(runs: Sequence[tuple[Case, list[tuple[KernelCall, Variant]]]]) -> str:
    headers = sorted({header for _, c in runs for _, v in c for header in v.prototypes})
    lines = [
        "#include <stdbool.h>",
        "#include <stdint.h>",
        '#include "platform.h"',
        *(f'#include "{header}"' for header in headers),
        "",
        "static int guards_hold(const uint8_t *before, const uint8_t *after) {",
        "  int hold = 1;",
        f"  for (int i = 0; i < {_GUARD_BYTES}; ++i) {{",
        "    hold &= before[i] == 0xA5 && after[i] == 0xA5;",
        "  }",
        "  return hold;",
        "}",
        "",
        "static void set_guards(uint8_t *before, uint8_t *after) {",
        f"  for (int i = 0; i < {_GUARD_BYTES}; ++i) {{",
        "    before[i] = 0xA5;",
        "    after[i] = 0xA5;",
        "  }",
        "}",
    ]
    for number, (case, calls) in enumerate(runs):
        lines += ["", *_run_source(f"run{number}", case, calls)]
    lines += ["", "void run_cases(void) {"]
    lines += [f"  run{number}();" for number in range(len(runs))]
    return "\n".join([*lines, "}", ""])


def _run_source(name: str, case: Case, calls: Sequence[tuple[KernelCall, Variant]]) -> list[str]:
    tensors = case.graph.tensors
    lines: list[str] = []
    names: dict[int, str] = {}
    values = case.values
    for index in sorted({index for call, _ in calls for index in call.inputs} & values.keys()):
        names[index] = f"{name}_tensor{index}"
        lines += _array(names[index], tensors[index].dtype, values[index].tobytes())
    written = sorted({index for call, _ in calls for index in call.outputs})
    for index in written:
        tensor = tensors[index]
        names[index] = f"{name}_tensor{index}.data"
        # The type is that of one element; an empty tensor still needs an address.
        lines += [
            "static struct {",
            f"  uint8_t before[{_GUARD_BYTES}];",
            f"  {tensor.dtype.c_type} data[{max(1, tensor.n_elements)}];",
            f"  uint8_t after[{_GUARD_BYTES}];",
            f"}} {name}_tensor{index} __attribute__((aligned(16)));",
        ]
    body: list[str] = []
    for number, (lowered, variant) in enumerate(calls):
        prefix = f"{name}_call{number}"
        call = packed(variant, lowered)
        fields = "".join(f"  .{field} = {_literal(value)},\n" for field, value in call.parameters)
        lines += [f"static const {variant.struct} {prefix}_parameters = {{\n{fields}}};"]
        for constant in call.constants:
            lines += _array(f"{prefix}_{constant.name}", constant.dtype, constant.data)
        arguments = [f"&{prefix}_parameters"]
        arguments += [names[index] for index in call.inputs]
        arguments += [f"{prefix}_{constant.name}" for constant in call.constants]
        arguments += [names[index] for index in call.outputs]
        scratch_bytes = int(evaluate(variant.scratch_bytes, lowered))
        if variant.takes_scratch:
            size = max(1, scratch_bytes)
            lines += [f"static uint8_t {prefix}_scratch[{size}] __attribute__((aligned(16)));"]
            arguments.append(f"{prefix}_scratch")
        body.append(f"  {variant.symbol}({', '.join(arguments)});")
    guards = [
        f"{name}_tensor{index}.before, (uint8_t *)&{name}_tensor{index}.data"
        f"[{tensors[index].n_elements}]"
        for index in written
    ]
    return [
        *lines,
        f"static void {name}(void) {{",
        "  uint8_t hold = 1;",
        *(f"  set_guards({guard});" for guard in guards),
        *body,
        *(f"  hold &= (uint8_t)guards_hold({guard});" for guard in guards),
        "  platform_write(&hold, 1);",
        *(
            f"  platform_write({names[index]}, {tensors[index].n_bytes});"
            for index in case.op.outputs
        ),
        "}",
    ]


def _array(name: str, dtype: DType, data: bytes) -> list[str]:
    # Kernels take a half-precision number as its bits.
    stored = "<u2" if dtype is DType.FLOAT16 else numpy_dtype(dtype)
    values = np.frombuffer(data, stored).tolist() or [0]
    literal = float.hex if dtype is DType.FLOAT64 else _literal
    listed = [literal(value) for value in values]
    lines = [", ".join(listed[start : start + 20]) for start in range(0, len(listed), 20)]
    return [
        f"static const {dtype.c_type} {name}[] __attribute__((aligned(16))) = {{",
        ",\n".join(lines),
        "};",
    ]


def _literal(value: float) -> str:
    if not isinstance(value, int):
        if math.isnan(value):
            return '__builtin_nanf("")'
        if math.isinf(value):
            return "__builtin_inff()" if value > 0 else "-__builtin_inff()"
        return f"{value.hex()}f"
    # -2147483648 is a unary minus on a number that does not fit an int.
    if value in {-(2**31), -(2**63)}:
        return f"({value + 1} - 1)"
    return str(int(value))
