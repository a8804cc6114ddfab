"""Planning a float model for three targets, its quantized candidates known already.

    python benchmarks/plan_speed.py [MODEL]

MODEL is vww.h5 of the benchmark models beside the repository unless given. The first plan
converts and quantizes it, once, with TensorFlow. Then a requirement in anvil.yaml changes
from run to run, so that every target is planned anew: whole processes of `anvil plan`, and
beside them those of a Python that does nothing but import TensorFlow, since a planner that
did so could not be quicker. The goal is under 2 s, without importing it.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DEFAULT_MODEL = ROOT.parent / "shared" / "models" / "vww.h5"
N_RUNS = 7
GOAL_S = 2.0


def timed(command: list[str], environment: dict[str, str]) -> tuple[float, str]:
    """Seconds of a whole process, and what it wrote to stderr. Ends this one where it fails."""
    start = time.perf_counter()
    ended = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    seconds = time.perf_counter() - start
    if ended.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{ended.stdout}{ended.stderr}")
    return seconds, ended.stderr


def main() -> int:
    """Print the table; exit code 1 where TensorFlow was imported by the planner."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("model", nargs="?", type=Path, default=DEFAULT_MODEL)
    model = parser.parse_args().model.resolve()
    if not model.exists():
        sys.exit(f"there is no model {model}: name one")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        environment = {**os.environ, "ANVIL_CACHE_DIR": str(folder / "cache")}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)

        def plan(n_kib: int, *options: str) -> tuple[float, str]:
            (folder / "anvil.yaml").write_text(
                f"version: 1\nname: model\nmodel: {model}\n"
                f"requirements: {{max_flash: {n_kib} KiB}}\n"
                "targets: {nrf52840: {}, rpi4: {}, browser: {}}\n"
            )
            words = ["-m", "anvil", "plan", "--quiet", "--project", name]
            return timed([sys.executable, *options, *words], environment)

        first, _ = plan(100_000)
        print(f"the first plan, with conversion and quantization: {first:.1f} s")
        own, others = [], []
        for run in range(N_RUNS):
            own.append(plan(50_000 + run)[0])
            others.append(timed([sys.executable, "-c", "import tensorflow"], environment)[0])
        _, imports = plan(60_000, "-X", "importtime")
    imported = {line.rpartition("|")[2].strip() for line in imports.splitlines()}
    print(f"{'whole process':<34}{'median s':>9}{'least s':>9}")
    for label, seconds in (("anvil plan, three targets", own), ("import tensorflow alone", others)):
        print(f"{label:<34}{statistics.median(seconds):>9.2f}{min(seconds):>9.2f}")
    print(f"goal {GOAL_S} s; ratio {statistics.median(own) / statistics.median(others):.2f}")
    print(f"TensorFlow imported by the planner: {'yes' if 'tensorflow' in imported else 'no'}")
    return int("tensorflow" in imported)


if __name__ == "__main__":
    sys.exit(main())
