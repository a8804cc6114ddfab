"""Samples in a .csv file: one row each, row-major, the label in the column y or the last one."""

from __future__ import annotations

import csv
import math
from typing import TYPE_CHECKING

import numpy as np

from anvil.core.diagnostics import AnvilError, Diagnostic
from anvil.quantize.dataset import MAX_BYTES, RawData, check_bytes, data_error, sample_shape

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anvil.core.target import DataFiles
    from anvil.core.tensor import Tensor
    from anvil.quantize.dataset import Array, Source

_DELIMITERS = ",;\t"
_N_SHOWN = 3  # mistakes; a file of words would have thousands


def read_csv(source: Source, files: DataFiles, ports: Sequence[Tensor]) -> RawData:
    """The rows of a .csv file (UTF-8; comma, semicolon or tab), with or without a header.

    A row has as many values as the model's one input, or one more, the label: the column
    that the header calls as data.keys.y does, otherwise the last one. Raises AnvilError.
    """
    if len(ports) != 1:
        raise data_error(
            source.file,
            "format",
            f"the model has {len(ports)} inputs, and a .csv file can hold one",
            "give an .npz file with one array per input",
        )
    with source.open() as file:
        content = file.read(MAX_BYTES + 1)
    check_bytes(source.file, len(content))
    try:
        lines = content.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        message = f"it is not UTF-8 text: byte {error.start} cannot be read"
        raise data_error(source.file, "damaged", message, "save it as UTF-8") from None
    first = next((line for line in lines if line.strip()), "")
    delimiter = max(_DELIMITERS, key=first.count)
    reader = csv.reader(lines, delimiter=delimiter)
    rows = [(reader.line_num, row) for row in reader if any(cell.strip() for cell in row)]
    header = None
    # A first row of numbers with one word is a row with a mistake, such as a label in words.
    if rows and 2 * sum(map(_is_number, rows[0][1])) < len(rows[0][1]):
        header = [cell.strip() for cell in rows.pop(0)[1]]
    if not rows:
        raise data_error(source.file, "empty", "it has no row of values", "give one row per sample")
    wanted = sample_shape(ports[0])
    n_features = math.prod(wanted)
    table = _table(source.file, rows, n_columns=len(header or rows[0][1]))
    n_columns = table.shape[1]
    has_label = n_columns == n_features + 1 or (header is not None and files.key_y in header)
    if n_columns != n_features + has_label:
        beside = f"{n_columns - 1} values beside the label" if has_label else f"{n_columns} values"
        raise data_error(
            source.file,
            "shape",
            f"its rows have {beside}, and the model takes {n_features}",
            f"a row holds the {n_features} values of input {ports[0].name!r}, and may hold a label",
        )
    labels = None
    if has_label:
        label = header.index(files.key_y) if header and files.key_y in header else n_features
        labels = table[:, label]
        table = np.delete(table, label, axis=1)
    return RawData(inputs=(table.reshape(-1, *wanted),), labels=labels)


def _table(file: str, rows: list[tuple[int, list[str]]], n_columns: int) -> Array:
    table = np.empty((len(rows), n_columns), np.float64)
    wrong: list[Diagnostic] = []
    for index, (line, row) in enumerate(rows):
        if len(row) != n_columns:
            message = f"this row has {len(row)} values, and the first one {n_columns}"
        else:
            try:
                table[index] = row
            except ValueError:
                column = next(i for i, cell in enumerate(row) if not _is_number(cell))
                message = f"value {column + 1} of this row is {row[column][:40]!r}, not a number"
            else:
                continue
        hint = "every row has the same number of values; labels are numbers, too"
        wrong.append(
            Diagnostic(code="data.value", message=message, file=file, line=line, hint=hint)
        )
        if len(wrong) == _N_SHOWN:
            break
    if wrong:
        raise AnvilError(*wrong)
    return table


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
