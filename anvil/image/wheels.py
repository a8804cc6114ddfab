"""Python's wheels: downloaded into the pool by hash, and unpacked as an installer would."""

from __future__ import annotations

import os
import re
import stat
import sys
import tarfile
import zipfile
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from anvil import process
from anvil.core.image import Wheel
from anvil.image.failure import check, failed
from anvil.image.pool import Pool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from anvil.image.definition import Definition

_TIMEOUT_S = 3600.0
_HINT = (
    "check the network and pip's configuration; an image from another machine needs neither: "
    "anvil image import FILE"
)
# Kinds of wheels that Debian's Python on this architecture runs, the newest first.
_PLATFORMS = {
    "amd64": (
        "manylinux_2_36_x86_64",
        "manylinux_2_34_x86_64",
        "manylinux_2_28_x86_64",
        "manylinux_2_17_x86_64",
        "manylinux2014_x86_64",
        "manylinux_2_12_x86_64",
        "manylinux2010_x86_64",
    )
}
_PYTHON_LINE = b"#!python"


def get_wheels(
    definition: Definition,
    pool: Pool,
    *,
    pinned: tuple[Wheel, ...] | None,
    folder: Path,
    cancellation: process.Cancellation,
    tell: Callable[[str], None],
) -> tuple[Wheel, ...]:
    """The wheels of the root, all of them in the pool afterwards; sorted.

    pinned: those of a lock, which are taken and no others. Raises AnvilError (exit 1).
    """
    if pinned is None:
        tell("downloading Python's wheels")
        paths = _download(definition, definition.requirements, folder, cancellation)
        wheels = []
        for path in paths:
            name, version = path.name.split("-")[:2]
            wheel = Wheel(
                name=re.sub(r"[-_.]+", "-", name).lower(),
                version=version,
                file=path.name,
                sha256=pool.keep(path),
                size_bytes=path.stat().st_size,
            )
            wheels.append(wheel)
        return tuple(sorted(wheels))
    missing = [wheel for wheel in pinned if pool.find(wheel.sha256) is None]
    if missing:
        tell(f"downloading {len(missing)} of Python's wheels")
        lines = [f"{one.name}=={one.version} --hash=sha256:{one.sha256}\n" for one in missing]
        for path in _download(definition, "".join(lines), folder, cancellation):
            pool.keep(path)
        gone = [wheel for wheel in missing if pool.find(wheel.sha256) is None]
        if gone:
            listed = ", ".join(wheel.file for wheel in gone)
            raise failed(
                "superseded", f"neither the pool nor the package index has {listed}", _HINT
            )
    return pinned


def _download(
    definition: Definition, requirements: str, folder: Path, cancellation: process.Cancellation
) -> list[Path]:
    """Have pip download requirements, each checked by hash; the files, sorted."""
    (folder / "requirements.txt").write_text(requirements, encoding="utf-8")
    target = folder / "wheels"
    target.mkdir()
    python = re.search(r"python(\d+)\.(\d+)$", definition.python)
    assert python, definition.python
    platforms = [f"--platform={name}" for name in _PLATFORMS[definition.architecture]]
    abis = (f"cp{python[1]}{python[2]}", "abi3", "none")
    completed = process.run(
        [
            sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check",
            "--no-input", "--no-deps", "--require-hashes", "--only-binary=:all:",
            "--implementation=cp", f"--python-version={python[1]}.{python[2]}", *platforms,
            *(f"--abi={abi}" for abi in abis), f"--dest={target}",
            "--requirement", str(folder / "requirements.txt"),
        ],
        cwd=folder,
        environment=dict(os.environ),
        timeout_s=_TIMEOUT_S,
        cancellation=cancellation,
    )  # fmt: skip
    what = "downloading Python's wheels with pip"
    check(completed, what, code="wheels", where=str(folder), hint=_HINT)
    return sorted(target.iterdir())


def write_wheels_tar(
    wheels: Sequence[Wheel], pool: Pool, definition: Definition, path: Path
) -> None:
    """A tar of all wheels' files at their places in the root, to be unpacked over it.

    As the binary distribution format says: scripts go to usr/local/bin and start our Python;
    entry points get no script, since actions start modules by name. Raises AnvilError (exit 1)
    where two wheels bring the same file.
    """
    owners: dict[str, str] = {}
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
        for wheel in wheels:
            for name, content, is_executable in _files(pool.path_of(wheel.sha256), definition):
                if name in owners:
                    raise failed(
                        "wheels", f"{wheel.file} and {owners[name]} both bring the file {name}"
                    )
                owners[name] = wheel.file
                entry = tarfile.TarInfo(name)
                entry.size = len(content)
                entry.mode = 0o755 if is_executable else 0o644
                entry.mtime = definition.time_s
                tar.addfile(entry, BytesIO(content))


def _files(wheel: Path, definition: Definition) -> Iterator[tuple[str, bytes, bool]]:
    """(path in the root, content, whether it can be run) of a wheel's files."""
    with zipfile.ZipFile(wheel) as archive:
        for entry in archive.infolist():
            if entry.is_dir():
                continue
            content = archive.read(entry)
            is_executable = bool((entry.external_attr >> 16) & stat.S_IXUSR)
            first, _, rest = entry.filename.partition("/")
            if ".." in entry.filename.split("/") or entry.filename.startswith("/"):
                raise failed("wheels", f"{wheel.name} holds a file that leads out of it")
            if not first.endswith(".data"):
                yield f"{definition.site_packages}/{entry.filename}", content, is_executable
                continue
            kind, _, rest = rest.partition("/")
            match kind:
                case "purelib" | "platlib":
                    yield f"{definition.site_packages}/{rest}", content, is_executable
                case "scripts":
                    if content.startswith(_PYTHON_LINE):
                        line = f"#!/{definition.python}".encode()
                        content = line + content.removeprefix(_PYTHON_LINE)
                    yield f"usr/local/bin/{rest}", content, True
                case "data":
                    yield f"usr/local/{rest}", content, is_executable
