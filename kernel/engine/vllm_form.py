"""An answer that is held to a JSON schema, in vLLM's words."""

from __future__ import annotations

import json
from typing import Any


def held_to(schema: str) -> Any:
    """Structured outputs by which the whole answer is JSON of the schema, with at most one blank in
    a row: a weak model otherwise fills its budget with them. What xgrammar would overlook in a
    schema goes to the backend that vLLM chooses, whose blanks cannot be counted."""
    from vllm.sampling_params import StructuredOutputsParams
    from vllm.v1.structured_output.backend_xgrammar import has_xgrammar_unsupported_json_features

    tree = json.loads(schema)
    if has_xgrammar_unsupported_json_features(tree):
        return StructuredOutputsParams(json=schema)
    form = {"type": "json_schema", "json_schema": tree, "max_whitespace_cnt": 1}
    tag = {"type": "structural_tag", "format": form}
    return StructuredOutputsParams(structural_tag=json.dumps(tag))
