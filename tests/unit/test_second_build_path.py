"""The second build of a release finds the same modules as the first."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from anvil.pipeline.twice import search_path
from anvil.resources import package_parent

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_where_python_was_told_to_look_holds_in_another_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(("libraries", "", "/opt/more")))
    places = [package_parent(), str(tmp_path / "libraries"), "/opt/more"]
    assert search_path() == os.pathsep.join(places)
    monkeypatch.delenv("PYTHONPATH")
    assert search_path() == package_parent()
