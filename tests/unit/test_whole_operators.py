"""An operator is whole: Python file, importer row, kernel folder, scalar reference, tests."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from anvil.importers.tflite_options import ROWS
from anvil.ops.registry import DEFINITIONS, INTERNAL
from tests.support.programs import ROOT

if TYPE_CHECKING:
    from anvil.ops.definition import OperatorDefinition

OPS = ROOT / "anvil" / "ops"
KERNELS = ROOT / "kernels"
# The folder of code that kernels share has no kernels of its own.
SHARED_CODE = "common"
SYMBOL = re.compile(
    r"anvil_(?P<op>[a-z0-9_]+?)_(?P<dtype>u?int\d+|float\d+)_[a-z0-9_]+__[a-z0-9_]+"
)

EVERY = [pytest.param(definition, id=kind) for kind, definition in DEFINITIONS.items()]
WITH_CODE = [pytest.param(d, id=kind) for kind, d in DEFINITIONS.items() if d.folder is not None]
KERNEL_FOLDERS = sorted(path.name for path in KERNELS.iterdir() if path.name != SHARED_CODE)


def variants_of(folder: str) -> list[dict[str, Any]]:
    file = KERNELS / folder / "kernels.yaml"
    assert file.is_file(), f"kernels/{folder}/kernels.yaml is missing"
    document = yaml.safe_load(file.read_text(encoding="utf-8"))
    assert document["op"] == folder
    variants: list[dict[str, Any]] = document["variants"]
    return variants


@pytest.mark.parametrize("definition", EVERY)
def test_an_operator_has_a_file_of_its_name(definition: OperatorDefinition) -> None:
    file = OPS / f"{definition.kind.lower()}.py"
    assert file.is_file(), f"anvil/ops/{file.name} is missing"
    assert "DEFINITION = " in file.read_text(encoding="utf-8")


def test_every_file_that_defines_an_operator_is_registered() -> None:
    files = {
        path.stem.upper()
        for path in OPS.glob("*.py")
        if re.search(r"^DEFINITION = ", path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert files == set(DEFINITIONS)


@pytest.mark.parametrize("definition", WITH_CODE)
def test_an_operator_with_code_has_a_scalar_kernel(definition: OperatorDefinition) -> None:
    assert definition.folder is not None
    scalar = [v for v in variants_of(definition.folder) if v["symbol"].endswith("__scalar")]
    assert [v for v in scalar if not v["requires"] and not v["when"]], (
        f"kernels/{definition.folder} has no scalar variant that takes every call"
    )


@pytest.mark.parametrize("definition", EVERY)
def test_an_operator_without_code_is_an_alias(definition: OperatorDefinition) -> None:
    assert (definition.folder is None) == definition.is_alias


def test_the_importer_has_a_row_for_every_operator_and_no_other() -> None:
    assert set(ROWS) == set(DEFINITIONS) - INTERNAL


@pytest.mark.parametrize("folder", KERNEL_FOLDERS)
def test_a_kernel_folder_is_used_by_an_operator(folder: str) -> None:
    assert folder in {
        used
        for definition in DEFINITIONS.values()
        for used in (definition.folder, *definition.other_folders)
    }


@pytest.mark.parametrize("folder", KERNEL_FOLDERS)
def test_each_variant_is_one_file_named_after_its_symbol(folder: str) -> None:
    variants = variants_of(folder)
    for variant in variants:
        match = SYMBOL.fullmatch(variant["symbol"])
        assert match is not None, variant["symbol"]
        assert (match["op"], match["dtype"]) == (folder, variant["dtype"])
        assert variant["source"] == f"{folder}/{variant['symbol'].removeprefix('anvil_')}.c"
        text = (KERNELS / variant["source"]).read_text(encoding="utf-8")
        public = re.findall(r"^(?:[A-Z]\w* )?void (anvil_\w+)\(", text, re.MULTILINE)
        assert public == [variant["symbol"]]
    used = {variant["source"] for variant in variants}
    used |= {part for variant in variants for part in variant.get("parts", ())}
    sources = {f"{folder}/{path.name}" for path in (KERNELS / folder).glob("*.[cS]")}
    assert sources == {path for path in used if path.startswith(f"{folder}/")}


@pytest.mark.parametrize("definition", WITH_CODE)
def test_a_test_of_kernels_names_the_operator(definition: OperatorDefinition) -> None:
    pattern = re.compile(rf"\b{definition.kind}\b")
    tests = sorted((ROOT / "tests" / "kernels").glob("test_*.py"))
    assert any(pattern.search(path.read_text(encoding="utf-8")) for path in tests), (
        f"no file of tests/kernels names {definition.kind}"
    )
