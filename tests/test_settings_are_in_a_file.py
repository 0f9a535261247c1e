"""Settings are in a file that explains itself; what is wrong in it is named with its line."""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from commanding import User
from harness import KernelProcess
from llmos.config.declared import declared, settings
from llmos.config.faults import faults_of, lines_of
from llmos.config.template import template
from llmos.kernel import command_line
from terminal import Terminal

LLMOS = [sys.executable, "-m", "llmos"]


@pytest.fixture
def user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> User:
    return User(tmp_path, monkeypatch, capsys)


# ---- the file of the first start ---------------------------------------------------------------


def test_the_first_file_explains_every_setting_and_changes_none(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(template())
    assert not any(tomllib.loads(template()).values())
    assert faults_of(path) == []
    for one in settings().values():
        assert re.search(rf"^## .+\n# {one.key} =", template(), re.MULTILINE), one.name


def test_its_comments_are_what_holds_anyway(tmp_path: Path) -> None:
    """With the # of every line that has a value taken away, the kernel is told what it does."""
    path = tmp_path / "config.toml"
    path.write_text(re.sub(r"^# (\[.+\]|\w+ = .+)$", r"\1", template(), flags=re.MULTILINE))
    assert faults_of(path) == []
    said = command_line.parse([f"--state-dir={tmp_path}", f"--config={path}"], {})
    assert said == command_line.parse([f"--state-dir={tmp_path}"], {})


def test_the_first_boot_writes_it(own_kernel: KernelProcess) -> None:
    file = own_kernel.plugins_dir.parent / "config.toml"
    with Terminal([*LLMOS, "--driver=simulated"], env=own_kernel.env) as shell:
        shell.wait_for(r"settings, with what each one is: .*config\.toml")
        shell.wait_for("^llmos>")
        assert file.read_text() == template() and file.stat().st_mode & 0o777 == 0o600
        shell.enter("config set shell.suggestions false")
        shell.wait_for("the next shell takes it")
        shell.enter("config get shell.suggestions")
        shell.wait_for("^false$")
        shell.enter("halt")
        shell.wait_for("halted: kernel")
        shell.enter("boot --driver simulated")
        shell.wait_for("^ready: simulated")
        shell.enter("halt")
        shell.wait_for("halted: kernel", count=2)
    assert "suggestions = false\n" in file.read_text(), "a second boot leaves it alone"


# ---- get, set, unset ---------------------------------------------------------------------------


def test_set_keeps_comments_and_order(user: User) -> None:
    before = '# mine\n[scheduler]  # who\npolicy = "fifo" # for now\n\n[engine]\n# last\n'
    user.writes(before)
    assert user.llmos("config", "set", "scheduler.policy", "fair").returncode == 0
    assert user.file.read_text() == before.replace('"fifo"', '"fair"')
    assert user.llmos("config", "set", "engine.max_num_seqs", "12").returncode == 0
    assert user.llmos("config", "set", "engine.compile", "true").returncode == 0
    text = user.file.read_text()
    assert text.startswith(before.replace('"fifo"', '"fair"'))
    assert tomllib.loads(text)["engine"] == {"max_num_seqs": 12, "compile": True}
    for key in ("max_num_seqs", "compile"):
        assert user.llmos("config", "unset", f"engine.{key}").returncode == 0
    assert user.file.read_text() == before.replace('"fifo"', '"fair"')


def test_a_value_goes_below_the_comment_that_explains_it(user: User) -> None:
    user.writes(template())
    user.llmos("config", "set", "memory.low", "0.3")
    assert "# low = 0.45\nlow = 0.3\n" in user.file.read_text()


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("engine.max_num_seqs", "none", "'none' is not a whole number from 1"),
        ("engine.max_num_seqs", "0", "0 is not a positive number"),
        ("scheduler.policy", "mlqf", "did you mean mlfq?"),
        ("engine.compile", "perhaps", "true or false"),
        ("shell.editing", "vim", "it is emacs or vi"),
        ("engine.modl", "x", "there is no setting engine.modl; did you mean engine.model?"),
        ("max_steps", "3", "did you mean processes.max_steps?"),
        ("memory.low", "1.0", "--low 1 is not below --high 1"),
        ("models.mine.dtype", "half", "[models.mine] says no model"),
    ],
)
def test_what_cannot_be_is_refused_and_not_written(
    user: User, name: str, value: str, said: str
) -> None:
    user.writes("[engine]\n")
    ended = user.llmos("config", "set", name, value)
    assert ended.returncode == 2 and said in ended.stderr, ended.stderr
    assert user.file.read_text() == "[engine]\n"
    assert user.document("config", "set", name, value)["error"]["code"] == "EUSAGE"


