"""anvil.yaml: the project, and the targets that are asked for."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from anvil.config.board import resolve_target
from anvil.config.data_files import data_files
from anvil.config.library import ProfileLibrary, ProfileRoot, unknown_profile
from anvil.config.names import reason_against
from anvil.config.reader import Reader
from anvil.config.reading import SourceFile, read_valid
from anvil.config.schemas import SchemaKind
from anvil.config.toolchain import ToolchainChoice
from anvil.core.decision import ORDERS
from anvil.core.diagnostics import AnvilError, Diagnostic
from anvil.core.release import ReleaseFacts
from anvil.core.target import Project, Requirements, TargetRequest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from anvil.config.document import Document, YamlPath
    from anvil.config.schemas import Schemas


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedProject:
    """A checked anvil.yaml; `project.targets` lacks the targets that failed.

    `failures` has one entry for each of those, in the order asked, with every mistake in
    its profile. `memo` is what to pass as `memo` next time; it holds files that are there
    now and nothing else, so that it does not grow.
    """

    project: Project
    failures: Mapping[str, tuple[Diagnostic, ...]]
    memo: Mapping[str, Any]


def load_project(
    source: SourceFile,
    *,
    roots: Sequence[ProfileRoot],
    schemas: Schemas,
    targets: Sequence[str] | None = None,
    memo: Mapping[str, Any] | None = None,
) -> LoadedProject:
    """The project of an anvil.yaml, for all of its targets or for those in `targets`.

    source: anvil.yaml, its `file` as named on the command line: the folder of that name is
        what relative paths in it are relative to.
    roots: folders of profiles in search order (anvil/config/library.py).
    targets: names from the command line. One that has a profile and is not in anvil.yaml is
        built with the project's own requirements; a name that is given twice counts once.
    memo: an earlier result's `memo`. What is in it is neither parsed nor validated again;
        without changes the YAML parser and the schema validator are not even imported.

    Raises AnvilError (exit code 2) with every mistake in anvil.yaml and in `targets`. A
    mistake in a profile fails its targets alone.
    """
    document, diagnostics, valid = read_valid(source, schemas[SchemaKind.ANVIL], memo or {})
    if document is None:
        raise AnvilError(*diagnostics)
    library = ProfileLibrary(roots=tuple(roots), schemas=schemas, known=memo or {})
    reader = Reader([document], diagnostics)
    listed_targets = _mapping(document.value.get("targets"))
    asked = list(dict.fromkeys(listed_targets if targets is None else targets))
    name = reader.need_text(("name",))
    reason = reason_against(name)
    if reason is not None:
        message = f"the project cannot be named {name!r}: {reason}"
        reader.error(("name",), "config.name", message)
    requirements = {
        target: _requirements(reader, (("targets", target, "requirements"), ("requirements",)))
        for target in listed_targets
    }
    general = _requirements(reader, (("requirements",),))
    folder = posixpath.dirname(source.file)
    data = data_files(reader, document, folder) if "data" in document.value else None
    _check_names(library, reader, document, listed_targets)
    _check_accuracy(reader, listed_targets)
    reader.diagnostics.sort(key=lambda d: (d.line or 0, d.column or 0))
    reader.diagnostics.extend(_unknown_on_command_line(library, asked, listed_targets))
    if reader.diagnostics:
        raise AnvilError(*reader.diagnostics)
    requests, failures = [], {}
    for target in asked:
        try:
            resolved = resolve_target(library, target, _choice(reader, document, target))
        except AnvilError as error:
            failures[target] = error.diagnostics
        else:
            needed = requirements.get(target, general)
            allowed = reader.texts(("targets", target, "candidates"))
            requests.append(
                TargetRequest(
                    target=resolved,
                    requirements=needed,
                    candidates=allowed or reader.texts(("candidates",)),
                )
            )
    model = document.value_position(("model",))
    project = Project(
        name=name,
        file=source.file,
        model=posixpath.join(folder, reader.need_text(("model",))),
        model_position=(model.line, model.column),
        data=data,
        optimize=_order(reader),
        targets=tuple(requests),
        release=ReleaseFacts(
            version=reader.text(("release", "version")) or "",
            supplier=reader.text(("release", "supplier")) or "",
            license=reader.text(("release", "license")) or "",
        ),
    )
    return LoadedProject(project=project, failures=failures, memo={**valid, **library.memo()})


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _requirements(reader: Reader, places: Sequence[YamlPath]) -> Requirements:
    """What is required, each value from the first place that has it."""

    def path(key: str) -> YamlPath:
        paths = [(*place, key) for place in places]
        return next((p for p in paths if reader.find(p) is not None), paths[-1])

    return Requirements(
        max_accuracy_drop=reader.real(path("max_accuracy_drop")),
        max_latency_s=reader.seconds(path("max_latency")),
        max_ram_bytes=reader.size_bytes(path("max_ram")),
        max_flash_bytes=reader.size_bytes(path("max_flash")),
    )


def _order(reader: Reader) -> tuple[str, ...]:
    listed = reader.texts(("order",))
    return listed or tuple(ORDERS[reader.text(("optimize",)) or "balanced"])


def _check_accuracy(reader: Reader, targets: Mapping[str, Any]) -> None:
    """Record every accuracy requirement that there is no data to check with."""
    if reader.find(("data", "evaluation")) is not None:
        return
    for place in ((), *(("targets", target) for target in targets)):
        path = (*place, "requirements", "max_accuracy_drop")
        if reader.real(path) is not None:
            message = "max_accuracy_drop cannot be checked without evaluation data"
            hint = "name it as data.evaluation, or remove the requirement"
            reader.error(path, "config.no-evaluation", message, hint)


def _check_names(
    library: ProfileLibrary, reader: Reader, document: Document, targets: Mapping[str, Any]
) -> None:
    """Record every target and toolchain that anvil.yaml names and that has no profile."""
    boards, toolchains = library.names("boards"), library.names("toolchains")
    for target in targets:
        if target not in boards and not _has_error(reader, f"targets.{target}"):
            message, hint = unknown_profile(library, "boards", target, noun="target")
            reader.diagnostics.append(
                document.error_at_key(("targets", target), "config.unknown-target", message, hint)
            )
        path = ("targets", target, "toolchain")
        toolchain = reader.text(path)
        if toolchain is not None and toolchain not in toolchains:
            message, hint = unknown_profile(library, "toolchains", toolchain)
            reader.error(path, "config.unknown-toolchain", message, hint)


def _has_error(reader: Reader, path: str) -> bool:
    return any(diagnostic.path == path for diagnostic in reader.diagnostics)


def _unknown_on_command_line(
    library: ProfileLibrary, asked: Sequence[str], in_file: Mapping[str, Any]
) -> list[Diagnostic]:
    boards = library.names("boards")
    diagnostics = []
    for target in asked:
        if target not in boards and target not in in_file:
            message, hint = unknown_profile(library, "boards", target, noun="target")
            diagnostics.append(
                Diagnostic(code="config.unknown-target", message=f"--target: {message}", hint=hint)
            )
    return diagnostics


def _choice(reader: Reader, document: Document, target: str) -> ToolchainChoice | None:
    path = ("targets", target, "toolchain")
    name = reader.text(path)
    return None if name is None else ToolchainChoice(name=name, document=document, path=path)
