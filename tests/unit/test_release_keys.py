"""Keys of the wrong kind are refused in words, and no message shows a private key."""

from __future__ import annotations

import base64
import subprocess
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa, x25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from anvil.core.diagnostics import AnvilError, Diagnostic, ExitCode
from anvil.release.keys import load_public_key, load_signing_key
from tests.support.releases import private_pem, signing_key

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

Key = (
    rsa.RSAPrivateKey
    | ec.EllipticCurvePrivateKey
    | ed448.Ed448PrivateKey
    | x25519.X25519PrivateKey
    | ed25519.Ed25519PrivateKey
)

ED25519 = ed25519.Ed25519PrivateKey.from_private_bytes(b"\x01" * 32)
RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC = ec.generate_private_key(ec.SECP256R1())
ED448 = ed448.Ed448PrivateKey.generate()
X25519 = x25519.X25519PrivateKey.generate()
KINDS: list[tuple[Key, str]] = [(RSA, "RSA"), (EC, "ECDSA"), (ED448, "Ed448"), (X25519, "X25519")]
PUBLIC = signing_key().public.pem


def private(
    key: Key, form: PrivateFormat = PrivateFormat.PKCS8, password: bytes | None = None
) -> bytes:
    encryption = NoEncryption() if password is None else BestAvailableEncryption(password)
    return key.private_bytes(Encoding.PEM, form, encryption)


def refused(load: Callable[[], object]) -> Diagnostic:
    with pytest.raises(AnvilError) as caught:
        load()
    assert caught.value.exit_code is ExitCode.BAD_INPUT
    (mistake,) = caught.value.diagnostics
    assert mistake.file == "key.pem"
    assert mistake.hint
    # Nothing that Python would print beside it, either.
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    return mistake


@pytest.mark.parametrize(
    ("pem", "code"),
    [
        *((private(key), "release.key-kind") for key, _ in KINDS),
        (private(RSA, PrivateFormat.TraditionalOpenSSL), "release.key-kind"),
        (private(ED25519, password=b"secret"), "release.key-encrypted"),
        (PUBLIC, "release.key-public"),
        (b"", "release.key-unreadable"),
        (b"\x00\xff" * 40, "release.key-unreadable"),
        (base64.b64encode(b"\x01" * 32), "release.key-unreadable"),
        (private_pem()[:-30], "release.key-unreadable"),
        (private_pem().replace(b"MC4", b"MC5"), "release.key-unreadable"),
        (private_pem() * 1000, "release.key-unreadable"),
        (private(ED25519, PrivateFormat.OpenSSH), "release.key-unreadable"),
    ],
    ids=range(14),
)
def test_what_cannot_sign_is_refused(pem: bytes, code: str) -> None:
    mistake = refused(lambda: load_signing_key(pem, file="key.pem"))
    assert mistake.code == code
    lines = [line for line in pem.decode("latin-1").splitlines() if len(line) > 8]
    shown = f"{mistake.message} {mistake.hint}"
    assert not any(line in shown for line in lines if not line.startswith("-----"))


@pytest.mark.parametrize(("key", "name"), KINDS, ids=[name for _, name in KINDS])
def test_the_kind_that_was_found_is_told(key: Key, name: str) -> None:
    assert name in refused(lambda: load_signing_key(private(key), file="key.pem")).message
    pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    mistake = refused(lambda: load_public_key(pem, file="key.pem"))
    assert mistake.code == "release.key-kind"
    assert name in mistake.message


@pytest.mark.parametrize(
    ("pem", "code"),
    [
        (private_pem(), "release.key-private"),
        (private(RSA, PrivateFormat.TraditionalOpenSSL), "release.key-private"),
        (private(ED25519, password=b"secret"), "release.key-private"),
        (private(ED25519, PrivateFormat.OpenSSH), "release.key-private"),
        (b"", "release.key-unreadable"),
        (b"ssh-ed25519 AAAA", "release.key-unreadable"),
        (PUBLIC[:-30], "release.key-unreadable"),
        (PUBLIC * 1000, "release.key-unreadable"),
        (b"\xff" * 100, "release.key-unreadable"),
    ],
    ids=range(9),
)
def test_what_cannot_check_is_refused(pem: bytes, code: str) -> None:
    assert refused(lambda: load_public_key(pem, file="key.pem")).code == code


def test_a_public_key_goes_with_its_private_one() -> None:
    loaded = load_public_key(PUBLIC)
    assert loaded.keyid == signing_key().public.keyid
    assert loaded.pem == PUBLIC
    assert loaded.keyid != signing_key(2).public.keyid


def test_a_key_does_not_show_itself() -> None:
    key = signing_key()
    body = b"".join(private_pem().splitlines()[1:-1]).decode()
    assert body not in f"{key!r} {key!s}"
    assert repr(key) == "SigningKey()"


def test_keys_that_openssl_makes_are_read(tmp_path: Path) -> None:
    """The two commands of docs/releases.md."""
    made, public = tmp_path / "key.pem", tmp_path / "key.pub.pem"
    subprocess.run(
        ["openssl", "genpkey", "-algorithm", "ed25519", "-out", str(made)],
        check=True,
        capture_output=True,
    )
    subprocess.run(
        ["openssl", "pkey", "-in", str(made), "-pubout", "-out", str(public)], check=True
    )
    loaded = load_signing_key(made.read_bytes()).public
    assert loaded.pem == public.read_bytes()
    assert load_public_key(public.read_bytes()).keyid == loaded.keyid
