"""The documents of a build, read with suspicion: a diff is made of files that others wrote."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

from anvil.core.diagnostics import AnvilError, Diagnostic
from anvil.diff.quantities import ACCURACY, QUANTITIES, Basis

if TYPE_CHECKING:
    from collections.abc import Mapping

PLAN, MEASURED, MANIFEST = "plan.json", "measured.json", "manifest.json"
# The format of each that this version writes, and the keys that tell it from the others.
_FORMAT = 1
_MARKS = {
    PLAN: ("candidate", "ops", "digest"),
    MEASURED: ("error", "flash_bytes"),
    MANIFEST: ("generator", "files"),
}
# Beyond it a float is no longer exact, and nothing that Anvil writes is so large.
_LARGEST = 2**53


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """A file that a build hands over, as its manifest lists it."""

    sha256: str
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """One target of one side; None where no document says it."""

    project: str
    target: str
    candidate: str | None
    toolchain: str | None  # name and version
    model: str | None  # SHA-256 of the .tflite file
    decisions: str | None  # the plan's digest
    metric: str | None  # of the accuracy
    higher_is_better: bool  # of the metric
    figures: Mapping[tuple[str, Basis], float]  # what is null is absent
    artifacts: Mapping[str, Artifact] | None  # without the rendered project and the documents


def kind_of(document: object) -> str | None:
    """Which document a parsed JSON file is, by its keys; None where it is none of them."""
    if not isinstance(document, dict):
        return None
    return next(
        (kind for kind, marks in _MARKS.items() if all(mark in document for mark in marks)), None
    )


def parse(content: bytes, file: str) -> tuple[str, dict[str, Any]]:
    """The kind of a file and what it holds, its format checked. Raises AnvilError (exit 2)."""
    try:
        # json would guess UTF-16 and UTF-32, too, which Anvil never writes.
        document = json.loads(content.decode(), parse_constant=_refuse)
    except UnicodeDecodeError as error:
        raise _wrong(file, f"it is not UTF-8: {error.reason}", "diff.not-json") from None
    except json.JSONDecodeError as error:
        # A file that ends in the middle is the usual case.
        ends = " (the file ends there)" if error.pos >= len(error.doc.rstrip()) - 1 else ""
        diagnostic = Diagnostic(
            code="diff.not-json",
            message=f"it is not JSON: {error.msg}{ends}",
            file=file,
            line=error.lineno,
            column=error.colno,
            hint=_HINT,
        )
        raise AnvilError(diagnostic) from None
    except (ValueError, RecursionError) as error:
        why = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise _wrong(file, f"it is not JSON as Anvil writes it: {why}", "diff.not-json") from None
    kind = kind_of(document)
    if kind is None:
        names = f"{PLAN}, {MEASURED} nor {MANIFEST}"
        raise _wrong(file, f"it is neither {names} of a build", "diff.unknown-file")
    found = document.get("format")
    if found != _FORMAT or isinstance(found, bool):
        message = f"its format is {_shown(found)}, and this Anvil reads format {_FORMAT}"
        raise _wrong(file, message, "diff.format", "compare with the Anvil that wrote it")
    return kind, document


_HINT = "name a plan.json, measured.json or manifest.json, or a folder that a build left"


def _refuse(constant: str) -> NoReturn:
    msg = f"{constant} is no JSON number"
    raise ValueError(msg)


def _wrong(file: str, message: str, code: str, hint: str = _HINT) -> AnvilError:
    return AnvilError(Diagnostic(code=code, message=message, file=file, hint=hint))


def _shown(value: object) -> str:
    text = "missing" if value is None else json.dumps(value)
    return text if len(text) <= 40 else f"{text[:40]}..."


def snapshot(documents: Mapping[str, dict[str, Any]], files: Mapping[str, str]) -> Snapshot:
    """One target from its documents by kind.

    files: the path of each, for messages. Raises AnvilError (exit 2) where two of them are of
    different targets, or a value is not what Anvil writes there.
    """
    kind = next(one for one in (PLAN, MEASURED, MANIFEST) if one in documents)
    first = _Reader(documents[kind], files[kind])
    names = (first.text("name", needed=True), first.text("target", needed=True))
    for other in documents:
        reader = _Reader(documents[other], files[other])
        found = (reader.text("name", needed=True), reader.text("target", needed=True))
        if found != names:
            message = f"it is of {' '.join(map(str, found))}, and {kind} of {' '.join(names)}"
            raise _wrong(files[other], message, "diff.mixed", "build the target anew")
    plan = _Reader(documents.get(PLAN, {}), files.get(PLAN, ""))
    manifest = _Reader(documents.get(MANIFEST, {}), files.get(MANIFEST, ""))
    figures = {}
    for basis, name in ((Basis.PREDICTED, PLAN), (Basis.MEASURED, MEASURED)):
        reader = _Reader(documents.get(name, {}), files.get(name, ""))
        for quantity in QUANTITIES:
            # Accuracy is never predicted: the quantized model was run.
            of = Basis.MEASURED if quantity.is_evaluated else basis
            value = reader.number(*quantity.path)
            if value is not None:
                figures[quantity.key, of] = value
    better = plan.value("accuracy", "higher_is_better")
    toolchain = plan if PLAN in documents else manifest
    words = (toolchain.text("toolchain", "name"), toolchain.text("toolchain", "version"))
    return Snapshot(
        project=names[0],
        target=names[1],
        candidate=plan.text("candidate"),
        toolchain=" ".join(word for word in words if word) or None,
        model=plan.text("model_sha256"),
        decisions=plan.text("digest") or manifest.text("plan_digest"),
        metric=plan.text("accuracy", "metric") if (ACCURACY, Basis.MEASURED) in figures else None,
        higher_is_better=better is not False,
        figures=figures,
        artifacts=_artifacts(manifest) if MANIFEST in documents else None,
    )


def _artifacts(manifest: _Reader) -> dict[str, Artifact]:
    rows = manifest.value("files")
    if not isinstance(rows, list):
        raise manifest.wrong("files", rows, "a list")
    found = {}
    for number, row in enumerate(rows):
        reader = _Reader(row if isinstance(row, dict) else {}, manifest.file, f"files.{number}.")
        path = reader.text("path", needed=True)
        size = reader.number("size_bytes")
        if size is None:
            raise reader.wrong("size_bytes", None, "a number of bytes")
        if not path.startswith("project/") and path not in _MARKS:
            sha256 = reader.text("sha256", needed=True)
            found[path] = Artifact(sha256=sha256, size_bytes=int(size))
    return dict(sorted(found.items()))


@dataclass(frozen=True, slots=True)
class _Reader:
    """Values of one document by path, each of the type that is wanted, or AnvilError."""

    document: dict[str, Any]
    file: str
    prefix: str = ""

    def value(self, *path: str) -> object:
        value: object = self.document
        for depth, key in enumerate(path):
            if value is None:
                return None
            if not isinstance(value, dict):
                raise self.wrong(".".join(path[:depth]), value, "an object")
            value = value.get(key)
        return value

    def text(self, *path: str, needed: bool = False) -> str:
        """Empty where it is null and not needed."""
        value = self.value(*path)
        if (value is None and not needed) or (isinstance(value, str) and (value or not needed)):
            return value or ""
        raise self.wrong(".".join(path), value, "a text")

    def number(self, *path: str) -> float | None:
        value = self.value(*path)
        if value is None:
            return None
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if is_number and abs(value) <= _LARGEST and math.isfinite(value):  # type: ignore[arg-type]
            return value  # type: ignore[return-value]
        raise self.wrong(".".join(path), value, "a number or null")

    def wrong(self, path: str, value: object, allowed: str) -> AnvilError:
        return AnvilError(
            Diagnostic(
                code="diff.value",
                message=f"{self.prefix}{path} is {_shown(value)}, where {allowed} belongs",
                file=self.file,
                path=f"{self.prefix}{path}",
                hint="build the target anew, or compare with the Anvil that wrote it",
            )
        )
