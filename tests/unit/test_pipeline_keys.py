"""What identifies an action: only what its result depends on, and the same everywhere."""

from __future__ import annotations

import json
import sys
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from anvil.core.action import Action, FileNode, Recipe, Tree
from anvil.core.digest import digest_of
from anvil.pipeline.build import RECIPES
from anvil.verify.reference import reference_action
from tests.support import projects
from tests.support.golden import Golden

TARGETS = ["browser", "linux-x86_64", "nrf52840", "rpi4"]
# A project of one file: kernels and templates change often, and are not what is fixed here.
PROJECT = Tree(files=(FileNode(path="library/src/small.c", digest=digest_of(b"int x;\n")),))


def recipe_of(target: str) -> Recipe:
    found = projects.target(target)
    return RECIPES[found.build](found, "small", PROJECT)


def reference_of() -> Action:
    return reference_action(
        model=digest_of(b"model"), inputs=digest_of(b"inputs"), worker=digest_of(b"worker")
    )


def actions() -> dict[str, Action]:
    return {"reference": reference_of()} | {name: recipe_of(name).action for name in TARGETS}


def as_json(action: Action) -> dict[str, object]:
    return {
        "argv": action.argv,
        "environment": action.environment,
        "inputs": action.inputs.as_json(),
        "key": action.key,
        "kind": action.kind,
        "outputs": action.outputs,
        "tools": action.tools,
    }


def test_the_keys_of_actions_change_only_on_purpose(golden: Golden) -> None:
    document = {name: as_json(action) for name, action in sorted(actions().items())}
    golden.check("keys/actions.json", json.dumps(document, indent=2) + "\n")


@pytest.mark.parametrize("name", ["reference", *TARGETS])
def test_no_place_of_this_machine_enters_a_key(name: str) -> None:
    text = json.dumps(as_json(actions()[name]))
    for place in (sys.prefix, str(Path.home()), str(Path.cwd()), sys.executable):
        assert place not in text


@pytest.mark.parametrize("name", ["reference", *TARGETS])
def test_lists_that_enter_a_key_are_sorted(name: str) -> None:
    action = actions()[name]
    assert list(action.environment) == sorted(set(action.environment))
    assert list(action.tools) == sorted(set(action.tools))
    assert list(action.outputs) == sorted(set(action.outputs))


@pytest.mark.parametrize("target", TARGETS)
def test_every_artifact_is_an_output_and_installed_once(target: str) -> None:
    recipe = recipe_of(target)
    installed = [artifact for _, artifact in recipe.artifacts]
    assert len(set(installed)) == len(installed)
    assert {output for output, _ in recipe.artifacts} == set(recipe.action.outputs)


def test_every_field_that_can_change_a_result_changes_the_key() -> None:
    action = reference_of()
    other: dict[str, Any] = {
        "kind": "other",
        "argv": (*action.argv, "--more"),
        "environment": (("A", "b"),),
        "inputs": PROJECT,
        "tools": (("ai-edge-litert", "0"),),
        "outputs": ("other.bin",),
        "timeout_s": 1,
        "warm_up": (("{zig}", "cc"),),
    }
    assert set(other) == {field.name for field in fields(Action)}
    for name, value in other.items():
        changed = replace(action, **{name: value})
        assert (changed.key == action.key) == (name in {"timeout_s", "warm_up"}), name


def test_an_input_s_executable_bit_and_path_change_the_key() -> None:
    action = recipe_of("rpi4").action
    (node,) = PROJECT.files
    changed = [replace(node, executable=True), replace(node, path="library/src/other.c")]
    keys = {replace(action, inputs=Tree(files=(one,))).key for one in changed}
    assert len(keys | {action.key}) == 3
