"""The private key of a release: where it may come from, and what is said of a wrong one."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from anvil.core.diagnostics import AnvilError, ExitCode, Severity
from anvil.pipeline.signing_key import VARIABLE, generate_key, read_signing_key
from anvil.release.keys import load_public_key
from tests.support.releasing import PRIVATE_PEM, PUBLIC_PEM, write_key

if TYPE_CHECKING:
    from pathlib import Path

_PEM = (Encoding.PEM, PrivateFormat.PKCS8)
# The text of a key without the lines around it.
_BODY = PRIVATE_PEM.splitlines()[1].decode()


def refused(file: Path | None) -> AnvilError:
    with pytest.raises(AnvilError) as caught:
        read_signing_key(file)
    assert caught.value.exit_code is ExitCode.BAD_INPUT
    assert len(caught.value.diagnostics) == 1
    assert caught.value.diagnostics[0].hint
    assert _BODY not in str(caught.value)
    return caught.value


@pytest.fixture(autouse=True)
def no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)


def test_a_file_gives_the_key(tmp_path: Path) -> None:
    key, warnings = read_signing_key(write_key(tmp_path))
    assert key.public.pem == PUBLIC_PEM
    assert warnings == ()


def test_the_environment_gives_it_and_keeps_it_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, PRIVATE_PEM.decode())
    key, warnings = read_signing_key(None)
    assert key.public.pem == PUBLIC_PEM
    assert warnings == ()
    assert VARIABLE not in os.environ


def test_a_file_stands_above_the_environment_which_is_emptied_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, "not a key at all")
    assert read_signing_key(write_key(tmp_path))[0].public.pem == PUBLIC_PEM
    assert VARIABLE not in os.environ


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o666])
def test_a_file_that_others_may_use_is_warned_of(tmp_path: Path, mode: int) -> None:
    file = write_key(tmp_path)
    file.chmod(mode)
    key, (warning,) = read_signing_key(file)
    assert key.public.pem == PUBLIC_PEM
    assert warning.severity is Severity.WARNING
    assert f"{mode:04o}" in warning.message
    assert warning.hint == f"chmod 600 {file}"


def test_without_a_key_it_says_how_to_make_one() -> None:
    (found,) = refused(None).diagnostics
    assert found.code == "release.no-key"
    assert "--generate-key" in (found.hint or "")


def test_an_empty_variable_is_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "")
    assert "is empty" in refused(None).diagnostics[0].message


def _rsa() -> bytes:
    return rsa.generate_private_key(65537, 2048).private_bytes(*_PEM, NoEncryption())


def _ecdsa() -> bytes:
    return ec.generate_private_key(ec.SECP256R1()).private_bytes(*_PEM, NoEncryption())


def _encrypted() -> bytes:
    key = ed25519.Ed25519PrivateKey.generate()
    return key.private_bytes(*_PEM, BestAvailableEncryption(b"secret"))


@pytest.mark.parametrize(
    ("pem", "code", "words"),
    [
        (_rsa, "release.key-kind", "RSA"),
        (_ecdsa, "release.key-kind", "ECDSA"),
        (_encrypted, "release.key-encrypted", "no password"),
        (lambda: PUBLIC_PEM, "release.key-public", "public key"),
        (lambda: b"\x00\xff garbage", "release.key-unreadable", "no private key in PEM form"),
        (lambda: b"", "release.key-unreadable", "no private key in PEM form"),
        (lambda: PRIVATE_PEM[:60], "release.key-unreadable", "no private key in PEM form"),
        (lambda: PRIVATE_PEM * 1000, "release.key-unreadable", "no private key in PEM form"),
    ],
)
def test_a_wrong_key_is_said_in_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pem: object, code: str, words: str
) -> None:
    assert callable(pem)
    content: bytes = pem()
    file = tmp_path / "key.pem"
    file.write_bytes(content)
    file.chmod(0o600)
    (found,) = refused(file).diagnostics
    assert (found.code, found.file) == (code, str(file))
    assert words in found.message
    if content and b"\x00" not in content:
        monkeypatch.setenv(VARIABLE, content.decode())
        (found,) = refused(None).diagnostics
        assert (found.code, found.file) == (code, None)


def test_what_cannot_be_read_is_said(tmp_path: Path) -> None:
    for file in (tmp_path, tmp_path / "none.pem", tmp_path / "x" / "y"):
        (found,) = refused(file).diagnostics
        assert (found.code, found.file) == ("release.key-unreadable", str(file))


def test_a_key_that_is_made_is_its_owners_alone_and_never_written_over(tmp_path: Path) -> None:
    file = tmp_path / "release-key.pem"
    former = os.umask(0)
    try:
        public = generate_key(file)
    finally:
        os.umask(former)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert public == tmp_path / "release-key.pub.pem"
    key, warnings = read_signing_key(file)
    assert warnings == ()
    assert load_public_key(public.read_bytes()).keyid == key.public.keyid
    contents = (file.read_bytes(), public.read_bytes())
    for occupied in (file, public):
        with pytest.raises(AnvilError, match="never overwritten") as caught:
            generate_key(file)
        assert caught.value.exit_code is ExitCode.BAD_INPUT
        assert (file.read_bytes(), public.read_bytes()) == contents
        assert occupied.exists()


def test_a_key_in_a_folder_that_is_not_there_is_exit_1(tmp_path: Path) -> None:
    with pytest.raises(AnvilError, match="cannot write") as caught:
        generate_key(tmp_path / "none" / "key.pem")
    assert caught.value.exit_code is ExitCode.FAILED
