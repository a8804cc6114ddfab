"""Nanoseconds of single kernel calls on this computer, natively and in Node."""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import struct
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from anvil import process
from benchmarks.costs.measure import build, data, program_of

if TYPE_CHECKING:
    from anvil.core.plan import Plan

_TIMEOUT_S = 600.0
_CALL = b"    {{ call.symbol }}(\n"
_ONE_CALL = b"    if (cost_call < 0 || cost_call == {{ loop.index0 }}) {{ call.symbol }}(\n"
_RUN = b"void {{ name }}_run(void) {\n"
_EXPORT = b"""
extern int cost_call;
EXPORT(run_call) void export_run_call(int call, int n_times)
{
    cost_call = call;
    for (int i = 0; i < n_times; i++) {
        {{ name }}_run();
    }
}
"""
_MAIN = b"""
#include <{{ name }}.h>
#include "system.h"

extern int cost_call;

/* The best of nine means, in nanoseconds; of no call, where there is none of that number. */
static double time_of(int call)
{
    double best = 1e18;
    uint64_t n_times = 1;
    cost_call = call;
    for (int turn = 0; turn < 9;) {
        const uint64_t start = system_nanoseconds();
        for (uint64_t i = 0; i < n_times; i++) {
            {{ name }}_run();
        }
        const uint64_t spent = system_nanoseconds() - start;
        if (spent < 200000u) {
            n_times *= 2;
            continue;
        }
        const double mean = (double)spent / (double)n_times;
        best = mean < best ? mean : best;
        turn++;
    }
    return best;
}

/* Writes the nanoseconds of each call, as doubles, without what a run costs that calls nothing. */
int program(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    for (int i = 0; i < {{ upper }}_N_INPUTS; i++) {
        uint8_t *const bytes = {{ name }}_input(i);
        for (size_t k = 0; k < {{ name }}_input_bytes(i); k++) {
            bytes[k] = (uint8_t)(k * 37u >> 1);
        }
    }
    const double nothing = time_of(N_CALLS);
    for (int call = 0; call < N_CALLS; call++) {
        const double spent = time_of(call) - nothing;
        const double least = spent < 1.0 ? 1.0 : spent;
        (void)system_write(STANDARD_OUTPUT, &least, sizeof least);
    }
    return 0;
}
"""
_NODE = """
import { readFileSync } from "node:fs";
const { instance } = await WebAssembly.instantiate(readFileSync(process.argv[2]));
const { run_call: run } = instance.exports;
const n_calls = Number(process.argv[3]);
// The best of nine means, in nanoseconds; of no call, where there is none of that number.
function timeOf(call) {
  run(call, 300);
  let best = Infinity;
  let times = 1;
  for (let turn = 0; turn < 9; turn++) {
    let spent = 0;
    for (;;) {
      const start = performance.now();
      run(call, times);
      spent = performance.now() - start;
      if (spent > 0.5) break;
      times *= 2;
    }
    best = Math.min(best, (spent * 1e6) / times);
  }
  return best;
}
const found = [];
for (let call = 0; call < n_calls; call++) {
  found.push(timeOf(call));
}
// V8 compiles anew what ran often: only now is it as fast as it was for the calls.
const nothing = timeOf(n_calls);
console.log(JSON.stringify(found.map((spent) => Math.max(spent - nothing, 1))));
"""


def machine() -> str:
    """The processor that times hold for, as Linux names it."""
    text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    found = re.search(r"^model name\s*: (.*)$", text, re.MULTILINE)
    return found[1] if found else platform.machine()


def nanoseconds(plan: Plan) -> list[float]:
    """The time of each call of the plan by itself, the fastest of several measurements."""
    templates = dict(data("templates"))
    library = templates["library/model.c.j2"]
    assert library.count(_CALL) == 1
    assert library.count(_RUN) == 1
    library = library.replace(_CALL, _ONE_CALL).replace(_RUN, b"int cost_call = -1;\n" + _RUN)
    templates["library/model.c.j2"] = library
    if plan.target.build == "web":
        templates["web/exports.c.j2"] += _EXPORT
        program = program_of(plan, build(plan, templates))
        return _in_node(program, len(plan.calls))
    n_calls = f"#define N_CALLS {len(plan.calls)}\n".encode()
    templates["cmake/main.c.j2"] = n_calls + _MAIN
    program = program_of(plan, build(plan, templates))
    return _native(program, len(plan.calls))


def _native(program: bytes, n_calls: int) -> list[float]:
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "program"
        path.write_bytes(program)
        path.chmod(0o755)
        answer = _output([str(path)], Path(name))
    return list(struct.unpack(f"<{n_calls}d", answer))


def _in_node(program: bytes, n_calls: int) -> list[float]:
    node = shutil.which("node")
    assert node is not None
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "module.wasm").write_bytes(program)
        (folder / "run.mjs").write_text(_NODE, encoding="utf-8")
        answer = _output([node, "run.mjs", "module.wasm", str(n_calls)], folder)
    found: list[float] = json.loads(answer)
    return found


def _output(argv: list[str], folder: Path) -> bytes:
    completed = process.run(
        argv,
        cwd=folder,
        environment={"PATH": os.environ["PATH"]},
        stdin=b"",
        timeout_s=_TIMEOUT_S,
    )
    if completed.returncode != 0:
        raise RuntimeError(completed.stderr.decode(errors="replace"))
    return completed.stdout
