"""What a worker says of its failure: the last line of its log, as one diagnostic."""

from __future__ import annotations

import json

from anvil.core.diagnostics import Diagnostic


def explained(log: str, *, subject: str, code: str, file: str) -> Diagnostic | None:
    """The diagnostic of a failed worker's log, None where the log ends without a reason.

    `subject` begins the message: `the model cannot be converted`; `code` is the
    diagnostic's, unless the worker gave one that says more.
    """
    last = log.strip().rpartition("\n")[2]
    try:
        reason = json.loads(last)
        message, hint, found = reason["message"], reason["hint"], reason["code"]
    except (ValueError, KeyError, TypeError):
        return None
    return Diagnostic(
        code=found if "." in found else f"{code}.{found}",
        message=f"{subject}: {message}",
        file=file,
        hint=hint,
    )
