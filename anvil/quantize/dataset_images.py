"""Images as samples: PNG, JPEG and BMP, decoded with Pillow, never resized."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np

from anvil.quantize.dataset import data_error, reason_of, sample_shape

if TYPE_CHECKING:
    from anvil.core.tensor import Tensor
    from anvil.quantize.dataset import Array, Source

IMAGE_SCALE = (0.0, 1.0)
_FORMATS = ("PNG", "JPEG", "BMP")
_MODES = {1: "L", 3: "RGB", 4: "RGBA"}


def read_image(source: Source, port: Tensor) -> Array:
    """1 x sample_shape(port), uint8: grey, RGB or RGBA, as the model's channels say.

    How an image is brought to the model's size changes what the model sees, and only the
    training code knows how it was done: another size is an error. Raises AnvilError (exit 2).
    """
    # Imported here: only projects with images pay for it.
    import PIL.Image  # noqa: PLC0415

    wanted = sample_shape(port)
    n_channels = wanted[2] if len(wanted) == 3 else 1
    if len(wanted) not in {2, 3} or n_channels not in _MODES:
        raise data_error(
            source.file,
            "shape",
            f"this is an image, and input {port.name!r} takes {' x '.join(map(str, wanted))}",
            "images fit inputs of height x width x 1, 3 or 4; store other samples as .npy",
        )
    height, width = wanted[:2]
    try:
        with (
            # Of images that it reads all the same, and of huge ones, which are refused below.
            warnings.catch_warnings(action="ignore"),
            source.open() as file,
            PIL.Image.open(file, formats=_FORMATS) as image,
        ):
            # Known from the header, so that a huge image is never decoded.
            if image.size != (width, height):
                raise data_error(
                    source.file,
                    "shape",
                    f"it is {image.size[0]} pixels wide and {image.size[1]} high, and the model "
                    f"takes {width} wide and {height} high",
                    "resize it as your training code does, and save it, such as with "
                    f"image.resize(({width}, {height})).save(FILE)",
                )
            if image.mode.startswith(("I", "F")):
                raise data_error(
                    source.file,
                    "dtype",
                    f"its pixels have more than 8 bits (mode {image.mode})",
                    "save it with 8 bits per channel, or as .npy with its values",
                )
            pixels = np.asarray(image.convert(_MODES[n_channels]))
    except PIL.UnidentifiedImageError:
        message = "it is no PNG, JPEG or BMP image"
    except (OSError, ValueError, SyntaxError, PIL.Image.DecompressionBombError) as error:
        message = f"it is damaged: {reason_of(error)}"
    else:
        return pixels.reshape(1, *wanted)
    raise data_error(source.file, "damaged", message, "save it anew, or take it out")
