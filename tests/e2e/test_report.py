"""anvil report: the command, and its page in a real headless Chromium."""

from __future__ import annotations

import base64
import json
import stat
from typing import TYPE_CHECKING, Any

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select, WebDriverWait

from anvil.report.page import make_report
from anvil.resources import built_in, contents, read_folder
from tests.support import report_documents
from tests.support.cli import anvil, write_project
from tests.support.programs import ROOT
from tests.unit.test_report import HOSTILE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from selenium.webdriver.chrome.webdriver import WebDriver
    from selenium.webdriver.remote.webelement import WebElement

    from anvil.report.documents import TargetDocuments

_MODEL = ROOT / "quantized" / "int8.tflite"
_WAIT_S = 30
_DARK, _BRIGHT = 60, 200  # of 255


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, built_example: Path) -> Path:
    """The example's model as a project of its own; its targets come from the cache."""
    del built_example
    return write_project(tmp_path_factory.mktemp("report") / "digits", _MODEL, name="digits")


@pytest.fixture(scope="module")
def report_file(project: Path) -> Path:
    ended = anvil("report", "--project", project, "--json")
    assert ended.returncode == 0, ended.stderr
    assert ended.document()["report"] == str(project / "build" / "report.html")
    return project / "build" / "report.html"


def _open(driver: WebDriver, path: Path) -> None:
    driver.get_log("browser")  # type: ignore[no-untyped-call]
    driver.get(path.resolve().as_uri())
    WebDriverWait(driver, _WAIT_S, 0.02).until(
        lambda d: d.execute_script("return document.documentElement.classList.contains('scripted')")
    )


def _assert_quiet(driver: WebDriver) -> None:
    """Nothing was fetched, and the console holds no complaint."""
    assert driver.execute_script("return performance.getEntriesByType('resource').length") == 0
    assert driver.get_log("browser") == []  # type: ignore[no-untyped-call]


def _written(folder: Path, *targets: TargetDocuments, name: str = "words") -> Path:
    path = folder / "report.html"
    templates = contents(read_folder(built_in("templates")))
    path.write_bytes(make_report(name, targets, templates))
    return path


@pytest.fixture
def rich(driver: WebDriver, tmp_path: Path) -> WebDriver:
    """A report of two targets with five candidates each."""
    targets = [report_documents.documents(name) for name in ("nrf52840", "rpi4")]
    _open(driver, _written(tmp_path, *targets))
    return driver


@pytest.fixture
def media(driver: WebDriver) -> Iterator[Any]:
    """Pretends another medium or colour scheme, until the test ends."""

    def pretend(**settings: Any) -> None:  # noqa: ANN401  as the protocol has them
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", settings)

    yield pretend
    pretend(media="", features=[])


def _visible(driver: WebDriver, selector: str) -> list[WebElement]:
    return [one for one in driver.find_elements(By.CSS_SELECTOR, selector) if one.is_displayed()]


# The command.


def test_the_report_says_what_was_built(driver: WebDriver, report_file: Path) -> None:
    _open(driver, report_file)
    rows = driver.find_elements(By.CSS_SELECTOR, ".comparison tbody tr")
    assert [row.find_element(By.TAG_NAME, "a").text for row in rows] == [
        "nrf52840",
        "rpi4",
        "browser",
        "linux-x86_64",
    ]
    plan = json.loads((report_file.parent / "nrf52840" / "plan.json").read_text("utf-8"))
    measured = json.loads((report_file.parent / "nrf52840" / "measured.json").read_text("utf-8"))
    text = driver.find_element(By.ID, "target-0").get_attribute("textContent") or ""
    assert f"{plan['arena_bytes']:,} B" in text
    assert f"{measured['flash_bytes']['total']:,} B" in text
    assert plan["digest"] in text
    for op in plan["ops"]:
        assert op["variant"] in text
    blocks = _visible(driver, ".block")
    assert len(blocks) == len(plan["memory"])
    assert _visible(driver, ".flash .part")
    assert _visible(driver, ".bars .row")
    _assert_quiet(driver)


def test_a_second_report_is_the_same_file(project: Path, report_file: Path) -> None:
    before = report_file.read_bytes(), report_file.stat().st_mtime_ns
    ended = anvil("report", "--project", project)
    assert ended.returncode == 0, ended.stderr
    assert f"report: {report_file}" in ended.stderr
    assert (report_file.read_bytes(), report_file.stat().st_mtime_ns) == before


