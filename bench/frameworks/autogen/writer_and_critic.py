"""A draft goes back with an objection until it is accepted, at most three times."""

import asyncio

from autogen_agentchat.agents import AssistantAgent
from autogen_core.models import ModelFamily, ModelInfo
from autogen_ext.models.openai import OpenAIChatCompletionClient
from tools import PROMPT, TOOLS

INFO = ModelInfo(
    vision=False,
    function_calling=True,
    json_output=False,
    structured_output=False,
    family=ModelFamily.UNKNOWN,
)
model = OpenAIChatCompletionClient(model="pilot", model_info=INFO)

CAME, LEFT = 135, 72
TASK = f"{CAME} people came and {LEFT} left. how many stayed?"


def agent() -> AssistantAgent:
    return AssistantAgent(
        "agent", model, tools=TOOLS, system_message=PROMPT, reflect_on_tool_use=True
    )


async def ask(whom: AssistantAgent, text: str) -> str:
    return (await whom.run(task=text)).messages[-1].content


async def main() -> None:
    writer = agent()
    draft = await ask(writer, TASK)
    for _ in range(3):
        figure = draft.split()[-1]
        proof = await ask(agent(), f"what is {figure} + {LEFT}")
        if proof.endswith(f" = {CAME}"):
            print(f"accepted: {draft}")
            await model.close()
            return
        print(f"rejected: {draft} (for {proof}, and not {CAME})")
        draft = await ask(writer, f"what is {CAME} - {LEFT}")
    raise SystemExit("no draft was accepted")


asyncio.run(main())
