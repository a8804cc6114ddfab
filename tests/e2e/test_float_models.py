"""The float benchmark models, from what their authors published to proven builds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.cli import anvil
from tests.support.programs import require_program, require_shared_model

_EMULATORS = ("qemu-system-arm", "qemu-aarch64", "node")
_TARGETS = ("nrf52840", "rpi4", "browser", "linux-x86_64")
_MODELS = {
    "kws": "kws_saved_model",
    "vww": "vww.h5",
    "ic": "ic.h5",
    "ad": "ad.h5",
    "sww": "sww.h5",
}
_CANDIDATES = {"float32", "float16", "int8", "int16x8"}
# Of the arena with the kernels' scratch memory, in int8.
_MOST_ARENA_BYTES = {"kws": 10_000, "vww": 42_000, "ic": 36_000, "ad": 1_300, "sww": 6_000}


def _data(name: str, folder: Path) -> dict[str, Any]:
    """anvil.yaml's `data`: real recordings where there are any."""
    if name == "sww":
        samples = str(require_shared_model("sww.calibration.npz"))
        keys = {"x": "specs", "y": "labels"}
        return {"calibration": samples, "evaluation": samples, "keys": keys, "metric": "top1"}
    if name == "ad":
        frames = np.fromfile(require_shared_model("ad.features.bin"), dtype="<f4").reshape(200, 128)
        windows = np.stack([frames[n : n + 5].reshape(640) for n in range(196)])
        np.savez(folder / "features.npz", x=windows)
        return {"calibration": "features.npz", "evaluation": "features.npz", "metric": "mse"}
    return {}


@pytest.mark.parametrize("name", list(_MODELS))
def test_a_float_model_is_planned_built_and_equal_to_the_reference(
    name: str, tmp_path: Path
) -> None:
    model = require_shared_model(_MODELS[name])
    for program in _EMULATORS:
        require_program(program)
    data = _data(name, tmp_path)
    document: dict[str, Any] = {"version": 1, "name": name, "model": str(model)}
    document |= {"targets": {target: {} for target in _TARGETS}} | ({"data": data} if data else {})
    (tmp_path / "anvil.yaml").write_text(json.dumps(document))

    planned = anvil("plan", "--json", "--project", tmp_path)
    assert planned.returncode == 0, planned.stdout
    assert planned.statuses() == dict.fromkeys(_TARGETS, "planned")
    for row in planned.document()["targets"]:
        plan = row["plan"]
        assert {one["name"] for one in plan["candidates"]} == _CANDIDATES
        assert all(one["status"] == "considered" for one in plan["candidates"])
        for one in plan["candidates"]:
            assert (one["accuracy"] is not None) == bool(data)
            assert (one["fidelity"] is not None) == (not data)
        assert plan["candidate"] == "int8"
        assert plan["arena_proved_optimal"]
        if row["target"] in ("nrf52840", "rpi4"):  # kernels of the others may take more scratch
            assert plan["arena_bytes"] <= _MOST_ARENA_BYTES[name]

    verified = anvil("verify", "--json", "--project", tmp_path)
    assert verified.returncode == 0, verified.stdout
    assert verified.statuses() == dict.fromkeys(_TARGETS, "passed")
    for row in verified.document()["targets"]:
        assert row["comparison"]["different_elements"] == 0


@pytest.mark.parametrize(
    ("model", "candidate", "published"),
    # ad.h5 holds other weights: Keras itself gives 9.4913 for it.
    [("ad.float32.tflite", "float32", 9.70711), ("ad.int8.tflite", "int8", 10.26029)],
)
def test_published_scores_are_reproduced(
    model: str, candidate: str, published: float, tmp_path: Path
) -> None:
    # The mean squared reconstruction error of one recording, as its authors published it.
    document = {
        "version": 1,
        "name": "ad",
        "model": str(require_shared_model(model)),
        "data": _data("ad", tmp_path),
        "targets": {"rpi4": {}},
    }
    (tmp_path / "anvil.yaml").write_text(json.dumps(document))
    ended = anvil("plan", "--json", "--project", tmp_path)
    assert ended.returncode == 0, ended.stdout
    (row,) = ended.document()["targets"]
    scores = {one["name"]: one["accuracy"]["value"] for one in row["plan"]["candidates"]}
    assert scores[candidate] == pytest.approx(published, rel=0.005)
