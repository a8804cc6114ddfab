"""Stage 3, second half: the candidates, every quantization of the model that can be had.

    found = candidate_models(workspace, listener, calibration=dataset)
    found.candidates          float32, float16, int8, int16x8: those that could be made
    mixed_candidate(workspace, listener, found, calibration=dataset, meets=accurate_enough)

Each is made by an action of its own, once: the key holds the float32 file, the calibration
data, the quantizer's version and the worker's source. One that fails is said, and the others
go on. The project's folder quantized/ is believed instead while it fits model and data.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from anvil.build.perform import healing, known, perform_files
from anvil.core.action import ActionError
from anvil.core.candidate import Candidate
from anvil.core.diagnostics import AnvilError, Diagnostic, Severity
from anvil.core.digest import digest_of
from anvil.pipeline.events import Event
from anvil.pipeline.pinned import FOLDER, read_pins, write_pins
from anvil.pipeline.source import SourceModel, source_model
from anvil.quantize.formats import ModelFormat

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from anvil.core.action import Tree
    from anvil.core.digest import Digest
    from anvil.pipeline.events import Listener
    from anvil.pipeline.pinned import Pins
    from anvil.pipeline.workspace import Workspace
    from anvil.quantize.dataset import Dataset

_FLOAT32 = "float32"
_INT8 = "int8"


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedCandidate:
    """A candidate that could not be made, and why."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateSet:
    """What can be chosen from."""

    source: SourceModel
    candidates: tuple[Candidate, ...]
    float_model: Candidate | None  # what the others are measured against
    failures: tuple[FailedCandidate, ...]
    diagnostics: tuple[Diagnostic, ...]  # warnings: failures, poor calibration, stale pins
    calibration_sha256: str | None  # of the data that was used; None for random inputs
    is_pinned: bool = False

    def named(self, name: str) -> Candidate | None:
        """The candidate of that name, if there is one."""
        return next((one for one in self.candidates if one.name == name), None)


def candidate_models(
    workspace: Workspace,
    listener: Listener,
    *,
    calibration: Dataset | None,
    names: Sequence[str] | None = None,
    allow_unsafe: bool = False,
) -> CandidateSet:
    """The candidates `names` (default: all but mixed) of the workspace's model.

    A model that comes quantized is its only candidate. Without calibration data seeded random
    inputs stand in, and a warning says so. Raises AnvilError where the model cannot be used at
    all (see `source_model`) or a name is unknown.
    """
    from anvil.quantize.candidates import NAMES

    source = source_model(workspace, listener, allow_unsafe=allow_unsafe)
    wanted = _wanted(source, names, NAMES, workspace.model.file)
    own = _candidate(source.kind, source.content)
    if source.kind != _FLOAT32:
        return CandidateSet(
            source=source,
            candidates=(own,),
            float_model=None,
            failures=(),
            diagnostics=(),
            calibration_sha256=None,
        )
    pins = read_pins(workspace)
    stale = () if pins is None else _what_changed(workspace, pins, calibration)
    if pins is not None and not stale:
        candidates = [_candidate(name, pins.files[name]) for name in wanted if name in pins.files]
        return CandidateSet(
            source=source,
            candidates=tuple(candidates),
            float_model=own,
            failures=(),
            diagnostics=(),
            calibration_sha256=pins.calibration_sha256,
            is_pinned=True,
        )
    maker = _Maker(workspace, listener, source, calibration)
    for name in wanted:
        if name != _FLOAT32:
            maker.make(name)
    if stale:
        maker.diagnostics.insert(0, _stale(workspace, stale))
    return CandidateSet(
        source=source,
        candidates=tuple(own if name == _FLOAT32 else maker.made[name]
                         for name in wanted if name == _FLOAT32 or name in maker.made),
        float_model=own,
        failures=tuple(maker.failures),
        diagnostics=tuple(maker.diagnostics),
        calibration_sha256=None if calibration is None else calibration.sha256,
    )


