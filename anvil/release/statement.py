"""Where a release comes from: an in-toto Statement with SLSA's provenance, version 1.

https://in-toto.io/Statement/v1 and https://slsa.dev/provenance/v1. No number is in it, since
the Struct of the published types makes every number a float; no clock and no host.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from google.protobuf import json_format
from in_toto_attestation.predicates.provenance.v1 import provenance_pb2
from in_toto_attestation.v1.resource_descriptor import ResourceDescriptor
from in_toto_attestation.v1.statement import Statement

from anvil.core.diagnostics import AnvilError, Diagnostic, ExitCode
from anvil.core.digest import canonical_json
from anvil.release.checksums import sha256
from anvil.release.dependencies import resolved_dependencies
from anvil.release.files import LOCK, PROVENANCE, SOURCE, ReleaseFile, reason_against, shown
from anvil.release.strict_json import JsonError, read_json
from anvil.release.target_folder import TargetFolder

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from anvil.release.description import ReleaseDescription

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "https://slsa.dev/provenance/v1"
# Described in docs/releases.md. Raise its number when a rebuild has to do something else.
BUILD_TYPE = "urn:anvil:release:1"
BUILDER = "urn:anvil:builder"
_HEX = frozenset("0123456789abcdef")


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What is signed of one file."""

    sha256: str
    executable: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """A statement that was read."""

    subjects: Mapping[str, Subject]  # by path
    name: str  # of the project
    version: str  # of the product; empty where its author gave none
    targets: tuple[str, ...]
    anvil_version: str
    lock_sha256: str
    kernels_digest: str  # of the kernel library, built-in and the project's own
    plans: Mapping[str, str]  # by target, the digest of the plan's decisions
    source: Mapping[str, str]  # by path, the SHA-256 of what is below source/
    dependencies: tuple[Mapping[str, Any], ...]  # resource descriptors


def write_statement(
    files: Mapping[str, ReleaseFile],
    targets: Sequence[TargetFolder],
    description: ReleaseDescription,
) -> bytes:
    """The payload to sign: `files` are all of the release but the provenance itself."""
    subjects = [
        ResourceDescriptor(
            name=path,
            digest={"sha256": sha256(file.content)},
            annotations={"executable": True} if file.executable else None,
        )
        for path, file in sorted(files.items())
    ]
    external: dict[str, Any] = {
        "name": description.name,
        "targets": [target.name for target in targets],
        "source": {
            path: sha256(file.content)
            for path, file in sorted(files.items())
            if path.startswith(f"{SOURCE}/")
        },
    }
    if description.facts.version:
        external["version"] = description.facts.version
    predicate = provenance_pb2.Provenance()
    json_format.ParseDict(
        {
            "buildDefinition": {
                "buildType": BUILD_TYPE,
                "externalParameters": external,
                "internalParameters": {
                    "lock": sha256(files[LOCK].content),
                    "kernels": description.kernels_digest,
                    "plans": {target.name: target.manifest["plan_digest"] for target in targets},
                },
                "resolvedDependencies": resolved_dependencies(files, targets, description),
            },
            "runDetails": {
                "builder": {"id": BUILDER, "version": {"anvil": description.anvil_version}}
            },
        },
        predicate,
    )
    statement = Statement(
        [subject.pb for subject in subjects],
        PREDICATE_TYPE,
        json_format.MessageToDict(predicate),
    )
    statement.validate()
    return canonical_json(json_format.MessageToDict(statement.pb))


def read_statement(payload: bytes) -> Provenance:
    """The provenance that was signed.

    Raises AnvilError (exit code 1) with everything that makes it another thing than the
    provenance of a release: its types, a path that leaves the folder, a file named twice.
    """
    try:
        document: Any = read_json(payload)
        if canonical_json(document) != payload:
            raise _refused("release.spelling", "is signed, but not spelled as Anvil writes it")
        statement = Statement([], "", {})
        json_format.ParseDict(document, statement.pb)
        statement.validate()
        _check_types(statement)
        predicate = provenance_pb2.Provenance()
        json_format.ParseDict(document["predicate"], predicate)
        _check_builder(predicate)
        subjects = _subjects(document["subject"])
        return _provenance(document["predicate"], subjects)
    except (JsonError, UnicodeEncodeError, ValueError) as error:
        text = str(error).splitlines() or [""]
        raise _refused(
            "release.statement", f"holds no in-toto statement: {text[0][:200]}"
        ) from None
    except json_format.ParseError as error:
        text = str(error).splitlines()
        raise _refused(
            "release.statement", f"holds no in-toto statement: {text[0][:200]}"
        ) from None
    except (AttributeError, KeyError, TypeError):
        raise _refused("release.statement", "lacks what the provenance of a release has") from None


