"""The real firmware in QEMU at one end of a pseudo-terminal, the board's runner at the other."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import pty
import random
import subprocess
import threading
import tty
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
import serial

from anvil.core.diagnostics import AnvilError
from anvil.verify import protocol, qemu_system, serial_board
from tests.support import echo_firmware as echo
from tests.support.emulated_uart import wait_for_answers
from tests.support.programs import require_program

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from anvil.verify.invocation import Invocation
    from tests.e2e.firmware.conftest import Built

# So fast that waiting for a lost answer does not take long.
BAUD = 1_000_000


@dataclass
class Line:
    """A serial line between a pseudo-terminal and a firmware, with its faults."""

    firmware: subprocess.Popen[bytes]
    name: str
    master: int
    to_firmware: list[Callable[[bytes], bytes]] = field(
        default_factory=list
    )  # each for one piece of bytes
    to_host: list[Callable[[bytes], bytes]] = field(default_factory=list)

    def carry_to_firmware(self) -> None:
        assert self.firmware.stdin is not None
        with contextlib.suppress(OSError):
            while data := os.read(self.master, 4096):
                if self.to_firmware:
                    data = self.to_firmware.pop(0)(data)
                self.firmware.stdin.write(data)
                self.firmware.stdin.flush()

    def carry_to_host(self) -> None:
        assert self.firmware.stdout is not None
        with contextlib.suppress(OSError):
            while data := os.read(self.firmware.stdout.fileno(), 4096):
                if self.to_host:
                    data = self.to_host.pop(0)(data)
                while data:
                    data = data[os.write(self.master, data) :]


@contextlib.contextmanager
def connected(built: Built) -> Iterator[Line]:
    qemu = str(require_program("qemu-system-arm"))
    master, slave = pty.openpty()
    tty.setraw(slave)
    firmware = subprocess.Popen(
        qemu_system.command(
            qemu, built.target.emulator, built.folder / "emulator" / "echo.elf", count=True
        ),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    line = Line(firmware=firmware, name=os.ttyname(slave), master=master)
    carriers = [
        threading.Thread(target=line.carry_to_firmware, daemon=True),
        threading.Thread(target=line.carry_to_host, daemon=True),
    ]
    for carrier in carriers:
        carrier.start()
    try:
        yield line
    finally:
        firmware.kill()
        firmware.wait()
        os.close(slave)
        for carrier in carriers:
            carrier.join(timeout=10)
        os.close(master)
        assert firmware.stdin is not None
        assert firmware.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            firmware.stdin.close()
        firmware.stdout.close()


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    wait_for_answers(monkeypatch)


def batches(n: int) -> list[tuple[bytes, bytes]]:
    generator = random.Random(n)
    return [(generator.randbytes(echo.N_DATA_BYTES), echo.control()) for _ in range(n)]


def on_port(built: Built, line: Line, *inputs: tuple[bytes, ...]) -> Invocation:
    return dataclasses.replace(
        echo.invocation(built.target, built.folder, *inputs, count=True),
        serial_port=line.name,
        baud=BAUD,
    )


def check_outputs(built: Built, line: Line, inputs: list[tuple[bytes, bytes]]) -> None:
    result = serial_board.run(on_port(built, line, *inputs))
    assert result.outputs == tuple((echo.expected(data),) for data, _ in inputs)
    assert result.instructions is not None
    assert result.stack_bytes is not None


def noise(n_bytes: int) -> bytes:
    return random.Random(3).randbytes(n_bytes)


def unchanged(data: bytes) -> bytes:
    return data


def damaged(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 0x10]) + data[middle + 1 :]


@pytest.mark.usefixtures("patient")
def test_a_clean_line(built: Built) -> None:
    with connected(built) as line:
        check_outputs(built, line, batches(3))


@pytest.mark.usefixtures("patient")
def test_noise_and_a_cut_off_frame_before_the_requests(built: Built) -> None:
    whole = protocol.encode(
        protocol.Frame(kind=protocol.MessageType.INVOKE, sequence=1, payload=noise(3000))
    )
    with connected(built) as line:
        line.to_firmware += [lambda data: noise(300) + data, lambda data: whole[:1000] + data]
        line.to_host += [lambda data: noise(300) + data]
        check_outputs(built, line, batches(2))


def test_bytes_of_a_request_are_lost(built: Built) -> None:
    with connected(built) as line:
        line.to_firmware += [unchanged, unchanged, lambda data: data[100:], unchanged, damaged]
        check_outputs(built, line, batches(2))


def test_bytes_of_an_answer_are_lost_or_damaged(built: Built) -> None:
    with connected(built) as line:
        line.to_host += [damaged, unchanged, unchanged, unchanged, damaged, lambda _: b""]
        check_outputs(built, line, batches(2))


def test_a_line_that_always_damages_gives_up(built: Built) -> None:
    with connected(built) as line:
        line.to_firmware += [unchanged, *[damaged] * 1000]
        with pytest.raises(AnvilError, match="no undamaged answer"):
            serial_board.run(
                dataclasses.replace(on_port(built, line, *batches(1)), timeout_s=1),
            )


@pytest.mark.usefixtures("patient")
def test_a_fault_of_the_board_is_reported(built: Built) -> None:
    inputs = (bytes(echo.N_DATA_BYTES), echo.control(echo.UNDEFINED_INSTRUCTION))
    with connected(built) as line, pytest.raises(AnvilError, match="fault at pc"):
        serial_board.run(on_port(built, line, inputs))


@pytest.mark.usefixtures("patient")
def test_a_board_with_another_model_is_refused(built: Built, tmp_path: Path) -> None:
    header = (built.folder / "echo.h").read_text()
    (tmp_path / "echo.h").write_text(header.replace(echo.MODEL_SHA256, "77" * 32))
    with connected(built) as line, pytest.raises(AnvilError) as caught:
        serial_board.run(
            dataclasses.replace(on_port(built, line, *batches(1)), folder=tmp_path),
        )
    message = caught.value.diagnostics[0].message
    assert echo.MODEL_SHA256 in message
    assert "77" * 32 in message


def test_a_port_in_use_is_said(built: Built) -> None:
    with (
        connected(built) as line,
        serial.Serial(line.name, exclusive=True),
        pytest.raises(AnvilError, match="is in use"),
    ):
        serial_board.run(on_port(built, line))


def test_a_missing_port_is_said(built: Built) -> None:
    one = echo.invocation(built.target, built.folder)
    with pytest.raises(AnvilError, match="there is no serial port /dev/no-such-port"):
        serial_board.run(dataclasses.replace(one, serial_port="/dev/no-such-port"))


def test_nobody_answers(built: Built) -> None:
    master, slave = pty.openpty()
    tty.setraw(slave)
    one = echo.invocation(built.target, built.folder)
    try:
        with pytest.raises(AnvilError, match="no answer to 4 greetings"):
            serial_board.run(dataclasses.replace(one, serial_port=os.ttyname(slave)))
    finally:
        os.close(slave)
        os.close(master)


def test_something_else_answers(built: Built) -> None:
    master, slave = pty.openpty()
    tty.setraw(slave)
    one = echo.invocation(built.target, built.folder)

    def chat() -> None:
        with contextlib.suppress(OSError):
            while os.read(master, 4096):
                os.write(master, b"login:\0 ")

    talker = threading.Thread(target=chat, daemon=True)
    talker.start()
    try:
        with pytest.raises(AnvilError, match="not in Anvil's protocol"):
            serial_board.run(dataclasses.replace(one, serial_port=os.ttyname(slave)))
    finally:
        os.close(slave)
        talker.join(timeout=10)
        os.close(master)
