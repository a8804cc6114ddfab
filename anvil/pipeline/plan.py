"""anvil plan: what would be built for each target, and why."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from anvil.core.diagnostics import ExitCode
from anvil.core.units import duration
from anvil.pipeline.build import plan_documents

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anvil.pipeline.events import Listener, Outcome
    from anvil.pipeline.workspace import Workspace

_MINUS = "\N{MINUS SIGN}"
_HEAD = ("", "choice", "RAM B", "flash B", "time", "quality", "Pareto")


def plan(
    workspace: Workspace, listener: Listener, *, explain: bool = False, pin: bool = False
) -> Outcome:
    """Plan every target; one that does not fit never stops another.

    With `pin` the candidates are written into the project, and are what is planned with.
    """
    pinned: tuple[str, ...] = ()
    if pin:
        from anvil.pipeline.quantization import pin_candidates

        pinned = pin_candidates(workspace, listener)
    outcome = plan_documents(workspace, listener)
    boards = {one.target.name: one.target.board for one in workspace.project.targets}
    text = [f"quantized/: {name}" for name in pinned]
    targets = []
    for target in outcome.targets:
        if target.exit_code is ExitCode.DONE:
            document = target.details["plan"]
            text += [*_lines(document, boards[target.target], explain=explain), ""]
            targets.append(replace(target, note=document["candidate"]))
        else:
            if "plan" in target.details:
                head = f"{target.target}: {boards[target.target]}"
                choices = _explained(target.details["plan"], explain=explain)
                text += [head, *choices, ""]
            targets.append(target)
    details = {**outcome.details, **({"pinned": list(pinned)} if pin else {})}
    return replace(outcome, targets=tuple(targets), text=tuple(text), details=details)


def _lines(document: dict[str, Any], board: str, *, explain: bool) -> list[str]:
    ram, flash = document["ram_bytes"], document["flash_bytes"]
    rows = [
        ("model", _quality_line(document)),
        ("RAM", f"{_number(ram['total'])} B: {_parts(ram)}{_arena_note(document)}"),
        ("flash", f"{_number(flash['total'])} B: {_parts(flash)}"),
        ("time", _time_line(document)),
    ]
    rows += [("rewrites", line) for line in _rewrite_lines(document["rewrites"])]
    lines = [f"{document['target']}: {board}"]
    lines += [f"  {name:<9}{value}" for name, value in rows]
    lines += _explained(document, explain=explain)
    if explain:
        lines += [
            f"  op {row['index']}: {row['choice']} is rejected: {row['reason']}"
            for row in document["rejected"]
        ]
    return lines


def _explained(document: dict[str, Any], *, explain: bool) -> list[str]:
    """The choices, and with `explain` the decision in words."""
    lines = []
    if len(document["choices"]) > 1 or explain:
        lines += [f"  {line}" for line in _table(_choice_rows(document["choices"]))]
    if explain:
        lines += [f"  {sentence}" for sentence in document["decision"]["text"]]
    return lines


def _quality_line(document: dict[str, Any]) -> str:
    accuracy, fidelity = document["accuracy"], document["fidelity"]
    line = f"{document['candidate']}"
    if accuracy is not None:
        low, high = accuracy["interval"]
        line += f", {accuracy['metric']} {accuracy['value']:.4g} ({low:.4g} to {high:.4g})"
        if accuracy["reference"] is not None:
            line += f", float {accuracy['reference']:.4g}"
    elif fidelity is not None and fidelity["signal_to_noise_db"] is not None:
        line += (
            f", {fidelity['signal_to_noise_db']:.1f} dB signal to noise against the float model "
            f"on {fidelity['inputs']} inputs; this is not accuracy"
        )
    return line


def _arena_note(document: dict[str, Any]) -> str:
    if document["arena_proved_optimal"]:
        return "; the arena is proved smallest"
    return f"; the arena is at least {document['arena_lower_bound_bytes']:,} B in any layout"


def _time_line(document: dict[str, Any]) -> str:
    figures = []
    if document["latency_s"] is not None:
        figures.append(duration(document["latency_s"]))
    figures += [
        f"{document[key]:,} {key}"
        for key in ("instructions", "cycles")
        if document[key] is not None
    ]
    return ", ".join(figures) or "not known: the core has no cost table for these kernels"


def _rewrite_lines(rewrites: Sequence[dict[str, Any]]) -> list[str]:
    lines = []
    for one in rewrites:
        gains = [
            f"{'+' if one[key] < 0 else _MINUS}{abs(one[key]):,} {noun[abs(one[key]) != 1]}"
            for key, noun in (
                ("macs_saved", ("MAC", "MACs")),
                ("weight_bytes_saved", ("B of weights", "B of weights")),
                ("ops_saved", ("operator", "operators")),
            )
            if one[key]
        ]
        places = "1 place" if one["applied"] == 1 else f"{one['applied']:,} places"
        lines.append(f"{one['name']} in {places}: {', '.join(gains) or 'no gain'}")
    return lines


def _choice_rows(choices: Sequence[dict[str, Any]]) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [_HEAD]
    for one in choices:
        mark = "\N{RIGHTWARDS ARROW}" if one["chosen"] else " " if one["fits"] else "\N{BALLOT X}"
        label = one["candidate"] + ("" if one["strategy"] == "usual" else f" {one['strategy']}")
        time = "?" if one["latency_s"] is None else duration(one["latency_s"])
        if one["accuracy"] is not None:
            quality = f"{one['accuracy']:.4g}"
        elif one["signal_to_noise_db"] is not None:
            quality = f"{one['signal_to_noise_db']:.1f} dB"
        else:
            quality = "exact" if one["is_exact"] else "?"
        rows.append(
            (
                mark,
                label,
                _number(one["ram_bytes"]),
                _number(one["flash_bytes"]),
                time,
                quality,
                "yes" if one["pareto"] else "no",
            )
        )
    return rows


def _table(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join(
            cell.ljust(width) if column < 2 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def _parts(sizes: dict[str, int | None]) -> str:
    return ", ".join(f"{name} {_number(size)}" for name, size in sizes.items() if name != "total")


def _number(value: float | None) -> str:
    return "?" if value is None else f"{value:,}"
