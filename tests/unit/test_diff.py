"""anvil diff: what two sides of documents say, and what they cannot make it say."""

from __future__ import annotations

import doctest
import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from anvil import cli
from anvil.core.diagnostics import AnvilError, Severity
from anvil.diff import documents, limits, quantities, text
from anvil.diff.compare import compare
from anvil.diff.limits import exceeded, parse_limits
from anvil.diff.text import as_markdown, as_text
from anvil.pipeline.diff import diff

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

    from anvil.diff.documents import Snapshot

HOSTILE = "a|b`c`\n<img src=x onerror=alert(1)> @octocat [x](y) \x1b[2J \u202e ![](z)"


def plan(**changes: object) -> dict[str, Any]:
    return {
        "format": 1,
        "digest": "d" * 64,
        "name": "digits",
        "target": "nrf52840",
        "toolchain": {"name": "zig", "package": "ziglang", "version": "0.17.1"},
        "model_sha256": "a" * 64,
        "candidate": "int8",
        "ops": [],
        "flash_bytes": {"code": 5600, "weights": 18548, "total": 24148},
        "ram_bytes": {"arena": 2063, "data": 0, "bss": 386, "stack": 8192, "total": 10641},
        "stack_bound_bytes": 404,
        "instructions": 1_271_495,
        "cycles": None,
        "latency_s": 0.0301,
        "accuracy": {"metric": "top1", "value": 0.985, "higher_is_better": True},
        "fidelity": None,
        **changes,
    }


def measured(**changes: object) -> dict[str, Any]:
    return {
        "format": 1,
        "name": "digits",
        "target": "nrf52840",
        "flash_bytes": {"code": 5672, "weights": 18548, "total": 24220},
        "ram_bytes": {"arena": 2063, "data": 0, "bss": 385, "stack": 8192, "total": 10640},
        "instructions": None,
        "error": {},
        **changes,
    }


def manifest(*files: tuple[str, str, int], **changes: object) -> dict[str, Any]:
    return {
        "format": 1,
        "generator": "Anvil 0.1",
        "name": "digits",
        "target": "nrf52840",
        "plan_digest": "d" * 64,
        "toolchain": {"name": "zig", "version": "0.17.1"},
        "files": [{"path": p, "sha256": s, "size_bytes": n} for p, s, n in files],
        **changes,
    }


def snapshot(*listed: dict[str, Any]) -> Snapshot:
    found = {str(documents.kind_of(one)): one for one in listed}
    return documents.snapshot(found, {kind: kind for kind in found})


