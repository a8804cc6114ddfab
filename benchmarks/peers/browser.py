"""browser: Anvil's module beside tfjs-tflite and LiteRT.js in one page of a real Chromium.

One thread, since the page is not isolated from other origins, as pages are that nobody
prepared for threads.
"""

from __future__ import annotations

import contextlib
import functools
import http.server
import json
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import numpy as np
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.support.ui import WebDriverWait

from benchmarks.peers.anvil_builds import RefusedModelError, verified
from benchmarks.peers.contest import contest
from tests.system_packages import find

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from selenium.webdriver.chrome.webdriver import WebDriver

    from benchmarks.peers.contest import Standing

_FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run")
_WAIT_S = 60
_CALL = """
const [name, values, done] = [arguments[0], arguments[1], arguments[arguments.length - 1]];
const failed = (error) => done({ error: String(error) });
globalThis[name](...values).then((value) => done({ value }), failed);
"""
# Steps of int8 outputs, and parts of the largest float: all round in their own ways.
_LARGEST_STEPS = 16
_LARGEST_PART = 1e-3
# The peer of each kind of model. LiteRT.js refuses int8 inputs.
_PEER = {"int8": "tfjs-tflite", "float32": "LiteRT.js"}

_TYPES = {".mjs": "text/javascript", ".js": "text/javascript", ".wasm": "application/wasm"}


class _Handler(http.server.SimpleHTTPRequestHandler):
    """Serves folders below names, and nothing to standard error."""

    def __init__(self, *arguments: Any, folders: Mapping[str, Path], **named: Any) -> None:  # noqa: ANN401
        self._folders = folders
        super().__init__(*arguments, **named)

    def translate_path(self, path: str) -> str:
        """The file of a URL; one that leads out of its folder is not there."""
        first, _, rest = unquote(urlsplit(path).path).lstrip("/").partition("/")
        folder = self._folders.get(first)
        file = None if folder is None else (folder / rest).resolve()
        if folder is None or file is None or not file.is_relative_to(folder.resolve()):
            return str(Path(__file__).with_name("there is no such file"))
        return str(file)

    def guess_type(self, path: str | os.PathLike[str]) -> str:
        """The type of a file; those of modules and WebAssembly are not known everywhere."""
        return _TYPES.get(Path(path).suffix) or super().guess_type(path)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def browser_contests(
    models: Path, names: Sequence[str], packages: Path, work: Path
) -> Iterator[tuple[str, dict[str, Standing] | str]]:
    """Of each model, int8 and float32: its name with its type, and the times.

    Why there are none where Anvil does not take the model.
    """
    folders = {"npm": packages, "peers": Path(__file__).parent, "models": models, "work": work}
    for kind, peer in _PEER.items():
        for name in names:
            model = models / f"{name}.{kind}.tflite"
            if not model.is_file():
                continue
            folder = work / f"browser-{name}-{kind}"
            try:
                built = verified(folder, model, name, "browser", candidate=kind)
            except RefusedModelError as error:
                yield f"{name} {kind}", str(error)
                continue
            address = f"/work/{built.relative_to(work).as_posix()}/{name}.mjs"
            with _chromium(folders) as call:
                # A page of its own: what one engine compiled for a peer is not in another's way.
                own = call("prepare", "Anvil", address)
                other = call("prepare", peer, f"/models/{model.name}")
                _check(f"{name}.{kind}", peer, own, other)
                contenders: dict[str, Callable[[int], float]] = {
                    one: functools.partial(call, "turn", one) for one in ("Anvil", peer)
                }
                yield f"{name} {kind}", contest(contenders)


def _check(model: str, peer: str, own: list[float], other: list[float]) -> None:
    difference = float(np.abs(np.subtract(own, other)).max())
    scale = _LARGEST_STEPS if model.endswith("int8") else _LARGEST_PART * float(np.abs(own).max())
    if not difference <= scale:
        message = f"{peer} on {model}: outputs are {difference:g} from Anvil's"
        raise SystemExit(message)


@contextlib.contextmanager
def _chromium(folders: Mapping[str, Path]) -> Iterator[Callable[..., Any]]:
    """What calls a function of the page, which is loaded in a browser of its own."""
    chromium, driver_program = find("chromium"), find("chromedriver")
    if chromium is None or driver_program is None:
        message = "chromium and chromedriver are wanted: apt-get install chromium chromium-driver"
        raise SystemExit(message)
    handler = functools.partial(_Handler, folders=folders)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    options = webdriver.ChromeOptions()
    options.binary_location = str(chromium)
    for flag in _FLAGS:
        options.add_argument(flag)
    driver = webdriver.Chrome(options=options, service=Service(str(driver_program)))
    driver.set_script_timeout(_WAIT_S * 5)
    try:
        driver.get(f"http://127.0.0.1:{server.server_address[1]}/peers/page.html")
        WebDriverWait(driver, _WAIT_S).until(
            lambda d: d.execute_script("return globalThis.isReady === true")
        )
        yield functools.partial(_call, driver)
    finally:
        driver.quit()
        server.shutdown()
        server.server_close()
        thread.join()


def _call(driver: WebDriver, name: str, *values: object) -> Any:  # noqa: ANN401  what JavaScript gives
    answer: dict[str, Any] = driver.execute_async_script(_CALL, name, list(values))
    if "error" in answer:
        raise SystemExit(answer["error"])
    return answer["value"]


def versions(packages: Path) -> list[str]:
    """Chromium's version and those of the packages that the page loads."""
    found = []
    for name in ("@tensorflow/tfjs-tflite", "@tensorflow/tfjs-core", "@litertjs/core"):
        package = json.loads((packages / name / "package.json").read_bytes())
        found.append(f"{name} {package['version']}")
    with _chromium({"peers": Path(__file__).parent, "npm": packages}) as call:
        driver: WebDriver = call.args[0]  # type: ignore[attr-defined]
        found.insert(0, f"Chromium {driver.capabilities['browserVersion']}")
    return found
