"""What every executor holds: run(Action) gives outputs, and nothing else gets in or out.

An executor is added to EXECUTORS and passes as it is.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from anvil.build.host import run_action
from anvil.build.perform import known, perform
from anvil.cache.store import Store, VanishedError
from anvil.core.action import Action, Tree
from anvil.core.diagnostics import AnvilError, ExitCode
from anvil.core.digest import digest_of
from anvil.process import Cancellation

Executor = Callable[[Action, Store, Cancellation], Tree]
EXECUTORS = [pytest.param(run_action, id="host")]

pytestmark = pytest.mark.parametrize("run", EXECUTORS)

_LIST = """
import os
found = []
for folder, _, files in os.walk("."):
    for name in files:
        path = os.path.join(folder, name)
        status = os.stat(path)
        found.append(f"{os.path.relpath(path)} {status.st_mode & 0o777:o} {int(status.st_mtime)}")
open("out", "w").write("\\n".join(sorted(found)))
"""
# As Ninja does, the grandchild leads a process group of its own.
_GRANDCHILD = """
import os, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(100)", sys.argv[1]],
                         process_group=0)
print("started")
sys.stdout.flush()
time.sleep(100)
"""


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(root=tmp_path / "cache")


def action_of(store: Store, code: str, *words: str, **inputs: bytes) -> Action:
    """An action that runs Python code, which leaves `out`."""
    files = {"main.py": code.encode(), **inputs}
    return Action(
        kind="test",
        argv=("{python}", "-I", "main.py", *words),
        environment=(),
        inputs=store.put_tree(files, frozenset()),
        tools=(),
        outputs=("out",),
        timeout_s=60,
    )


def output_of(run: Executor, action: Action, store: Store) -> str:
    files = store.get_tree(run(action, store, Cancellation()))
    assert files is not None
    assert set(files) == {"out"}
    return files["out"].decode()


def check_fails(run: Executor, action: Action, store: Store, *words: str) -> None:
    with pytest.raises(AnvilError) as caught:
        perform_with(run, action, store)
    assert caught.value.exit_code is ExitCode.FAILED
    (diagnostic,) = caught.value.diagnostics
    for word in words:
        assert word in diagnostic.message
    assert str(store.root) not in diagnostic.message, "a person reads paths of the project"
    assert known(action.key, store) is None, "a failure is never cached"
    assert list((store.root / "work").iterdir()) == [], "its folder is gone"


def perform_with(run: Executor, action: Action, store: Store) -> Tree:
    assert run is run_action, "perform() runs the host executor"
    return perform(action, store, Cancellation())


def has_process(word: str) -> bool:
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if word.encode() in path.read_bytes().split(b"\0"):
                return True
        except OSError:
            continue
    return False


def check_gone(word: str) -> None:
    for _ in range(100):
        if not has_process(word):
            return
        time.sleep(0.05)
    pytest.fail("a process outlived its action")


def test_only_the_declared_inputs_are_there(run: Executor, store: Store) -> None:
    action = action_of(store, _LIST, **{"deep/er/file": b"1"})
    nodes = [replace(n, executable=n.path == "deep/er/file") for n in action.inputs.files]
    action = replace(action, inputs=Tree(files=tuple(nodes)))
    former = os.umask(0o077)
    try:
        listed = output_of(run, action, store)
    finally:
        os.umask(former)
    assert listed.splitlines() == ["deep/er/file 755 0", "main.py 644 0"]


def test_only_the_declared_environment_is_there(
    run: Executor, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANVIL_SECRET", "1")
    monkeypatch.setenv("CFLAGS", "-O0")
    code = "import os; open('out', 'w').write(' '.join(sorted(os.environ)))"
    action = replace(action_of(store, code), environment=(("DECLARED", "{work}/x"),))
    found = set(output_of(run, action, store).split())
    assert "DECLARED" in found
    assert found <= {"DECLARED", "HOME", "LC_CTYPE", "LD_LIBRARY_PATH", "PATH", "TMPDIR"}


def test_there_is_no_home_and_temporary_files_lie_in_its_folder(
    run: Executor, store: Store
) -> None:
    # A home in the folder would bring the folder's path, with whatever characters, to programs
    # that hand it to a shell.
    code = (
        "import os, tempfile\n"
        "is_here = os.path.realpath(tempfile.gettempdir()) == os.getcwd()\n"
        "has_home = os.path.exists(os.path.expanduser('~'))\n"
        "open('out', 'w').write(f'{is_here} {has_home}')\n"
    )
    assert output_of(run, action_of(store, code), store) == "True False"


def test_an_executable_output_stays_executable(run: Executor, store: Store) -> None:
    code = "import os; open('out', 'w').write('x'); os.chmod('out', 0o755)"
    tree = run(action_of(store, code), store, Cancellation())
    assert [node.executable for node in tree.files] == [True]


def test_a_failing_command_shows_its_last_lines(run: Executor, store: Store) -> None:
    code = (
        "import sys\n"
        "for n in range(99): print('line', n)\n"
        "sys.stdout.flush()\n"
        "sys.exit('the reason, in ' + __file__)"
    )
    check_fails(run, action_of(store, code), store, "exit code 1", "line 98", "the reason")


def test_an_output_that_is_missing_is_an_error_with_the_last_lines(
    run: Executor, store: Store
) -> None:
    action = action_of(store, "print('and yet it ended well')")
    check_fails(run, action, store, "did not produce out", "and yet it ended well")


def test_a_program_that_cannot_start_is_an_error(run: Executor, store: Store) -> None:
    check_fails(run, replace(action_of(store, ""), argv=("{python}-no",)), store, "cannot start")


def test_other_tools_than_the_key_names_are_refused(run: Executor, store: Store) -> None:
    action = replace(
        action_of(store, ""), tools=(("no-such-tool", "1.0"), ("numpy", "0.1"), ("ninja", "9.9"))
    )
    with pytest.raises(AnvilError) as caught:
        run(action, store, Cancellation())
    assert caught.value.exit_code is ExitCode.FAILED
    assert [d.code for d in caught.value.diagnostics] == ["tool.missing"] + ["tool.version"] * 2
    assert all(d.hint for d in caught.value.diagnostics)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks processes up in /proc")
def test_a_timeout_kills_the_whole_tree(run: Executor, store: Store, tmp_path: Path) -> None:
    action = replace(action_of(store, _GRANDCHILD, str(tmp_path)), timeout_s=2)
    check_fails(run, action, store, "longer than 2 s", "started")
    check_gone(str(tmp_path))


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks processes up in /proc")
def test_cancellation_kills_the_whole_tree(run: Executor, store: Store, tmp_path: Path) -> None:
    cancellation = Cancellation()
    action = action_of(store, _GRANDCHILD, str(tmp_path))

    def cancel() -> None:
        while not has_process(str(tmp_path)):
            time.sleep(0.02)
        time.sleep(0.3)  # until the grandchild is there, too
        cancellation.cancel()

    waiter = threading.Thread(target=cancel, daemon=True)
    waiter.start()
    with pytest.raises(KeyboardInterrupt):
        run(action, store, cancellation)
    waiter.join()
    check_gone(str(tmp_path))
    assert known(action.key, store) is None
    assert list((store.root / "work").iterdir()) == []


def test_a_cancelled_build_starts_nothing_more(run: Executor, store: Store) -> None:
    cancellation = Cancellation()
    cancellation.cancel()
    with pytest.raises(KeyboardInterrupt):
        run(action_of(store, "import time; time.sleep(30)"), store, cancellation)


@pytest.mark.parametrize("damage", ["lost", "changed"])
def test_an_input_that_is_damaged_is_said_to_have_vanished(
    run: Executor, store: Store, damage: str
) -> None:
    action = action_of(store, "open('out', 'w').close()", data=b"abc")
    path = store.path_of(digest_of(b"abc"))
    path.unlink()
    if damage == "changed":
        path.write_bytes(b"abd")
    with pytest.raises(VanishedError):
        run(action, store, Cancellation())


def test_what_succeeded_is_known_and_runs_no_more(run: Executor, store: Store) -> None:
    action = action_of(store, "import time; open('out', 'w').write(str(time.time_ns()))")
    first = perform_with(run, action, store)
    assert perform_with(run, action, store) == first
    assert known(action.key, store) == first
