"""Budgets: before compiling against lower bounds, after it against the program."""

from __future__ import annotations

import struct
from dataclasses import replace
from functools import cache
from typing import Any

import pytest

from anvil.core.candidate import Accuracy, Candidate
from anvil.core.diagnostics import Severity
from anvil.core.fit import Misfit
from anvil.core.plan import Plan
from anvil.core.target import Region, Requirements
from anvil.package.measure import measured_document, oversize
from anvil.package.wasm_module import module_memory
from anvil.plan.document import plan_digest, plan_document
from anvil.plan.fit import misfits, unasked_loss, unchecked
from anvil.plan.predict import predict
from tests.support import projects
from tests.support.graphs import small_network
from tests.support.programs import ROOT

_NOTHING = Requirements()


@cache
def plan() -> Plan:
    return projects.plan_of(small_network(), "nrf52840")


def with_memory(*, ram: int = 1 << 20, flash: int = 1 << 20) -> Plan:
    target = replace(
        plan().target,
        ram=Region(origin=0, size_bytes=ram),
        flash=Region(origin=0, size_bytes=flash),
    )
    return replace(plan(), target=target)


def check(found: tuple[Misfit, ...], code: str, *words: str) -> None:
    (misfit,) = found
    diagnostic = misfit.diagnostic()
    assert diagnostic.code == code
    for word in words:
        assert word in diagnostic.message
    assert diagnostic.hint


def test_what_fits_exactly_fits() -> None:
    stack = plan().target.stack_bytes
    assert stack
    least = {"ram": plan().arena_bytes + stack, "flash": plan().weight_bytes}
    assert misfits(with_memory(**least), _NOTHING) == ()
    check(
        misfits(with_memory(**least | {"ram": least["ram"] - 1}), _NOTHING),
        "fit.ram",
        f"{least['ram']:,} B of RAM",
        "the board has",
        ": 1 B are missing",
    )
    check(
        misfits(with_memory(**least | {"flash": least["flash"] - 1}), _NOTHING),
        "fit.flash",
        "the weights alone",
        ": 1 B are missing",
    )


def test_every_budget_that_is_exceeded_is_told() -> None:
    wishes = Requirements(max_ram_bytes=10, max_flash_bytes=20)
    found = [m.diagnostic() for m in misfits(with_memory(ram=5, flash=6), wishes)]
    assert [d.code for d in found] == ["fit.ram", "fit.ram", "fit.flash", "fit.flash"]
    assert ["the board has 5 B" in found[0].message, "max_ram allows 10 B" in found[1].message] == [
        True,
        True,
    ]


def test_a_system_without_fixed_memory_has_requirements_alone() -> None:
    desk = projects.plan_of(small_network(), "linux-x86_64")
    assert misfits(desk, _NOTHING) == ()
    check(misfits(desk, Requirements(max_ram_bytes=1)), "fit.ram", "max_ram allows 1 B")


def test_a_wish_that_nothing_is_known_of_is_warned_of() -> None:
    unknown = predict(plan(), None)
    assert unchecked(unknown, _NOTHING) == ()
    (found,) = unchecked(unknown, Requirements(max_latency_s=1.0))
    assert found.severity is Severity.WARNING
    assert "max_latency" in found.message
    assert unchecked(replace(unknown, latency_s=2.0), Requirements(max_latency_s=1.0)) == ()


def test_a_loss_that_nothing_limits_is_warned_of() -> None:
    accuracy = Accuracy(
        metric="auc",
        value=0.89,
        interval=(0.86, 0.92),
        reference=0.99,
        n_samples=200,
        higher_is_better=True,
    )

    def found(**changes: Any) -> int:  # noqa: ANN401  Accuracy's fields
        one = Candidate(
            name="int8", content=b"", sha256="0" * 64, accuracy=replace(accuracy, **changes)
        )
        return len(unasked_loss(one, _NOTHING))

    assert found() == 1
    assert found(reference=0.91) == 0, "within the interval"
    assert found(reference=None) == 0
    assert found(higher_is_better=False) == 0, "it got better"
    assert found(higher_is_better=False, reference=0.5) == 1
    lossy = Candidate(name="int8", content=b"", sha256="0" * 64, accuracy=accuracy)
    assert unasked_loss(lossy, Requirements(max_accuracy_drop=0.5)) == ()


# plan.json.


def test_the_digest_is_of_decisions_alone() -> None:
    digest = plan_digest(plan())
    assert plan_digest(replace(plan(), rejected=(), arena_lower_bound_bytes=1)) == digest
    decisions: list[dict[str, Any]] = [
        {"name": "other"},
        {"candidate": "float32"},
        {"model_sha256": "00" * 32},
        {"arena_bytes": plan().arena_bytes + 16},
        {"calls": plan().calls[:-1]},
        {"allocations": plan().allocations[1:]},
        {"target": replace(plan().target, digest="00" * 32)},
    ]
    for decision in decisions:
        assert plan_digest(replace(plan(), **decision)) != digest, decision


def test_the_requirements_change_the_document_and_not_the_digest() -> None:
    wishes = Requirements(max_ram_bytes=1 << 20)
    one, other = plan_document(plan(), _NOTHING), plan_document(plan(), wishes)
    assert one["digest"] == other["digest"]
    assert one != other


