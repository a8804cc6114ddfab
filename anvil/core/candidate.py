"""Candidates: the quantizations of one model, and how well each does."""

from __future__ import annotations

from dataclasses import dataclass

# The metrics that Anvil computes; any other is a user's module:function.
TOP1 = "top1"
AUC = "auc"
AUC_RECONSTRUCTION = "auc:reconstruction"
MSE = "mse"
OWN_METRICS = (TOP1, AUC, AUC_RECONSTRUCTION, MSE)
# A difference of two metrics is not to fail a limit that it equals on paper.
ROUNDING_ERROR = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Accuracy:
    """A metric on the evaluation data, computed with the reference kernels."""

    metric: str  # top1, auc, auc:reconstruction, mse, or module:function
    value: float
    interval: tuple[float, float]  # 95 % confidence, around `value`
    reference: float | None  # of the float model on the same data; None without one
    n_samples: int
    higher_is_better: bool

    @property
    def drop(self) -> float | None:
        """How much worse than the float model, in the metric's unit; None without one."""
        if self.reference is None:
            return None
        lost = self.reference - self.value
        return lost if self.higher_is_better else -lost

    def loses_more_than(self, limit: float) -> bool:
        """Whether the drop is known and exceeds `limit`, a `max_accuracy_drop`."""
        return self.drop is not None and self.drop > limit + ROUNDING_ERROR


@dataclass(frozen=True, slots=True, kw_only=True)
class Fidelity:
    """How close a candidate's outputs are to the float model's. This is not accuracy."""

    signal_to_noise_db: float | None  # None where nothing differs
    n_inferences: int
    inputs: str  # what they were: calibration, random


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One quantization of the model, as a .tflite file that the reference kernels run."""

    name: str  # float32, float16, int8, int16x8, mixed
    content: bytes  # the .tflite file
    sha256: str
    accuracy: Accuracy | None = None  # None without evaluation data
    fidelity: Fidelity | None = None  # None for a model that came quantized
