"""What `--executor` takes. It imports nothing: a warm build loads it, too."""

from __future__ import annotations

AUTO = "auto"
HOST = "host"
# Those over a root file system, in the order in which auto takes them: a container also limits
# memory and processes.
HERMETIC = ("docker", "sandbox")
NAMES = (AUTO, *HERMETIC, HOST)
