"""The report: documents of every target in, one self-contained HTML page out.

Nothing is fetched: style, script and drawings are in the page, and its policy allows no
more. All text from a model passes through the template's or the drawings' escaping.
"""

from __future__ import annotations

import base64
import hashlib
import json
from typing import TYPE_CHECKING, Any

import jinja2
from markupsafe import Markup

from anvil import __version__
from anvil.report import documents as read
from anvil.report import words
from anvil.report.accuracy import accuracy_plot, candidate_rows, fidelity_plot
from anvil.report.amounts import TIMES, exact, percent, short
from anvil.report.bars import layer_bars
from anvil.report.flash import flash_map, parts
from anvil.report.memory_map import memory_map, overlaps, span
from anvil.report.pareto import colours, pareto_plot
from anvil.report.svg import tag

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from anvil.report.documents import Choice, Metric, TargetDocuments

_FOLDER = "report/"
_METER_WIDTH, _METER_HEIGHT = 96, 6


def make_report(
    name: str, targets: Sequence[TargetDocuments], templates: Mapping[str, bytes]
) -> bytes:
    """The page, as UTF-8; the same documents give the same bytes.

    name: the project's; targets: in the order of anvil.yaml, at least one; templates: every
    file under templates/ by path relative to it.
    """
    environment = jinja2.Environment(
        loader=jinja2.DictLoader({path: text.decode() for path, text in templates.items()}),
        undefined=jinja2.StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    style, script = (templates[f"{_FOLDER}report.{kind}"].decode() for kind in ("css", "mjs"))
    panels = [_panel(number, one) for number, one in enumerate(targets)]
    plots = {panel["id"]: panel.pop("plot_data") for panel in panels}
    text = environment.get_template(f"{_FOLDER}report.html.j2").render(
        generator=f"Anvil {__version__}",
        name=name,
        headline=words.headline(name, targets),
        # These two are files of Anvil, and no model's text is in them.
        style=Markup(style),  # noqa: S704
        script=Markup(script),  # noqa: S704
        style_hash=_hash(style),
        script_hash=_hash(script),
        data=_script_json(plots),
        panels=panels,
        comparison=[_summary(one) for one in targets],
    )
    # A name with half of a surrogate pair is no UTF-8.
    return text.encode("utf-8", errors="replace")


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _script_json(value: object) -> Markup:
    # Inside a script element only `<` could end it, and JSON has another way to write it.
    text = json.dumps(value, allow_nan=False).replace("<", "\\u003c")
    return Markup(text)  # noqa: S704


def _summary(one: TargetDocuments) -> dict[str, Any]:
    """A row of the comparison."""
    ram = read.figure(one, "RAM") or read.figure(one, "Arena")
    flash = read.figure(one, "Flash")
    return {
        "target": one.target,
        "board": one.board,
        "verdict": words.verdict(one),
        "is_good": words.verdict(one) in {"built", "planned"},
        "candidate": read.field(one.plan, "candidate") or "",
        "arena": short(read.figure(one, "Arena"), "B"),
        "ram": short(ram, "B"),
        "ram_meter": _meter(ram, one.ram_limit_bytes),
        "flash": short(flash, "B"),
        "flash_meter": _meter(flash, one.flash_limit_bytes),
        "instructions": short(read.figure(one, "Instructions"), ""),
        "latency": short(read.figure(one, "Latency"), "s"),
        "accuracy": words.accuracy_text(one),
    }


def _meter(value: float | None, limit: int | None) -> Markup | None:
    if value is None or not limit:
        return None
    share = value / limit
    return tag(
        "svg",
        tag("rect", class_="track", width=_METER_WIDTH, height=_METER_HEIGHT, rx=3),
        tag(
            "rect",
            class_="over" if share > 1 else "bar",
            width=max(min(share, 1.0) * _METER_WIDTH, 2.0),
            height=_METER_HEIGHT,
            rx=3,
        ),
        class_="meter",
        viewBox=f"0 0 {_METER_WIDTH} {_METER_HEIGHT}",
        role="img",
        aria_label=f"{percent(share)} of {short(limit, 'B')}",
    )


def _panel(number: int, one: TargetDocuments) -> dict[str, Any]:
    """What the template needs for one target."""
    plan = one.plan
    found = read.choices(one)
    metrics = read.metrics(found, plan)
    memory, layers = read.blocks(plan), read.layers(plan)
    flash, listed = parts(one), read.candidates(plan)
    panel: dict[str, Any] = {
        "id": f"target-{number}",
        "target": one.target,
        "board": one.board,
        "verdict": words.verdict(one),
        "is_good": words.verdict(one) in {"built", "planned"},
        "candidate": read.field(plan, "candidate"),
        "decision": words.decision(one),
        "order": words.order(one),
        "facts": _facts(one),
        "pareto": None,
        "plot_data": None,
        "choices": None,
        "memory": None,
        "flash": None,
        "layers": None,
        "accuracy": None,
        "rewrites": _rewrites(one),
        "figures": _figures(one),
        "files": _files(one),
        "provenance": _provenance(one),
    }
    # One point is no plot.
    if len(found) > 1 and metrics:
        drawing, panel["plot_data"] = pareto_plot(found, metrics, _limits(one))
        panel["pareto"] = drawing
        panel["choices"] = _choices(found, metrics)
    if memory:
        arena = read.field(plan, "arena_bytes") or max(b.offset + b.size_bytes for b in memory)
        bound = read.field(plan, "arena_lower_bound_bytes")
        panel["memory"] = {
            "svg": memory_map(memory, layers, arena, bound),
            "n_overlaps": len(overlaps(memory)),
            "rows": [
                [
                    block.name,
                    block.kind,
                    TIMES.join(map(str, block.shape or ())),
                    block.dtype,
                    exact(block.offset, ""),
                    exact(block.size_bytes, "B"),
                    span(block, layers).removeprefix("needed "),
                ]
                for block in memory
            ],
        }
    if flash:
        total = sum(part.size_bytes for part in flash)
        panel["flash"] = {
            "svg": flash_map(flash),
            "rows": [
                [
                    part.group,
                    part.name,
                    part.detail,
                    exact(part.size_bytes, "B"),
                    percent(part.size_bytes / total),
                ]
                for part in flash
            ],
        }
    if layers:
        drawing, what = layer_bars(layers)
        panel["layers"] = {
            "svg": drawing,
            "what": what,
            "rows": [
                [
                    str(layer.number),
                    layer.op,
                    layer.tensor,
                    layer.variant,
                    *(
                        exact(value, unit)
                        for value, unit in (
                            (layer.macs, ""),
                            (layer.instructions, ""),
                            (layer.cycles, ""),
                            (layer.weight_bytes, "B"),
                        )
                    ),
                ]
                for layer in layers
            ],
        }
    if len(listed) > 1 or any(
        one.accuracy or one.signal_to_noise_db or one.is_exact for one in listed
    ):
        drop = read.field(plan, "requirements", "max_accuracy_drop")
        plot = accuracy_plot(listed, drop)
        panel["accuracy"] = {
            "svg": plot if plot is not None else fidelity_plot(listed),
            "is_accuracy": plot is not None,
            "rows": candidate_rows(listed),
        }
    return panel


def _limits(one: TargetDocuments) -> dict[str, float | None]:
    """By metric: what the requirements ask, else what the board has."""
    asked = read.field(one.plan, "requirements") or {}
    return {
        "ram_bytes": asked.get("max_ram_bytes") or one.ram_limit_bytes,
        "flash_bytes": asked.get("max_flash_bytes") or one.flash_limit_bytes,
        "latency_s": asked.get("max_latency_s"),
    }


def _choices(found: Sequence[Choice], metrics: Sequence[Metric]) -> dict[str, Any]:
    colour = colours(found)
    fates = {True: "fits", False: "does not fit", None: ""}
    return {
        "axes": [{"key": metric.key, "label": metric.label} for metric in metrics],
        "legend": [{"name": name, "colour": number} for name, number in colour.items()],
        "n_unfit": sum(choice.fits is False for choice in found),
        "head": [
            "Candidate",
            "Memory and kernels",
            *(metric.label for metric in metrics),
            "Outcome",
        ],
        "rows": [
            [
                choice.candidate,
                choice.strategy,
                *(exact(choice.values.get(m.key), m.unit) for m in metrics),
                "chosen" if choice.chosen else "; ".join(choice.failed) or fates[choice.fits],
            ]
            for choice in found
        ],
        "chosen": next((n for n, choice in enumerate(found) if choice.chosen), None),
    }


def _facts(one: TargetDocuments) -> list[tuple[str, str, Markup | None]]:
    """The largest figures of a target: name, value, meter."""
    ram, flash = read.figure(one, "RAM"), read.figure(one, "Flash")
    rows: list[tuple[str, str, Markup | None]] = [
        ("Arena", short(read.figure(one, "Arena"), "B"), None),
        ("RAM", short(ram, "B"), _meter(ram, one.ram_limit_bytes)),
        ("Flash", short(flash, "B"), _meter(flash, one.flash_limit_bytes)),
        ("Instructions", short(read.figure(one, "Instructions"), ""), None),
        ("Latency", short(read.figure(one, "Latency"), "s"), None),
    ]
    unknown = short(None, "")
    return [row for row in rows if row[1] != unknown]


def _rewrites(one: TargetDocuments) -> list[list[str]]:
    return [
        [
            rewrite.name,
            exact(rewrite.applied, ""),
            exact(rewrite.macs_saved, ""),
            exact(rewrite.weight_bytes_saved, "B"),
            exact(rewrite.ops_saved, ""),
        ]
        for rewrite in read.rewrites(one.plan)
    ]


def _figures(one: TargetDocuments) -> list[list[str]]:
    return [
        [
            row.label,
            exact(row.predicted, row.unit),
            exact(row.measured, row.unit),
            percent(row.error, signed=True),
        ]
        for row in read.compared(one)
    ]


def _files(one: TargetDocuments) -> list[list[str]]:
    return [
        [str(row["path"]), exact(row.get("size_bytes"), "B"), str(row.get("sha256") or "")]
        for row in read.rows(one.manifest, "files")
        if not str(row["path"]).startswith("project/")
    ]


def _provenance(one: TargetDocuments) -> list[tuple[str, str]]:
    toolchain = read.field(one.plan, "toolchain") or {}
    rows = [
        ("Toolchain", " ".join(str(v) for k in ("package", "version") if (v := toolchain.get(k)))),
        ("Model (SHA-256)", str(read.field(one.plan, "model_sha256") or "")),
        ("Plan (SHA-256)", str(read.field(one.plan, "digest") or "")),
    ]
    return [row for row in rows if row[1]]
