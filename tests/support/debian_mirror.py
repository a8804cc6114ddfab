"""A mirror of Debian's form in a folder, signed with a key of its own."""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.programs import require_program

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_SUITES = ("bookworm", "bookworm-updates")
_LIST = "main/binary-amd64/Packages"


class Signer:
    """A key of OpenPGP that signs lists of packages."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._gpg("--quick-gen-key", "A mirror of the tests", "ed25519", "sign", "never")
        self.keyring = home / "public.gpg"
        self._gpg("--output", self.keyring, "--export")

    def sign(self, file: Path, target: Path) -> None:
        """Write a file again with its signature around it."""
        target.unlink(missing_ok=True)
        self._gpg("--output", target, "--clearsign", file)

    def _gpg(self, *words: object) -> None:
        options = ("--homedir", self._home, "--batch", "--quiet", "--passphrase", "")
        program = require_program("gpg")
        subprocess.run([program, *map(str, (*options, *words))], check=True, capture_output=True)


@contextlib.contextmanager
def signer() -> Iterator[Signer]:
    """A new key; what keeps it for gpg is ended with its folder."""
    for name in ("gpg", "gpg-agent"):
        require_program(name)
    # The path of a socket has room for a hundred characters.
    with tempfile.TemporaryDirectory(prefix="anvil-gpg-") as name:
        try:
            yield Signer(Path(name))
        finally:
            subprocess.run(["gpgconf", "--homedir", name, "--kill", "all"], check=False)


def write_mirror(folder: Path, debs: Iterable[Path], signed_by: Signer) -> str:
    """Have the mirror in `folder` offer these packages and no others; its address."""
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "pool").mkdir(parents=True)
    packages = "\n".join(_offered(deb, folder / "pool") for deb in debs)
    for suite in _SUITES:
        root = folder / "dists" / suite
        (root / _LIST).parent.mkdir(parents=True)
        content = packages.encode() if suite == _SUITES[0] else b""
        (root / _LIST).write_bytes(content)
        (root / "Release").write_text(
            f"Origin: Debian\nSuite: {suite}\nCodename: {suite}\nArchitectures: amd64\n"
            "Components: main\nDate: Sat, 01 Jun 2024 00:00:00 UTC\nSHA256:\n"
            f" {hashlib.sha256(content).hexdigest()} {len(content)} {_LIST}\n"
        )
        signed_by.sign(root / "Release", root / "InRelease")
    return f"file://{folder}"


def _offered(deb: Path, pool: Path) -> str:
    """Put a package into the mirror's pool; what its list says of it."""
    content = deb.read_bytes()
    sha256 = hashlib.sha256(content).hexdigest()
    shutil.copyfile(deb, pool / f"{sha256}.deb")
    fields = subprocess.run(
        ["dpkg-deb", "--field", deb], capture_output=True, text=True, check=True
    ).stdout
    return (
        f"{fields.strip()}\nFilename: pool/{sha256}.deb\nSize: {len(content)}\nSHA256: {sha256}\n"
    )


def in_version(deb: Path, version: str, target: Path) -> Path:
    """A package again as `target`, in another version."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "package"
        subprocess.run(["dpkg-deb", "--raw-extract", deb, folder], check=True)
        control = folder / "DEBIAN" / "control"
        lines = control.read_text(encoding="utf-8").splitlines()
        changed = [f"Version: {version}" if one.startswith("Version:") else one for one in lines]
        control.write_text("\n".join(changed) + "\n", encoding="utf-8")
        build = ["dpkg-deb", "--root-owner-group", "-Znone", "--build", str(folder), str(target)]
        subprocess.run(build, check=True, capture_output=True)
    return target
