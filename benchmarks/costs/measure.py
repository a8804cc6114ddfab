"""Builds plans as `anvil build` does, and counts their instructions call by call in QEMU."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from anvil import process
from anvil.build.host import HostExecutor
from anvil.build.perform import perform_files
from anvil.cache.location import user_store
from anvil.ops.arrays import numpy_dtype
from anvil.pipeline.artifacts import port_of
from anvil.pipeline.build import RECIPES
from anvil.render.cmake import render_cmake
from anvil.render.library import render_library
from anvil.render.platformio import render_platformio
from anvil.render.web import render_web
from anvil.resources import built_in, contents, read_folder
from anvil.verify.call_counts import count_calls
from anvil.verify.invocation import Invocation

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anvil.core.plan import Plan
    from anvil.verify.cycles import CountedCalls

_RENDERERS = {"platformio": render_platformio, "cmake": render_cmake, "web": render_web}
_TIMEOUT_S = 600.0
_DIGEST = "0" * 64  # it stands in comments alone


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


def count(plan: Plan, outputs: Mapping[str, bytes], seed: int) -> CountedCalls:
    """Run the plan's program once on random inputs, with every call counted."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for path, content in outputs.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(content)
            (folder / path).chmod(0o755)
        invocation = Invocation(
            name=plan.name,
            target=plan.target.name,
            folder=folder,
            emulator=plan.target.emulator,
            inputs=tuple(port_of(plan.graph.tensors[index]) for index in plan.graph.inputs),
            outputs=tuple(port_of(plan.graph.tensors[index]) for index in plan.graph.outputs),
            batches=(tuple(random_inputs(plan, seed)),),
            count=False,
            timeout_s=_TIMEOUT_S,
        )
        return count_calls(invocation, n_calls=len(plan.calls))
