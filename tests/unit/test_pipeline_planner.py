"""Targets that are planned at once do not disturb each other."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.support.programs import ROOT

_PLAN_IN_PARALLEL = """
import gc, sys, threading, time
from pathlib import Path
from anvil.pipeline.sources import read_sources
from anvil.pipeline.planning import Planning
from anvil.pipeline.load import load_workspace
from anvil.process import Cancellation

workspace = load_workspace(
    project=Path(), out=Path(sys.argv[1]), names=None, cancellation=Cancellation()
).workspace
planner = Planning(workspace, read_sources(workspace), print)
plans = {}

def plan_deep(request, frames):
    if frames:
        plan_deep(request, frames - 1)
    else:
        plans[request.target.name] = planner(request)

failures = []
threading.excepthook = failures.append
threads = [
    threading.Thread(target=plan_deep, args=(request, 4 * n))
    for n, request in enumerate(workspace.project.targets)
]
# The collector runs often, and lets other threads run whenever it does.
gc.callbacks.append(lambda *_: time.sleep(0.0001))
gc.set_threshold(500)
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
gc.disable()
assert not failures, failures[0].exc_value
assert len(plans) == 4 and all("plan.json" in files for files in plans.values())
"""


def test_four_targets_at_once(tmp_path: Path) -> None:
    # In Python 3.11 the first calls of ast.parse of a process must not come from two threads.
    ended = subprocess.run(
        [sys.executable, "-c", _PLAN_IN_PARALLEL, str(tmp_path / "out")],
        cwd=ROOT,
        capture_output=True,
        check=False,
        env={"ANVIL_CACHE_DIR": str(tmp_path / "cache"), "PATH": "", "PYTHONPATH": str(ROOT)},
    )
    assert ended.returncode == 0, ended.stderr.decode()
