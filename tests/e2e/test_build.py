"""anvil build as a whole: caching, healing, identical bytes, interruption, concurrency."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.support.cli import anvil, command, write_project
from tests.support.programs import ROOT

_EXAMPLE_MODEL = ROOT / "quantized" / "int8.tflite"
_LINUX = "{linux-x86_64: {}}"


def _digests(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.relative_to(folder).parts[0].startswith(".anvil")
    }


def test_two_clean_builds_in_two_folders_are_byte_identical(
    built_example: Path, tmp_path: Path
) -> None:
    project = tmp_path / "another place" / "of the same"
    shutil.copytree(ROOT / "examples", project / "examples")
    shutil.copy(ROOT / "anvil.yaml", project)
    built = anvil("build", cwd=project, ANVIL_CACHE_DIR=str(tmp_path / "cache"), TZ="Asia/Tokyo")
    assert built.returncode == 0, built.stderr
    first, second = _digests(built_example), _digests(project / "build")
    assert first == second
    assert {path.split("/")[0] for path in first} == {
        "nrf52840",
        "rpi4",
        "browser",
        "linux-x86_64",
    }


def test_any_path_will_do(built_example: Path, cache_folder: Path, tmp_path: Path) -> None:
    odd = tmp_path / "it's a \u00fcnusual & (long) path"
    shutil.copytree(ROOT / "examples", odd / "examples")
    shutil.copy(ROOT / "anvil.yaml", odd)
    cache = odd / "cache"
    # What the compiler built for itself is slow to make and not what is tested here.
    shutil.copytree(cache_folder / "tools", cache / "tools")
    built = anvil("build", "--target", "nrf52840,rpi4", cwd=odd, ANVIL_CACHE_DIR=str(cache))
    assert built.returncode == 0, built.stderr
    for target in ("nrf52840", "rpi4"):
        assert _digests(odd / "build" / target) == _digests(built_example / target)


def test_the_promised_files_are_there_and_in_the_manifest(built_example: Path) -> None:
    promised = {
        "nrf52840": ["digits.elf", "digits.hex", "libdigits.a", "digits.h", "emulator/digits.elf"],
        "rpi4": ["digits", "libdigits.a", "digits.h"],
        "linux-x86_64": ["digits", "libdigits.a", "digits.h"],
        "browser": ["digits.wasm", "digits.mjs", "digits.d.ts", "package.json", "index.html"],
    }
    for target, files in promised.items():
        folder = built_example / target
        manifest = json.loads((folder / "manifest.json").read_text())
        listed = {entry["path"]: entry["sha256"] for entry in manifest["files"]}
        found = _digests(folder)
        del found["manifest.json"]
        assert listed == found
        assert {*files, "plan.json", "measured.json"} <= set(listed)
        assert any(path.startswith("project/library/src/") for path in listed)


def test_a_second_build_does_nothing_and_says_so(built_example: Path) -> None:
    times = {path: path.stat().st_mtime_ns for path in built_example.rglob("*")}
    again = anvil("build", "--json", "--project", ROOT, "--out", built_example)
    assert set(again.statuses().values()) == {"up_to_date"}
    assert times == {path: path.stat().st_mtime_ns for path in built_example.rglob("*")}


def test_a_changed_artifact_is_put_right_from_the_cache(
    built_example: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    shutil.copytree(built_example, out)
    program = out / "linux-x86_64" / "digits"
    content = program.read_bytes()
    program.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    (out / "rpi4" / "digits").unlink()
    built = anvil("build", "--json", "--project", ROOT, "--out", out)
    assert built.statuses() == {
        "nrf52840": "up_to_date",
        "rpi4": "built",
        "browser": "up_to_date",
        "linux-x86_64": "built",
    }
    assert program.read_bytes() == content
    assert os.access(out / "rpi4" / "digits", os.X_OK)


def test_every_damaged_blob_heals(tmp_path: Path, cache_folder: Path) -> None:
    cache = tmp_path / "cache"
    project = write_project(tmp_path / "p", _EXAMPLE_MODEL, name="digits", targets=_LINUX)
    # What the compiler built for itself is slow to make and not what is tested here.
    if (cache_folder / "tools").exists():
        shutil.copytree(cache_folder / "tools", cache / "tools")
    first = anvil("build", "--project", project, ANVIL_CACHE_DIR=str(cache))
    assert first.returncode == 0, first.stderr
    expected = _digests(project / "build")
    blobs = [path for path in (cache / "cas").rglob("*") if path.is_file()]
    assert len(blobs) > 10
    for blob in blobs:
        blob.chmod(0o644)
        blob.write_bytes(b"x" * blob.stat().st_size)
    shutil.rmtree(project / "build")
    healed = anvil("build", "--project", project, ANVIL_CACHE_DIR=str(cache))
    assert healed.returncode == 0, healed.stderr
    assert _digests(project / "build") == expected
    assert anvil("cache", "verify", ANVIL_CACHE_DIR=str(cache)).returncode in {0, 1}
    assert anvil("cache", "verify", ANVIL_CACHE_DIR=str(cache)).returncode == 0


def test_a_users_own_files_stay_and_an_earlier_builds_go(tmp_path: Path) -> None:
    project = write_project(tmp_path, _EXAMPLE_MODEL, name="before", targets=_LINUX)
    assert anvil("build", "--project", project).returncode == 0
    folder = project / "build" / "linux-x86_64"
    (folder / "project" / "notes.txt").write_text("mine")
    write_project(tmp_path, _EXAMPLE_MODEL, name="after", targets=_LINUX)
    assert anvil("build", "--project", project).returncode == 0
    assert (folder / "after").is_file()
    assert not (folder / "before").exists()
    assert not (folder / "project" / "library" / "include" / "before.h").exists()
    assert (folder / "project" / "notes.txt").read_text() == "mine"


def test_interruption_leaves_nothing_half_written(tmp_path: Path) -> None:
    project = write_project(tmp_path / "p", _EXAMPLE_MODEL, name="digits")
    cache = tmp_path / "cache"
    with subprocess.Popen(
        command("build", "--project", project),
        cwd=ROOT,
        env={**os.environ, "ANVIL_CACHE_DIR": str(cache)},
        stderr=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stderr is not None
        for line in child.stderr:
            if "compiling" in line:
                break
        child.send_signal(signal.SIGINT)
        rest = child.stderr.read()
        assert child.wait(timeout=60) == 130
    assert "Traceback" not in rest
    assert "interrupted" in rest
    assert list((cache / "work").iterdir()) == []
    assert not list((project / "build").rglob(".anvil-*"))
    for target in (project / "build").iterdir():
        assert target.name == ".anvil.lock" or (target / "manifest.json").is_file()
    time.sleep(0.3)
    assert not _running_in(cache), "a compiler outlived the build"


def _running_in(folder: Path) -> list[str]:
    lines = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(folder) in line:
            lines.append(line)
    return lines


def test_two_builds_at_once_both_succeed(tmp_path: Path) -> None:
    project = write_project(tmp_path, _EXAMPLE_MODEL, name="together", targets=_LINUX)
    children = [
        subprocess.Popen(
            command("build", "--project", project),
            cwd=ROOT,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    ended = [child.communicate(timeout=300)[1] for child in children]
    assert [child.returncode for child in children] == [0, 0], ended
    assert not any("Traceback" in text for text in ended)
    again = anvil("build", "--json", "--project", project)
    assert again.statuses() == {"linux-x86_64": "up_to_date"}


def test_one_bad_target_stops_no_other(tmp_path: Path) -> None:
    project = write_project(
        tmp_path, _EXAMPLE_MODEL, name="digits", targets="{tiny: {}, nrf52840: {}}"
    )
    boards = project / "targets" / "boards"
    boards.mkdir(parents=True)
    (boards / "tiny.yaml").write_text("extends: boards/nrf52840\nmemory: {ram: {size: 9 KiB}}\n")
    built = anvil("build", "--json", "--project", project)
    assert built.returncode == 3
    assert built.statuses() == {"tiny": "does_not_fit", "nrf52840": "built"}
    (message,) = [d["message"] for d in built.document()["diagnostics"]]
    found = re.search(
        r"tiny: as predicted, the program takes ([\d,]+) B of RAM; the board has 9,216 B: "
        r"([\d,]+) B are missing \(int8 in \d+ bands comes nearest\)",
        message,
    )
    assert found is not None
    needed, missing = (int(number.replace(",", "")) for number in found.groups())
    assert missing == needed - 9 * 1024
    whole = json.loads((project / "build" / "nrf52840" / "plan.json").read_text())
    assert whole["bands"] == 1
    assert 8 * 1024 < needed < whole["ram_bytes"]["total"], "in bands it needs less"
    assert not (project / "build" / "tiny").exists()


@pytest.mark.parametrize("option", ["max_ram", "max_flash"])
def test_a_requirement_that_cannot_be_met_is_exit_3(tmp_path: Path, option: str) -> None:
    project = write_project(
        tmp_path,
        _EXAMPLE_MODEL,
        name="digits",
        targets=f"{{linux-x86_64: {{requirements: {{{option}: 100 B}}}}}}",
    )
    built = anvil("build", "--json", "--project", project)
    assert built.returncode == 3
    assert built.statuses() == {"linux-x86_64": "does_not_fit"}
    (message,) = [d["message"] for d in built.document()["diagnostics"]]
    assert f"{option} allows 100 B" in message
    assert "are missing" in message
