"""The scripts of the CI files, run as a runner would run them: list, build, verify, compare."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.support.cli import anvil, write_project
from tests.support.programs import ROOT, require_program

if TYPE_CHECKING:
    from collections.abc import Mapping

_PROJECT = "it's digits"  # as a folder may be named
_TARGETS = ("nrf52840", "linux-x86_64")


@dataclass(frozen=True, slots=True, kw_only=True)
class Runner:
    """A machine with a checkout, where `anvil` is on PATH."""

    checkout: Path
    programs: Path

    def run(self, script: str, variables: Mapping[str, str], expected: int = 0) -> str:
        """Run a script as GitHub does; what it printed."""
        bash = shutil.which("bash")
        assert bash is not None
        ended = subprocess.run(
            [bash, "--noprofile", "--norc", "-eo", "pipefail", "-c", script],
            cwd=self.checkout,
            env={
                **os.environ,
                "PATH": f"{self.programs}{os.pathsep}{os.environ['PATH']}",
                "PYTHONPATH": str(ROOT),
                **variables,
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
        )
        assert ended.returncode == expected, ended.stdout + ended.stderr
        return ended.stdout + ended.stderr

    def steps(self, name: str, job: str) -> dict[str, str]:
        """The scripts of a job by their names."""
        text = (self.checkout / ".github" / "workflows" / name).read_text()
        steps: list[dict[str, Any]] = yaml.safe_load(text)["jobs"][job]["steps"]
        return {step["name"]: step["run"] for step in steps if "run" in step}

    def list_jobs(self) -> list[dict[str, str]]:
        """The jobs as `fromJSON` gives them to the matrices."""
        output = self.checkout / "github-output"
        output.unlink(missing_ok=True)
        self.run(self.steps("anvil.yml", "list")["List the jobs"], {"GITHUB_OUTPUT": str(output)})
        name, _, value = output.read_text().rstrip("\n").partition("=")
        assert name == "groups"
        return [row for group in json.loads(value)["include"] for row in group["jobs"]["include"]]

    def build_all(self, figures: Path) -> None:
        """Every job's steps from Build on; the figures as merged artifacts leave them."""
        steps = self.steps("anvil-group.yml", "target")
        for job in self.list_jobs():
            matrix = {"PROJECT": job["project"], "TARGET": job["target"], "ID": job["id"]}
            for name in ("Build", "Verify", "Collect the figures", "Trim Anvil's cache"):
                self.run(steps[name], matrix)
            shutil.copytree(self.checkout / "figures", figures, dirs_exist_ok=True)
            shutil.rmtree(self.checkout / "figures")
            shutil.rmtree(self.checkout / "out")

    def compare(self, base: Path | None, head: Path, conclusion: str = "success") -> str:
        """The comment's text."""
        figures = self.checkout / "figures"
        shutil.rmtree(figures, ignore_errors=True)
        if base is not None:
            shutil.copytree(base, figures / "base")
        shutil.copytree(head, figures / "head")
        summary = str(self.checkout / "summary.md")
        script = self.steps("anvil-comment.yml", "diff")["Compare"]
        self.run(script, {"CONCLUSION": conclusion, "GITHUB_STEP_SUMMARY": summary})
        shutil.rmtree(figures)
        return (self.checkout / "comment.md").read_text()


def _model(runner: Runner, name: str) -> None:
    shutil.copy(ROOT / "quantized" / name, runner.checkout / _PROJECT / "model.tflite")


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory, built_example: Path) -> Runner:
    """A checkout of a repository with one project, a lock and GitHub's workflows."""
    del built_example  # the compiler's own caches are warm from here on
    require_program("qemu-system-arm")
    folder = tmp_path_factory.mktemp("ci")
    made = Runner(checkout=folder / "checkout", programs=folder / "bin")
    listed = ", ".join(f"{target}: {{}}" for target in _TARGETS)
    write_project(made.checkout / _PROJECT, "model.tflite", name="digits", targets=f"{{{listed}}}")
    _model(made, "int8.tflite")
    made.programs.mkdir()
    program = made.programs / "anvil"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m anvil "$@"\n')
    program.chmod(0o755)
    locked = anvil("lock", "--project", _PROJECT, cwd=made.checkout)
    assert locked.returncode == 0, locked.stderr
    written = anvil("ci", "init", "github", "--project", _PROJECT, cwd=made.checkout)
    assert written.returncode == 0, written.stderr
    return made


