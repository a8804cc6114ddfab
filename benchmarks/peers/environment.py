"""Where the peers are installed: pinned by hash, in folders of their own in Anvil's cache."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import venv
from pathlib import Path

from anvil.cache.location import user_store
from tests.support.programs import ROOT

_PINS = ROOT / "requirements" / "peers.txt"
_NPM = Path(__file__).with_name("npm")
_DONE = "complete"


def peers_python() -> Path:
    """The Python that has LiteRT and ONNX Runtime. Raises CalledProcessError where pip fails."""
    folder = _folder("python", _PINS)
    program = folder / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    if not (folder / _DONE).exists():
        venv.create(folder, with_pip=True, clear=True)
        words = ["install", "--quiet", "--require-hashes", "--only-binary", ":all:"]
        subprocess.run([str(program), "-m", "pip", *words, "-r", str(_PINS)], check=True)
        (folder / _DONE).touch()
    return program


def node_modules() -> Path:
    """The npm packages of the browser's peers. Raises CalledProcessError where npm fails."""
    npm = shutil.which("npm")
    if npm is None:
        message = "npm is not installed: apt-get install npm"
        raise SystemExit(message)
    folder = _folder("npm", _NPM / "package-lock.json", _NPM / "package.json")
    if not (folder / _DONE).exists():
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(_NPM / name, folder / name)
        # No script of a package runs here.
        words = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"]
        subprocess.run([npm, *words], cwd=folder, check=True)
        (folder / _DONE).touch()
    return folder / "node_modules"


def _folder(kind: str, *pins: Path) -> Path:
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in pins)).hexdigest()
    return user_store().root / "peers" / f"{kind}-{digest[:16]}"
