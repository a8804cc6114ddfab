"""Set up `.venv` beside this file: pinned packages, checked by hash, and Anvil itself.

    python3 bootstrap.py               what `anvil` needs
    python3 bootstrap.py --tensorflow  what converting and quantizing float models needs, too
    python3 bootstrap.py --tests       what the tests and checks need, too

It needs Python 3.11 and a pip of 22.3 or later, and nothing else: no root, no ensurepip,
no system package. It writes into `.venv` only, and a second run with nothing to do takes a
tenth of a second.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent
ENVIRONMENT = ROOT / ".venv"
OLDEST = (3, 11)
NEWEST_KNOWN = (3, 14)

# A later file holds everything that an earlier one does.
REQUIREMENTS = ("anvil", "tensorflow", "test")


class SetupError(Exception):
    """What is missing, and what to do about it, in one sentence each."""


def python_of(environment: Path) -> Path:
    """The interpreter of a virtual environment."""
    return environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def newer_python() -> str:
    """A Python on PATH that is new enough; it is asked, since a shim may stand for nothing."""
    for minor in range(NEWEST_KNOWN[1], OLDEST[1] - 1, -1):
        found = shutil.which(f"python3.{minor}")
        if found and subprocess.run([found, "-c", ""], check=False).returncode == 0:
            return found
    msg = (
        f"Anvil needs Python 3.{OLDEST[1]} or later, and this is "
        f"{sys.version_info[0]}.{sys.version_info[1]}. "
        f"Install python3.{OLDEST[1]} and run this again."
    )
    raise SetupError(msg)


def identity() -> str:
    """What makes an existing environment useless when it changes: scripts hold its path."""
    return f"{ENVIRONMENT}\n{sys.version}\n{sys.base_prefix}\n"


def create_environment() -> None:
    """Make `.venv`, or make it anew where the clone was moved or Python was replaced."""
    marker = ENVIRONMENT / "anvil-identity"
    is_ours = marker.is_file()
    if is_ours and marker.read_text() == identity() and python_of(ENVIRONMENT).exists():
        return
    say(f"creating .venv with Python {sys.version_info[0]}.{sys.version_info[1]}")
    # with_pip would need ensurepip, which Debian packages apart.
    venv.EnvBuilder(symlinks=os.name != "nt", clear=is_ours, with_pip=False).create(ENVIRONMENT)
    marker.write_text(identity())


def pip_command() -> list[str]:
    """The pip that installs into `.venv`: this Python's own, or one that ensurepip brings."""
    asked = subprocess.run(
        [sys.executable, "-m", "pip", "--version"], capture_output=True, text=True, check=False
    )
    words = asked.stdout.split()
    version = tuple(int(n) for n in words[1].split(".")[:2]) if asked.returncode == 0 else (0, 0)
    if version >= (22, 3):
        return [sys.executable, "-m", "pip", "--python", str(python_of(ENVIRONMENT))]
    python = str(python_of(ENVIRONMENT))
    made = subprocess.run(
        [python, "-m", "ensurepip", "--default-pip"], capture_output=True, check=False
    )
    if made.returncode == 0:
        return [python, "-m", "pip"]
    found = f"its pip is {words[1]}" if asked.returncode == 0 else "it has no pip"
    msg = (
        f"{sys.executable} cannot install packages: {found}, and 22.3 or later is needed. "
        "On Debian and Ubuntu `apt-get install python3-pip` brings it."
    )
    raise SetupError(msg)


def stamp_of(requirements: str) -> tuple[Path, str]:
    """The file that says what was installed, and what it says when nothing is to do."""
    digest = hashlib.sha256((ROOT / "pyproject.toml").read_bytes())
    digest.update((ROOT / "requirements" / f"{requirements}.txt").read_bytes())
    return ENVIRONMENT / f"anvil-requirements-{requirements}", digest.hexdigest()


def is_installed(requirements: str) -> bool:
    """Whether an earlier run finished with the very same requirements."""
    stamp, expected = stamp_of(requirements)
    return stamp.is_file() and stamp.read_text() == expected


def install(requirements: str) -> None:
    """Install the pinned packages and Anvil itself, in place, into `.venv`."""
    file = ROOT / "requirements" / f"{requirements}.txt"
    n_packages = sum("==" in line for line in file.read_text().splitlines())
    say(f"installing {n_packages} pinned packages (0.7 GB on disk), then Anvil itself")
    pip = pip_command()
    # A mirror or a proxy of the user's own configuration stays; where to install does not.
    settings = {"PIP_USER": "0", "PIP_NO_INPUT": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    for arguments in (
        ["--require-hashes", "-r", str(file)],
        # The backend is among the pinned packages; isolation would fetch one without hashes.
        ["--no-deps", "--no-build-isolation", "--quiet", "-e", str(ROOT)],
    ):
        command = [*pip, "install", "--no-warn-script-location", "--no-compile", *arguments]
        if subprocess.run(command, env={**os.environ, **settings}, check=False).returncode:
            msg = "pip failed; its message is above. What is installed already is kept: try again."
            raise SetupError(msg)
    # Ahead, on all cores, and whether or not PYTHONDONTWRITEBYTECODE is set: otherwise every
    # start of anvil or PlatformIO might compile its modules again. Some packages carry files
    # that are no Python of today, which is no failure.
    folders = [str(ENVIRONMENT), str(ROOT / "anvil")]
    compile_all = [str(python_of(ENVIRONMENT)), "-m", "compileall", "-qq", "-j", "0", *folders]
    subprocess.run(compile_all, check=False)
    for name in REQUIREMENTS[: REQUIREMENTS.index(requirements) + 1]:
        stamp, content = stamp_of(name)
        stamp.write_text(content)


def say(message: str) -> None:
    """Progress goes to stderr, at once."""
    print(f"bootstrap: {message}", file=sys.stderr, flush=True)


def main() -> int:
    """Exit code 0 when `.venv` is ready."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument(
        "--tensorflow", action="store_true", help="what float models need, too (2 GB on disk)"
    )
    parser.add_argument("--tests", action="store_true", help="what the tests need, too")
    options = parser.parse_args()
    requirements = "anvil"
    if options.tensorflow:
        requirements = "tensorflow"
    if options.tests:
        requirements = "test"
    try:
        if sys.version_info < OLDEST:
            python = newer_python()
            os.execv(python, [python, *sys.argv])  # noqa: S606  no shell is wanted
        create_environment()
        if not is_installed(requirements):
            install(requirements)
    except SetupError as error:
        say(str(error))
        return 1
    except (OSError, ValueError) as error:  # venv raises both
        say(f"cannot set up {ENVIRONMENT}: {error}")
        return 1
    except KeyboardInterrupt:
        say("interrupted; run it again to go on")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
