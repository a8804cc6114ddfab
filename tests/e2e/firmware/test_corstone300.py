"""Both firmwares of the Corstone-300: QEMU has the board, its UART included."""

from __future__ import annotations

import contextlib
import dataclasses
import random
import re
import subprocess
from typing import TYPE_CHECKING

import pytest

from anvil.core.diagnostics import AnvilError
from anvil.verify import linked_library, qemu_system, serial_board
from tests.e2e.firmware.conftest import Built
from tests.support import echo_firmware as echo
from tests.support.cli import anvil, write_project
from tests.support.programs import require_program, require_shared_model

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from anvil.verify.invocation import Invocation


@pytest.fixture(scope="module")
def corstone(tmp_path_factory: pytest.TempPathFactory) -> Built:
    target = echo.built_in_target("corstone300")
    folder, cache = tmp_path_factory.mktemp("corstone"), tmp_path_factory.mktemp("cache")
    echo.build(target, cache, folder)
    return Built(target=target, folder=folder, cache=cache)


@pytest.fixture
def one(corstone: Built) -> Invocation:
    require_program("qemu-system-arm")
    return echo.invocation(corstone.target, corstone.folder)


@contextlib.contextmanager
def device(corstone: Built) -> Iterator[str]:
    """A port with the device's firmware at the other end of the board's UART."""
    machine = corstone.target.emulator.machine
    command = [
        *(str(require_program("qemu-system-arm")), "-M", str(machine)),
        *("-display", "none", "-monitor", "none", "-serial", "pty"),
        *("-kernel", str(corstone.folder / "echo.elf")),
    ]
    board = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
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


def test_the_device_s_firmware_answers_on_the_board_s_uart(
    corstone: Built, one: Invocation
) -> None:
    data = random.Random(3).randbytes(echo.N_DATA_BYTES)
    with device(corstone) as port:
        invocation = dataclasses.replace(one, serial_port=port, baud=1_000_000)
        result = serial_board.run(echo.with_batches(invocation, (data, echo.control())))
    assert result.outputs == ((echo.expected(data),),)


def test_both_programs_link_the_same_library(corstone: Built) -> None:
    assert linked_library.check(corstone.folder, echo.NAME, corstone.target.name) >= 6


def test_outputs_are_exact_and_a_known_loop_is_counted(one: Invocation) -> None:
    data = random.Random(1).randbytes(echo.N_DATA_BYTES)
    counts = []
    for n_loops in (10_000, 260_000):
        batch = (data, echo.control(n_loops=n_loops))
        result = qemu_system.run(dataclasses.replace(echo.with_batches(one, batch), count=True))
        assert result.outputs == ((echo.expected(data),),)
        assert result.cycles is None
        assert result.instructions is not None
        assert result.stack_bytes is not None
        assert echo.FRAME_BYTES < result.stack_bytes < echo.FRAME_BYTES + 256
        counts.append(result.instructions)
    expected = 250_000 * echo.INSTRUCTIONS_PER_LOOP
    assert counts[1] - counts[0] == pytest.approx(expected, rel=0.001)


@pytest.mark.parametrize(
    ("mode", "text"),
    [
        (echo.UNDEFINED_INSTRUCTION, r"stopped with a \w+ fault at pc 0x1000[0-9a-f]{4}"),
        (echo.STACK_OVERFLOW, "stopped with a .* after a stack overflow"),
    ],
)
def test_a_fault_is_reported(one: Invocation, mode: int, text: str) -> None:
    batch = (bytes(echo.N_DATA_BYTES), echo.control(mode))
    with pytest.raises(AnvilError) as caught:
        qemu_system.run(echo.with_batches(one, batch))
    assert [d.code for d in caught.value.diagnostics] == ["run.fault"]
    assert re.search(text, caught.value.diagnostics[0].message)


@pytest.mark.parametrize("name", ["kws", "vww", "ic", "ad", "sww"])
def test_a_model_equals_the_reference(name: str, tmp_path: Path) -> None:
    model = require_shared_model(f"{name}.int8.tflite")
    require_program("qemu-system-arm")
    project = write_project(tmp_path, model, name=name, targets="{corstone300: {}}")
    layers = ["--layers"] if name == "ic" else []  # the RAM that all tensors need is elsewhere
    verified = anvil("verify", *layers, "--json", "--project", project)
    assert verified.returncode == 0, verified.stdout
    (row,) = verified.document()["targets"]
    assert row["comparison"]["inferences"] == 19
    assert row["comparison"]["different_outputs"] == 0
    assert row.get("first_different_layer") is None
