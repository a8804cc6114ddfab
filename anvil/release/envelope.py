"""The DSSE envelope around a signed statement, in the only spelling that is accepted.

JSON and base64 have many spellings of one value. A changed byte of the file must be found
even where it changes no meaning, so that a reader refuses what Anvil would not write.
"""

from __future__ import annotations

import binascii
import copy
from typing import TYPE_CHECKING, Any

from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import FormatError, VerificationError

from anvil.core.diagnostics import AnvilError, Diagnostic, ExitCode
from anvil.core.digest import canonical_json
from anvil.release.files import PROVENANCE, shown
from anvil.release.strict_json import JsonError, read_json

if TYPE_CHECKING:
    from anvil.release.keys import PublicKey, SigningKey

PAYLOAD_TYPE = "application/vnd.in-toto+json"


def sign(payload: bytes, key: SigningKey) -> bytes:
    """One line of JSON with the payload and its signature."""
    envelope = Envelope(payload, PAYLOAD_TYPE, {})
    envelope.sign(key.signer)
    return _written(envelope)


def open_envelope(content: bytes, key: PublicKey) -> bytes:
    """The payload of a file that `key` signed.

    Raises AnvilError (exit code 1) for another key's signature, for anything changed, and
    for every spelling but Anvil's own.
    """
    envelope = _read(content)
    if envelope.payload_type != PAYLOAD_TYPE:
        raise _refused(
            "release.payload-type",
            f"holds {envelope.payload_type[:80]!r}; a release's has {PAYLOAD_TYPE!r}",
        )
    keyids = list(envelope.signatures)
    if keyids != [key.keyid]:
        found = ", ".join(keyid[:16] for keyid in keyids[:4]) or "no key"
        raise _refused(
            "release.wrong-key",
            f"is signed by {found}; the key given is {key.keyid[:16]}",
            "take the public key of who made the release; if it is that, the file was changed",
        )
    try:
        envelope.verify([key.key], 1)
    except (VerificationError, ValueError):
        raise _refused(
            "release.signature",
            "has a signature that does not fit its content: one of the two was changed",
            "get the release again from where it was published",
        ) from None
    return envelope.payload


def _read(content: bytes) -> Envelope:
    try:
        document: Any = read_json(content)
    except JsonError as error:
        raise _refused("release.envelope", str(error)) from None
    try:
        # The library takes the signatures out of what it is given.
        envelope = Envelope.from_dict(copy.deepcopy(document))
        spelling = _written(envelope)
    except (
        AttributeError,
        FormatError,
        KeyError,
        TypeError,
        ValueError,
        binascii.Error,
    ):
        raise _refused(
            "release.envelope",
            "is no DSSE envelope, which has payload, payloadType and signatures",
        ) from None
    if spelling != content:
        raise _refused(
            "release.spelling",
            "is not spelled as Anvil writes it: one line of JSON with sorted keys, without "
            "spaces and without any key or byte beside the envelope's own",
            "get the release again from where it was published",
        )
    return envelope


def _written(envelope: Envelope) -> bytes:
    document = envelope.to_dict()
    # The library keeps fields that it does not know; nothing signs them.
    signatures = [{"keyid": one["keyid"], "sig": one["sig"]} for one in document["signatures"]]
    return canonical_json({**document, "signatures": signatures}) + b"\n"


def _refused(code: str, message: str, hint: str | None = None) -> AnvilError:
    return AnvilError(
        Diagnostic(code=code, message=shown(f"{PROVENANCE} {message}"), file=PROVENANCE, hint=hint),
        exit_code=ExitCode.FAILED,
    )
