"""Kernels that ask the processor which of two ways to take get the truth."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.kernel_harness import PLATFORMS, program_output, runner_of
from tests.support.programs import MISSING, ROOT

_SOURCE = """\
#include "common/x86_level__avx2.h"
#include "platform.h"
void run_cases(void) {
  for (int i = 0; i < 2; ++i) {
    const uint8_t found = (uint8_t)anvil_x86_has_avxvnni();
    platform_write(&found, 1);
  }
}
"""
_BY_NAME = {platform.name: platform for platform in PLATFORMS}


def _answers(platform: str, folder: Path) -> bytes:
    sources = [str(ROOT / "kernels" / "common" / "x86_level__avx2.c")]
    return program_output(_BY_NAME[platform], _SOURCE, folder, sources=sources)


def _has_avxvnni() -> bool:
    return "avx_vnni" in Path("/proc/cpuinfo").read_text("utf-8").split()


def test_an_emulated_processor_lacks_avxvnni(tmp_path: Path) -> None:
    # The kernels' tests on this platform take the way without it, on every computer.
    assert _answers("x86-64-undefined", tmp_path) == b"\0\0"


def test_the_processor_s_own_answer(tmp_path: Path) -> None:
    runner_of(_BY_NAME["x86-64"])
    has = _has_avxvnni()
    assert _answers("x86-64", tmp_path) == (b"\1\1" if has else b"\0\0")
    if not has:
        # To be counted: the tests of kernels ran without vpdpbusd.
        pytest.skip(f"{MISSING}AVX-VNNI in this processor")
