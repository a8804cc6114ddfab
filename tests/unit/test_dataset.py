"""Calibration and evaluation data in every format, as the model takes it."""

from __future__ import annotations

import io
import os
import pickle
import wave
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np
import PIL.Image
import pytest

from anvil.core.diagnostics import AnvilError
from anvil.core.tensor import DType
from anvil.pipeline.data import data_digest, read_dataset
from anvil.quantize import dataset as dataset_module
from tests.support.data_projects import port, text_of, workspace

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from anvil.core.tensor import Tensor
    from anvil.quantize.dataset import Dataset
    from tests.support.golden import Golden

VECTOR = port(1, 4)
IMAGE = port(1, 2, 3, 1)
ROWS = np.arange(12, dtype=np.float32).reshape(3, 4) / 7


def read(folder: Path, path: str, *ports: Tensor, **data: Any) -> Dataset:  # noqa: ANN401  DataFiles' fields
    found = read_dataset(
        workspace(folder, cache=folder / ".cache", evaluation=path, **data),
        "evaluation",
        ports or (VECTOR,),
    )
    assert found is not None
    return found


def save_wav(path: Path, frames: bytes, *, width: int = 2, channels: int = 1) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(16_000)
        file.writeframes(frames)


def save_image(path: Path, pixels: Any) -> None:  # noqa: ANN401  anything that is an array
    path.parent.mkdir(parents=True, exist_ok=True)
    PIL.Image.fromarray(np.asarray(pixels, np.uint8)).save(path)


def test_a_project_without_data_has_none(tmp_path: Path) -> None:
    empty = workspace(tmp_path, cache=tmp_path / ".cache")
    assert read_dataset(empty, "calibration", (VECTOR,)) is None
    assert data_digest(empty, "evaluation") is None
    other = workspace(tmp_path, cache=tmp_path / ".cache", evaluation="e.npz")
    assert read_dataset(other, "calibration", (VECTOR,)) is None


def test_arrays_of_an_npz_file(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "d.npz", x=ROWS.astype(">f8"), y=np.array([2, 0, 1]), z=1)
    found = read(tmp_path, "d.npz")
    (values,) = found.inputs
    assert values.dtype == np.float32
    np.testing.assert_array_equal(values, ROWS)
    assert found.labels is not None
    assert found.labels.tolist() == [2, 0, 1]
    assert (found.n_samples, found.file) == (3, str(tmp_path / "d.npz"))


def test_calibration_takes_no_labels_whatever_they_are(tmp_path: Path) -> None:
    np.savez(tmp_path / "d.npz", x=ROWS, y=["cat", "dog"])
    project = workspace(tmp_path, cache=tmp_path / ".cache", calibration="d.npz")
    found = read_dataset(project, "calibration", (VECTOR,))
    assert found is not None
    assert (found.n_samples, found.labels) == (3, None)


def test_a_batch_of_one_may_stand_in_each_sample_and_columns_come_first(tmp_path: Path) -> None:
    np.savez(tmp_path / "d.npz", x=np.asfortranarray(ROWS[:, None, :]))
    np.testing.assert_array_equal(read(tmp_path, "d.npz").inputs[0], ROWS)


def test_keys_by_name_in_order_and_by_input(tmp_path: Path) -> None:
    np.savez(tmp_path / "d.npz", a=ROWS, b=ROWS[:, :2], left=-ROWS, right=-ROWS[:, :2], t=[1, 2, 3])
    left = port(1, 4, name="serving_default_left:0")
    right = port(1, 2, name="right")

    def firsts(**data: Any) -> list[float]:  # noqa: ANN401  DataFiles' fields
        found = read(tmp_path, "d.npz", left, right, key_y="t", **data)
        assert found.labels is not None
        return [float(values[1, 0]) for values in found.inputs]

    x = float(ROWS[1, 0])
    assert firsts() == [-x, -x]
    assert firsts(keys_x=("a", "b")) == [x, x]
    assert firsts(keys_by_input=(("right", "b"), ("left", "left"))) == [-x, x]
    assert read(tmp_path, "d.npz", keys_x=("a",)).labels is None


