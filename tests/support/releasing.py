"""Projects to release, keys to sign with, and releases as maps of files."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from anvil.release.files import ReleaseFile
from tests.support.cli import anvil, write_project
from tests.support.programs import ROOT

if TYPE_CHECKING:
    from tests.support.cli import Ended

MODEL = ROOT / "quantized" / "int8.tflite"
# A key of the tests' own, the same each time.
PRIVATE_BYTES = hashlib.sha256(b"a key of the tests").digest()
PRIVATE = Ed25519PrivateKey.from_private_bytes(PRIVATE_BYTES)
PRIVATE_PEM = PRIVATE.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
PUBLIC_PEM = PRIVATE.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def write_key(folder: Path) -> Path:
    """The private key's file, for its owner alone; `key.pub.pem` beside it."""
    (folder / "key.pub.pem").write_bytes(PUBLIC_PEM)
    file = folder / "key.pem"
    file.write_bytes(PRIVATE_PEM)
    file.chmod(0o600)
    return file


def write_locked(folder: Path, targets: str) -> Path:
    """A project with the example's int8 model, and its lock."""
    write_project(folder, "model.tflite", name="digits", targets=targets)
    (folder / "model.tflite").write_bytes(MODEL.read_bytes())
    lock(folder)
    return folder


def lock(project: Path) -> None:
    """Write the project's lock."""
    ended = anvil("lock", "--project", project)
    assert ended.returncode == 0, ended.stderr


def release(project: Path, key: Path, *words: object, **environment: str) -> Ended:
    """Run `anvil release` on the host."""
    options = ("--project", project, "--key", key, "--executor", "host")
    return anvil("release", *options, *words, cwd=ROOT, **environment)


def files_of(folder: Path) -> dict[str, ReleaseFile]:
    """Everything below a folder."""
    return {
        path.relative_to(folder).as_posix(): ReleaseFile(
            content=path.read_bytes(), executable=os.access(path, os.X_OK)
        )
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def write_files(folder: Path, files: dict[str, ReleaseFile]) -> Path:
    """A folder with those files."""
    for path, file in files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(file.content)
        target.chmod(0o755 if file.executable else 0o644)
    return folder