def mixed_candidate(
    workspace: Workspace,
    listener: Listener,
    found: CandidateSet,
    *,
    calibration: Dataset | None,
    meets: Callable[[Candidate], bool],
) -> tuple[Candidate | None, tuple[Diagnostic, ...]]:
    """int8 with as few operators in float32 as `meets` asks for; None where none will do.

    Which operators is measured: those whose precision brings the outputs nearest to the float
    model's on a few calibration samples, a handful of steps, each with more in float than the
    one before. `meets` is asked for one step after the other and may take long.
    """
    int8 = found.named(_INT8)
    if int8 is None or found.float_model is None:
        return None, ()
    pins = read_pins(workspace) if found.is_pinned else None
    if pins is not None and "mixed" in pins.files:
        pinned = _candidate("mixed", pins.files["mixed"])
        return (pinned if meets(pinned) else None), ()
    from anvil.quantize.candidates import MIXED, decode_steps

    maker = _Maker(workspace, listener, found.source, calibration)
    content = maker.run(MIXED, int8=workspace.store.put(int8.content))
    if content is None:
        return None, tuple(maker.diagnostics)
    for step in decode_steps(content):
        candidate = _candidate(MIXED, step.content)
        if meets(candidate):
            return candidate, ()
    return None, ()


def pin(workspace: Workspace, found: CandidateSet, *extra: Candidate) -> tuple[str, ...]:
    """Write the candidates, `extra` ones such as mixed among them, into the project's quantized/.

    The names of the files. Raises AnvilError where the model came quantized (exit 2: there is
    nothing to pin) or the folder cannot be written (exit 1).
    """
    if found.float_model is None:
        raise AnvilError(
            Diagnostic(
                code="pin.quantized",
                message=f"the model is {found.source.kind} already, so that nothing is quantized",
                file=workspace.model.file,
                hint="pin the candidates of a float32 model",
            )
        )
    return write_pins(
        workspace.folder / FOLDER,
        model_sha256=workspace.model.sha256,
        calibration_sha256=found.calibration_sha256,
        quantizers=_quantizers(workspace),
        files={one.name: one.content for one in (found.float_model, *found.candidates, *extra)},
    )


class _Maker:
    """The quantizing actions of one model; what they need is prepared once, when needed."""

    def __init__(
        self,
        workspace: Workspace,
        listener: Listener,
        source: SourceModel,
        calibration: Dataset | None,
    ) -> None:
        self.workspace = workspace
        self.listener = listener
        self.source = source
        self.calibration = calibration
        self.made: dict[str, Candidate] = {}
        self.failures: list[FailedCandidate] = []
        self.diagnostics: list[Diagnostic] = []
        self._samples: bytes | None = None

    def make(self, name: str) -> None:
        """One candidate, or why not."""
        content = self.run(name)
        if content is not None:
            self.made[name] = _candidate(name, content)

    def run(self, name: str, int8: Digest | None = None) -> bytes | None:
        """What the action gave; None where it failed, which is said."""
        from anvil.quantize import candidates
        from anvil.quantize.failure import explained
        from anvil.quantize.workers.sources import worker_files

        store = self.workspace.store
        samples = self._calibration() if candidates.needs_calibration(name) else None

        def attempt() -> bytes:
            worker: Tree = store.put_tree(worker_files("quantize_model"), frozenset())
            action = candidates.quantize_action(
                name,
                model=store.put(self.source.content),
                worker=worker,
                calibration=None if samples is None else store.put(samples),
                int8=int8,
            )
            if known(action.key, store) is None:
                self.listener(Event(target="", step=f"quantizing {name}"))
            files = perform_files(action, store, self.workspace.cancellation)[1]
            return files[candidates.OUTPUT]

        try:
            return healing(attempt)
        except ActionError as error:
            diagnostic = explained(
                error.log,
                subject=f"the candidate {name} cannot be made",
                code="quantize",
                file=self.workspace.model.file,
            )
            said = replace(diagnostic or error.diagnostics[0], severity=Severity.WARNING)
            self.diagnostics.append(said)
            reason = said.message.partition("cannot be made: ")[2] or said.message
            self.failures.append(FailedCandidate(name=name, reason=reason))
            return None
        finally:
            self.listener(Event(target="", step=""))

    def _calibration(self) -> bytes:
        from anvil.quantize import candidates

        if self._samples is None:
            ports = [
                candidates.InputPort(name=name, shape=shape, dtype=dtype)
                for name, shape, dtype in self.source.inputs
            ]
            if self.calibration is None:
                arrays = candidates.random_samples(ports, self.source.input_ranges)
                self.diagnostics.append(_no_data(self.workspace, self.source))
            else:
                arrays = list(self.calibration.inputs)
                if self.calibration.n_samples < candidates.FEW_SAMPLES:
                    self.diagnostics.append(_few(self.calibration, candidates.FEW_SAMPLES))
            self._samples = candidates.encode_samples(arrays, ports)
        return self._samples


