"""The Linux and browser projects, built and run: programs, library, module and runners."""

from __future__ import annotations

import dataclasses
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from anvil.core.diagnostics import AnvilError, ExitCode
from anvil.process import Cancellation
from anvil.verify import native, node, qemu_user
from tests.support import projects
from tests.support.cli import anvil, write_project
from tests.support.graphs import small_network
from tests.support.programs import MISSING, ROOT, require_program
from tests.support.tflite_builder import tflite_bytes

if TYPE_CHECKING:
    from collections.abc import Callable

    from anvil.core.plan import Plan
    from anvil.verify.invocation import Invocation, RunResult

GRAPH = small_network()
RUNNERS: dict[str, Callable[[Invocation], RunResult]] = {
    "linux-x86_64": native.run,
    "rpi4": qemu_user.run,
    "browser": node.run,
}
NEEDS = {"rpi4": "qemu-aarch64", "browser": "node"}
# What makes trouble in C, HTML, Markdown, JSON and terminals, in one name.
AWKWARD = 'a"b\\c??/</script><!--*/\n|`\u00e4\u2028%s${x}{{y}}'


@pytest.fixture(scope="module")
def built(cache_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a target's artifacts; each target is built once."""
    folders: dict[str, Path] = {}

    def folder_of(target: str) -> Path:
        if target not in folders:
            folder = tmp_path_factory.mktemp(target)
            projects.build(projects.plan_of(GRAPH, target), cache_folder, folder)
            folders[target] = folder
        return folders[target]

    return folder_of


@pytest.fixture
def program(built: Callable[[str], Path]) -> Path:
    """The program for this computer's own processor."""
    return built(_own_target()) / "small"


def _own_target() -> str:
    targets = {"x86_64": "linux-x86_64", "aarch64": "rpi4"}
    if platform.system() != "Linux" or platform.machine() not in targets:
        pytest.skip(f"{MISSING}a Linux computer of a processor that programs are made for")
    return targets[platform.machine()]


def _batches(plan: Plan, n_inferences: int) -> list[tuple[bytes, ...]]:
    rng = np.random.default_rng(7)
    tensors = [plan.graph.tensors[index] for index in plan.graph.inputs]
    return [
        tuple(rng.normal(0, 40, t.shape).astype(t.dtype.value).tobytes() for t in tensors)
        for _ in range(n_inferences)
    ]


@pytest.mark.parametrize("target", RUNNERS)
def test_a_runner_gives_what_the_operators_references_give(
    target: str, built: Callable[[str], Path]
) -> None:
    if target in NEEDS:
        require_program(NEEDS[target])
    plan = projects.plan_of(GRAPH, target)
    batches = _batches(plan, 20)
    result = RUNNERS[target](projects.invocation(plan, built(target), batches))
    assert result.outputs == tuple(projects.reference(GRAPH, batch) for batch in batches)
    assert len(set(result.outputs)) > 1


@pytest.mark.parametrize("target", RUNNERS)
def test_a_runner_feeds_more_than_a_pipe_holds(target: str, built: Callable[[str], Path]) -> None:
    if target in NEEDS:
        require_program(NEEDS[target])
    plan = projects.plan_of(GRAPH, target)
    batches = _batches(plan, 3) * 3000
    result = RUNNERS[target](projects.invocation(plan, built(target), batches))
    assert result.outputs == tuple(projects.reference(GRAPH, b) for b in batches[:3]) * 3000


@pytest.mark.parametrize("target", RUNNERS)
def test_no_inference_gives_no_output(target: str, built: Callable[[str], Path]) -> None:
    if target in NEEDS:
        require_program(NEEDS[target])
    plan = projects.plan_of(GRAPH, target)
    assert RUNNERS[target](projects.invocation(plan, built(target), [])).outputs == ()


@pytest.mark.parametrize("target", RUNNERS)
def test_two_builds_in_two_folders_are_identical(
    target: str, built: Callable[[str], Path], cache_folder: Path, tmp_path: Path
) -> None:
    again = tmp_path / "again"
    # The work folder is a new one each time, and lies elsewhere with another cache; the
    # compiler's runtime is linked, not built again.
    other = tmp_path / "a cache's other, longer name"
    other.mkdir()
    (other / "tools").symlink_to(cache_folder / "tools")
    projects.build(projects.plan_of(GRAPH, target), other, again)
    first = {path.name: path.read_bytes() for path in built(target).iterdir()}
    second = {path.name: path.read_bytes() for path in again.iterdir()}
    assert first == second
    assert first.keys() == (
        {"small.wasm", "small.mjs", "small.d.ts", "package.json", "index.html"}
        if target == "browser"
        else {"small", "libsmall.a", "small.h"}
    )


@pytest.mark.parametrize(
    ("target", "name"),
    [("linux-x86_64", "all"), ("linux-x86_64", "model"), ("browser", "all"), ("browser", "page")],
)
def test_a_project_may_be_called_like_a_target_of_cmake(
    target: str, name: str, cache_folder: Path, tmp_path: Path
) -> None:
    projects.build(projects.plan_of(GRAPH, target, name), cache_folder, tmp_path)
    assert (tmp_path / (f"{name}.wasm" if target == "browser" else name)).is_file()


def test_an_awkward_tensor_name_is_shown_and_harms_nothing(
    cache_folder: Path, tmp_path: Path
) -> None:
    tensors = list(GRAPH.tensors)
    tensors[0] = dataclasses.replace(tensors[0], name=AWKWARD)
    graph = dataclasses.replace(GRAPH, tensors=tuple(tensors))
    target = _own_target()
    plan = projects.plan_of(graph, target)
    projects.build(plan, cache_folder, tmp_path / "linux")
    info = subprocess.run(
        [tmp_path / "linux" / "small", "--info"], capture_output=True, check=True
    ).stdout.decode()
    # A line break in a name would forge a line of its own.
    assert "input 0: " + AWKWARD.replace("\n", "?").replace("\u2028", "?") in info

    require_program("node")
    plan = projects.plan_of(graph, "browser")
    projects.build(plan, cache_folder, tmp_path / "browser")
    batches = _batches(plan, 2)
    result = node.run(projects.invocation(plan, tmp_path / "browser", batches))
    assert result.outputs == tuple(projects.reference(graph, batch) for batch in batches)
    # One end of the module's script and one of the wasm's: none came with the name.
    assert (tmp_path / "browser" / "index.html").read_bytes().count(b"</script") == 2


# ------------------------------------------------------------------ the program


def _run(program: Path, *arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [program, *arguments], input=stdin, capture_output=True, check=False, timeout=60
    )


@pytest.mark.parametrize("processor", ["Nehalem", "SandyBridge"])
def test_a_processor_without_avx2_is_told(processor: str, built: Callable[[str], Path]) -> None:
    emulator = str(require_program("qemu-x86_64"))
    program = str(built("linux-x86_64") / "small")
    ended = subprocess.run(
        [emulator, "-cpu", processor, program, "--version"],
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert ended.returncode == 1
    assert ended.stdout == b""
    assert ended.stderr.splitlines()[-1] == (
        b"small: this processor lacks AVX2 or another part of x86-64-v3, for which the program"
        b" was built"
    )


def test_the_same_program_runs_with_and_without_avxvnni(built: Callable[[str], Path]) -> None:
    # This computer's own processor may have it; the emulated one has AVX2 and no more.
    emulator = str(require_program("qemu-x86_64"))
    plan = projects.plan_of(GRAPH, "linux-x86_64")
    batches = _batches(plan, 3)
    ended = subprocess.run(
        [emulator, "-cpu", "Haswell", str(built("linux-x86_64") / "small")],
        input=b"".join(data for batch in batches for data in batch),
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert ended.returncode == 0
    assert ended.stdout == b"".join(b"".join(projects.reference(GRAPH, b)) for b in batches)


def test_a_project_s_own_core_without_avx2_gets_plain_c(tmp_path: Path) -> None:
    emulator = str(require_program("qemu-x86_64"))
    model = tmp_path / "made.tflite"
    model.write_bytes(tflite_bytes(GRAPH))
    project = write_project(tmp_path, model, name="old", targets="{linux-x86_64: {}}")
    for path, old, new in (
        ("cores/x86-64.yaml", ", avx2]", "]"),
        ("toolchains/zig.yaml", "x86_64_v3", "x86_64_v2"),
    ):
        text = (ROOT / "targets" / path).read_text("utf-8")
        assert old in text
        own = project / "targets" / path
        own.parent.mkdir(parents=True, exist_ok=True)
        own.write_text(text.replace(old, new), "utf-8")
    built = anvil("build", "--project", project)
    assert built.returncode == 0, built.stderr
    plan = (project / "build" / "linux-x86_64" / "plan.json").read_text("utf-8")
    assert "conv_2d_int8_direct__scalar" in plan
    program = str(project / "build" / "linux-x86_64" / "old")
    batches = _batches(projects.plan_of(GRAPH, "linux-x86_64"), 2)
    ended = subprocess.run(
        [emulator, "-cpu", "Nehalem", program],
        input=b"".join(data for batch in batches for data in batch),
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert ended.stdout == b"".join(b"".join(projects.reference(GRAPH, b)) for b in batches)


def test_the_program_reads_in_any_portions(program: Path) -> None:
    plan = projects.plan_of(GRAPH, _own_target())
    batches = _batches(plan, 3)
    child = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdin is not None
    assert child.stdout is not None
    stream = b"".join(data for batch in batches for data in batch)
    for start in range(0, len(stream), 7):
        child.stdin.write(stream[start : start + 7])
        child.stdin.flush()
    child.stdin.close()
    with child.stdout:
        answer = child.stdout.read()
    assert child.wait(60) == 0
    assert answer == b"".join(b"".join(projects.reference(GRAPH, batch)) for batch in batches)


def test_the_program_answers_before_its_input_ends(program: Path) -> None:
    batch = _batches(projects.plan_of(GRAPH, _own_target()), 1)[0]
    expected = b"".join(projects.reference(GRAPH, batch))
    with subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write(b"".join(batch))
        child.stdin.flush()
        assert child.stdout.read(len(expected)) == expected


def test_a_partial_input_is_an_error(program: Path) -> None:
    completed = _run(program, stdin=bytes(144 + 143))
    assert completed.returncode == 1
    assert len(completed.stdout) == 3 * 4 + 3
    assert completed.stderr.decode() == (
        "small: standard input ends inside inference 1, with 143 of the 144 bytes of input 0\n"
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ["--no-such"],
        ["x"],
        [""],
        ["--bench"],
        ["--bench", "0"],
        ["--bench", ""],
        ["--bench", "-1"],
        ["--bench", "1x"],
        ["--bench", "1000001"],
        ["--bench", "99999999999999999999999"],
        ["--bench", "5", "6"],
        ["--help", "me"],
    ],
)
def test_a_wrong_command_line_is_refused_with_the_usage(
    program: Path, arguments: list[str]
) -> None:
    completed = _run(program, *arguments)
    assert completed.returncode == 2
    assert completed.stdout == b""
    assert b"usage: small" in completed.stderr


def test_help_and_version(program: Path) -> None:
    for option in ("--help", "-h"):
        completed = _run(program, option)
        assert completed.returncode == 0
        assert completed.stdout.startswith(b"usage: small")
    completed = _run(program, "--version")
    assert completed.returncode == 0
    assert projects.MODEL_SHA256 in completed.stdout.decode()


def test_bench_prints_nanoseconds_in_order(program: Path) -> None:
    completed = _run(program, "--bench", "25")
    assert completed.returncode == 0
    rows = dict(line.split() for line in completed.stdout.decode().splitlines())
    assert list(rows) == ["inferences", "min_ns", "median_ns", "mean_ns", "max_ns"]
    numbers = {name: int(value) for name, value in rows.items()}
    assert numbers["inferences"] == 25
    assert numbers["min_ns"] <= numbers["median_ns"] <= numbers["max_ns"]
    assert numbers["min_ns"] <= numbers["mean_ns"] <= numbers["max_ns"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason=f"{MISSING}/dev/full")
def test_a_full_disk_is_an_error(program: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        completed = subprocess.run(
            [program], input=bytes(144), stdout=full, stderr=subprocess.PIPE, check=False
        )
    assert completed.returncode == 1
    assert b"cannot write to standard output: error 28" in completed.stderr


def test_a_reader_that_leaves_is_an_error(program: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    # Python leaves SIGPIPE ignored in its children unless told otherwise.
    completed = subprocess.run(
        [program], input=bytes(144), stdout=writing, stderr=subprocess.PIPE, check=False,
        restore_signals=False,
    )  # fmt: skip
    os.close(writing)
    assert completed.returncode == 1
    assert b"cannot write to standard output: error 32" in completed.stderr


# ------------------------------------------------------------------ without Anvil


@pytest.mark.parametrize("target", RUNNERS)
def test_the_project_builds_by_its_own_files(
    target: str, built: Callable[[str], Path], cache_folder: Path, tmp_path: Path
) -> None:
    """As its README says, with nothing but pip's cmake, ninja and ziglang."""
    project = tmp_path / "project"
    projects.write(projects.render(projects.plan_of(GRAPH, target)), project)
    scripts = Path(sys.executable).parent
    environment = {
        "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(tmp_path),
        # The compiler's runtime takes half a minute to build again.
        "ZIG_GLOBAL_CACHE_DIR": str(cache_folder / "tools"),
    }
    completed = subprocess.run(
        [scripts / "cmake", "--workflow", "--preset", "zig"],
        cwd=project, env=environment, capture_output=True, check=False,
    )  # fmt: skip
    assert completed.returncode == 0, completed.stdout + completed.stderr
    for artifact in built(target).iterdir():
        if artifact.suffix != ".h":
            assert (project / "build" / "out" / artifact.name).read_bytes() == artifact.read_bytes()


def test_the_project_builds_with_the_computers_gcc(tmp_path: Path) -> None:
    if shutil.which("gcc") is None:
        pytest.skip(f"{MISSING}gcc")
    plan = projects.plan_of(GRAPH, _own_target())
    project = tmp_path / "project"
    projects.write(projects.render(plan), project)
    scripts = Path(sys.executable).parent
    completed = subprocess.run(
        [scripts / "cmake", "--workflow", "--preset", "native"],
        cwd=project,
        env={"PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        check=False,
    )
    assert completed.returncode == 0, completed.stdout + completed.stderr
    batches = _batches(plan, 5)
    result = native.run(projects.invocation(plan, project / "build-native" / "out", batches))
    assert result.outputs == tuple(projects.reference(GRAPH, batch) for batch in batches)


# ------------------------------------------------------------------ the module

_MODULE_CHECK = """
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { load } from "small";

const model = await load();
assert.equal(model.inputs[0].elements, 36);
const image = Float32Array.from({ length: 36 }, (_, i) => i - 18);
const [real, stored] = model.invoke(image);
assert.ok(real instanceof Float32Array && stored instanceof Int8Array);

// An answer is a copy: the next inference leaves it alone.
const kept = [...stored];
model.invoke(new Float32Array(36).fill(50));
assert.deepEqual([...stored], kept);

// Two models do not share memory.
const other = await load();
assert.notEqual(other, model);
assert.deepEqual(other.invoke(image)[1], stored);

const bytes = readFileSync(new URL(import.meta.resolve("small/small.wasm")));
const shared = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length);
for (const source of [
  bytes, shared, new WebAssembly.Module(bytes), new Response(bytes), Promise.resolve(bytes),
  new URL(import.meta.resolve("small/small.wasm")), import.meta.resolve("small/small.wasm"),
]) {
  assert.deepEqual((await load(source)).invoke(image)[1], stored);
}

assert.throws(() => model.invoke(), /takes 1 arrays, found 0/);
assert.throws(() => model.invoke(image, image), /takes 1 arrays, found 2/);
const wrong = (array) => () => model.invoke(array);
assert.throws(wrong(new Float32Array(35)), /of 36 elements, found Float32Array of 35/);
assert.throws(wrong(new Int8Array(36)), /is Float32Array of 36 elements, found Int8Array of 36/);
assert.throws(() => model.invoke([...image]), /found Array/);
await assert.rejects(load(7), /found Number/);
await assert.rejects(load(new Response("", { status: 404 })), /HTTP status 404/);
await assert.rejects(load(new Uint8Array(8)), WebAssembly.CompileError);
await assert.rejects(load(new URL("nowhere.wasm", import.meta.url)), /ENOENT/);
"""


def test_the_module_as_an_installed_package(built: Callable[[str], Path], tmp_path: Path) -> None:
    program = require_program("node")
    shutil.copytree(built("browser"), tmp_path / "node_modules" / "small")
    (tmp_path / "check.mjs").write_text(_MODULE_CHECK, encoding="utf-8")
    completed = subprocess.run(
        [program, "check.mjs"], cwd=tmp_path, capture_output=True, check=False, text=True
    )
    assert completed.returncode == 0, completed.stderr


# ------------------------------------------------------------------ what runners refuse


def _error(run: Callable[[Invocation], RunResult], one: Invocation) -> tuple[str, str, str]:
    with pytest.raises(AnvilError) as raised:
        run(one)
    assert raised.value.exit_code is ExitCode.FAILED
    (diagnostic,) = raised.value.diagnostics
    return diagnostic.code, diagnostic.message, diagnostic.hint or ""


@pytest.mark.parametrize("target", RUNNERS)
def test_an_artifact_that_was_not_built(target: str, tmp_path: Path) -> None:
    one = projects.invocation(projects.plan_of(GRAPH, target), tmp_path, [])
    code, _, hint = _error(RUNNERS[target], one)
    assert code == "run.not-built"
    assert f"anvil build --target {target}" in hint


@pytest.mark.parametrize(
    ("target", "run", "installs"),
    [
        ("rpi4", native.run, "apt-get install qemu-user"),
        ("rpi4", qemu_user.run, "apt-get install qemu-user"),
        ("browser", node.run, "apt-get install nodejs"),
    ],
)
def test_a_machine_without_the_emulator(  # noqa: PLR0917  pytest passes them by name
    target: str,
    run: Callable[[Invocation], RunResult],
    installs: str,
    built: Callable[[str], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if platform.machine() == "aarch64" and target == "rpi4":
        pytest.skip("this computer needs no emulator for it")
    folder = built(target)
    # Another Python on a bare machine: nothing on the PATH, beside it, or among its packages.
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setattr(sys, "path", [])
    one = projects.invocation(projects.plan_of(GRAPH, target), folder, [])
    code, message, hint = _error(run, one)
    assert code == "run.missing-tool"
    assert message.startswith(f"{target}: ")
    assert installs in hint


@pytest.mark.parametrize("target", RUNNERS)
def test_an_answer_of_another_size(target: str, built: Callable[[str], Path]) -> None:
    if target in NEEDS:
        require_program(NEEDS[target])
    plan = projects.plan_of(GRAPH, target)
    one = projects.invocation(plan, built(target), _batches(plan, 2))
    more = dataclasses.replace(one, outputs=(*one.outputs, one.outputs[0]))
    code, message, _ = _error(RUNNERS[target], more)
    assert code == "run.wrong-size"
    assert "2 inferences give 54 bytes of output, found 30" in message


@pytest.mark.parametrize("target", RUNNERS)
def test_a_program_that_fails_is_quoted(target: str, built: Callable[[str], Path]) -> None:
    if target in NEEDS:
        require_program(NEEDS[target])
    plan = projects.plan_of(GRAPH, target)
    code, message, _ = _error(
        RUNNERS[target], projects.invocation(plan, built(target), [(bytes(143),)])
    )
    assert code == "run.failed"
    assert "exit code 1" in message
    assert "143" in message


def test_a_program_that_takes_too_long_is_ended(built: Callable[[str], Path]) -> None:
    plan = projects.plan_of(GRAPH, "browser")
    require_program("node")
    one = projects.invocation(plan, built("browser"), _batches(plan, 1) * 200_000)
    code, message, _ = _error(node.run, dataclasses.replace(one, timeout_s=0.01))
    assert code == "run.timeout"
    assert "200000 inferences within 0.01 s" in message


def test_a_cancelled_run_ends(built: Callable[[str], Path]) -> None:
    plan = projects.plan_of(GRAPH, "browser")
    require_program("node")
    cancellation = Cancellation()
    cancellation.cancel()
    one = projects.invocation(plan, built("browser"), _batches(plan, 1) * 200_000)
    with pytest.raises(KeyboardInterrupt):
        node.run(dataclasses.replace(one, cancellation=cancellation))
