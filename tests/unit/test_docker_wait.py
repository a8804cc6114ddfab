"""Waiting for a container: until its end, its time or Ctrl-C, whatever clock there is."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time

import pytest

from anvil.build.conditions import find_faketime, variables
from anvil.build.docker import finished
from anvil.core.executor import Conditions
from anvil.process import Cancellation
from tests.support.programs import ROOT

_PROGRAM = """
import threading
from anvil.build.docker import finished
from anvil.process import Cancellation

forever = threading.Event().wait
print(finished(lambda: None, 60, Cancellation()), finished(forever, 0.1, Cancellation()))
cancellation = Cancellation()
cancellation.cancel()
try:
    finished(forever, 60, cancellation)
except KeyboardInterrupt:
    print("interrupted")
"""


def test_an_end_a_timeout_and_a_problem() -> None:
    assert finished(lambda: time.sleep(0.2), 60, Cancellation())
    assert not finished(threading.Event().wait, 0.1, Cancellation())
    with pytest.raises(ZeroDivisionError):
        finished(lambda: 1 // 0, 60, Cancellation())


@pytest.mark.skipif(find_faketime() is None, reason="libfaketime is not installed")
def test_it_ends_under_the_clock_of_a_second_build() -> None:
    clock = variables(Conditions(clock_offset_s=401 * 86_400), find_faketime())
    ended = subprocess.run(
        [sys.executable, "-c", _PROGRAM],
        cwd=ROOT,
        env={**os.environ, **clock},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert ended.stdout.split() == ["True", "False", "interrupted"]