def test_the_document_has_every_name_of_the_contract() -> None:
    promised = """format name target toolchain candidate inputs outputs ops rewrites arena_bytes
        arena_lower_bound_bytes arena_proved_optimal ram_bytes flash_bytes instructions cycles
        latency_s accuracy fits rejected memory"""
    document = plan_document(plan(), _NOTHING)
    assert set(promised.split()) <= set(document)
    assert set(document["ram_bytes"]) == {"arena", "data", "bss", "stack", "total"}
    assert set(document["flash_bytes"]) == {"code", "weights", "total"}
    for op in document["ops"]:
        promised = "index op variant tensor macs weight_bytes instructions cycles"
        assert set(promised.split()) <= set(op)
    for port in (*document["inputs"], *document["outputs"]):
        assert set(port) == {"name", "shape", "dtype", "scale", "zero_point"}


# measured.json.

_PROGBITS, _NOBITS = 1, 8
_WRITE, _ALLOC = 1, 2


def elf_of(*sections: tuple[int, int, int]) -> bytes:
    """A 32-bit ELF file of section headers alone: (type, flags, size) each."""
    names = b"\0.shstrtab\0"
    header_bytes = 52
    rows = [(0, 0, 0, 0, 0), *((0, t, f, 0, s) for t, f, s in sections)]
    rows.append((1, 3, 0, header_bytes, len(names)))
    table = b"".join(
        struct.pack("<10I", name, kind, flags, 0, offset, size, 0, 0, 1, 0)
        for name, kind, flags, offset, size in rows
    )
    ident = b"\x7fELF\x01\x01\x01" + bytes(9)
    start = header_bytes + len(names)
    header = struct.pack(
        "<HHIIIIIHHHHHH", 2, 40, 1, 0, 0, start, 0, 52, 32, 0, 40, len(rows), len(rows) - 1
    )
    return ident + header + names + table


def test_sections_become_flash_and_ram() -> None:
    arena, stack, weights = 1000, plan().target.stack_bytes or 0, 300
    document = {
        "name": "small",
        "arena_bytes": arena,
        "ram_bytes": {"stack": stack, "total": arena + stack},
        "flash_bytes": {"weights": weights, "total": 500},
    }
    program = elf_of(
        (_PROGBITS, _ALLOC, 500),
        (_PROGBITS, _ALLOC, 40),
        (_PROGBITS, _ALLOC | _WRITE, 24),
        (_NOBITS, _ALLOC | _WRITE, arena + stack + 8),
        (_PROGBITS, 0, 9999),  # debug information stays in the file
    )
    measured = measured_document(plan().target, document, program)
    assert measured["flash_bytes"] == {"code": 264, "weights": 300, "total": 564}
    assert measured["ram_bytes"] == {
        "arena": arena,
        "data": 24,
        "bss": 8,
        "stack": stack,
        "total": arena + 24 + 8 + stack,
    }
    assert measured["error"] == {
        "arena_bytes": 0.0,
        "ram_bytes": round(32 / (arena + stack), 6),
        "flash_bytes": 0.128,
        "instructions": None,
    }
    assert oversize(with_memory().target, _NOTHING, measured) == ()
    check(
        oversize(with_memory(flash=560).target, _NOTHING, measured),
        "fit.flash",
        "the built program",
        ": 4 B are missing",
    )
    check(
        oversize(with_memory().target, Requirements(max_flash_bytes=563), measured),
        "fit.flash",
        "max_flash allows",
        ": 1 B are missing",
    )
    check(
        oversize(with_memory(ram=arena).target, _NOTHING, measured),
        "fit.ram",
        f": {stack + 32:,} B are missing",
    )


def module_of(*sections: tuple[int, bytes]) -> bytes:
    """A WebAssembly module of sections that are shorter than 128 bytes."""
    return b"\0asm\1\0\0\0" + b"".join(
        bytes((kind, len(content))) + content for kind, content in sections
    )


_STACK_POINTER = (6, b"\x01\x7f\x01\x41\x80\x80\x04\x0b")  # i32.const 65536


def test_a_web_assembly_module_is_measured() -> None:
    document = {
        "name": "small",
        "arena_bytes": 64,
        "ram_bytes": {"stack": 9, "total": None},
        "flash_bytes": {"weights": 10, "total": None},
    }
    target = projects.target("browser")
    segments = b"".join(b"\x00\x41\x80\x08\x0b" + bytes((n, *range(n))) for n in (5, 20))
    program = module_of(_STACK_POINTER, (11, b"\x02" + segments))
    measured = measured_document(target, document, program)
    total = len(program)
    assert measured["flash_bytes"] == {"code": total - 10, "weights": 10, "total": total}
    assert measured["ram_bytes"] == {
        "arena": 64,
        "data": 25,
        "bss": 0,
        "stack": 65536,
        "total": 64 + 25 + 65536,
    }
    assert measured["error"]["flash_bytes"] is None
    found = oversize(target, Requirements(max_ram_bytes=65624), measured)
    check(found, "fit.ram", "65,625 B of RAM", ": 1 B are missing")


def test_without_a_stack_pointer_the_plans_bound_stands_for_the_stack() -> None:
    document = {
        "name": "small",
        "arena_bytes": 64,
        "ram_bytes": {"stack": 900, "total": 1000},
        "flash_bytes": {"weights": 0, "total": 8},
    }
    measured = measured_document(projects.target("browser"), document, module_of())
    assert measured["ram_bytes"]["stack"] == 900
    assert measured["error"]["ram_bytes"] == -0.036


def test_a_data_segment_of_another_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="data segment of kind 1"):
        module_memory(module_of((11, b"\x01\x01\x02ab")))


@pytest.mark.parametrize("target", ["nrf52840", "linux-x86_64", "browser", "rpi4"])
def test_no_host_path_or_time_enters_the_plan(target: str) -> None:
    document = str(plan_document(projects.plan_of(small_network(), target), _NOTHING))
    assert str(ROOT) not in document