def test_get_says_what_holds_and_who_says_so(user: User) -> None:
    def get(**environ: str) -> tuple[Any, str]:
        found = user.document("config", "get", "processes.max_steps", **environ)
        return found["value"], found["source"]

    assert get() == (32, "default")
    tuned = user.writes("[processes]\n\nmax_steps = 5\n", "kernel.toml")
    assert get() == (5, f"{tuned}:3"), "what tune has found"
    user.writes("[processes]\nmax_steps = 6\n")
    assert get() == (6, f"{user.file}:2")
    assert get(LLMOS_PROCESSES_MAX_STEPS="7") == ("7", "LLMOS_PROCESSES_MAX_STEPS")
    assert user.llmos("config", "get", "processes.max_steps").stdout == "6\n"


def test_a_file_that_is_a_link_stays_one(user: User) -> None:
    user.writes("")
    user.file.rename(user.folder / "dotfile.toml")
    user.file.symlink_to(user.folder / "dotfile.toml")
    user.llmos("config", "set", "engine.max_num_seqs", "3")
    assert user.file.is_symlink() and "max_num_seqs = 3" in user.file.read_text()


# ---- check -------------------------------------------------------------------------------------


def test_check_names_each_fault_with_its_line(user: User) -> None:
    user.writes(
        'low = 1\n[engine]\nmodel = "a"\nmax_num_seq = 3\n[scheduler]\npolicy = "mlqf"\n'
        '[engin]\n[models.m]\ndtype = """\nmodel = 1\n"""\n[shell]\ncolour = 3\n'
    )
    ended = user.llmos("config", "check")
    assert ended.returncode == 78
    lines = ended.stdout.splitlines()
    assert [int(line.removeprefix(f"{user.file}:").partition(":")[0]) for line in lines] == [
        *(1, 4, 6, 7, 8, 13)
    ]
    assert "put it into [memory]" in lines[0] and "did you mean max_num_seqs?" in lines[1]
    found = user.document("config", "check")
    assert not found["ok"] and len(found["faults"]) == 6
    assert user.llmos("config", "set", "engine.model", "b").returncode == 0, "others' faults stay"


def test_a_file_that_is_not_toml_is_told_by_its_line_and_never_written_over(user: User) -> None:
    user.writes("[engine]\nmodel = \n")
    ended = user.llmos("config", "check")
    assert ended.returncode == 78 and f"{user.file}:2: this is not TOML" in ended.stdout
    assert user.llmos("config", "set", "engine.model", "b").returncode == 78
    assert user.file.read_text() == "[engine]\nmodel = \n"


def test_check_looks_at_the_environment_too(user: User) -> None:
    ended = user.llmos("config", "check", LLMOS_ENGINE_COMPILE="maybe", LLMOS_SHELL_COLOR="1")
    assert ended.returncode == 78
    assert "LLMOS_ENGINE_COMPILE: " in ended.stdout
    assert "LLMOS_SHELL_COLOR: no setting has this variable (did you mean LLMOS_SHELL_COLOUR?)" in (
        ended.stdout
    )


def test_what_one_setting_does_to_another_is_checked_too(user: User) -> None:
    user.writes("[memory]\nhigh = 0.5\n\nlow = 0.6\n")
    ended = user.llmos("config", "check")
    assert ended.returncode == 78 and "config.toml:2: --low 0.6 is not below" in ended.stdout


def test_lines_are_found_where_texts_span_several() -> None:
    text = 'a = """\n[b]\nc = 1\n"""\n["d e".f]\n"g" = 2\n'
    assert lines_of(text) == {"a": 1, "de.f": 5, "de.f.g": 6}


# ---- what the kernel takes ---------------------------------------------------------------------


