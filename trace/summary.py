"""What a trace holds, in a few figures."""

from __future__ import annotations

import statistics
from collections import defaultdict
from typing import Any

from .lives import lives, ran
from .reading import Trace


def summary(trace: Trace) -> dict[str, Any]:
    found = lives(trace)
    generations = [one for life in found for one in ran(life)]
    waits = [one.admitted - one.asked for one in generations if one.admitted is not None]
    gaps: defaultdict[str, list[float]] = defaultdict(list)
    for life in found:
        for between in life.betweens:
            if between.name and between.until is not None:
                gaps[between.name].append(between.until - between.since)
    tokens_in = sum(one.tokens_in for one in generations)
    return {
        "lasted_s": trace.lasted_s,
        "whole": trace.whole,
        "lost": trace.lost,
        "model": trace.header.get("model"),
        "driver": trace.header.get("driver"),
        "policies": trace.policies,
        "processes": len(found),
        "generations": len(generations),
        "tokens_in": tokens_in,
        "tokens_out": sum(one.tokens_out for one in generations),
        "hit_rate": round(sum(one.tokens_cached for one in generations) / max(1, tokens_in), 4),
        "wait_s": round(statistics.fmean(waits), 6) if waits else 0.0,
        "longest_wait_s": round(max(waits, default=0.0), 6),
        "drops": sum(len(life.drops) for life in found),
        "gaps": {
            name: {"count": len(lengths), "mean_s": round(statistics.fmean(lengths), 6)}
            for name, lengths in sorted(gaps.items())
        },
    }


def told(document: dict[str, Any]) -> str:
    """The summary for people."""
    end = "" if document["whole"] else ", cut off: the kernel or the recording ended before its end"
    lost = f"; {document['lost']:,} events did not fit" if document["lost"] else ""
    lines = [
        f"recorded   {document['lasted_s']:.1f} s{end}{lost}",
        f"engine     {document['model']} ({document['driver']})",
        f"policy     {', then '.join(document['policies'])}",
        f"processes  {document['processes']:,} with {document['generations']:,} generations",
        f"tokens     {document['tokens_in']:,} in ({document['hit_rate']:.0%} cached),"
        f" {document['tokens_out']:,} out",
        f"waits      {document['wait_s']:.3f} s in the mean,"
        f" {document['longest_wait_s']:.3f} s at most",
        f"blocks     were taken from who kept them {document['drops']:,} times",
    ]
    for name, gap in document["gaps"].items():
        lines.append(f"gap        {name}: {gap['count']:,}, {gap['mean_s']:.3f} s in the mean")
    return "\n".join(lines)
