"""Bad locks with the exact words for them: tests/failing/lock_*.

A case is a folder with anvil.lock and expected.txt.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from anvil.core.diagnostics import AnvilError, ExitCode
from anvil.pipeline.lock_file import parse_lock
from tests.support.configuration import as_text, schemas
from tests.support.programs import ROOT

if TYPE_CHECKING:
    from tests.support.golden import Golden

FAILING = ROOT / "tests" / "failing"
CASES = sorted(path.name for path in FAILING.glob("lock_*"))


def test_there_are_cases() -> None:
    assert len(CASES) > 12


@pytest.mark.parametrize("case", CASES)
def test_a_bad_lock_is_explained(case: str, golden: Golden) -> None:
    content = (FAILING / case / "anvil.lock").read_bytes()
    with pytest.raises(AnvilError) as caught:
        parse_lock(content, "anvil.lock", schemas())
    assert caught.value.exit_code is ExitCode.BAD_INPUT
    golden.check(f"{case}/expected.txt", as_text(caught.value.diagnostics), folder="failing")
