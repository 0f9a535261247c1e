"""What can be served is listed, looked at without loading it, and chosen for the next boot."""

from __future__ import annotations

import json
import shutil
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from commanding import User
from harness import KernelProcess
from llmos.config import models as catalogue
from llmos.config.declared import declared
from llmos.kernel import command_line
from terminal import Terminal

PILOT = Path(__file__).parent.parent / "pilot" / "model"
HEAVY = {"torch", "transformers", "vllm"}


@pytest.fixture
def user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> User:
    for name in ("HF_HOME", "HF_HUB_CACHE"):
        monkeypatch.delenv(name, raising=False)
    return User(tmp_path, monkeypatch, capsys)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model of the user's own."""
    shutil.copytree(PILOT, tmp_path / "mine")
    return tmp_path / "mine"


# ---- listing and choosing ----------------------------------------------------------------------


def listed(user: User) -> dict[str, Any]:
    return {one["name"]: one for one in user.document("models")["models"]}


def test_the_list_has_the_pilot_and_those_that_were_added(user: User, folder: Path) -> None:
    assert list(listed(user)) == ["pilot"] and listed(user)["pilot"]["default"]
    assert user.llmos("models", "add", "mine", "mine").returncode == 0
    assert user.llmos("models", "add", "big", "Some-One/Big-70B").returncode == 0
    found = listed(user)
    assert found["mine"]["options"] == {"model": str(folder)} and found["mine"]["kind"] == "folder"
    assert found["big"]["kind"] == "hub"
    assert user.llmos("models", "use", "mine").returncode == 0
    assert listed(user)["mine"]["default"] and not listed(user)["pilot"]["default"]
    assert user.llmos("config", "get", "engine.model").stdout == "mine\n"
    removed = user.llmos("models", "remove", "mine")
    assert removed.returncode == 0 and "it was the default" in removed.stderr
    assert "[models.mine]\n" not in user.file.read_text().replace("# [models.mine]", "")


def test_the_hubs_cache_is_looked_into(user: User) -> None:
    place = user.folder / "cache" / "huggingface" / "hub" / "models--Some-One--Small"
    (place / "refs").mkdir(parents=True)
    (place / "refs" / "main").write_text("abc123")
    shutil.copytree(PILOT, place / "snapshots" / "abc123")
    assert listed(user)["Some-One/Small"]["source"] == str(place / "snapshots" / "abc123")
    assert user.llmos("models", "check", "Some-One/Small").returncode == 0
    absent = user.llmos("models", "check", "Some-One/Other")
    assert absent.returncode == 1 and "not in the hub's cache" in absent.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("use", "pilt"), "did you mean pilot?"),
        (("add", "pilot", "x/y"), "no name for a model"),
        (("add", "a b", "x/y"), "no name for a model"),
        (("add", "m", "./nowhere"), "no folder here"),
        (("add", "m"), "from where?"),
        (("add", "m", "http://127.0.0.1:1/v1"), "which of its models?"),
        (("remove", "m"), "no table [models.m]"),
        (("show",), "which model?"),
    ],
)
def test_what_cannot_be_meant_is_refused(user: User, words: tuple[str, ...], said: str) -> None:
    ended = user.llmos("models", *words)
    assert ended.returncode == 2 and said in ended.stderr


