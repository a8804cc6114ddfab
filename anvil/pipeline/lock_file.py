"""Reading and writing anvil.lock beside anvil.yaml."""

from __future__ import annotations

import errno
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from anvil.cache.results import read_result, write_result
from anvil.config.schemas import SchemaKind
from anvil.config.yaml_source import parse_yaml
from anvil.core.diagnostics import AnvilError, Diagnostic, ExitCode
from anvil.core.digest import digest_of, key_of
from anvil.lock.compare import shown
from anvil.lock.document import FILE_NAME, FORMAT, Lock, digest_of_values, lock_text
from anvil.pipeline.replace_file import replace_file

if TYPE_CHECKING:
    from pathlib import Path

    from anvil.cache.store import Store
    from anvil.config.document import Document
    from anvil.config.schemas import Schemas

_WAY_BACK = f"restore {FILE_NAME} from version control, or write it anew with `anvil lock`"
_CONFLICT_MARKS = (b"<<<<<<< ", b">>>>>>> ")


@dataclass(frozen=True, slots=True, kw_only=True)
class LockFile:
    """A lock with the places of its entries, for messages."""

    lock: Lock
    document: Document


def read_lock(project: Path, schemas: Schemas, store: Store) -> LockFile | None:
    """The project's lock; None where there is none.

    store: where it is remembered that a lock's form was found right.

    Raises AnvilError (exit 2) where it cannot be read, is of another format, or is not what
    `anvil lock` wrote.
    """
    path = project / FILE_NAME
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        why = "it is a folder" if error.errno == errno.EISDIR else error.strerror
        raise _unreadable(str(path), f"cannot read it: {why}") from None
    return parse_lock(content, str(path), schemas, store)


def has_lock(project: Path) -> bool:
    """Whether anything lies where the lock belongs."""
    return (project / FILE_NAME).exists()


def parse_lock(content: bytes, file: str, schemas: Schemas, store: Store | None = None) -> LockFile:
    """The lock that `content` holds; `file` is its name for messages.

    Raises AnvilError (exit 2).
    """
    _refuse_conflict(content, file)
    try:
        document = parse_yaml(content, file)
    except AnvilError as error:
        raise _beyond_repair(error.diagnostics) from None
    values = document.value
    found_format = values.get("format")
    if found_format != FORMAT and isinstance(found_format, int):
        raise AnvilError(
            document.error_at_value(
                ("format",),
                "lock.format",
                f"the lock has format {found_format}, and this Anvil reads format {FORMAT}",
                "use the version of Anvil that wrote it, or write it anew with `anvil lock`",
            )
        )
    if values.get("digest") != digest_of_values(values):
        # What is missing was cut off or taken out: one cause, said once.
        wrong = _mistakes(document, schemas)
        stray = [one for one in wrong if one.code != "config.missing-key"]
        raise _beyond_repair((*stray, _edited(document)))
    _check_form(content, document, schemas, store)
    sections = {key: value for key, value in values.items() if key not in {"format", "digest"}}
    return LockFile(lock=Lock(sections=sections), document=document)


def _check_form(content: bytes, document: Document, schemas: Schemas, store: Store | None) -> None:
    """Refuse what breaks the schema; a lock that is known not to is not asked again."""
    key = key_of(["lock", schemas[SchemaKind.LOCK].sha256, digest_of(content).sha256])
    if store is not None and read_result(store, key) is not None:
        return
    wrong = _mistakes(document, schemas) or _loose_ends(document)
    if wrong:
        raise _beyond_repair(wrong)
    if store is not None:
        write_result(store, key, store.put_tree({}, frozenset()))


def _mistakes(document: Document, schemas: Schemas) -> tuple[Diagnostic, ...]:
    # The validator takes seconds to import.
    from anvil.config.schema_check import validate

    return validate(document, schemas[SchemaKind.LOCK])


def _loose_ends(document: Document) -> tuple[Diagnostic, ...]:
    """What targets name and the lock does not have."""
    sections = {"candidate": "models", "toolchain": "toolchains"}
    return tuple(
        document.error_at_value(
            ("targets", target, key),
            "lock.reference",
            f"found {row[key]!r}, and {section} has no such entry",
        )
        for target, row in document.value["targets"].items()
        for key, section in sections.items()
        if row[key] not in document.value[section]
    )


def _beyond_repair(diagnostics: tuple[Diagnostic, ...]) -> AnvilError:
    """Mistakes with the one way back: a lock is not mended by hand."""
    *others, last = (replace(one, hint=None) for one in diagnostics)
    return AnvilError(*others, replace(last, hint=_WAY_BACK))


def _refuse_conflict(content: bytes, file: str) -> None:
    for number, line in enumerate(content.split(b"\n"), start=1):
        if line.startswith(_CONFLICT_MARKS):
            raise AnvilError(
                Diagnostic(
                    code="lock.conflict",
                    message="the lock holds the marks of a merge conflict",
                    file=file,
                    line=number,
                    column=1,
                    hint="take either side of it as a whole, and then run `anvil lock`",
                )
            )


def _edited(document: Document) -> Diagnostic:
    if "digest" not in document.value:
        return document.error_at_key(
            ("digest",), "lock.edited", "there is no digest: `anvil lock` did not write this"
        )
    return document.error_at_value(
        ("digest",),
        "lock.edited",
        "the digest does not fit the rest: the lock was edited by hand, or cut short",
    )


def _unreadable(file: str, message: str) -> AnvilError:
    return AnvilError(
        Diagnostic(code="lock.unreadable", message=message, file=file, hint=_WAY_BACK)
    )


def missing(project: Path) -> AnvilError:
    """What is said where a lock is asked for and there is none (exit 2)."""
    return AnvilError(
        Diagnostic(
            code="lock.missing",
            message=f"there is no {FILE_NAME} beside anvil.yaml",
            file=str(project / FILE_NAME),
            hint="`anvil lock` writes it; keep it in version control",
        )
    )


def write_lock(project: Path, lock: Lock) -> bool:
    """Write the lock; whether it changed. Raises AnvilError (exit 1) where it cannot."""
    path = project / FILE_NAME
    try:
        return replace_file(path, lock_text(lock))
    except OSError as error:
        raise AnvilError(
            Diagnostic(
                code="lock.unwritable",
                message=f"cannot write {FILE_NAME}: {error.strerror}",
                file=str(path),
                hint="free some space, or make the folder writable",
            ),
            exit_code=ExitCode.FAILED,
        ) from error


def position(document: Document, path: tuple[str, ...]) -> dict[str, Any]:
    """Where a lock says something, as fields of a diagnostic."""
    place = document.key_position(path)
    return {"file": document.file, "line": place.line, "column": place.column}


def other_candidate(target: str, locked: tuple[str, str], found: str, folder: str) -> AnvilError:
    """What is said where a target is planned with another file than the lock names (exit 1).

    locked: name and SHA-256 of the candidate; found: SHA-256.
    """
    name, sha256 = locked
    return AnvilError(
        Diagnostic(
            code="lock.candidate",
            message=f"{target}: the lock says the candidate {name} {shown(sha256)}, and "
            f"planning chose one with {shown(found)}",
            file=f"{folder}/{FILE_NAME}",
            path=f"targets.{target}.candidate",
            hint="`anvil plan --pin` keeps quantized models in the project, since calibration "
            f"may differ between processors; or `anvil lock --update targets.{target}`",
        ),
        exit_code=ExitCode.FAILED,
    )
