"""Words in, documents and lines out."""

from __future__ import annotations

import argparse
import io
import json
import re
import threading
from collections.abc import Iterator

import pytest

from anvil import cli, display
from anvil.commands import make_parser
from anvil.commands.parser import UsageError
from anvil.core.diagnostics import AnvilError, Diagnostic, ExitCode, Severity
from anvil.display import LiveTable, PlainLines, Silence, make_progress
from anvil.pipeline import events
from anvil.pipeline.events import Event, Outcome, TargetOutcome


def parse(*words: str) -> argparse.Namespace:
    return make_parser().parse_args(list(words))


def check_usage(words: list[str], message: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        make_parser().parse_args(words)
    assert message in caught.value.message
    assert hint in caught.value.hint


def parsers(parser: argparse.ArgumentParser, name: str) -> Iterator[tuple[str, str]]:
    """(command, its help) of every command that does something."""
    inner = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
    for action in inner:
        for word, one in action.choices.items():
            yield from parsers(one, f"{name} {word}")
    if not inner:
        yield name, parser.format_help()


COMMANDS = dict(parsers(make_parser(), "anvil"))

# Arguments.


@pytest.mark.parametrize("command", COMMANDS)
def test_every_help_teaches_with_examples_that_parse(command: str) -> None:
    text = COMMANDS[command]
    assert "--json" in text
    assert "--quiet" in text
    _, _, examples = text.partition("examples:\n")
    lines = [
        line.strip().removeprefix('eval "$(').partition("  ")[0]
        for line in examples.splitlines()
        if line.strip()
    ]
    assert lines
    for line in lines:
        assert line.startswith(command), line
        words = re.findall(r'"([^"]*)"|([^\s")]+)', line)
        parse(*[quoted or plain for quoted, plain in words][1:])


def test_targets_are_listed_repeated_and_each_once() -> None:
    assert parse("build").target is None
    assert parse("build", "--target", "a, b", "--target", "b,c").target == ("a", "b", "c")
    check_usage(["build", "--target", "a,,b"], "'a,,b'", "anvil build --help")
    check_usage(["build", "--target", ""], "separated by commas", "--help")


@pytest.mark.parametrize("word", ["0", "-1", "x", "1.5", "9" * 5000, "", "1_0"])
def test_jobs_are_a_small_whole_number(word: str) -> None:
    check_usage(["build", f"--jobs={word}"], "--jobs", "--help")


def test_a_misspelt_word_brings_the_nearest() -> None:
    check_usage(
        ["biuld"], "there is no 'biuld'; there is init, plan, build, run", "did you mean 'build'?"
    )
    check_usage(["build", "--tagret", "x"], "--tagret", "did you mean --target?")
    check_usage(
        ["build", "--executor", "hsot"], "auto, docker, sandbox, host", "did you mean 'host'?"
    )
    check_usage(["cache", "stats"], "stat, gc, verify", "did you mean 'stat'?")
    check_usage(["build", "--targe", "x"], "unrecognized", "--target")


def test_values_that_look_like_options_may_be_given_with_an_equals_sign() -> None:
    assert parse("build", "--out=--json").out == "--json"


# Progress.


def test_plain_lines_tell_each_step_once() -> None:
    stream = io.StringIO()
    with make_progress(stream, quiet=False) as listener:
        listener(Event(target="rpi4", step="compiling"))
        listener(Event(target="", step="computing the reference"))
        listener(Event(target="rpi4", step=""))
    assert stream.getvalue() == "rpi4: compiling\ncomputing the reference\n"


def test_a_step_that_lasts_is_told_again_and_an_ended_one_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(display, "_REMIND_S", 0.05)
    reminded = threading.Event()

    class Stream(io.StringIO):
        def write(self, text: str) -> int:
            if "slow: still compiling, " in text:
                reminded.set()
            return super().write(text)

    stream = Stream()
    with PlainLines(stream) as listener:
        listener(Event(target="quick", step="compiling"))
        listener(Event(target="slow", step="compiling"))
        listener(Event(target="", step="not hermetic", is_note=True))
        listener(Event(target="quick", step=""))
        assert reminded.wait(30)
    assert "quick: still" not in stream.getvalue()
    assert "still not hermetic" not in stream.getvalue()
    assert stream.getvalue().count("not hermetic") == 1


def test_quiet_and_terminal_choose_the_display() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    assert isinstance(make_progress(Terminal(), quiet=False), LiveTable)
    silence = make_progress(Terminal(), quiet=True)
    assert type(silence) is Silence
    with silence as listener:
        listener(Event(target="rpi4", step="compiling"))


def test_the_live_table_shows_steps_and_cleans_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    stream = Terminal()
    with LiveTable(stream) as listener:
        listener(Event(target="", step="said [bold]once", is_note=True))
        listener(Event(target="rpi4", step="compiling"))
        listener(Event(target="rpi4", step="writing"))
        listener(Event(target="rpi4", step=""))
        listener(Event(target="unknown", step=""))
    assert "said [bold]once" in stream.getvalue()


# Outcomes.


def _target(name: str, exit_code: ExitCode, *diagnostics: Diagnostic) -> TargetOutcome:
    if exit_code is ExitCode.DONE:
        return TargetOutcome(
            target=name, status="built", exit_code=exit_code, diagnostics=diagnostics
        )
    return events.failed(name, diagnostics, exit_code)


def run(outcome: Outcome | BaseException, monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    def dispatch(_: list[str]) -> Outcome:
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    monkeypatch.setattr(cli, "_dispatch", dispatch)
    return cli.main(["build", *words])


_WARNING = Diagnostic(code="w", message="beware", severity=Severity.WARNING)
_ERROR = Diagnostic(
    code="e", message="wrong", file="anvil.yaml", line=3, column=7, path="a.b", hint="do this"
)


def test_people_read_places_hints_and_a_line_per_target(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    outcome = Outcome(
        targets=(
            _target("rpi4", ExitCode.DONE, _WARNING),
            _target("browser", ExitCode.BAD_INPUT, _ERROR),
            _target("nrf52840", ExitCode.BAD_INPUT, _ERROR),
        )
    )
    assert run(outcome, monkeypatch) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.splitlines() == [
        "warning: beware",
        "anvil.yaml:3:7: error: wrong [a.b]",
        "  hint: do this",
        "✓ rpi4             built",
        "✗ browser          invalid",
        "✗ nrf52840         invalid",
    ]
    assert run(outcome, monkeypatch, "--quiet") == 2
    assert capsys.readouterr().err.splitlines() == [
        "anvil.yaml:3:7: error: wrong [a.b]",
        "  hint: do this",
    ]


@pytest.mark.parametrize(
    ("codes", "expected"), [((1, 3), 1), ((3, 2, 1), 2), ((0, 3), 3), ((2, 130), 130), ((), 0)]
)
def test_the_first_of_the_exit_codes_in_order(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    codes: tuple[int, ...],
    expected: int,
) -> None:
    outcome = Outcome(targets=tuple(_target(str(c), ExitCode(c), _ERROR) for c in codes))
    assert run(outcome, monkeypatch, "--json") == expected
    document = json.loads(capsys.readouterr().out)
    assert (document["exit_code"], document["ok"]) == (expected, expected == 0)
    assert len(document["targets"]) == len(codes)


@pytest.mark.parametrize(
    ("error", "exit_code", "word"),
    [
        (AnvilError(_ERROR), 2, "wrong"),
        (AnvilError(_ERROR, _WARNING, exit_code=ExitCode.DOES_NOT_FIT), 3, "beware"),
        (UsageError("what?", "this"), 2, "what?"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (RuntimeError("boom"), 1, "defect of Anvil: RuntimeError: boom"),
    ],
    ids=["one", "several", "usage", "interrupt", "defect"],
)
def test_every_end_is_one_document(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: BaseException,
    exit_code: int,
    word: str,
) -> None:
    monkeypatch.delenv("ANVIL_DEBUG", raising=False)
    assert run(error, monkeypatch, "--json") == exit_code
    printed = capsys.readouterr()
    assert printed.err == ""
    document = json.loads(printed.out)
    assert {"format", "command", "ok", "exit_code", "diagnostics", "targets"} <= set(document)
    assert document["command"] == "build"
    assert word in document["diagnostics"][-1]["message"]
    keys = {"severity", "code", "message", "file", "line", "column", "path", "hint"}
    assert all(set(row) == keys for row in document["diagnostics"])


def test_a_defect_shows_where_it_lies_on_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANVIL_DEBUG", "1")
    with pytest.raises(RuntimeError, match="boom"):
        run(RuntimeError("boom"), monkeypatch)


def test_a_document_is_ascii_even_of_names_that_are_no_text(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    name = "b\udcffd ü ✓"
    outcome = Outcome(diagnostics=(Diagnostic(code="e", message=name),))
    run(outcome, monkeypatch, "--json")
    text = capsys.readouterr().out
    assert text.isascii()
    assert json.loads(text)["diagnostics"][0]["message"] == name


def test_no_colour_but_on_a_terminal_that_wants_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    outcome = Outcome(targets=(_target("rpi4", ExitCode.FAILED, _ERROR),))
    run(outcome, monkeypatch)
    assert "\x1b" not in capsys.readouterr().err
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    run(outcome, monkeypatch)
    assert "\x1b[1;31merror\x1b[0m" in capsys.readouterr().err
    monkeypatch.setenv("NO_COLOR", "1")
    run(outcome, monkeypatch)
    assert "\x1b" not in capsys.readouterr().err
