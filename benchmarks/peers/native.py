"""linux-x86_64: Anvil's program beside LiteRT and ONNX Runtime, one thread each."""

from __future__ import annotations

import os
import re
import subprocess
from typing import IO, TYPE_CHECKING

from benchmarks.peers.anvil_builds import verified
from benchmarks.peers.contest import contest
from benchmarks.peers.x86_levels import hiding, own_files
from tests.support.programs import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from benchmarks.peers.contest import Standing

PEERS = ("LiteRT XNNPACK", "LiteRT builtin", "ONNX Runtime")
_MODEL = "int8"


def native_contests(
    models: Path, names: Sequence[str], python: Path, work: Path, level: str | None
) -> Iterator[tuple[str, dict[str, Standing], list[str]]]:
    """Of each model: its name, the times, and what the peers say of themselves.

    level: of x86_levels, if not all that the processor has.
    """
    files = None if level is None else own_files(level)
    environment = {} if level is None else hiding(level, work)
    most_steps = _LARGEST_WHERE_SUMS_SATURATE if level == "avx2" else _LARGEST_DIFFERENCE
    for name in names:
        model = models / f"{name}.{_MODEL}.tflite"
        program = verified(work / f"native-{name}", model, name, "linux-x86_64", own_files=files)
        workers = {peer: _Worker(python, peer, model, environment, most_steps) for peer in PEERS}
        try:
            contenders: dict[str, Callable[[int], float]] = {"Anvil": _anvil(program / name)}
            yield name, contest(contenders | workers), [one.said for one in workers.values()]
        finally:
            for worker in workers.values():
                worker.close()


def _anvil(program: Path) -> Callable[[int], float]:
    def run(n: int) -> float:
        said = subprocess.run(
            [str(program), "--bench", str(n)], capture_output=True, text=True, check=True
        ).stdout
        found = re.search(r"^median_ns (\d+)$", said, re.MULTILINE)
        assert found is not None, said
        return float(found[1])

    return run


class _Worker:
    """A peer's process, which waits while others have their turn."""

    def __init__(
        self,
        python: Path,
        peer: str,
        model: Path,
        environment: Mapping[str, str],
        most_steps: int,
    ) -> None:
        self._process = subprocess.Popen(
            [str(python), "-m", "benchmarks.peers.native_worker", peer, str(model)],
            cwd=ROOT,
            env={**os.environ, **environment, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.said, _, steps = self._line().partition("; ")
        if int(steps) > most_steps:
            self.close()
            message = f"{self.said} on {model.name}: outputs are {steps} steps from the reference's"
            raise SystemExit(message)

    def __call__(self, n: int) -> float:
        _pipe(self._process.stdin).write(f"{n}\n")
        _pipe(self._process.stdin).flush()
        return float(self._line())

    def _line(self) -> str:
        line = _pipe(self._process.stdout).readline().strip()
        if not line:
            message = f"a peer ended: {self._process.args!r}"
            raise SystemExit(message)
        return line

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()


# XNNPACK and ONNX Runtime round in their own ways; a wrongly converted model is further off.
_LARGEST_DIFFERENCE = 16
# Without VNNI ONNX Runtime lets sums of two products saturate: outputs of kws are 17 steps off.
_LARGEST_WHERE_SUMS_SATURATE = 32


def _pipe(pipe: IO[str] | None) -> IO[str]:
    assert pipe is not None
    return pipe
