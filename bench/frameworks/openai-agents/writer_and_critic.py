"""A draft goes back with an objection until it is accepted, at most three times."""

import asyncio

from agents import Agent, Runner, SQLiteSession, function_tool, set_default_openai_api
from tools import PROMPT, TOOLS

set_default_openai_api("chat_completions")
tools = [function_tool(tool) for tool in TOOLS]
agent = Agent("agent", model="pilot", instructions=PROMPT, tools=tools)

CAME, LEFT = 135, 72
TASK = f"{CAME} people came and {LEFT} left. how many stayed?"


async def main() -> None:
    session = SQLiteSession("writer")
    draft = (await Runner.run(agent, TASK, session=session)).final_output
    for _ in range(3):
        figure = draft.split()[-1]
        proof = (await Runner.run(agent, f"what is {figure} + {LEFT}")).final_output
        if proof.endswith(f" = {CAME}"):
            print(f"accepted: {draft}")
            return
        print(f"rejected: {draft} (for {proof}, and not {CAME})")
        objection = f"what is {CAME} - {LEFT}"
        draft = (await Runner.run(agent, objection, session=session)).final_output
    raise SystemExit("no draft was accepted")


asyncio.run(main())
