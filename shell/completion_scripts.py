"""Completion for bash, zsh and fish. Verbs and their options stand in the script, made from their
declarations, so that they come at once; for anything else it calls `llmos __complete`.
"""

from __future__ import annotations

from .completing import FILES, options_of, outside

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

BASH = """\
# Completion of llmos for bash: eval "$(llmos completions bash)" in ~/.bashrc.
_llmos() {{
    local word=${{COMP_WORDS[COMP_CWORD]}} verb=${{COMP_WORDS[1]}} options='' found IFS=$'\\n'
    COMPREPLY=()
    if ((COMP_CWORD == 1)); then
        COMPREPLY=($(compgen -W '{verbs}' -- "$word"))
        return
    fi
    if [[ $word == -* ]]; then
        case $verb in
{options}
        esac
        COMPREPLY=($(compgen -W "$options" -- "$word"))
        return
    fi
    [[ $word == = ]] && word=''
    local -a before=("${{COMP_WORDS[@]:1:COMP_CWORD-1}}")
    found=$("${{COMP_WORDS[0]}}" __complete -- "${{before[@]}}" "$word" 2>/dev/null)
    if [[ $found == {files} ]]; then
        compopt -o filenames
        COMPREPLY=($(compgen -f -- "$word"))
        return
    fi
    COMPREPLY=($(cut -f 1 <<<"$found"))
    [[ ${{#COMPREPLY[@]}} == 1 && $COMPREPLY == *= ]] && compopt -o nospace
}}
complete -F _llmos llmos
"""

ZSH = """\
#compdef llmos
# Completion of llmos for zsh: eval "$(llmos completions zsh)" in ~/.zshrc, after compinit.
_llmos() {{
    local word=$words[CURRENT] verb=$words[2]
    local -a found described
    if ((CURRENT == 2)); then
        described=(
{verbs}
        )
        _describe -t verbs verb described
        return
    fi
    if [[ $word == -* ]]; then
        case $verb in
{options}
        esac
        _describe -o -t options option described
        return
    fi
    found=("${{(@f)$($words[1] __complete -- "${{(@)words[2,CURRENT]}}" 2>/dev/null)}}")
    if [[ $found[1] == {files} ]]; then
        _files
        return
    fi
    local line
    for line in $found; do
        [[ -n $line ]] && described+=("${{${{line%%$'\\t'*}}//:/\\\\:}}:${{line#*$'\\t'}}")
    done
    _describe -t values value described
}}
if [[ $funcstack[1] == _llmos ]]; then _llmos "$@"; else compdef _llmos llmos; fi
"""

FISH = """\
# Completion of llmos for fish: llmos completions fish > ~/.config/fish/completions/llmos.fish
function __llmos_is_first
    test (count (commandline -opc)) -eq 1
end
function __llmos_verb
    set -l words (commandline -opc)
    test (count $words) -gt 1; and test $words[2] = $argv[1]
end
function __llmos_rest
    set -l words (commandline -opc)
    set -l found ($words[1] __complete -- $words[2..] (commandline -ct) 2>/dev/null)
    if test "$found[1]" = {files}
        __fish_complete_path (commandline -ct)
    else
        printf '%s\\n' $found
    end
end
complete -c llmos -f
{verbs}
{options}
complete -c llmos -n 'not __llmos_is_first' -a '(__llmos_rest)'
"""


def script(shell: str) -> str:
    """For bash, zsh or fish."""
    return {"bash": _bash, "zsh": _zsh, "fish": _fish}[shell]()


def _bash() -> str:
    verbs = "\n".join(one.name for one in outside())
    cases = [
        f"            {one.name}) options=$'{_joined(options_of(one))}' ;;" for one in outside()
    ]
    return BASH.format(verbs=verbs, options="\n".join(cases), files=FILES)


def _joined(offers: list[tuple[str, str]]) -> str:
    return "\\n".join(name for name, _ in offers)


def _zsh() -> str:
    verbs = [f"            {_described(one.name, one.summary)}" for one in outside()]
    cases = [
        f"            {one.name}) described=("
        + " ".join(_described(name, words) for name, words in options_of(one))
        + ") ;;"
        for one in outside()
    ]
    return ZSH.format(verbs="\n".join(verbs), options="\n".join(cases), files=FILES)


def _described(name: str, words: str) -> str:
    """`'name:words'`, quoted for zsh."""
    escaped = name.replace(":", "\\:")
    return _quoted(f"{escaped}:{words}")


def _fish() -> str:
    verbs = [
        f"complete -c llmos -n __llmos_is_first -a {one.name} -d {_quoted_for_fish(one.summary)}"
        for one in outside()
    ]
    return FISH.format(verbs="\n".join(verbs), options="\n".join(_fish_options()), files=FILES)


def _fish_options() -> Iterator[str]:
    for one in outside():
        for name, words in options_of(one):
            spelled = f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}"
            yield (
                f"complete -c llmos -n '__llmos_verb {one.name}' {spelled}"
                f" -d {_quoted_for_fish(words)}"
            )


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def _quoted_for_fish(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
