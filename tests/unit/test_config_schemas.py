"""The schemas: sound, explained, and in step with the code that reads what they let pass."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from anvil.config.document import Document
from anvil.config.schema_check import validate
from anvil.config.schemas import SchemaKind, Schemas
from anvil.config.yaml_source import parse_yaml
from anvil.core.units import parse_bytes, parse_hertz, parse_seconds
from tests.support.configuration import VALID, built_in, schemas
from tests.support.programs import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

KINDS = list(SchemaKind)
FOLDERS = {
    "boards": SchemaKind.TARGET,
    "cores": SchemaKind.CORE,
    "toolchains": SchemaKind.TOOLCHAIN,
}
# What the plan stage reads: its schema is for editors, and a test of the tables.
SCHEMA_FILES = {folder: kind.file_name for folder, kind in FOLDERS.items()}
SCHEMA_FILES["costs"] = "costs.schema.json"
# Keywords that say something to people, hold other schemas, or are translated.
ANNOTATIONS = {
    "$schema", "title", "description", "examples", "default", "patternErrorMessage", "x-unit",
}  # fmt: skip
STRUCTURE = {"$defs", "$ref", "properties", "items", "allOf", "if", "then"}
TRANSLATED = {
    "additionalProperties", "required", "type", "enum", "const", "pattern", "minimum", "maximum",
    "minLength", "maxLength", "minItems", "maxItems", "minProperties", "uniqueItems",
    "propertyNames",
}  # fmt: skip
PARSERS: dict[str, Callable[[object], float]] = {
    "bytes": parse_bytes,
    "hertz": parse_hertz,
    "seconds": parse_seconds,
}


def nodes(schema: object) -> Iterator[dict[str, Any]]:
    """Every schema inside a schema, itself first."""
    if not isinstance(schema, dict):
        return
    yield schema
    for holder in ("properties", "$defs"):
        for inner in schema.get(holder, {}).values():
            yield from nodes(inner)
    for holder in ("items", "additionalProperties", "propertyNames", "if", "then"):
        yield from nodes(schema.get(holder))
    for inner in schema.get("allOf", []):
        yield from nodes(inner)


@pytest.mark.parametrize("kind", KINDS)
def test_a_schema_is_a_schema_of_draft_2020_12(kind: SchemaKind) -> None:
    schema = schemas()[kind].parse()
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize("kind", KINDS)
def test_every_keyword_has_its_sentence(kind: SchemaKind) -> None:
    used = {keyword for node in nodes(schemas()[kind].parse()) for keyword in node}
    assert used <= ANNOTATIONS | STRUCTURE | TRANSLATED


@pytest.mark.parametrize("kind", KINDS)
def test_every_key_is_explained_and_every_mapping_closed(kind: SchemaKind) -> None:
    top = schemas()[kind].parse()
    for node in nodes(top):
        for name, inner in node.get("properties", {}).items():
            if "const" in inner and "description" not in inner:
                continue  # of an `if`
            target = top["$defs"][inner["$ref"].split("/")[-1]] if "$ref" in inner else inner
            assert "description" in inner or "description" in target, name
        if node.get("type") == "object":
            assert "additionalProperties" in node, node
        if "pattern" in node:
            assert "patternErrorMessage" in node or "x-unit" in node, node


def test_a_missing_schema_is_named() -> None:
    with pytest.raises(KeyError, match=r"anvil\.schema\.json"):
        Schemas.from_files({})


@pytest.mark.parametrize("path", sorted(built_in()))
def test_every_built_in_profile_names_its_schema(path: str) -> None:
    source = built_in()[path]
    first = source.content.decode().splitlines()[0]
    match = re.fullmatch(r"# yaml-language-server: \$schema=(\S+)", first)
    assert match is not None
    schema = (ROOT / "targets" / path).parent / match[1]
    assert schema.resolve() == ROOT / "schemas" / SCHEMA_FILES[path.partition("/")[0]]


def unit_patterns() -> dict[str, str]:
    return {
        node["x-unit"]: node["pattern"]
        for kind in KINDS
        for node in nodes(schemas()[kind].parse())
        if "x-unit" in node
    }


@given(
    st.sampled_from(sorted(PARSERS)),
    st.text(alphabet="0123456789. kKMGiBHznumsµμ-+", max_size=12)
    | st.from_regex(r"\A[0-9]{1,4}(\.[0-9]{1,3})? ?[kKMG]?i?(B|Hz|s)\Z"),
)
def test_what_the_code_reads_the_schema_lets_pass(unit: str, text: str) -> None:
    try:
        PARSERS[unit](text)
    except ValueError:
        return
    assert re.search(unit_patterns()[unit], text) is not None


def check(text: str) -> list[tuple[str, str | None, str]]:
    document: Document = parse_yaml(text.encode(), "anvil.yaml")
    return [(d.code, d.path, d.message) for d in validate(document, schemas()[SchemaKind.ANVIL])]


def test_a_valid_document_has_no_mistakes() -> None:
    assert check(VALID) == []


def test_a_misspelt_key_is_not_said_to_be_missing_too() -> None:
    found = check(VALID.replace("model:", "modle:"))
    assert [(code, path) for code, path, _ in found] == [("config.unknown-key", "modle")]


def test_a_key_that_resembles_nothing_is_unknown_and_the_right_one_missing() -> None:
    found = check(VALID.replace("model:", "zzzzz:"))
    assert [(code, path) for code, path, _ in found] == [
        ("config.missing-key", "model"),
        ("config.unknown-key", "zzzzz"),
    ]


@pytest.mark.parametrize(
    ("before", "after", "path"),
    [
        ("name: digits", 'name: "digits\\n"', "name"),
        ("models/digits.tflite", '"a\\nb"', "model"),
        ("browser: {}", 'browser: {toolchain: "zig\\n"}', "targets.browser.toolchain"),
    ],
)
def test_no_name_ends_in_a_line_break(before: str, after: str, path: str) -> None:
    assert [(code, at) for code, at, _ in check(VALID.replace(before, after))] == [
        ("config.value", path)
    ]
