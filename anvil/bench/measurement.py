"""What one inference of a target takes, layer by layer."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What something takes; None where it cannot be had on this target or computer."""

    instructions: int | None = None
    cycles: int | None = None  # by the core's model, without waiting for memory
    nanoseconds: float | None = None

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names of the figures that are there, the most telling first."""
        return tuple(name for name in METRICS if getattr(self, name) is not None)


# The most telling first: cycles are the time of a core whose clock is known.
METRICS = ("cycles", "instructions", "nanoseconds")


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One kernel call of the plan."""

    index: int  # of the operator in the model
    op: str
    variant: str  # the kernel's symbol
    tensor: str  # its output's name
    macs: int
    figures: Figures


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """One target."""

    target: str
    board: str
    name: str  # of the project
    candidate: str
    model_sha256: str  # of the .tflite that was built
    plan_digest: str
    how: str  # for people: where it ran
    machine: str | None  # whose time it is; None where instructions are counted
    layers: tuple[Layer, ...]
    outside: Figures  # of NAME_run besides its calls; empty for times
    total: Figures  # of NAME_run
    latency_s: float | None  # on the board, waiting included; of times, on this computer
    wait_cycles: int | None  # that the board's memory adds; None where the profile says nothing

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one inference."""
        return sum(layer.macs for layer in self.layers)

    @property
    def metric(self) -> str:
        """The figure that shares and changes are of."""
        return self.total.metrics[0]

    def share(self, layer: Layer) -> float:
        """The layer's part of the whole; of times, of all layers' sum."""
        whole = float(getattr(self.total, self.metric))
        if self.metric == "nanoseconds":
            whole = sum(one.figures.nanoseconds or 0.0 for one in self.layers)
        return float(getattr(layer.figures, self.metric) or 0) / whole if whole else 0.0

    def as_json(self) -> dict[str, Any]:
        """The target's entry of `--json` and of a saved baseline."""
        return {
            "board": self.board,
            "project": self.name,
            "candidate": self.candidate,
            "model_sha256": self.model_sha256,
            "plan_digest": self.plan_digest,
            "how": self.how,
            "machine": self.machine,
            "metric": self.metric,
            "layers": [
                {
                    "index": layer.index,
                    "op": layer.op,
                    "variant": layer.variant,
                    "tensor": layer.tensor,
                    "macs": layer.macs,
                    **asdict(layer.figures),
                    "per_mac": per_mac(layer.figures, layer.macs),
                    "share": round(self.share(layer), 6),
                }
                for layer in self.layers
            ],
            "outside": asdict(self.outside),
            "total": {
                "macs": self.macs,
                **asdict(self.total),
                "per_mac": per_mac(self.total, self.macs),
                "wait_cycles": self.wait_cycles,
                "latency_s": self.latency_s,
            },
        }


def per_mac(figures: Figures, macs: int) -> float | None:
    """Instructions, or else nanoseconds, for each multiply-accumulate; None without any."""
    spent = figures.nanoseconds if figures.instructions is None else figures.instructions
    return None if spent is None or not macs else round(spent / macs, 4)
