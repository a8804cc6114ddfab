"""What containers cost: per action, and in a cold build of all models for all targets.

    python benchmarks/container_builds.py [--executor docker] [MODEL.tflite ...]

First the same small build action runs on the host and in each executor that this machine has, in
turns, cached nowhere: the medians and what an executor adds. Then every model (by default
the five benchmark models beside the repository) is built for four targets with an empty
cache in one command each, and the compiler commands of the very projects that came out run again
by themselves, one after the other, with nothing around them: their processor time is what
the sources cost to compile. The goal is a build within 1.3 times that time plus 0.5 s per
action. The root file system and what compilers keep for themselves exist beforehand.
"""

from __future__ import annotations

import argparse
import os
import re
import resource
import shutil
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from pathlib import Path

from anvil.cache.location import user_store
from anvil.core.action import Action
from anvil.pipeline.executors import Executors
from anvil.process import Cancellation

ROOT = Path(__file__).resolve().parents[1]
MODELS = ROOT.parent / "shared" / "models"
NAMES = ("kws", "vww", "ic", "ad", "sww")
TARGETS = ("nrf52840", "rpi4", "browser", "linux-x86_64")
SCRIPTS = sysconfig.get_path("scripts")  # of the pinned cmake and ninja
N_RUNS = 7
FACTOR = 1.3
PER_ACTION_S = 0.5


