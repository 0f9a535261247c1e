#!/bin/sh
# Makes the virtual environment and installs llmos with a real engine into it. `make install` calls
# it; it is safe to run again. Settings, all optional:
#   PYTHON  the interpreter, 3.11 or newer          (default: python3)
#   VENV    where the environment goes              (default: .venv)
#   ENGINE  cpu or gpu                              (default: gpu where nvidia-smi finds one)
#   LOCK    what a CPU machine installs             (default: requirements/cpu.txt)
set -eu
cd "$(dirname "$0")/.."
PYTHON=${PYTHON:-python3}
VENV=${VENV:-.venv}
LOCK=${LOCK:-requirements/cpu.txt}
unset PYTHONDONTWRITEBYTECODE  # every process would import vLLM from source: 13 s instead of 6

fail() {
    printf '\nllmos is not installed: %s\n' "$1" >&2
    exit 1
}

command -v "$PYTHON" >/dev/null 2>&1 || fail "there is no $PYTHON here. Install Python 3.11 or newer, or say which: PYTHON=… make install"
"$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    fail "$PYTHON is $("$PYTHON" -V 2>&1); 3.11 or newer is needed. Say which: PYTHON=… make install"

if [ -z "${ENGINE:-}" ]; then
    ENGINE=cpu
    if command -v nvidia-smi >/dev/null 2>&1 && nvidia-smi -L 2>/dev/null | grep -q GPU; then
        ENGINE=gpu
    fi
fi

echo "installing llmos with the $ENGINE engine into $VENV (2 to 3 GB, a minute or more)"
[ -x "$VENV/bin/python" ] || "$PYTHON" -m venv "$VENV" ||
    fail "$PYTHON cannot make virtual environments (on Debian: apt install python3-venv)"
log=$(mktemp)
trap 'rm -f "$log"' EXIT

"$VENV/bin/python" -m pip install --quiet uv 2>"$log" || {
    cat "$log" >&2
    fail "pip cannot install uv; the lines above say why"
}
# uv does not read pip's settings: a folder of wheels that pip knows of is passed on.
links=$("$VENV/bin/python" -m pip config get global.find-links 2>/dev/null ||
    printf %s "${PIP_FIND_LINKS:-}")
if [ -n "$links" ]; then
    UV_FIND_LINKS=${UV_FIND_LINKS:-$(printf %s "$links" | tr -s ' \n' ,)}
    export UV_FIND_LINKS
fi
# --python, not VIRTUAL_ENV: whatever environment is active, this one is meant.
uv() { "$VENV/bin/uv" "$@" --python "$VENV/bin/python"; }

# Say which requirement could not be had, in uv's own words, and the way out.
explain() {
    grep -iE 'no version|not found|no wheels|has no|was not|not satisfiable|unsatisfiable|error:' "$log" >&2 || tail -n 20 "$log" >&2
    case "$(cat "$log")" in
    *torch*) fail "the torch build named above is not among the packages that can be reached (this is $("$VENV/bin/python" -V 2>&1) on $(uname -m)). Its CPU builds come from an index of their own: either get the wheel from the PyTorch project and point pip to its folder (pip config set global.find-links DIR), or use another Python (3.11 to 3.13): PYTHON=… make install" ;;
    *) fail "the package named above cannot be had for $("$VENV/bin/python" -V 2>&1) on $(uname -m). Another Python may have it (3.11 to 3.13): PYTHON=… make install" ;;
    esac
}

if [ "$ENGINE" = gpu ]; then
    uv pip install --compile-bytecode -e '.[gpu,dev,docs,tune]' 2>"$log" || explain
else
    # A flat lock without resolver: torchvision, torchaudio, torchcodec and triton must stay out
    # (requirements/cpu-excludes.txt). The second try is for machines that reach torch's own index.
    uv pip install --compile-bytecode --no-deps -r "$LOCK" 2>"$log" ||
        uv pip install --compile-bytecode --no-deps --torch-backend cpu -r "$LOCK" 2>"$log" ||
        explain
    uv pip install --no-deps -e . 2>"$log" || explain
fi
echo "installed; \`make run\` opens the shell"
