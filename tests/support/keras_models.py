"""A program that writes small models with TensorFlow, good and bad, for tests of conversion.

    python keras_models.py FOLDER

In a process of its own: TensorFlow takes seconds to import, and tests turn its warnings
into errors.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

# TensorFlow is an optional requirement.
import h5py  # isort: skip
import keras  # isort: skip
import tensorflow as tf  # isort: skip
import tf_keras  # isort: skip


def main(folder: Path) -> None:
    """Write every model; the file's name says what it is."""
    keras.utils.set_random_seed(1)
    good = small(keras)
    good.save(folder / "good.keras")
    good.save(folder / "good3.h5")
    good.export(folder / "good_saved_model", verbose=False)
    legacy = small(tf_keras)
    legacy.set_weights(good.get_weights())
    legacy.save(folder / "good2.h5", save_format="h5")
    values = sample()
    np.save(folder / "x.npy", values)
    np.save(folder / "y.npy", np.asarray(good(values)))
    two_inputs(folder)
    unsafe(folder)
    unusual(folder)


def sample() -> Any:  # noqa: ANN401
    """One input of `small`."""
    return np.random.default_rng(3).uniform(-1, 1, (1, 6, 6, 2)).astype(np.float32)


def small(library: Any) -> Any:  # noqa: ANN401
    """A network that both versions of Keras can express; its batch is open."""
    layers = library.layers
    inputs = library.Input((6, 6, 2), name="image")
    x = layers.Conv2D(4, 3, activation="relu", name="conv")(inputs)
    x = layers.BatchNormalization(name="norm")(x)
    x = layers.DepthwiseConv2D(3, name="depthwise")(x)
    x = layers.Flatten(name="flat")(x)
    return library.Model(inputs, layers.Dense(3, name="dense")(x))


def two_inputs(folder: Path) -> None:
    """Inputs whose order matters: left - 2 right, in the order of a list and by name."""
    layers = keras.layers
    for name, is_named in (("two_inputs", False), ("two_named_inputs", True)):
        left, right = keras.Input((3,), name="left"), keras.Input((2,), name="right")
        both = layers.Concatenate()([left, right])
        model = keras.Model(
            {"right": right, "left": left} if is_named else [left, right],
            layers.Dense(1, use_bias=False)(both),
        )
        model.set_weights([np.array([[1], [1], [1], [-2], [-2]], np.float32)])
        model.save(folder / f"{name}.keras")


def unsafe(folder: Path) -> None:
    """Models that run code of their author's when they are loaded."""
    layers = keras.layers
    for library, suffix in ((keras, "keras"), (keras, "h5"), (tf_keras, "legacy.h5")):
        options = {} if library is tf_keras else {"output_shape": (4,)}
        model = library.Sequential(
            [
                library.Input((4,)),
                library.layers.Lambda(lambda x: x * 2, name="doubled", **options),
                library.layers.Dense(2),
            ]
        )
        model.save(folder / f"lambda.{suffix}")

    @keras.saving.register_keras_serializable("mine")
    class Doubled(keras.layers.Layer):  # type: ignore[misc]  # Keras ships no types
        """A layer that only its author's code knows."""

        def call(self, x: Any) -> Any:  # noqa: ANN401
            return x * 2

    keras.Sequential([keras.Input((4,)), Doubled(name="own"), layers.Dense(2)]).save(
        folder / "custom.keras"
    )


def unusual(folder: Path) -> None:
    """Models that cannot be built, or cannot be read."""
    layers = keras.layers
    open_shape = keras.Sequential(
        [keras.Input((None, None, 2), name="picture"), layers.Conv2D(2, 3)]
    )
    open_shape.save(folder / "dynamic.keras")
    keras.Sequential([keras.Input((5, 3)), layers.LSTM(4), layers.Dense(1)]).save(
        folder / "loop.keras"
    )
    good = small(keras)
    good.save_weights(folder / "only.weights.h5")

    class Python(tf.Module):  # type: ignore[misc]  # TensorFlow ships no types
        @tf.function(input_signature=[tf.TensorSpec([None, 4], tf.float32)])  # type: ignore[untyped-decorator]
        def sine(self, x: Any) -> Any:  # noqa: ANN401
            return tf.ensure_shape(tf.numpy_function(np.sin, [x], tf.float32), (None, 4))

    class Open(tf.Module):  # type: ignore[misc]  # TensorFlow ships no types
        @tf.function(input_signature=[tf.TensorSpec([None, None], tf.float32)])  # type: ignore[untyped-decorator]
        def double(self, x: Any) -> Any:  # noqa: ANN401
            return x * 2.0

    for name, module, function in (
        ("python", python := Python(), python.sine),
        ("dynamic", opened := Open(), opened.double),
    ):
        tf.saved_model.save(module, folder / f"{name}_saved_model", signatures=function)
    with h5py.File(folder / "linked.h5", "w") as file:
        file.attrs["model_config"] = json.dumps({"class_name": "Sequential", "config": {}})
        file.attrs["keras_version"] = "3.0.0"
        file["weights"] = h5py.ExternalLink("/etc/hostname", "/")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
