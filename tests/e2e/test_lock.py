"""anvil lock, and builds that are held to what it wrote."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from anvil.lock.document import Lock, image_section, lock_text
from anvil.pipeline.built_in_schemas import read_schemas
from anvil.pipeline.lock_file import parse_lock
from anvil.pipeline.locked_image import definition_digest
from tests.support.cli import anvil, write_project
from tests.support.locks import IMAGE
from tests.support.programs import ROOT

INT8 = ROOT / "quantized" / "int8.tflite"
TARGETS = "{linux-x86_64: {}, browser: {}}"


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with its lock."""
    folder = tmp_path_factory.mktemp("lock") / "project"
    write_project(folder, "model.tflite", name="digits", targets=TARGETS)
    shutil.copy(INT8, folder / "model.tflite")
    ended = anvil("lock", "--project", folder)
    assert ended.returncode == 0, ended.stderr
    assert "written" in ended.stderr
    return folder


@pytest.fixture
def project(locked: Path, tmp_path: Path) -> Path:
    """A copy of it to change."""
    return Path(shutil.copytree(locked, tmp_path / "copy"))


def contents(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Every file below with its bytes and its time."""
    return {
        str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file()
    }


def lock_of(project: Path) -> Lock:
    path = project / "anvil.lock"
    return parse_lock(path.read_bytes(), str(path), read_schemas()).lock


def rewrite(project: Path, **sections: object) -> None:
    """Give the lock other sections, with a digest that fits."""
    lock = Lock(sections={**lock_of(project).sections, **sections})
    (project / "anvil.lock").write_bytes(lock_text(lock))


def check_refused(project: Path, *names: str) -> None:
    """--check and --locked name the same differences, with a way out for each."""
    before = contents(project)
    checked = anvil("lock", "--check", "--project", project, "--json")
    assert checked.returncode == 1
    document = checked.document()
    assert [row["name"] for row in document["differences"]] == list(names)
    assert [row["path"] for row in document["diagnostics"]] == list(names)
    for row in document["diagnostics"]:
        assert row["severity"] == "error"
        assert row["file"].endswith("anvil.lock")
        assert row["line"] > 1
        entry = re.search(r"anvil lock --update (\S+)`", row["hint"])
        assert entry is not None
        assert row["path"].startswith(entry[1])
    built = anvil("build", "--locked", "--project", project)
    assert built.returncode == 1
    for name in names:
        assert re.search(rf"error: the lock says .*, found .* \[{re.escape(name)}\]", built.stderr)
    assert contents(project) == before


# Writing and checking.


def test_a_lock_names_everything_and_is_written_the_same_again(project: Path) -> None:
    sections = lock_of(project).sections
    assert set(sections["targets"]) == {"linux-x86_64", "browser"}
    assert sections["targets"]["browser"]["candidate"] == "int8"
    assert sections["models"]["int8"] == sections["models"]["source"]
    assert sections["toolchains"]["zig"]["packages"]["ziglang"]["version"] == "0.17.1"
    assert sections["toolchains"]["zig"]["packages"]["ziglang"]["sha256"]
    assert set(sections["toolchains"]["zig"]["cores"]) == {"x86-64", "wasm32"}
    assert all(row["sha256"] for row in sections["wheels"].values())
    assert sections["quantizers"]["ai-edge-litert"]["sha256"]
    before = contents(project)
    again = anvil("lock", "--project", project)
    assert again.returncode == 0
    assert "as it was" in again.stderr
    assert contents(project) == before


def test_the_lock_does_not_depend_on_the_folder_or_the_environment(
    project: Path, tmp_path: Path
) -> None:
    before = (project / "anvil.lock").read_bytes()
    (project / "anvil.lock").unlink()
    ended = anvil("lock", cwd=project, LC_ALL="C", TZ="Asia/Kolkata", HOME=str(tmp_path))
    assert ended.returncode == 0, ended.stderr
    assert (project / "anvil.lock").read_bytes() == before
    assert str(tmp_path).encode() not in before


def test_a_lock_that_holds_is_checked_without_a_trace(project: Path) -> None:
    before = contents(project)
    checked = anvil("lock", "--check", "--project", project, "--json", PATH="/nowhere")
    assert checked.returncode == 0, checked.stdout
    assert checked.document()["differences"] == []
    assert contents(project) == before


def test_what_changed_is_said_when_the_lock_is_written(project: Path) -> None:
    write_project(project, "model.tflite", name="digits", targets="{linux-x86_64: {}}")
    ended = anvil("lock", "--project", project)
    assert "targets.browser: " in ended.stderr
    assert "toolchains.zig.cores.wasm32: " in ended.stderr
    assert ended.returncode == 0
    assert set(lock_of(project).sections["targets"]) == {"linux-x86_64"}


def test_nothing_is_locked_where_a_target_has_no_plan(project: Path) -> None:
    before = (project / "anvil.lock").read_bytes()
    targets = "{linux-x86_64: {}, browser: {requirements: {max_flash: 1 KiB}}}"
    write_project(project, "model.tflite", name="digits", targets=targets)
    ended = anvil("lock", "--project", project)
    assert ended.returncode == 3
    assert "anvil.lock is not written, since there is no plan for browser" in ended.stderr
    assert (project / "anvil.lock").read_bytes() == before


# What --check and --locked refuse.


def other_model(project: Path) -> None:
    content = (project / "model.tflite").read_bytes()
    (project / "model.tflite").write_bytes(content + b"\0")


def own_kernel(project: Path) -> None:
    (project / "kernels" / "pad").mkdir(parents=True)
    (project / "kernels" / "pad" / "note.h").write_text("/* mine */\n")


def own_core(project: Path) -> None:
    (project / "targets" / "cores").mkdir(parents=True)
    core = (ROOT / "targets" / "cores" / "wasm32.yaml").read_text()
    changed = re.sub(r"^features: \[", "features: [more, ", core, flags=re.MULTILINE)
    assert changed != core
    (project / "targets" / "cores" / "wasm32.yaml").write_text(changed)


def other_flags(project: Path) -> None:
    (project / "targets" / "toolchains").mkdir(parents=True)
    profile = (ROOT / "targets" / "toolchains" / "zig.yaml").read_text()
    changed = profile.replace("  - -ffunction-sections\n", "")
    assert changed != profile
    (project / "targets" / "toolchains" / "zig.yaml").write_text(changed)


def stricter(project: Path) -> None:
    path = project / "anvil.yaml"
    path.write_text(path.read_text() + "requirements: {max_flash: 1 MiB}\n")


def more_targets(project: Path) -> None:
    targets = "{linux-x86_64: {}, browser: {}, rpi4: {}}"
    write_project(project, "model.tflite", name="digits", targets=targets)


@pytest.mark.parametrize(
    ("change", "names"),
    [
        (other_model, ["models.source"]),
        (own_kernel, ["kernels.own"]),
        (own_core, ["targets.browser.profile"]),
        (other_flags, ["toolchains.zig.cores.wasm32", "toolchains.zig.cores.x86-64"]),
        (
            stricter,
            [
                "targets.browser.request.max_flash_bytes",
                "targets.linux-x86_64.request.max_flash_bytes",
            ],
        ),
        (more_targets, ["targets.rpi4", "toolchains.zig.cores.cortex-a72"]),
    ],
)
def test_what_differs_is_named(
    project: Path, change: Callable[[Path], None], names: list[str]
) -> None:
    change(project)
    check_refused(project, *sorted(names))


def test_another_version_of_a_wheel_is_named(project: Path, tmp_path: Path) -> None:
    metadata = tmp_path / "site" / "simpleeval-99.0.dist-info" / "METADATA"
    metadata.parent.mkdir(parents=True)
    metadata.write_text("Metadata-Version: 2.1\nName: simpleeval\nVersion: 99.0\n")
    path = os.pathsep.join([str(ROOT), str(tmp_path / "site")])
    ended = anvil("build", "--locked", "--project", project, PYTHONPATH=path)
    assert ended.returncode == 1
    assert "the lock says 1.0.8, found 99.0 [wheels.simpleeval.version]" in ended.stderr
    assert "python3 -m pip install simpleeval==1.0.8" in ended.stderr


@pytest.mark.parametrize("options", [["--optimize", "speed"], ["--no-rewrite", "dead_channels"]])
def test_options_that_change_the_plan_are_refused(project: Path, options: list[str]) -> None:
    ended = anvil("build", "--locked", "--target", "browser", "--project", project, *options)
    assert ended.returncode == 1
    assert "targets.browser.request." in ended.stderr
    assert "linux-x86_64" not in ended.stderr


def test_another_candidate_than_the_lock_s_is_refused(project: Path) -> None:
    shutil.copy(ROOT / "quantized" / "float32.tflite", project / "model.tflite")
    assert anvil("lock", "--project", project).returncode == 0
    models = lock_of(project).sections["models"]
    name = lock_of(project).sections["targets"]["browser"]["candidate"]
    rewrite(project, models={**models, name: "0" * 64})
    for _ in range(2):  # the second time, the plan is known
        ended = anvil("build", "--locked", "--project", project, "--target", "browser", "--json")
        assert ended.returncode == 1
        (found,) = ended.document()["diagnostics"]
        assert found["code"] == "lock.candidate"
        assert f"the candidate {name} 000000000000" in found["message"]
        assert not (project / "build" / "browser").exists()
    assert anvil("lock", "--update", "targets.browser", "--project", project).returncode == 0
    assert lock_of(project).sections["models"] == models


def test_a_target_alone_is_held_to_its_part(project: Path) -> None:
    write_project(project, "model.tflite", name="digits", targets="{browser: {}}")
    assert anvil("build", "--locked", "--project", project).returncode == 0
    checked = anvil("lock", "--check", "--project", project)
    assert checked.returncode == 1
    assert "[targets.linux-x86_64]" in checked.stderr


@pytest.mark.parametrize("command", ["build", "verify", "report"])
def test_a_lock_that_is_not_there_is_refused(project: Path, command: str) -> None:
    (project / "anvil.lock").unlink()
    ended = anvil(command, "--locked", "--project", project, "--target", "browser")
    assert ended.returncode == 2
    assert "there is no anvil.lock beside anvil.yaml" in ended.stderr
    assert "`anvil lock` writes it" in ended.stderr


def test_a_folder_in_place_of_a_lock_is_said(project: Path) -> None:
    (project / "anvil.lock").unlink()
    (project / "anvil.lock").mkdir()
    for words in (["lock", "--check"], ["build", "--locked"], ["lock", "--update", "image"]):
        ended = anvil(*words, "--project", project)
        assert ended.returncode == 2
        assert "anvil.lock: error: cannot read it: it is a folder" in ended.stderr
    ended = anvil("lock", "--project", project)
    assert ended.returncode == 1
    assert "cannot write anvil.lock" in ended.stderr


def test_a_hand_edited_lock_is_refused_and_written_anew(project: Path) -> None:
    path = project / "anvil.lock"
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b'"0.17.1"', b'"0.17.2"'))
    for words in (["lock", "--check"], ["build", "--locked"], ["lock", "--update", "kernels"]):
        ended = anvil(*words, "--project", project)
        assert ended.returncode == 2
        assert "anvil.lock:3:9: error: the digest does not fit the rest" in ended.stderr
    ended = anvil("lock", "--project", project)
    assert ended.returncode == 0
    assert "anvil.lock:3:9: warning: the digest does not fit the rest" in ended.stderr
    assert path.read_bytes() == whole


# Without --locked.


def test_a_build_warns_of_what_differs_where_it_builds(project: Path) -> None:
    own_kernel(project)
    ended = anvil("build", "--project", project, "--target", "browser", "--json")
    assert ended.returncode == 0
    (found,) = ended.document()["diagnostics"]
    assert found["severity"] == "warning"
    assert found["message"] == "anvil.lock is not followed in kernels"
    again = anvil("build", "--project", project, "--target", "browser", "--json")
    assert again.document()["diagnostics"] == []
    assert again.statuses() == {"browser": "up_to_date"}


def test_a_bad_lock_stops_no_build_that_is_not_held_to_it(project: Path) -> None:
    (project / "anvil.lock").write_text("format: 7\n")
    ended = anvil("build", "--project", project, "--target", "browser")
    assert ended.returncode == 0
    assert "anvil.lock:1:9: warning: the lock has format 7" in ended.stderr


# Warm builds.


def test_a_changed_lock_is_never_missed(project: Path) -> None:
    words = ("build", "--locked", "--project", project, "--target", "browser", "--json")
    assert anvil(*words).statuses() == {"browser": "built"}
    assert anvil(*words).statuses() == {"browser": "up_to_date"}
    assert len(list((project / "build" / ".anvil").iterdir())) == 1
    rewrite(project, kernels={"built_in": "0" * 64, "own": None})
    assert anvil(*words).returncode == 1
    (project / "anvil.lock").unlink()
    assert anvil(*words).returncode == 2


# The root file system.


def test_a_root_file_system_that_is_elsewhere_is_asked_for_where_it_is_needed(
    project: Path, tmp_path: Path
) -> None:
    image = replace(IMAGE, definition=definition_digest())
    rewrite(project, image=image_section(image))
    cache = str(tmp_path / "cache")
    assert anvil("lock", "--check", "--project", project).returncode == 0
    words = ("build", "--locked", "--project", project, "--target", "browser")
    ended = anvil(*words, "--executor", "sandbox", ANVIL_CACHE_DIR=cache)
    assert ended.returncode == 1
    assert f"names the root file system {IMAGE.sha256[:12]}, not here" in ended.stderr
    assert "anvil image import FILE" in ended.stderr
    # A machine without it locks the rest, and keeps it.
    own_kernel(project)
    assert anvil("lock", "--project", project, ANVIL_CACHE_DIR=cache).returncode == 0
    assert lock_of(project).image == image
    ended = anvil("lock", "--update", "tzdata", "--project", project, ANVIL_CACHE_DIR=cache)
    assert ended.returncode == 1
    assert "no root file system of the current definition" in ended.stderr


def test_another_definition_of_the_root_is_a_difference(project: Path) -> None:
    rewrite(project, image=image_section(IMAGE))
    check_refused(project, "image.definition")


# Taking over one entry.


def test_one_entry_is_taken_over_and_the_rest_is_noted(project: Path) -> None:
    own_kernel(project)
    stricter(project)
    before = lock_of(project).sections
    ended = anvil("lock", "--update", "kernels", "--project", project, "--json")
    document = ended.document()
    assert ended.returncode == 0
    assert [row["name"] for row in document["differences"]] == ["kernels.own"]
    assert {row["severity"] for row in document["diagnostics"]} == {"note"}
    after = lock_of(project).sections
    assert after["kernels"] != before["kernels"]
    assert {**after, "kernels": None} == {**before, "kernels": None}
    ended = anvil(
        "lock", "--update", "targets.browser", "--update", "targets.linux-x86_64", cwd=project
    )
    assert ended.returncode == 0, ended.stderr
    assert anvil("lock", "--check", "--project", project).returncode == 0


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("kernel", "kernels"),
        ("target.browser", "targets.browser"),
        ("wheels.nunpy", "wheels.numpy"),
    ],
)
def test_an_unknown_entry_gets_the_nearest(project: Path, name: str, near: str) -> None:
    before = contents(project)
    ended = anvil("lock", "--update", name, "--project", project)
    assert ended.returncode == 2
    assert f"the lock has no entry {name!r}; there is anvil, data, image" in ended.stderr
    assert f"did you mean {near!r}?" in ended.stderr
    assert contents(project) == before


def test_check_and_update_exclude_each_other(project: Path) -> None:
    ended = anvil("lock", "--check", "--update", "image", "--project", project)
    assert ended.returncode == 2
    assert "not allowed with" in ended.stderr


# The repository's own.


def test_the_example_s_lock_is_current() -> None:
    """After a change of kernels, templates, profiles or the planner: `anvil lock`."""
    ended = anvil("lock", "--check", "--project", ROOT, "--json")
    named = [row["name"] for row in json.loads(ended.stdout)["differences"]]
    assert named == [], "run `anvil lock` in the repository, and commit anvil.lock"
    assert ended.returncode == 0
