"""The browser's page in a real headless Chromium.

`built_browser` (conftest.py) is the folder that `anvil build --target browser` left of the
repository's own example.
"""

from __future__ import annotations

import http.server
import json
import os
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from tests.support import digit_strokes
from tests.support.programs import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from selenium.webdriver.chrome.webdriver import WebDriver
    from selenium.webdriver.remote.webelement import WebElement

N_IMAGES = 100
_WAIT_S = 30
_POLL_S = 0.02
NO_ANSWER = "\N{EN DASH}"


@contextmanager
def _server(folder: Path) -> Iterator[tuple[str, list[str]]]:
    """A loopback server of one folder: its address, and the paths that were asked for."""
    asked: list[str] = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments: Any) -> None:  # noqa: ANN401  as its base class has them
            super().__init__(*arguments, directory=os.fspath(folder))

        def log_message(self, *_: object) -> None:
            asked.append(self.path)

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", asked
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def page(driver: WebDriver, built_browser: Path) -> WebDriver:
    """The page, opened as by a double-click."""
    _open(driver, (built_browser / "index.html").resolve().as_uri())
    return driver


def _open(driver: WebDriver, url: str) -> None:
    _console(driver)  # forget an earlier page's
    driver.get(url)
    WebDriverWait(driver, _WAIT_S, _POLL_S).until(
        lambda d: d.execute_script("return globalThis.anvil !== undefined")
    )


def _console(driver: WebDriver) -> list[dict[str, Any]]:
    """What the browser's console got since it was asked last."""
    messages: list[dict[str, Any]] = driver.get_log("browser")  # type: ignore[no-untyped-call]
    return messages


def _answer(driver: WebDriver) -> str:
    return driver.find_element(By.ID, "answer").text


def _set_input(driver: WebDriver, image: np.ndarray[Any, np.dtype[np.int8]]) -> None:
    driver.execute_script("anvil.setInput(Int8Array.from(arguments[0]))", image.ravel().tolist())


def _input(driver: WebDriver) -> np.ndarray[Any, np.dtype[np.int8]]:
    elements = driver.execute_script("return Array.from(anvil.input())")
    return np.array(elements, np.int8).reshape(8, 8)


def _images() -> np.ndarray[Any, np.dtype[np.int8]]:
    """The first evaluation images as the model stores them: 0 is -128, 1 is 127."""
    with np.load(ROOT / "examples" / "digits" / "evaluation.npz") as data:
        images: np.ndarray[Any, np.dtype[np.int8]]
        images = (np.round(data["x"][:N_IMAGES] * 255) - 128).astype(np.int8)
        return images


def _reference_digits(images: np.ndarray[Any, np.dtype[np.int8]]) -> list[int]:
    from ai_edge_litert.interpreter import Interpreter, OpResolverType  # noqa: PLC0415  heavy

    interpreter = Interpreter(
        model_path=str(ROOT / "quantized" / "int8.tflite"),
        experimental_op_resolver_type=OpResolverType.BUILTIN_REF,
    )
    interpreter.allocate_tensors()
    (input_,), (output,) = interpreter.get_input_details(), interpreter.get_output_details()
    digits = []
    for image in images:
        interpreter.set_tensor(input_["index"], image[np.newaxis])
        interpreter.invoke()
        digits.append(int(interpreter.get_tensor(output["index"]).argmax()))
    return digits


def _assert_quiet(driver: WebDriver) -> None:
    """Nothing was fetched, and the console holds no complaint, such as of the page's policy."""
    assert driver.execute_script("return performance.getEntriesByType('resource').length") == 0
    assert _console(driver) == []


def _shown_answers(driver: WebDriver, images: np.ndarray[Any, np.dtype[np.int8]]) -> list[int]:
    answers = []
    for image in images:
        _set_input(driver, image)
        answers.append(int(_answer(driver)))
    return answers


