"""What the documents in a target's folder say of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from anvil.release.files import MANIFEST, PLAN, ReleaseFile
from anvil.release.strict_json import read_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_FLASHED = (".hex", ".uf2")


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetFolder:
    """A target of a release: its folder and two of the documents in it."""

    name: str
    manifest: dict[str, Any]
    plan: dict[str, Any]
    paths: tuple[str, ...]  # of all files below it, as the release has them

    @property
    def is_firmware(self) -> bool:
        """Whether it is for a device without a system: such a build leaves what is flashed."""
        return any(path.endswith(_FLASHED) for path in self.artifacts)

    @property
    def artifacts(self) -> tuple[str, ...]:
        """What is handed over: neither the project nor what is said about it."""
        return tuple(
            path
            for path in self.paths
            if not path.startswith(f"{self.name}/project/")
            and not path.endswith((".json", ".tflite"))
        )

    @property
    def kernel_sources(self) -> tuple[str, ...]:
        """The kernels that it uses, as C files."""
        start = f"{self.name}/project/library/kernels/"
        return tuple(path for path in self.paths if path.startswith(start))


def target_names(paths: Iterable[str]) -> list[str]:
    """The targets among the files of a release: the folders with a manifest."""
    parts = (path.split("/") for path in paths)
    return sorted(names[0] for names in parts if len(names) == 2 and names[1] == MANIFEST)


def target_folders(files: Mapping[str, ReleaseFile]) -> list[TargetFolder]:
    """The targets by name. Raises KeyError and JsonError for a folder that no build made."""
    return [
        TargetFolder(
            name=name,
            manifest=read_json(files[f"{name}/{MANIFEST}"].content),
            plan=read_json(files[f"{name}/{PLAN}"].content),
            paths=tuple(sorted(path for path in files if path.startswith(f"{name}/"))),
        )
        for name in target_names(files)
    ]
