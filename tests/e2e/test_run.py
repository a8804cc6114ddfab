"""`anvil run`: tensors in files, in and out, on every kind of target."""

from __future__ import annotations

import contextlib
import io
import json
import os
import pickle
import pty
import shutil
import subprocess
import threading
import tty
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from anvil.core.target import Emulator
from anvil.verify import qemu_system
from tests.support.cli import Ended, anvil, write_project
from tests.support.networks import Network, concatenation_attributes
from tests.support.programs import ROOT, require_program
from tests.support.tflite_builder import run_reference, tflite_bytes

_TARGETS = ("nrf52840", "rpi4", "browser", "linux-x86_64")
_EMULATORS = {"nrf52840": "qemu-system-arm", "rpi4": "qemu-aarch64", "browser": "node"}
_DESK = "linux-x86_64"
_DIGITS = ROOT / "examples" / "digits"
_STATS = (
    "instructions", "cycles", "stack_bytes", "arena_bytes", "code_bytes", "weight_bytes", "error",
)  # fmt: skip

Array = npt.NDArray[Any]


@pytest.fixture(scope="session")
def images() -> Array:
    """Evaluation images of the example, int8, (20, 8, 8, 1)."""
    with np.load(_DIGITS / "evaluation.npz") as data:
        found: Array = (np.round(data["x"][:20] * 255) - 128).astype(np.int8)
    return found


@pytest.fixture(scope="session")
def answers(images: Array) -> Array:
    """What the reference answers to each image, (20, 10)."""
    model = (ROOT / "quantized" / "int8.tflite").read_bytes()
    return np.concatenate([run_reference(model, [image[None]])[0] for image in images])


@dataclass(frozen=True, slots=True, kw_only=True)
class Digits:
    """The built example, and a folder for one test's files."""

    out: Path
    folder: Path

    def save(self, array: Array, name: str = "x.npy") -> Path:
        path = self.folder / name
        np.save(path, array)
        return path

    def run(self, *words: object, target: str = _DESK) -> Ended:
        return anvil(
            "run", "--json", "--project", ROOT, "--out", self.out, "--target", target, *words
        )  # fmt: skip

    def answer(self, array: Array, target: str = _DESK) -> Array:
        given, made = self.save(array), self.folder / "y.npy"
        ended = self.run("--input", given, "--output", made, target=target)
        assert ended.returncode == 0, ended.stdout
        found: Array = np.load(made)
        return found


@pytest.fixture
def digits(built_example: Path, tmp_path: Path) -> Digits:
    return Digits(out=built_example, folder=tmp_path)


def check_refused(ended: Ended, exit_code: int, *words: str) -> None:
    assert ended.returncode == exit_code, ended.stdout + ended.stderr
    (error,) = ended.document()["diagnostics"]
    text = " ".join(str(error[key]) for key in ("message", "hint", "file"))
    for word in words:
        assert word in text, text
    assert error["hint"], "it says what to do"


# The form of the input is the form of the output.


@pytest.mark.parametrize("target", _TARGETS)
def test_several_inferences_on_every_target(
    digits: Digits, images: Array, answers: Array, target: str
) -> None:
    if target in _EMULATORS:
        require_program(_EMULATORS[target])
    found = digits.answer(images, target)
    assert found.dtype == np.int8
    assert np.array_equal(found, answers)


def test_the_shape_of_the_model_and_one_axis_more(
    digits: Digits, images: Array, answers: Array
) -> None:
    one = digits.answer(images[:1])
    assert one.shape == (1, 10)
    assert np.array_equal(one, answers[:1])
    stacked = digits.answer(images[:3, None])
    assert stacked.shape == (3, 1, 10)
    assert np.array_equal(stacked[:, 0], answers[:3])
    stack_of_one = digits.answer(images[:1, None])
    assert stack_of_one.shape == (1, 1, 10)
    assert np.array_equal(stack_of_one[0], answers[:1])


def test_other_orders_of_memory_hold_the_same_values(
    digits: Digits, images: Array, answers: Array
) -> None:
    fortran = np.asfortranarray(images[:5])
    assert not fortran.flags.c_contiguous
    assert np.array_equal(digits.answer(fortran), answers[:5])


