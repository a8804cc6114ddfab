"""The README's picture of a report: the upper part of its page, in headless Chromium.

python docs/picture.py build/report.html docs/report.png
"""

from __future__ import annotations

import argparse
import base64
import io
import shutil
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

_WIDTH, _HEIGHT = 1280, 1995
_N_COLOURS = 256


def take(report: Path, scheme: str) -> bytes:
    """A PNG of the report in the colour scheme `light` or `dark`."""
    options = webdriver.ChromeOptions()
    with tempfile.TemporaryDirectory() as profile:
        for flag in (
            "--headless",
            "--no-sandbox",
            "--hide-scrollbars",
            f"--user-data-dir={profile}",
        ):
            options.add_argument(flag)
        # Both by their names, so that selenium asks nobody for them.
        options.binary_location = shutil.which("chromium") or ""
        service = Service(shutil.which("chromedriver"))
        driver = webdriver.Chrome(options=options, service=service)
        try:
            features = [{"name": "prefers-color-scheme", "value": scheme}]
            driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
            size = {"width": _WIDTH, "height": _HEIGHT, "deviceScaleFactor": 1, "mobile": False}
            driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
            driver.get(report.resolve().as_uri())
            shot = driver.execute_cdp_cmd("Page.captureScreenshot", {"format": "png"})
            return base64.b64decode(shot["data"])
        finally:
            driver.quit()


def few_colours(picture: Image.Image) -> Image.Image:
    """The picture with a palette of its most frequent colours: the flat ones stay exact."""
    colours, counts = np.unique(np.asarray(picture).reshape(-1, 3), axis=0, return_counts=True)
    frequent = colours[np.argsort(-counts, kind="stable")[:_N_COLOURS]]
    palette = Image.new("P", (1, 1))
    palette.putpalette(frequent.ravel().tolist())
    return picture.quantize(palette=palette, dither=Image.Dither.NONE)


def main() -> None:
    """Write the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("report", type=Path)
    parser.add_argument("picture", type=Path)
    parser.add_argument("--scheme", choices=("light", "dark"), default="light")
    arguments = parser.parse_args()
    picture = Image.open(io.BytesIO(take(arguments.report, arguments.scheme))).convert("RGB")
    few_colours(picture).save(arguments.picture, optimize=True)


if __name__ == "__main__":
    main()
