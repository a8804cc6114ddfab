"""The files of `anvil ci init` and the pipelines of `anvil matrix`: valid, and safe to run."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from anvil import cli
from anvil.commands import make_parser
from anvil.matrix.jobs import Listing, make_jobs
from anvil.pipeline import matrix
from tests.support.cli import write_project

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from anvil.matrix.jobs import Job

GITHUB = ("anvil.yml", "anvil-group.yml", "anvil-comment.yml")
# Quotes, colons and signs that YAML and shells take for theirs.
_ODD = """a: b #c "d" 'e' $(f) @INSTALL@ {g}"""
MIRROR = ("--mirror", "http://mirror.test/debian")
SIZES = (1, 12, 256, 257, 600)


class Workflow(yaml.SafeLoader):
    """YAML 1.2 as GitHub reads it, where `on` is no boolean."""


Workflow.yaml_implicit_resolvers = {
    first: [
        (tag, form) for tag, form in found if tag != "tag:yaml.org,2002:bool" or first in "tTfF"
    ]
    for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository of two projects as the current folder."""
    folder = tmp_path / "root"
    write_project(folder / "digits", "m.tflite", name="digits")
    write_project(folder / "it's kws", "m.tflite", name="kws", targets="{rpi4: {}}")
    write_project(folder / _ODD, "m.tflite", name="kws", targets="{rpi4: {}}")
    monkeypatch.chdir(folder)
    return folder


def init(*words: str) -> int:
    return cli.main(["ci", "init", *words])


def check(schema: str, *files: Path) -> None:
    """Validate with the schemas that check-jsonschema brings along; no network."""
    ended = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, *files],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr


def workflows(folder: Path) -> dict[str, dict[str, Any]]:
    return {
        name: yaml.load(
            (folder / ".github" / "workflows" / name).read_text(),
            Loader=Workflow,  # noqa: S506  made of the safe one
        )
        for name in GITHUB
    }


def steps(found: dict[str, dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """(job, its definition, step) of every step of every workflow."""
    for workflow in found.values():
        for name, job in workflow["jobs"].items():
            for step in job.get("steps", ()):
                yield name, job, step


def some_jobs(n_jobs: int) -> tuple[Job, ...]:
    projects = [Listing(folder=f"p {n}", name="kws", targets=("rpi4",)) for n in range(n_jobs)]
    return make_jobs(projects)


# Valid.


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("--project", "digits", "--project", "it's kws", "--executor", "docker", *MIRROR),
        ("--project=digits", "--install", "python -m pip install -r 'ci/anvil @X@.txt'"),
    ],
)
def test_what_ci_init_writes_is_valid(root: Path, words: tuple[str, ...]) -> None:
    words = words or ("--project", "digits")
    assert init("github", *words) == 0
    assert init("gitlab", *words) == 0
    folder = root / ".github" / "workflows"
    check("vendor.github-workflows", *(folder / name for name in GITHUB))
    check("vendor.gitlab-ci", root / ".gitlab" / "anvil.yml")
    for path in (*folder.iterdir(), root / ".gitlab" / "anvil.yml"):
        # Nothing but what a user gave may look like a place that was not filled.
        assert re.findall(r"@[A-Z_]+@", path.read_text().replace("@X@", "")) == []


def test_gitlab_s_pipelines_are_valid_at_every_size(tmp_path: Path) -> None:
    files = []
    for n_jobs in SIZES:
        text = matrix.for_gitlab(some_jobs(n_jobs), install=matrix.INSTALL, executor="sandbox")
        files.append(tmp_path / f"{n_jobs}.yml")
        files[-1].write_text(text)
        pipeline = yaml.safe_load(text)
        targets = [
            job for job in pipeline.values() if "extends" in job and job["extends"] == ".anvil"
        ]
        assert len(targets) == n_jobs
        assert len(text) < 5_000_000  # what GitLab takes of a generated file
    check("vendor.gitlab-ci", *files)


def test_github_s_workflows_are_valid_with_every_matrix_in_its_place(root: Path) -> None:
    """The expressions replaced by what they stand for at run time."""
    assert init("github", "--project", "digits") == 0
    found = workflows(root)
    files = []
    for n_jobs in SIZES:
        outer = json.loads(matrix.for_github(some_jobs(n_jobs), as_groups=True))
        build = found["anvil.yml"]["jobs"]["build"]
        build["strategy"]["matrix"] = outer
        inner = found["anvil-group.yml"]["jobs"]["target"]["strategy"]
        assert sum(len(group["jobs"]["include"]) for group in outer["include"]) == n_jobs
        for group in outer["include"]:
            inner["matrix"] = group["jobs"]
            assert len(group["jobs"]["include"]) <= 256
            for name in ("anvil.yml", "anvil-group.yml"):
                files.append(root / f"{n_jobs}-{group['group']}-{name}")
                files[-1].write_text(json.dumps(found[name]))
    check("vendor.github-workflows", *files)


def test_every_script_is_a_script(root: Path) -> None:
    assert init("github", "--project", "it's kws") == 0
    scripts = [step["run"] for _, _, step in steps(workflows(root)) if "run" in step]
    pipeline = yaml.safe_load(matrix.for_gitlab(some_jobs(1), install="true", executor="docker"))
    for job in pipeline.values():
        if isinstance(job, dict):
            scripts += [*job.get("before_script", ()), *job.get("script", ())]
    assert len(scripts) > 20
    bash = shutil.which("bash")
    assert bash is not None
    for script in scripts:
        ended = subprocess.run(
            [bash, "-n"], input=script, capture_output=True, text=True, check=False
        )
        assert ended.returncode == 0, f"{script}\n{ended.stderr}"
        if "anvil matrix" in script:
            assert "--project 'it'\"'\"'s kws'" in script


def test_folders_reach_the_shell_as_they_are_named(root: Path) -> None:
    for words in (("github",), ("gitlab", "--install", "true : # x")):
        assert init(*words, "--project", _ODD) == 0
    found = [step["run"] for _, _, step in steps(workflows(root)) if step.get("id") == "matrix"]
    pipeline = yaml.safe_load((root / ".gitlab" / "anvil.yml").read_text())
    install, listing = pipeline["anvil-list"]["script"]
    assert install == "true : # x\n"
    for script in (*found, listing):
        line = next(line for line in script.splitlines() if "anvil matrix" in line)
        given = shlex.split(line.removeprefix("groups=$(").removesuffix(")"))
        assert given[given.index("--project") + 1] == _ODD


def test_the_root_file_system_is_the_one_that_the_project_s_lock_names(root: Path) -> None:
    assert init("github", "--project", "digits", "--executor", "sandbox", *MIRROR) == 0
    found = [step["run"] for _, _, step in steps(workflows(root)) if "image" in step.get("run", "")]
    assert len(found) == 1
    pipeline = yaml.safe_load(
        matrix.for_gitlab(
            some_jobs(1), install="true", executor="docker", mirrors=("http://mirror.test/debian",)
        )
    )
    found += [line for line in pipeline[".anvil"]["before_script"] if "image" in line]
    assert len(found) == 2
    for script, variable in zip(found, ("$PROJECT", "$ANVIL_PROJECT"), strict=True):
        words = shlex.split(script.splitlines()[-1])
        assert words[:3] == ["anvil", "image", "build"]
        arguments = make_parser().parse_args(words[1:])
        assert arguments.project == variable
        assert arguments.mirror == ["http://mirror.test/debian"]
        assert arguments.if_missing, "the cache may have it"


def test_a_runner_of_github_s_needs_to_be_told_of_debian_s_mirror(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert init("github", "--project", "digits", "--executor", "sandbox") == 2
    assert "--mirror https://HOST/debian" in capsys.readouterr().err
    assert not (root / ".github").exists()


# Safe.


def test_permissions_are_the_least(root: Path) -> None:
    assert init("github", "--project", "digits") == 0
    found = workflows(root)
    assert [one["permissions"] for one in found.values()] == [
        {"contents": "read"},
        {"contents": "read"},
        {},
    ]
    writing = {
        name: job["permissions"]
        for workflow in found.values()
        for name, job in workflow["jobs"].items()
        if "write" in job.get("permissions", {}).values()
    }
    assert writing == {"comment": {"pull-requests": "write"}}
    assert "pull_request_target" not in {event for one in found.values() for event in one["on"]}


def test_the_job_that_may_write_runs_nothing_of_a_pull_request(root: Path) -> None:
    assert init("github", "--project", "digits") == 0
    found = workflows(root)
    assert set(found["anvil-comment.yml"]["on"]) == {"workflow_run"}
    used = [
        step["uses"].partition("@")[0]
        for name, _, step in steps(found)
        if name == "comment" and "uses" in step
    ]
    assert used == ["actions/download-artifact"]
    # In a run from the default branch, what is checked out is the default branch.
    for name, _, step in steps({"": found["anvil-comment.yml"]}):
        if "uses" in step and "checkout" in step["uses"]:
            assert name == "diff"
            assert set(step["with"]) == {"persist-credentials"}
    # Anvil is installed before anything of the pull request lies in the folder.
    names = [
        s.get("name", s.get("uses"))
        for n, _, s in steps({"": found["anvil-comment.yml"]})
        if n == "diff"
    ]
    assert names.index("Install Anvil") < names.index("Take the figures of the pull request")


def test_no_expression_stands_within_a_script(root: Path) -> None:
    assert init("github", "--project", "digits") == 0
    for _, _, step in steps(workflows(root)):
        assert "${{" not in step.get("run", "")


def test_actions_are_pinned_by_commit_with_their_version(root: Path) -> None:
    assert init("github", "--project", "digits") == 0
    pins: dict[str, set[str]] = {}
    for name in GITHUB:
        for line in (root / ".github" / "workflows" / name).read_text().splitlines():
            if "uses:" in line and "./" not in line:
                found = re.search(
                    r"uses: (actions/[a-z-]+)[a-z/]*@([0-9a-f]{40}) # v\d+\.\d+\.\d+$", line
                )
                assert found is not None, line
                pins.setdefault(found[1], set()).add(found[2])
    assert {len(commits) for commits in pins.values()} == {1}
    assert len(pins) == 5


def test_only_pushes_to_the_main_branch_write_the_cache(root: Path) -> None:
    assert init("github", "--project", "digits", "--branch", "trunk") == 0
    found = workflows(root)
    assert found["anvil.yml"]["on"]["push"] == {"branches": ["trunk"]}
    saving = [s for _, _, s in steps(found) if s.get("uses", "").startswith("actions/cache")]
    kinds = [s["uses"].partition("@")[0] for s in saving]
    assert kinds == ["actions/cache/restore", "actions/cache/save"]
    assert "github.event_name == 'push'" in saving[1]["if"]
    pipeline = yaml.safe_load(matrix.for_gitlab(some_jobs(1), install="true", executor="host"))
    first, other = pipeline[".anvil"]["rules"]
    assert first["variables"] == {"ANVIL_CACHE_POLICY": "pull-push"}
    assert "CI_DEFAULT_BRANCH" in first["if"]
    assert other["variables"] == {"ANVIL_CACHE_POLICY": "pull"}


def test_one_check_stands_for_all(root: Path) -> None:
    assert init("github", "--project", "digits") == 0
    found = workflows(root)
    last = found["anvil.yml"]["jobs"]["anvil"]
    assert last["needs"] == ["list", "build"]
    assert "always()" in last["if"]
    script = last["steps"][0]["run"]
    bash = shutil.which("bash")
    assert bash is not None
    for result, code in (("success", 0), ("failure", 1), ("cancelled", 1), ("skipped", 1)):
        for states in ({"LIST": "success", "BUILD": result}, {"LIST": result, "BUILD": "success"}):
            ended = subprocess.run(
                [bash, "-e"], input=script.encode(), env=states, check=False, capture_output=True
            )
            assert ended.returncode == code
    strategies = [found["anvil.yml"]["jobs"]["build"], found["anvil-group.yml"]["jobs"]["target"]]
    assert all(job["strategy"]["fail-fast"] is False for job in strategies)


# Written with care.


def test_files_of_others_are_not_overwritten(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = root / ".github" / "workflows"
    folder.mkdir(parents=True)
    (folder / "anvil.yml").write_text("mine")
    (folder / "anvil-comment.yml").mkdir()
    assert init("github", "--project", "digits") == 2
    printed = capsys.readouterr().err
    assert printed.count("error:") == 2
    assert "--force" in printed
    assert sorted(path.name for path in folder.iterdir()) == ["anvil-comment.yml", "anvil.yml"]
    (folder / "anvil-comment.yml").rmdir()
    assert init("github", "--project", "digits", "--force", "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert len(document["written"]) == 3
    assert init("github", "--project", "digits", "--json") == 0
    assert json.loads(capsys.readouterr().out)["written"] == []


@pytest.mark.parametrize(
    "words",
    [
        ("github", "--install", "a\nb"),
        ("github", "--install", " "),
        ("github", "--install", "echo ${{ secrets.X }}"),
        ("github", "--mirror", "https://m.test/debian; curl"),
        ("github", "--mirror", "${{ secrets.X }}"),
        ("github", "--branch", "main]\n  schedule: ["),
        ("jenkins",),
    ],
)
def test_words_that_would_break_the_files_are_refused(root: Path, words: tuple[str, ...]) -> None:
    assert init(*words, "--project", "digits") == 2
    assert not (root / ".github").exists()
