"""Whatever is changed in a release is found, and its file is named."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import pytest

from anvil.core.diagnostics import AnvilError, Diagnostic, ExitCode
from anvil.core.digest import canonical_json
from anvil.release.assemble import assemble
from anvil.release.check import check_release
from anvil.release.checksums import sha256
from anvil.release.envelope import PAYLOAD_TYPE, open_envelope
from anvil.release.files import CHECKSUMS, LOCK, PROVENANCE, SBOM, ReleaseFile, reason_against
from anvil.release.statement import BUILD_TYPE, BUILDER, PREDICATE_TYPE, read_statement
from tests.support.releases import (
    DESCRIPTION,
    Files,
    built_files,
    release,
    signing_key,
    statement,
    with_payload,
    with_statement,
)

if TYPE_CHECKING:
    from collections.abc import Callable

PUBLIC = signing_key().public
NAMES = sorted(release())


def check(files: Files) -> tuple[Diagnostic, ...]:
    return check_release(files, PUBLIC)


def found(files: Files) -> list[tuple[str, str | None]]:
    return [(one.code, one.file) for one in check(files)]


def flipped(content: bytes, at: int, bit: int) -> bytes:
    return content[:at] + bytes([content[at] ^ (1 << bit)]) + content[at + 1 :]


def test_a_release_is_what_was_signed() -> None:
    assert check(release()) == ()


def test_the_same_inputs_give_the_same_bytes() -> None:
    backwards = dict(reversed(built_files().items()))
    assert assemble(backwards, DESCRIPTION, signing_key()) == release()


@pytest.mark.parametrize("path", NAMES)
def test_every_flipped_bit_is_found_and_its_file_named(path: str) -> None:
    files = release()
    content = files[path].content
    # All of small files; of larger ones both ends and places in between.
    places = range(len(content)) if len(content) < 400 else range(0, len(content), 97)
    for at in {*places, len(content) - 1}:
        changed = flipped(content, at, at % 8)
        mistakes = check(
            {**files, path: ReleaseFile(content=changed, executable=files[path].executable)}
        )
        assert [one.file for one in mistakes] == [path], at
        assert path in mistakes[0].message


def test_every_byte_of_the_provenance_counts() -> None:
    files = release()
    content = files[PROVENANCE].content
    # The payload's base64 is one kind of place; what surrounds it is small and looked at whole.
    start, end = content.index(b'"payload":"') + 11, content.index(b'","payloadType"')
    for at in (*range(start), *range(start, end, 331), *range(end - 4, len(content))):
        for bit in range(8):
            changed = flipped(content, at, bit)
            assert [f for _, f in found({**files, PROVENANCE: ReleaseFile(content=changed)})] == [
                PROVENANCE
            ], (at, bit)


@pytest.mark.parametrize("path", NAMES)
def test_missing_empty_longer_and_other_modes_are_found(path: str) -> None:
    files = release()
    file = files[path]
    without = {name: one for name, one in files.items() if name != path}
    assert found(without) == [("release.missing", path)]
    for content in (b"", file.content + b"\n", file.content[:-1], b"\n" + file.content):
        changed = {**files, path: ReleaseFile(content=content, executable=file.executable)}
        assert [name for _, name in found(changed)] == [path]
    other = ReleaseFile(content=file.content, executable=not file.executable)
    assert found({**files, path: other}) == [("release.mode", path)]


@pytest.mark.parametrize("path", [name for name in NAMES if name != PROVENANCE])
def test_renamed_and_swapped_files_are_found(path: str) -> None:
    files = release()
    renamed = {**files, f"{path}.old": files[path]}
    del renamed[path]
    assert {name for _, name in found(renamed)} == {path, f"{path}.old"}
    other = "rpi4/measured.json" if path != "rpi4/measured.json" else LOCK
    swapped = {**files, path: files[other], other: files[path]}
    assert {name for _, name in found(swapped)} >= (
        {path, other} if files[path].content != files[other].content else set()
    )


def test_extra_files_are_found() -> None:
    extra = ReleaseFile(content=b"")
    assert found({**release(), "rpi4/x": extra}) == [("release.extra", "rpi4/x")]
    assert found({**release(), "a/b": extra}) == [("release.extra", "a"), ("release.extra", "a/b")]
    (mistake,) = check({**release(), "two\nlines": extra})
    assert mistake.file == r"two\nlines"
    assert "\n" not in mistake.message


def respelled(change: Callable[[dict[str, Any]], object]) -> bytes:
    envelope = json.loads(release()[PROVENANCE].content)
    made = change(envelope)
    return canonical_json(envelope if made is None else made) + b"\n"


ENVELOPE = release()[PROVENANCE].content
SIGNATURE = json.loads(ENVELOPE)["signatures"][0]
PAYLOAD = json.loads(ENVELOPE)["payload"]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n",
        b"null\n",
        b"[]\n",
        b"{}\n",
        b"\xff\xfe",
        ENVELOPE[:-1],
        ENVELOPE + b"\n",
        ENVELOPE + b" ",
        ENVELOPE + ENVELOPE,
        ENVELOPE.replace(b",", b", "),
        ENVELOPE.replace(b"\n", b"\r\n"),
        b"\xef\xbb\xbf" + ENVELOPE,
        json.dumps(json.loads(ENVELOPE), indent=1).encode() + b"\n",
        # The same text in another spelling: \u0061 is a.
        ENVELOPE.replace(b'"payload"', b'"p\\u0061yload"'),
        ENVELOPE.replace(b'"payload"', b'"payload":"x","payload"'),
        respelled(lambda e: e | {"more": 1}),
        respelled(lambda e: e["signatures"][0].update(cert="x")),
        respelled(lambda e: e["signatures"].append(SIGNATURE)),
        respelled(lambda e: e["signatures"].append(SIGNATURE | {"keyid": "0" * 64})),
        respelled(lambda e: e["signatures"].clear()),
        respelled(lambda e: e.update(signatures={})),
        respelled(lambda e: e.update(signatures=[1])),
        respelled(lambda e: e.update(payload=1)),
        respelled(lambda e: e.update(payload=None)),
        respelled(lambda e: e.update(payload=PAYLOAD.replace("+", "-").replace("/", "_") + "=")),
        respelled(lambda e: e.update(payload=base64.b64encode(b"{}").decode())),
        respelled(lambda e: e.update(payloadType="application/json")),
        respelled(lambda e: e.update(payloadType=["x"])),
        respelled(lambda e: e["signatures"][0].update(keyid="")),
        respelled(lambda e: e["signatures"][0].update(keyid=SIGNATURE["keyid"].upper())),
        respelled(lambda e: e["signatures"][0].update(sig="")),
        respelled(lambda e: e["signatures"][0].update(sig="A" * 88)),
        b"[" * 100_000,
        b"[" * 100_000 + b"]" * 100_000,
        b'{"a":' * 5000 + b"1" + b"}" * 5000,
        b'{"payload":' + b"9" * 100_000 + b"}",
        b'{"payload":NaN}',
        b'"' * 3,
        b'"\\ud800"',
    ],
    ids=range(40),
)  # fmt: skip
def test_no_other_spelling_of_the_envelope_passes(content: bytes) -> None:
    assert content != ENVELOPE
    mistakes = check({**release(), PROVENANCE: ReleaseFile(content=content)})
    assert [one.file for one in mistakes] == [PROVENANCE]
    assert all("\n" not in one.message for one in mistakes)


def test_unused_bits_of_base64_are_found() -> None:
    """Base64's last sign has bits that decode to nothing."""
    signs = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    signature = SIGNATURE["sig"]
    assert signature.endswith("==")
    last = signs[signs.index(signature[-3]) ^ 1]
    changed = signature[:-3] + last + "=="
    assert base64.b64decode(changed) == base64.b64decode(signature)
    content = ENVELOPE.replace(signature.encode(), changed.encode())
    assert found({**release(), PROVENANCE: ReleaseFile(content=content)}) == [
        ("release.spelling", PROVENANCE)
    ]


