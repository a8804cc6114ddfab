from __future__ import annotations

import dataclasses
import random
import re
from typing import TYPE_CHECKING

import pytest

from anvil.core.diagnostics import AnvilError, ExitCode
from anvil.verify import qemu_system
from tests.support import echo_firmware as echo
from tests.support.programs import require_program

if TYPE_CHECKING:
    from anvil.verify.invocation import Invocation
    from tests.e2e.firmware.conftest import Built


@pytest.fixture
def one(built: Built) -> Invocation:
    require_program("qemu-system-arm")
    return echo.invocation(built.target, built.folder)


def check_failure(invocation: Invocation, code: str, text: str) -> None:
    with pytest.raises(AnvilError) as caught:
        qemu_system.run(invocation)
    assert [d.code for d in caught.value.diagnostics] == [code]
    assert re.search(text, caught.value.diagnostics[0].message)
    assert caught.value.exit_code == ExitCode.FAILED


def test_outputs_of_several_inferences_are_exact(one: Invocation) -> None:
    generator = random.Random(1)
    inputs = [generator.randbytes(echo.N_DATA_BYTES) for _ in range(3)]
    inputs += [bytes(echo.N_DATA_BYTES), b"\xff" * echo.N_DATA_BYTES]
    result = qemu_system.run(echo.with_batches(one, *((data, echo.control()) for data in inputs)))
    assert result.outputs == tuple((echo.expected(data),) for data in inputs)
    assert result.instructions is None
    assert result.stack_bytes is None


def test_no_inference_is_no_output(one: Invocation) -> None:
    assert qemu_system.run(one).outputs == ()


def test_a_run_that_does_not_end_is_ended(one: Invocation) -> None:
    good = (bytes(echo.N_DATA_BYTES), echo.control())
    endless = (bytes(echo.N_DATA_BYTES), echo.control(echo.ENDLESS_LOOP))
    check_failure(
        dataclasses.replace(echo.with_batches(one, good, endless), timeout_s=2),
        "run.timeout",
        "inferences within 2 s",
    )


def test_an_input_of_the_wrong_size_is_rejected(one: Invocation) -> None:
    check_failure(echo.with_batches(one, (b"short",)), "run.rejected", "takes 100008 bytes")


def test_another_model_is_refused(one: Invocation) -> None:
    other = dataclasses.replace(one, outputs=one.outputs[:0])
    check_failure(other, "run.wrong-model", "has inputs and outputs of")


def test_a_missing_build_and_a_missing_emulator_are_said(
    one: Invocation, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_failure(dataclasses.replace(one, name="other"), "run.not-built", "other.elf is not there")
    monkeypatch.setenv("PATH", "")
    check_failure(one, "run.missing-tool", "qemu-system-arm is not installed")
