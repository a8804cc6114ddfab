"""anvil.lock as a text: canonical, and read back as the same."""

from __future__ import annotations

import difflib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anvil.config.yaml_source import parse_yaml
from anvil.core.diagnostics import AnvilError
from anvil.core.digest import canonical_json
from anvil.lock.document import Lock, digest_of_values, lock_text
from anvil.lock.pins import parse_pins, pinned_hashes
from anvil.pipeline.lock_file import parse_lock
from tests.support.configuration import schemas
from tests.support.golden import Golden
from tests.support.locks import IMAGE, changed, lock, sections, sha


def read(content: bytes) -> Lock:
    return parse_lock(content, "anvil.lock", schemas()).lock


def test_the_text_is_canonical(golden: Golden) -> None:
    golden.check("lock/anvil.lock", lock_text(lock()))
    reordered = {key: sections()[key] for key in reversed(sections())}
    assert lock_text(Lock(sections=reordered)) == lock_text(lock())


@pytest.mark.parametrize("image", [IMAGE, None])
def test_what_is_written_is_read_back(image: object) -> None:
    whole = lock(IMAGE if image is IMAGE else None)
    assert canonical_json(dict(read(lock_text(whole)).sections)) == canonical_json(
        dict(whole.sections)
    )
    assert read(lock_text(whole)).image == image


def test_the_digest_covers_everything_else() -> None:
    values = parse_yaml(lock_text(lock()), "anvil.lock").value
    assert values["digest"] == lock().digest == digest_of_values(values)
    assert changed("kernels/built_in", sha(99)).digest != lock().digest


@pytest.mark.parametrize(
    ("path", "value", "n_lines"),
    [("image/packages/tzdata/version", "2025b-0", 2), ("models/float16", sha(98), 1)],
)
def test_a_small_change_is_a_small_difference(path: str, value: str, n_lines: int) -> None:
    after = changed(path, value)
    lines = list(
        difflib.unified_diff(
            lock_text(lock()).decode().splitlines(),
            lock_text(after).decode().splitlines(),
            n=0,
            lineterm="",
        )
    )
    found = [line for line in lines[2:] if not line.startswith("@@") and "digest:" not in line]
    assert len(found) == n_lines


def test_line_ends_and_comments_are_no_edit() -> None:
    text = lock_text(lock())
    assert read(text.replace(b"\n", b"\r\n") + b"# kept by Git\n").digest == lock().digest


@given(st.sampled_from([b"0", b"f", b" ", b"\n", b'"', b":", b"\xff"]), st.data())
def test_a_changed_byte_is_never_taken_for_the_lock(byte: bytes, data: st.DataObject) -> None:
    text = lock_text(lock())
    place = data.draw(st.integers(min_value=0, max_value=len(text) - 1))
    edited = text[:place] + byte + text[place + 1 :]
    try:
        found = read(edited)
    except AnvilError:
        return
    assert found.digest == lock().digest  # in a comment, or of the layout


@pytest.mark.parametrize("length", range(0, 3000, 97))
def test_a_lock_that_was_cut_short_is_refused(length: int) -> None:
    text = lock_text(lock())
    assert len(text) > 3000
    with pytest.raises(AnvilError) as caught:
        read(text[:length])
    assert all(re.match(r"anvil\.lock:\d+:\d+$", d.location) for d in caught.value.diagnostics)


def test_a_target_s_candidate_is_found_by_its_reference() -> None:
    assert lock().candidate("nrf52840") == ("int8", sha(19))
    assert lock().candidate("rpi4") == ("mixed", sha(20))
    assert lock().candidate("browser") is None


def test_a_command_for_some_targets_asks_for_their_part() -> None:
    values = sections()
    gcc = {"kind": "gcc"}
    m4f, a72 = {"cortex-m4f": sha(60)}, {"cortex-a72": sha(61)}
    arm: dict[str, object] = {"version": "12", "sha256": []}
    aarch64: dict[str, object] = {"version": "13", "sha256": []}
    values["toolchains"]["gcc"] = {**gcc, "cores": m4f | a72}
    values["toolchains"]["gcc"]["packages"] = {"arm": arm, "aarch64": aarch64}
    values["targets"]["rpi4"]["toolchain"] = "gcc"
    whole = Lock(sections=values)
    found = sections()
    del found["targets"]["nrf52840"]
    found["toolchains"] = {"gcc": {**gcc, "cores": a72, "packages": {"aarch64": aarch64}}}
    part = whole.restricted(Lock(sections=found))
    assert part.sections["toolchains"] == found["toolchains"]
    assert list(part.sections["targets"]) == ["rpi4"]
    assert part.sections["wheels"] == values["wheels"]


# Pins.

REQUIREMENTS = f"""\
# Pinned.
PyYAML==6.0.3 \\
    --hash=sha256:{sha(2)} \\
    --hash=sha256:{sha(1)}
numpy==2.4.6 ; python_full_version >= '3.11' \\
    --hash=sha256:{sha(3)}
numpy==2.2.0 ; python_full_version < '3.11' \\
    --hash=sha256:{sha(4)}
"""


def test_pins_are_read_as_pip_reads_them() -> None:
    pins = parse_pins([REQUIREMENTS, f"numpy==2.4.6 --hash=sha256:{sha(5)}\n"])
    assert pinned_hashes(pins, "pyyaml", "6.0.3") == [sha(1), sha(2)]
    assert pinned_hashes(pins, "numpy", "2.4.6") == [sha(3), sha(5)]
    assert pinned_hashes(pins, "numpy", "2.2.0") == [sha(4)]
    assert pinned_hashes(pins, "numpy", "1.0") == []
