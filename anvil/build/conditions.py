"""What a run's surroundings, as a release varies them, mean for a child process."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from anvil.core.executor import Conditions

FAKETIME = "faketime/libfaketimeMT.so.1"  # below Debian's folder of libraries


def variables(conditions: Conditions, faketime: str | None) -> dict[str, str]:
    """The environment variables that `conditions` set, over what the action says.

    faketime: path of libfaketime for the child, or None where it is not there. It changes the
    time of day of programs that are linked dynamically; no other way is open to one process.
    """
    found: dict[str, str] = {}
    if conditions.locale is not None:
        found |= {"LC_ALL": conditions.locale, "LANG": conditions.locale}
    if conditions.time_zone is not None:
        found |= {"TZ": conditions.time_zone}
    if conditions.clock_offset_s and faketime is not None:
        found |= {
            "LD_PRELOAD": faketime,
            "FAKETIME": f"{conditions.clock_offset_s:+d}",
            # Times of files stay true: a build tool compares them. The monotonic clock moves, too:
            # without it, clock_nanosleep in libfaketime 0.9.10 refuses the times of threads.
            "NO_FAKE_STAT": "1",
        }
    return found


def find_faketime() -> str | None:
    """The path of this machine's libfaketime, where Debian and its like put it; or None."""
    found = sorted(Path("/usr/lib").glob(f"*/{FAKETIME}"))
    return str(found[0]) if found else None
