"""A release out of what was built: checksums, bill of materials, signed provenance."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anvil.core.diagnostics import AnvilError, Diagnostic, ExitCode
from anvil.release.checksums import sha256, write_checksums
from anvil.release.envelope import sign
from anvil.release.files import CHECKSUMS, PROVENANCE, SBOM, ReleaseFile, reason_against
from anvil.release.sbom import write_sbom
from anvil.release.statement import write_statement
from anvil.release.target_folder import target_folders

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anvil.release.description import ReleaseDescription
    from anvil.release.keys import SigningKey

_MADE_HERE = (CHECKSUMS, PROVENANCE, SBOM)


def assemble(
    files: Mapping[str, ReleaseFile], description: ReleaseDescription, key: SigningKey
) -> dict[str, ReleaseFile]:
    """All files of a release, by path: `files` and what is said about them.

    files: anvil.lock, source/, and of each target its folder as it was built, with its
        quantized model and its verification. The same files, description and key give the
        same bytes.

    Raises AnvilError (exit code 1) for file names that a release cannot have, and KeyError
    where anvil.lock or a target's document is missing, which is a defect of the caller.
    """
    _check_names(files)
    targets = target_folders(files)
    made = dict(files)
    made[SBOM] = ReleaseFile(content=write_sbom(files, targets, description))
    digests = {path: sha256(file.content) for path, file in made.items()}
    made[CHECKSUMS] = ReleaseFile(content=write_checksums(digests))
    payload = write_statement(made, targets, description)
    made[PROVENANCE] = ReleaseFile(content=sign(payload, key))
    return dict(sorted(made.items()))


def _check_names(files: Mapping[str, ReleaseFile]) -> None:
    reasons = {path: reason_against(path) for path in files}
    reasons |= dict.fromkeys(files.keys() & set(_MADE_HERE), "Anvil writes that file itself")
    mistakes = [
        Diagnostic(
            code="release.file-name",
            message=f"a release cannot hold the file {path!r}: {reason}",
            hint="rename it in the project",
        )
        for path, reason in sorted(reasons.items())
        if reason is not None
    ]
    if mistakes:
        raise AnvilError(*mistakes, exit_code=ExitCode.FAILED)
