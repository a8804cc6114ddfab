"""Cost tables: what kernels and programs cost on one core with one toolchain.

A table is targets/costs/CORE.TOOLCHAIN.yaml, written by benchmarks/fit_costs.py from real
builds and counted runs. It holds only for the compiler and the flags that it names, and each
of its kernels only for the source that it was measured on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from anvil.core.diagnostics import AnvilError, Diagnostic
from anvil.core.digest import key_of
from anvil.core.plan import SPECIALISED
from anvil.plan.yaml_data import load_yaml

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anvil.core.plan import Variant
    from anvil.core.target import Target, Toolchain
    from anvil.plan.features import Linear

COSTS_FOLDER = "costs"


@dataclass(frozen=True, slots=True, kw_only=True)
class HelperCost:
    """A function of the compiler's runtime library, linked once."""

    code_bytes: int
    stack_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelCost:
    """One kernel variant; a linear function is over the names of features.py.

    Of a specialised one, `code_bytes` are those of the largest copy that was measured.
    """

    source_digest: str
    code_bytes: int  # instructions and constants of its own
    stack_bytes: int  # of the deepest call inside it, helpers included
    helpers: tuple[str, ...]
    instructions: Linear | None
    cycles: Linear | None
    nanoseconds: Linear | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgramCost:
    """What one kind of project adds to its kernels; linear over the names of predict.py."""

    code_bytes: Linear
    helpers: tuple[str, ...]
    data_bytes: Linear
    bss_bytes: int  # without the arena and a reserved stack
    stack_bytes: Linear  # down to a kernel, with an interrupt on top
    least_stack_bytes: int  # of what does not run the model
    reserved_stack_bytes: int | None  # where the build reserves one, whatever the board
    instructions: int  # of NAME_run itself, up to its first call


@dataclass(frozen=True, slots=True, kw_only=True)
class CostTable:
    """The costs on one core with one toolchain."""

    kernels: Mapping[str, KernelCost]  # by symbol
    helpers: Mapping[str, HelperCost]
    programs: Mapping[str, ProgramCost]  # by kind of project: platformio, cmake, web

    def kernel(self, variant: Variant, *, is_specialised: bool = False) -> KernelCost | None:
        """What is known of a variant as it is now; None where its source has changed."""
        cost = self.kernels.get(variant.symbol + (SPECIALISED if is_specialised else ""))
        return cost if cost is not None and cost.source_digest == variant.digest else None


def flags_digest(toolchain: Toolchain) -> str:
    """SHA-256 of what decides on a kernel's code besides its source and the compiler."""
    return key_of([toolchain.core_flags, toolchain.compile_flags])


def table_path(target: Target) -> str:
    """The table of a target, relative to a targets/ folder."""
    return f"{COSTS_FOLDER}/{target.core.name}.{target.toolchain.name}.yaml"


def load_costs(profiles: Mapping[str, bytes], target: Target) -> CostTable | None:
    """The table of the target's core and toolchain; None where there is none that holds.

    profiles: the files under one or more targets/ folders, by path relative to it. Raises
    AnvilError where the table is not one.
    """
    import yaml  # noqa: PLC0415  only where something has to be planned

    path = table_path(target)
    if path not in profiles:
        return None
    try:
        document = load_yaml(profiles[path])
        fitted = document["fitted"]
        if (fitted["package"], str(fitted["version"]), fitted["flags"]) != (
            target.toolchain.package,
            target.toolchain.version,
            flags_digest(target.toolchain),
        ):
            return None
        return CostTable(
            kernels={name: _kernel(value) for name, value in document["kernels"].items()},
            helpers={
                name: HelperCost(code_bytes=int(value["code"]), stack_bytes=int(value["stack"]))
                for name, value in document["helpers"].items()
            },
            programs={name: _program(value) for name, value in document["programs"].items()},
        )
    except (yaml.YAMLError, KeyError, TypeError, ValueError, AttributeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise AnvilError(
            Diagnostic(
                code="costs.invalid",
                message=f"this is no cost table: {type(error).__name__} {reason}",
                file=f"targets/{path}",
                hint="write it anew with benchmarks/fit_costs.py; schemas/costs.schema.json "
                "says what it holds",
            )
        ) from error


def _kernel(value: Mapping[str, Any]) -> KernelCost:
    return KernelCost(
        source_digest=str(value["source"]),
        code_bytes=int(value["code"]),
        stack_bytes=int(value["stack"]),
        helpers=tuple(value.get("helpers", ())),
        instructions=_linear(value.get("instructions")),
        cycles=_linear(value.get("cycles")),
        nanoseconds=_linear(value.get("nanoseconds")),
    )


def _program(value: Mapping[str, Any]) -> ProgramCost:
    return ProgramCost(
        code_bytes=_linear(value["code"]) or (),
        helpers=tuple(value.get("helpers", ())),
        data_bytes=_linear(value["data"]) or (),
        bss_bytes=int(value["bss"]),
        stack_bytes=_linear(value["stack"]) or (),
        least_stack_bytes=int(value["least_stack"]),
        reserved_stack_bytes=value.get("reserved_stack"),
        instructions=int(value["instructions"]),
    )


def _linear(value: Mapping[object, float] | None) -> Linear | None:
    if value is None:
        return None
    return tuple((str(expression), float(number)) for expression, number in value.items())
