"""How a child's exit code reads where something ended it."""

from __future__ import annotations

import signal

SHORT_OF_MEMORY = "a system that runs out of memory does this, too: try --jobs 1"
_SHELL_SIGNALS = 128  # what a shell adds to the signal that ended its command
# Sent by people, by a system without memory left, or by a shell: not the program's own defect.
_FROM_OUTSIDE = frozenset({signal.SIGHUP, signal.SIGINT, signal.SIGKILL, signal.SIGTERM})


def describe(returncode: int) -> str | None:
    """What a signal from outside did, or None where the program ended by itself.

    returncode: as of subprocess, or of a shell or bubblewrap for its command.
    """
    number = -returncode if returncode < 0 else returncode - _SHELL_SIGNALS
    if number not in _FROM_OUTSIDE:
        return None
    return f"was ended from outside by {signal.Signals(number).name}"
