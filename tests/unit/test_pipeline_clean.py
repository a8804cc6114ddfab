"""anvil clean removes what Anvil built, and nothing that only looks like it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from anvil.core.diagnostics import AnvilError, ExitCode
from anvil.pipeline.clean import clean
from anvil.pipeline.events import Event
from anvil.report.page import make_report
from anvil.resources import built_in, contents, read_folder
from tests.support import report_documents


def _quiet(event: Event) -> None:
    del event


def _built(out: Path, target: str) -> Path:
    folder = out / target
    (folder / "project").mkdir(parents=True)
    (folder / "project" / "main.c").write_text("int main(void) { return 0; }\n")
    document = {"generator": "Anvil 0.0", "target": target, "files": []}
    (folder / "manifest.json").write_text(json.dumps(document))
    return folder


def test_all_or_those_named(tmp_path: Path) -> None:
    for name in ("rpi4", "browser", "nrf52840"):
        _built(tmp_path, name)
    outcome = clean(tmp_path, ["browser"], _quiet)
    assert [(t.target, t.status) for t in outcome.targets] == [("browser", "removed")]
    outcome = clean(tmp_path, None, _quiet)
    assert [t.target for t in outcome.targets] == ["nrf52840", "rpi4"]
    assert outcome.exit_code is ExitCode.DONE
    assert [path.name for path in tmp_path.iterdir()] == [".anvil.lock"]


def test_the_report_goes_with_all_targets(tmp_path: Path) -> None:
    templates = contents(read_folder(built_in("templates")))
    page = make_report("words", [report_documents.documents("rpi4")], templates)
    _built(tmp_path, "rpi4")
    (tmp_path / "report.html").write_bytes(page)
    clean(tmp_path, ["rpi4"], _quiet)
    assert (tmp_path / "report.html").is_file()
    clean(tmp_path, None, _quiet)
    assert not (tmp_path / "report.html").exists()
    (tmp_path / "report.html").write_text("<!doctype html>\nsomebody else's")
    clean(tmp_path, None, _quiet)
    assert (tmp_path / "report.html").is_file()


@pytest.mark.parametrize(
    "text",
    ["{}", "not JSON", '{"name": "a web page", "icons": []}', "[" * 100_000],
    ids=["empty", "text", "page", "deep"],
)
def test_another_programs_manifest_keeps_its_folder(tmp_path: Path, text: str) -> None:
    (tmp_path / "page").mkdir()
    (tmp_path / "page" / "manifest.json").write_text(text)
    assert clean(tmp_path, None, _quiet).targets == ()
    assert clean(tmp_path, ["page"], _quiet).exit_code is ExitCode.BAD_INPUT
    assert (tmp_path / "page" / "manifest.json").read_text() == text


def test_a_copy_under_another_name_stays(tmp_path: Path) -> None:
    shutil.copytree(_built(tmp_path, "rpi4"), tmp_path / "rpi4-last-week")
    clean(tmp_path, None, _quiet)
    assert not (tmp_path / "rpi4").exists()
    assert (tmp_path / "rpi4-last-week" / "project" / "main.c").is_file()


def test_a_link_goes_with_what_it_leads_to(tmp_path: Path) -> None:
    elsewhere = _built(tmp_path / "large disk", "rpi4")
    out = tmp_path / "build"
    out.mkdir()
    (out / "rpi4").symlink_to(elsewhere)
    assert clean(out, None, _quiet).exit_code is ExitCode.DONE
    assert not (out / "rpi4").is_symlink()
    assert not elsewhere.exists()


@pytest.mark.parametrize("name", ["..", ".", "../rpi4", "/"])
def test_a_name_that_is_a_path_is_no_target(tmp_path: Path, name: str) -> None:
    _built(tmp_path, "rpi4")
    (tmp_path / "build").mkdir()
    _built(tmp_path / "build", "browser")
    outcome = clean(tmp_path / "build", [name], _quiet)
    assert outcome.exit_code is ExitCode.BAD_INPUT
    assert "browser" in (outcome.targets[0].diagnostics[0].hint or "")
    assert (tmp_path / "rpi4").exists()
    assert (tmp_path / "build" / "browser").exists()


def test_one_that_is_not_built_stops_no_other(tmp_path: Path) -> None:
    _built(tmp_path, "rpi4")
    outcome = clean(tmp_path, ["nrf52840", "rpi4"], _quiet)
    assert [t.status for t in outcome.targets] == ["invalid", "removed"]
    assert outcome.exit_code is ExitCode.BAD_INPUT


def test_nothing_built_is_no_mistake_and_makes_no_folder(tmp_path: Path) -> None:
    outcome = clean(tmp_path / "build", None, _quiet)
    assert outcome.exit_code is ExitCode.DONE
    assert "nothing is built" in outcome.text[0]
    assert list(tmp_path.iterdir()) == []


def test_a_folder_whose_lock_cannot_be_made_is_one_error(tmp_path: Path) -> None:
    _built(tmp_path, "rpi4")
    (tmp_path / ".anvil.lock").mkdir()
    with pytest.raises(AnvilError) as caught:
        clean(tmp_path, None, _quiet)
    assert caught.value.exit_code is ExitCode.FAILED
    assert (tmp_path / "rpi4").exists()
