"""What a Keras file would run is found without loading it, and so is what it would unpack."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import pytest

from anvil.core.diagnostics import AnvilError
from anvil.quantize.keras_archive import check_keras_archive
from anvil.quantize.keras_safety import inspect_config


def _layer(name: str, kind: str, module: str | None = "keras.layers", **config: Any) -> Any:  # noqa: ANN401
    return {"module": module, "class_name": kind, "config": {"name": name, **config}}


def _model(*layers: Any) -> Any:  # noqa: ANN401
    return _layer("net", "Functional", "keras", layers=list(layers))


_DENSE = _layer(
    "dense",
    "Dense",
    activation="relu",
    dtype={"module": "keras", "class_name": "DTypePolicy", "config": {"name": "float32"}},
    kernel_initializer={"module": "keras.initializers", "class_name": "Zeros", "config": {}},
)


def test_what_keras_brings_is_harmless() -> None:
    own = [
        _DENSE,
        _layer("multiply", "Multiply", "keras.src.ops.numpy"),
        _layer("old", "Dense", None),
        _layer("norm", "BatchNormalization", "tf_keras.src.layers"),
        {"class_name": "TFOpLambda", "config": {"name": "op", "function": "math.multiply"}},
    ]
    assert inspect_config(_model(*own)) == ()


@pytest.mark.parametrize(
    "layer",
    [
        _layer("bad", "Lambda"),
        _layer("bad", "Lambda", None, function=["4wEAAAA=", None, None], function_type="lambda"),
        _layer("bad", "Dense", activation={"class_name": "__lambda__", "config": {"code": "4w"}}),
        _layer(
            "bad",
            "Dense",
            activation={"module": "builtins", "class_name": "function", "config": "mine"},
        ),
        _layer("bad", "mine>Own", None),
        {**_layer("bad", "Own", None), "registered_name": "mine>Own"},
        _layer("bad", "system", "os"),
        _layer("bad", "Own", "__main__"),
        _layer("bad", "get_file", "keras.utils"),
        _layer("bad", "load_model", "keras.models"),
        _layer("bad", "enable_unsafe_deserialization", "keras.config"),
        _layer("bad", "eval", "builtins"),
        _layer("bad", "TFSMLayer", filepath="/other"),
        _layer("bad", "TorchModuleWrapper"),
        _layer("bad", "StringLookup", vocabulary="/etc/passwd"),
        _layer("bad", "TFOpLambda", None, function="io.write_file"),
    ],
)
def test_what_would_run_or_read_is_found_at_any_depth(layer: Any) -> None:  # noqa: ANN401
    deep = _layer("around", "TimeDistributed", layer=_layer("inner", "Sequential", layers=[layer]))
    for model in (_model(_DENSE, layer), _model(deep)):
        findings = inspect_config(model)
        assert findings
        assert {finding.layer for finding in findings} == {"bad"}


def test_what_a_model_was_compiled_with_is_not_loaded() -> None:
    loss = {"module": "builtins", "class_name": "function", "config": "my_loss"}
    assert inspect_config({**_model(_DENSE), "compile_config": {"loss": loss}}) == ()
    # A nested model's is.
    inner = {**_model(_DENSE), "compile_config": {"loss": loss}}
    assert inspect_config(_model(inner))


def _archive(members: dict[str, bytes]) -> zipfile.ZipFile:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return zipfile.ZipFile(buffer)


_GOOD = {
    "config.json": json.dumps(_model(_DENSE)).encode(),
    "metadata.json": b"{}",
    "model.weights.h5": b"weights",
}


def test_a_plain_archive_passes() -> None:
    check_keras_archive(_archive(_GOOD), "m.keras", allow_unsafe=False)


@pytest.mark.parametrize(
    ("changes", "code", "word"),
    [
        ({"config.json": None}, "model.corrupt", "lacks config.json"),
        ({"model.weights.h5": None}, "model.corrupt", "lacks model.weights.h5"),
        ({"config.json": b"{"}, "model.corrupt", "config.json"),
        ({"config.json": b"[" * 100_000}, "model.corrupt", "config.json"),
        ({"config.json": b"[]"}, "model.corrupt", "describes no model"),
        ({"../evil": b""}, "model.unsafe", "'../evil'"),
        ({"/etc/evil": b""}, "model.unsafe", "outside its folder"),
        ({"C:\\evil": b""}, "model.unsafe", "outside its folder"),
        ({"assets/bomb": bytes(300_000_000)}, "model.too-large", "would unpack to 300"),
    ],
)
def test_archives_that_are_none(changes: dict[str, bytes | None], code: str, word: str) -> None:
    members = {k: v for k, v in {**_GOOD, **changes}.items() if v is not None}
    with pytest.raises(AnvilError) as caught:
        check_keras_archive(_archive(members), "m.keras", allow_unsafe=True)
    (said,) = caught.value.diagnostics
    assert said.code == code
    assert word in said.message
    assert said.hint


def test_consent_lets_a_lambda_pass() -> None:
    members = {**_GOOD, "config.json": json.dumps(_model(_layer("bad", "Lambda"))).encode()}
    check_keras_archive(_archive(members), "m.keras", allow_unsafe=True)
    with pytest.raises(AnvilError) as caught:
        check_keras_archive(_archive(members), "m.keras", allow_unsafe=False)
    assert "--allow-unsafe-model" in str(caught.value.diagnostics[0].hint)
