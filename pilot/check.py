"""Examine the packaged pilot in the real vLLM: ``python -m llmos.pilot.check``.

Every question is asked with greedy decoding, in a conversation of its own. Its calls must be right
in name and in every argument, in order, and its answer must hold what the results said. After a
right call the prepared result is given; the first wrong turn ends the question as wrong.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from . import MODEL_DIR
from .engine import Engine, Turn
from .exam import ACCEPTANCE, EVERYDAY, QUESTIONS, Question
from .scene import Message
from .tools import SYSCALLS, SYSTEM_PROMPT


@dataclass(slots=True)
class Sitting:
    """One question while it is being answered."""

    question: Question
    messages: list[Message]
    turns: list[Turn] = field(default_factory=list)
    right: bool = True
    done: bool = False

    def take(self, turn: Turn) -> None:
        """Judge the model's turn; go on with the prepared result after a right call."""
        self.turns.append(turn)
        place = len(self.turns) - 1
        steps = self.question.steps
        if place == len(steps):
            said = turn.tool is None and all(
                _plain(one) in _plain(turn.text) for one in self.question.says
            )
            self.right, self.done = said, True
            return
        step = steps[place]
        if turn.tool != step.tool or turn.arguments != step.arguments:
            self.right, self.done = False, True
            return
        function = {"name": turn.tool, "arguments": turn.arguments}
        call = {"type": "function", "function": function}
        self.messages.append({"role": "assistant", "tool_calls": [call]})
        self.messages.append({"role": "tool", "content": step.result})

    def transcript(self) -> str:
        lines = [
            f"{'right' if self.right else 'WRONG'} [{self.question.intent}] {self.question.request}"
        ]
        for turn in self.turns:
            shown = turn.text if turn.tool is None else f"{turn.tool} {json.dumps(turn.arguments)}"
            lines.append("    " + shown.replace("\n", "\n    "))
        return "\n".join(lines)


def _plain(text: str) -> str:
    """Capitals and line breaks apart."""
    return " ".join(text.lower().split())


def examine(engine: Engine, questions: tuple[Question, ...]) -> list[Sitting]:
    """Ask all questions, each in a fresh conversation, side by side."""
    sittings = [
        Sitting(
            question,
            [
                {"role": "system", "content": SYSTEM_PROMPT},
                {"role": "user", "content": question.request},
            ],
        )
        for question in questions
    ]
    while waiting := [sitting for sitting in sittings if not sitting.done]:
        chats = [(one.messages, SYSCALLS + one.question.tools) for one in waiting]
        for sitting, turn in zip(waiting, engine.turns(chats), strict=True):
            sitting.take(turn)
    return sittings


def table(sittings: list[Sitting]) -> str:
    """Right answers by intent."""
    by_intent: dict[str, list[bool]] = defaultdict(list)
    for sitting in sittings:
        by_intent[sitting.question.intent].append(sitting.right)
        by_intent["all"].append(sitting.right)
    rows = sorted(by_intent.items(), key=lambda row: (row[0] == "all", row[0]))
    return "\n".join(f"{intent:12} {sum(right):3} of {len(right):3}" for intent, right in rows)


def main() -> None:
    parser = argparse.ArgumentParser(description="Examine a pilot model in the real vLLM.")
    parser.add_argument("--model", type=Path, default=MODEL_DIR)
    parser.add_argument("--all", action="store_true", help="show right answers too")
    arguments = parser.parse_args()
    engine = Engine(arguments.model)
    for title, questions in (
        ("acceptance", ACCEPTANCE),
        ("everyday requests", EVERYDAY),
        ("held-out requests", QUESTIONS),
    ):
        sittings = examine(engine, questions)
        for sitting in sittings:
            if arguments.all or title == "acceptance" or not sitting.right:
                print(sitting.transcript())
        print(f"\n{title}\n{table(sittings)}\n")


if __name__ == "__main__":
    main()