def test_the_page_from_a_file_answers_as_the_reference(page: WebDriver) -> None:
    images = _images()
    expected = _reference_digits(images)
    assert len(set(expected)) == 10
    assert _shown_answers(page, images) == expected
    _assert_quiet(page)


def test_the_page_from_a_server_asks_for_nothing_else(
    driver: WebDriver, built_browser: Path
) -> None:
    images = _images()[:10]
    with _server(built_browser) as (address, asked):
        _open(driver, f"{address}/index.html")
        assert _shown_answers(driver, images) == _reference_digits(images)
        _assert_quiet(driver)
    assert asked == ["/index.html"]


def test_the_page_may_not_reach_the_network(page: WebDriver, built_browser: Path) -> None:
    with _server(built_browser) as (address, asked):
        outcome = page.execute_async_script(
            "const done = arguments[1];"
            "fetch(arguments[0]).then(() => done('reached'), (error) => done(error.name));",
            address,
        )
    assert outcome == "TypeError"
    assert asked == []


def test_the_module_loads_from_a_server_that_does_not_know_wasm(
    driver: WebDriver, built_browser: Path, tmp_path: Path
) -> None:
    """As an application would use it: an import, and a .wasm of the wrong type beside it."""
    for name in ("digits.mjs", "digits.wasm"):
        (tmp_path / name).write_bytes((built_browser / name).read_bytes())
    (tmp_path / "index.html").write_text(
        '<!doctype html><link rel="icon" href="data:,"><script type="module">'
        'import { load } from "./digits.mjs"; globalThis.anvil = await load();</script>',
        encoding="utf-8",
    )
    types = http.server.SimpleHTTPRequestHandler.extensions_map
    known = dict(types)
    types[".wasm"] = "text/plain"
    try:
        with _server(tmp_path) as (address, asked):
            _open(driver, f"{address}/index.html")
            outputs = driver.execute_script(
                "return anvil.invoke(new Int8Array(64)).map((array) => array.length)"
            )
    finally:
        types.clear()
        types.update(known)
    assert outputs == [10]
    assert asked == ["/index.html", "/digits.mjs", "/digits.wasm"]
    assert _console(driver) == []


def test_bars_show_every_class_and_the_best(page: WebDriver) -> None:
    _set_input(page, _images()[0])
    rows = page.find_elements(By.CSS_SELECTOR, "#bars li")
    assert [row.text.split()[0] for row in rows] == [str(digit) for digit in range(10)]
    (best,) = page.find_elements(By.CSS_SELECTOR, "#bars li.best")
    assert best.text.split()[0] == _answer(page)
    shares = [float(row.text.split()[1]) for row in rows]
    assert sum(shares) == pytest.approx(100, abs=3)
    assert max(shares) == float(best.text.split()[1])


# ------------------------------------------------------------------ drawing


def _pad(driver: WebDriver) -> WebElement:
    return driver.find_element(By.ID, "pad")


def _draw(driver: WebDriver, strokes: list[list[tuple[float, float]]]) -> None:
    """With a real pointer; points are shares of the pad's width and height."""
    pad = _pad(driver)
    width, height = pad.size["width"], pad.size["height"]
    for stroke in strokes:
        actions = ActionChains(driver, duration=5)
        for number, (x, y) in enumerate(stroke):
            actions.move_to_element_with_offset(
                pad, round((x - 0.5) * width), round((y - 0.5) * height)
            )
            if number == 0:
                actions.click_and_hold()
        actions.release().perform()


def _wait_for_frame(driver: WebDriver) -> None:
    """The page answers a drawing in the next frame."""
    driver.execute_async_script(
        "const done = arguments[0]; requestAnimationFrame(() => requestAnimationFrame(done));"
    )


@pytest.mark.parametrize("digit", range(10))
def test_a_drawn_digit_is_read(page: WebDriver, digit: int) -> None:
    assert _answer(page) == NO_ANSWER
    _draw(page, digit_strokes.DIGITS[digit])
    _wait_for_frame(page)
    assert _answer(page) == str(digit)
    _assert_quiet(page)