def test_another_key_is_told_by_name() -> None:
    (mistake,) = check_release(release(), signing_key(2).public)
    assert mistake.code == "release.wrong-key"
    assert PUBLIC.keyid[:16] in mistake.message
    assert signing_key(2).public.keyid[:16] in mistake.message


def test_a_release_signed_by_another_key_under_the_name_of_the_right_one_fails() -> None:
    forged = assemble(built_files(), DESCRIPTION, signing_key(2))[PROVENANCE].content
    forged = forged.replace(signing_key(2).public.keyid.encode(), PUBLIC.keyid.encode())
    assert found({**release(), PROVENANCE: ReleaseFile(content=forged)}) == [
        ("release.signature", PROVENANCE)
    ]


BAD_PATHS = [
    "../evil", "a/../../evil", "/etc/passwd", "C:/x", "a\\b", "a//b", "a/", "./a", ".", "..", "",
    "a\nb", "a\x00b", "a\x1b[31m", "\u202eexe", "x" * 300, "/".join(["abc"] * 400), PROVENANCE,
]  # fmt: skip


@pytest.mark.parametrize("path", BAD_PATHS, ids=range(len(BAD_PATHS)))
def test_a_signed_path_that_leaves_the_folder_is_refused(path: str) -> None:
    document = statement(release())
    document["subject"][3]["name"] = path
    if not path:
        del document["subject"][3]["name"]
    mistakes = check(with_statement(release(), document))
    assert [(one.code, one.file) for one in mistakes] == [("release.path", PROVENANCE)]
    assert mistakes[0].message.isprintable()


