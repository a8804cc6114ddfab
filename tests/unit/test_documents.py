"""What the documents say is so: links, commands, tables and names."""

from __future__ import annotations

import argparse
import re
import stat

import pytest
import yaml

from anvil.commands import make_parser
from anvil.core.diagnostics import ExitCode
from anvil.ops.registry import DEFINITIONS, INTERNAL
from tests.support.programs import ROOT

DOCUMENTS = sorted(
    str(path.relative_to(ROOT))
    for pattern in ("*.md", "docs/*.md", "examples/**/*.md", "requirements/*.md")
    for path in ROOT.glob(pattern)
)
README = (ROOT / "README.md").read_text(encoding="utf-8")
FIRST, SECOND = re.findall(r"^python3 bootstrap\.py.*$", README, re.MULTILINE)


def rows_after(heading: str) -> list[list[str]]:
    """The cells of the first table below a heading, its head left out."""
    section = README.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def commands(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            return dict(action.choices)
    return {}


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_link_leads_to_a_file(document: str) -> None:
    path = ROOT / document
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", path.read_text(encoding="utf-8"))
    assert [link for link in links if not (path.parent / link).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_command_exists(document: str) -> None:
    known = commands(make_parser())
    text = (ROOT / document).read_text(encoding="utf-8")
    examples = re.findall(r"(?:^|`|/)anvil ([a-z]+)((?: [^`#\n|]*)?)", text, re.MULTILINE)
    for name, rest in examples:
        assert name in known, f"{document} names `anvil {name}`"
        inner = commands(known[name])
        parser = inner.get(rest.split()[0], known[name]) if rest.split() else known[name]
        options = set(re.findall(r"(?<!\S)--[a-z-]+", rest))
        assert options <= set(parser._option_string_actions), f"{document}: anvil {name}{rest}"


def test_every_command_is_in_the_changelog_or_the_readme() -> None:
    text = README + (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    names = commands(make_parser())
    assert [name for name in names if not re.search(rf"\b{name}\b", text)] == []


def test_the_targets_are_those_of_the_boards_folder() -> None:
    boards = {path.stem for path in (ROOT / "targets" / "boards").glob("*.yaml")}
    assert {row[0] for row in rows_after("Targets")} == boards


def test_the_exit_codes_are_those_of_the_program() -> None:
    assert [int(row[0]) for row in rows_after("Exit codes")] == sorted(ExitCode)


def test_the_operators_are_those_of_the_registry() -> None:
    sentence = re.search(
        r"^Operators \(float32, int8, int16x8\): (.*?)\.$", README, re.MULTILINE | re.DOTALL
    )
    assert sentence is not None
    assert re.split(r",\s+", sentence[1]) == sorted(set(DEFINITIONS) - INTERNAL)


def test_continuous_integration_runs_the_readme_s_test_command() -> None:
    script = ROOT / ".ci" / "run"
    assert f"  {SECOND}\n" in script.read_text(encoding="utf-8")
    assert script.stat().st_mode & stat.S_IXUSR


def test_the_first_command_builds_targets_of_the_example() -> None:
    targets = FIRST.rpartition("--target ")[2].split(",")
    project = yaml.safe_load((ROOT / "anvil.yaml").read_text(encoding="utf-8"))
    assert set(targets) <= set(project["targets"])


def test_requirements_are_pins_and_hashes_alone() -> None:
    pin = re.compile(r"[a-z0-9-]+==\S+( ; [^\\]+)? \\")
    proof = re.compile(r" +--hash=sha256:[0-9a-f]{64}( \\)?")
    for path in sorted((ROOT / "requirements").glob("*.txt")):
        header, *lines = path.read_text(encoding="utf-8").splitlines()
        assert header == "# Pinned by `nox -s lock`."
        other = [line for line in lines if not pin.fullmatch(line) and not proof.fullmatch(line)]
        assert other == [], path.name


def test_the_tests_run_with_the_versions_that_users_get() -> None:
    def pins(name: str) -> set[str]:
        text = (ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8")
        return set(re.findall(r"^([a-z0-9-]+==\S+)", text, re.MULTILINE))

    assert pins("anvil") <= pins("test")