def write(folder: Path, *listed: dict[str, Any]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for one in listed:
        (folder / str(documents.kind_of(one))).write_text(json.dumps(one))
    return folder


def run(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    code = cli.main(["diff", *map(str, words)])
    printed = capsys.readouterr()
    assert "defect" not in printed.err
    return code, printed.out, printed.err


@pytest.mark.parametrize("module", [quantities, limits, text])
def test_the_examples_in_docstrings_hold(module: ModuleType) -> None:
    assert doctest.testmod(module).attempted > 0
    assert doctest.testmod(module).failed == 0


# What is compared.


def test_what_was_measured_comes_before_what_was_foretold() -> None:
    old = snapshot(plan(), measured())
    new = snapshot(
        plan(instructions=1_300_000),
        measured(flash_bytes={"code": 5772, "weights": 18548, "total": 24320}),
    )
    (change,) = compare({".": old}, {".": new})
    flash, instructions = change.figure("flash"), change.figure("instructions")
    assert flash is not None
    assert instructions is not None
    assert (flash.base, flash.head, flash.change) == (24220, 24320, 100)
    assert (flash.base_basis, flash.head_basis) == ("measured", "measured")
    assert flash.share == pytest.approx(100 / 24220)
    assert (instructions.change, instructions.head_basis) == (28505, "predicted")
    shown = as_text([change])
    assert re.search(r"Flash +24,220 B +24,320 B +\+100 B +\+0\.413 %", shown)
    assert re.search(r"Instructions +~1,271,495 +~1,300,000 +\+28,505 +\+2\.24 %", shown)
    assert "candidate: int8\n" in shown
    assert "toolchain: zig 0.17.1\n" in shown
    assert "~ is predicted" in shown


def test_a_prediction_is_compared_with_a_prediction_where_there_are_two() -> None:
    old, new = snapshot(plan()), snapshot(plan(), measured())
    (change,) = compare({".": old}, {".": new})
    assert change.status == "unchanged"
    only_measured = snapshot(measured())
    (change,) = compare({".": old}, {".": only_measured})
    flash = change.figure("flash")
    assert flash is not None
    assert (flash.base_basis, flash.head_basis, flash.change) == ("predicted", "measured", 72)
    assert "~24,148 B" in as_text([change])


def test_null_is_unknown_and_zero_is_zero() -> None:
    old = snapshot(plan(latency_s=None, accuracy=None))
    new = snapshot(plan(instructions=None, accuracy=None))
    (change,) = compare({".": old}, {".": new})
    latency, data = change.figure("latency"), change.figure("data")
    assert latency is not None
    assert data is not None
    assert (latency.base, latency.change) == (None, None)
    assert (data.base, data.head, data.change, data.share) == (0, 0, 0, None)
    shown = as_text([change])
    assert re.search(r"Latency +unknown +~30.1 ms\n", shown)
    assert re.search(r"Instructions +~1,271,495 +unknown\n", shown)
    assert re.search(r"Accuracy +unknown +unknown\n", shown)
    assert "Cycles" not in shown
    assert change.as_json()["figures"]["latency"]["base"] is None


def test_accuracies_of_two_metrics_are_not_subtracted() -> None:
    old = snapshot(plan())
    new = snapshot(plan(accuracy={"metric": "auc", "value": 0.5, "higher_is_better": True}))
    (change,) = compare({".": old}, {".": new})
    accuracy = change.figure("accuracy")
    assert accuracy is not None
    assert accuracy.change is None
    assert change.status == "changed"
    assert re.search(r"Accuracy \(top1 → auc\) +0.985 +0.5\n", as_text([change]))


def test_files_with_other_bits_are_a_change() -> None:
    old = snapshot(manifest(("a.elf", "1" * 64, 10), ("b.h", "2" * 64, 5), ("project/x", "3", 1)))
    new = snapshot(manifest(("a.elf", "9" * 64, 10), ("c.h", "2" * 64, 5), ("project/x", "4", 2)))
    (change,) = compare({".": old}, {".": new})
    shown = as_text([change])
    assert "3 differ: a.elf (other bits, 10 B as before), b.h (gone), c.h (new)" in shown
    assert compare({".": old}, {".": old})[0].status == "unchanged"


def test_targets_of_one_side_alone_are_told() -> None:
    one, other = snapshot(plan()), snapshot(plan(target="rpi4"))
    changes = compare({"a": one, "b": other}, {"b": other, "c": snapshot(plan(target="browser"))})
    assert [(c.label, c.status) for c in changes] == [
        ("nrf52840", "removed"),
        ("rpi4", "unchanged"),
        ("browser", "added"),
    ]
    shown = as_text(changes)
    assert "only in the base: nrf52840\nonly in the head: browser\nunchanged: rpi4\n" in shown
    table = as_markdown(changes)
    assert "| `browser` (new) | ~24,148 B |" in table
    assert "| `nrf52840` (gone) | was ~24,148 B |" in table


def test_one_target_on_each_side_is_a_pair_and_many_are_told_apart() -> None:
    old, new = snapshot(plan()), snapshot(plan(target="rpi4"))
    assert compare({"x": old}, {"y": new})[0].label == "nrf52840 → rpi4"
    kws = snapshot(plan(name="kws"))
    sides = {"j1": old, "j2": kws}
    assert [c.label for c in compare(sides, sides)] == ["digits nrf52840", "kws nrf52840"]
    twins = {"j1": old, "j2": old}
    assert [c.label for c in compare(twins, twins)] == ["j1", "j2"]


# How it is shown.


def test_nothing_changed_says_so() -> None:
    sides = {"a": snapshot(plan()), "b": snapshot(plan(target="rpi4"))}
    changes = compare(sides, sides)
    assert as_text(changes).startswith("nothing changed\n")
    assert "Nothing changed (2 targets compared)." in as_markdown(changes)


def test_markdown_does_not_obey_names() -> None:
    old = snapshot(plan(name=HOSTILE, target=HOSTILE, candidate=HOSTILE))
    new = snapshot(
        plan(
            name=HOSTILE,
            target=HOSTILE,
            candidate="x" * 5000,
            instructions=5,
            accuracy={"metric": HOSTILE, "value": 0.1},
            toolchain={"name": HOSTILE, "version": HOSTILE},
        ),
        manifest((HOSTILE, "1", 3), name=HOSTILE, target=HOSTILE),
    )
    page = as_markdown(compare({".": old}, {".": new}))
    assert "\x1b" not in page
    assert "\u202e" not in page
    assert "x" * 200 not in page
    bare = re.sub(r"`[^`\n]*`", "", page)
    for sign in ("@", "<", "![", "](", "onerror"):
        assert sign not in bare, sign
    rows = [line for line in page.splitlines() if line.startswith("|")]
    assert {line.count("|") for line in rows} == {6, 7}
    assert "\x1b" not in as_text(compare({".": old}, {".": new}))


def test_a_comment_is_shortened_by_whole_tables_and_rows() -> None:
    old = {str(n): snapshot(plan(target=f"t{n}")) for n in range(300)}
    new = {str(n): snapshot(plan(target=f"t{n}", instructions=n)) for n in range(300)}
    changes = compare(old, new)
    whole = as_markdown(changes)
    assert whole.count("\n#### ") == 300
    for limit in (60_000, 20_000, 2_000):
        page = as_markdown(changes, max_bytes=limit)
        assert limit / 2 < len(page.encode()) <= limit
        assert "left out" in page
        left_out = sum(map(int, re.findall(r"^(\d+) more targets changed", page, re.MULTILINE)))
        assert page.count("\n| `t") + left_out == 300


# Files.


def test_sides_are_files_targets_and_folders_of_folders(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old = write(tmp_path / "old" / "build" / "nrf52840", plan(), measured())
    write(tmp_path / "old" / "build" / "rpi4", plan(target="rpi4"))
    new = write(tmp_path / "new" / "build" / "nrf52840", plan(), measured(), manifest())
    write(tmp_path / "new" / "build" / "rpi4", plan(target="rpi4", instructions=1))
    (tmp_path / "new" / "build" / "source").mkdir()
    (tmp_path / "new" / "build" / "page").mkdir()
    (tmp_path / "new" / "build" / "page" / "manifest.json").write_text('{"icons": []}')
    for before, after in ((old, new), (old / "plan.json", new / "plan.json")):
        code, out, _ = run(capsys, before, after)
        assert (code, out.splitlines()[0]) == (0, "nothing changed")
    for depth in (old.parent, old.parent.parent):
        code, out, _ = run(capsys, depth, tmp_path / "new" / depth.relative_to(tmp_path / "old"))
        assert out.startswith("rpi4\n")
        assert "unchanged: nrf52840" in out
    code, out, err = run(capsys, old.parent, new.parent, "--json")
    document = json.loads(out)
    assert (code, err, document["ok"]) == (0, "", True)
    assert [(t["target"], t["status"]) for t in document["targets"]] == [
        ("nrf52840", "unchanged"),
        ("rpi4", "changed"),
    ]
    figures = document["targets"][1]["figures"]["instructions"]
    assert (figures["base"], figures["head"], figures["head_basis"]) == (1271495, 1, "predicted")
    code, out, _ = run(capsys, old.parent, new.parent, "--format", "json")
    assert json.loads(out)["targets"] == document["targets"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b'{"format": 1, "candidate": "int8", "ops": [', "(the file ends there)"),
        (b"\xff\xfe", "not UTF-8"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"a": ' + b"9" * 5000 + b"}", "not JSON as Anvil writes it"),
        (json.dumps(plan(latency_s=float("nan"))).encode(), "NaN is no JSON number"),
        (b"[]", "neither plan.json"),
        (b'{"format": 1}', "neither plan.json"),
        (json.dumps(plan(format=2)).encode(), "its format is 2, and this Anvil reads format 1"),
        (json.dumps(plan(format=None)).encode(), "its format is missing"),
        (json.dumps(plan(name=None)).encode(), "name is missing"),
        (json.dumps(plan(candidate=5)).encode(), "candidate is 5, where a text belongs"),
        (json.dumps(plan(instructions="many")).encode(), 'instructions is "many", where a number'),
        (json.dumps(plan(instructions=True)).encode(), "instructions is true"),
        (json.dumps(plan(instructions=10**300)).encode(), "where a number"),
        (json.dumps(plan(flash_bytes=[1])).encode(), "flash_bytes is [1], where an object"),
        (json.dumps(plan(accuracy="good")).encode(), 'accuracy is "good", where an object'),
        (json.dumps(manifest(files=5)).encode(), "files is 5, where a list"),
        (json.dumps(manifest(files=[7])).encode(), "files.0.path is missing"),
        (json.dumps(manifest(files=[{"path": "a"}])).encode(), "size_bytes"),
    ],
)
def test_a_file_that_is_none_of_a_build_has_one_message(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes, message: str
) -> None:
    good = write(tmp_path / "good", plan()) / "plan.json"
    bad = tmp_path / "bad.json"
    bad.write_bytes(content)
    code, out, err = run(capsys, good, bad)
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("error:") == 1
    assert str(bad) in err
    assert "hint:" in err


def test_all_mistakes_of_both_sides_are_told_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old = write(tmp_path / "old" / "rpi4", plan(target="rpi4"), measured(target="browser"))
    (tmp_path / "old" / "x").mkdir()
    (tmp_path / "old" / "x" / "plan.json").write_text("{")
    (tmp_path / "new" / "empty").mkdir(parents=True)
    code, _, err = run(capsys, old.parent, tmp_path / "new")
    assert code == 2
    assert err.count("error:") == 3
    assert "it is of digits browser, and plan.json of digits rpi4" in err
    assert "there is no built target in this folder" in err
    code, _, err = run(capsys, tmp_path / "nowhere", tmp_path / "new" / "nowhere")
    assert code == 2
    assert err.count("it is not there") == 2


def test_a_document_under_the_name_of_another_and_a_link_to_nowhere(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write(tmp_path / "a", plan())
    (folder / "measured.json").write_text(json.dumps(plan()))
    (folder / "manifest.json").symlink_to("nowhere")
    code, _, err = run(capsys, folder, folder)
    assert code == 2
    assert "it holds what belongs into plan.json" in err
    assert "manifest.json: error: it is not there" in err


# Limits.


def _diagnostics(word: str, old: Snapshot, new: Snapshot) -> list[Severity]:
    return [d.severity for d in exceeded(compare({".": old}, {".": new}), parse_limits([word]))]


@pytest.mark.parametrize(
    ("word", "broken"),
    [
        ("instructions>1%", True),
        ("instructions>10%", False),
        ("instructions>0", True),
        ("instructions>100000", False),
        ("flash>0%", False),
        ("latency>1 ms", True),
        ("latency>3 ms", False),
        ("accuracy>0.01", True),
        ("accuracy>5%", False),
        ("ram>0", False),
        ("bss>1%", True),
    ],
)
def test_a_limit_fails_for_what_became_worse_alone(word: str, *, broken: bool) -> None:
    old = snapshot(plan(ram_bytes={"bss": 0, "total": 100}))
    new = snapshot(
        plan(
            instructions=1_300_000,
            latency_s=0.0321,
            accuracy={"metric": "top1", "value": 0.965, "higher_is_better": True},
            ram_bytes={"bss": 8, "total": 90},
        )
    )
    assert _diagnostics(word, old, new) == [Severity.ERROR] * broken
    # What became better breaks no limit; a smaller accuracy is worse, a larger error, too.
    backwards = {"accuracy>0.01": [], "ram>0": [Severity.ERROR]}
    assert _diagnostics(word, new, old) == backwards.get(word, [])


def test_a_metric_that_should_be_small_is_worse_when_it_grows() -> None:
    old, new = (
        snapshot(plan(accuracy={"metric": "mse", "value": v, "higher_is_better": False}))
        for v in (0.1, 0.2)
    )
    assert _diagnostics("accuracy>0.05", old, new) == [Severity.ERROR]
    assert _diagnostics("accuracy>0.05", new, old) == []


def test_what_is_not_known_breaks_no_limit_and_is_said() -> None:
    old, new = snapshot(plan()), snapshot(plan(latency_s=None))
    assert _diagnostics("latency>1%", old, new) == [Severity.WARNING]


def test_limits_of_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old = write(tmp_path / "old", plan())
    new = write(tmp_path / "new", plan(instructions=1_300_000))
    code, out, err = run(capsys, old, new, "--fail-on", "instructions>1%", "--fail-on", "flash>1%")
    assert code == 1
    assert "went from 1,271,495 to 1,300,000 (+28,505, +2.24 %)" in err
    assert err.count("error:") == 1
    assert "Instructions" in out
    code, out, err = run(capsys, old, new, "--fail-on", "flsh>1%", "--fail-on", "ram>many")
    assert (code, out, err.count("error:")) == (2, "", 2)
    assert "did you mean flash?" in err


@pytest.mark.parametrize("word", ["", "flash", "flash>", "flash>1", "flash>-1%", "x>1", ">1%"])
def test_a_limit_that_is_none_says_what_one_is(word: str) -> None:
    with pytest.raises(AnvilError, match="--fail-on"):
        parse_limits([word])


def test_the_result_is_the_same_for_the_same_files(tmp_path: Path) -> None:
    old = write(tmp_path / "old", plan(), measured())
    new = write(tmp_path / "new", plan(instructions=3), measured())
    assert diff(old, new)[1] == diff(old, new)[1]
