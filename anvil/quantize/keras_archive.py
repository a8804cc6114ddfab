"""A .keras file looked at from outside: a ZIP archive of bounded size with known members."""

from __future__ import annotations

import json
import zipfile
from typing import TYPE_CHECKING, Any

from anvil.core.diagnostics import AnvilError, Diagnostic
from anvil.quantize.keras_safety import inspect_config

if TYPE_CHECKING:
    from anvil.quantize.keras_safety import Finding

_CONFIG, _WEIGHTS = "config.json", "model.weights.h5"
_MAX_MEMBERS = 10_000
_MAX_CONFIG_BYTES = 64 * 1024**2
_MAX_BYTES = 2 * 1024**3
# Keras does not compress; what somebody else compressed shrinks by a few times.
_MAX_RATIO = 100
_ALLOW = "--allow-unsafe-model"


def check_keras_archive(archive: zipfile.ZipFile, file: str, *, allow_unsafe: bool) -> None:
    """Refuse what is no Keras model or would run code. Nothing is unpacked but config.json.

    Raises AnvilError (BAD_INPUT) with the code model.corrupt, model.too-large or
    model.unsafe. The caller opens the archive, and reports a file that is no ZIP archive.
    """
    members = archive.infolist()
    names = {member.filename for member in members}
    if len(members) > _MAX_MEMBERS:
        raise _error(
            "model.too-large",
            f"the archive has {len(members)} members, at most {_MAX_MEMBERS} are read",
            file,
        )
    for member in members:
        if _leaves_the_folder(member.filename):
            raise _error(
                "model.unsafe",
                f"the archive would unpack {member.filename[:80]!r} outside its folder",
                file,
                "this is no model as Keras saves it: do not use it",
            )
    n_packed = sum(member.compress_size for member in members)
    n_bytes = sum(member.file_size for member in members)
    if n_bytes > _MAX_BYTES or n_bytes > _MAX_RATIO * max(n_packed, 1024**2):
        raise _error(
            "model.too-large",
            f"the archive of {n_packed} bytes would unpack to {n_bytes} bytes",
            file,
            "this is no model as Keras saves it: save it again with model.save",
        )
    missing = [name for name in (_CONFIG, _WEIGHTS) if name not in names]
    if missing:
        raise _error(
            "model.corrupt",
            f"this is no Keras model: the archive lacks {' and '.join(missing)}",
            file,
            "save the whole model with model.save('model.keras')",
        )
    findings = _findings(archive, file)
    if findings and not allow_unsafe:
        raise unsafe(findings, file)


def unsafe(findings: tuple[Finding, ...], file: str) -> AnvilError:
    """The refusal of a model that would run code."""
    shown = "; ".join(finding.sentence for finding in findings[:8])
    more = f"; and {len(findings) - 8} more" if len(findings) > 8 else ""
    return _error(
        "model.unsafe",
        f"loading this model would run what its file says: {shown}{more}",
        file,
        f"replace those layers by built-in ones, or, if you trust its author, pass {_ALLOW}",
    )


def _findings(archive: zipfile.ZipFile, file: str) -> tuple[Finding, ...]:
    size_bytes = archive.getinfo(_CONFIG).file_size
    if size_bytes > _MAX_CONFIG_BYTES:
        raise _error(
            "model.too-large",
            f"{_CONFIG} has {size_bytes} bytes, at most {_MAX_CONFIG_BYTES} are read",
            file,
        )
    try:
        config: Any = json.loads(archive.read(_CONFIG))
        if not isinstance(config, dict) or "class_name" not in config:
            raise _error("model.corrupt", f"{_CONFIG} describes no model", file)
        return inspect_config(config)
    # A damaged member shows in many ways; encryption is a RuntimeError, and so is nesting.
    except (zipfile.BadZipFile, RuntimeError, ValueError, EOFError, OSError) as error:
        reason = "it nests too deeply" if isinstance(error, RecursionError) else str(error)
        raise _error("model.corrupt", f"cannot read {_CONFIG}: {reason}", file) from None


def _leaves_the_folder(name: str) -> bool:
    parts = name.replace("\\", "/").split("/")
    return ".." in parts or parts[0] == "" or ":" in parts[0]


def _error(code: str, message: str, file: str, hint: str | None = None) -> AnvilError:
    return AnvilError(
        Diagnostic(
            code=code,
            message=message,
            file=file,
            hint=hint or "the file is damaged or was cut short: copy it or save it again",
        )
    )
