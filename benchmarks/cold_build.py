"""The README's first command in a fresh clone on a machine with nothing cached, by phases.

    python benchmarks/cold_build.py

Clones this repository's HEAD into a temporary folder, makes another the home folder, so
that neither pip nor Anvil finds anything kept, runs the command as it stands and tells when
each phase ended. The goal is less than 240 s on two cores, downloads included.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# (the first line of output that shows the phase to have begun, its name)
PHASES = (
    (r"^bootstrap: installing", "download packages"),
    (r"^Installing collected packages", "install packages"),
    (r"^\S+: planning", "build the targets"),
)


def first_command() -> str:
    """The README's first command."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    found = re.search(r"^python3 bootstrap\.py.*$", readme, re.MULTILINE)
    if found is None:
        sys.exit("README.md has no line that starts with `python3 bootstrap.py`")
    return found[0]


def main() -> None:
    """Clone, run, print."""
    with tempfile.TemporaryDirectory() as name:
        home, clone = Path(name) / "home", Path(name) / "clone"
        home.mkdir()
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
        kept = {"ANVIL_CACHE_DIR", "PIP_CACHE_DIR", "XDG_CACHE_HOME", "VIRTUAL_ENV"}
        environment = {key: value for key, value in os.environ.items() if key not in kept}
        command = first_command()
        print(command, flush=True)
        marks = [(time.perf_counter(), "make .venv")]
        child = subprocess.Popen(
            ["bash", "-c", command],
            cwd=clone,
            env=environment | {"HOME": str(home), "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert child.stdout is not None
        for line in child.stdout:
            print(f"  {line}", end="", flush=True)
            for pattern, phase in PHASES:
                if re.search(pattern, line) and phase not in {known for _, known in marks}:
                    marks.append((time.perf_counter(), phase))
        code = child.wait()
        end = time.perf_counter()
    for (start, phase), (stop, _) in zip(marks, [*marks[1:], (end, "")], strict=True):
        print(f"{phase:<20} {stop - start:6.1f} s")
    print(f"{'all':<20} {end - marks[0][0]:6.1f} s (goal: less than 240), exit code {code}")
    sys.exit(code)


if __name__ == "__main__":
    main()
