"""Map-reduce, at most four agents at once."""

import asyncio

from autogen_agentchat.agents import AssistantAgent
from autogen_core.models import ModelFamily, ModelInfo
from autogen_ext.models.openai import OpenAIChatCompletionClient
from tools import BILLS, PROMPT, TOOLS

INFO = ModelInfo(
    vision=False,
    function_calling=True,
    json_output=False,
    structured_output=False,
    family=ModelFamily.UNKNOWN,
)
model = OpenAIChatCompletionClient(model="pilot", model_info=INFO)


def agent() -> AssistantAgent:
    return AssistantAgent(
        "agent", model, tools=TOOLS, system_message=PROMPT, reflect_on_tool_use=True
    )


async def main() -> None:
    slots = asyncio.Semaphore(4)

    async def read(bill: str) -> str:
        async with slots:
            return (await agent().run(task=f"read {bill}")).messages[-1].content

    texts = await asyncio.gather(*(read(bill) for bill in BILLS))
    amounts = [text.split()[-1] for text in texts]
    total = await agent().run(task=f"what is {' + '.join(amounts)}")
    print(total.messages[-1].content)
    await model.close()


asyncio.run(main())
