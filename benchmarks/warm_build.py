"""A warm build that has nothing to do: Anvil's three targets beside PlatformIO's one.

    python benchmarks/warm_build.py

Builds nrf52840, rpi4 and browser of the repository's example into a temporary folder,
copies the rendered nrf52840 project and builds it with `pio run`, and then measures both
again, in turns, with nothing left to do: whole processes, wall-clock, the median of 7. The
goal is a ratio of at most 0.2.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TARGETS = "nrf52840,rpi4,browser"
N_RUNS = 7
# PlatformIO at its quickest: no telemetry, no look for upgrades.
PIO_ENVIRONMENT = {
    "CI": "true",
    "PLATFORMIO_DISABLE_UPGRADE_CHECK": "true",
    "PLATFORMIO_SETTING_ENABLE_CACHE": "No",
    "PLATFORMIO_SETTING_ENABLE_TELEMETRY": "No",
}


def timed(command: list[str], cwd: Path) -> tuple[float, str]:
    """Seconds of one whole process, and what it printed. Raises where it fails."""
    start = time.perf_counter()
    completed = subprocess.run(
        command,
        cwd=cwd,
        env=os.environ | PIO_ENVIRONMENT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    seconds = time.perf_counter() - start
    if completed.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{completed.stdout}")
    return seconds, completed.stdout


def written(folder: Path) -> dict[Path, int]:
    """When each file was written; a build that has nothing to do writes none."""
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def row(name: str, seconds: list[float]) -> str:
    """One line of the table."""
    return (
        f"{name:<32} {statistics.median(seconds):7.3f} s   "
        f"({min(seconds):.3f} to {max(seconds):.3f})"
    )


def main() -> None:
    """Build both once, measure both in turns, print both and the ratio."""
    program = Path(sysconfig.get_path("scripts")) / "anvil"
    if not program.exists():
        sys.exit("anvil is not installed beside this Python: run `python3 bootstrap.py`")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        out, project = folder / "out", folder / "project"
        anvil = [str(program), "build", "--target", TARGETS, "--out", str(out)]
        # The project has a second environment for the emulator, which is no firmware.
        pio = [sys.executable, "-m", "platformio", "run", "-e", "device"]
        print("building both once", flush=True)
        timed(anvil, ROOT)
        shutil.copytree(out / "nrf52840" / "project", project)
        timed(pio, project)
        timed(pio, project)  # the first run after a build still writes its bookkeeping
        before = written(out)
        anvil_s, pio_s = [], []
        for _ in range(N_RUNS):
            anvil_s.append(timed(anvil, ROOT)[0])
            seconds, log = timed(pio, project)
            if "Compiling" in log or "Linking" in log:
                sys.exit(f"pio run had something to do:\n{log}")
            pio_s.append(seconds)
        if written(out) != before:
            sys.exit("anvil build had something to do")
    print(row(f"anvil build, {TARGETS.count(',') + 1} targets", anvil_s))
    print(row("pio run, the nrf52840 project", pio_s))
    ratio = statistics.median(anvil_s) / statistics.median(pio_s)
    print(f"ratio of the medians of {N_RUNS}: {ratio:.3f} (goal: at most 0.2)")


if __name__ == "__main__":
    main()
