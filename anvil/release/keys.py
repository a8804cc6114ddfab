"""ed25519 keys as PEM: what signs a release, and what checks it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from securesystemslib.signer import CryptoSigner, SSlibKey

from anvil.core.diagnostics import AnvilError, Diagnostic

if TYPE_CHECKING:
    from securesystemslib.signer import Key, Signer

_MAX_PEM_BYTES = 1 << 16
_MAKE_PRIVATE = "anvil release --generate-key release-key.pem"
_MAKE_PUBLIC = "openssl pkey -in release-key.pem -pubout -out release-key.pub.pem"


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKey:
    """A private key. No text of it shows the key itself."""

    signer: Signer = field(repr=False)
    private: Ed25519PrivateKey = field(repr=False)

    @property
    def public(self) -> PublicKey:
        """The key that checks what this one signs."""
        return PublicKey(key=self.signer.public_key, public=self.private.public_key())


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicKey:
    """A public key."""

    key: Key  # for envelopes
    public: Ed25519PublicKey  # the same, for everything else

    @property
    def keyid(self) -> str:
        """What envelopes call it: a digest of the key, in hex."""
        return self.key.keyid

    @property
    def pem(self) -> bytes:
        """The key as a file."""
        return self.public.public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )


def load_signing_key(pem: bytes, *, file: str | None = None) -> SigningKey:
    """The private key of a PEM text (PKCS#8, not encrypted).

    file: its name for messages; None for the environment's. Raises AnvilError (exit code 2),
    never with a part of the key.
    """
    private = _private_key(pem, file)
    if not isinstance(private, Ed25519PrivateKey):
        raise _refused(
            file,
            "release.key-kind",
            f"the signing key is {_kind(private)}; releases are signed with ed25519 alone, whose "
            "signatures are the same each time",
            f"make one: {_MAKE_PRIVATE}",
        )
    return SigningKey(signer=CryptoSigner(private), private=private)


def load_public_key(pem: bytes, *, file: str | None = None) -> PublicKey:
    """The public key of a PEM text. Raises AnvilError (exit code 2)."""
    if b"PRIVATE KEY-----" in pem:
        raise _refused(
            file,
            "release.key-private",
            "this is a private key; checking takes the public one, and the private one stays "
            "with who signs",
            f"take the public key out of it: {_MAKE_PUBLIC}",
        )
    try:
        public: Any = serialization.load_pem_public_key(_bounded(pem))
    except (ValueError, UnsupportedAlgorithm):
        raise _refused(
            file,
            "release.key-unreadable",
            "this is no public key in PEM form, which begins with -----BEGIN PUBLIC KEY-----",
            f"who signs can make it: {_MAKE_PUBLIC}",
        ) from None
    if not isinstance(public, Ed25519PublicKey):
        raise _refused(
            file,
            "release.key-kind",
            f"the public key is {_kind(public)}; releases are signed with ed25519 alone",
            "ask who signed the release for its public key",
        )
    return PublicKey(key=SSlibKey.from_crypto(public), public=public)


def _private_key(pem: bytes, file: str | None) -> object:
    if b"-----BEGIN PUBLIC KEY-----" in pem:
        raise _refused(
            file,
            "release.key-public",
            "this is a public key; signing takes the private one",
            f"it begins with -----BEGIN PRIVATE KEY-----; a new one: {_MAKE_PRIVATE}",
        )
    if b"ENCRYPTED" in pem:
        raise _refused(
            file,
            "release.key-encrypted",
            "the signing key is encrypted, and Anvil asks for no password",
            "decrypt it for this run: openssl pkey -in KEY, as the value of ANVIL_SIGNING_KEY",
        )
    try:
        return serialization.load_pem_private_key(_bounded(pem), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        # Its own message may quote the text; ours must not.
        raise _refused(
            file,
            "release.key-unreadable",
            "this is no private key in PEM form, which begins with -----BEGIN PRIVATE KEY-----",
            f"make one: {_MAKE_PRIVATE}",
        ) from None


def _bounded(pem: bytes) -> bytes:
    if len(pem) > _MAX_PEM_BYTES:
        msg = "a key has less than 64 KiB"
        raise ValueError(msg)
    return pem


def _kind(key: object) -> str:
    """RSA, ECDSA, Ed448: the kind of a key as people know it."""
    name = type(key).__name__.removesuffix("PrivateKey").removesuffix("PublicKey")
    return {"EC": "ECDSA", "X25519": "X25519, which cannot sign"}.get(name, name)


def _refused(file: str | None, code: str, message: str, hint: str) -> AnvilError:
    return AnvilError(Diagnostic(code=code, message=message, file=file, hint=hint))