def _candidate(name: str, content: bytes) -> Candidate:
    return Candidate(name=name, content=content, sha256=digest_of(content).sha256)


def _wanted(
    source: SourceModel, names: Sequence[str] | None, known_names: Sequence[str], file: str
) -> tuple[str, ...]:
    """The candidates to make, in the usual order. Raises AnvilError for what cannot be."""
    if names is None:
        return tuple(known_names)
    possible = tuple(known_names) if source.kind == _FLOAT32 else (source.kind,)
    wrong = [name for name in dict.fromkeys(names) if name not in possible]
    if wrong:
        why = "" if source.kind == _FLOAT32 else f", since the model is {source.kind} already"
        raise AnvilError(
            *(
                Diagnostic(
                    code="quantize.unknown-candidate",
                    message=f"there is no candidate {name!r}: there is {', '.join(possible)}{why}",
                    file=file,
                    hint="name one of those" if not why else "give the float32 model",
                )
                for name in wrong
            )
        )
    return tuple(name for name in possible if name in names)


def _quantizers(workspace: Workspace) -> dict[str, str]:
    from anvil.quantize.candidates import LITERT_VERSION
    from anvil.quantize.convert import TENSORFLOW_VERSION

    versions = {"ai-edge-litert": LITERT_VERSION}
    if workspace.model.format is not ModelFormat.TFLITE:
        versions["tensorflow"] = TENSORFLOW_VERSION
    return versions


def _what_changed(
    workspace: Workspace, pins: Pins, calibration: Dataset | None
) -> tuple[str, ...]:
    """What the pins are no longer of; empty while they hold."""
    changed = []
    if pins.model_sha256 != workspace.model.sha256:
        changed.append("the model")
    if pins.calibration_sha256 != (None if calibration is None else calibration.sha256):
        changed.append("the calibration data")
    if dict(pins.quantizers) != _quantizers(workspace):
        found = ", ".join(f"{name} {version}" for name, version in pins.quantizers)
        changed.append(f"the quantizer (they were made with {found})")
    return tuple(changed)


def _stale(workspace: Workspace, changed: Sequence[str]) -> Diagnostic:
    return Diagnostic(
        code="pin.stale",
        severity=Severity.WARNING,
        message=f"the pinned candidates are not used: {' and '.join(changed)} changed since",
        file=str(workspace.folder / FOLDER),
        hint="`anvil plan --pin` pins the new ones",
    )


def _no_data(workspace: Workspace, source: SourceModel) -> Diagnostic:
    from anvil.quantize.candidates import N_RANDOM_SAMPLES, RANDOM_RANGE

    ranges = [limits or RANDOM_RANGE for limits in source.input_ranges]
    shown = ", ".join(f"{low:g} to {high:g}" for low, high in dict.fromkeys(ranges))
    return Diagnostic(
        code="quantize.no-calibration",
        severity=Severity.WARNING,
        message=(
            "there is no calibration data: the quantized candidates are calibrated with "
            f"{N_RANDOM_SAMPLES} random inputs from {shown}, and real ones may do worse"
        ),
        file=workspace.project.file,
        hint="name representative inputs at data.calibration",
    )


def _few(calibration: Dataset, wanted: int) -> Diagnostic:
    n = calibration.n_samples
    return Diagnostic(
        code="quantize.few-samples",
        severity=Severity.WARNING,
        message=(
            f"the calibration data has {n} sample{'s' if n != 1 else ''}, and fewer than {wanted} "
            "say little about the values that each layer takes"
        ),
        file=calibration.file,
        hint="give some hundred representative inputs",
    )
