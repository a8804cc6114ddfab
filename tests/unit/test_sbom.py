"""The bill of materials: valid, complete, and made of nothing that is not known."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import replace
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from anvil.core.release import ReleaseFacts
from anvil.release.assemble import assemble
from anvil.release.files import CHECKSUMS, PROVENANCE, SBOM
from anvil.release.sbom import all_components, sbom_mistakes
from tests.support.releases import DESCRIPTION, IMAGE, Files, built_files, release, signing_key


def bill(files: Files) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(files[SBOM].content)
    return document


def components() -> dict[str, dict[str, Any]]:
    return {one["bom-ref"]: one for one in all_components(bill(release()))}


def test_the_strict_validator_passes_it() -> None:
    content = release()[SBOM].content.decode()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(content) is None
    assert bill(release())["specVersion"] == "1.6"


def test_every_artifact_and_kernel_is_there_with_its_digest() -> None:
    files = release()
    listed = {
        row["location"]: one["hashes"]
        for one in all_components(bill(files))
        for row in one.get("evidence", {}).get("occurrences", ())
    }
    documents = {"plan.json", "measured.json", "manifest.json", "verify.json"}
    expected = {
        path
        for path in files
        if path.startswith(("nrf52840/", "rpi4/")) and path.rsplit("/", 1)[-1] not in documents
    }
    assert listed.keys() == expected
    for path, hashes in listed.items():
        digest = hashlib.sha256(files[path].content).hexdigest()
        assert hashes == [{"alg": "SHA-256", "content": digest}]


def test_a_device_has_firmware_and_a_computer_an_application() -> None:
    found = components()
    assert found["target:nrf52840"]["type"] == "firmware"
    assert found["target:rpi4"]["type"] == "application"
    assert found["product"]["type"] == "application"
    assert [one["name"] for one in found["target:nrf52840"]["components"]] == [
        "digits.elf", "digits.hex", "digits.elf"
    ]  # fmt: skip


def test_a_kernel_of_several_targets_is_listed_once_and_its_versions_apart() -> None:
    sources = components()["kernels"]["components"]
    assert [(one["name"], len(one["evidence"]["occurrences"])) for one in sources] == [
        ("common/own.h", 1), ("common/own.h", 1), ("conv_2d/conv.c", 2)
    ]  # fmt: skip


def test_packages_have_purls_and_digests() -> None:
    found = components()
    gcc = found["pkg:deb/debian/gcc-arm-none-eabi@15:12.2.rel1-1?arch=amd64&distro=bookworm"]
    assert gcc["hashes"][0]["content"] == IMAGE.packages[0].sha256
    assert gcc["scope"] == "excluded"
    # + and : in names and versions of Debian packages.
    assert any(
        re.match(r"pkg:deb/debian/libstdc(\+|%2B){2}6@12.2-1(\+|%2B)b1\?", one) for one in found
    )
    zig = found["pkg:pypi/ziglang@0.17.1"]
    assert zig["hashes"][0]["content"] == IMAGE.wheels[0].sha256
    numpy = found["pkg:pypi/numpy@2.1.0"]
    assert "hashes" not in numpy
    assert [one["value"] for one in numpy["properties"]] == list(DESCRIPTION.wheels[0].sha256)


def test_the_graph_leads_from_the_product_to_everything_that_was_used() -> None:
    document = bill(release())
    graph = {row["ref"]: row.get("dependsOn", []) for row in document["dependencies"]}
    reached, waiting = set(), ["product"]
    while waiting:
        reference = waiting.pop()
        if reference not in reached:
            reached.add(reference)
            waiting += graph.get(reference, [])
    files = {one for one in components() if one.startswith("file:")}
    # A wheel of the host that no target names took part in quantizing or planning.
    assert components().keys() - files - reached == {"pkg:pypi/numpy@2.1.0"}
    (zig,) = (one for one in graph if one.startswith("toolchain:zig"))
    assert graph[zig] == ["pkg:pypi/ziglang@0.17.1"]


def test_the_model_has_a_card_of_what_is_known() -> None:
    model = components()["model"]
    assert model["type"] == "machine-learning-model"
    assert model["hashes"][0]["content"] == DESCRIPTION.model.sha256
    card = model["modelCard"]
    assert card["modelParameters"] == {
        "task": "classification",
        "architectureFamily": "convolutional neural network",
        "datasets": [{"ref": "data:calibration"}],
        "inputs": [{"format": "int8[1,8,8,1], scale 0.5, zero point -3"}],
        "outputs": [{"format": "float32[1,10]"}],
    }
    metrics = card["quantitativeAnalysis"]["performanceMetrics"]
    assert metrics[0] == {
        "type": "top1",
        "value": "0.975",
        "slice": "nrf52840, int8",
        "confidenceInterval": {"lowerBound": "0.95", "upperBound": "0.99"},
    }
    (quantized,) = model["components"]
    assert quantized["name"] == "digits int8"


def test_what_is_unknown_is_left_out() -> None:
    files = built_files()
    for path in [name for name in files if name.endswith("plan.json")]:
        document = json.loads(files[path].content)
        del document["accuracy"]
        document["ops"] = [{"op": "ADD"}]
        files[path] = replace(files[path], content=json.dumps(document).encode())
    description = replace(DESCRIPTION, facts=ReleaseFacts(), image=None, wheels=(), data=())
    made = bill(assemble(files, description, signing_key()))
    found = {one["bom-ref"]: one for one in all_components(made)}
    assert found["product"].keys() == {"type", "bom-ref", "name"}
    assert "supplier" not in made["metadata"]
    card = found["model"]["modelCard"]
    assert card["modelParameters"].keys() == {"inputs", "outputs"}
    assert "quantitativeAnalysis" not in card
    assert not any(one.startswith(("pkg:", "data:", "root")) for one in found)


def test_the_product_is_as_its_author_describes_it() -> None:
    product = components()["product"]
    assert product["version"] == "1.2.0"
    assert product["supplier"] == {"name": "Example Devices Ltd"}
    assert product["licenses"] == [{"expression": "Apache-2.0"}]


@pytest.mark.parametrize("text", ["Apache-2.0 OR MIT", "All rights reserved", "(", "a\\b <x>"])
def test_any_license_gives_a_valid_bill(text: str) -> None:
    description = replace(DESCRIPTION, facts=ReleaseFacts(license=text))
    made = assemble(built_files(), description, signing_key())
    assert sbom_mistakes(made[SBOM].content) == []
    assert text in json.dumps(bill(made), ensure_ascii=False).replace("\\\\", "\\")


def test_the_serial_number_is_of_the_content_and_nothing_is_of_the_day() -> None:
    document = bill(release())
    assert re.fullmatch(
        r"urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}",
        document["serialNumber"],
    )
    assert "timestamp" not in release()[SBOM].content.decode()
    other = replace(DESCRIPTION, facts=replace(DESCRIPTION.facts, version="1.2.1"))
    made = assemble(built_files(), other, signing_key())
    assert bill(made)["serialNumber"] != document["serialNumber"]
    # The key signs, and is in no other file.
    again = assemble(built_files(), DESCRIPTION, signing_key(2))
    assert {path for path in again if again[path] != release()[path]} == {PROVENANCE}
    assert CHECKSUMS in again


def test_references_that_lead_nowhere_are_mistakes() -> None:
    content = release()[SBOM].content
    broken = content.replace(b'"kernels",\n    "model:', b'"kernel",\n    "model:')
    assert broken != content
    assert sbom_mistakes(broken) == ["there is no component 'kernel'"]
