"""What a release tells that its files alone do not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from anvil.core.image import Image
    from anvil.core.release import ReleaseFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSource:
    """The model that the project names; its bytes need not be in the release."""

    file: str  # the name without folders: digits.keras
    format: str  # keras, tflite, saved_model, ...
    sha256: str  # of the file; of a folder, of its paths and contents


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSource:
    """Data that calibrated or measured the model; its bytes stay with who made the release."""

    role: str  # calibration, evaluation
    sha256: str  # of the content, as Anvil knows it


@dataclass(frozen=True, slots=True, kw_only=True)
class PinnedWheel:
    """A Python distribution that decides bits, as the lock pins it."""

    name: str
    version: str
    sha256: tuple[str, ...]  # of every wheel that it may be, one per platform; sorted


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseDescription:
    """Everything of it is in the project or in its lock: the same on every machine."""

    name: str  # anvil.yaml's
    facts: ReleaseFacts  # likewise
    anvil_version: str
    kernels_digest: str  # of the kernel library, built-in and the project's own
    model: ModelSource
    data: tuple[DataSource, ...] = ()
    image: Image | None = None  # the root file system that the lock names
    wheels: tuple[PinnedWheel, ...] = ()  # sorted
