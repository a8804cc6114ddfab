"""YAML to documents: values, positions, limits."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from anvil.config.document import Document, Position, document_from_json, path_text
from anvil.config.yaml_source import MAX_FILE_BYTES, parse_yaml
from anvil.core.diagnostics import AnvilError

TEXT = """\
# a comment
name: digits
memory:
  flash: {origin: 0x20, size: 1 MiB}
  "ram": &ram
    - 1
    -   two
again: *ram
"""


@pytest.fixture(params=["libyaml", "pure"], autouse=True)
def parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test runs with both of PyYAML's parsers."""
    if request.param == "pure":
        monkeypatch.delattr(yaml, "CSafeLoader")


def parse(text: str) -> Document:
    return parse_yaml(text.encode(), "f.yaml")


def errors(content: bytes) -> list[tuple[str, int | None, int | None]]:
    with pytest.raises(AnvilError) as error:
        parse_yaml(content, "f.yaml")
    return [(d.code, d.line, d.column) for d in error.value.diagnostics]


def test_values() -> None:
    assert parse(TEXT).value == {
        "name": "digits",
        "memory": {"flash": {"origin": 32, "size": "1 MiB"}, "ram": [1, "two"]},
        "again": [1, "two"],
    }


def test_positions_of_keys_and_values() -> None:
    document = parse(TEXT)
    assert document.keys == {
        ("name",): (2, 1),
        ("memory",): (3, 1),
        ("memory", "flash"): (4, 3),
        ("memory", "flash", "origin"): (4, 11),
        ("memory", "flash", "size"): (4, 25),
        ("memory", "ram"): (5, 3),
        ("again",): (8, 1),
    }
    assert document.values[()] == (2, 1)
    assert document.values["memory", "flash", "size"] == (4, 31)
    assert document.values["memory", "ram", 0] == (6, 7)
    assert document.values["memory", "ram", 1] == (7, 9)
    # An alias is where its value is written.
    assert document.values["again", 1] == (7, 9)


def test_columns_count_characters_not_bytes() -> None:
    assert parse("{'ä€😀': 1, b: 2}").keys["b",] == (1, 12)


def test_a_place_that_is_not_there_is_its_nearest_enclosing_one() -> None:
    document = parse(TEXT)
    assert document.key_position(("memory", "flash", "no", 3)) == Position(4, 3)
    assert document.value_position(("memory", "flash", "no", 3)) == Position(4, 10)
    assert document.key_position(("no",)) == Position(2, 1)
    assert document.value_at(("memory", "ram", 5)) is None
    assert document.value_at(("name", "x")) is None


def test_a_document_survives_json() -> None:
    document = parse(TEXT)
    assert document_from_json(json.loads(json.dumps(document.as_json())), "f.yaml") == document


@pytest.mark.parametrize(
    "damage",
    [{"value": []}, {"keys": 5}, {"values": []}, {"keys": [[["a"], "x", 1]]}, {"values": [[[]]]}],
)
def test_damaged_json_is_no_document(damage: dict[str, Any]) -> None:
    with pytest.raises((KeyError, TypeError, ValueError)):
        document_from_json({**parse(TEXT).as_json(), **damage}, "f.yaml")


@pytest.mark.parametrize(
    ("scalar", "value"),
    [
        ("", None),
        ("~", None),
        ("null", None),
        ("true", True),
        ("False", False),
        ("no", "no"),
        ("off", "off"),
        ("y", "y"),
        ("0", 0),
        ("-12", -12),
        ("+3", 3),
        ("0x20000000", 0x20000000),
        ("0xfF", 255),
        ("0o17", 15),
        ("1_000", "1_000"),
        ("1:30", "1:30"),
        ("1.5", 1.5),
        ("1.", 1.0),
        (".5", 0.5),
        ("-1e3", -1000.0),
        ("1e3", 1000.0),
        ("2024-01-01", "2024-01-01"),
        ("64 MHz", "64 MHz"),
        ("P0.06", "P0.06"),
        ("0.17.1", "0.17.1"),
        ("-Os", "-Os"),
        ("'012'", "012"),
        ('"true"', "true"),
        ("''", ""),
        ("=", "="),
        ("|\n  two\n  lines\n", "two\nlines\n"),
        (">\n  one\n  line\n", "one line\n"),
    ],
)
def test_scalars_resolve_as_in_yaml_1_2(scalar: str, value: object) -> None:
    found = parse(f"a: {scalar}").value["a"]
    assert (type(found), found) == (type(value), value)


