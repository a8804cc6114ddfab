"""Both firmwares of the HiFive1 Rev B: QEMU has the chip with its UART, and a larger machine."""

from __future__ import annotations

import contextlib
import dataclasses
import random
import re
import subprocess
from typing import TYPE_CHECKING

import pytest

from anvil.core.diagnostics import AnvilError
from anvil.core.target import Region
from anvil.verify import linked_library, qemu_system, serial_board
from anvil.verify.invocation import Port
from tests.e2e.firmware.conftest import Built
from tests.support import echo_firmware as echo
from tests.support.cli import anvil, write_project
from tests.support.programs import require_program, require_shared_model

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from anvil.verify.invocation import Invocation

_QEMU = "qemu-system-riscv32"
_KWS_BYTES = (490, 12)  # of its input and output


@pytest.fixture(scope="module")
def echoing(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """With more RAM than the chip has, since the hand-written library wants 100 kB."""
    target = echo.built_in_target("hifive1-revb")
    assert target.ram is not None
    ram = Region(origin=target.ram.origin, size_bytes=1 << 20)
    target = dataclasses.replace(target, ram=ram)
    folder, cache = tmp_path_factory.mktemp("hifive1"), tmp_path_factory.mktemp("cache")
    echo.build(target, cache, folder)
    return Built(target=target, folder=folder, cache=cache)


@pytest.fixture
def one(echoing: Built) -> Invocation:
    require_program(_QEMU)
    return echo.invocation(echoing.target, echoing.folder)


def test_both_programs_link_the_same_library(echoing: Built) -> None:
    assert linked_library.check(echoing.folder, echo.NAME, echoing.target.name) >= 6


def test_outputs_are_exact_and_every_instruction_is_counted(one: Invocation) -> None:
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
    assert counts[1] - counts[0] == 250_000 * echo.INSTRUCTIONS_PER_LOOP


@pytest.mark.parametrize(
    ("mode", "text"),
    [
        (
            echo.UNDEFINED_INSTRUCTION,
            r"stopped with an illegal instruction at pc 0x2001[0-9a-f]{4}",
        ),
        (echo.STACK_OVERFLOW, r"stopped with a store access fault after a stack overflow"),
    ],
)
def test_a_trap_is_reported(one: Invocation, mode: int, text: str) -> None:
    batch = (bytes(echo.N_DATA_BYTES), echo.control(mode))
    with pytest.raises(AnvilError) as caught:
        qemu_system.run(echo.with_batches(one, batch))
    assert [d.code for d in caught.value.diagnostics] == ["run.fault"]
    assert re.search(text, caught.value.diagnostics[0].message)


@contextlib.contextmanager
def _chip(program: Path) -> Iterator[str]:
    """A port with a firmware at the other end of the UART of QEMU's model of the chip."""
    command = [
        *(str(require_program(_QEMU)), "-M", "sifive_e,revb=true"),
        *("-display", "none", "-monitor", "none", "-serial", "pty", "-kernel", str(program)),
    ]
    chip = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert chip.stdout is not None
    try:
        said = chip.stdout.readline().decode()
        port = re.search(r"redirected to (\S+)", said)
        assert port is not None, said
        yield port[1]
    finally:
        chip.kill()
        chip.wait()
        chip.stdout.close()


def test_a_model_equals_the_reference_on_the_emulator_and_the_chip(tmp_path: Path) -> None:
    """The device's own firmware runs in the chip's 16 KiB of RAM."""
    model = require_shared_model("kws.int8.tflite")
    require_program(_QEMU)
    project = write_project(tmp_path, model, name="kws", targets="{hifive1-revb: {}}")
    verified = anvil("verify", "--json", "--project", project)
    assert verified.returncode == 0, verified.stdout
    (row,) = verified.document()["targets"]
    assert row["comparison"]["inferences"] == 19
    assert row["comparison"]["different_outputs"] == 0
    batch = (random.Random(2).randbytes(_KWS_BYTES[0]),)
    invocation = dataclasses.replace(
        echo.invocation(echo.built_in_target("hifive1-revb"), project / "build/hifive1-revb"),
        name="kws",
        inputs=(Port(name="in", shape=(490,), dtype="int8", n_bytes=_KWS_BYTES[0]),),
        outputs=(Port(name="out", shape=(12,), dtype="int8", n_bytes=_KWS_BYTES[1]),),
        batches=(batch, batch),
    )
    with _chip(invocation.folder / "kws.elf") as port:
        on_chip = serial_board.run(dataclasses.replace(invocation, serial_port=port, baud=115_200))
    assert on_chip.outputs == qemu_system.run(invocation).outputs


def test_a_model_that_needs_more_ram_is_refused_before_compiling(tmp_path: Path) -> None:
    model = require_shared_model("ic.int8.tflite")
    project = write_project(tmp_path, model, name="ic", targets="{hifive1-revb: {}}")
    built = anvil("build", "--json", "--project", project)
    assert built.returncode != 0
    messages = " ".join(d["message"] for d in built.document()["diagnostics"])
    assert "RAM" in messages
