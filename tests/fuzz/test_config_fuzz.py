"""Any bytes are a configuration or an AnvilError that names a place in the file."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from anvil.config.profiles import SourceFile, load_targets
from anvil.config.project import load_project
from anvil.config.yaml_source import parse_yaml
from anvil.core.diagnostics import AnvilError, Diagnostic
from tests.support.configuration import VALID, built_in, schemas

BOARD = built_in()["boards/nrf52840.yaml"].content
PIECES = [
    *(bytes([c]) for c in b"\n \t:-?[]{},#|>'\"\\~&*!%@`="),
    b"", b"  ", b": ", b"- ", b"? ", b"&a ", b"*a", b"!!int ", b"!x ", b"%YAML 1.1\n", b"---\n",
    b"...\n", b"<<: ", b"0x", b"012", b".inf", b"1e999", b"-1", b"1.5", b"9" * 30, b"null", b"true",
    b"\x00", b"\x07", b"\xff", b"\xef\xbb\xbf", b"\xc2\x85", b"\xe2\x80\xa8", b"\xf0\x9f\x98\x80",
    b'"\\0"', b'"\\ud800"', b'"\\n"', b"|\n  a\n", b"64 KiB", b"name: ", b"targets: ", b"extends: ",
    b"boards/mine",
]  # fmt: skip


@st.composite
def mutations(draw: st.DrawFn, valid: bytes) -> bytes:
    """A valid file with a few places replaced by pieces that mean something to YAML."""
    content = valid
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(content)))
        end = min(len(content), start + draw(st.integers(0, 12)))
        content = content[:start] + draw(st.sampled_from(PIECES)) + content[end:]
    return content


def check_places(diagnostics: tuple[Diagnostic, ...], file: str, content: bytes) -> None:
    """Every mistake has a place that the file has."""
    # Some readers end lines at more characters than others: count the most generous way.
    n_lines = len(content.decode("utf-8", "replace").splitlines()) + content.count(b"\r") + 1
    assert diagnostics
    for diagnostic in diagnostics:
        assert diagnostic.message
        if diagnostic.file == file:
            assert 1 <= (diagnostic.line or 0) <= n_lines
            assert (diagnostic.column or 0) >= 1


def check_project(content: bytes) -> None:
    try:
        load_project(
            SourceFile(file="anvil.yaml", content=content), roots=[built_in()], schemas=schemas()
        )
    except AnvilError as error:
        diagnostics = error.diagnostics
    else:
        return
    check_places(diagnostics, "anvil.yaml", content)


@given(mutations(VALID.encode()))
@settings(max_examples=150, deadline=None)
def test_a_changed_anvil_yaml(content: bytes) -> None:
    check_project(content)


@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda t: t.encode("utf-8", "replace")))
@settings(max_examples=150, deadline=None)
def test_any_bytes(content: bytes) -> None:
    check_project(content)


@given(mutations(BOARD))
@settings(max_examples=150, deadline=None)
def test_a_changed_board(content: bytes) -> None:
    root = {"boards/mine.yaml": SourceFile(file="mine.yaml", content=content)}
    listings = load_targets([root, built_in()], schemas=schemas()).listings
    for entry in listings:
        if entry.name != "mine":
            assert entry.target is not None
        elif entry.target is None:
            check_places(entry.diagnostics, "mine.yaml", content)


@given(mutations(VALID.encode()))
@settings(max_examples=150, deadline=None)
def test_a_document_has_a_place_for_everything(content: bytes) -> None:
    try:
        document = parse_yaml(content, "f.yaml")
    except AnvilError:
        return
    assert set(document.keys) | {()} <= set(document.values)
