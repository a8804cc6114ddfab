"""A model on the HiFive1 Rev B, of which QEMU has the chip with its UART, and a larger machine."""

from __future__ import annotations

import dataclasses
import random
from typing import TYPE_CHECKING

from anvil.verify import qemu_system, serial_board
from anvil.verify.invocation import Port
from tests.support import echo_firmware as echo
from tests.support.cli import anvil, write_project
from tests.support.emulated_uart import uart_port, wait_for_answers
from tests.support.programs import require_program, require_shared_model

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

_KWS_BYTES = (490, 12)  # of its input and output


def test_a_model_equals_the_reference_on_the_emulator_and_the_chip(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The device's own firmware runs in the chip's 16 KiB of RAM."""
    wait_for_answers(monkeypatch)
    model = require_shared_model("kws.int8.tflite")
    qemu = str(require_program("qemu-system-riscv32"))
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
    program = str(invocation.folder / "kws.elf")
    with uart_port([qemu, "-M", "sifive_e,revb=true", "-kernel", program]) as port:
        on_chip = serial_board.run(dataclasses.replace(invocation, serial_port=port, baud=115_200))
    assert on_chip.outputs == qemu_system.run(invocation).outputs


def test_a_model_that_needs_more_ram_is_refused_before_compiling(tmp_path: Path) -> None:
    model = require_shared_model("ic.int8.tflite")
    project = write_project(tmp_path, model, name="ic", targets="{hifive1-revb: {}}")
    built = anvil("build", "--json", "--project", project)
    assert built.returncode != 0
    messages = " ".join(d["message"] for d in built.document()["diagnostics"])
    assert "RAM" in messages
