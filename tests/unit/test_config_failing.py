"""Bad configurations with the exact words for them: tests/failing/config_*.

A case is a folder with anvil.yaml, sometimes targets/ beside it and asked.txt with the
names of --target, and expected.txt.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
import yaml

from anvil.config.profiles import SourceFile
from anvil.config.project import load_project
from anvil.core.diagnostics import AnvilError, ExitCode
from tests.support.configuration import as_text, built_in, root_of, schemas
from tests.support.programs import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.golden import Golden

FAILING = ROOT / "tests" / "failing"
CASES = sorted(path.name for path in FAILING.glob("config_*"))


def outcome(folder: Path) -> str:
    """The diagnostics where nothing is built, else what is built and what failed."""
    asked = folder / "asked.txt"
    try:
        loaded = load_project(
            SourceFile(file="anvil.yaml", content=(folder / "anvil.yaml").read_bytes()),
            roots=[root_of(folder / "targets", "targets"), built_in()],
            schemas=schemas(),
            targets=asked.read_text().split() if asked.exists() else None,
        )
    except AnvilError as error:
        exit_code, text = error.exit_code, as_text(error.diagnostics)
    else:
        built = " ".join(request.target.name for request in loaded.project.targets)
        failed = (f"failed: {name}\n{as_text(found)}" for name, found in loaded.failures.items())
        return "".join([f"built: {built}\n", *failed])
    assert exit_code is ExitCode.BAD_INPUT
    return text


def test_there_are_cases() -> None:
    assert len(CASES) > 60


@pytest.mark.parametrize("case", CASES)
def test_a_bad_configuration_is_explained(case: str, golden: Golden) -> None:
    found = outcome(FAILING / case)
    assert ": error: " in found
    golden.check(f"{case}/expected.txt", found, folder="failing")


@pytest.mark.parametrize("case", CASES)
def test_both_yaml_parsers_give_the_same_words(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def without_columns(text: str) -> str:
        # The two notice a wrong escape at its first and at its second character.
        return re.sub(r":[0-9]+: error:", ": error:", text)

    expected = (FAILING / case / "expected.txt").read_text()
    monkeypatch.delattr(yaml, "CSafeLoader")
    assert without_columns(outcome(FAILING / case)) == without_columns(expected)
