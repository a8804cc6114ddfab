"""Both firmwares of every board, with a hand-written library: what boards have in common."""

from __future__ import annotations

import dataclasses
import random
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from elftools.elf.elffile import ELFFile

from anvil.core.diagnostics import AnvilError
from anvil.core.target import Region
from anvil.verify import linked_library, qemu_system, serial_board
from tests.e2e.firmware.conftest import Built
from tests.support import echo_firmware as echo
from tests.support.emulated_uart import uart_port, wait_for_answers
from tests.support.programs import require_program

if TYPE_CHECKING:
    from pathlib import Path

    from anvil.verify.invocation import Invocation


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """What differs between boards."""

    target: str
    qemu: str = "qemu-system-arm"
    ram_bytes: int = 0  # what the library needs, where the emulator has it and the board has not
    counts_exactly: bool = False  # else in steps of a timer
    tick: int = 0  # by how many instructions two runs of the same may differ
    undefined: str = r"stopped with a \w+ fault at pc 0x[0-9a-f]{8}"
    overflow: str = "stopped with a .* after a stack overflow"
    uart: tuple[str, ...] = ()  # QEMU's arguments before the device's firmware, where it has a UART
    counts_cycles: bool = False  # on that machine


BOARDS = (
    Board(target="nrf52840"),
    Board(
        target="microbit",
        ram_bytes=256 * 1024,
        undefined="stopped with a hard fault at pc 0x0000",
        # With more memory than the board has, as the emulator's firmware gets it.
        uart=(
            *("-M", "microbit"),
            *("-global", "nrf51-soc.flash-size=0x400000"),
            *("-global", "nrf51-soc.sram-size=0x400000"),
        ),
        counts_cycles=True,
    ),
    Board(
        target="corstone300",
        undefined=r"stopped with a \w+ fault at pc 0x1000[0-9a-f]{4}",
        tick=50,
        uart=("-M", "mps3-an547"),
    ),
    Board(
        target="hifive1-revb",
        qemu="qemu-system-riscv32",
        ram_bytes=1 << 20,
        counts_exactly=True,
        undefined=r"stopped with an illegal instruction at pc 0x2001[0-9a-f]{4}",
        overflow="stopped with a store access fault after a stack overflow",
    ),
)


@pytest.fixture(scope="module", params=BOARDS, ids=lambda board: board.target)
def board(request: pytest.FixtureRequest) -> Board:
    found: Board = request.param
    return found


@pytest.fixture(scope="module")
def echoing(board: Board, tmp_path_factory: pytest.TempPathFactory, cache_folder: Path) -> Built:
    target = echo.built_in_target(board.target)
    if board.ram_bytes:
        assert target.ram is not None
        ram = Region(origin=target.ram.origin, size_bytes=board.ram_bytes)
        target = dataclasses.replace(target, ram=ram)
    folder = tmp_path_factory.mktemp(board.target)
    echo.build(target, cache_folder, folder)
    return Built(target=target, folder=folder, cache=cache_folder)


@pytest.fixture
def one(board: Board, echoing: Built) -> Invocation:
    require_program(board.qemu)
    return echo.invocation(echoing.target, echoing.folder)


def test_both_programs_link_the_same_library(echoing: Built) -> None:
    assert linked_library.check(echoing.folder, echo.NAME, echoing.target.name) >= 6


def test_zeros_are_loaded_into_ram_alone(echoing: Built) -> None:
    # QEMU's loader writes them where a segment is loaded; into a flash chip, byte by byte.
    for program in (echoing.folder / "echo.elf", echoing.folder / "emulator" / "echo.elf"):
        with program.open("rb") as file:
            loaded = [s.header for s in ELFFile(file).iter_segments("PT_LOAD")]
        grown = [one for one in loaded if one.p_memsz > one.p_filesz]
        assert len(grown) == 2, "the stack's and .bss"
        assert all(one.p_paddr == one.p_vaddr for one in grown)


def test_outputs_are_exact_and_a_known_loop_is_counted(board: Board, one: Invocation) -> None:
    data = random.Random(1).randbytes(echo.N_DATA_BYTES)
    counts = []
    for n_loops in (10_000, 260_000, 10_000):
        batch = (data, echo.control(n_loops=n_loops))
        result = qemu_system.run(dataclasses.replace(echo.with_batches(one, batch), count=True))
        assert result.outputs == ((echo.expected(data),),)
        assert result.cycles is None
        assert result.instructions is not None
        assert result.stack_bytes is not None
        assert echo.FRAME_BYTES < result.stack_bytes < echo.FRAME_BYTES + 256
        counts.append(result.instructions)
    short, long, again = counts
    expected = 250_000 * echo.INSTRUCTIONS_PER_LOOP
    error = 0 if board.counts_exactly else 0.001 * expected
    assert abs(long - short - expected) <= error
    assert abs(again - short) <= board.tick


@pytest.mark.parametrize("mode", [echo.UNDEFINED_INSTRUCTION, echo.STACK_OVERFLOW])
def test_a_fault_is_reported(board: Board, one: Invocation, mode: int) -> None:
    batch = (bytes(echo.N_DATA_BYTES), echo.control(mode))
    with pytest.raises(AnvilError) as caught:
        qemu_system.run(echo.with_batches(one, batch))
    assert [d.code for d in caught.value.diagnostics] == ["run.fault"]
    text = board.undefined if mode == echo.UNDEFINED_INSTRUCTION else board.overflow
    assert re.search(text, caught.value.diagnostics[0].message)


@pytest.mark.parametrize(
    "board",
    [pytest.param(board, id=board.target) for board in BOARDS if board.uart],
    indirect=True,
)
def test_the_device_s_firmware_answers_on_the_board_s_uart(
    board: Board, echoing: Built, one: Invocation, monkeypatch: pytest.MonkeyPatch
) -> None:
    wait_for_answers(monkeypatch)
    data = random.Random(3).randbytes(echo.N_DATA_BYTES)
    command = [str(require_program(board.qemu)), *board.uart]
    with uart_port([*command, "-kernel", str(echoing.folder / "echo.elf")]) as port:
        invocation = dataclasses.replace(
            one, serial_port=port, baud=115_200, count=board.counts_cycles
        )
        result = serial_board.run(echo.with_batches(invocation, (data, echo.control())))
    assert result.outputs == ((echo.expected(data),),)
    assert (result.cycles or 0) > 0 or not board.counts_cycles
