"""Kernels that ask the processor which of two ways to take get the truth."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.compiled_program import program_output
from tests.support.platforms import PLATFORMS, runner_of
from tests.support.programs import MISSING, ROOT

_SOURCE = """\
#include "common/x86_level__avx2.h"
#include "platform.h"
void run_cases(void) {
  for (int i = 0; i < 2; ++i) {
    const uint8_t found = (uint8_t)anvil_x86_level();
    platform_write(&found, 1);
  }
}
"""
_BY_NAME = {platform.name: platform for platform in PLATFORMS}
_AVX2, _AVXVNNI, _AVX512VNNI = 1, 2, 3
_AVX512 = {"avx512f", "avx512dq", "avx512bw", "avx512vl", "avx512_vnni"}


def _answers(platform: str, folder: Path) -> bytes:
    sources = [str(ROOT / "kernels" / "common" / "x86_level__avx2.c")]
    return program_output(_BY_NAME[platform], _SOURCE, folder, sources=sources)


def _true_level() -> int:
    flags = set(Path("/proc/cpuinfo").read_text("utf-8").split())
    if "avx_vnni" not in flags:
        return _AVX2
    return _AVX512VNNI if flags >= _AVX512 else _AVXVNNI


def test_an_emulated_processor_has_avx2_alone(tmp_path: Path) -> None:
    # The kernels' tests on this platform take the ways without more, on every computer.
    assert _answers("x86-64-undefined", tmp_path) == bytes([_AVX2, _AVX2])


def test_the_processor_s_own_answer(tmp_path: Path) -> None:
    runner_of(_BY_NAME["x86-64"])
    level = _true_level()
    assert _answers("x86-64", tmp_path) == bytes([level, level])
    if level < _AVX512VNNI:
        # To be counted: the tests of kernels ran without its vpdpbusd.
        missing = "AVX-VNNI" if level < _AVXVNNI else "AVX-512"
        pytest.skip(f"{MISSING}{missing} in this processor")
