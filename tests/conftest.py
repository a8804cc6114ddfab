"""Fixtures and the closing summary of what was left out."""

from __future__ import annotations

import signal
import sys
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from tests.support.golden import Golden
from tests.support.programs import MISSING, require_program, require_shared_model

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def pytest_configure() -> None:
    # A shell starts its background jobs with these ignored, and so would be what tests start.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden",
        action="store_true",
        help="write the expected files anew instead of comparing with them",
    )


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    counts: Counter[str] = Counter()
    for report in terminalreporter.stats.get("skipped", []):
        if isinstance(report.longrepr, tuple):
            reason = str(report.longrepr[2]).removeprefix("Skipped: ")
            if reason.startswith(MISSING):
                counts[reason.removeprefix(MISSING)] += 1
    if counts:
        terminalreporter.section("left out for what this machine lacks")
        for what, n_tests in sorted(counts.items()):
            terminalreporter.line(f"{n_tests} test{'s' * (n_tests > 1)}: {what}")


def pytest_unconfigure() -> None:
    # Also after an interruption; imported only where it was used.
    engine = sys.modules.get("tests.support.engine")
    if engine is not None:
        engine.stop_own()


@pytest.fixture
def shared_model() -> Callable[[str], Path]:
    """`shared_model("kws.int8.tflite")`: its path, or the test is left out, counted."""
    return require_shared_model


@pytest.fixture
def program() -> Callable[[str], Path]:
    """`program("qemu-aarch64")`: its path, or the test is left out, counted by name."""
    return require_program


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Golden:
    """`golden.check("kws/plan.json", content)`: compares with tests/golden/kws/plan.json."""
    return Golden(update=bool(request.config.getoption("--update-golden")))
