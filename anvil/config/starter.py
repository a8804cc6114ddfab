"""The anvil.yaml that `anvil init` writes: it builds as it is, and its comments teach."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from anvil.config.names import reason_against

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_MAX_NAME = 32
_COLUMN = 36  # where comments begin, as far as the values let them
_REQUIREMENTS = (
    ("# requirements:", "uncomment what must hold; a target may have its own"),
    ("#   max_accuracy_drop: 0.01", "lost against the float model, in the metric"),
    ("#   max_latency: 50 ms", "of one inference"),
    ("#   max_ram: 64 KiB", "arena, data and stack"),
    ("#   max_flash: 256 KiB", "code and weights"),
)
# What people write behind a model's name, and what is not the name.
_ENDINGS = re.compile(r"(?:[._-](?:int8|int16x8|float16|float32|fp16|fp32|quant|quantized))+$")
# What YAML reads as nothing but a text without quotes, and as one line.
_PLAIN = re.compile(r"[A-Za-z0-9_./][A-Za-z0-9_./+@=-]*")
# What looks plain and is a number, a date or a truth value to one reader of YAML or another.
_NOT_TEXT = re.compile(
    r"[0-9.+_:-]*|[0-9].*|\.(inf|nan)|true|false|yes|no|on|off|null|y|n", re.IGNORECASE
)


@dataclass(frozen=True, slots=True, kw_only=True)
class StarterData:
    """The `data` of an anvil.yaml; paths relative to its folder, None where nothing was found."""

    calibration: str | None = None
    evaluation: str | None = None
    calibration_note: str = ""
    evaluation_note: str = ""
    keys: Mapping[str, str] | None = None  # other names for x and y
    metric: str | None = None

    @property
    def is_empty(self) -> bool:
        """Whether no file was found."""
        return self.calibration is None and self.evaluation is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Starter:
    """What is known of a project."""

    name: str
    model: str  # path relative to the folder of anvil.yaml
    model_note: str
    data: StarterData
    targets: Sequence[tuple[str, str]]  # name, and the device for people
    left_out: Sequence[tuple[str, str]]  # name, and why
    schema: str  # where editors find the schema


def project_name(stem: str) -> str:
    """The name of a project for a model's file name without its suffix.

    >>> project_name("Digits-v2.int8"), project_name("3d model"), project_name("double")
    ('digits_v2', 'model_3d_model', 'double_model')
    """
    found = _ENDINGS.sub("", stem.lower())
    found = re.sub(r"[^a-z0-9]+", "_", found).strip("_")
    if not found or not found[0].isalpha():
        found = f"model_{found}".strip("_")
    found = found[:_MAX_NAME].strip("_")
    if reason_against(found) is None:
        return found
    return f"model_{found}"[:_MAX_NAME] if found.startswith("anvil") else f"{found}_model"


def starter_text(starter: Starter) -> str:
    """The contents of anvil.yaml. ValueError for a path that no YAML file can hold."""
    lines = [
        f"# yaml-language-server: $schema={starter.schema}",
        "# `anvil build` makes build/<target>/ of every target; `anvil report` shows what fits.",
        "version: 1",
        _line(f"name: {starter.name}", f"prefixes C symbols and files: {starter.name}_run()"),
        _line(f"model: {scalar(starter.model)}", starter.model_note),
        "",
        *_data_lines(starter.data),
        "",
        *(_line(text, comment) for text, comment in _REQUIREMENTS),
        "",
        _line("targets:", "`anvil targets` lists all there are"),
        *(_line(f"  {name}: {{}}", board) for name, board in starter.targets),
        *(f"  # {name} is left out: {' '.join(why.split())}" for name, why in starter.left_out),
    ]
    return "\n".join(lines) + "\n"


def _data_lines(data: StarterData) -> list[str]:
    metric = (
        f"metric: {data.metric or 'top1'}",
        "or auc, auc:reconstruction, mse, module:function",
    )
    calibration = ("calibration: calibration.npz", "x: inputs typical for the model")
    evaluation = ("evaluation: evaluation.npz", "x: inputs, y: what is expected of them")
    if data.is_empty:
        return [
            "# Without data, how much a quantized model loses is not known.",
            "# data:",
            *(_line(f"#   {text}", note) for text, note in (calibration, evaluation, metric)),
        ]

    def entry(given: tuple[str, str], usual: tuple[str, str], *, is_known: bool) -> str:
        text, note = given if is_known else usual
        return _line(f"  {text}" if is_known else f"  # {text}", note)

    known = data.calibration, data.evaluation
    lines = [
        "data:",
        entry(
            (f"calibration: {scalar(known[0] or '')}", data.calibration_note),
            calibration,
            is_known=known[0] is not None,
        ),
        entry(
            (f"evaluation: {scalar(known[1] or '')}", data.evaluation_note),
            evaluation,
            is_known=known[1] is not None,
        ),
    ]
    if data.keys:
        keys = ", ".join(f"{key}: {scalar(name)}" for key, name in data.keys.items())
        lines.append(_line(f"  keys: {{{keys}}}", "what the files call x and y"))
    is_measured = data.evaluation is not None and data.metric is not None
    return [*lines, entry(metric, metric, is_known=is_measured)]


def _line(text: str, comment: str) -> str:
    # A comment ends with its line, whatever a board calls itself.
    comment = " ".join(comment.split())
    return f"{text.ljust(_COLUMN - 2)}  # {comment}" if comment else text


def scalar(text: str) -> str:
    """A text as YAML, with quotes where it needs them. ValueError where it cannot be one.

    >>> scalar("models/digits.keras"), scalar("my model: #1.tflite"), scalar("12")
    ('models/digits.keras', '"my model: #1.tflite"', '"12"')
    """
    if any(character in text for character in "\n\r\0") or not _is_unicode(text):
        msg = f"{text!r} is no text of one line"
        raise ValueError(msg)
    if _PLAIN.fullmatch(text) and not _NOT_TEXT.fullmatch(text):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    shown = (c if c.isprintable() else f"\\U{ord(c):08x}" for c in escaped)
    return f'"{"".join(shown)}"'


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