def test_one_target_into_a_named_file(project: Path, tmp_path: Path) -> None:
    path = tmp_path / "new" / "rpi4.html"
    ended = anvil("report", "--project", project, "--target", "rpi4", "--out", path, "--quiet")
    assert (ended.returncode, ended.stderr) == (0, "")
    text = path.read_text(encoding="utf-8")
    assert "Raspberry Pi 4" in text
    assert "nrf52840" not in text
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_a_folder_is_no_file(project: Path, tmp_path: Path) -> None:
    ended = anvil("report", "--project", project, "--target", "rpi4", "--out", tmp_path)
    assert ended.returncode == 1
    assert f"cannot write the report {tmp_path}" in ended.stderr
    assert "--out" in ended.stderr


def test_a_target_that_does_not_fit_is_reported_beside_the_others(tmp_path: Path) -> None:
    targets = "{rpi4: {}, nrf52840: {requirements: {max_ram: 4 KiB}}}"
    folder = write_project(tmp_path, _MODEL, name="digits", targets=targets)
    ended = anvil("report", "--project", folder, "--json")
    assert ended.returncode == 3
    assert ended.statuses() == {"rpi4": "built", "nrf52840": "does_not_fit"}
    text = (folder / "build" / "report.html").read_text(encoding="utf-8")
    assert "digits fits 1 of 2 targets" in text
    assert "max_ram" in text


def test_without_a_usable_model_nothing_is_written(tmp_path: Path) -> None:
    (tmp_path / "broken.tflite").write_bytes(b"nothing")
    folder = write_project(tmp_path, "broken.tflite")
    ended = anvil("report", "--project", folder)
    assert ended.returncode == 2
    assert not (folder / "build" / "report.html").exists()


# The page.


def test_every_plot_is_there_and_quiet(rich: WebDriver) -> None:
    for name in ("pareto", "memory", "flash", "accuracy", "bars"):
        (chart,) = _visible(rich, f".chart.{name}")
        size = chart.rect
        assert size["width"] > 300, name
        assert size["height"] > 100, name
    _assert_quiet(rich)


def test_nothing_is_wider_than_the_window(rich: WebDriver) -> None:
    for width in (360, 800, 1400):
        rich.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False},
        )
        try:
            assert rich.execute_script("return document.documentElement.scrollWidth") <= width
        finally:
            rich.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def _positions(driver: WebDriver) -> list[tuple[str | None, str | None]]:
    points = _visible(driver, ".pareto .points .mark")
    return [(one.get_attribute("cx"), one.get_attribute("cy")) for one in points]


def test_the_axes_can_be_chosen(rich: WebDriver) -> None:
    before = _positions(rich)
    front = rich.find_element(By.CSS_SELECTOR, ".pareto .front").get_attribute("d")
    across = Select(rich.find_element(By.CSS_SELECTOR, 'select[data-axis="x"]'))
    assert across.first_selected_option.text == "Flash"
    across.select_by_visible_text("RAM")
    title = rich.find_element(By.CSS_SELECTOR, ".pareto .title.x").text
    assert title == "RAM (less is better)"
    after = _positions(rich)
    assert len(after) == len(before) == 15
    assert [x for x, _ in after] != [x for x, _ in before]
    # Drawn by the script and not by Python, which may write less digits.
    assert [float(y or 0) for _, y in after] == pytest.approx(
        [float(y or 0) for _, y in before], abs=0.05
    )
    assert rich.find_element(By.CSS_SELECTOR, ".pareto .front").get_attribute("d") != front
    # The requirement of 28 KiB is a line of this axis.
    assert rich.find_element(By.CSS_SELECTOR, ".pareto .limit.x").get_attribute("d")
    across.select_by_visible_text("Flash")
    assert rich.find_element(By.CSS_SELECTOR, ".pareto .title.x").text == "Flash (less is better)"
    _assert_quiet(rich)


def test_points_without_a_figure_leave_the_plot(driver: WebDriver, tmp_path: Path) -> None:
    plan = report_documents.plan("nrf52840")
    for choice in plan["choices"][:4]:
        choice["latency_s"] = None
    _open(driver, _written(tmp_path, report_documents.documents(plan=plan)))
    assert len(_positions(driver)) == 15
    Select(driver.find_element(By.CSS_SELECTOR, 'select[data-axis="y"]')).select_by_value(
        "latency_s"
    )
    assert len(_positions(driver)) == 11


def test_tabs_by_pointer_and_keyboard(rich: WebDriver) -> None:
    tabs = rich.find_elements(By.CSS_SELECTOR, "[role=tab]")
    assert [tab.get_attribute("aria-selected") for tab in tabs] == ["true", "false"]
    assert len(_visible(rich, ".target")) == 1
    tabs[1].click()
    (shown,) = _visible(rich, ".target")
    assert shown.get_attribute("id") == "target-1"
    tabs[1].send_keys(Keys.ARROW_RIGHT)
    (shown,) = _visible(rich, ".target")
    assert shown.get_attribute("id") == "target-0"
    assert rich.switch_to.active_element == tabs[0]
    rich.find_elements(By.CSS_SELECTOR, ".comparison a")[1].click()
    (shown,) = _visible(rich, ".target")
    assert shown.get_attribute("id") == "target-1"