def test_the_kernel_serves_what_the_table_says(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(
        '[engine]\nmodel = "mine"\ndtype = "float16"\n'
        '[models.mine]\nmodel = "/m"\ndtype = "bfloat16"\nmax_model_len = 99\n'
        '[models.other]\nmodel = "who/what"\n'
    )
    words = [f"--state-dir={tmp_path}", f"--config={path}"]
    found = command_line.parse(words, {})
    assert (found.model, found.dtype, found.max_model_len) == ("/m", "bfloat16", 99)
    found = command_line.parse([*words, "--model=other", "--max-model-len=7"], {})
    assert (found.model, found.dtype, found.max_model_len) == ("who/what", "float16", 7)
    assert command_line.parse(words, {"LLMOS_ENGINE_MODEL": "pilot"}).model == "pilot"


def test_now_boots_the_kernel_with_it_and_processes_come_back(own_kernel: KernelProcess) -> None:
    """By hand, in the shell: the conversation is there after it."""
    file = own_kernel.plugins_dir.parent / "config.toml"
    file.parent.mkdir(parents=True)
    file.write_text(
        f'[engine]\ndriver = "simulated"\n[models.one]\nmodel = "{PILOT}"\nmax_num_seqs = 3\n'
    )
    try:
        with Terminal([sys.executable, "-m", "llmos"], env=own_kernel.env) as shell:
            shell.wait_for("^llmos>")
            shell.enter("good morning")
            shell.wait_for("^You said: good morning")
            shell.enter("models use one")
            shell.wait_for("models use one --now")
            shell.enter("models use one --now")
            shell.wait_for("booted; llmos status shows")
            shell.enter("and now")
            shell.wait_for("^You said: and now")
        shown = json.loads(own_kernel.llmos("scheduler", "--json").stdout)
        assert shown["slots"] == 3, "the table's own option holds"
        names = [one["name"] for one in own_kernel_processes(own_kernel)]
        assert names.count("shell") == 1
    finally:
        own_kernel.llmos("halt")


def own_kernel_processes(kernel: KernelProcess) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(kernel.llmos("ps", "--json").stdout)["processes"]
    return found


# ---- looking into a folder ---------------------------------------------------------------------


def test_show_reads_what_the_folder_says(user: User) -> None:
    found = user.document("models", "show", "pilot")
    assert found["architecture"] == "LlamaForCausalLM" and found["window_tokens"] == 2048
    assert found["dtype"] == "bfloat16" and found["chat_template"]
    assert found["size_bytes"] == (PILOT / "model.safetensors").stat().st_size
    assert (found["tool_parser"], found["tool_parser_known"]) == ("hermes", True)
    assert "2,048 tokens" in user.llmos("models", "show", "pilot").stdout


def test_a_model_that_is_cut_off_or_lacks_a_file_is_told(user: User, folder: Path) -> None:
    assert user.llmos("models", "check", "mine").returncode == 0
    weights = folder / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-10])
    cut = user.llmos("models", "check", "mine")
    assert cut.returncode == 1 and f"where its header says {len(whole):,}" in cut.stdout
    weights.write_bytes(b"x")
    (folder / "tokenizer.json").unlink()
    (folder / "tokenizer_config.json").unlink()
    (folder / "chat_template.jinja").unlink()
    faults = user.document("models", "check", "mine")["faults"]
    assert [fault[:20] for fault in faults] == [
        "there is no tokenize",
        "there is no chat tem",
        "model.safetensors: i",
    ]
    weights.unlink()
    (folder / "model.safetensors.index.json").write_text('{"weight_map": {"a": "m-1.safetensors"}}')
    assert "m-1.safetensors is missing" in user.llmos("models", "check", "mine").stdout


def test_nothing_of_it_is_loaded(sim_kernel: KernelProcess) -> None:
    import subprocess

    code = "import sys; from llmos.shell.main import main; main(['models', 'show', 'pilot']);"
    code += "print(*sys.modules, file=sys.stderr)"
    run = subprocess.run([sys.executable, "-c", code], env=sim_kernel.env, capture_output=True)
    assert run.returncode == 0 and not HEAVY & set(run.stderr.decode().split())


# ---- endpoints ---------------------------------------------------------------------------------


class Served(BaseHTTPRequestHandler):
    """A server that wants a key, and lists two models."""

    def do_GET(self) -> None:
        if self.path == "/elsewhere/models":
            self.send_response(302)
            self.send_header("Location", "/v1/models")
        elif self.headers["Authorization"] != "Bearer s3cret":
            self.send_response(401)
        else:
            self.send_response(200)
        body = json.dumps({"data": [{"id": "small"}, {"id": "large"}]}).encode()
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None: ...


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Served)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.mark.parametrize(
    ("path", "model", "key", "said"),
    [
        ("/v1", "small", "s3cret", ""),
        ("/v1", "huge", "s3cret", "does not serve huge, but large, small"),
        ("/v1", "small", "wrong", "401"),
        ("/v1", "small", "", "THE_KEY, which is to hold the key, is not set"),
        ("/elsewhere", "small", "s3cret", "302"),
    ],
)
def test_an_endpoint_is_asked_whether_it_serves_the_model(
    address: str, monkeypatch: pytest.MonkeyPatch, path: str, model: str, key: str, said: str
) -> None:
    monkeypatch.setenv("THE_KEY", key)
    options = {"endpoint": address + path, "model": model, "key_env": "THE_KEY"}
    faults = catalogue.faults_of_model(catalogue.of_table("there", options))
    assert (said in faults[0]) if said else faults == []


def test_an_endpoint_needs_a_driver_that_the_kernel_has(user: User, address: str) -> None:
    url = f"{address}/v1"
    added = user.llmos("models", "add", "there", url, "--model", "small", "--key-env", "THE_KEY")
    if catalogue.OF_ENDPOINTS in declared()["engine"]["driver"].choices:
        assert added.returncode == 0, added.stderr
        assert user.llmos("models", "check", "there", THE_KEY="s3cret").returncode == 0
        shown = user.llmos("models", "show", "there", THE_KEY="s3cret").stdout
        assert "THE_KEY is set here" in shown and "s3cret" not in shown
        assert "s3cret" not in user.file.read_text()
    else:
        assert added.returncode == 78 and "this kernel has no driver 'openai'" in added.stderr
        assert not user.file.exists()