@pytest.fixture(scope="module")
def base(runner: Runner, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The figures of the main branch."""
    figures = tmp_path_factory.mktemp("base") / "figures"
    runner.build_all(figures)
    return figures


def test_the_jobs_build_verify_and_leave_their_figures(runner: Runner, base: Path) -> None:
    jobs = runner.list_jobs()
    assert [job["target"] for job in jobs] == list(_TARGETS)
    assert {job["project"] for job in jobs} == {_PROJECT}
    found = sorted(path.relative_to(base).as_posix() for path in base.rglob("*.json"))
    names = ("manifest.json", "measured.json", "plan.json")
    assert found == sorted(f"{job['id']}/{name}" for job in jobs for name in names)


def test_a_pull_request_without_changes_says_so(runner: Runner, base: Path) -> None:
    comment = runner.compare(base, base)
    assert "Nothing changed (2 targets compared)." in comment
    assert "The base branch has no figures yet" in runner.compare(None, base)
    assert "The run ended with failure" in runner.compare(base, base, "failure")


def test_a_pull_request_tells_what_changed_per_board(
    runner: Runner, base: Path, tmp_path: Path
) -> None:
    _model(runner, "int16x8.tflite")
    build = runner.steps("anvil-group.yml", "target")["Build"]
    job = runner.list_jobs()[0]
    # The lock names the former model: `--locked` builds nothing else.
    matrix = {"PROJECT": job["project"], "TARGET": job["target"], "ID": job["id"]}
    refused = runner.run(build, matrix, expected=1)
    assert "anvil.lock" in refused
    relocked = anvil("lock", "--project", _PROJECT, cwd=runner.checkout)
    assert relocked.returncode == 0, relocked.stderr
    head = tmp_path / "head"
    runner.build_all(head)
    comment = runner.compare(base, head)
    rows = {line.split("`")[1]: line for line in comment.splitlines() if line.startswith("| `")}
    assert set(rows) == set(_TARGETS)
    for job in runner.list_jobs():
        before, after = (_measured(side / job["id"]) for side in (base, head))
        flash, former = (one["flash_bytes"]["total"] for one in (after, before))
        assert f"| {flash:,} B ({flash - former:+,} B, " in rows[job["target"]]
    _model(runner, "int8.tflite")
    anvil("lock", "--project", _PROJECT, cwd=runner.checkout)


def _measured(folder: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((folder / "measured.json").read_bytes())
    return document


def test_gitlab_s_job_does_the_same(runner: Runner, base: Path) -> None:
    words = ("--format", "gitlab", "--project", _PROJECT, "--target", "linux-x86_64")
    listed = anvil("matrix", *words, cwd=runner.checkout)
    pipeline = yaml.safe_load(listed.stdout)
    (job,) = [one for one in pipeline.values() if "extends" in one]
    variables: Mapping[str, Any] = job["variables"]
    environment = {
        "ANVIL_ID": variables["ANVIL_ID"],
        "ANVIL_PROJECT": variables["ANVIL_PROJECT"]["value"],
        "ANVIL_TARGET": variables["ANVIL_TARGET"],
        "CI_PROJECT_DIR": str(runner.checkout),
    }
    runner.run("\n".join(pipeline[".anvil"]["script"]), environment)
    figures = runner.checkout / "figures"
    assert [path.name for path in figures.iterdir()] == [variables["ANVIL_ID"]]
    same = anvil("diff", base / variables["ANVIL_ID"], figures / variables["ANVIL_ID"])
    assert same.stdout.startswith("nothing changed\n")
    # No merge request: there is nothing to compare with, and the job says so.
    runner.run("\n".join(pipeline["anvil-figures"]["script"]), {"CI_MERGE_REQUEST_IID": ""})
    assert (runner.checkout / "anvil-diff.md").read_text() == "Nothing to compare with.\n"
    shutil.rmtree(figures)
    shutil.rmtree(runner.checkout / "out")


# The scripts that speak to GitHub, with a program in the place of `gh`.


def test_a_comment_is_written_once_and_then_written_anew(runner: Runner, tmp_path: Path) -> None:
    script = runner.steps("anvil-comment.yml", "comment")["Write the comment, or write it anew"]
    program = runner.programs / "gh"
    calls, answer = tmp_path / "calls", tmp_path / "answer"
    program.write_text(
        f'#!/bin/sh\necho "$*" >> {calls}\ncase "$*" in *--paginate*) cat {answer};; esac\n'
    )
    program.chmod(0o755)
    (runner.checkout / "comment.md").write_text("a table\n")
    variables = {"GITHUB_REPOSITORY": "a/b", "NUMBER": "7"}
    for known, expected in (
        ("", "api --silent --method POST repos/a/b/issues/7/comments -F body=@body.md"),
        ("11\n12\n", "api --silent --method PATCH repos/a/b/issues/comments/11 -F body=@body.md"),
    ):
        answer.write_text(known)
        runner.run(script, variables)
        assert calls.read_text().splitlines()[-1] == expected
    assert (runner.checkout / "body.md").read_text() == "<!-- anvil diff -->\na table\n"


@pytest.mark.parametrize(
    ("pull", "expected"), [("7 feature/base", ["number=7", "run=99"]), ("", [])]
)
def test_the_pull_request_is_asked_of_github(
    runner: Runner, tmp_path: Path, pull: str, expected: list[str]
) -> None:
    script = next(iter(runner.steps("anvil-comment.yml", "diff").values()))
    program = runner.programs / "gh"
    calls = tmp_path / "calls"
    program.write_text(
        f'#!/bin/sh\nprintf "%s\\n" "$@" >> {calls}\n'
        f'case "$1" in api) echo "{pull}";; run) echo 99;; esac\n'
    )
    program.chmod(0o755)
    output = tmp_path / "output"
    output.touch()
    hostile = '$(touch pwned)"; touch pwned; "'
    variables = {
        "GITHUB_REPOSITORY": "a/b",
        "GITHUB_OUTPUT": str(output),
        "HEAD_OWNER": "someone",
        "HEAD_BRANCH": hostile,
        "HEAD_SHA": "0" * 40,
    }
    runner.run(script, variables)
    assert output.read_text().splitlines() == expected
    assert f"head=someone:{hostile}" in calls.read_text().splitlines()
    assert not (runner.checkout / "pwned").exists()
    if pull:
        assert "feature/base" in calls.read_text().splitlines()