@pytest.mark.parametrize(
    "scalar", ["012", "-01", "00", "1e400", ".inf", "-.INF", ".nan", "9" * 21, "0x" + "f" * 20]
)
def test_numbers_that_no_two_readers_agree_on_are_refused(scalar: str) -> None:
    assert errors(f"a: {scalar}".encode()) == [("yaml.number", 1, 4)]


def test_every_mistake_is_reported_by_place() -> None:
    content = b"a: 012\nb: 1\nb: 2\n5: x\nc: {d: .inf, d: !!str 1}\n"
    assert errors(content) == [
        ("yaml.number", 1, 4),
        ("yaml.duplicate-key", 3, 1),
        ("yaml.key", 4, 1),
        ("yaml.number", 5, 8),
        ("yaml.duplicate-key", 5, 14),
        ("yaml.tag", 5, 17),
    ]


def test_a_byte_order_mark_and_carriage_returns_are_no_mistake() -> None:
    document = parse_yaml(b"\xef\xbb\xbfa: 1\r\nb: 2\r\n", "f.yaml")
    assert document.value == {"a": 1, "b": 2}
    assert document.keys == {("a",): (1, 1), ("b",): (2, 1)}


@pytest.mark.parametrize("escape", ["0", "a", "e", "x7f", "uFFFE"])
def test_escapes_write_no_control_characters(escape: str) -> None:
    content = f'a: "x\\{escape}"\n"\\{escape}": 1\n'.encode()
    assert errors(content) == [("yaml.control-character", 1, 4), ("yaml.control-character", 2, 1)]


def test_escapes_write_no_halves_of_characters() -> None:
    (error,) = errors(b'a: "\\ud800"')
    assert error[0] in {"yaml.control-character", "yaml.syntax"}  # pure Python, libyaml


@pytest.mark.parametrize(
    ("content", "line", "column"),
    [(b"\xff", 1, 1), (b"a: 1\r\nbc\xc3(", 2, 3), (b"\xef\xbb\xbfa\xff", 1, 2)],
)
def test_bytes_that_are_not_utf_8_have_a_place(content: bytes, line: int, column: int) -> None:
    assert errors(content) == [("yaml.encoding", line, column)]


def test_a_file_has_a_largest_size() -> None:
    line = b"a: 1 #"
    largest = line + b"x" * (MAX_FILE_BYTES - len(line))
    assert parse_yaml(largest, "f.yaml").value == {"a": 1}
    assert errors(largest + b"x") == [("yaml.too-large", 1, 1)]


@pytest.mark.parametrize("opening", ["[", "{a: ", "- ", "? "])
def test_depth_is_bounded(opening: str) -> None:
    codes = {code for code, _, _ in errors(b"a:\n " + opening.encode() * 50_000)}
    assert codes == {"yaml.too-deep"}


def test_aliases_cannot_nest_without_bounds() -> None:
    lines = ["a0: &a0 [x]", *(f"a{n}: &a{n} [*a{n - 1}]" for n in range(1, 60))]
    assert [code for code, _, _ in errors("\n".join(lines).encode())] == ["yaml.too-large"]


def test_paths_as_text() -> None:
    assert path_text(()) == ""
    assert path_text(("a", "b", 0, 1, "c")) == "a.b[0][1].c"
