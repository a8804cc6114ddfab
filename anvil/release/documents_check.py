"""Whether the documents of a release say the same: they were signed by one who may err.

Everything here has the right bytes already. What is checked is that checksums, bills and
manifests, which people read with other tools, say what the signed list says.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from anvil.core.diagnostics import Diagnostic
from anvil.release.checksums import read_checksums
from anvil.release.files import (
    CANDIDATE,
    CHECKSUMS,
    LOCK,
    MANIFEST,
    PLAN,
    PROVENANCE,
    SBOM,
    SIGNED_SUFFIX,
    SOURCE,
    VERIFICATION,
    shown,
)
from anvil.release.sbom import file_digests, sbom_mistakes
from anvil.release.signed_image import signed_image_mistake
from anvil.release.strict_json import JsonError, read_json
from anvil.release.target_folder import target_names

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from anvil.release.keys import PublicKey
    from anvil.release.statement import Provenance

_DEFECT = "the release was signed with it; whoever made the release has to make it again"


def document_mistakes(
    provenance: Provenance, files: Mapping[str, bytes], key: PublicKey
) -> tuple[Diagnostic, ...]:
    """Every contradiction between the documents of a release.

    files: all of the release but the provenance, with the bytes that were signed.
    """
    mistakes = [
        _mistake(path, f"the release has no {path}")
        for path in (CHECKSUMS, SBOM, LOCK)
        if path not in files
    ]
    if mistakes:
        return tuple(mistakes)
    mistakes += _checksum_mistakes(provenance, files[CHECKSUMS])
    mistakes += _guarded(SBOM, lambda: _sbom_mistakes(provenance, files[SBOM]))
    if provenance.subjects[LOCK].sha256 != provenance.lock_sha256:
        mistakes.append(_mistake(LOCK, f"{LOCK} is not the one that the provenance builds on"))
    found = target_names(files)
    if found != sorted(provenance.targets):
        mistakes.append(
            _mistake(
                PROVENANCE,
                f"the provenance tells of {_listed(provenance.targets)}, and there are folders "
                f"of {_listed(found)}",
            )
        )
    mistakes += _guarded(PROVENANCE, lambda: _origin_mistakes(provenance))
    for target in found:
        path = f"{target}/{MANIFEST}"
        mistakes += _guarded(path, partial(_manifest_mistakes, provenance, files, target))
    for path in sorted(path for path in files if path.endswith(SIGNED_SUFFIX)):
        mistakes += _guarded(path, partial(_image_mistakes, files, path, key))
    return tuple(mistakes)


def _checksum_mistakes(provenance: Provenance, content: bytes) -> list[Diagnostic]:
    listed = read_checksums(content)
    if listed is None:
        return [_mistake(CHECKSUMS, f"{CHECKSUMS} is no sorted list of SHA-256 and paths")]
    signed = {p: one.sha256 for p, one in provenance.subjects.items() if p != CHECKSUMS}
    return [
        _mistake(CHECKSUMS, f"{CHECKSUMS} says other than the provenance of {path}")
        for path in sorted(listed.keys() | signed.keys())
        if listed.get(path) != signed.get(path)
    ]


def _sbom_mistakes(provenance: Provenance, content: bytes) -> list[Diagnostic]:
    document = read_json(content)
    mistakes = sbom_mistakes(content)
    if mistakes:
        return [_mistake(SBOM, f"{SBOM} is not valid CycloneDX 1.6: {one}") for one in mistakes]
    return [
        _mistake(SBOM, f"{SBOM} says other than the provenance of {path}")
        for path, digest in sorted(file_digests(document).items())
        if path not in provenance.subjects or provenance.subjects[path].sha256 != digest
    ]


def _origin_mistakes(provenance: Provenance) -> list[Diagnostic]:
    """Where the list of files and the list of what they were made from differ."""
    signed = {path: one.sha256 for path, one in provenance.subjects.items()}
    told = dict(provenance.source)
    expected = {path: digest for path, digest in signed.items() if path.startswith(f"{SOURCE}/")}
    for row in provenance.dependencies:
        kind, _, target = row["name"].partition("/")
        if kind == "candidate":
            told[f"{target}/{CANDIDATE}"] = row["digest"]["sha256"]
    for target in provenance.targets:
        path = f"{target}/{CANDIDATE}"
        expected[path] = signed.get(path, "")
    return [
        _mistake(PROVENANCE, f"{PROVENANCE} says two things of {path}")
        for path in sorted(told.keys() | expected.keys())
        if told.get(path) != expected.get(path)
    ]


def _manifest_mistakes(
    provenance: Provenance, files: Mapping[str, bytes], target: str
) -> list[Diagnostic]:
    file = f"{target}/{MANIFEST}"
    manifest: Any = read_json(files[file])
    mistakes = []
    if manifest["target"] != target:
        mistakes.append(_mistake(file, f"{file} is of {str(manifest['target'])[:80]!r}"))
    maker = (provenance.name, f"Anvil {provenance.anvil_version}")
    if (manifest["name"], manifest["generator"]) != maker:
        mistakes.append(_mistake(file, f"{file} is not of {maker[0]}, built by {maker[1]}"))
    if provenance.plans.get(target) != manifest["plan_digest"]:
        mistakes.append(_mistake(file, f"{file} is of another plan than {PROVENANCE} says"))
    plan = read_json(files[f"{target}/{PLAN}"])
    if plan["digest"] != manifest["plan_digest"]:
        mistakes.append(_mistake(file, f"{file} is of another plan than {target}/{PLAN}"))
    listed = {f"{target}/{row['path']}": row for row in manifest["files"]}
    start = f"{target}/"
    there = {path for path in provenance.subjects if path.startswith(start)}
    # What a release adds to what was built.
    beside = {file, start + CANDIDATE, start + VERIFICATION}
    beside |= {path for path in there if path.endswith(SIGNED_SUFFIX)}
    for path in sorted(listed.keys() | (there - beside)):
        row, subject = listed.get(path), provenance.subjects.get(path)
        if subject is None:
            mistakes.append(_mistake(file, f"{file} lists {path[:200]!r}, which is not there"))
        elif row is None:
            mistakes.append(_mistake(file, f"{file} does not list {path}"))
        elif (row["sha256"], row["executable"]) != (subject.sha256, subject.executable):
            mistakes.append(_mistake(file, f"{file} says other than the provenance of {path}"))
    return mistakes


def _image_mistakes(files: Mapping[str, bytes], path: str, key: PublicKey) -> list[Diagnostic]:
    reason = signed_image_mistake(files[path], key.public)
    return [] if reason is None else [_mistake(path, f"{path} {reason}")]


def _guarded(file: str, check: Callable[[], list[Diagnostic]]) -> list[Diagnostic]:
    """The mistakes of a document; one of its own where it is of an unknown form."""
    try:
        return check()
    except JsonError as error:
        return [_mistake(file, f"{file} {error}")]
    except (AttributeError, KeyError, TypeError, ValueError):
        return [_mistake(file, f"{file} lacks what it has in a release, or a file beside it")]


def _listed(names: object) -> str:
    return ", ".join(str(name) for name in names) if isinstance(names, list | tuple) else ""


def _mistake(path: str, message: str) -> Diagnostic:
    return Diagnostic(code="release.contradiction", message=shown(message), file=path, hint=_DEFECT)
