"""The report: documents in, one page out, whatever is in them or missing."""

from __future__ import annotations

import copy
import html.parser
import itertools
import json
import re
from typing import Any

import pytest

from anvil.report.amounts import UNKNOWN, exact, percent, short, ticks
from anvil.report.documents import (
    METRICS,
    Block,
    Choice,
    TargetDocuments,
    candidates,
    choices,
    compared,
)
from anvil.report.flash import parts
from anvil.report.memory_map import overlaps
from anvil.report.page import make_report
from anvil.report.pareto import front
from anvil.report.treemap import Box, squarify
from anvil.resources import built_in, contents, read_folder
from tests.support import report_documents

HOSTILE = (
    "</script><script>alert(1)</script>",
    '" onmouseover="alert(1)',
    "<img src=x onerror=alert(1)>",
    "{{ 7 * 7 }}{% raw %}",
    "naïve ✓ 日本語 \U0001f600",
    "a&amp;b 'quoted' `ticks` ${x}",
    "\N{RIGHT-TO-LEFT OVERRIDE}gnp.exe",
    "]]></svg><!--",
    "x" * 4000,
    "half a pair \ud83d",
)


def page(*targets: TargetDocuments, name: str = "words") -> str:
    templates = contents(read_folder(built_in("templates")))
    return make_report(name, targets, templates).decode()