def test_stdout_holds_one_document(digits: Digits, images: Array) -> None:
    ended = digits.run("--input", digits.save(images[:2]))
    assert ended.returncode == 0
    document = ended.document()
    assert document["command"] == "run"
    (row,) = document["targets"]
    assert (row["target"], row["status"], row["inferences"]) == (_DESK, "ran", 2)
    quiet = anvil(
        "run", "--project", ROOT, "--out", digits.out, "--target", _DESK,
        "--input", digits.folder / "x.npy", "--quiet",
    )  # fmt: skip
    assert (quiet.returncode, quiet.stdout, quiet.stderr) == (0, "", "")


@pytest.mark.parametrize("target", _TARGETS)
def test_statistics(digits: Digits, images: Array, target: str) -> None:
    if target in _EMULATORS:
        require_program(_EMULATORS[target])
    stats_file = digits.folder / "s.json"
    ended = digits.run(
        "--input", digits.save(images[:2]), "--stats", stats_file, target=target
    )  # fmt: skip
    assert ended.returncode == 0, ended.stdout
    stats = json.loads(stats_file.read_bytes())
    assert tuple(stats) == _STATS
    plan = json.loads((digits.out / target / "plan.json").read_bytes())
    measured = json.loads((digits.out / target / "measured.json").read_bytes())
    assert stats["arena_bytes"] == plan["arena_bytes"] > 0
    assert stats["code_bytes"] == measured["flash_bytes"]["code"] > 0
    assert stats["weight_bytes"] == plan["flash_bytes"]["weights"] > 0
    assert stats["cycles"] is None
    if target == "nrf52840":
        assert stats["instructions"] > 100_000
        assert 0 < stats["stack_bytes"] < 16384
    else:
        assert (stats["instructions"] or 0) > 100_000 or target != "rpi4"
        assert stats["instructions"] is None or target == "rpi4"
        assert stats["stack_bytes"] is None
    assert ended.document()["targets"][0]["stats"] == stats


# Files that cannot be used.


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32", "bool", "S1", "datetime64[s]"])
def test_another_dtype(digits: Digits, images: Array, dtype: str) -> None:
    ended = digits.run("--input", digits.save(images.astype(np.int64).astype(dtype)))
    check_refused(ended, 2, "int8", "x.npy")
    # How floats become what the model takes is a line to copy.
    values = np.linspace(0, 1, 6)
    line = ended.document()["diagnostics"][0]["hint"].removeprefix("real values X become ")
    converted = eval(line, {"numpy": np, "X": values})  # noqa: S307
    assert converted.tolist() == (np.round(values * 255) - 128).astype(np.int8).tolist()


def test_fields_are_no_elements(digits: Digits) -> None:
    ended = digits.run("--input", digits.save(np.zeros((1, 8, 8, 1), [("a", np.int8)])))
    check_refused(ended, 2, "int8")


@pytest.mark.parametrize(
    "shape", [(), (8, 8), (64,), (1, 1, 1, 8, 8, 1), (0, 8, 8, 1), (2, 3, 8, 8, 1), (1, 8, 8)]
)
def test_another_shape(digits: Digits, shape: tuple[int, ...]) -> None:
    ended = digits.run("--input", digits.save(np.zeros(shape, np.int8)))
    check_refused(ended, 2, str(shape), "(1, 8, 8, 1)", "(8, 8, 1)", "x.npy")


def _npy(array: Array) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


_WHOLE = _npy(np.zeros((1, 8, 8, 1), np.int8))
_OBJECTS = io.BytesIO()
np.save(_OBJECTS, np.array([{"a": 1}], object), allow_pickle=True)
_ARCHIVE = io.BytesIO()
np.savez(_ARCHIVE, x=np.zeros(1, np.int8))