def test_a_release_with_such_a_name_is_not_signed() -> None:
    files = {
        **built_files(),
        "source/a\nb": ReleaseFile(content=b""),
        SBOM: ReleaseFile(content=b""),
    }
    with pytest.raises(AnvilError) as caught:
        assemble(files, DESCRIPTION, signing_key())
    assert caught.value.exit_code is ExitCode.FAILED
    assert len(caught.value.diagnostics) == 2
    assert reason_against("source/a b.yaml") is None


def drop(*keys: str | int) -> Callable[[Any], None]:
    def change(document: Any) -> None:  # noqa: ANN401  any JSON value
        for key in keys[:-1]:
            document = document[key]
        del document[keys[-1]]

    return change


def put(value: object, *keys: str | int) -> Callable[[Any], None]:
    def change(document: Any) -> None:  # noqa: ANN401  any JSON value
        for key in keys[:-1]:
            document = document[key]
        document[keys[-1]] = value

    return change


def of_dependency(name: str, change: Callable[[Any], None]) -> Callable[[Any], None]:
    def changed(document: Any) -> None:  # noqa: ANN401  any JSON value
        rows = document["predicate"]["buildDefinition"]["resolvedDependencies"]
        change(next(row for row in rows if row["name"] == name))

    return changed


DEFINITION = ("predicate", "buildDefinition")
INTERNAL = (*DEFINITION, "internalParameters")
EXTERNAL = (*DEFINITION, "externalParameters")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (put("https://example.org/x", "predicateType"), "release.predicate-type"),
        (put("https://in-toto.io/Statement/v0.1", "_type"), "release.statement"),
        (put("urn:x", *DEFINITION, "buildType"), "release.build-type"),
        (put("urn:x", "predicate", "runDetails", "builder", "id"), "release.build-type"),
        (put(1, "more"), "release.statement"),
        (put(1, "predicate", "more"), "release.statement"),
        (put([], "subject"), "release.statement"),
        (put({}, "subject"), "release.statement"),
        (drop("subject"), "release.statement"),
        (drop("predicate"), "release.statement"),
        (drop(*DEFINITION, "externalParameters"), "release.statement"),
        (drop(*DEFINITION, "internalParameters", "lock"), "release.statement"),
        (drop("predicate", "runDetails", "builder", "version"), "release.statement"),
        (put(7, *DEFINITION, "externalParameters", "name"), "release.statement"),
        (put("a\nb", *DEFINITION, "externalParameters", "name"), "release.statement"),
        (put("rpi4", *DEFINITION, "externalParameters", "targets"), "release.contradiction"),
        (put(["rpi4"], *DEFINITION, "externalParameters", "targets"), "release.contradiction"),
        (put("0" * 64, *DEFINITION, "internalParameters", "lock"), "release.contradiction"),
        (put("1" * 64, *INTERNAL, "plans", "rpi4"), "release.contradiction"),
        (drop(*INTERNAL, "plans", "rpi4"), "release.contradiction"),
        (drop(*INTERNAL, "plans"), "release.statement"),
        (drop(*INTERNAL, "kernels"), "release.statement"),
        (put("1" * 64, *EXTERNAL, "source", "source/anvil.yaml"), "release.contradiction"),
        (put("1" * 64, *EXTERNAL, "source", "source/other"), "release.contradiction"),
        (put({}, *EXTERNAL, "source"), "release.contradiction"),
        (put("other", *EXTERNAL, "name"), "release.contradiction"),
        (
            put({"anvil": "9.9"}, "predicate", "runDetails", "builder", "version"),
            "release.contradiction",
        ),
        (
            of_dependency("candidate/rpi4", put("1" * 64, "digest", "sha256")),
            "release.contradiction",
        ),
        (of_dependency("candidate/rpi4", put("candidate/rpi5", "name")), "release.contradiction"),
        (of_dependency("candidate/rpi4", drop("digest")), "release.contradiction"),
        (put({"sha256": "0" * 63}, "subject", 0, "digest"), "release.path"),
        (put({"sha256": "A" * 64}, "subject", 0, "digest"), "release.path"),
        (put({"md5": "0" * 32}, "subject", 0, "digest"), "release.path"),
        (drop("subject", 0, "digest"), "release.statement"),
        (drop("subject", 0), "release.extra"),
    ],
    ids=range(35),
)
def test_a_signed_statement_of_another_kind_is_refused(
    change: Callable[[Any], None], code: str
) -> None:
    document = statement(release())
    change(document)
    mistakes = check(with_statement(release(), document))
    assert code in {one.code for one in mistakes}


