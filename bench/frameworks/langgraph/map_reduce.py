"""Map-reduce, at most four agents at once."""

import asyncio
import operator
from typing import Annotated, TypedDict

from langchain.agents import create_agent
from langchain_openai import ChatOpenAI
from langgraph.graph import END, START, StateGraph
from langgraph.types import Send
from tools import BILLS, PROMPT, TOOLS

agent = create_agent(ChatOpenAI(model="pilot"), TOOLS, system_prompt=PROMPT)


class State(TypedDict):
    texts: Annotated[list[str], operator.add]
    total: str


async def read(bill: str) -> dict[str, list[str]]:
    done = await agent.ainvoke({"messages": [("user", f"read {bill}")]})
    return {"texts": [done["messages"][-1].content]}


async def add(state: State) -> dict[str, str]:
    amounts = [text.split()[-1] for text in state["texts"]]
    done = await agent.ainvoke({"messages": [("user", f"what is {' + '.join(amounts)}")]})
    return {"total": done["messages"][-1].content}


async def main() -> None:
    graph = StateGraph(State)
    graph.add_node("read", read)
    graph.add_node("add", add)
    graph.add_conditional_edges(START, lambda _: [Send("read", bill) for bill in BILLS], ["read"])
    graph.add_edge("read", "add")
    graph.add_edge("add", END)
    done = await graph.compile().ainvoke({"texts": []}, {"max_concurrency": 4})
    print(done["total"])


asyncio.run(main())
