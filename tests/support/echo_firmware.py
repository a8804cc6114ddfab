"""A hand-written library for the firmware's tests: it copies, counts, faults and hangs.

Input `data` comes back with 1 added to each byte. Input `control` says what else a run does:
byte 0 a mode, bytes 4 to 7 how often to run a loop of four instructions, little-endian.
"""

from __future__ import annotations

import dataclasses
import struct
from typing import TYPE_CHECKING

from anvil import process
from anvil.build.host import HostExecutor
from anvil.build.platformio import recipe
from anvil.cache.store import Store
from anvil.core.graph import Graph
from anvil.core.plan import Plan
from anvil.pipeline.load import all_targets
from anvil.render.platformio import render_platformio
from anvil.resources import built_in, read_folder
from anvil.verify.invocation import Invocation, Port
from tests.support.programs import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from anvil.core.target import Target

NAME = "echo"
MODEL_SHA256 = "5a" * 32
N_DATA_BYTES = 100_000
N_CONTROL_BYTES = 8
INSTRUCTIONS_PER_LOOP = 4
FRAME_BYTES = 1000  # on the stack of every run

RUN = 0
UNDEFINED_INSTRUCTION = 1
STACK_OVERFLOW = 2
ENDLESS_LOOP = 3

_HEADER = f"""
#include <stddef.h>
#include <stdint.h>
#define ECHO_N_INPUTS 2
#define ECHO_N_OUTPUTS 1
#define ECHO_ARENA_BYTES {N_DATA_BYTES + N_CONTROL_BYTES}
#define ECHO_MODEL_SHA256 "{MODEL_SHA256}"
void *echo_input(int index);
const void *echo_output(int index);
size_t echo_input_bytes(int index);
size_t echo_output_bytes(int index);
void echo_run(void);
"""

_SOURCE = """
#include "echo.h"
#include "work/work.h"

static _Alignas(16) uint8_t arena[ECHO_ARENA_BYTES];
static volatile uint32_t one = 1; /* in .data: wrong unless the startup copied it */

void echo_run(void) {
    const uint8_t *control = arena + %(n_data)d;
    work_run(control[0], (uint32_t)control[4] | (uint32_t)control[5] << 8 |
                             (uint32_t)control[6] << 16 | (uint32_t)control[7] << 24);
    for (int i = 0; i < %(n_data)d; i++) {
        arena[i] = (uint8_t)(arena[i] + one);
    }
}

void *echo_input(int index) {
    return index == 0 ? arena : index == 1 ? arena + %(n_data)d : NULL;
}
const void *echo_output(int index) { return index == 0 ? arena : NULL; }
size_t echo_input_bytes(int index) {
    return index == 0 ? %(n_data)d : index == 1 ? %(n_control)d : 0;
}
size_t echo_output_bytes(int index) { return index == 0 ? %(n_data)d : 0; }
"""

_WORK_HEADER = """
#include <stdint.h>
void work_run(uint8_t mode, uint32_t n_loops);
"""

_WORK_SOURCE = """
#include "work/work.h"

__attribute__((noinline)) static uint32_t recurse(uint32_t depth) {
    volatile uint32_t kept[16];
    kept[0] = depth;
    return depth == 0 ? 0 : recurse(depth - 1) + kept[0];
}

static volatile uint32_t sink;

void work_run(uint8_t mode, uint32_t n_loops) {
    volatile uint8_t frame[%(frame)d];
    for (int i = 0; i < %(frame)d; i++) {
        frame[i] = mode;
    }
    if (mode == 1) {
        __asm__ volatile(%(undefined)s);
    } else if (mode == 2) {
        sink = recurse(1000000);
    } else if (mode == 3) {
        for (;;) {
            sink = frame[0];
        }
    }
    if (n_loops > 0) {
        __asm__ volatile(%(loop)s : "+r"(n_loops) : : "cc");
    }
}
"""

# By the first letters of the core's architecture: an undefined instruction, and the loop.
_INSTRUCTIONS = {
    "arm": ('"udf #0"', r'"1: subs %0, #1\n nop\n nop\n bne 1b"'),
    "rv3": ('"unimp"', r'"1: addi %0, %0, -1\n nop\n nop\n bnez %0, 1b"'),
}


def control(mode: int = RUN, n_loops: int = 0) -> bytes:
    """The second input."""
    return struct.pack("<B3xI", mode, n_loops)


def expected(data: bytes) -> bytes:
    """The output for the first input."""
    return bytes((byte + 1) % 256 for byte in data)


def nrf52840() -> Target:
    """The target of the built-in profile."""
    return built_in_target("nrf52840")


def built_in_target(name: str) -> Target:
    """The target of a built-in profile."""
    listings = all_targets(ROOT).listings
    target = next(listing.target for listing in listings if listing.name == name)
    assert target is not None
    return target


def project(target: Target) -> dict[str, bytes]:
    """The rendered project around the hand-written library."""
    sizes = {"n_data": N_DATA_BYTES, "n_control": N_CONTROL_BYTES, "frame": FRAME_BYTES}
    undefined, loop = _INSTRUCTIONS[target.core.architecture[:3]]
    library = {
        "library/include/echo.h": _HEADER,
        "library/src/echo.c": _SOURCE % sizes,
        "library/kernels/work/work.h": _WORK_HEADER,
        "library/kernels/work/work.c": _WORK_SOURCE
        % (sizes | {"undefined": undefined, "loop": loop}),
    }
    plan = Plan(
        name=NAME,
        target=target,
        candidate="int8",
        graph=Graph(tensors=(), ops=(), inputs=(), outputs=()),
        calls=(),
        allocations=(),
        arena_bytes=N_DATA_BYTES + N_CONTROL_BYTES,
        arena_lower_bound_bytes=N_DATA_BYTES + N_CONTROL_BYTES,
        arena_proved_optimal=True,
        rejected=(),
        model_sha256=MODEL_SHA256,
    )
    return render_platformio(
        plan,
        plan_digest="0" * 64,
        library={path: text.encode() for path, text in library.items()},
        templates={
            path: resource.content for path, resource in read_folder(built_in("templates")).items()
        },
    )


def build(target: Target, cache: Path, folder: Path) -> None:
    """Build the project as `anvil build` does and leave its artifacts in `folder`."""
    store = Store(root=cache)
    tree = store.put_tree(project(target), frozenset())
    steps = recipe(target, NAME, tree)
    host = HostExecutor(store=store, cancellation=process.Cancellation())
    outputs = store.get_tree(host.run(steps.action))
    assert outputs is not None
    for output, artifact in steps.artifacts:
        path = folder / artifact
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(outputs[output])


def invocation(
    target: Target, folder: Path, *batches: tuple[bytes, ...], count: bool = False
) -> Invocation:
    """An invocation of the built firmware; replace fields as a test needs."""
    return Invocation(
        name=NAME,
        target=target.name,
        folder=folder,
        emulator=target.emulator,
        inputs=(
            Port(name="data", shape=(N_DATA_BYTES,), dtype="uint8", n_bytes=N_DATA_BYTES),
            Port(name="control", shape=(8,), dtype="uint8", n_bytes=N_CONTROL_BYTES),
        ),
        outputs=(Port(name="data", shape=(N_DATA_BYTES,), dtype="uint8", n_bytes=N_DATA_BYTES),),
        batches=batches,
        count=count,
        timeout_s=120,
    )


def with_batches(one: Invocation, *batches: tuple[bytes, ...]) -> Invocation:
    """The same with other inputs."""
    return dataclasses.replace(one, batches=batches)
