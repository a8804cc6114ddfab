"""Which kind of model a file holds, by its bytes: its name may say anything."""

from __future__ import annotations

import enum

_TFLITE_IDENTIFIER = b"TFL3"  # at byte 4, after the offset of the root table
_BEGINNINGS = ((b"PK\x03\x04", "keras"), (b"\x89HDF\r\n\x1a\n", "h5"))


class ModelFormat(enum.StrEnum):
    """The kinds of models that Anvil takes."""

    TFLITE = "tflite"
    KERAS = "keras"  # a ZIP archive, as Keras 3 writes it
    H5 = "h5"  # HDF5, of Keras 2 or 3
    SAVED_MODEL = "saved_model"  # a folder


SUFFIXES = {
    ".tflite": ModelFormat.TFLITE,
    ".keras": ModelFormat.KERAS,
    ".h5": ModelFormat.H5,
    ".hdf5": ModelFormat.H5,
}
# What a message lists.
ALLOWED = ".tflite, .keras and .h5 files, and SavedModel folders"


def recognize(content: bytes) -> ModelFormat | None:
    """What a file's content is, None where it is none of them.

    >>> recognize(bytes.fromhex("1c00000054464c33"))
    <ModelFormat.TFLITE: 'tflite'>
    """
    if content[4:8] == _TFLITE_IDENTIFIER:
        return ModelFormat.TFLITE
    for beginning, name in _BEGINNINGS:
        if content.startswith(beginning):
            return ModelFormat(name)
    return None
