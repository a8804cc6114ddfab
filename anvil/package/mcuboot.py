"""The image that MCUboot starts: header, firmware, and an Ed25519 signature over both.

Ed25519 is deterministic (RFC 8032), so that the same key signs the same firmware to the same
bits; ECDSA and RSA-PSS draw random numbers.
"""

from __future__ import annotations

import contextlib
import io
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cryptography.hazmat.primitives.asymmetric.ed25519 import (
        Ed25519PrivateKey,
        Ed25519PublicKey,
    )

    from anvil.core.target import Mcuboot

_ERASED = 0xFF
_SIGNATURE_BYTES = 64


def firmware_binary(hex_file: bytes) -> bytes:
    """What NAME.hex puts into flash, from its first byte; gaps are erased flash."""
    from intelhex import IntelHex  # noqa: PLC0415  only in a release

    image = IntelHex()
    image.loadhex(io.StringIO(hex_file.decode("ascii")))
    image.padding = _ERASED
    return bytes(image.tobinstr())


def signed_image(firmware: bytes, mcuboot: Mcuboot, key: Ed25519PrivateKey) -> bytes:
    """The image for the slot. imgtool gets the key as an object, which it writes nowhere.

    Raises ValueError where the firmware does not fit the slot.
    """
    from imgtool.keys import ed25519  # noqa: PLC0415  only in a release

    return _image(firmware, mcuboot, lambda made: made.create(ed25519.Ed25519(key), "hash", None))


def is_signed_image_of(
    content: bytes, firmware: bytes, mcuboot: Mcuboot, key: Ed25519PublicKey
) -> bool:
    """Whether `content` is what `signed_image` makes of `firmware` with the private key of `key`.

    Every byte but the signature is made again, and the signature is checked.
    """
    from imgtool import image  # noqa: PLC0415  only where a release is checked
    from imgtool.keys import ed25519  # noqa: PLC0415

    public = ed25519.Ed25519Public(key)
    signature = content[-_SIGNATURE_BYTES:]  # the last field
    expected = _image(
        firmware,
        mcuboot,
        lambda made: made.create(
            None, "hash", None, pub_key=public, fixed_sig={"value": signature}
        ),
    )
    if content != expected:
        return False
    with _as_file(content) as path, _quiet():
        try:
            result, *_ = image.Image.verify(path, public)
        except Exception:  # noqa: BLE001  whatever it stumbles over, it is no such image
            return False
    return bool(result is image.VerifyResult.OK)


def _image(firmware: bytes, mcuboot: Mcuboot, create: Callable[[Any], None]) -> bytes:
    import click  # noqa: PLC0415  comes with imgtool
    from imgtool import image, version  # noqa: PLC0415

    made = image.Image(
        version=version.decode_version(mcuboot.version),
        header_size=mcuboot.header_bytes,
        pad_header=True,
        align=mcuboot.alignment_bytes,
        slot_size=mcuboot.slot.size_bytes,
        security_counter=mcuboot.security_counter,
    )
    try:
        with _as_file(firmware) as path, _quiet():
            made.load(path)
            create(made)
    except click.ClickException as error:
        raise ValueError(error.format_message()) from None
    return bytes(made.payload)


@contextlib.contextmanager
def _as_file(content: bytes) -> Iterator[str]:
    """A file of that content: imgtool reads no bytes, and knows formats by suffixes."""
    with tempfile.TemporaryDirectory(prefix="anvil-") as folder:
        path = Path(folder) / "image.bin"
        path.write_bytes(content)
        yield str(path)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep stdout clean of what imgtool says: `--json` allows one document alone."""
    with contextlib.redirect_stdout(io.StringIO()):
        yield
