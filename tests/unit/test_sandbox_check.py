"""Whether this machine can make a sandbox is asked with all that a sandbox needs."""

from __future__ import annotations

import os
import shlex
from typing import TYPE_CHECKING

import pytest

from anvil.build.sandbox import check_sandbox
from anvil.core.diagnostics import AnvilError, ExitCode
from tests.support.programs import require_program

if TYPE_CHECKING:
    from pathlib import Path

# As versions before 0.7 do.
_WITHOUT_SIZE = """\
#!/bin/sh
for word; do
  test "$word" != --size || { echo "bwrap: Unknown option --size" >&2; exit 1; }
done
exec %s "$@"
"""


def test_a_bubblewrap_that_is_too_old_is_found_before_anything_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = tmp_path / "bwrap"
    old.write_text(_WITHOUT_SIZE % shlex.quote(str(require_program("bwrap"))))
    old.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    with pytest.raises(AnvilError) as caught:
        check_sandbox()
    (diagnostic,) = caught.value.diagnostics
    assert caught.value.exit_code is ExitCode.FAILED
    assert "too old" in diagnostic.message
    assert "0.7" in str(diagnostic.hint)
