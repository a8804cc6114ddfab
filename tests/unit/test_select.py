from __future__ import annotations

import subprocess
import sys

import pytest

from anvil.core.plan import KernelCall
from anvil.plan.select import evaluate
from tests.support.programs import ROOT

_CALL = KernelCall(
    op="add",
    dtype="int8",
    parameters=(("depth", 12), ("units", 3)),
    inputs=(),
    constants=(),
    outputs=(),
    n_macs=0,
)


def test_an_expression_over_parameters() -> None:
    assert evaluate("4 * depth + min(units, 2)", _CALL) == 50
    assert evaluate("depth > 8 and units <= 3", _CALL) is True


@pytest.mark.parametrize("wrong", ["depth >", "width", "depth / 0", "'text'", "\0"])
def test_a_wrong_expression_is_a_value_error(wrong: str) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        evaluate(wrong, _CALL)


_PLAN_IN_PARALLEL = """
import gc, sys, threading, time
import simpleeval
from anvil.plan.select import evaluate
from tests.support.programs import ROOT
from tests.unit.test_select import _CALL

def evaluate_deep(frames):
    return evaluate_deep(frames - 1) if frames else evaluate("depth > 8 and units <= 3", _CALL)

failures = []
threading.excepthook = failures.append
threads = [threading.Thread(target=evaluate_deep, args=(n,)) for n in range(0, 32, 4)]
# The collector runs all the time, and lets other threads run whenever it does.
gc.callbacks.append(lambda *_: time.sleep(0.001))
gc.set_threshold(5)
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
gc.disable()
sys.exit(str(failures[0].exc_value) if failures else 0)
"""


def test_targets_planned_in_parallel_do_not_disturb_each_other() -> None:
    # Without a lock, Python 3.11 mostly fails here, in the first calls of the process only.
    ended = subprocess.run(
        [sys.executable, "-c", _PLAN_IN_PARALLEL], cwd=ROOT, capture_output=True, check=False
    )
    assert ended.returncode == 0, ended.stderr.decode()