def test_the_kernel_obeys_flag_then_environment_then_file(tmp_path: Path) -> None:
    tuned, own = tmp_path / "kernel.toml", tmp_path / "config.toml"
    tuned.write_text("[engine]\nmax_num_seqs = 2\ncompile = true\nmax_model_len = 128\n")
    own.write_text('[engine]\nmax_num_seqs = 3\ncompile = false\n[shell]\nediting = "vi"\n')
    files = [f"--state-dir={tmp_path}", f"--config={tuned}", f"--config={own}"]
    found = command_line.parse(files, {})
    assert (found.max_num_seqs, found.compile, found.max_model_len) == (3, False, 128)
    environ = {"LLMOS_ENGINE_MAX_NUM_SEQS": "4", "LLMOS_ENGINE_COMPILE": "true"}
    found = command_line.parse(files, environ)
    assert (found.max_num_seqs, found.compile) == (4, True)
    assert command_line.parse([*files, "--max-num-seqs=5"], environ).max_num_seqs == 5


def test_an_older_kernel_toml_goes_on_to_count(user: User) -> None:
    """In the state folder it is the weakest, and one in the user's folder takes its place."""
    folder = user.folder / "state"
    folder.mkdir()
    (folder / "kernel.toml").write_text("[processes]\nmax_steps = 3\nmax_processes = 9\n")
    user.writes("[processes]\nmax_steps = 4\n")
    held = {one["name"]: one for one in user.document("config", "list", "--set")["settings"]}
    assert held["processes.max_steps"]["value"] == 4
    assert held["processes.max_processes"]["source"] == f"{folder / 'kernel.toml'}:3"
    user.writes("", "kernel.toml")
    assert user.document("config", "get", "processes.max_processes")["source"] == "default"


def test_every_setting_of_the_shell_is_one_that_it_reads(user: User) -> None:
    from llmos.config import shell_settings

    user.writes('[shell]\nediting = "vi"\ncolour = "loud"\n')
    found = shell_settings.read([str(user.file)], {"LLMOS_SHELL_SUGGESTIONS": "0"})
    assert found["editing"] == "vi" and found["suggestions"] is False
    assert found["colour"] is True, "what cannot be meant is as if it were not there"
    folder = Path(__file__).parent.parent / "shell" / "interactive"
    source = "".join(path.read_text() for path in folder.glob("*.py"))
    for key in declared()["shell"]:
        assert f'"{key}"' in source, f"nothing reads shell.{key}"


def test_the_keys_are_those_of_the_editor_that_is_set(sim_kernel: KernelProcess) -> None:
    with Terminal(LLMOS, env=sim_kernel.env | {"LLMOS_SHELL_EDITING": "vi"}) as shell:
        shell.wait_for("^llmos>")
        shell.send("helq status")
        shell.key("escape")
        shell.send("03lrp")
        shell.wait_for("^llmos> help status")


MODULES = """
import sys
from llmos.shell.main import main
main([])
print("tomllib" in sys.modules, "tomlkit" in sys.modules, "pydantic" in sys.modules, "loaded")
"""


@pytest.mark.parametrize(("said", "loaded"), [("", False), ("[shell]\nsuggestions = true\n", True)])
def test_the_shell_reads_toml_only_where_something_is_set(
    sim_kernel: KernelProcess, tmp_path: Path, said: str, loaded: bool
) -> None:
    path = tmp_path / "config.toml"
    path.write_text(said or template())
    env = sim_kernel.env | {"LLMOS_CONFIG": str(path)}
    with Terminal([sys.executable, "-c", MODULES], env=env) as shell:
        shell.wait_for("^llmos>")
        shell.enter("exit")
        shell.wait_for(f"^{loaded} False False loaded")


# ---- a project's -------------------------------------------------------------------------------


def test_a_projects_file_counts_only_while_it_is_what_was_trusted(user: User) -> None:
    def get() -> Any:
        return user.document("config", "get", "processes.max_steps")["value"]

    project = user.folder / "llmos.toml"
    project.write_text("[processes]\nmax_steps = 7\n")
    assert get() == 32
    told = user.llmos("trust")
    assert told.returncode == 0 and "max_steps = 7" in told.stderr, "what is trusted is shown"
    assert get() == 7
    project.write_text("[processes]\nmax_steps = 8\n")
    assert get() == 32
    assert user.document("trust", "--list")["files"][0]["state"] == "changed since"
    assert user.llmos("trust").returncode == 0 and get() == 8
    assert user.llmos("trust", "--forget").returncode == 0 and get() == 32


def test_a_projects_file_with_faults_is_not_trusted(user: User) -> None:
    (user.folder / "llmos.toml").write_text("[engine]\nmodl = 1\n")
    refused = user.llmos("trust")
    assert refused.returncode == 78 and "llmos.toml:2: " in refused.stderr
