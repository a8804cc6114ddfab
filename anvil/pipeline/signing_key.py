"""The private key of a release: where it comes from, and making one.

The key stays in this process. It is read once, taken out of the environment that children
would inherit, and handed on as an object; no message quotes any of it.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from anvil import process
from anvil.core.diagnostics import AnvilError, Diagnostic, ExitCode, Severity

if TYPE_CHECKING:
    from anvil.release.keys import SigningKey

VARIABLE = process.NEVER_PASSED_ON
PUBLIC_SUFFIX = ".pub.pem"

_MAX_BYTES = 1 << 16
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def read_signing_key(file: Path | None) -> tuple[SigningKey, tuple[Diagnostic, ...]]:
    """The key of --key or, without it, of ANVIL_SIGNING_KEY, and warnings.

    Raises AnvilError (exit 2) where there is none, or none that signs a release.
    """
    from anvil.release.keys import load_signing_key

    # Taken away even where --key stands above it: no child is to inherit it.
    named = os.environ.pop(VARIABLE, None)
    if file is not None:
        content, warnings = _read(file)
        return load_signing_key(content, file=str(file)), warnings
    if not named:
        raise AnvilError(
            Diagnostic(
                code="release.no-key",
                message=(
                    f"a release is signed, and there is neither --key nor {VARIABLE}"
                    if named is None
                    else f"a release is signed, and {VARIABLE} is empty"
                ),
                hint="make a key once with `anvil release --generate-key release-key.pem`, keep it "
                "secret, and name it with --key release-key.pem",
            )
        )
    return load_signing_key(named.encode(errors="surrogateescape"), file=None), ()


def _read(file: Path) -> tuple[bytes, tuple[Diagnostic, ...]]:
    try:
        with file.open("rb") as opened:
            status = os.fstat(opened.fileno())
            if not stat.S_ISREG(status.st_mode) and not stat.S_ISFIFO(status.st_mode):
                raise _unreadable(file, "it is no file")
            content = opened.read(_MAX_BYTES + 1)
    except OSError as error:
        raise _unreadable(file, error.strerror or str(error)) from None
    others = stat.S_ISREG(status.st_mode) and os.name == "posix" and status.st_mode & _OTHERS
    if not others:
        return content, ()
    warning = Diagnostic(
        code="release.key-readable",
        severity=Severity.WARNING,
        message=f"others may use this private key: its mode is {status.st_mode & 0o777:04o}",
        file=str(file),
        hint=f"chmod 600 {file}",
    )
    return content, (warning,)


def _unreadable(file: Path, why: str) -> AnvilError:
    return AnvilError(
        Diagnostic(
            code="release.key-unreadable",
            message=f"cannot read the signing key: {why}",
            file=str(file),
            hint=f"name a PEM file with --key, or put its text into {VARIABLE}",
        )
    )


def generate_key(file: Path) -> Path:
    """Make a private key at `file`, for its owner's eyes alone; the public key's file beside it.

    Raises AnvilError: exit 2 where one of the two is there already, 1 where they cannot be
    written.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    from anvil.release.keys import load_signing_key

    public = file.with_name(f"{file.name.removesuffix('.pem')}{PUBLIC_SUFFIX}")
    private_pem = Ed25519PrivateKey.generate().private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    public_pem = load_signing_key(private_pem).public.pem
    for path in (file, public):
        if os.path.lexists(path):
            raise _occupied(path)
    try:
        _create(file, private_pem, 0o600)
        _create(public, public_pem, 0o644)
    except FileExistsError as error:
        raise _occupied(Path(error.filename)) from None
    except OSError as error:
        raise AnvilError(
            Diagnostic(
                code="release.key-unwritable",
                message=f"cannot write {error.filename or file}: {error.strerror or error}",
                file=str(file),
                hint="name a file in a folder that can be written",
            ),
            exit_code=ExitCode.FAILED,
        ) from None
    return public


def _create(path: Path, content: bytes, mode: int) -> None:
    # The mode holds from the first moment, and nothing is ever written over.
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(handle, "wb") as opened:
        opened.write(content)


def _occupied(path: Path) -> AnvilError:
    return AnvilError(
        Diagnostic(
            code="release.key-exists",
            message=f"{path} is there already, and a key is never overwritten",
            file=str(path),
            hint="name another file; a release that was signed with a lost key stays valid",
        )
    )
