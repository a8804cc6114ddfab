"""Any JSON is a document of a build, or an AnvilError that names its file."""

from __future__ import annotations

import copy
import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from anvil.core.diagnostics import AnvilError
from anvil.diff.compare import compare
from anvil.diff.documents import parse, snapshot
from anvil.diff.limits import exceeded, parse_limits
from anvil.diff.quantities import BY_KEY
from anvil.diff.text import as_markdown, as_text
from tests.unit.test_diff import HOSTILE, manifest, measured, plan

DOCUMENTS = [plan(), measured(), manifest(("a.elf", "1" * 64, 10), ("b.h", "2" * 64, 5))]
LIMITS = parse_limits([f"{name}>1%" for name in BY_KEY])
TEXTS = st.one_of(st.sampled_from(["", HOSTILE, "\ud800", "nrf52840"]), st.text(max_size=8))
NUMBERS = st.one_of(
    st.sampled_from([None, 0, -0.0, 1e308, 10**40, -1]),
    st.integers(-(2**53), 2**53),
    st.floats(allow_nan=True),
)
ANYTHING: st.SearchStrategy[Any] = st.one_of(
    TEXTS, NUMBERS, st.sampled_from([True, [], {}, [[]], {"a": 1}])
)


def another(value: object) -> st.SearchStrategy[Any]:
    """Mostly of the kind that belongs there: what is refused at once finds little."""
    fitting: st.SearchStrategy[Any] = TEXTS if isinstance(value, str) else NUMBERS
    return st.one_of(fitting, fitting, fitting, ANYTHING)


@st.composite
def damaged(draw: st.DrawFn) -> list[bytes]:
    """The documents of one target after a few changes; all of them, or some."""
    found = copy.deepcopy(draw(st.lists(st.sampled_from(DOCUMENTS), min_size=1, unique_by=id)))
    for _ in range(draw(st.integers(0, 3))):
        place: Any = draw(st.sampled_from(found))
        while True:
            keys = sorted(place) if isinstance(place, dict) else list(range(len(place)))
            if not keys:
                break
            key = draw(st.sampled_from(keys))
            if isinstance(place[key], (dict, list)) and draw(st.booleans()):
                place = place[key]
                continue
            # A copy, since a later change may go into it.
            place[key] = copy.deepcopy(draw(another(place[key])))
            break
    contents = [json.dumps(one).encode() for one in found]
    cut = draw(st.integers(0, 200)) if draw(st.integers(0, 9)) == 9 else None
    return [contents[0][:cut], *contents[1:]]


def read(contents: list[bytes]) -> Any:  # noqa: ANN401
    listed = [parse(content, f"{number}.json") for number, content in enumerate(contents)]
    files = {kind: f"{number}.json" for number, (kind, _) in enumerate(listed)}
    return snapshot(dict(listed), files)


def check_places(error: AnvilError) -> None:
    """Every mistake has a file and a way on."""
    assert all(d.file and d.file.endswith(".json") and d.hint for d in error.diagnostics)


@given(damaged(), damaged())
@settings(max_examples=300, deadline=None)
def test_two_sides_are_compared_or_refused(base: list[bytes], head: list[bytes]) -> None:
    try:
        sides = {".": read(base)}, {".": read(head)}
    except AnvilError as error:
        check_places(error)
        return
    changes = compare(*sides)
    exceeded(changes, LIMITS)
    json.dumps([change.as_json() for change in changes], allow_nan=False)
    as_text(changes).encode()
    page = as_markdown(changes, max_bytes=60_000)
    assert "<img" not in "".join(page.split("`")[::2])
