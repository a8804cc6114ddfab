"""Both firmwares of the micro:bit: QEMU has the board, its UART and its timer included."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import random
import re
import subprocess
from typing import TYPE_CHECKING

import pytest

from anvil.core.diagnostics import AnvilError
from anvil.core.target import Region
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
def microbit(tmp_path_factory: pytest.TempPathFactory, cache_folder: Path) -> Built:
    """With RAM for the echo, which the emulator has and the board has not."""
    target = echo.built_in_target("microbit")
    assert target.ram is not None
    ram = Region(origin=target.ram.origin, size_bytes=256 * 1024)
    target = dataclasses.replace(target, ram=ram)
    folder = tmp_path_factory.mktemp("microbit")
    echo.build(target, cache_folder, folder)
    return Built(target=target, folder=folder, cache=cache_folder)


@pytest.fixture
def one(microbit: Built) -> Invocation:
    require_program("qemu-system-arm")
    return echo.invocation(microbit.target, microbit.folder)


@contextlib.contextmanager
def device(microbit: Built) -> Iterator[str]:
    """A port with the device's firmware at the other end of the board's UART."""
    qemu = str(require_program("qemu-system-arm"))
    firmware = microbit.folder / "echo.elf"
    command = qemu_system.command(qemu, microbit.target.emulator, firmware, count=False)
    command[command.index("-serial") + 1] = "pty"
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
    microbit: Built, one: Invocation
) -> None:
    data = random.Random(3).randbytes(echo.N_DATA_BYTES)
    with device(microbit) as port:
        # A slow line as the host sees it: on a busy machine an emulator takes its time, and to ask
        # again while an answer comes fills a pseudo-terminal both ways for good.
        invocation = dataclasses.replace(one, serial_port=port, baud=9_600, count=True)
        result = serial_board.run(echo.with_batches(invocation, (data, echo.control())))
    assert result.outputs == ((echo.expected(data),),)
    assert result.cycles is not None
    assert result.cycles > 0


def test_both_programs_link_the_same_library(microbit: Built) -> None:
    assert linked_library.check(microbit.folder, echo.NAME, microbit.target.name) >= 6


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


def test_an_undefined_instruction_is_reported(one: Invocation) -> None:
    batch = (bytes(echo.N_DATA_BYTES), echo.control(echo.UNDEFINED_INSTRUCTION))
    with pytest.raises(AnvilError) as caught:
        qemu_system.run(echo.with_batches(one, batch))
    assert [d.code for d in caught.value.diagnostics] == ["run.fault"]
    assert "stopped with a hard fault at pc 0x0000" in caught.value.diagnostics[0].message


def test_a_stack_overflow_is_reported(one: Invocation) -> None:
    batch = (bytes(echo.N_DATA_BYTES), echo.control(echo.STACK_OVERFLOW))
    with pytest.raises(AnvilError) as caught:
        qemu_system.run(echo.with_batches(one, batch))
    assert [d.code for d in caught.value.diagnostics] == ["run.fault"]
    assert "after a stack overflow" in caught.value.diagnostics[0].message


def test_a_model_equals_the_reference(tmp_path: Path) -> None:
    model = require_shared_model("sww.int8.tflite")
    require_program("qemu-system-arm")
    project = write_project(tmp_path, model, name="sww", targets="{microbit: {}}")
    # The RAM that all tensors need is more than the board has.
    verified = anvil("verify", "--layers", "--json", "--project", project)
    assert verified.returncode == 0, verified.stdout
    (row,) = verified.document()["targets"]
    assert row["comparison"]["inferences"] == 19
    assert row["comparison"]["different_outputs"] == 0
    assert row["first_different_layer"] is None
    plan = json.loads((project / "build" / "microbit" / "plan.json").read_text("utf-8"))
    assert {op["variant"] for op in plan["ops"]} == {
        "anvil_conv_2d_int8_rows__m0",
        "anvil_depthwise_conv_2d_int8_rows__m0",
        "anvil_fully_connected_int8_rows__m0",
        "anvil_softmax_int8_fixed_point__scalar",
    }


def test_what_does_not_fit_is_said_before_anything_is_compiled(tmp_path: Path) -> None:
    model = require_shared_model("ad.int8.tflite")  # 270 kB of weights
    project = write_project(tmp_path, model, name="ad", targets="{microbit: {}}")
    built = anvil("build", "--json", "--project", project)
    assert built.returncode != 0
    assert [d["code"] for d in built.document()["diagnostics"]] == ["fit.flash"]
