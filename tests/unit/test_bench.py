"""anvil bench's figures: their shares, a baseline read with suspicion, and what is said of both."""

from __future__ import annotations

import doctest
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from anvil.bench import text
from anvil.bench.baseline import changes, check_targets, parse, slower
from anvil.bench.measurement import Figures, Layer, Measurement
from anvil.bench.text import summary, table
from anvil.commands import make_parser
from anvil.commands.parser import UsageError
from anvil.core.diagnostics import AnvilError, ExitCode, Severity

if TYPE_CHECKING:
    from anvil.bench.baseline import Former

_FILE = "before.json"


def layer(index: int, macs: int, **figures: float) -> Layer:
    return Layer(
        index=index,
        op="CONV_2D",
        variant="anvil_conv_2d_int8_direct__scalar",
        tensor=f"t{index}",
        macs=macs,
        figures=Figures(**figures),  # type: ignore[arg-type]
    )


COUNTED = Measurement(
    target="nrf52840",
    board="Nordic nRF52840 DK",
    name="digits",
    candidate="int8",
    model_sha256="a" * 64,
    plan_digest="b" * 64,
    how="one inference",
    machine=None,
    # The first operator runs in two bands.
    layers=(
        layer(0, 100, instructions=300, cycles=400),
        layer(0, 100, instructions=100, cycles=200),
        layer(3, 0, instructions=90, cycles=380),
    ),
    outside=Figures(instructions=10, cycles=20),
    total=Figures(instructions=500, cycles=1000),
    latency_s=1e-3,
    wait_cycles=None,
)
TIMED = replace(
    COUNTED,
    target="browser",
    machine="a processor",
    layers=(layer(0, 100, nanoseconds=985.0), layer(1, 10, nanoseconds=15.0)),
    outside=Figures(),
    total=Figures(nanoseconds=1200.0),
    latency_s=1.2e-6,
)


def saved(*measurements: Measurement) -> bytes:
    rows = [{"target": one.target, "status": "measured", **one.as_json()} for one in measurements]
    return json.dumps({"format": 1, "command": "bench", "targets": rows}).encode()


def before(*measurements: Measurement) -> dict[str, Former]:
    return parse(saved(*measurements), _FILE)


# Figures.


def test_shares_are_of_cycles_and_of_the_whole() -> None:
    document = COUNTED.as_json()
    assert document["metric"] == "cycles"
    assert [row["share"] for row in document["layers"]] == [0.4, 0.2, 0.38]
    assert [row["per_mac"] for row in document["layers"]] == [3.0, 1.0, None]
    assert document["total"] == {
        "macs": 200, "instructions": 500, "cycles": 1000, "nanoseconds": None, "per_mac": 2.5,
        "wait_cycles": None, "latency_s": 1e-3,
    }  # fmt: skip


def test_shares_of_times_are_of_their_sum() -> None:
    document = TIMED.as_json()
    assert document["metric"] == "nanoseconds"
    assert [row["share"] for row in document["layers"]] == [0.985, 0.015]
    assert document["total"]["per_mac"] == round(1200 / 110, 4)


# Words.


def test_the_table_has_a_row_for_each_layer_and_the_whole() -> None:
    lines = table(COUNTED, None)
    assert lines[0] == "nrf52840: Nordic nRF52840 DK, int8"
    rows = [line.split() for line in lines[2:8]]
    assert rows[0] == ["op", "kernel", "MACs", "instructions", "cycles", "per", "MAC", "share"]
    assert rows[1] == ["0", "CONV_2D", "int8_direct__scalar", "100", "300", "400", "3.00", "40.0%"]
    assert rows[3] == ["3", "CONV_2D", "int8_direct__scalar", "0", "90", "380", "38.0%"]
    assert rows[4] == ["outside", "10", "20"]
    assert rows[5] == ["total", "200", "500", "1,000", "2.50"]
    assert summary(COUNTED, None) == "500 instructions, 1,000 cycles, 1 ms"
    assert "985 ns" in "\n".join(table(TIMED, None))
    assert summary(TIMED, None) == "1.2 µs"


def test_waiting_is_told_apart_from_the_cycles() -> None:
    waiting = replace(COUNTED, wait_cycles=3_000)
    assert "add up to 3,000 cycles of waiting" in table(waiting, None)[-1]
    assert table(replace(COUNTED, wait_cycles=0), None) == table(COUNTED, None)
    assert waiting.as_json()["total"]["cycles"] == 1000


def test_a_change_is_told_by_layer() -> None:
    former = replace(
        COUNTED,
        layers=(
            replace(COUNTED.layers[0], variant="anvil_conv_2d_int8_other__dsp"),
            replace(COUNTED.layers[1], figures=Figures(instructions=100, cycles=100)),
            layer(7, 1, instructions=1, cycles=1),
        ),
        total=Figures(instructions=400, cycles=800),
    )
    change, warnings = changes(COUNTED, before(former), _FILE)
    assert warnings == ()
    rows = [line.split() for line in table(COUNTED, change)[2:]]
    assert rows[0][-1] == "change"
    assert rows[1][-4:] == ["0", "%", "other", "kernel"]
    assert rows[2][-2:] == ["+100.0", "%"]
    assert rows[3][-1] == "new"
    assert rows[5][-2:] == ["+25.0", "%"]
    assert table(COUNTED, change)[-1].strip() == "no longer there: 7 CONV_2D"
    assert summary(COUNTED, change).endswith("cycles +25.0 %")