def test_integers_keep_their_values_unless_a_scale_is_given(tmp_path: Path) -> None:
    np.savez(tmp_path / "d.npz", x=np.array([[0, 51, 128, 255]], np.uint8))
    assert read(tmp_path, "d.npz").inputs[0].tolist() == [[0, 51, 128, 255]]
    (unit,) = read(tmp_path, "d.npz", scale=(0.0, 1.0)).inputs
    np.testing.assert_array_equal(unit, np.array([[0, 51, 128, 255]], np.float32) / np.float32(255))
    (both,) = read(tmp_path, "d.npz", scale=(-1.0, 1.0)).inputs
    np.testing.assert_allclose(both, unit * 2 - 1, atol=1e-6)


def test_a_quantized_models_own_integers_are_taken_as_they_are(tmp_path: Path) -> None:
    raw = np.array([[-128, 0, 1, 127]], np.int8)
    np.savez(tmp_path / "d.npz", x=raw)
    (same,) = read(tmp_path, "d.npz", port(1, 4, dtype=DType.INT8)).inputs
    assert same.dtype == np.int8
    np.testing.assert_array_equal(same, raw)
    (real,) = read(tmp_path, "d.npz", port(1, 4, dtype=DType.INT16)).inputs
    assert real.dtype == np.float32
    np.testing.assert_array_equal(real, raw)


def test_indices_and_flags(tmp_path: Path) -> None:
    np.savez(tmp_path / "d.npz", x=np.array([[1, 0, 1, 1]], np.float64))
    for dtype in (DType.INT32, DType.INT64, DType.BOOL):
        (values,) = read(tmp_path, "d.npz", port(1, 4, dtype=dtype)).inputs
        assert (values.dtype.name, values.tolist()) == (dtype.value, [[1, 0, 1, 1]])


def test_npy_alone_and_in_folders(tmp_path: Path) -> None:
    np.save(tmp_path / "d.npy", ROWS)
    assert read(tmp_path, "d.npy").labels is None
    np.testing.assert_array_equal(read(tmp_path, "d.npy").inputs[0], ROWS)
    for path in ("f/zero/b", "f/one/a", "f/one/c"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / "f/none").mkdir()
    np.save(tmp_path / "f/zero/b.npy", ROWS[0])
    np.save(tmp_path / "f/one/a.npy", ROWS[1:])
    np.save(tmp_path / "f/one/c.npy", ROWS[:1])
    (tmp_path / "f/README.txt").write_text("not data")
    (tmp_path / "f/.hidden").write_text("nor this")
    found = read(tmp_path, "f")
    np.testing.assert_array_equal(found.inputs[0], ROWS[[1, 2, 0, 0]])
    assert found.labels is not None
    # `none` has a number, too, though it has no sample here.
    assert found.labels.tolist() == [1, 1, 1, 2]


def test_a_folder_may_be_an_unpacked_npz(tmp_path: Path) -> None:
    (tmp_path / "f").mkdir()
    np.save(tmp_path / "f/x.npy", ROWS)
    np.save(tmp_path / "f/y.npy", np.array([3, 4, 5]))
    found = read(tmp_path, "f")
    np.testing.assert_array_equal(found.inputs[0], ROWS)
    assert found.labels is not None
    assert found.labels.tolist() == [3, 4, 5]