class _Reader(html.parser.HTMLParser):
    """The elements and attributes of a page, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def of_class(self, name: str) -> list[dict[str, str | None]]:
        return [a for _, a in self.elements if name in (a.get("class") or "").split()]


def test_the_page_shows_every_part() -> None:
    text = page(report_documents.documents(), report_documents.documents("rpi4"))
    read = _Reader(text)
    for name in ("pareto", "memory", "flash", "accuracy", "bars"):
        assert len(read.of_class(name)) == 2, name
    words = " ".join(read.words)
    for said in (
        "int16x8 with overlapping memory",
        "meets every requirement",
        "dead_channels",
        "3,370,000",
        "5,701,220",
        "-4.53 %",
        "0.9402 top1",
    ):
        assert said in words, said
    # A rewrite that did nothing is no gain.
    assert "merged_activations" not in words
    assert len(read.of_class("block")) == 2 * len(report_documents.memory())
    circles = [a for t, a in read.elements if t == "circle" and "data-tip" in a]
    n_choices = len(report_documents.plan("x")["choices"])
    n_candidates = len(report_documents.CANDIDATES)
    assert len(circles) == 2 * (n_choices + n_candidates)


def test_every_drawing_has_a_table_behind_it_and_a_name() -> None:
    read = _Reader(page(report_documents.documents()))
    charts = [a for t, a in read.elements if t == "svg" and "chart" in (a.get("class") or "")]
    assert len(charts) == 5
    assert all("table below has the figures" in (a["aria-label"] or "") for a in charts)
    assert all(a.get("aria-label") for a in read.of_class("mark"))
    assert sum(tag == "table" for tag, _ in read.elements) >= len(charts) + 3


def test_the_page_names_no_other_place() -> None:
    text = page(report_documents.documents())
    assert "default-src 'none'" in text
    places = [
        value
        for _, attributes in _Reader(text).elements
        for key, value in attributes.items()
        if key in {"src", "href", "action", "data", "poster", "srcset"}
    ]
    assert all(p is not None and p.startswith(("#", "data:")) for p in places)
    assert set(re.findall(r"https?://[^\s'\"<>]+", text)) == {"http://www.w3.org/2000/svg"}
    assert not re.search(r"@import|\burl\((?!#hatch)", text)


def test_no_text_of_a_model_becomes_markup() -> None:
    documents = report_documents.documents(names=HOSTILE)
    plan: dict[str, Any] = copy.deepcopy(dict(documents.plan or {}))
    plan["candidates"][0]["reason"] = HOSTILE[0]
    plan["choices"][0]["candidate"] = HOSTILE[2]
    plan["decision"]["text"] = list(HOSTILE)
    plan["rewrites"][0]["name"] = HOSTILE[3]
    text = page(report_documents.documents(plan=plan, board=HOSTILE[0]), name=HOSTILE[2])
    calm = _Reader(page(report_documents.documents()))
    read = _Reader(text)
    assert {tag for tag, _ in read.elements} == {tag for tag, _ in calm.elements}
    assert [t for t, _ in read.elements].count("script") == 2
    assert not [a for _, a in read.elements if any(key.startswith("on") for key in a)]
    for name in HOSTILE[:9]:
        assert name in "".join(read.words)
    data = re.search(r'<script type="application/json" id="data">(.*?)</script>', text)
    assert data is not None
    assert json.loads(data[1])["target-0"]["axes"]


def test_the_same_documents_give_the_same_bytes() -> None:
    assert page(report_documents.documents()) == page(report_documents.documents())


def _without(value: Any, path: tuple[Any, ...]) -> Any:  # noqa: ANN401  a JSON document
    changed = copy.deepcopy(value)
    inner = changed
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = None
    return changed


_PLAN_PATHS = [(key,) for key in report_documents.plan("x")] + [
    ("ram_bytes", "total"),
    ("flash_bytes", "code"),
    ("requirements", "max_accuracy_drop"),
    ("candidates", 2, "accuracy"),
    ("candidates", 2, "fidelity"),
    ("candidates", 2, "model_bytes"),
    ("candidates", 2, "reason"),
    ("candidates", 1, "accuracy", "interval"),
    ("candidates", 1, "accuracy", "reference"),
    ("candidates", 1, "accuracy", "drop"),
    ("candidates", 1, "accuracy", "n_samples"),
    ("choices", 3, "ram_bytes"),
    ("choices", 3, "flash_bytes"),
    ("choices", 3, "fits"),
    ("choices", 3, "failed"),
    ("choices", 3, "strategy"),
    ("decision", "order"),
    ("decision", "text"),
    ("ops", 4, "instructions"),
    ("ops", 4, "macs"),
    ("ops", 4, "weight_bytes"),
    ("ops", 4, "tensor"),
    ("memory", 4, "shape"),
    ("rewrites", 0, "macs_saved"),
]


@pytest.mark.parametrize("path", _PLAN_PATHS, ids=str)
def test_anything_may_be_unknown(path: tuple[Any, ...]) -> None:
    plan = _without(report_documents.plan("nrf52840"), path)
    assert "words" in page(report_documents.documents(plan=plan, measured=None))


def test_a_target_without_a_plan_says_why() -> None:
    missing = TargetDocuments(
        target="tiny", board="A tiny board", plan=None, problems=("9,000 B of RAM are missing.",)
    )
    text = page(report_documents.documents(), missing)
    assert "9,000 B of RAM are missing." in text
    assert "words fits 1 of 2 targets" in text
    assert "not planned" in text


def test_without_evaluation_data_it_is_not_called_accuracy() -> None:
    text = page(report_documents.documents(with_accuracy=False))
    assert "This is not accuracy" in text
    assert "Accuracy by candidate" not in text
    assert "58.9 dB" in text


def test_what_equals_the_float_model_is_called_exact() -> None:
    documents = report_documents.documents(with_accuracy=False)
    first = choices(documents)[0]
    assert first.values["signal_to_noise_db"] == float("inf")
    text = page(documents)
    assert "Signal to noise: exact" in text
    data = re.search(r'<script type="application/json" id="data">(.*?)</script>', text)
    assert data is not None
    axis = json.loads(data[1])["target-0"]["axes"]["signal_to_noise_db"]
    assert axis["positions"][0] == 1.0
    assert all(0 < position < 1 for position in axis["positions"][3:])


def test_a_plan_of_one_choice_needs_no_plot() -> None:
    plan = report_documents.plan("nrf52840")
    for key in ("candidates", "choices", "decision", "rewrites"):
        del plan[key]
    documents = report_documents.documents(plan=plan)
    assert [one.candidate for one in choices(documents)] == ["int16x8"]
    read = _Reader(page(documents))
    assert read.of_class("pareto") == []
    assert len(read.of_class("memory")) == 1


def test_errors_are_relative_to_the_prediction() -> None:
    rows = {row.label: row for row in compared(report_documents.documents())}
    assert rows["Arena"].error == 0
    assert rows["Flash"].error == pytest.approx(64_536 / 64_424 - 1)
    assert rows["Cycles"].error is None
    assert rows["Cycles"].best == 8_530_000


def test_the_parts_of_flash_are_the_whole() -> None:
    documents = report_documents.documents()
    found = parts(documents)
    weights = sum(op["weight_bytes"] for op in report_documents.plan("x")["ops"])
    assert sum(part.size_bytes for part in found) == 9_912 + weights
    assert next(p.name for p in found if p.group == "Kernels") == "conv_2d_int8_direct"
    # What is no kernel, main among it, is in the rest.
    rest = next(p for p in found if p.group == "Other code")
    assert rest.size_bytes == 9_912 - 728 - 616 - 504
    unknown = parts(report_documents.documents(function_bytes=None))
    assert next(p for p in unknown if p.group == "Other code").name == "all code"


def _choice(x: float | None, y: float | None, *, fits: bool = True) -> Choice:
    return Choice(
        candidate="int8",
        strategy="",
        values={"ram_bytes": x, "accuracy": y},
        fits=fits,
        failed=(),
        chosen=False,
    )


def test_the_front_holds_what_nothing_beats() -> None:
    ram, accuracy = (next(m for m in METRICS if m.key == k) for k in ("ram_bytes", "accuracy"))
    found = [
        _choice(30, 0.9),
        _choice(10, 0.5),
        _choice(20, 0.8),
        _choice(25, 0.7),  # beaten by the third
        _choice(20, 0.8),  # the third again
        _choice(5, 0.99, fits=False),
        _choice(1, None),
    ]
    assert front(found, ram, accuracy) == [1, 2, 0]
    assert front(found, accuracy, ram) == [1, 2, 0]
    assert front(found, ram, ram) == [6]


def test_overlaps_are_found_in_time_and_space() -> None:
    def block(name: str, offset: int, size: int, first: int, last: int) -> Block:
        return Block(
            name=name,
            kind="tensor",
            shape=None,
            dtype="",
            offset=offset,
            size_bytes=size,
            first_use=first,
            last_use=last,
        )

    blocks = [
        block("a", 0, 100, -1, 0),
        block("b", 60, 80, 0, 3),  # shares 40 bytes with a during call 0
        block("c", 0, 60, 1, 1),  # after a, beside b
        block("d", 100, 10, 2, 9),  # inside b until b ends
    ]
    found = {(o.first.name, o.second.name): o for o in overlaps(blocks)}
    assert set(found) == {("a", "b"), ("b", "d")}
    assert (found["a", "b"].offset, found["a", "b"].size_bytes) == (60, 40)
    assert (found["a", "b"].first_use, found["a", "b"].last_use) == (0, 0)
    assert (found["b", "d"].first_use, found["b", "d"].last_use) == (2, 3)


@pytest.mark.parametrize("sizes", [[1], [5, 3, 2], [900, 90, 9, 1, 1, 1], list(range(60, 0, -1))])
def test_a_treemap_fills_its_box_without_overlap(sizes: list[int]) -> None:
    box = Box(x=10, y=20, width=300, height=200)
    cells = squarify(sizes, box)
    scale = box.area / sum(sizes)
    assert [cell.area for cell in cells] == pytest.approx([size * scale for size in sizes])
    for cell in cells:
        assert cell.x >= 10 - 1e-6
        assert cell.y >= 20 - 1e-6
        assert cell.x + cell.width <= 310 + 1e-6
        assert cell.y + cell.height <= 220 + 1e-6
    for a, b in itertools.combinations(cells, 2):
        across = min(a.x + a.width, b.x + b.width) - max(a.x, b.x)
        down = min(a.y + a.height, b.y + b.height) - max(a.y, b.y)
        assert across <= 1e-6 or down <= 1e-6


@pytest.mark.parametrize(
    ("low", "high", "unit"),
    [(0, 10_000, "B"), (0.90, 0.95, "metric"), (0, 3, ""), (1e6, 9e6, ""), (1e-6, 2e-3, "s")],
)
def test_ticks_are_round_and_inside(low: float, high: float, unit: str) -> None:
    found = ticks(low, high, unit)
    assert 2 <= len(found) <= 11
    assert all(low - 1e-9 * high <= value <= high * (1 + 1e-9) for value in found)
    assert len({short(value, unit) for value in found}) == len(found)
    gaps = {round((b - a) / (high - low), 6) for a, b in itertools.pairwise(found)}
    assert len(gaps) == 1


def test_amounts_in_words() -> None:
    assert short(0, "B") == "0 B"
    assert short(-2048, "B") == "-2 KiB"
    assert short(0, "s") == "0 s"
    assert short(1234567, "") == "1.23 M"
    assert short(float("nan"), "") == UNKNOWN
    assert exact(0.0213, "s") == "21.3 ms"
    assert exact(12, "points") == "12 points"
    assert percent(-0.5) == "-50 %"


def test_a_candidate_that_failed_says_so() -> None:
    plan = report_documents.plan("nrf52840")
    plan["candidates"][4] |= {
        "status": "failed",
        "reason": "the converter gave up",
        "accuracy": None,
    }
    assert candidates(plan)[4].status == "failed"
    assert "failed: the converter gave up" in page(report_documents.documents(plan=plan))
