"""A draft goes back with an objection until it is accepted, at most three times."""

import asyncio

from crewai import LLM, Agent
from crewai.tools import tool
from tools import PROMPT, TOOLS

CAME, LEFT = 135, 72
TASK = f"{CAME} people came and {LEFT} left. how many stayed?"
model = LLM(model="pilot", provider="openai")


def agent() -> Agent:
    return Agent(
        role="agent",
        goal="Do what is asked.",
        backstory=PROMPT,
        llm=model,
        tools=[tool(one) for one in TOOLS],
    )


async def main() -> None:
    messages = [{"role": "user", "content": TASK}]
    draft = (await agent().kickoff_async(messages)).raw
    for _ in range(3):
        figure = draft.split()[-1]
        proof = (await agent().kickoff_async(f"what is {figure} + {LEFT}")).raw
        if proof.endswith(f" = {CAME}"):
            print(f"accepted: {draft}")
            return
        print(f"rejected: {draft} (for {proof}, and not {CAME})")
        messages.append({"role": "assistant", "content": draft})
        messages.append({"role": "user", "content": f"what is {CAME} - {LEFT}"})
        draft = (await agent().kickoff_async(messages)).raw
    raise SystemExit("no draft was accepted")


asyncio.run(main())
