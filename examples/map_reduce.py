"""Map-reduce: an agent for each document, four at a time, and one more for their answers.

    llmos run examples/map_reduce.py

A real model would be told "Summarise this letter." and "Merge these summaries."; the pilot reads
bills, and adds up what is to be paid.
"""

import asyncio
from pathlib import Path

import llmos

HERE = Path(__file__).parent
BILLS = sorted(f"bills/{bill.name}" for bill in HERE.glob("bills/*.txt"))


async def main() -> None:
    async with llmos.connect(root=HERE) as k:
        texts = await k.map("read", BILLS, limit=4)
        amounts = [text.split()[-1] for text in texts]
        print(await k.run(f"what is {' + '.join(amounts)}"))


asyncio.run(main())
