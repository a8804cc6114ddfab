"""anvil.yaml's `data`: files, the names of arrays in them, and how accuracy is measured."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

from anvil.core.candidate import OWN_METRICS
from anvil.core.target import DataFiles

if TYPE_CHECKING:
    from anvil.config.document import Document
    from anvil.config.reader import Reader


def data_files(reader: Reader, document: Document, folder: str) -> DataFiles:
    """`data`, and the mistakes that no schema sees: keys that contradict each other."""

    def file(key: str) -> str | None:
        path = reader.text(("data", key))
        return None if path is None else posixpath.join(folder, path)

    ordered: tuple[str, ...] = ()
    by_input: tuple[tuple[str, str], ...] = ()
    match reader.find(("data", "keys", "x")):
        case (str() as key, _):
            ordered = (key,)
        case (list() as keys, _):
            ordered = tuple(key for key in keys if isinstance(key, str))
        case (dict() as keys, _):
            by_input = tuple((name, key) for name, key in keys.items() if isinstance(key, str))
    scale = None
    match reader.find(("data", "scale")):
        case ([int() | float() as low, int() | float() as high], _):
            scale = (float(low), float(high))
    data = DataFiles(
        calibration=file("calibration"),
        evaluation=file("evaluation"),
        keys_x=ordered,
        keys_by_input=by_input,
        key_y=reader.text(("data", "keys", "y")) or "y",
        scale=scale,
        metric=reader.text(("data", "metric")),
        higher_is_better=reader.text(("data", "metric_direction")) != "lower",
        positions=tuple(
            (key, position.line, position.column)
            for key in ("calibration", "evaluation", "metric")
            if reader.text(("data", key)) is not None
            for position in (document.value_position(("data", key)),)
        ),
    )
    _check_data(reader, data)
    return data


def _check_data(reader: Reader, data: DataFiles) -> None:
    if data.scale is not None and data.scale[0] >= data.scale[1]:
        low, high = data.scale
        message = f"found [{low:g}, {high:g}], and the first value must be below the second"
        reader.error(("data", "scale"), "config.value", message)
    for _, key in (*(("", key) for key in data.keys_x), *data.keys_by_input):
        if key == data.key_y:
            message = f"the inputs and the labels cannot both be the array {key!r}"
            hint = "an autoencoder needs no labels: its inputs are what it should give"
            reader.error(("data", "keys"), "config.contradiction", message, hint)
    has_evaluation = reader.find(("data", "evaluation")) is not None
    has_metric = reader.find(("data", "metric")) is not None
    if has_evaluation and not has_metric:
        reader.error(
            ("data", "evaluation"),
            "config.missing-key",
            "evaluation data is given, and nothing says how accuracy is measured on it",
            f"add `metric:`, one of {', '.join(OWN_METRICS)} or module:function",
        )
    if has_metric and not has_evaluation:
        reader.error(
            ("data", "metric"),
            "config.contradiction",
            "a metric is given, and no evaluation data to measure it on",
            "add `evaluation:`, or take `metric:` away",
        )
    direction = reader.text(("data", "metric_direction"))
    if direction is not None and (not has_metric or data.metric in OWN_METRICS):
        reader.error(
            ("data", "metric_direction"),
            "config.contradiction",
            "a direction is given, and the metric is none of your own",
            "take it away: Anvil knows the direction of "
            + (f"{data.metric}" if data.metric else "its own metrics"),
        )
