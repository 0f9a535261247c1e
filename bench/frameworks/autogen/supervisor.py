"""Jobs that are started anew when they fail or take too long, and end together."""

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

JOBS = ["what is 12 * 48", "what is 3 * 95", "what is 576 + 285"]


def agent() -> AssistantAgent:
    return AssistantAgent(
        "agent", model, tools=TOOLS, system_message=PROMPT, reflect_on_tool_use=True
    )


async def supervised(job: str) -> str:
    for attempt in range(4):
        try:
            async with asyncio.timeout(60):
                return (await agent().run(task=job)).messages[-1].content
        except Exception:
            if attempt == 3:
                raise


async def main() -> None:
    async with asyncio.TaskGroup() as group:
        workers = [group.create_task(supervised(job)) for job in JOBS]
    print("\n".join(worker.result() for worker in workers))
    await model.close()


asyncio.run(main())