@pytest.mark.parametrize(
    ("content", "word"),
    [
        pytest.param(_WHOLE[:-1], "damaged", id="one byte short"),
        pytest.param(_WHOLE[:40], "damaged", id="within the header"),
        pytest.param(_WHOLE[:7], "damaged", id="within the magic"),
        pytest.param(b"", "not a .npy file", id="empty"),
        pytest.param(b"1,2,3\n", "not a .npy file", id="text"),
        pytest.param(pickle.dumps([1, 2]), "not a .npy file", id="pickle"),
        pytest.param(_OBJECTS.getvalue(), "no plain array", id="objects"),
        pytest.param(_ARCHIVE.getvalue(), ".npz", id="archive"),
        pytest.param(_ARCHIVE.getvalue()[:30], ".npz", id="damaged archive"),
        pytest.param(_WHOLE.replace(b"'|i1'", b"'|i9'"), "damaged", id="no such type"),
        pytest.param(_WHOLE.replace(b"(1, 8, 8, 1)", b"(1, 8, 8, -1"), "damaged", id="syntax"),
        pytest.param(_WHOLE.replace(b"(1, 8, 8, 1)", b"(1, 8, -8,1)"), "damaged", id="negative"),
        pytest.param(
            _WHOLE.replace(b"(1, 8, 8, 1), ", b"(1<<60, 8, 9),"), "damaged", id="expression"
        ),
        pytest.param(
            _WHOLE.replace(b"(1, 8, 8, 1), }", b"(999999999999,)"), "damaged", id="unclosed"
        ),
        pytest.param(_WHOLE.replace(b"(1, 8, 8, 1), ", b"(999999999999)"), "damaged", id="huge"),
        pytest.param(b"\x93NUMPY\x09\x00" + _WHOLE[8:], "damaged", id="version"),
    ],
)
def test_a_file_that_is_no_array(digits: Digits, content: bytes, word: str) -> None:
    (digits.folder / "x.npy").write_bytes(content)
    check_refused(digits.run("--input", digits.folder / "x.npy"), 2, word, "x.npy", "numpy.save")


def test_a_missing_file_and_a_folder(digits: Digits) -> None:
    check_refused(digits.run("--input", digits.folder / "no.npy"), 2, "no.npy")
    check_refused(digits.run("--input", digits.folder), 2, str(digits.folder), "directory")


def test_a_file_that_cannot_be_written(digits: Digits, images: Array) -> None:
    given = digits.save(images[:1])
    for option in ("--output", "--stats"):
        ended = digits.run("--input", given, option, digits.folder / "no" / "y")
        check_refused(ended, 1, str(digits.folder / "no" / "y"))
        check_refused(digits.run("--input", given, option, digits.folder), 1, "cannot write")


def test_a_target_that_is_not_built_or_does_not_exist(digits: Digits, images: Array) -> None:
    given = digits.save(images[:1])
    elsewhere = anvil(
        "run", "--json", "--project", ROOT, "--out", digits.folder / "out", "--target", _DESK,
        "--input", given,
    )  # fmt: skip
    check_refused(elsewhere, 1, "not built", f"anvil build --target {_DESK}")
    check_refused(digits.run("--input", given, target="rpi_4"), 2, "rpi_4", "rpi4")


def test_an_artifact_that_was_changed(digits: Digits, images: Array) -> None:
    copied = digits.folder / "out" / _DESK
    shutil.copytree(digits.out / _DESK, copied)
    (copied / "digits").write_bytes(b"another program")
    ended = anvil(
        "run", "--json", "--project", ROOT, "--out", copied.parent, "--target", _DESK,
        "--input", digits.save(images[:1]),
    )  # fmt: skip
    check_refused(ended, 1, "digits changed", "anvil build")


# Several tensors.


@dataclass(frozen=True, slots=True, kw_only=True)
class Several:
    """A model of several inputs and outputs, built for the desk."""

    project: Path
    folder: Path
    model: bytes

    def run(self, *words: object) -> Ended:
        return anvil(
            "run", "--json", "--project", self.project, "--target", _DESK, *words, cwd=self.folder
        )

    def inputs(self, n: int) -> tuple[Array, Array, Array]:
        rng = np.random.default_rng(n)
        return (
            rng.integers(-128, 128, (n, 1, 3), dtype=np.int8),
            rng.integers(-128, 128, (n, 1, 4), dtype=np.int8),
            rng.normal(size=(n, 2, 3)).astype(np.float32),
        )

    def expected(self, inputs: Sequence[Array]) -> list[Array]:
        rows = [run_reference(self.model, list(row)) for row in zip(*inputs, strict=True)]
        return [np.stack(column) for column in zip(*rows, strict=True)]

    def save(self, inputs: Sequence[Array]) -> None:
        for name, array in zip(("a.npy", "b.npy", "c.npy"), inputs, strict=True):
            np.save(self.folder / name, array)


