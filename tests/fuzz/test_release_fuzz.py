"""Any bytes in the place of any document are a release as signed or mistakes in words."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from anvil.core.diagnostics import AnvilError, Diagnostic, ExitCode
from anvil.release.check import check_release
from anvil.release.checksums import read_checksums, sha256, write_checksums
from anvil.release.envelope import open_envelope
from anvil.release.files import CHECKSUMS, PROVENANCE, SBOM, ReleaseFile, reason_against
from anvil.release.keys import load_public_key, load_signing_key
from anvil.release.statement import read_statement
from anvil.release.strict_json import JsonError, read_json
from tests.support.releases import (
    private_pem,
    release,
    signing_key,
    statement,
    with_payload,
    with_statement,
)

if TYPE_CHECKING:
    from collections.abc import Callable

KEY = signing_key().public
ENVELOPE = release()[PROVENANCE].content
PIECES = [
    *(bytes([c]) for c in b'{}[]",:\\ \n'),
    b"", b"null", b"true", b"1e999", b"-0", b"9" * 30, b"NaN", b'"\\ud800"', b'"\\u0000"', b"\xff",
    b"\xef\xbb\xbf", b"[" * 70, b'{"a":' * 70, b'"sha256":', b'"name":"../x"', b'"digest":{}',
    b'"subject":[]', b'"_type":1', b'"keyid":""', b"==", b"AA",
]  # fmt: skip
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8
)


@st.composite
def mutations(draw: st.DrawFn, valid: bytes) -> bytes:
    """A valid file with a few places replaced by pieces that mean something to JSON."""
    content = valid
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(content)))
        end = min(len(content), start + draw(st.integers(0, 12)))
        content = content[:start] + draw(st.sampled_from(PIECES)) + content[end:]
    return content


@st.composite
def other_statements(draw: st.DrawFn) -> object:
    """The statement of a release with one value somewhere replaced by another."""
    document = statement(release())
    place: object = document
    while True:
        keys = list(range(len(place))) if isinstance(place, list) else sorted(place)  # type: ignore[call-overload]
        key = draw(st.sampled_from(keys))
        inner = place[key]  # type: ignore[index]
        if not isinstance(inner, dict | list) or not inner or draw(st.booleans()):
            place[key] = draw(VALUES)  # type: ignore[index]
            return document
        place = inner


def check_words(mistakes: tuple[Diagnostic, ...]) -> None:
    for one in mistakes:
        assert one.message.isprintable(), one.message
        assert one.file
        assert "release." in one.code


def raised(call: Callable[[], object]) -> AnvilError | None:
    """The error that a call ends with, and no other than this kind."""
    try:
        call()
    except AnvilError as error:
        return error
    return None


def check_error(error: AnvilError | None, exit_code: ExitCode) -> None:
    if error is not None:
        assert error.exit_code is exit_code
        check_words(error.diagnostics)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300) | mutations(ENVELOPE[-400:]) | mutations(ENVELOPE))
def test_an_envelope_is_opened_or_refused(content: bytes) -> None:
    error = raised(lambda: open_envelope(content, KEY))
    assert (error is None) == (content == ENVELOPE)
    check_error(error, ExitCode.FAILED)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200) | mutations(json.dumps(statement(release())).encode()[:3000]))
def test_a_payload_is_a_statement_or_refused(payload: bytes) -> None:
    check_error(raised(lambda: read_statement(payload)), ExitCode.FAILED)


@settings(max_examples=200, deadline=None)
@given(other_statements())
def test_a_signed_statement_of_any_values_is_checked_or_refused(document: object) -> None:
    try:
        files = with_statement(release(), document)
    except ValueError:
        return  # no JSON text has it
    check_words(check_release(files, KEY))


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from([SBOM, CHECKSUMS, "rpi4/manifest.json", "rpi4/plan.json"]).flatmap(
        lambda path: st.tuples(
            st.just(path), mutations(release()[path].content) | VALUES.map(_as_json)
        )
    )
)
def test_documents_that_were_signed_broken_are_told(changed: tuple[str, bytes]) -> None:
    path, content = changed
    files = release()
    files[path] = ReleaseFile(content=content)
    document = statement(files)
    for row in document["subject"]:
        row["digest"] = {"sha256": sha256(files[row["name"]].content)}
    mistakes = check_release(with_statement(files, document), KEY)
    check_words(mistakes)
    assert bool(mistakes) == (content != release()[path].content)


def _as_json(value: object) -> bytes:
    return json.dumps(value).encode()


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200) | mutations(b'{"a": [1, {"b": "c\\n"}], "d": null}'))
def test_json_is_read_or_refused(content: bytes) -> None:
    try:
        value = read_json(content)
    except JsonError:
        return
    assert json.dumps(value) == json.dumps(json.loads(content))


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200) | mutations(release()[CHECKSUMS].content))
def test_checksums_are_read_as_written_or_not_at_all(content: bytes) -> None:
    listed = read_checksums(content)
    assert listed is None or write_checksums(listed) == content


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200) | mutations(private_pem()) | mutations(KEY.pem))
def test_any_bytes_are_a_key_or_refused(pem: bytes) -> None:
    check_error(raised(lambda: load_signing_key(pem, file="k")), ExitCode.BAD_INPUT)
    check_error(raised(lambda: load_public_key(pem, file="k")), ExitCode.BAD_INPUT)


@settings(max_examples=300, deadline=None)
@given(
    st.text(max_size=30) | st.lists(st.sampled_from([".", "..", "/", "a", "", "\\"])).map("".join)
)
def test_a_path_that_is_allowed_stays_in_the_folder(path: str) -> None:
    if reason_against(path) is None:
        assert path.isprintable()
        assert not {"", ".", ".."} & set(path.split("/"))
        assert with_payload(release(), path.encode())[PROVENANCE].content
