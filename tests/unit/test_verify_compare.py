from __future__ import annotations

import json
import math
import struct

import pytest

from anvil.core.tolerance import Tolerance
from anvil.verify.compare import Comparison, Difference, compare
from anvil.verify.invocation import Port

INT8 = Port(name="y", shape=(1, 4), dtype="int8", n_bytes=4)
FLOAT = Port(name="z", shape=(2,), dtype="float32", n_bytes=8)


def test_equal_outputs() -> None:
    outputs = ((b"\x01\x02\x03\x80",), (b"\x00\x00\x00\x00",))
    result = compare(expected=outputs, found=outputs, ports=[INT8])
    assert result.is_equal
    assert result == Comparison(
        n_inferences=2,
        n_outputs=2,
        n_different_outputs=0,
        n_different_elements=0,
        max_difference=0,
        first=None,
    )


def test_one_step_of_one_integer_counts_whatever_the_tolerance() -> None:
    result = compare(
        expected=((b"\x01\x02\x03\x80",), (b"\x05\x00\x00\x7f",)),
        found=((b"\x01\x02\x03\x80",), (b"\x06\x00\x00\x80",)),
        ports=[INT8],
        tolerances=[Tolerance(absolute=0.9)],
    )
    assert not result.is_equal
    assert (result.n_different_outputs, result.n_different_elements) == (1, 2)
    assert result.max_difference == 255
    assert result.first == Difference(inference=1, output=0, element=0, expected=5, found=6)


def floats(*values: float) -> bytes:
    return struct.pack(f"<{len(values)}f", *values)


def compare_floats(expected: bytes, found: bytes, relative: float) -> Comparison:
    return compare(
        expected=((expected,),),
        found=((found,),),
        ports=[FLOAT],
        tolerances=[Tolerance(relative=relative)],
    )


def test_floats_within_the_tolerance_agree_and_the_difference_is_told() -> None:
    # 100 * 0.0625 = 6.25 is allowed, for the small element beside the large one, too.
    result = compare_floats(floats(0.5, 100), floats(-5.25, 106), 0.0625)
    assert result.is_equal
    assert result.max_difference == 6


def test_an_absolute_tolerance_serves_where_all_is_small() -> None:
    for tolerance, is_equal in ((0.25, True), (0.125, False)):
        result = compare(
            expected=((floats(0, 0),),),
            found=((floats(0, 0.25),),),
            ports=[FLOAT],
            tolerances=[Tolerance(absolute=tolerance)],
        )
        assert result.is_equal == is_equal


def test_floats_beyond_the_tolerance_differ() -> None:
    result = compare_floats(floats(0.5, 100), floats(0.5, 107), 0.0625)
    assert result.first == Difference(inference=0, output=0, element=1, expected=100, found=107)


def test_special_floats_agree_with_themselves_alone() -> None:
    inf, nan = math.inf, math.nan
    assert compare_floats(floats(nan, inf), floats(-nan, inf), 0).is_equal
    for expected, found in ((nan, 1), (1, nan), (inf, -inf), (inf, 1), (1, inf)):
        result = compare_floats(floats(expected, 0), floats(found, 0), 0.5)
        assert not result.is_equal
        assert result.max_difference == inf
        json.dumps(result.as_json(), allow_nan=False)


def test_minus_zero_is_zero_for_floats() -> None:
    assert compare_floats(floats(0.0, 1), floats(-0.0, 1), 0).is_equal


def test_json_form() -> None:
    result = compare(
        expected=((b"\x00\x00\x00\x00",),), found=((b"\x00\x00\xff\x00",),), ports=[INT8]
    )
    assert result.as_json() == {
        "inferences": 1,
        "outputs": 1,
        "different_outputs": 1,
        "different_elements": 1,
        "max_difference": 1,
        "first_difference": {
            "inference": 0,
            "output": 0,
            "element": 2,
            "expected": 0,
            "found": -1,
        },
    }


@pytest.mark.parametrize(
    ("found", "message"),
    [
        ((), "expected 1 inferences, found 0"),
        (((b"\x00" * 4, b""),), "expected 1 outputs, found 1 and 2"),
        (((b"\x00" * 3,),), "inference 0, output 0: expected 4 bytes, found 4 and 3"),
    ],
)
def test_runs_of_another_form_are_refused(
    found: tuple[tuple[bytes, ...], ...], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        compare(expected=((b"\x00" * 4,),), found=found, ports=[INT8])
