"""anvil matrix: jobs with names that stay, in what each CI takes."""

from __future__ import annotations

import doctest
import json
import os
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from anvil import cli
from anvil.core.diagnostics import AnvilError
from anvil.matrix import github, template
from anvil.matrix.jobs import Job, Listing, make_jobs
from tests.support.cli import write_project

if TYPE_CHECKING:
    from pathlib import Path

TARGETS = ("nrf52840", "rpi4", "browser", "linux-x86_64")


def listings(n_projects: int, n_targets: int = 1) -> list[Listing]:
    targets = tuple(f"t{n}" for n in range(n_targets))
    return [Listing(folder=f"p{n}", name="same", targets=targets) for n in range(n_projects)]


def run(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    code = cli.main(["matrix", *map(str, words)])
    printed = capsys.readouterr()
    assert "defect" not in printed.err + printed.out
    return code, printed.out, printed.err


def test_the_examples_in_docstrings_hold() -> None:
    assert doctest.testmod(template).attempted > 0
    assert doctest.testmod(template).failed == 0


# Names.


def test_names_are_unique_and_stay_whatever_else_is_listed() -> None:
    few = make_jobs(listings(3, 2))
    many = make_jobs([Listing(folder="a", name="same", targets=("t1", "t0")), *listings(40, 3)])
    assert set(few) <= set(many)
    for jobs in (few, many):
        assert len({job.id for job in jobs}) == len({job.name for job in jobs}) == len(jobs)


def test_same_names_in_different_folders_are_told_apart() -> None:
    jobs = make_jobs(
        [
            Listing(folder=folder, name="kws", targets=("rpi4",))
            for folder in (".", "a/kws", "b/kws", "A/kws", "kws rpi4", "kws) rpi4", "ü/ñ", "../kws")
        ]
    )
    assert len({job.id for job in jobs}) == len({job.name for job in jobs}) == 8
    assert jobs[0].name == "kws rpi4"
    assert jobs[1].name == "kws (a/kws) rpi4"
    # Artifacts and caches take few characters in their names.
    assert all(job.id.isascii() for job in jobs)
    assert all(set(job.id) <= set("abcdefghijklmnopqrstuvwxyz0123456789_-") for job in jobs)


def test_the_names_of_these_jobs_are_those_of_former_versions() -> None:
    jobs = make_jobs([Listing(folder=".", name="digits", targets=("nrf52840", "linux-x86_64"))])
    # Required checks and caches hang on them.
    assert [job.id for job in jobs] == [
        "digits-nrf52840-bde25ba51d",
        "digits-linux-x86_64-27e8da56d7",
    ]


def test_folders_that_no_ci_can_name_are_refused_all_at_once() -> None:
    bad = ["a\nb", "a\x1b", "a${{ github.token }}", "\udcff"]
    with pytest.raises(AnvilError) as caught:
        make_jobs(Listing(folder=folder, name="x", targets=("rpi4",)) for folder in bad)
    assert len(caught.value.diagnostics) == 4
    assert caught.value.exit_code == 2


# Groups.


def _jobs(n_jobs: int) -> tuple[Job, ...]:
    return make_jobs(listings(n_jobs))


@pytest.mark.parametrize("n_jobs", [1, 12, 256, 257, 600, 5000])
def test_groups_hold_every_job_once_and_at_most_256(n_jobs: int) -> None:
    jobs = _jobs(n_jobs)
    groups = github.split(jobs)
    assert sorted(j.id for g in groups.values() for j in g) == sorted(j.id for j in jobs)
    assert all(0 < len(group) <= 256 for group in groups.values())
    assert (len(groups) == 1) == (n_jobs <= 256)
    assert github.split(tuple(reversed(jobs))).keys() == groups.keys()


def test_one_more_job_moves_the_jobs_of_a_full_group_alone() -> None:
    jobs = _jobs(700)

    def places(n_jobs: int) -> dict[str, str]:
        groups = github.split(jobs[:n_jobs])
        return {job.id: name for name, group in groups.items() for job in group}

    for n_jobs in (300, 512, 699):
        before, after = places(n_jobs), places(n_jobs + 1)
        moved = {name for job, name in before.items() if after[job] != name}
        assert len(moved) <= 1
    before, after = places(256), places(257)
    assert set(before.values()) == {"all"}
    assert {len(name) for name in after.values()} == {1}


def test_more_groups_than_a_workflow_takes_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(github, "LIMIT", 4)
    with pytest.raises(AnvilError, match="a workflow of GitHub takes 4"):
        github.split(_jobs(40))


# The command.


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty repository as the current folder."""
    (tmp_path / "root").mkdir()
    monkeypatch.chdir(tmp_path / "root")
    return tmp_path / "root"


def test_github_takes_one_line_and_a_flat_matrix(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # The model need not be there: a job finds out.
    write_project(root / "a b", "missing.tflite", name="kws", targets="{rpi4: {}, browser: {}}")
    write_project(root, "missing.tflite", name="kws", targets="{rpi4: {}}")
    words = ("--project", "a b", "--project", ".", "--project", root / "a b")
    code, out, err = run(capsys, "--format", "github", *words)
    assert (code, err, out.count("\n")) == (0, "", 1)
    rows = json.loads(out)["include"]
    assert [(row["project"], row["target"]) for row in rows] == [
        ("a b", "rpi4"),
        ("a b", "browser"),
        (".", "rpi4"),
    ]
    assert rows[0]["name"] == "kws (a b) rpi4"
    code, out, _ = run(capsys, "--format", "github", "--groups", *words)
    assert json.loads(out)["include"] == [{"group": "all", "jobs": {"include": rows}}]
    code, out, _ = run(capsys, "--format", "json", *words)
    assert json.loads(out) == {"format": 1, "jobs": rows}
    code, out, _ = run(capsys, "--format", "gitlab", "--json", *words)
    document = json.loads(out)
    assert (document["ok"], document["jobs"], document["command"]) == (True, rows, "matrix")


def test_targets_are_picked_from_every_project_that_has_them(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_project(root / "a", "m.tflite", targets="{rpi4: {}, browser: {}}")
    write_project(root / "b", "m.tflite", targets="{nrf52840: {}}")
    words = ("--format", "github", "--project", "a", "--project", "b", "--target")
    code, out, _ = run(capsys, *words, "browser,nrf52840")
    assert [row["target"] for row in json.loads(out)["include"]] == ["browser", "nrf52840"]
    code, out, err = run(capsys, *words, "browsr,linux-x86_64")
    assert (code, out, err.count("error:")) == (2, "", 2)
    assert "did you mean 'browser'?" in err


def test_a_broken_project_is_no_list_and_every_mistake(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_project(root / "good", "m.tflite")
    write_project(root / "bad", "m.tflite", targets="{rpi_4: {}}")
    with (root / "bad" / "anvil.yaml").open("a") as file:
        file.write("modle: x\n")
    (root / "profile" / "targets" / "boards").mkdir(parents=True)
    (root / "profile" / "targets" / "boards" / "mine.yaml").write_text("extends: nowhere\n")
    write_project(root / "profile", "m.tflite", targets="{mine: {}}")
    words = [f"--project={name}" for name in ("good", "bad", "profile", "missing")]
    code, out, err = run(capsys, "--format", "github", *words)
    assert (code, out) == (2, "")
    for found in ("modle", "rpi_4", "nowhere", "there is no anvil.yaml"):
        assert found in err


def test_gitlab_takes_a_pipeline_whose_names_are_data(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = "$HOME \"q\" 's' #{ : ]"
    write_project(root / folder, "m.tflite", name="kws", targets="{rpi4: {}}")
    long = "/".join(["x" * 100] * 3)
    write_project(root / long, "m.tflite", name="kws", targets="{rpi4: {}}")
    code, out, _ = run(capsys, "--format=gitlab", f"--project={folder}", f"--project={long}")
    assert code == 0
    pipeline: dict[str, Any] = yaml.safe_load(out)
    job = pipeline[f"kws ({folder}) rpi4"]
    assert job["extends"] == ".anvil"
    assert job["variables"]["ANVIL_PROJECT"] == {"value": folder, "expand": False}
    assert all(len(name) <= 255 for name in pipeline)
    (renamed,) = [name for name in pipeline if name.startswith("kws-rpi4-")]
    assert pipeline[renamed]["variables"]["ANVIL_PROJECT"]["value"] == long


def test_a_folder_whose_name_is_no_text(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = os.fsdecode(b"caf\xe9")
    write_project(root / name, "m.tflite")
    code, out, err = run(capsys, "--format", "github", "--project", name)
    assert (code, out) == (2, "")
    assert "no CI can hold" in err


def test_six_hundred_jobs_are_groups_even_unasked(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    listed = ", ".join(f"{target}: {{}}" for target in TARGETS)
    words = []
    for n in range(150):
        write_project(root / f"p{n}", "m.tflite", targets=f"{{{listed}}}")
        words.append(f"--project=p{n}")
    code, out, err = run(capsys, "--format", "github", *words)
    groups = json.loads(out)["include"]
    assert (code, out.count("\n")) == (0, 1)
    assert f"600 jobs in {len(groups)} groups" in err
    sizes = [len(group["jobs"]["include"]) for group in groups]
    assert sum(sizes) == 600
    assert max(sizes) <= 256
