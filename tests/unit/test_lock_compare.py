"""What differs between locks, its words, and the entries that can be taken over."""

from __future__ import annotations

from dataclasses import replace

import pytest

from anvil.lock.advice import advice, message
from anvil.lock.compare import differences
from anvil.lock.document import Lock
from anvil.lock.names import OtherChangesError, entries, taken_over
from tests.support.locks import IMAGE, changed, lock, sha


def said(locked: Lock, found: Lock) -> list[str]:
    return [f"{one.name}: {message(one)}" for one in differences(locked, found)]


def test_the_same_has_no_difference() -> None:
    assert differences(lock(), lock()) == ()


def test_a_difference_has_its_place_both_values_and_a_way_out() -> None:
    (one,) = differences(lock(), changed("wheels/numpy/version", "2.5.0"))
    assert message(one) == "the lock says 2.4.6, found 2.5.0"
    assert advice(one) == (
        "python3 -m pip install numpy==2.4.6; "
        "or `anvil lock --update wheels.numpy` takes over what is found"
    )
    assert one.as_json() == {
        "entry": "wheels.numpy",
        "name": "wheels.numpy.version",
        "locked": "2.4.6",
        "found": "2.5.0",
    }


def test_another_definition_of_the_root_does_not_send_people_to_build_it() -> None:
    # `anvil image build` would make one of this Anvil's definition.
    (one,) = differences(lock(), changed("image/definition", sha(91)))
    assert advice(one) == (
        "use the Anvil that wrote the lock; or `anvil lock --update image` takes over what is found"
    )


def test_one_cause_is_said_once() -> None:
    values = changed("toolchains/zig/cores/cortex-m4f", sha(90)).sections
    values["toolchains"]["zig"]["packages"]["ziglang"] |= {"version": "0.18.0", "sha256": []}
    assert said(lock(), Lock(sections=values)) == [
        "toolchains.zig.packages.ziglang.version: the lock says 0.17.1, found 0.18.0"
    ]


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("kernels/own", sha(2**250), "kernels.own: the lock says nothing, found 040000000000"),
        ("targets/rpi4", None, "targets.rpi4: the lock says 000000000000, found nothing"),
        ("models/int16x8", sha(2**250), "models.int16x8: the lock says nothing, found 04000000"),
        ("wheels/numpy", None, "wheels.numpy: the lock says 2.4.6, found nothing"),
        (
            "targets/rpi4/request/optimize",
            ["latency"],
            "targets.rpi4.request.optimize: the lock says flash, latency, found latency",
        ),
        (
            "targets/rpi4/request/max_accuracy_drop",
            None,
            "targets.rpi4.request.max_accuracy_drop: the lock says 0.01, found nothing",
        ),
    ],
)
def test_what_is_added_and_what_is_gone_is_said(path: str, value: object, words: str) -> None:
    (found,) = said(lock(), changed(path, value))
    assert found.startswith(words)


def test_every_package_that_differs_is_named() -> None:
    packages = tuple(
        replace(package, version="9", sha256=sha(80)) if package.name == "libc6" else package
        for package in IMAGE.packages
        if package.name != "tzdata"
    )
    found = lock(replace(IMAGE, sha256=sha(2**249), size_bytes=1, packages=packages))
    assert said(lock(), found) == [
        "image.packages.libc6.version: the lock says 2.36-9, found 9",
        "image.packages.libc6:i386.version: the lock says 2.36-9, found 9",
        "image.packages.tzdata: the lock says 2024a-0, found nothing",
        f"image.sha256: the lock says {sha(1)[:12]}, found {sha(2**249)[:12]}",
    ]
    entry = differences(lock(), found)[0].entry
    assert entry == "image.packages.libc6"


# Taking over one entry.


@pytest.mark.parametrize(
    ("name", "path", "value"),
    [
        ("kernels", "kernels/built_in", sha(70)),
        ("anvil", "anvil/version", "0.2.0"),
        ("data", "data/evaluation", sha(70)),
        ("toolchains.zig", "toolchains/zig/cores/cortex-a72", sha(70)),
        ("toolchains.gcc", "toolchains/gcc", {"kind": "gcc"}),
        ("targets.rpi4", "targets/rpi4", None),
        ("models.int8", "models/int8", sha(70)),
        ("quantizers.ai-edge-litert", "quantizers/ai-edge-litert/version", "2.4.0"),
        ("wheels.numpy", "wheels/numpy/version", "2.5.0"),
        ("image", "image/sha256", sha(70)),
        ("tzdata", "image/packages/tzdata/version", "2025b-0"),
        ("image.packages.libc6:i386", "image/packages/libc6:i386/version", "2.37"),
        ("ziglang", "image/wheels/ziglang/version", "0.18.0"),
        ("image.wheels.new", "image/wheels/new", {"version": "1"}),
    ],
)
def test_one_entry_is_taken_over_and_nothing_else(name: str, path: str, value: object) -> None:
    found = changed(path, value)
    other = Lock(sections={**found.sections, "wheels": {}})
    if name.startswith("wheels"):
        other = Lock(sections={**found.sections, "targets": {}})
    known = entries(lock()) | entries(other)
    updated = taken_over(lock(), other, known[name])
    assert updated.sections == found.sections
    assert [one.entry for one in differences(updated, other)] != []


def test_a_package_is_not_taken_over_with_others() -> None:
    values = changed("image/packages/tzdata/version", "2025b-0").sections
    values["image"]["packages"]["libc6"]["version"] = "2.37"
    found = Lock(sections=values)
    with pytest.raises(OtherChangesError) as caught:
        taken_over(lock(), found, entries(found)["tzdata"])
    assert caught.value.others == ("image.packages.libc6",)
    assert taken_over(lock(), found, ("image",)).sections == values


def test_a_package_is_not_taken_over_where_there_was_no_image() -> None:
    with pytest.raises(OtherChangesError):
        taken_over(lock(None), lock(), entries(lock())["tzdata"])


def test_the_names_are_those_of_the_documents() -> None:
    names = entries(lock())
    assert {"anvil", "kernels", "data", "image", "toolchains.zig", "targets.nrf52840"} <= set(names)
    assert names["libc6"] == names["image.packages.libc6"] == ("image", "packages", "libc6")
    assert "targets" not in names
    # A wheel of the host and one of the image are two entries.
    assert names["ziglang"] == ("image", "wheels", "ziglang")
