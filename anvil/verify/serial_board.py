"""Runs inferences on a real board over its serial port."""

from __future__ import annotations

import contextlib
import errno
import importlib
from typing import TYPE_CHECKING, Any

from anvil.verify import protocol
from anvil.verify.firmware import check_firmware, summarise
from anvil.verify.stream import missing_tool

if TYPE_CHECKING:
    from anvil.core.diagnostics import AnvilError
    from anvil.verify.invocation import Invocation, RunResult

_BITS_PER_BYTE = 10  # 8N1: a start bit, eight data bits, a stop bit
# An operating system takes so many bytes before it makes a writer wait.
_CHUNK_BYTES = 1024


class _Port:
    """pyserial's port as a Transport."""

    def __init__(self, port: Any) -> None:  # noqa: ANN401  pyserial has no types
        self._port = port

    @property
    def seconds_per_byte(self) -> float:
        return float(_BITS_PER_BYTE / self._port.baudrate)

    def read(self, timeout_s: float) -> bytes:
        self._port.timeout = timeout_s
        first = bytes(self._port.read(1))
        return first + bytes(self._port.read(self._port.in_waiting)) if first else b""

    def write(self, data: bytes) -> None:
        for start in range(0, len(data), _CHUNK_BYTES):
            self._port.write(data[start : start + _CHUNK_BYTES])


def run(invocation: Invocation) -> RunResult:
    """Run every inference on the board at `invocation.serial_port`.

    `invocation.timeout_s` is what each inference may take, its way over the line not counted.
    AnvilError, exit 1, where the port is
    missing, in use, may not be opened or breaks off (`run.serial-port`), where nothing or
    something else answers (`run.no-answer`), where the board holds another model
    (`run.wrong-model`), and what `Dialogue` raises.
    """
    try:
        serial = importlib.import_module("serial")
    except ImportError as error:
        raise missing_tool(
            invocation, "pyserial is not installed", "python3 -m pip install pyserial"
        ) from error
    name = invocation.serial_port
    if name is None:
        msg = "an invocation on a board names its serial port"
        raise ValueError(msg)

    def check() -> None:
        if invocation.cancellation is not None and invocation.cancellation.is_cancelled:
            raise KeyboardInterrupt

    try:
        port = serial.Serial(name, baudrate=invocation.baud, exclusive=True)
    except (OSError, ValueError) as error:
        raise _cannot_open(invocation, name, error) from error
    with contextlib.closing(port):
        try:
            port.reset_input_buffer()
            dialogue = protocol.Dialogue(invocation.target, _Port(port), check=check)
            info = dialogue.hello()
            check_firmware(invocation, info)
            answers = [
                dialogue.invoke(batch, info, invocation.timeout_s) for batch in invocation.batches
            ]
        except OSError as error:
            raise protocol.failure(
                invocation.target,
                "serial-port",
                f"{name} broke off: {error}",
                "check the cable; the board may have been reset or unplugged",
            ) from error
    return summarise(invocation, info, answers)


def _cannot_open(invocation: Invocation, name: str, error: OSError | ValueError) -> AnvilError:
    number = error.errno if isinstance(error, OSError) else None
    if number == errno.ENOENT:
        return protocol.failure(
            invocation.target,
            "serial-port",
            f"there is no serial port {name}",
            f"connect the board; the serial ports of this machine: {_ports()}",
        )
    if number in {errno.EACCES, errno.EPERM}:
        return protocol.failure(
            invocation.target,
            "serial-port",
            f"this user may not open {name}",
            "on Linux, join the group that owns it (often dialout) and log in again: "
            "sudo usermod -aG dialout $USER",
        )
    if number in {errno.EBUSY, errno.EAGAIN, errno.EWOULDBLOCK}:
        return protocol.failure(
            invocation.target,
            "serial-port",
            f"{name} is in use",
            "close the other program, such as a serial monitor",
        )
    return protocol.failure(
        invocation.target,
        "serial-port",
        f"cannot open {name}: {error}",
        f"the serial ports of this machine: {_ports()}",
    )


def _ports() -> str:
    tools = importlib.import_module("serial.tools.list_ports")
    return ", ".join(sorted(port.device for port in tools.comports())) or "none"
