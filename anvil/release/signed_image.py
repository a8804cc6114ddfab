"""What can be checked of an image for MCUboot without its board: form, hash and signature.

The format is MCUboot's: a header, the firmware, and fields of type, length and value behind
them, of which the first area is covered by the hash.
"""

from __future__ import annotations

import hashlib
import struct
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

_MAGIC = 0x96F3B83D
_FIELDS, _COVERED_FIELDS = 0x6907, 0x6908
_KEY_HASH, _SHA256, _ED25519 = 0x01, 0x10, 0x24


def signed_image_mistake(content: bytes, key: Ed25519PublicKey) -> str | None:
    """What is wrong with a signed image, going on from its name; None where all is right.

    That it holds the firmware beside it is known by making it again, which needs the board.
    """
    try:
        magic, _, header_bytes, covered_bytes, image_bytes = struct.unpack_from("<IIHHI", content)
        end = header_bytes + image_bytes
        if covered_bytes:
            kind, length = struct.unpack_from("<HH", content, end)
            if kind != _COVERED_FIELDS or length != covered_bytes:
                return "has no fields where its header says so"
            end += length
        kind, length = struct.unpack_from("<HH", content, end)
        fields = list(_fields(content[end + 4 : end + length]))
    except struct.error:
        return "ends too early to be an image for MCUboot"
    if magic != _MAGIC or kind != _FIELDS:
        return "is no image for MCUboot"
    if end + length != len(content):
        return f"has {len(content) - end - length} bytes behind its end"
    digest = hashlib.sha256(content[:end]).digest()
    if [name for name, _ in fields] != [_SHA256, _KEY_HASH, _ED25519]:
        return "has other fields than a hash, a key's hash and one ed25519 signature"
    (_, found), (_, key_hash), (_, signature) = fields
    if found != digest:
        return "has another hash than its content"
    public = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if key_hash != hashlib.sha256(public).digest():
        return "is not signed with the release's key"
    try:
        key.verify(signature, digest)
    except InvalidSignature:
        return "has a signature that does not fit it"
    return None


def _fields(area: bytes) -> Iterator[tuple[int, bytes]]:
    """Type and value of each field. Raises struct.error where one is cut off."""
    at = 0
    while at < len(area):
        name, length = struct.unpack_from("<HH", area, at)
        value = area[at + 4 : at + 4 + length]
        if len(value) != length:
            raise struct.error
        yield name, value
        at += 4 + length