@pytest.mark.parametrize("suffix", ["png", "bmp", "jpg"])
def test_images_have_the_channels_of_the_model(tmp_path: Path, suffix: str) -> None:
    grey = [[0, 51, 255], [255, 102, 0]]
    save_image(tmp_path / f"f/b/2.{suffix}", grey)
    save_image(tmp_path / f"f/a/1.{suffix}", np.full((2, 3, 3), (255, 0, 0)))
    tolerance = 0.15 if suffix == "jpg" else 0
    found = read(tmp_path, "f", port(1, 2, 3, 3))
    assert found.labels is not None
    assert found.labels.tolist() == [0, 1]
    np.testing.assert_allclose(found.inputs[0][0, 1, 2], [1, 0, 0], atol=tolerance)
    expected = np.array(grey, np.float32) / np.float32(255)
    np.testing.assert_allclose(found.inputs[0][1, :, :, 1], expected, atol=tolerance)
    (grey_again,) = read(tmp_path, "f/b", IMAGE, scale=(-1.0, 1.0)).inputs
    np.testing.assert_allclose(grey_again[0, :, :, 0], expected * 2 - 1, atol=2 * tolerance + 1e-6)
    (whole,) = read(tmp_path, "f/b", IMAGE, scale=(0.0, 255.0)).inputs
    np.testing.assert_allclose(whole[0, :, :, 0], grey, atol=255 * tolerance + 1e-4)


@pytest.mark.parametrize(
    ("width", "frames"),
    [
        (1, np.array([0, 128, 192, 255, 64], np.uint8).tobytes()),
        (2, np.array([-32768, 0, 16384, 32512, -16384], "<i2").tobytes()),
        (3, bytes([0, 0, 0x80, 0, 0, 0, 0, 0, 0x40, 0, 0, 0x7F, 0, 0, 0xC0])),
        (4, np.array([-(2**31), 0, 2**30, 0x7F000000, -(2**30)], "<i4").tobytes()),
    ],
)
def test_recordings_are_cut_into_pieces(tmp_path: Path, width: int, frames: bytes) -> None:
    save_wav(tmp_path / "r.wav", frames, width=width)
    found = read(tmp_path, "r.wav", port(1, 2))
    assert found.inputs[0].dtype == np.float32
    np.testing.assert_array_equal(found.inputs[0], [[-1, 0], [0.5, 0x7F / 0x80]])


def test_folders_of_recordings_have_a_label_for_each_piece(tmp_path: Path) -> None:
    save_wav(tmp_path / "f/no/1.wav", np.zeros(4, "<i2").tobytes())
    save_wav(tmp_path / "f/yes/1.wav", np.full(7, 16384, "<i2").tobytes())
    found = read(tmp_path, "f", port(1, 2, 1))
    assert found.labels is not None
    assert found.labels.tolist() == [0, 0, 1, 1, 1]
    assert found.inputs[0][2:].tolist() == [[[0.5], [0.5]]] * 3
    stereo = np.array([0, 16384, 0, 16384], "<i2").tobytes()
    save_wav(tmp_path / "stereo.wav", stereo, channels=2)
    assert read(tmp_path, "stereo.wav", port(1, 2, 2)).inputs[0].tolist() == [[[0, 0.5]] * 2]


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("1,2,3,4,0\n5,6,7,8,1\n", [0, 1]),
        ("\ufeffa;y;b;c;d\n1;0;2;3;4\n\n5;1;6;7;8\n", [0, 1]),
        ("1\t2\t3\t4\n5\t6\t7\t8", None),
        ('a,b,c,d\n"1",2, 3,4\n5,6,7,8e0\n', None),
    ],
)
def test_csv_with_and_without_header_and_label(
    tmp_path: Path, text: str, labels: list[int] | None
) -> None:
    (tmp_path / "d.csv").write_text(text, encoding="utf-8")
    found = read(tmp_path, "d.csv", port(1, 2, 2))
    assert found.inputs[0].tolist() == [[[1, 2], [3, 4]], [[5, 6], [7, 8]]]
    assert (None if found.labels is None else found.labels.tolist()) == labels


def npz(**arrays: Any) -> Callable[[Path], str]:  # noqa: ANN401  arrays
    def write(folder: Path) -> str:
        np.savez(folder / "d.npz", **arrays)
        return "d.npz"

    return write


def file(name: str, content: bytes | str) -> Callable[[Path], str]:
    def write(folder: Path) -> str:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return name

    return write


def truncated_npz(folder: Path) -> str:
    buffer = io.BytesIO()
    np.savez(buffer, x=ROWS)
    (folder / "d.npz").write_bytes(buffer.getvalue()[:-40])
    return "d.npz"