@pytest.fixture(scope="session")
def built_several(tmp_path_factory: pytest.TempPathFactory, cache_folder: Path) -> Path:
    del cache_folder
    project = tmp_path_factory.mktemp("several")
    net = Network(seed=1)
    # Names that look like an index, and that hold what separates names from files.
    first = net.input((1, 3), name="1", scale=0.1, zero_point=0)
    second = net.input((1, 4), name="in=put=", scale=0.1, zero_point=0)
    real = net.float_input((2, 3), name="in")
    joined = net.op("CONCATENATION", [first, second], concatenation_attributes(axis=1), name="out")
    quantized = net.quantize(real, 0.05, 3, name="dir/quantized:0")
    answer = net.op("DEQUANTIZE", [quantized], name="real")
    graph = net.graph(joined, answer, quantized, answer)
    write_project(project, "m.tflite", targets="{linux-x86_64: {}}")
    (project / "m.tflite").write_bytes(tflite_bytes(graph))
    built = anvil("build", "--project", project)
    assert built.returncode == 0, built.stderr
    return project


@pytest.fixture
def several(built_several: Path, tmp_path: Path) -> Several:
    return Several(
        project=built_several,
        folder=tmp_path,
        model=(built_several / "m.tflite").read_bytes(),
    )


@pytest.mark.parametrize(
    "words",
    [
        ("--input", "a.npy", "--input", "b.npy", "--input", "c.npy"),
        ("--input", "2=c.npy", "--input", "0=a.npy", "--input", "1=b.npy"),
        ("--input", "in=c.npy", "--input", "in=put==b.npy", "--input", "0=a.npy"),
        ("--input", "in=c.npy", "--input", "a.npy", "--input", "b.npy"),
        ("--input", "1=b.npy", "--input", "./a.npy", "--input", "c.npy"),
    ],
)
def test_inputs_in_order_by_index_and_by_name(several: Several, words: Sequence[str]) -> None:
    inputs = several.inputs(4)
    several.save(inputs)
    ended = several.run(
        *words,
        "--output", "0=joined.npy", "--output", "dir/quantized:0=q.npy", "--output", "3=last.npy",
    )  # fmt: skip
    assert ended.returncode == 0, ended.stdout
    joined, answer, quantized, _ = several.expected(inputs)
    assert np.array_equal(np.load(several.folder / "joined.npy"), joined)
    assert np.array_equal(np.load(several.folder / "q.npy"), quantized)
    assert np.array_equal(np.load(several.folder / "last.npy"), answer)
    assert np.load(several.folder / "last.npy").dtype == np.float32


def test_each_input_has_its_own_form(several: Several) -> None:
    inputs = several.inputs(2)
    several.save((inputs[0][:, 0], inputs[1], inputs[2].astype(">f4")))
    ended = several.run(
        "--input", "a.npy", "--input", "b.npy", "--input", "c.npy",
        "--output", "joined.npy", "--output", "real.npy",
    )  # fmt: skip
    assert ended.returncode == 0, ended.stdout
    joined, answer, *_ = several.expected(inputs)
    assert np.array_equal(np.load(several.folder / "joined.npy"), joined[:, 0])
    assert np.array_equal(np.load(several.folder / "real.npy"), answer)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("a.npy", "b.npy"), ("no file is given", "in")),
        (("a.npy", "b.npy", "c.npy", "c.npy"), ("input 3", "3 times")),
        (("a.npy", "b.npy", "0=c.npy", "c.npy"), ("input 3",)),
        (("0=a.npy", "0=a.npy", "b.npy"), ("input 0 is given twice",)),
        (("a.npy", "b.npy", "7=c.npy"), ("input 7", "has 3")),
        (("a.npy", "b.npy", "inn=c.npy"), ("no input 'inn'", "in=put=")),
        (("a.npy", "in=put==one.npy", "c.npy"), ("1 and 4 inferences",)),
    ],
)
def test_inputs_that_do_not_go_together(
    several: Several, words: Sequence[str], said: Sequence[str]
) -> None:
    several.save(several.inputs(4))
    np.save(several.folder / "one.npy", np.zeros((1, 4), np.int8))
    given = [part for word in words for part in ("--input", word)]
    check_refused(several.run(*given), 2, *said)


