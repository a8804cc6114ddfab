"""kernels.yaml: every mistake of every file is told, with the file."""

from __future__ import annotations

import pytest
import yaml

from anvil.core.diagnostics import AnvilError
from anvil.plan.kernel_registry import load_variants
from anvil.resources import built_in, contents, read_folder

_YAML = """\
op: add
headers: [add/add.h]
variants:
  - symbol: anvil_add_int8_direct__scalar
    source: add/direct.c
    dtype: int8
    requires: []
    when: ""
    scratch_bytes: "0"
"""


def kernels(text: str = _YAML, **more: str) -> dict[str, bytes]:
    files = {"add/kernels.yaml": text, "add/direct.c": "", "add/add.h": "", **more}
    return {path: content.encode() for path, content in files.items()}


def check_refused(files: dict[str, bytes], *messages: str) -> None:
    with pytest.raises(AnvilError) as caught:
        load_variants(files)
    assert len(caught.value.diagnostics) == len(messages)
    for diagnostic, message in zip(caught.value.diagnostics, messages, strict=True):
        assert message in diagnostic.message
        assert diagnostic.code == "kernels.invalid"


def test_a_variant_is_read() -> None:
    (variant,) = load_variants(kernels())
    assert (variant.op, variant.dtype, variant.name) == ("add", "int8", "direct__scalar")
    assert variant.headers == ("add/add.h",)
    assert (variant.traversal, variant.alignment_bytes) == ("", 1)


def test_a_traversal_and_an_alignment_are_read() -> None:
    (variant,) = load_variants(kernels(f"{_YAML}    traversal: broadcast\n    alignment: 8\n"))
    assert (variant.traversal, variant.alignment_bytes) == ("broadcast", 8)


def test_a_variant_adds_headers_of_its_own() -> None:
    second = _YAML.replace("direct", "half").partition("variants:\n")[2]
    files = kernels(
        f"{_YAML}{second}    headers: [common/half.h]\n",
        **{"add/half.c": "", "common/half.h": ""},
    )
    plain, half = load_variants(files)
    assert plain.headers == ("add/add.h",)
    assert half.headers == ("add/add.h", "common/half.h")


def test_the_order_of_the_file_is_kept_and_folders_are_sorted() -> None:
    second = _YAML.replace("direct", "aligned").partition("variants:\n")[2]
    files = kernels(_YAML + second, **{"add/aligned.c": ""})
    files |= {
        "abs/kernels.yaml": _YAML.replace("add", "abs").encode(),
        "abs/abs.h": b"",
        "abs/direct.c": b"",
    }
    assert [v.symbol for v in load_variants(files)] == [
        "anvil_abs_int8_direct__scalar",
        "anvil_add_int8_direct__scalar",
        "anvil_add_int8_aligned__scalar",
    ]


def test_one_symbol_twice_is_refused() -> None:
    second = _YAML.partition("variants:\n")[2]
    check_refused(kernels(_YAML + second), "2 variants have the symbol anvil_add_int8_direct")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("op: add", "op: sub", "`op` is the folder's name 'add'"),
        ("headers: [add/add.h]", "headers: x", "are lists"),
        ("headers: [add/add.h]", "headers: [add/no.h]", "'add/no.h' is not there"),
        ("source: add/direct.c", "source: direct.c", "'direct.c' is not there"),
        ("dtype: int8", "dtype: 8", "`dtype` is text, found 8"),
        ('when: ""', "when:", "`when` is text, found None"),
        ("requires: []", "requires: [1]", "`requires` is a list of ISA features"),
        ("requires: []", "traversal: rows\n    requires: [1]", "`requires` is a list"),
        ("requires: []", "requires: []\n    traversal: row", "found 'row'"),
        ("requires: []", "requires: []\n    traversal: [rows]", "found ['rows']"),
        ("requires: []", "requires: []\n    headers: half.h", "`headers` is a list of paths"),
        ("requires: []", "requires: []\n    headers: [half.h]", "'half.h' is not there"),
        ("requires: []", "requires: []\n    alignment: 3", "`alignment` is one of 1, 2, 4"),
        ("requires: []", "requires: []\n    alignment: true", "found True"),
        ("anvil_add_int8_direct__scalar", "add_int8", "anvil_add_int8_<variant>__<isa>"),
        ("anvil_add_int8_direct__scalar", "anvil_add_int8_direct", "<variant>__<isa>"),
        ("variants:", "variants: [", "not YAML"),
        ("op: add", "op: \x07", "not YAML"),
    ],
)
def test_a_mistake_is_told(old: str, new: str, message: str) -> None:
    check_refused(kernels(_YAML.replace(old, new)), message)


def test_all_mistakes_of_all_files_are_told_with_their_files() -> None:
    files = kernels(_YAML.replace("dtype: int8", "dtype: 8").replace("add/add.h", "no.h"))
    files |= {"sub/kernels.yaml": b"[]"}
    with pytest.raises(AnvilError) as caught:
        load_variants(files)
    assert [d.file for d in caught.value.diagnostics] == [
        "kernels/add/kernels.yaml",
        "kernels/add/kernels.yaml",
        "kernels/sub/kernels.yaml",
    ]


def test_the_built_in_kernels_are_right() -> None:
    variants = load_variants(contents(read_folder(built_in("kernels"))))
    assert len(variants) == len({variant.symbol for variant in variants})
    assert "int8" in {variant.dtype for variant in variants}


def test_no_key_of_a_built_in_file_is_there_twice() -> None:
    # YAML's loaders take the last one without a word.
    for path, content in contents(read_folder(built_in("kernels"))).items():
        if not path.endswith(".yaml"):
            continue
        pending = [yaml.compose(content)]
        while pending:
            node = pending.pop()
            if isinstance(node, yaml.MappingNode):
                names = [key.value for key, _ in node.value]
                assert len(set(names)) == len(names), (path, node.start_mark.line + 1, names)
                pending += [value for _, value in node.value]
            elif isinstance(node, yaml.SequenceNode):
                pending += node.value
