"""Stage 3, second half: the candidates, every quantization of the model that can be had.

    found = candidate_models(workspace, listener)
    found.candidates          float32, float16, int8, int16x8: those that could be made
    mixed_candidate(workspace, listener, found, meets=accurate_enough)

Each is made by an action of its own, once: the key holds the float32 file, the calibration
data, the quantizer's version and the worker's source. One that fails is said, and the others
go on. The project's folder quantized/ is believed instead while it fits model and data.
"""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from anvil.build.perform import healing, known, perform_files
from anvil.build.tools import installed_version
from anvil.cache.results import write_result
from anvil.cache.store import VanishedError
from anvil.core.action import ActionError
from anvil.core.candidate import Candidate
from anvil.core.decision import FailedCandidate
from anvil.core.diagnostics import AnvilError, Diagnostic, Severity
from anvil.core.digest import canonical_json, digest_of, key_of
from anvil.pipeline.candidate_warnings import few, no_data, not_pinned, stale
from anvil.pipeline.data import changing, data_digest, read_dataset
from anvil.pipeline.events import Event
from anvil.pipeline.pinned import FOLDER, read_pins, write_pins
from anvil.pipeline.source import SourceModel, source_model
from anvil.quantize.formats import ModelFormat
from anvil.resources import code_digest

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from anvil.pipeline.events import Listener
    from anvil.pipeline.pinned import Pins
    from anvil.pipeline.workspace import Workspace