def test_outputs_that_do_not_exist(several: Several) -> None:
    several.save(several.inputs(1))
    given = [part for name in "abc" for part in ("--input", f"{name}.npy")]
    check_refused(several.run(*given, "--output", "reel=y.npy"), 2, "no output 'reel'", "real")
    check_refused(several.run(*given, "--output", "4=y.npy"), 2, "output 4", "has 4")
    both = ("--output", "0=y.npy", "--output", "1=./y.npy")
    check_refused(several.run(*given, *both), 2, "y.npy", "twice")
    ended = several.run(*given, "--output", "./reel=y.npy")
    assert ended.returncode == 0
    assert sorted(path.name for path in several.folder.iterdir()) == [
        "a.npy", "b.npy", "c.npy", "reel=y.npy",
    ]  # fmt: skip


# A board at a serial port: the emulator's firmware at the other end of a pseudo-terminal.


@contextlib.contextmanager
def _board(elf: Path) -> Iterator[str]:
    """The port of a board that runs `elf`."""
    qemu = str(require_program("qemu-system-arm"))
    emulator = Emulator(kind="qemu-system-arm", machine="mps2-an386")
    master, slave = pty.openpty()
    tty.setraw(slave)
    firmware = subprocess.Popen(
        qemu_system.command(qemu, emulator, elf, count=True),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert firmware.stdin is not None
    assert firmware.stdout is not None
    to_firmware, from_firmware = firmware.stdin, firmware.stdout

    def carry_in() -> None:
        with contextlib.suppress(OSError):
            while data := os.read(master, 4096):
                to_firmware.write(data)
                to_firmware.flush()

    def carry_out() -> None:
        with contextlib.suppress(OSError):
            while data := os.read(from_firmware.fileno(), 4096):
                while data:
                    data = data[os.write(master, data) :]

    carriers = [threading.Thread(target=carry, daemon=True) for carry in (carry_in, carry_out)]
    for carrier in carriers:
        carrier.start()
    try:
        yield os.ttyname(slave)
    finally:
        firmware.kill()
        firmware.wait()
        os.close(slave)
        for carrier in carriers:
            carrier.join(timeout=10)
        os.close(master)
        with contextlib.suppress(BrokenPipeError):
            to_firmware.close()
        from_firmware.close()


def test_a_board_at_a_serial_port(digits: Digits, images: Array, answers: Array) -> None:
    made, stats_file = digits.folder / "y.npy", digits.folder / "s.json"
    with _board(digits.out / "nrf52840" / "emulator" / "digits.elf") as port:
        ended = digits.run(
            "--input", digits.save(images[:3]), "--output", made, "--stats", stats_file,
            "--port", port, target="nrf52840",
        )  # fmt: skip
    assert ended.returncode == 0, ended.stdout
    assert np.array_equal(np.load(made), answers[:3])
    stats = json.loads(stats_file.read_bytes())
    assert stats["instructions"] > 100_000
    assert stats["stack_bytes"] > 0


def test_a_port_that_is_missing_or_of_no_use(digits: Digits, images: Array) -> None:
    given = digits.save(images[:1])
    missing = digits.run("--input", given, "--port", "/dev/no-such-port", target="nrf52840")
    check_refused(missing, 1, "there is no serial port /dev/no-such-port")
    desk = digits.run("--input", given, "--port", "/dev/no-such-port")
    check_refused(desk, 2, "linux-x86_64 has no serial console")
