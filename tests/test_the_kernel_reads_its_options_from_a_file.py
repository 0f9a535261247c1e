"""kernel.toml says what the command line would; what it says wrongly is refused by its name."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness import KernelProcess, running_kernel
from llmos.kernel import command_line
from llmos.kernel.config import KernelConfig
from llmos.kernel.scheduling.settings import Settings


def parse(folder: Path, text: str, *words: str) -> KernelConfig:
    (folder / "kernel.toml").write_text(text)
    return command_line.parse([f"--state-dir={folder}", *words])


def test_each_table_holds_the_options_of_its_name(tmp_path: Path) -> None:
    found = parse(
        tmp_path,
        """
        [engine]
        model = "some/model"
        max_num_seqs = 12
        max_num_batched_tokens = 512
        compile = true
        engine_arg = ["seed=7"]
        [scheduler]
        policy = "fair"
        quantum_tokens = 64
        keep_spreads = 0
        [memory]
        high = 0.8
        low = 0.4
        summaries = false
        [processes]
        max_steps = 3
        """,
    )
    assert (found.model, found.max_num_seqs, found.compile) == ("some/model", 12, True)
    assert found.engine_args == {"max_num_batched_tokens": 512, "seed": 7}
    assert found.scheduler == "fair"
    assert found.scheduling == Settings(quantum_tokens=64, keep_spreads=0.0)
    assert (found.watermarks.high, found.watermarks.low, found.summaries) == (0.8, 0.4, False)
    assert found.max_steps == 3


def test_the_command_line_wins(tmp_path: Path) -> None:
    text = "[engine]\nmax_num_seqs = 12\ncompile = true\n"
    found = parse(tmp_path, text, "--max-num-seqs=5", "--policy=fifo")
    assert (found.max_num_seqs, found.compile, found.scheduler) == (5, True, "fifo")


def test_another_file_can_be_named_and_then_must_be_there(tmp_path: Path) -> None:
    other = tmp_path / "other.toml"
    other.write_text("[engine]\nmax_num_seqs = 3\n")
    assert parse(tmp_path, "[engine]\nmax_num_seqs = 4\n", f"--config={other}").max_num_seqs == 3
    with pytest.raises(SystemExit):
        parse(tmp_path, "", f"--config={tmp_path / 'none.toml'}")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[engine]\nmax_num_seq = 3\n", "'max_num_seq' in [engine]: did you mean max_num_seqs?"),
        ("[sheduler]\n", "there is no table [sheduler]; there are [engine]"),
        ("max_num_seqs = 3\n", "max_num_seqs stands in no table"),
        ("[engine]\nmax_num_seqs = 0\n", "argument --max-num-seqs: 0 is not a positive number"),
        ("[engine]\ncompile = 1\n", "compile is true or false, not 1"),
        ("[engine]\nmodel = true\n", "model is a text or a number, not True"),
        ("[scheduler]\npolicy = 'mlqf'\n", "'mlqf'"),
        ("[scheduler]\nstate_dir = '/'\n", "no option 'state_dir' in [scheduler]"),
        ("[engine\n", "kernel.toml: "),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_with_the_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, said: str
) -> None:
    with pytest.raises(SystemExit) as refused:
        parse(tmp_path, text)
    assert refused.value.code == 2
    error = capsys.readouterr().err
    assert said in error and "kernel.toml" in error


def test_boot_reads_it_from_the_users_folder_and_schedules_by_it() -> None:
    kernel = KernelProcess()
    try:
        folder = kernel.folder / "config" / "llmos"
        folder.mkdir(parents=True)
        (folder / "kernel.toml").write_text(
            '[engine]\ndriver = "simulated"\nmax_num_seqs = 3\n'
            '[scheduler]\npolicy = "round-robin"\nquantum_tokens = 8\n'
        )
        assert kernel.llmos("boot").returncode == 0
        shown = kernel.llmos("scheduler").stdout
        assert "policy    round-robin" in shown and "slots     3:" in shown
        assert kernel.llmos("run", "count 30").stdout.split()[-1] == "30"
    finally:
        kernel.llmos("halt")
        kernel.close()


def test_a_policy_takes_the_settings_that_it_names_and_no_others() -> None:
    with running_kernel("--driver=simulated", "--level-tokens=1", "--patience-s=1") as kernel:
        for policy in ("mlfq", "fair", "fifo"):
            assert kernel.llmos("scheduler", "use", policy).returncode == 0
            assert kernel.llmos("run", "count 3").stdout == "1 2 3\n"
