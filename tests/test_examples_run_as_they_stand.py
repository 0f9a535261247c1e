"""Every example does what it says, as it stands, on the real engine with the pilot."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from datetime import date
from pathlib import Path

import nbformat
from nbclient import NotebookClient

from harness import KernelProcess

EXAMPLES = Path(__file__).parent.parent / "examples"


def output(kernel: KernelProcess, *words: str) -> list[str]:
    """The lines that a command writes, when it ends well."""
    ended = kernel.llmos(*words)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.splitlines()


def script(kernel: KernelProcess, name: str) -> list[str]:
    return output(kernel, "run", str(EXAMPLES / name))


def test_map_reduce_adds_up_all_bills(kernel: KernelProcess) -> None:
    bills = [path.read_text() for path in EXAMPLES.glob("bills/*.txt")]
    total = sum(int(bill.split()[-1]) for bill in bills)
    (line,) = script(kernel, "map_reduce.py")
    assert len(bills) == 3 and line.endswith(f" = {total}")


def test_the_critic_accepts_what_is_right_and_nothing_else(kernel: KernelProcess) -> None:
    *rejected, accepted = script(kernel, "writer_and_critic.py")
    assert accepted == "accepted: 135 - 72 = 63"
    assert rejected, "the first draft was right: this task shows no critic at work"
    for line in rejected:
        found = re.fullmatch(r"rejected: .* = ([\d.]+) \(.*\)", line)
        assert found and float(found[1]) != 63


def test_the_supervisor_starts_anew_what_was_killed(kernel: KernelProcess) -> None:
    told, *results = script(kernel, "supervisor.py")
    found = re.fullmatch(r"pid (\d+) was killed, and pid (\d+) did its job", told)
    assert found and found[1] != found[2]
    assert results == ["12 * 48 = 576", "3 * 95 = 285", "576 + 285 = 861"]


def test_the_debate_is_won_by_the_cheapest_offer_and_shares_its_prefix(
    kernel: KernelProcess,
) -> None:
    offers = {}
    for line in (EXAMPLES / "offers.txt").read_text().splitlines():
        name, term = line.split(": ")
        offers[name] = eval(term)
    *sides, verdict = script(kernel, "debate.py")
    assert verdict == f"the judge is for {min(offers, key=lambda name: offers[name])}"
    pleas = [re.fullmatch(r"(.*): (\d+) \((\d+) of (\d+) tokens cached\)", one) for one in sides]
    assert {plea[1]: int(plea[2]) for plea in pleas if plea} == offers
    for plea in pleas:
        assert plea and int(plea[4]) - int(plea[3]) < 100 < int(plea[3])


def as_cron(kernel: KernelProcess, desk: Path, home: Path) -> subprocess.CompletedProcess[str]:
    """A line of a crontab, with the environment that cron gives it."""
    return subprocess.run(
        ["/bin/sh", "-c", f"cd {desk} && {EXAMPLES / 'nightly.sh'}"],
        env={"HOME": str(home), "PATH": "/usr/bin:/bin", "SHELL": "/bin/sh"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_the_night_is_filed_under_its_date_or_not_at_all(
    kernel: KernelProcess, tmp_path: Path
) -> None:
    desk = shutil.copytree(EXAMPLES / "desk", tmp_path / "desk")
    command = tmp_path / ".local" / "bin" / "llmos"
    command.parent.mkdir(parents=True)
    environment = [f"{name}={value}" for name, value in kernel.env.items()]
    here = shlex.join(["env", *environment, sys.executable, "-m", "llmos"])
    command.write_text(f'#!/bin/sh\nexec {here} "$@"\n')
    command.chmod(0o755)

    before = date.today()
    night = as_cron(kernel, desk, tmp_path)
    assert (night.returncode, night.stdout, night.stderr) == (0, "", "")
    (report,) = (desk / "reports").iterdir()
    assert report.name in {f"{day}.md" for day in (before, date.today())}
    text = report.read_text()
    for found in ("tom.txt", "- feed the cat", "notes.txt:1: buy milk and call Ada on Tuesday"):
        assert found in text

    report.unlink()
    command.write_text('#!/bin/sh\necho "llmos: no kernel" >&2\nexit 69\n')
    night = as_cron(kernel, desk, tmp_path)
    assert (night.returncode, night.stderr) == (69, "llmos: no kernel\n")
    assert not list((desk / "reports").iterdir())


def test_the_team_finds_what_is_there_and_reckons_after_it(kernel: KernelProcess) -> None:
    lines = output(kernel, "up", str(EXAMPLES / "research" / "team.toml"), "--wait")
    for n, name in enumerate(("heron", "otter", "pond"), start=1):
        fact = (EXAMPLES / "research" / f"shelf-{n}" / f"{name}.txt").read_text().strip()
        assert f"shelf-{n}/{name}.txt:1: {fact}" in lines
    assert lines[-4:-1] == ["== reckoner", "90 / 2.5 = 36.0", "== clerk"]
    assert str(date.today().year) in lines[-1]


def test_the_notebook_shows_what_it_shows_when_it_is_run(kernel: KernelProcess) -> None:
    run = notebook()
    NotebookClient(run, timeout=60).execute(env=kernel.env)
    assert results(run) == results(notebook())
    assert {"'37 * 12 = 444'", "([144, 225, 441], 810)"} <= set(results(run))


def notebook() -> nbformat.NotebookNode:
    """As it stands, with what it shows."""
    path = EXAMPLES / "notebook.ipynb"
    found: nbformat.NotebookNode = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
    return found


def results(of: nbformat.NotebookNode) -> list[str]:
    outputs = [one for cell in of.cells for one in cell.get("outputs", [])]
    return [one.data["text/plain"] for one in outputs if one.output_type == "execute_result"]


def test_every_example_is_short_listed_and_says_how_it_is_run() -> None:
    listed = set(re.findall(r"^\| \[(.*?)\]", (EXAMPLES / "README.md").read_text(), re.MULTILINE))
    scripts = {path.name for path in EXAMPLES.glob("*.*") if path.suffix not in (".md", ".txt")}
    assert listed == scripts | {"research/team.toml"}
    for name in listed - {"notebook.ipynb"}:
        text = (EXAMPLES / name).read_text()
        assert 10 <= len(text.splitlines()) <= 45, name
        assert re.search(rf"^[# ]+ (llmos|30 2) .*examples/{name}", text, re.MULTILINE), name
    assert "examples/notebook.ipynb" in (EXAMPLES / "notebook.ipynb").read_text()