def flipped_npz(folder: Path) -> str:
    buffer = io.BytesIO()
    np.savez(buffer, x=ROWS)
    content = bytearray(buffer.getvalue())
    content[content.index(ROWS.tobytes()) + 9] ^= 1
    (folder / "d.npz").write_bytes(content)
    return "d.npz"


def bomb_npz(folder: Path) -> str:
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "<f4", "fortran_order": False, "shape": (1 << 40, 4)}
    )
    with zipfile.ZipFile(folder / "d.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", header.getvalue() + bytes(1 << 20))
    return "d.npz"


def folder_of(**files: Any) -> Callable[[Path], str]:  # noqa: ANN401  arrays and text
    def write(folder: Path) -> str:
        for name, content in files.items():
            path = folder / "f" / name.replace("__", "/").replace("_dot_", ".")
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.suffix == ".npy":
                np.save(path, content)
            elif isinstance(content, bytes):
                path.write_bytes(content)
            elif path.suffix == ".wav":
                save_wav(path, np.asarray(content, "<i2").tobytes())
            else:
                save_image(path, content)
        return "f"

    return write


def sixteen_bits(folder: Path) -> str:
    (folder / "f").mkdir()
    PIL.Image.fromarray(np.full((2, 3), 40_000, np.uint16)).save(folder / "f/a.png")
    return "f"


def short_wav(folder: Path) -> str:
    save_wav(folder / "r.wav", bytes(40))
    (folder / "r.wav").write_bytes((folder / "r.wav").read_bytes()[:-7])
    return "r.wav"


def stereo_wav(folder: Path) -> str:
    save_wav(folder / "r.wav", bytes(32), channels=2)
    return "r.wav"


def float_wav(folder: Path) -> str:
    save_wav(folder / "r.wav", bytes(32), width=4)
    content = bytearray((folder / "r.wav").read_bytes())
    content[content.index(b"fmt ") + 8] = 3  # WAVE_FORMAT_IEEE_FLOAT
    (folder / "r.wav").write_bytes(content)
    return "r.wav"


def misspelt(folder: Path) -> str:
    (folder / "data.npz").touch()
    return "date.npz"


