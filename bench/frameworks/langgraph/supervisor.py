"""Jobs that are started anew when they fail or take too long, and end together."""

import asyncio
import operator
from typing import Annotated, TypedDict

from langchain.agents import create_agent
from langchain_openai import ChatOpenAI
from langgraph.graph import START, StateGraph
from langgraph.types import RetryPolicy, Send
from tools import PROMPT, TOOLS

agent = create_agent(ChatOpenAI(model="pilot"), TOOLS, system_prompt=PROMPT)

JOBS = ["what is 12 * 48", "what is 3 * 95", "what is 576 + 285"]


class State(TypedDict):
    results: Annotated[list[str], operator.add]


async def work(job: str) -> State:
    done = await agent.ainvoke({"messages": [("user", job)]})
    return {"results": [done["messages"][-1].content]}


async def main() -> None:
    retry = RetryPolicy(max_attempts=4, retry_on=Exception)
    graph = StateGraph(State)
    graph.add_node("work", work, retry_policy=retry, timeout=60)
    graph.add_conditional_edges(START, lambda _: [Send("work", job) for job in JOBS], ["work"])
    done = await graph.compile().ainvoke({"results": []})
    print("\n".join(done["results"]))


asyncio.run(main())
