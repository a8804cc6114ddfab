"""A device's own firmware in QEMU, its emulated UART at a pseudo-terminal of this computer."""

from __future__ import annotations

import contextlib
import re
import subprocess
from typing import TYPE_CHECKING

from anvil.verify import protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pytest

# Longer than any test: an answer that does not come in this time is none.
_PATIENCE_S = 3600.0


@contextlib.contextmanager
def uart_port(command: Sequence[str]) -> Iterator[str]:
    """The port, while QEMU runs. `command` says nothing of a console or of serial lines."""
    whole = [*command, "-display", "none", "-monitor", "none", "-serial", "pty"]
    board = subprocess.Popen(whole, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert board.stdout is not None
    try:
        said = board.stdout.readline().decode()
        port = re.search(r"redirected to (\S+)", said)
        assert port is not None, said
        yield port[1]
    finally:
        board.kill()
        board.wait()
        board.stdout.close()


def wait_for_answers(patch: pytest.MonkeyPatch) -> None:
    """From here on nothing is asked twice because an answer is late.

    A pseudo-terminal loses no byte, and an emulator on a busy machine takes its time. To ask again
    while an answer comes would even fill the pseudo-terminal both ways, for good.
    """
    patch.setattr(protocol, "_ANSWER_S", _PATIENCE_S)
