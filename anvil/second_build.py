"""What a release builds again with: a build in a process of its own, told on stdin.

`python -m anvil.second_build` takes one JSON document and prints one. The request says what
`anvil build` says in options, and the conditions that its actions run under.
"""

from __future__ import annotations

import json
import sys

from anvil.core.diagnostics import AnvilError
from anvil.pipeline.events import Outcome
from anvil.pipeline.twice import build_varied
from anvil.process import Cancellation, interrupt_on_termination


def main() -> int:
    """Build as stdin says; the process's exit code."""
    interrupt_on_termination()
    try:
        outcome = build_varied(json.load(sys.stdin), Cancellation())
    except AnvilError as error:
        outcome = Outcome(diagnostics=error.diagnostics, exit_codes=(error.exit_code,))
    document = {
        "exit_code": int(outcome.exit_code),
        "diagnostics": [diagnostic.as_json() for diagnostic in outcome.all_diagnostics],
    }
    sys.stdout.write(json.dumps(document))
    sys.stdout.flush()
    return outcome.exit_code


if __name__ == "__main__":
    sys.exit(main())
