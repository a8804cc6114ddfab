"""What is said of two builds that differ."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from anvil.process import Cancellation
from anvil.verify.difference import explain, first_difference
from anvil.verify.stream import find_program
from tests.support.programs import MISSING

if TYPE_CHECKING:
    from pathlib import Path

_FIRST = {"rpi4/text": b"one\ntwo\nthree\n", "rpi4/same": b"s", "rpi4/gone": b"g"}
_SECOND = {"rpi4/text": b"one\ntvo\nthree\n", "rpi4/same": b"s", "rpi4/new": b"n"}


def written(folder: Path) -> Path:
    for side, files in (("first", _FIRST), ("second", _SECOND)):
        for path, content in files.items():
            file = folder / side / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
    return folder


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        (b"abc", b"abcd", "differs from byte 3 on: the end and 64; 3 and 4 bytes"),
        (b"", b"a", "differs from byte 0 on: the end and 61; 0 and 1 bytes"),
        (None, b"a", "only the second build made it"),
        (b"a", None, "only the first build made it"),
        (b"a", b"a", "the same bytes, executable in one build alone"),
    ],
)
def test_the_first_difference_is_told(first: bytes | None, second: bytes | None, said: str) -> None:
    assert first_difference(first, second) == said


def test_every_file_that_differs_is_told_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    text = explain(_FIRST, _SECOND, written(tmp_path), Cancellation())
    assert text.splitlines()[:3] == [
        "rpi4/gone: only the first build made it",
        "rpi4/new: only the second build made it",
        "rpi4/text: differs from byte 5 on: 776f0a74687265650a and 766f0a74687265650a",
    ]
    assert "rpi4/same" not in text
    assert "pip install diffoscope" in text


def test_a_diffoscope_that_fails_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "bin" / "diffoscope"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho out of luck >&2\nexit 2\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent))
    text = explain(_FIRST, _SECOND, written(tmp_path / "kept"), Cancellation())
    assert "rpi4/text: differs from byte 5" in text
    assert "exit code 2: out of luck" in text


def test_diffoscope_shows_the_lines(tmp_path: Path) -> None:
    if find_program("diffoscope") is None:
        pytest.skip(f"{MISSING}diffoscope")
    text = explain(_FIRST, _SECOND, written(tmp_path), Cancellation())
    assert "-two" in text
    assert "+tvo" in text