def _check_types(statement: Statement) -> None:
    if statement.pb.predicate_type != PREDICATE_TYPE:
        raise _refused(
            "release.predicate-type",
            f"makes a statement of type {statement.pb.predicate_type[:80]!r}; a release's is "
            f"{PREDICATE_TYPE!r}",
        )


def _check_builder(predicate: Any) -> None:  # noqa: ANN401  a generated class
    definition, builder = predicate.build_definition, predicate.run_details.builder
    if definition.build_type != BUILD_TYPE or builder.id != BUILDER:
        raise _refused(
            "release.build-type",
            f"tells of a build of type {definition.build_type[:80]!r} by {builder.id[:80]!r}; this "
            f"Anvil knows {BUILD_TYPE!r} by {BUILDER!r}",
            "a release of another version of Anvil is checked with that version",
        )


def _subjects(rows: Iterable[Mapping[str, Any]]) -> dict[str, Subject]:
    found: dict[str, Subject] = {}
    mistakes = []
    for row in rows:
        path, digest = row.get("name", ""), row["digest"]
        reason = reason_against(path)
        if path in found:
            reason = "it is there twice"
        elif path == PROVENANCE:
            reason = "the provenance cannot hold its own digest"
        if list(digest) != ["sha256"] or not _is_sha256(digest["sha256"]):
            reason = "its digest is no SHA-256"
        if reason is not None:
            mistakes.append(
                Diagnostic(
                    code="release.path",
                    message=f"{PROVENANCE} names the file {path[:200]!r}: {reason}",
                    file=PROVENANCE,
                    hint="nothing of this release was opened; do not use it",
                )
            )
            continue
        executable = row.get("annotations", {}).get("executable") is True
        found[path] = Subject(sha256=digest["sha256"], executable=executable)
    mistakes += [
        Diagnostic(
            code="release.path",
            message=f"{PROVENANCE} names {path!r} as a file and as a folder",
            file=PROVENANCE,
        )
        for path in sorted(_folders(found) & found.keys())
    ]
    if mistakes:
        raise AnvilError(*mistakes, exit_code=ExitCode.FAILED)
    return found


def _folders(paths: Iterable[str]) -> set[str]:
    """Every folder that holds one of the files, the release's own left out."""
    parts = (path.split("/")[:-1] for path in paths)
    return {"/".join(names[: n + 1]) for names in parts for n in range(len(names))}


def _provenance(predicate: Mapping[str, Any], subjects: Mapping[str, Subject]) -> Provenance:
    definition = predicate["buildDefinition"]
    external, internal = definition["externalParameters"], definition["internalParameters"]
    texts = (
        external["name"],
        external.get("version", ""),
        predicate["runDetails"]["builder"]["version"]["anvil"],
        internal["lock"],
        internal["kernels"],
        *external["targets"],
    )
    plans, source = dict(internal["plans"]), dict(external["source"])
    if not all(isinstance(text, str) and text.isprintable() for text in texts):
        raise TypeError
    return Provenance(
        subjects=subjects,
        name=texts[0],
        version=texts[1],
        targets=tuple(external["targets"]),
        anvil_version=texts[2],
        lock_sha256=texts[3],
        kernels_digest=texts[4],
        plans=plans,
        source=source,
        dependencies=tuple(definition.get("resolvedDependencies", ())),
    )


def _is_sha256(text: object) -> bool:
    return isinstance(text, str) and len(text) == 64 and set(text) <= _HEX


def _refused(code: str, message: str, hint: str | None = None) -> AnvilError:
    return AnvilError(
        Diagnostic(code=code, message=shown(f"{PROVENANCE} {message}"), file=PROVENANCE, hint=hint),
        exit_code=ExitCode.FAILED,
    )
