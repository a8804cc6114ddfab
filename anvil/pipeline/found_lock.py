"""What a lock would say now: the state of the project, of Anvil and of this Python."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from anvil import __version__
from anvil.build.tools import installed_version
from anvil.core.digest import key_of
from anvil.lock.document import Lock, image_section
from anvil.lock.pins import Pins, parse_pins, pinned_hashes
from anvil.pipeline.candidates import current_pins, quantizer_versions
from anvil.resources import built_in, code_digests, digest_of_resources, read_folder

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from anvil.core.image import Image
    from anvil.core.target import TargetRequest
    from anvil.pipeline.sources import Sources
    from anvil.pipeline.workspace import Workspace

# Anvil's own modules that decide what is rendered and how it is compiled. What reads
# configuration and models shows in the digests of targets and candidates.
_PLANNER = (
    "build/cmake.py", "build/compilers.py", "build/platformio.py", "build/warm_up.py",
    "build/web.py", "core/", "importers/", "ops/", "package/mcuboot.py", "plan/", "render/",
)  # fmt: skip
# What runs in this Python and decides bits; compilers are toolchains.
WHEELS = (
    "cmake", "imgtool", "intelhex", "jinja2", "ninja", "numpy", "ortools", "pillow", "platformio",
    "pyelftools", "pyyaml", "scons", "simpleeval",
)  # fmt: skip
# The files of requirements/ that users install from.
_REQUIREMENTS = ("anvil.txt", "tensorflow.txt")


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """Which candidate each target is built from, and the candidates by SHA-256."""

    references: Mapping[str, str]  # target -> name in `models`
    models: Mapping[str, str]  # without the model itself and what is pinned


def found_lock(workspace: Workspace, sources: Sources, chosen: Chosen, image: Image | None) -> Lock:
    """The lock of what is found. Raises AnvilError (exit 2) where own files cannot be read."""
    pins = _pins()
    requests = workspace.project.targets
    return Lock(
        sections={
            "anvil": {
                "version": __version__,
                "planner": planner_digest(),
                "templates": digest_of_resources(sources.templates),
            },
            "kernels": _kernels(workspace),
            "toolchains": _toolchain_rows(requests, pins),
            "quantizers": {
                name: _wheel_row(name, version, pins)
                for name, version in quantizer_versions(workspace).items()
            },
            "data": _data(sources.data),
            "models": {"source": workspace.model.sha256, **chosen.models, **pinned(workspace)},
            "targets": {
                request.target.name: _target_row(workspace, sources, request, chosen)
                for request in requests
            },
            "wheels": {name: _wheel_row(name, installed_version(name), pins) for name in WHEELS},
            "image": None if image is None else image_section(image),
        }
    )


def planner_digest() -> str:
    """The digest of the Python that plans, renders and says how to compile."""
    return key_of([row for row in code_digests() if row[0].startswith(_PLANNER)])


def pinned(workspace: Workspace) -> dict[str, str]:
    """The candidates of quantized/ by SHA-256, where they are of this model and data."""
    pins = current_pins(workspace)
    return {} if pins is None else dict(pins)


def references(choices: Mapping[str, tuple[str, str]], pins: Mapping[str, str]) -> Chosen:
    """Names for the candidates that targets were planned with.

    choices: target -> name and SHA-256. Where two targets mean different files by one name, as
    `mixed` for different losses, each has its own: `mixed@rpi4`.
    """
    of_name: dict[str, set[str]] = {name: {sha256} for name, sha256 in pins.items()}
    for name, sha256 in choices.values():
        of_name.setdefault(name, set()).add(sha256)
    named: dict[str, str] = {}
    models: dict[str, str] = {}
    for target, (name, sha256) in choices.items():
        is_shared = len(of_name[name]) == 1 or pins.get(name) == sha256
        named[target] = name if is_shared else f"{name}@{target}"
        models[named[target]] = sha256
    return Chosen(references=named, models=models)


def as_locked(lock: Lock) -> Chosen:
    """What the lock says of candidates, for a comparison without planning."""
    rows: Mapping[str, Any] = lock.sections["targets"]
    used = {name: str(row["candidate"]) for name, row in rows.items()}
    models = {one: str(lock.sections["models"][one]) for one in set(used.values())}
    return Chosen(references=used, models=models)


def _pins() -> Pins:
    files = read_folder(built_in("requirements"))
    return parse_pins(
        files[name].content.decode("utf-8") for name in _REQUIREMENTS if name in files
    )


def _wheel_row(name: str, version: str | None, pins: Pins) -> dict[str, Any]:
    return {"version": version, "sha256": pinned_hashes(pins, name, version or "")}


def _toolchain_rows(requests: Sequence[TargetRequest], pins: Pins) -> dict[str, dict[str, Any]]:
    rows: dict[str, dict[str, Any]] = {}
    for target in (request.target for request in requests):
        toolchain = target.toolchain
        row = rows.setdefault(toolchain.name, {"kind": toolchain.kind, "cores": {}, "packages": {}})
        row["cores"][target.core.name] = toolchain.digest
        # GCC has other packages for each core. Their files are those of the root file system.
        for tool, version in toolchain.tools:
            row["packages"][tool] = _wheel_row(tool, version, pins)
    return rows


def _kernels(workspace: Workspace) -> dict[str, str | None]:
    kernels = read_folder(built_in("kernels"))
    own = {
        path: resource
        for path, resource in read_folder(workspace.folder / "kernels").items()
        # A copy changes nothing: the example of the repository lies beside Anvil's own.
        if path not in kernels or kernels[path].content != resource.content
    }
    return {
        "built_in": digest_of_resources(kernels),
        "own": digest_of_resources(own) if own else None,
    }


def _data(key: list[Any]) -> dict[str, str | None]:
    """key: what `data_key` gave: pins, calibration, evaluation, and what decides the metric."""
    if len(key) == 1:
        return {"calibration": None, "evaluation": None, "metric": None}
    _, calibration, evaluation, *metric = key
    return {
        "calibration": calibration,
        "evaluation": evaluation,
        "metric": None if metric[0] is None else key_of(metric),
    }


def _target_row(
    workspace: Workspace, sources: Sources, request: TargetRequest, chosen: Chosen
) -> dict[str, Any]:
    target = request.target
    values = dataclasses.asdict(target)
    # A toolchain is an entry of its own: its change is no difference of every target.
    profile = {key: value for key, value in values.items() if key not in {"digest", "toolchain"}}
    costs = sources.profiles.get(f"costs/{target.core.name}.{target.toolchain.name}.yaml")
    asked: dict[str, Any] = {
        "optimize": list(workspace.order),
        "candidates": list(request.candidates),
        "disabled_rewrites": sorted(workspace.options.disabled_rewrites),
        **dataclasses.asdict(request.requirements),
    }
    return {
        "profile": key_of(profile),
        "toolchain": target.toolchain.name,
        "costs": None if costs is None else digest_of_resources({"": costs}),
        "candidate": chosen.references.get(target.name),
        # What is not asked for is not written.
        "request": {
            key: value
            for key, value in asked.items()
            if key == "optimize" or value not in (None, [])
        },
    }
