"""Projects for GCC: what their build files say of it, as users find them."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from anvil.render.cmake import render_cmake
from anvil.render.platformio import render_platformio
from anvil.resources import built_in, contents, read_folder
from tests.support import projects
from tests.support.graphs import small_network

if TYPE_CHECKING:
    from tests.support.golden import Golden

RENDERERS = {"nrf52840": render_platformio, "rpi4": render_cmake}
BUILD_FILES = {
    "nrf52840": (
        "README.md",
        "platformio.ini",
        "platformio/platforms/anvil/boards/nrf52840_dk.json",
    ),
    "rpi4": ("CMakeLists.txt", "CMakePresets.json", "README.md", "cmake/gcc.cmake"),
}


def render(target: str, toolchain: str) -> dict[str, bytes]:
    plan = projects.plan_of(small_network(), target, toolchain=toolchain)
    return RENDERERS[target](
        plan,
        # Of the same length as a real one, which every decision of the planner changes.
        plan_digest="0" * 64,
        library={"library/src/small.c": b""},
        templates=contents(read_folder(built_in("templates"))),
    )


@pytest.mark.parametrize("target", RENDERERS)
def test_build_files(target: str, golden: Golden) -> None:
    files = render(target, "gcc")
    for path in BUILD_FILES[target]:
        golden.check(f"gcc/{target}/{path.replace('/', '_')}.txt", files[path])


@pytest.mark.parametrize("target", RENDERERS)
def test_nothing_of_zig_is_in_them(target: str) -> None:
    files = render(target, "gcc")
    for path in BUILD_FILES[target]:
        assert re.search(rb"\b(?i:zig)", files[path]) is None, path


@pytest.mark.parametrize("target", RENDERERS)
def test_the_packages_that_give_the_same_bits_are_named(target: str) -> None:
    files = render(target, "gcc")
    for package, version in projects.target(target, "gcc").toolchain.packages:
        assert f"{package}={version}" in files["README.md"].decode()


def test_sources_are_the_same_for_every_compiler() -> None:
    for target, paths in BUILD_FILES.items():
        zig, gcc = render(target, "zig"), render(target, "gcc")
        changed = {path for path in zig.keys() | gcc.keys() if zig.get(path) != gcc.get(path)}
        assert changed - {"cmake/zig.cmake"} <= {*paths}


def test_the_preset_has_the_toolchains_name() -> None:
    presets = json.loads(render("rpi4", "gcc")["CMakePresets.json"])
    assert [preset["name"] for preset in presets["workflowPresets"]] == ["gcc", "native"]
    assert presets["configurePresets"][0]["toolchainFile"].endswith("cmake/gcc.cmake")