# What became slower.


def messages(measurement: Measurement, former: Measurement, percent: float) -> list[str]:
    change, _ = changes(measurement, before(former), _FILE)
    return [d.message for d in slower(measurement, change, percent=percent, file=_FILE)]


def test_layers_and_the_whole_are_held_to_a_limit() -> None:
    former = replace(
        COUNTED,
        layers=(
            layer(0, 100, instructions=300, cycles=400),
            layer(0, 100, instructions=100, cycles=160),
            layer(3, 0, instructions=90, cycles=380),
        ),
        total=Figures(instructions=500, cycles=960),
    )
    assert messages(COUNTED, former, 26) == []
    (one,) = messages(COUNTED, former, 10)
    assert one == (
        "nrf52840: layer 0 CONV_2D takes 25.00% more cycles than in before.json, and 10 % is "
        "allowed"
    )
    assert len(messages(COUNTED, former, 4)) == 2
    assert messages(COUNTED, COUNTED, 0) == []
    assert messages(former, COUNTED, 0) == []  # it became faster


def test_a_layer_that_is_too_short_to_be_timed_is_left_out() -> None:
    former = replace(
        TIMED, layers=(layer(0, 100, nanoseconds=985.0), layer(1, 10, nanoseconds=5.0))
    )
    assert messages(TIMED, former, 10) == []
    assert len(messages(TIMED, replace(former, total=Figures(nanoseconds=900.0)), 10)) == 1


def test_times_of_another_machine_are_warned_of() -> None:
    former = replace(TIMED, machine="another\x1b[2J processor")
    _, (warning,) = changes(TIMED, before(former), _FILE)
    assert warning.severity is Severity.WARNING
    assert "another?[2J processor" in warning.message


def test_instructions_compare_where_the_baseline_has_no_cycles() -> None:
    figures = [replace(one, figures=replace(one.figures, cycles=None)) for one in COUNTED.layers]
    former = replace(COUNTED, layers=tuple(figures), total=Figures(instructions=250))
    change, _ = changes(COUNTED, before(former), _FILE)
    assert change.metric == "instructions"
    assert change.share(COUNTED.total, change.total) == 1


# Baselines that do not fit.


def check_wrong(error: pytest.ExceptionInfo[AnvilError], text: str) -> None:
    (diagnostic,) = error.value.diagnostics
    assert error.value.exit_code is ExitCode.BAD_INPUT
    assert diagnostic.code == "bench.baseline"
    assert text in diagnostic.message
    assert diagnostic.file == _FILE
    assert diagnostic.hint


def test_another_model_and_another_target_are_refused() -> None:
    with pytest.raises(AnvilError) as caught:
        changes(COUNTED, before(replace(COUNTED, model_sha256="c" * 64)), _FILE)
    check_wrong(caught, "another model: SHA-256 cccccccccccc")
    with pytest.raises(AnvilError) as caught:
        check_targets(before(COUNTED, TIMED), ["nrf52840", "rpi4", "esp32"], _FILE)
    check_wrong(caught, "it has browser, nrf52840, and not rpi4, esp32")
    check_targets(before(COUNTED, TIMED), ["browser"], _FILE)
    counted_browser = replace(COUNTED, target="browser")
    with pytest.raises(AnvilError) as caught:
        changes(TIMED, before(counted_browser), _FILE)
    check_wrong(caught, "it has cycles and instructions, and here there is nanoseconds")


def _changed(path: tuple[str | int, ...], value: object) -> bytes:
    document = json.loads(saved(COUNTED))
    place: Any = document
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return json.dumps(document).encode()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "cannot be read"),
        (b"\xff\xfe", "cannot be read"),
        (b"[" * 100_000, "cannot be read"),
        (b"[]", "not what `anvil bench` saves"),
        (b'{"command": "build"}', "not what `anvil bench` saves"),
        (_changed(("format",), 2), "its format is 2"),
        (_changed(("targets",), 3), "not what `anvil bench` saves"),
        (_changed(("targets", 0, "layers", 0, "cycles"), -1), "cycles is -1"),
        (_changed(("targets", 0, "layers", 0, "cycles"), "1"), "cycles is '1'"),
        (_changed(("targets", 0, "total", "instructions"), 1e300), "instructions is 1e+300"),
        (_changed(("targets", 0, "total"), {}), "not what `anvil bench` saves"),
    ],
)
def test_a_file_that_is_no_baseline_is_refused(content: bytes, said: str) -> None:
    with pytest.raises(AnvilError) as caught:
        parse(content, _FILE)
    check_wrong(caught, said)


# The command line.


def test_percents_are_numbers_from_zero() -> None:
    parser = make_parser()
    words = ["bench", "--baseline", "b", "--fail-above"]
    assert parser.parse_args([*words, "1.5"]).fail_above == 1.5
    assert parser.parse_args([*words, "2%"]).fail_above == 2
    for word in ("x", "nan", "inf", ""):
        with pytest.raises(UsageError) as caught:
            parser.parse_args([*words, word])
        assert "percent from 0" in caught.value.message


def test_examples_hold() -> None:
    assert doctest.testmod(text).failed == 0
