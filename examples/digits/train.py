"""Train the example's model: handwritten digits, 8 x 8 pixels.

    python examples/digits/train.py [--out DIR]

Reads scikit-learn's bundled digits (1,797 images of 8 x 8 counts from 0 to 16), splits them
by class into training, calibration and evaluation, trains a small convolutional network
with Keras and saves it. Writes digits.keras, calibration.npz and evaluation.npz into DIR (this
folder unless given) and prints what it measured on the evaluation images. `anvil plan --pin`
then makes quantized/ anew.

With the packages of requirements/train.txt it writes the committed files again, byte for
byte, on x86-64: one thread, fixed seeds, deterministic kernels, no timestamps.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import zipfile
from pathlib import Path

# Read when TensorFlow is imported: oneDNN picks its kernels, and with them the order of
# summation, by CPU.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf
from sklearn.datasets import load_digits

SEED = 20
N_CLASSES = 10
N_CALIBRATION = 100
N_EVALUATION = 400
N_EPOCHS = 60
BATCH = 32
LARGEST_COUNT = 16  # of dark pixels in a 4 x 4 block, which is what a value stands for

Images = npt.NDArray[np.float32]  # N x 8 x 8 x 1, in [0, 1]
Labels = npt.NDArray[np.int64]  # N, in 0..9


def load() -> tuple[Images, Labels]:
    """All images, counts divided by 16, and their digits."""
    digits = load_digits()
    images = (digits.images / LARGEST_COUNT).astype(np.float32)
    return images[..., np.newaxis], digits.target.astype(np.int64)


def split(labels: Labels, rng: np.random.Generator) -> dict[str, npt.NDArray[np.int64]]:
    """Indices of three parts without an image in common, each with its share of every class."""
    parts: dict[str, list[npt.NDArray[np.int64]]] = {"calibration": [], "evaluation": []}
    parts["training"] = []
    for digit in range(N_CLASSES):
        indices = rng.permutation(np.flatnonzero(labels == digit))
        n_calibration = N_CALIBRATION // N_CLASSES
        n_evaluation = N_EVALUATION // N_CLASSES
        parts["calibration"].append(indices[:n_calibration])
        parts["evaluation"].append(indices[n_calibration : n_calibration + n_evaluation])
        parts["training"].append(indices[n_calibration + n_evaluation :])
    return {name: np.sort(np.concatenate(chunks)) for name, chunks in parts.items()}


def augment(images: Images, rng: np.random.Generator) -> Images:
    """Each image a little turned, scaled, shifted and re-inked: nobody draws in the middle.

    Bilinear; what comes from outside is paper (0).
    """
    n = len(images)
    angle = rng.uniform(-0.15, 0.15, n)  # radians
    scale_y, scale_x = rng.uniform(0.9, 1.15, (2, n))
    shift_y, shift_x = rng.uniform(-0.8, 0.8, (2, n))
    centre = 3.5
    grid_y, grid_x = np.mgrid[0:8, 0:8] - centre
    cos, sin = np.cos(angle)[:, None, None], np.sin(angle)[:, None, None]
    y = (cos * grid_y - sin * grid_x) * scale_y[:, None, None] + centre + shift_y[:, None, None]
    x = (sin * grid_y + cos * grid_x) * scale_x[:, None, None] + centre + shift_x[:, None, None]
    padded = np.pad(images[..., 0], ((0, 0), (2, 2), (2, 2)))
    y, x = np.clip(y + 2, 0, 10.999), np.clip(x + 2, 0, 10.999)
    top, left = y.astype(np.int64), x.astype(np.int64)
    down, right = y - top, x - left
    which = np.arange(n)[:, None, None]
    moved = (
        padded[which, top, left] * (1 - down) * (1 - right)
        + padded[which, top, left + 1] * (1 - down) * right
        + padded[which, top + 1, left] * down * (1 - right)
        + padded[which, top + 1, left + 1] * down * right
    )
    ink = rng.uniform(0.8, 1.4, (n, 1, 1))  # pens and fingers are of different widths
    augmented: Images = np.clip(moved * ink, 0, 1).astype(np.float32)[..., np.newaxis]
    return augmented


def make_model(batch: int | None = None) -> keras.Model:
    """The network: two ordinary convolutions, a separable one, pooling, mean, one dense layer."""
    layers = keras.layers
    inputs = keras.Input((8, 8, 1), batch_size=batch, name="image")
    x = layers.Conv2D(16, 3, padding="same", activation="relu")(inputs)
    x = layers.DepthwiseConv2D(3, padding="same", activation="relu")(x)
    x = layers.Conv2D(32, 1, activation="relu")(x)
    x = layers.MaxPooling2D(2)(x)
    x = layers.Conv2D(48, 3, activation="relu")(x)
    x = layers.Flatten()(x)
    x = layers.Dropout(0.2, seed=SEED)(x)
    outputs = layers.Dense(N_CLASSES, activation="softmax", name="digit")(x)
    return keras.Model(inputs, outputs)


def train(model: keras.Model, images: Images, labels: Labels, rng: np.random.Generator) -> None:
    """Adam with a cosine schedule; every epoch sees every image once, augmented anew."""
    n_steps = N_EPOCHS * -(-len(images) // BATCH)
    schedule = keras.optimizers.schedules.CosineDecay(4e-3, n_steps)
    model.compile(keras.optimizers.Adam(schedule), "sparse_categorical_crossentropy")
    for epoch in range(N_EPOCHS):
        order = rng.permutation(len(images))
        history = model.fit(
            augment(images[order], rng), labels[order], batch_size=BATCH, shuffle=False, verbose=0
        )
        if (epoch + 1) % 20 == 0:
            print(f"epoch {epoch + 1}: loss {history.history['loss'][0]:.4f}", flush=True)


def save(model: keras.Model, path: Path) -> None:
    """The model without optimizer, as Keras saves it but for what differs between two runs.

    Those are the dates in the archive, and Python's numbers of objects that layers share.
    """
    bare = make_model()
    bare.set_weights(model.get_weights())
    # Layers are numbered through a process, and this is not its first model.
    raw = path.with_suffix(".raw.keras")
    bare.save(raw)
    with zipfile.ZipFile(raw) as archive:
        members = {name: archive.read(name) for name in sorted(archive.namelist())}
    raw.unlink()
    numbers: dict[int, int] = {}

    def renumbered(value: object) -> object:
        if isinstance(value, list):
            return [renumbered(item) for item in value]
        if not isinstance(value, dict):
            return value
        return {
            key: numbers.setdefault(item, len(numbers))
            if key == "shared_object_id"
            else renumbered(item)
            for key, item in value.items()
        }

    metadata = json.loads(members["metadata.json"])
    metadata["date_saved"] = "1980-01-01@00:00:00"
    members["metadata.json"] = json.dumps(metadata).encode()
    members["config.json"] = json.dumps(renumbered(json.loads(members["config.json"]))).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            # Not compressed, and dated as the format's first day.
            archive.writestr(zipfile.ZipInfo(name), content)


def main() -> None:
    """Train, convert, measure, write."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parent)
    out: Path = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)

    keras.utils.set_random_seed(SEED)
    tf.config.experimental.enable_op_determinism()
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)

    rng = np.random.default_rng(SEED)
    images, labels = load()
    parts = split(labels, rng)
    model = make_model()
    train(model, images[parts["training"]], labels[parts["training"]], rng)

    evaluation = parts["evaluation"]
    float_answers = np.argmax(model.predict(images[evaluation], verbose=0), axis=1)
    print(f"images: {', '.join(f'{len(indices)} {name}' for name, indices in parts.items())}")
    print(f"parameters: {model.count_params()}")
    print(f"float32 top-1: {np.mean(float_answers == labels[evaluation]):.4f}")

    save(model, out / "digits.keras")
    for name in ("calibration", "evaluation"):
        # Not compressed: zlib's output differs between its versions.
        np.savez(out / f"{name}.npz", x=images[parts[name]], y=labels[parts[name]])
    for name in ("digits.keras", "calibration.npz", "evaluation.npz"):
        content = (out / name).read_bytes()
        print(f"{name}: {len(content)} bytes, sha256 {hashlib.sha256(content).hexdigest()}")


if __name__ == "__main__":
    main()
