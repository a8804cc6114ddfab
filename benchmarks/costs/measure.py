"""Builds plans as `anvil build` does, and counts their instructions call by call in QEMU."""

from __future__ import annotations

import functools
import os
import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from anvil import process
from anvil.build.host import HostExecutor
from anvil.build.perform import perform_files
from anvil.cache.location import user_store
from anvil.ops.arrays import numpy_dtype
from anvil.pipeline.build import RECIPES
from anvil.render.cmake import render_cmake
from anvil.render.library import render_library
from anvil.render.platformio import render_platformio
from anvil.render.web import render_web
from anvil.resources import built_in, contents, read_folder
from anvil.verify import protocol, qemu_system
from anvil.verify.instruction_count import compile_counter, counter_options, read_counts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anvil.core.plan import Plan
    from anvil.verify.instruction_count import Block, CountedRun

_RENDERERS = {"platformio": render_platformio, "cmake": render_cmake, "web": render_web}
_TIMEOUT_S = 600.0
_DIGEST = "0" * 64  # it stands in comments alone
_TEXT = re.compile(r"text ([0-9a-f]+) (\S+)\s*(.*)")
QEMU_USER = {"rpi4": ("qemu-aarch64", "-cpu", "cortex-a72")}


@functools.cache
def data(folder: str) -> dict[str, bytes]:
    """Anvil's own kernels/ or templates/."""
    return contents(read_folder(built_in(folder)))


def build(plan: Plan, templates: Mapping[str, bytes] | None = None) -> dict[str, bytes]:
    """The artifacts by path, through Anvil's cache."""
    chosen = templates or data("templates")
    library = render_library(plan, plan_digest=_DIGEST, kernels=data("kernels"), templates=chosen)
    files = _RENDERERS[plan.target.build](
        plan, plan_digest=_DIGEST, library=library, templates=chosen
    )
    store = user_store()
    host = HostExecutor(store=store, cancellation=process.Cancellation())
    recipe = RECIPES[plan.target.build](plan.target, plan.name, store.put_tree(files, frozenset()))
    _, outputs = perform_files(recipe.action, store, lambda _: host)
    return {artifact: outputs[output] for output, artifact in recipe.artifacts}


def program_of(plan: Plan, outputs: Mapping[str, bytes]) -> bytes:
    """The device's ELF file, the Linux program or the .wasm."""
    for name in (f"{plan.name}.elf", plan.name, f"{plan.name}.wasm"):
        if name in outputs:
            return outputs[name]
    raise KeyError(plan.name)


def random_inputs(plan: Plan, seed: int) -> list[bytes]:
    """One random tensor for each input of the plan."""
    rng = np.random.default_rng(seed)
    found = []
    for index in plan.graph.inputs:
        tensor = plan.graph.tensors[index]
        dtype = numpy_dtype(tensor.dtype)
        if dtype.kind == "f":
            values: Any = rng.normal(size=tensor.shape).astype(dtype)
        else:
            limits = np.iinfo(dtype)
            values = rng.integers(limits.min, limits.max, tensor.shape, endpoint=True, dtype=dtype)
        found.append(values.tobytes())
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """A counted run of a plan, and what its instructions are."""

    run: CountedRun
    text: dict[int, tuple[str, str]]  # address -> mnemonic, operands

    @property
    def calls(self) -> tuple[int, ...]:
        """Instructions by call of the plan."""
        return self.run.slot_instructions[1:]

    def cycles(self, model: Mapping[str, Any]) -> tuple[float, ...]:
        """Cycles by call, by the model in the core's profile."""
        return tuple(
            sum(self._block_cycles(block, model) for block in slot) for slot in self.run.slots[1:]
        )

    def _block_cycles(self, block: Block, model: Mapping[str, Any]) -> float:
        cycles = float(model.get("taken_branch", 0)) * block.n_taken
        address = block.address
        addresses = _ADDRESSES.setdefault(id(self.text), sorted(self.text))
        first = int(np.searchsorted(addresses, address))
        for at in addresses[first : first + block.n_instructions]:
            cycles += instruction_cycles(*self.text[at], model) * block.n_times
        return cycles


_ADDRESSES: dict[int, list[int]] = {}


def instruction_cycles(mnemonic: str, operands: str, model: Mapping[str, Any]) -> float:
    """Cycles of one instruction: of the longest name in `classes` that it begins with."""
    classes: Mapping[str, float] = model.get("classes", {})
    fitting = [name for name in classes if mnemonic.startswith(name)]
    cycles = float(classes[max(fitting, key=len)]) if fitting else float(model["instruction"])
    if "{" in operands:  # a list of registers
        cycles += float(model.get("per_register", 0)) * n_registers(operands)
    return cycles


def n_registers(operands: str) -> int:
    """Registers in a list such as {r4-r7, lr}, in words of 32 bits.

    >>> n_registers("sp!, {r4, r5, r6, lr}"), n_registers("{d8-d9}")
    (4, 4)
    """
    numbers = {"sb": 9, "sl": 10, "fp": 11, "ip": 12, "sp": 13, "lr": 14, "pc": 15}

    def number(name: str) -> int:
        return numbers[name] if name in numbers else int(name[1:])

    total = 0
    for part in operands[operands.index("{") + 1 : operands.index("}")].split(","):
        first, _, last = part.strip().partition("-")
        count = number(last) - number(first) + 1 if last else 1
        total += count * (2 if first.startswith("d") else 1)
    return total


def count(plan: Plan, outputs: Mapping[str, bytes], seed: int) -> Counted:
    """Run the plan's program once on random inputs, with every call counted."""
    inputs = random_inputs(plan, seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        log = folder / "log.txt"
        plugin = compile_counter(folder)
        assert plugin is not None
        if plan.target.build == "platformio":
            program = folder / "program.elf"
            program.write_bytes(outputs[f"emulator/{plan.name}.elf"])
            qemu = shutil.which("qemu-system-arm")
            assert qemu is not None
            argv = qemu_system.command(qemu, plan.target.emulator, program, count=False)
            hello = protocol.Frame(kind=protocol.MessageType.HELLO, sequence=0, payload=b"")
            invoke = protocol.Frame(
                kind=protocol.MessageType.INVOKE, sequence=1, payload=b"".join(inputs)
            )
            stdin = protocol.encode(hello) + protocol.encode(invoke)
        else:
            program = folder / "program"
            program.write_bytes(program_of(plan, outputs))
            program.chmod(0o755)
            argv = [*QEMU_USER[plan.target.name], str(program)]
            stdin = b"".join(inputs)
        options = counter_options(
            plugin, log, program.read_bytes(), f"{plan.name}_run", by_kernel=True
        )
        assert options is not None
        options[-1] += ",disassemble=on"
        completed = process.run(
            [argv[0], *options, *argv[1:]],
            cwd=folder,
            environment={"PATH": os.environ["PATH"]},
            stdin=stdin,
            timeout_s=_TIMEOUT_S,
        )
        text = log.read_text(encoding="ascii")
        assert completed.returncode == 0, (completed, text[-500:])
    (run,) = read_counts(text)
    assert len(run.slots) == len(plan.calls) + 1, "every call enters one kernel"
    lines = (_TEXT.match(line) for line in text.splitlines())
    return Counted(run=run, text={int(m[1], 16): (m[2], m[3]) for m in lines if m is not None})