def run(
    command: list[str] | str, cwd: Path, **environment: str
) -> subprocess.CompletedProcess[str]:
    """One process, its output as text. Ends this one where it fails."""
    ended = subprocess.run(
        command,
        cwd=cwd,
        env=os.environ | {"PATH": f"{SCRIPTS}{os.pathsep}{os.environ['PATH']}"} | environment,
        shell=isinstance(command, str),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if ended.returncode:
        sys.exit(f"{command} failed:\n{ended.stdout[-3000:]}{ended.stderr[-3000:]}")
    return ended


def project_of(model: Path, folder: Path) -> Path:
    """A project of `model` for the four targets, with an empty cache in its folder."""
    cache = folder / "cache"
    cache.mkdir(parents=True)
    for lasting in ("images", "tools"):
        if (kept := user_store().root / lasting).exists():
            (cache / lasting).symlink_to(kept)
    name = re.sub(r"\W", "_", model.name.split(".")[0].lower())
    targets = ", ".join(f"{target}: {{}}" for target in TARGETS)
    (folder / "anvil.yaml").write_text(
        f"version: 1\nname: {name}\nmodel: {model.resolve()}\ntargets: {{{targets}}}\n"
    )
    return folder


def build(project: Path, executor: str) -> None:
    """One `anvil build`; ends this process where it fails."""
    command = [sys.executable, "-m", "anvil", "build", "--quiet", "--executor", executor]
    cache = str(project / "cache")
    run([*command, "--project", str(project)], ROOT, ANVIL_CACHE_DIR=cache)


def compiler_commands(project: Path, scratch: Path) -> tuple[Path, list[str]]:
    """The commands that compile, archive and link a rendered project, and where they run.

    They are what the project's own build files start, in their order, with all that is
    not the compiler left out.
    """
    copy = scratch / "project"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(project, copy)
    if (copy / "platformio.ini").exists():
        pio = [sys.executable, "-m", "platformio", "run", "--verbose", "--jobs", "1"]
        settings = {
            "CI": "true",
            "PLATFORMIO_DISABLE_UPGRADE_CHECK": "true",
            "PLATFORMIO_SETTING_ENABLE_TELEMETRY": "No",
        }
        log = run(pio, copy, **settings).stdout
        return copy, [line for line in log.splitlines() if re.match(r'"?\S*/zig"? (cc|ar) ', line)]
    run(["cmake", "--workflow", "--preset", "zig"], copy)
    listed = run(["ninja", "-C", "build", "-t", "commands"], copy).stdout
    # Ninja's rules may wrap the compiler: `: && zig cc ... && :`.
    found = [line for line in listed.splitlines() if re.search(r"/zig (cc|ar) ", line)]
    return copy / "build", found


def compiler_seconds(project: Path, scratch: Path) -> float:
    """Processor time, in seconds, of the compiler alone on a rendered project."""
    folder, commands = compiler_commands(project, scratch)
    if not commands:
        sys.exit(f"{project}: found no compiler commands")
    # Zig knows sources by content, and these have just been built once to list the commands.
    for source in (scratch / "project").rglob("*.c"):
        with source.open("a") as file:
            file.write(f"// {time.time_ns()}\n")
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    for command in commands:
        run(command, folder)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def overhead(executors: list[str]) -> None:
    """Print what each executor adds to an action that does next to nothing."""
    store = user_store()
    action = Action(
        kind="build",
        argv=("{python}", "-I", "-c", "open('out', 'w').close()"),
        environment=(),
        inputs=store.put_tree({"data": b"1"}, frozenset()),
        tools=(),
        outputs=("out",),
        timeout_s=60,
    )
    chosen = {
        name: Executors(wanted=name, store=store, cancellation=Cancellation(), project=ROOT).choose(
            action
        )
        for name in ("host", *executors)
    }
    seconds: dict[str, list[float]] = {name: [] for name in chosen}
    for _ in range(N_RUNS + 1):
        for name, executor in chosen.items():
            start = time.perf_counter()
            executor.run(action)
            seconds[name].append(time.perf_counter() - start)
    print(f"{'an action that writes one file':<32}{'median s':>9}{'least s':>9}{'adds s':>9}")
    host = statistics.median(seconds["host"][1:])
    for name, runs in seconds.items():
        counted = runs[1:]  # the first one prepares what the others find
        median = statistics.median(counted)
        print(f"{name:<32}{median:>9.3f}{min(counted):>9.3f}{median - host:>9.3f}")


def cold_builds(executors: list[str], models: list[Path], scratch: Path) -> int:
    """Print cold builds beside the compiler alone; the number of goals that were missed."""
    for executor in executors:
        # What compilers keep for themselves is made where it is not there yet.
        build(project_of(models[0], scratch / f"first-{executor}"), executor)
    seconds = dict.fromkeys(executors, 0.0)
    compiler_s, n_actions = 0.0, 0
    print(f"\n{'cold build, four targets':<26}{'compiler alone, CPU s':>22}", end="")
    print("".join(f"{f'{name} s':>12}" for name in executors))
    for model in models:
        for executor in executors:
            start = time.perf_counter()
            project = project_of(model, scratch / f"{model.stem}-{executor}")
            build(project, executor)
            seconds[executor] += time.perf_counter() - start
        projects = [project / "build" / target / "project" for target in TARGETS]
        alone = sum(compiler_seconds(one, scratch) for one in projects)
        compiler_s += alone
        n_actions += len(TARGETS)
        row = "".join(f"{spent:>12.1f}" for spent in seconds.values())
        print(f"{model.stem + ', all so far':<26}{compiler_s:>22.1f}{row}", flush=True)
    limit = FACTOR * compiler_s + PER_ACTION_S * n_actions
    print(f"goal: {FACTOR} x {compiler_s:.1f} s + {PER_ACTION_S} s x {n_actions} = {limit:.1f} s")
    for name, spent in seconds.items():
        print(f"{name}: {spent / limit:.2f} of it")
    return sum(spent > limit for spent in seconds.values())


def main() -> int:
    """Print both tables; exit code 1 where a cold build misses the goal."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("models", metavar="MODEL.tflite", nargs="*", type=Path)
    parser.add_argument(
        "--executor", action="append", choices=("docker", "sandbox"), help="default: both"
    )
    options = parser.parse_args()
    models = options.models or [MODELS / f"{name}.int8.tflite" for name in NAMES]
    missing = [str(model) for model in models if not model.is_file()]
    if missing:
        sys.exit(f"there is no {', '.join(missing)}: name models")
    executors = options.executor or ["docker", "sandbox"]
    overhead(executors)
    with tempfile.TemporaryDirectory() as name:
        return int(cold_builds(executors, models, Path(name)) > 0)


if __name__ == "__main__":
    sys.exit(main())