_FLOAT32 = "float32"
_INT8 = "int8"
_TENSORFLOW = "tensorflow"
_CANDIDATE, _N_SAMPLES = "candidate.bin", "n_samples.json"


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
    names: Sequence[str] | None = None,
    allow_unsafe: bool = False,
) -> CandidateSet:
    """The candidates `names` (default: all but mixed) of the workspace's model.

    A model that comes quantized is its only candidate. The calibration data that anvil.yaml
    names is read where something has to be made; without any, seeded random inputs stand in,
    and a warning says so. Raises AnvilError where the model cannot be used at all (see
    `source_model`), the data cannot (see `read_dataset`), or a name is unknown.
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
    calibration = data_digest(workspace, "calibration")
    changed = () if pins is None else _what_changed(workspace, pins, calibration)
    if pins is not None and not changed:
        candidates = [
            # A float32 .tflite is its own, whatever is pinned.
            own if name == _FLOAT32 else _candidate(name, pins.files[name])
            for name in wanted
            if name == _FLOAT32 or name in pins.files
        ]
        return CandidateSet(
            source=source,
            candidates=tuple(candidates),
            float_model=own,
            failures=tuple(
                not_pinned(name) for name in wanted if name not in {*pins.files, _FLOAT32}
            ),
            diagnostics=(),
            calibration_sha256=pins.calibration_sha256,
            is_pinned=True,
        )
    maker = _Maker(workspace, listener, source)
    for name in wanted:
        if name != _FLOAT32:
            maker.make(name)
    warnings = (*((stale(workspace, changed),) if changed else ()), *maker.diagnostics)
    made = {_FLOAT32: own, **maker.made}
    return CandidateSet(
        source=source,
        candidates=tuple(made[name] for name in wanted if name in made),
        float_model=own,
        failures=tuple(maker.failures),
        diagnostics=warnings,
        calibration_sha256=calibration,
    )


def mixed_candidate(
    workspace: Workspace,
    listener: Listener,
    found: CandidateSet,
    *,
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

    maker = _Maker(workspace, listener, found.source)
    content = maker.run(MIXED, int8.content)
    if content is None:
        return None, maker.diagnostics
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


def current_pins(workspace: Workspace) -> dict[str, str] | None:
    """The pinned candidates by SHA-256, where they are of this model and data; None otherwise."""
    pins = read_pins(workspace)
    if pins is None or _what_changed(workspace, pins, data_digest(workspace, "calibration")):
        return None
    return {name: digest_of(content).sha256 for name, content in pins.files.items()}


def quantizer_versions(workspace: Workspace) -> dict[str, str]:
    """Distribution -> version of what makes the candidates, or made the pinned ones.

    LiteRT's kernels are the reference, too: the installed version counts, whatever is pinned.
    """
    is_pinned = current_pins(workspace) is not None
    return {
        name: version if name == _TENSORFLOW and is_pinned else installed_version(name) or version
        for name, version in _quantizers(workspace).items()
    }


class _Maker:
    """The quantizing actions of one model; the data is read once, and only for a miss."""

    def __init__(self, workspace: Workspace, listener: Listener, source: SourceModel) -> None:
        self.workspace = workspace
        self.listener = listener
        self.source = source
        self.made: dict[str, Candidate] = {}
        self.failures: list[FailedCandidate] = []
        self._warnings: dict[str, Diagnostic] = {}

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """The warnings, each once."""
        return tuple(self._warnings.values())

    def make(self, name: str) -> None:
        """One candidate, or why not."""
        content = self.run(name)
        if content is not None:
            self.made[name] = _candidate(name, content)

    def run(self, name: str, int8: bytes | None = None) -> bytes | None:
        """What the action gave; None where it failed, which is said."""
        from anvil.quantize import candidates
        from anvil.quantize.failure import explained

        try:
            made, n_samples = healing(lambda: self._known_or_made(name, int8))
        except ActionError as error:
            diagnostic = explained(
                error.log,
                subject=f"the candidate {name} cannot be made",
                code="quantize",
                file=self.workspace.model.file,
            )
            said = replace(diagnostic or error.diagnostics[0], severity=Severity.WARNING)
            self._warnings[name] = said
            self.failures.append(FailedCandidate(name=name, diagnostics=(said,)))
            return None
        finally:
            self.listener(Event(target="", step=""))
        if candidates.needs_calibration(name):
            self._judge(n_samples)
        return made

    def _known_or_made(self, name: str, int8: bytes | None) -> tuple[bytes, int]:
        """The action's output and the number of samples, without reading data for a hit."""
        from anvil.quantize import candidates
        from anvil.quantize.workers.sources import worker_files

        store = self.workspace.store
        worker = store.put_tree(worker_files("quantize_worker"), frozenset())
        calibrated = candidates.needs_calibration(name)
        key = key_of(
            [
                "candidate",
                name,
                self.source.sha256,
                None if int8 is None else digest_of(int8).sha256,
                worker.as_json(),
                candidates.LITERT_VERSION,
                [self._calibration, self._ranges] if calibrated else None,
                # What reads the data.
                [code_digest(), *map(installed_version, ("numpy", "pillow"))]
                if calibrated
                else None,
            ]
        )
        tree = known(key, store)
        if tree is None:
            self.listener(Event(target="", step=f"quantizing {name}"))
            action = candidates.quantize_action(
                name,
                model=store.put(self.source.content),
                worker=worker,
                calibration=store.put(self._samples[0]) if calibrated else None,
                int8=None if int8 is None else store.put(int8),
            )
            files = perform_files(action, store, self.workspace.executors.choose)[1]
            n_samples = canonical_json(self._samples[1] if calibrated else 0)
            tree = store.put_tree(
                {_CANDIDATE: files[candidates.OUTPUT], _N_SAMPLES: n_samples}, frozenset()
            )
            write_result(store, key, tree)
        kept = store.get_tree(tree)
        if kept is None:
            raise VanishedError
        return kept[_CANDIDATE], int(json.loads(kept[_N_SAMPLES]))

    @functools.cached_property
    def _calibration(self) -> str | None:
        """The data's digest, as keys have it from the beginning to the end."""
        return data_digest(self.workspace, "calibration")

    @functools.cached_property
    def _ranges(self) -> list[list[float] | None]:
        return [None if limits is None else list(limits) for limits in self.source.input_ranges]

    @functools.cached_property
    def _samples(self) -> tuple[bytes, int]:
        """The calibration file of the actions, and how many samples it has."""
        from anvil.quantize.candidates import N_RANDOM_SAMPLES, encode_samples
        from anvil.quantize.random_inputs import random_dataset

        ports = self.source.inputs
        dataset = read_dataset(self.workspace, "calibration", ports)
        if dataset is not None and dataset.sha256 != self._calibration:
            raise changing(self.workspace, "calibration")
        if dataset is None:
            dataset = random_dataset(ports, N_RANDOM_SAMPLES, self.source.input_ranges)
        return encode_samples(dataset.inputs, ports), dataset.n_samples

    def _judge(self, n_samples: int) -> None:
        """Warn of calibration that says little."""
        from anvil.quantize.candidates import FEW_SAMPLES

        data = self.workspace.project.data
        if data is None or data.calibration is None:
            self._warnings["calibration"] = no_data(self.workspace, self.source, n_samples)
        elif n_samples < FEW_SAMPLES:
            self._warnings["calibration"] = few(data.calibration, n_samples, FEW_SAMPLES)


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
        versions[_TENSORFLOW] = TENSORFLOW_VERSION
    return versions


def _what_changed(workspace: Workspace, pins: Pins, calibration: str | None) -> tuple[str, ...]:
    """What the pins are no longer of; empty while they hold."""
    changed = []
    if pins.model_sha256 != workspace.model.sha256:
        changed.append("the model")
    if pins.calibration_sha256 != calibration:
        changed.append("the calibration data")
    if dict(pins.quantizers) != _quantizers(workspace):
        found = ", ".join(f"{name} {version}" for name, version in pins.quantizers)
        changed.append(f"the quantizer (they were made with {found})")
    return tuple(changed)