def test_a_small_drawing_in_a_corner_is_read_by_its_fit(page: WebDriver) -> None:
    small = [
        [(0.05 + 0.35 * x, 0.6 + 0.35 * y) for x, y in stroke] for stroke in digit_strokes.DIGITS[3]
    ]
    _draw(page, small)
    _wait_for_frame(page)
    assert _answer(page) == "3"
    # All the height of the frame, as in the data that the model knows.
    fitted = _input(page)
    assert (fitted[0] > -128).any()
    assert (fitted[7] > -128).any()

    page.find_element(By.ID, "fit").click()
    _wait_for_frame(page)
    plain = _input(page)
    assert (plain[:4] == -128).all()
    assert (plain[4:, :4] > -128).any()


def test_a_block_counts_the_ink_of_its_bits(page: WebDriver) -> None:
    page.find_element(By.ID, "fit").click()
    _draw(page, [[(0.1, 0.55), (0.9, 0.55)]])
    _wait_for_frame(page)
    # Every element is one of 17 counts, on the model's scale.
    assert set(_input(page).ravel().tolist()) <= {
        round(count / 16 * 255 + 1e-9) - 128 for count in range(17)
    }
    # A level line 4.5 bits thick about bit 17.6 of 32: rows 15 to 19, in blocks 3 and 4.
    column = _input(page)[:, 4]
    assert (column > -128).tolist() == [False, False, False, True, True, False, False, False]
    assert column[4] == 127


def test_clear_and_undo(page: WebDriver) -> None:
    _draw(page, [[(0.3, 0.3), (0.7, 0.3)]])
    _wait_for_frame(page)
    one = _input(page)
    _draw(page, [[(0.3, 0.7), (0.7, 0.7)]])
    _wait_for_frame(page)
    assert not np.array_equal(_input(page), one)
    page.find_element(By.ID, "undo").click()
    _wait_for_frame(page)
    assert np.array_equal(_input(page), one)
    page.find_element(By.ID, "clear").click()
    _wait_for_frame(page)
    assert _answer(page) == NO_ANSWER
    assert (_input(page) == -128).all()


def test_drawing_by_keyboard(page: WebDriver) -> None:
    pad = _pad(page)
    page.execute_script("arguments[0].focus()", pad)
    up, down, space = "\ue013", "\ue015", " "
    ActionChains(page).send_keys(up * 6, space, down * 12, space).perform()
    _wait_for_frame(page)
    assert _answer(page) == "1"


def test_drawing_by_touch(page: WebDriver) -> None:
    box = page.execute_script("return arguments[0].getBoundingClientRect().toJSON()", _pad(page))

    def touch(kind: str, *points: tuple[float, float]) -> None:
        page.execute_cdp_cmd(
            "Input.dispatchTouchEvent",
            {
                "type": kind,
                "touchPoints": [
                    {"x": box["left"] + x * box["width"], "y": box["top"] + y * box["height"]}
                    for x, y in points
                ],
            },
        )

    before = page.execute_script("return scrollY")
    touch("touchStart", (0.5, 0.2))
    for step in range(1, 7):
        touch("touchMove", (0.5, 0.2 + step / 10))
    touch("touchEnd")
    _wait_for_frame(page)
    assert _answer(page) == "1"
    assert page.execute_script("return scrollY") == before


# ------------------------------------------------------------------ other input


def _use_numbers(driver: WebDriver, text: str) -> str:
    driver.execute_script(
        "document.getElementById('other').open = true;"
        "document.getElementById('numbers').value = arguments[0];"
        "document.getElementById('use-numbers').click();",
        text,
    )
    return driver.find_element(By.ID, "status").text