BYTES = np.zeros((4, 4), np.uint8)
HOLED = np.where(np.arange(12).reshape(3, 4) == 6, np.nan, ROWS)
TWO_INPUTS = (port(1, 4, name="left"), port(1, 2, name="right"))
# Case -> what writes the data, the model's inputs, and more of anvil.yaml's `data`.
BAD: dict[str, tuple[Callable[[Path], str], tuple[Tensor, ...], dict[str, Any]]] = {
    "missing": (misspelt, (VECTOR,), {}),
    "suffix": (file("d.pt", b""), (VECTOR,), {}),
    "suffix_mat": (file("d.mat", b""), (VECTOR,), {}),
    "npz_empty_file": (file("d.npz", b""), (VECTOR,), {}),
    "npz_truncated": (truncated_npz, (VECTOR,), {}),
    "npz_flipped_bit": (flipped_npz, (VECTOR,), {}),
    "npz_too_large": (bomb_npz, (VECTOR,), {}),
    "npz_no_key": (npz(specs=ROWS, labels=[1, 2, 3]), (VECTOR,), {}),
    "npz_objects": (npz(x=np.array([ROWS, None], object)), (VECTOR,), {}),
    "npz_pickle": (file("d.npz", pickle.dumps({"x": ROWS})), (VECTOR,), {}),
    "npz_text": (npz(x=np.array(["a", "b"])), (VECTOR,), {}),
    "npz_records": (npz(x=np.zeros(3, [("a", "f4")])), (VECTOR,), {}),
    "npz_complex": (npz(x=ROWS * 1j), (VECTOR,), {}),
    "npz_shape": (npz(x=ROWS.reshape(3, 2, 2)), (VECTOR,), {}),
    "npz_other_shape": (npz(x=ROWS[:, :3], y=[1, 2]), (VECTOR,), {}),
    "npz_one_sample": (npz(x=ROWS[0]), (VECTOR,), {}),
    "npz_scalar": (npz(x=np.float32(1)), (VECTOR,), {}),
    "npz_no_samples": (npz(x=ROWS[:0]), (VECTOR,), {}),
    "npz_nan": (npz(x=HOLED), (VECTOR,), {}),
    "npz_beyond_float32": (npz(x=ROWS.astype(np.float64) * 1e200), (VECTOR,), {}),
    "npz_fewer_labels": (npz(x=ROWS, y=[1, 2]), (VECTOR,), {}),
    "npz_one_label": (npz(x=ROWS, y=1), (VECTOR,), {}),
    "npz_text_labels": (npz(x=ROWS, y=["cat", "dog", "cat"]), (VECTOR,), {}),
    "npz_nan_labels": (npz(x=ROWS, y=[1, np.nan, 2]), (VECTOR,), {}),
    "npz_several_mistakes": (npz(left=HOLED, right=ROWS[:2], y=["a"]), TWO_INPUTS, {}),
    "npz_sample_counts": (npz(left=ROWS, right=ROWS[:2, :2]), TWO_INPUTS, {}),
    "npz_keys_too_few": (npz(a=ROWS), TWO_INPUTS, {"keys_x": ("a",)}),
    "npz_keys_unknown_input": (npz(a=ROWS), TWO_INPUTS, {"keys_by_input": (("up", "a"),)}),
    "npz_keys_without_one": (npz(a=ROWS), TWO_INPUTS, {"keys_by_input": (("left", "a"),)}),
    "npz_scaled_floats": (npz(x=ROWS), (VECTOR,), {"scale": (0.0, 1.0)}),
    "npz_indices": (npz(x=ROWS), (port(1, 4, dtype=DType.INT32),), {}),
    "npz_indices_range": (npz(x=np.full((1, 4), 300)), (port(1, 4, dtype=DType.UINT8),), {}),
    "npz_indices_scaled": (npz(x=BYTES), (port(1, 4, dtype=DType.INT32),), {"scale": (0.0, 1.0)}),
    "npy_of_two_inputs": (file("d.npy", b""), TWO_INPUTS, {}),
    "npy_no_array": (file("d.npy", b"hello"), (VECTOR,), {}),
    "folder_empty": (folder_of(notes_dot_txt=b""), (VECTOR,), {}),
    "folder_two_inputs": (folder_of(a_dot_npy=ROWS), TWO_INPUTS, {}),
    "folder_sizes": (folder_of(a_dot_npy=ROWS[0], b_dot_npy=ROWS[0, :3]), (VECTOR,), {}),
    "folder_dtypes": (folder_of(a_dot_npy=ROWS[0], b_dot_npy=np.zeros(4, np.uint8)), (VECTOR,), {}),
    "folder_kinds": (folder_of(a_dot_npy=ROWS[0], b_dot_wav=[0]), (VECTOR,), {}),
    "folder_gif": (folder_of(a_dot_npy=ROWS[0], b_dot_gif=b""), (VECTOR,), {}),
    "folder_depth": (folder_of(a_dot_npy=ROWS[0], k__b_dot_npy=ROWS[0]), (VECTOR,), {}),
    "images_sizes": (folder_of(a__1_dot_png=BYTES[:2, :3], b__2_dot_png=BYTES[:2]), (IMAGE,), {}),
    "images_16_bits": (sixteen_bits, (IMAGE,), {}),
    "images_damaged": (folder_of(a_dot_png=b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"), (IMAGE,), {}),
    "images_of_sound": (folder_of(a_dot_png=b"RIFF"), (IMAGE,), {}),
    "images_for_a_vector": (folder_of(a_dot_png=np.zeros((2, 2))), (VECTOR,), {}),
    "wav_short": (folder_of(a_dot_wav=[1, 2, 3]), (VECTOR,), {}),
    "wav_truncated": (short_wav, (VECTOR,), {}),
    "wav_stereo": (stereo_wav, (VECTOR,), {}),
    "wav_float": (float_wav, (VECTOR,), {}),
    "csv_words": (file("d.csv", "1,2,3,4,cat\n1,2,3,4,dog\n"), (VECTOR,), {}),
    "csv_words_under_header": (file("d.csv", "a,b,c,d,y\n1,2,3,4,cat\n1,2,3\n"), (VECTOR,), {}),
    "csv_columns": (file("d.csv", "1,2,3\n"), (VECTOR,), {}),
    "csv_label_and_too_few": (file("d.csv", "a,b,c,y\n1,2,3,4\n"), (VECTOR,), {}),
    "csv_empty": (file("d.csv", "a,b\n"), (VECTOR,), {}),
    "csv_nan": (file("d.csv", "1,2,3,nan\n"), (VECTOR,), {}),
    "csv_latin": (file("d.csv", b"gr\xfc\xdfe\n"), (VECTOR,), {}),
    "csv_two_inputs": (file("d.csv", "1\n"), TWO_INPUTS, {}),
}  # fmt: skip


@pytest.mark.parametrize("case", sorted(BAD))
def test_bad_data_is_explained(case: str, tmp_path: Path, golden: Golden) -> None:
    write, ports, data = BAD[case]
    with pytest.raises(AnvilError) as error:
        read(tmp_path, write(tmp_path), *ports, **data)
    assert error.value.exit_code == 2
    golden.check(f"data/{case}.txt", text_of(error.value.diagnostics, tmp_path))


def test_data_beyond_the_limit_is_refused_before_it_is_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dataset_module, "MAX_BYTES", 10)
    np.savez(tmp_path / "d.npz", x=ROWS)
    with pytest.raises(AnvilError, match="48 bytes of values, and at most 10"):
        read(tmp_path, "d.npz")


def test_the_digest_is_of_contents_and_of_how_they_are_read(tmp_path: Path) -> None:
    folder_of(a__1_dot_npy=ROWS[0], b__1_dot_npy=ROWS[1])(tmp_path)

    def digest(path: str = "f", **data: Any) -> str | None:  # noqa: ANN401  DataFiles' fields
        return data_digest(
            workspace(tmp_path, cache=tmp_path / ".cache", evaluation=path, **data), "evaluation"
        )

    first = digest()
    assert first == digest() == read(tmp_path, "f").sha256
    assert digest(scale=(0.0, 1.0)) != first
    assert digest(key_y="labels") != first
    (tmp_path / "f").rename(tmp_path / "g")
    assert digest("g") == first
    (tmp_path / "g/c").mkdir()
    assert digest("g") != first
    (tmp_path / "g/c").rmdir()
    (tmp_path / "g/b").rename(tmp_path / "g/z")
    assert digest("g") != first


def test_a_change_is_seen_whatever_its_time_and_size(tmp_path: Path) -> None:
    path = tmp_path / "d.npy"
    project = workspace(tmp_path, cache=tmp_path / ".cache", calibration="d.npy")
    np.save(path, ROWS)
    os.utime(path, ns=(10**18, 10**18))
    first = data_digest(project, "calibration")
    # The same size, inode and modification time, as a careless tool may leave them.
    with path.open("r+b") as content:
        content.seek(-4, os.SEEK_END)
        content.write(b"\1\2\3\4")
    os.utime(path, ns=(10**18, 10**18))
    assert data_digest(project, "calibration") != first


def test_a_file_that_rested_is_not_hashed_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from anvil.pipeline import data_digest as module  # noqa: PLC0415  its parts are replaced

    np.save(tmp_path / "d.npy", ROWS)
    project = workspace(tmp_path, cache=tmp_path / ".cache", calibration="d.npy")
    # As if the file had been written long before.
    monkeypatch.setattr(module, "_TICK_NS", -(10**10))
    first = data_digest(project, "calibration")
    monkeypatch.delattr(module, "_sha256")
    assert data_digest(project, "calibration") == first
