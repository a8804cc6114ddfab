"""What the Linux and browser projects look like, without building them."""

from __future__ import annotations

import ast
import dataclasses
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anvil import __version__
from anvil.core.diagnostics import AnvilError
from anvil.core.tensor import DType
from anvil.plan.document import plan_digest
from anvil.render.cmake import c_string, cmake_words
from anvil.render.web import render_web, script_json
from anvil.resources import built_in
from tests.support import projects
from tests.support.graphs import small_network

TARGETS = ["rpi4", "linux-x86_64", "browser"]


@pytest.mark.parametrize("target", TARGETS)
def test_every_file_names_its_template_the_generator_and_the_plan(target: str) -> None:
    plan = projects.plan_of(small_network(), target)
    for path, content in projects.render(plan).items():
        if path.startswith("library/kernels/"):
            continue  # copied as they are
        text = content.decode()
        template = re.search(r"templates/(\w+)/[\w.]+\.j2", text)
        assert template is not None, path
        assert (built_in("templates") / template[0].removeprefix("templates/")).is_file()
        assert f"Anvil {__version__}" in text, path
        assert plan_digest(plan) in text, path


@pytest.mark.parametrize("target", TARGETS)
def test_the_same_plan_gives_the_same_project(target: str) -> None:
    plan = projects.plan_of(small_network(), target)
    assert projects.render(plan) == projects.render(plan)


@pytest.mark.parametrize("target", TARGETS)
def test_a_project_names_no_folder_of_this_machine(target: str) -> None:
    for path, content in projects.render(projects.plan_of(small_network(), target)).items():
        assert str(built_in("templates")).encode() not in content, path


@pytest.mark.parametrize("target", TARGETS)
def test_presets_are_json(target: str) -> None:
    files = projects.render(projects.plan_of(small_network(), target))
    presets = json.loads(files["CMakePresets.json"])
    assert [preset["name"] for preset in presets["workflowPresets"]] == (
        ["zig"] if target == "browser" else ["zig", "native"]
    )


@pytest.mark.parametrize(("target", "other"), [("rpi4", "browser"), ("browser", "rpi4")])
def test_a_core_that_the_kind_of_project_does_not_know(target: str, other: str) -> None:
    plan = projects.plan_of(small_network(), target)
    wrong = dataclasses.replace(
        plan, target=dataclasses.replace(plan.target, core=projects.target(other).core)
    )
    with pytest.raises(AnvilError) as raised:
        projects.render(wrong)
    (diagnostic,) = raised.value.diagnostics
    assert diagnostic.code == "render.unsupported-architecture"
    assert projects.target(other).core.architecture in diagnostic.message
    assert projects.target(target).core.architecture in diagnostic.message


@given(st.text())
def test_a_c_string_is_the_utf_8_of_its_text(text: str) -> None:
    literal = c_string(text)
    assert literal.isascii()
    assert "??" not in literal  # a trigraph
    assert ast.literal_eval("b" + literal).decode() == text


@pytest.mark.parametrize("flag", ["", "-D A", "-DA='b'", '-DA="b"', "-DA;B", "-DA=$HOME", "a\\b"])
def test_a_flag_that_a_shell_would_change_is_refused(flag: str) -> None:
    with pytest.raises(ValueError, match="one plain word"):
        cmake_words(["-O2", flag])


def test_plain_flags_stay_as_they_are() -> None:
    assert cmake_words(["-O2", "-Wl,--build-id=none", "-mcpu=a+b"]) == (
        "-O2 -Wl,--build-id=none -mcpu=a+b"
    )


@given(st.text())
def test_json_in_a_script_cannot_end_it(text: str) -> None:
    shown = script_json({text: text})
    assert "<" not in shown
    assert shown.isascii()
    assert json.loads(shown) == {text: text}


def test_the_module_and_its_types_describe_the_model() -> None:
    graph = small_network()
    files = projects.render(projects.plan_of(graph, "browser"))
    module = files["package/small.mjs"].decode()
    start = module.index("const MODEL = ") + len("const MODEL = ")
    model, _ = json.JSONDecoder().raw_decode(module[start:])
    assert model["name"] == "small"
    assert model["modelSha256"] == projects.MODEL_SHA256
    assert [tensor["dtype"] for tensor in model["inputs"]] == ["float32"]
    assert [tensor["dtype"] for tensor in model["outputs"]] == ["float32", "int8"]
    assert model["inputs"][0]["shape"] == [1, 6, 6, 1]
    assert model["inputs"][0]["elements"] == 36
    assert model["inputs"][0]["scale"] is None
    assert model["outputs"][1]["scale"] == 1 / 256
    assert model["outputs"][1]["zeroPoint"] == -128
    types = files["package/small.d.ts"].decode()
    assert "invoke(input0: Float32Array): [Float32Array, Int8Array];" in types


def test_a_package_lists_what_the_build_leaves() -> None:
    files = projects.render(projects.plan_of(small_network(), "browser"))
    package = json.loads(files["package/package.json"])
    assert package["name"] == "small"
    assert package["type"] == "module"
    assert package["exports"]["."] == {"types": "./small.d.ts", "default": "./small.mjs"}
    assert package["files"] == ["small.mjs", "small.d.ts", "small.wasm"]


def test_javascript_has_no_array_of_half_floats() -> None:
    plan = projects.plan_of(small_network(), "browser")
    tensors = list(plan.graph.tensors)
    library = {path: b"" for path in projects.render(plan) if path.startswith("library/")}
    tensors[0] = dataclasses.replace(tensors[0], dtype=DType.FLOAT16)
    half = dataclasses.replace(plan, graph=dataclasses.replace(plan.graph, tensors=tuple(tensors)))
    with pytest.raises(AnvilError) as raised:
        render_web(half, plan_digest="", library=library, templates={})
    assert [diagnostic.code for diagnostic in raised.value.diagnostics] == [
        "render.unsupported-dtype"
    ]