def test_pasted_numbers(page: WebDriver) -> None:
    image = _images()[7]
    (expected,) = _reference_digits(image[np.newaxis])
    _use_numbers(page, json.dumps(image.tolist()))
    assert _answer(page) == str(expected)
    assert np.array_equal(_input(page), image[..., 0])


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("1 2 3", "64 numbers are needed (1 \u00d7 8 \u00d7 8 \u00d7 1), found 3"),
        ("x " * 64, "“x” is no number"),
        ("300 " * 64, "300 is no int8; tick “Real values” to have it converted"),
        ("0.5 " * 64, "0.5 is no int8; tick “Real values” to have it converted"),
    ],
)
def test_wrong_numbers_are_explained(page: WebDriver, text: str, complaint: str) -> None:
    assert _use_numbers(page, text) == complaint
    assert _answer(page) == NO_ANSWER


@pytest.mark.parametrize("kind", ["raw", "int8.npy", "float32.npy"])
def test_a_file_of_data(page: WebDriver, kind: str, tmp_path: Path) -> None:
    image = _images()[11]
    file = tmp_path / f"image.{kind}"
    if kind == "raw":
        file.write_bytes(image.tobytes())
    elif kind == "int8.npy":
        np.save(file, image)
    else:
        np.save(file, ((image.astype(np.float32) + 128) / 255))
    (expected,) = _reference_digits(image[np.newaxis])
    page.find_element(By.ID, "file").send_keys(str(file))
    WebDriverWait(page, _WAIT_S, _POLL_S).until(
        lambda d: d.find_element(By.ID, "status").get_property("textContent") == file.name
    )
    assert _answer(page) == str(expected)
    assert np.array_equal(_input(page), image[..., 0])


def test_wrong_input_is_refused(page: WebDriver) -> None:
    message = page.execute_script(
        "try { anvil.setInput(new Uint8Array(64)); } catch (error) { return error.message; }"
    )
    assert message == "input 0 is Int8Array of 64 elements, found Uint8Array of 64"
    assert _answer(page) == NO_ANSWER


# ------------------------------------------------------------------ everywhere


@pytest.mark.parametrize("width", [320, 390, 768])
def test_nothing_sticks_out_of_a_narrow_screen(page: WebDriver, width: int) -> None:
    metrics = {"width": width, "height": 800, "deviceScaleFactor": 2, "mobile": True}
    page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    try:
        page.execute_script("document.getElementById('other').open = true")
        _set_input(page, _images()[0])
        assert page.execute_script("return document.documentElement.scrollWidth") == width
    finally:
        page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_in_both_schemes(page: WebDriver, scheme: str) -> None:
    """At least 4.5 to 1, as WCAG 2.2 asks for text (1.4.3)."""
    feature = {"name": "prefers-color-scheme", "value": scheme}
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
    try:
        _set_input(page, _images()[0])
        colours = page.execute_script(
            "const colour = (selector, property) =>"
            "  getComputedStyle(document.querySelector(selector))[property];"
            "return {card: colour('.card', 'backgroundColor'),"
            "  ground: colour('body', 'backgroundColor'),"
            "  text: ['#answer', '#clear', '.best', 'dt', 'h2', '#bars li:not(.best) span']"
            "    .map((selector) => colour(selector, 'color')),"
            "  header: [colour('h1', 'color'), colour('#summary', 'color')]};"
        )
    finally:
        page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    assert (_luminance(colours["ground"]) < 0.5) == (scheme == "dark")
    for text in colours["text"]:
        assert _contrast(text, colours["card"]) >= 4.5, text
    for text in colours["header"]:
        assert _contrast(text, colours["ground"]) >= 4.5, text


def _luminance(colour: str) -> float:
    """Relative luminance of `rgb(r, g, b)`, as WCAG defines it."""
    parts = [int(part) / 255 for part in colour.removeprefix("rgb(").removesuffix(")").split(",")]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _contrast(one: str, other: str) -> float:
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_every_control_has_a_name(page: WebDriver) -> None:
    page.execute_script("document.getElementById('other').open = true")
    controls = page.find_elements(By.CSS_SELECTOR, "button, input, select, textarea, canvas")
    shown = [control for control in controls if control.is_displayed()]
    assert len(shown) == 12
    for control in shown:
        assert control.accessible_name != "", control.get_attribute("outerHTML")