def test_a_file_that_is_named_twice_or_as_a_folder_is_refused() -> None:
    document = statement(release())
    document["subject"].append(document["subject"][0])
    assert found(with_statement(release(), document)) == [("release.path", PROVENANCE)]
    document = statement(release())
    document["subject"][0]["name"] = "rpi4"
    assert ("release.path", PROVENANCE) in found(with_statement(release(), document))


def test_a_payload_in_another_spelling_is_refused_though_it_is_signed() -> None:
    payload = base64.b64decode(PAYLOAD)
    assert check(with_payload(release(), payload)) == ()
    for other in (payload + b"\n", payload.replace(b",", b", "), b'{"a":1,"a":1}', b"\xff", b"[]"):
        assert [name for _, name in found(with_payload(release(), other))] == [PROVENANCE]


def signed_again(files: Files) -> Files:
    """The provenance brought up to what the files are now: the signer has erred."""
    document = statement(files)
    document["subject"] = [
        {**row, "digest": {"sha256": sha256(files[row["name"]].content)}}
        for row in document["subject"]
    ]
    return with_statement(files, document)


@pytest.mark.parametrize(
    ("path", "change"),
    [
        (CHECKSUMS, lambda c: c.upper()),
        (CHECKSUMS, lambda c: c + c),
        (CHECKSUMS, lambda c: c[:-1]),
        (CHECKSUMS, lambda c: b"".join(sorted(c.splitlines(keepends=True))[1:])),
        (CHECKSUMS, lambda _: b"\xff"),
        (CHECKSUMS, lambda _: b""),
        (SBOM, lambda _: b""),
        (SBOM, lambda _: b"[]"),
        (SBOM, lambda _: b"{}"),
        (SBOM, lambda c: c.replace(b'"specVersion": "1.6"', b'"specVersion": "1.5"')),
        (SBOM, lambda c: c.replace(b'"version": 1', b'"version": 1, "more": 1')),
        (SBOM, lambda c: c.replace(b'"file:rpi4/digits"', b'"file:nrf52840/digits.elf"')),
        (SBOM, lambda c: c.replace(b'"ref": "target:rpi4"', b'"ref": "target:x"')),
        (SBOM, lambda c: c.replace(b'"location": "rpi4/digits"', b'"location": "rpi4/other"')),
        (SBOM, lambda c: c.replace(b'"location": "rpi4/digits"', b'"location": "rpi4/plan.json"')),
        ("rpi4/manifest.json", lambda _: b""),
        ("rpi4/manifest.json", lambda _: b"[]"),
        ("rpi4/manifest.json", lambda _: b"{}"),
        ("rpi4/manifest.json", lambda c: c.replace(b'"target": "rpi4"', b'"target": "rpi5"')),
        ("rpi4/manifest.json", lambda c: c.replace(b'"path": "digits"', b'"path": "program"')),
        ("rpi4/manifest.json", lambda c: c.replace(b'"executable": true', b'"executable": false')),
        ("rpi4/manifest.json", lambda c: c.replace(b'"path": "digits"', b'"path": ["digits"]')),
        ("rpi4/plan.json", lambda c: c.replace(b'"digest": "', b'"digest": "0')),
        ("rpi4/plan.json", lambda _: b"{" * 200),
    ],
    ids=range(24),
)  # fmt: skip
def test_documents_that_contradict_each_other_are_found(
    path: str, change: Callable[[bytes], bytes]
) -> None:
    files = release()
    changed = change(files[path].content)
    assert changed != files[path].content
    files[path] = ReleaseFile(content=changed)
    mistakes = check(signed_again(files))
    folder = path.partition("/")[0]
    assert any((one.file or "").startswith(folder) for one in mistakes), mistakes
    assert {one.code for one in mistakes} == {"release.contradiction"}


def test_the_statement_says_what_it_was_made_from() -> None:
    document = statement(release())
    assert document["_type"] == "https://in-toto.io/Statement/v1"
    assert document["predicateType"] == PREDICATE_TYPE
    definition = document["predicate"]["buildDefinition"]
    assert definition["buildType"] == BUILD_TYPE
    assert definition["externalParameters"]["targets"] == ["nrf52840", "rpi4"]
    names = [row["name"] for row in definition["resolvedDependencies"]]
    assert names[:2] == ["model", "kernels"]
    assert {"candidate/rpi4", "toolchain/zig", "toolchain/gcc", "root", "numpy"} <= set(names)
    details = document["predicate"]["runDetails"]
    assert details == {"builder": {"id": BUILDER, "version": {"anvil": "0.1.0"}}}
    provenance = read_statement(open_envelope(ENVELOPE, PUBLIC))
    assert provenance.subjects.keys() == set(NAMES) - {PROVENANCE}
    assert json.loads(ENVELOPE)["payloadType"] == PAYLOAD_TYPE
