"""What a lock is collected from covers what builds are made of."""

from __future__ import annotations

import re

from anvil.pipeline.build import RECIPES
from anvil.pipeline.found_lock import _PLANNER, WHEELS, references
from anvil.pipeline.sources import _LIBRARIES
from tests.support.locks import sha
from tests.support.programs import ROOT


def test_every_tool_of_an_action_is_locked() -> None:
    named = {
        tool
        for path in (ROOT / "anvil" / "build").glob("*.py")
        for tool, _ in re.findall(r'\("([a-z-]+)", "([0-9.]+)"\)', path.read_text(encoding="utf-8"))
    }
    assert {"platformio", "cmake", "ninja"} <= named
    assert named | set(_LIBRARIES) <= {*WHEELS, "ai-edge-litert"}  # which is a quantizer


def test_every_recipe_is_the_planner_s() -> None:
    files = {recipe.__module__.replace(".", "/") + ".py" for recipe in RECIPES.values()}
    for file in sorted(files):
        text = (ROOT / file).read_text(encoding="utf-8")
        used = re.findall(r"^ *from (anvil\.build\.\w+) import", text, re.MULTILINE)
        files |= {f"{name.replace('.', '/')}.py" for name in used}
    assert {file.removeprefix("anvil/") for file in files} <= set(_PLANNER)
    assert all((ROOT / "anvil" / part).exists() for part in _PLANNER)


def test_two_files_of_one_name_are_told_apart_by_their_targets() -> None:
    found = references(
        {"a": ("int8", sha(1)), "b": ("mixed", sha(2)), "c": ("mixed", sha(3))}, {"int8": sha(1)}
    )
    assert found.references == {"a": "int8", "b": "mixed@b", "c": "mixed@c"}
    assert found.models == {"int8": sha(1), "mixed@b": sha(2), "mixed@c": sha(3)}


def test_a_pinned_file_keeps_its_name() -> None:
    found = references({"a": ("mixed", sha(2)), "b": ("mixed", sha(3))}, {"mixed": sha(3)})
    assert found.references == {"a": "mixed@a", "b": "mixed"}
