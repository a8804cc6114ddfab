"""The second half: an unpacked root from the pool alone, by mmdebstrap, without a network.

Packages are unpacked and not configured, so that nothing runs but Python, which compiles its
modules. As root mmdebstrap works in a folder of the cache; anybody else needs a range of user
ids (newuidmap) and a temporary folder that those may enter.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shlex
import shutil
import tempfile
import urllib.parse
from pathlib import Path
from typing import TYPE_CHECKING

from anvil import process
from anvil.image.failure import check, explained, failed
from anvil.image.parts import deb_name
from anvil.image.wheels import write_wheels_tar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from anvil.core.image import Package, Wheel
    from anvil.image.definition import Definition
    from anvil.image.pool import Pool

_TIMEOUT_S = 3600.0
_REMOVAL_TIMEOUT_S = 600.0
_MERGED = ("bin", "lib", "lib32", "lib64", "libx32", "sbin")
_HINT = (
    "this machine may not allow user namespaces or chroot; an image from another machine needs "
    "neither: anvil image import FILE"
)


@contextlib.contextmanager
def work_folder(parent: Path) -> Iterator[Path]:
    """A folder in which mmdebstrap may work, removed at the end whoever owns what is in it."""
    if os.geteuid() == 0:
        folder = Path(tempfile.mkdtemp(dir=parent, prefix="action-image-"))
    else:
        folder = Path(tempfile.mkdtemp(prefix="anvil-image-"))
        # The user ids of the namespace are others to the system.
        folder.chmod(0o755)
    try:
        yield folder
    finally:
        remove(folder)


def remove(folder: Path) -> None:
    """Remove a work folder, also files of the user ids of a namespace."""
    shutil.rmtree(folder, ignore_errors=True)
    if folder.exists() and shutil.which("mmdebstrap"):
        process.run(
            ["mmdebstrap", "--unshare-helper", "rm", "-rf", "--", *map(str, folder.iterdir())],
            cwd=Path("/"),
            environment=dict(os.environ),
            timeout_s=_REMOVAL_TIMEOUT_S,
        )
        shutil.rmtree(folder, ignore_errors=True)


def make_unpacked(
    packages: Sequence[Package],
    wheels: Sequence[Wheel],
    *,
    definition: Definition,
    pool: Pool,
    folder: Path,
    cancellation: process.Cancellation,
    tell: Callable[[str], None],
) -> Path:
    """A tar of the root as mmdebstrap leaves it, in `folder`. Raises AnvilError (exit 1)."""
    with explained(str(folder)):
        debs = folder / "debs"
        debs.mkdir()
        debs.chmod(0o755)
        pool.lay_out(((one.sha256, deb_name(one)) for one in packages), debs)
        index = _index(packages, debs, cancellation)
        (debs / "Packages").write_bytes(index)
        (debs / "Packages").chmod(0o644)
        wheels_tar = folder / "wheels.tar"
        write_wheels_tar(wheels, pool, definition, wheels_tar)
        temporary = folder / "tmp"
        temporary.mkdir()
        temporary.chmod(0o1777)
    tell(f"unpacking {len(packages)} packages and {len(wheels)} wheels")
    target = folder / "unpacked.tar"
    completed = process.run(
        _command(packages, definition=definition, debs=debs, wheels=wheels_tar, target=target),
        cwd=folder,
        environment=_environment(definition, temporary),
        timeout_s=_TIMEOUT_S,
        cancellation=cancellation,
    )
    check(completed, "mmdebstrap", code="mmdebstrap", where=str(folder), hint=_HINT)
    return target


def _environment(definition: Definition, temporary: Path) -> dict[str, str]:
    return {
        "HOME": "/nonexistent",
        "LC_ALL": "C",
        "PATH": os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin",
        "PYTHONHASHSEED": "0",
        "SOURCE_DATE_EPOCH": str(definition.time_s),
        "TMPDIR": str(temporary),
        "TZ": "UTC",
    }


def _command(
    packages: Sequence[Package], *, definition: Definition, debs: Path, wheels: Path, target: Path
) -> list[str]:
    as_root = os.geteuid() == 0
    merge = " && ".join(
        ['mkdir -p "$1/usr"']
        + [f'mkdir "$1/usr/{name}" && ln -s usr/{name} "$1/{name}"' for name in _MERGED]
    )
    compile_modules = shlex.join(
        [
            f"/{definition.python}", "-E", "-s", "-m", "compileall", "-q", "-f",
            "--invalidation-mode", "unchecked-hash", "-x", r"/(test|tests|lib2to3)/",
            *(f"/{folder}" for folder in definition.bytecode),
        ]
    )  # fmt: skip
    return [
        # Not quiet: it would not say why it cannot write its tar.
        "mmdebstrap", f"--mode={'root' if as_root else 'unshare'}", "--variant=extract",
        f"--architectures={definition.architecture}", "--format=tar",
        # Nothing that runs in it needs devices, /proc or /sys, and what is not mounted
        # cannot be left behind.
        "--skip=chroot/mount,chroot/policy-rc.d,chroot/start-stop-daemon",
        '--aptopt=APT::Sandbox::User "root"',
        "--include=" + ",".join(f"{one.name}={one.version}" for one in packages),
        f"--setup-hook={merge}",
        f"--extract-hook=tar-in {shlex.quote(str(wheels))} /",
        # A module that cannot be compiled, such as a template with a module's name, is one
        # that nobody imports.
        f'--extract-hook=chroot "$1" {compile_modules} || test $? = 1',
        "", str(target), f"deb [trusted=yes] copy:{urllib.parse.quote(str(debs))} ./",
    ]  # fmt: skip


def _index(packages: Sequence[Package], debs: Path, cancellation: process.Cancellation) -> bytes:
    """The list of packages that apt reads, made of what the packages say of themselves."""
    blocks = []
    for package in packages:
        path = debs / deb_name(package)
        completed = process.run(
            ["dpkg-deb", "--field", str(path)],
            cwd=debs,
            environment={"LC_ALL": "C", "PATH": os.environ.get("PATH", os.defpath)},
            timeout_s=_TIMEOUT_S,
            cancellation=cancellation,
        )
        check(
            completed,
            f"reading {path.name}",
            code="package",
            where=str(debs),
            hint="it is no Debian package",
        )
        content = path.read_bytes()
        blocks.append(
            completed.stdout.rstrip(b"\n")
            + f"\nFilename: ./{path.name}\nSize: {len(content)}\n"
            f"SHA256: {hashlib.sha256(content).hexdigest()}\n".encode()
        )
    if not blocks:
        raise failed("packages", "an image of no packages cannot be made")
    return b"\n".join(blocks)