def test_tips_by_keyboard(rich: WebDriver) -> None:
    tip = rich.find_element(By.ID, "tip")
    assert not tip.is_displayed()
    first = rich.find_element(By.CSS_SELECTOR, '.memory .mark[tabindex="0"]')
    rich.execute_script("arguments[0].focus()", first)
    assert tip.text == first.get_attribute("data-tip")
    assert " B at " in tip.text
    first.send_keys(Keys.ARROW_RIGHT)
    second = rich.switch_to.active_element
    assert second != first
    assert tip.text == second.get_attribute("data-tip") != first.get_attribute("data-tip")
    second.send_keys(Keys.ESCAPE)
    assert not tip.is_displayed()


def test_tables_stand_behind_the_plots(rich: WebDriver) -> None:
    details = _visible(rich, "details")
    assert len(details) == 6
    assert not _visible(rich, "details table")
    for one in details:
        one.find_element(By.TAG_NAME, "summary").click()
        assert one.find_element(By.TAG_NAME, "table").is_displayed()


def _colours(driver: WebDriver) -> tuple[float, float]:
    """The brightness of the ground and of the text, each 0 to 255."""
    found: list[str] = driver.execute_script(
        "const style = getComputedStyle(document.body);return [style.backgroundColor, style.color]"
    )
    ground, ink = (
        sum(int(n) for n in text[text.index("(") + 1 : -1].split(",")[:3]) / 3 for text in found
    )
    return ground, ink


def test_dark_and_light(rich: WebDriver, media: Any) -> None:  # noqa: ANN401  a function
    media(features=[{"name": "prefers-color-scheme", "value": "light"}])
    ground, ink = _colours(rich)
    assert ground > _BRIGHT
    assert ink < _DARK
    media(features=[{"name": "prefers-color-scheme", "value": "dark"}])
    ground, ink = _colours(rich)
    assert ground < _DARK
    assert ink > _BRIGHT


def test_on_paper_all_targets_stand_below_each_other(rich: WebDriver, media: Any) -> None:  # noqa: ANN401
    media(media="print", features=[{"name": "prefers-color-scheme", "value": "dark"}])
    assert len(_visible(rich, ".target")) == 2
    assert not _visible(rich, "nav, .axes")
    ground, ink = _colours(rich)
    assert ground > _BRIGHT
    assert ink < _DARK
    printed: str = rich.execute_cdp_cmd("Page.printToPDF", {})["data"]
    assert base64.b64decode(printed).startswith(b"%PDF")


def test_hostile_names_do_no_harm(driver: WebDriver, tmp_path: Path) -> None:
    plan = report_documents.plan("nrf52840", HOSTILE)
    plan["choices"][0]["candidate"] = HOSTILE[2]
    plan["decision"]["text"] = list(HOSTILE)
    documents = report_documents.documents(plan=plan, board=HOSTILE[0])
    _open(driver, _written(tmp_path, documents, name=HOSTILE[0]))
    assert driver.execute_script("return document.scripts.length") == 2
    assert driver.execute_script("return document.images.length") == 0
    assert not driver.execute_script("return document.querySelector('[onmouseover]') !== null")
    assert driver.find_element(By.TAG_NAME, "h1").text == HOSTILE[0]
    for mark in driver.find_elements(By.CSS_SELECTOR, ".memory .mark"):
        driver.execute_script("arguments[0].focus()", mark)
    tips = {
        mark.get_attribute("data-tip").split("\n")[0]  # type: ignore[union-attr]
        for mark in driver.find_elements(By.CSS_SELECTOR, ".memory .mark")
    }
    assert set(HOSTILE[:9]) <= tips
    _assert_quiet(driver)


def test_without_its_script_the_page_shows_everything(driver: WebDriver, tmp_path: Path) -> None:
    targets = [report_documents.documents(name) for name in ("nrf52840", "rpi4")]
    path = _written(tmp_path, *targets)
    driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        driver.get(path.resolve().as_uri())
        assert len(driver.find_elements(By.CSS_SELECTOR, ".target")) == 2
        assert driver.find_elements(By.CSS_SELECTOR, ".mark title")
        printed = driver.execute_cdp_cmd("Page.printToPDF", {})["data"]
        assert base64.b64decode(printed).startswith(b"%PDF")
    finally:
        driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
