"""Runs whole models on the machines of platforms.py, as the library that Anvil renders."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from anvil.ops.arrays import numpy_dtype
from tests.support import projects
from tests.support.compiled_program import program_output
from tests.support.platforms import Platform

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy.typing as npt

    from anvil.core.plan import Plan

    Array = npt.NDArray[Any]

_COPY = """
static void copy(void *target, const uint8_t *source, size_t n_bytes) {
  for (size_t i = 0; i < n_bytes; ++i) {
    ((uint8_t *)target)[i] = source[i];
  }
}

static void run(const uint8_t *values) {
  for (int i = 0; NAME_input_bytes(i) != 0; ++i) {
    copy(NAME_input(i), values, NAME_input_bytes(i));
    values += NAME_input_bytes(i);
  }
  NAME_run();
  for (int i = 0; NAME_output_bytes(i) != 0; ++i) {
    platform_write(NAME_output(i), NAME_output_bytes(i));
  }
}
"""


def model_outputs(
    platform: Platform, plan: Plan, batches: Sequence[Sequence[Array]], folder: Path
) -> list[tuple[Array, ...]]:
    """The outputs for each batch of inputs; skips where `platform` cannot run here.

    The plan decides kernels and memory, so that it has to be one for the platform's core.
    """
    assert plan.target.core.name == platform.core
    rendered = projects.render_library_alone(plan)
    projects.write(rendered, folder)
    sources = sorted(str(folder / path) for path in rendered if path.endswith(".c"))
    written = program_output(
        platform,
        _program(plan, batches),
        folder,
        sources=sources,
        include=[folder / "library" / name for name in ("include", "src", "kernels")],
    )
    outputs = []
    for _ in batches:
        arrays = []
        for index in plan.graph.outputs:
            tensor = plan.graph.tensors[index]
            data, written = written[: tensor.n_bytes], written[tensor.n_bytes :]
            arrays.append(np.frombuffer(data, numpy_dtype(tensor.dtype)).reshape(tensor.shape))
        outputs.append(tuple(arrays))
    assert written == b""
    return outputs


def _program(plan: Plan, batches: Sequence[Sequence[Array]]) -> str:
    lines = ["#include <stddef.h>", "#include <stdint.h>"]
    lines += ['#include "platform.h"', f'#include "{plan.name}.h"']
    for number, batch in enumerate(batches):
        data = b"".join(np.ascontiguousarray(values).tobytes() for values in batch)
        lines.append(f"static const uint8_t batch{number}[] = {{")
        lines += [
            ",".join(map(str, data[start : start + 64])) + "," for start in range(0, len(data), 64)
        ]
        lines.append("};")
    lines.append(_COPY.replace("NAME", plan.name))
    lines.append("void run_cases(void) {")
    lines += [f"  run(batch{number});" for number in range(len(batches))]
    return "\n".join([*lines, "}", ""])
