"""The settings of the operation `workflow`, and the checks that JSON Schema cannot express."""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from typing import Annotated, Any

from msgspec import Meta, Struct

from ....core.domain.costs.call_cost import FREE, MICROS_PER_USD, CallCost
from ....core.domain.field_errors import FieldError, FieldErrorCode
from ....core.domain.validation import parse_fields, refuse
from .graph import MAX_WORKFLOW_CHARS
from .marks import MAX_MAPPING_CHARS
from .workflow import Workflow, read_workflow

MAX_SEED = 2**32 - 1
"""The largest seed that every node takes."""

_Text = Annotated[str, Meta(max_length=4000)]

# A pattern of a JSON Schema allows a line break at the end, which would start another header.
_WHOLE_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_RESERVED = frozenset(
    {"host", "origin", "content-length", "content-type", "transfer-encoding", "connection", "accept-encoding"}
)


class Auth(enum.StrEnum):
    """How the provider's key is sent."""

    BEARER = "bearer"
    BASIC = "basic"
    HEADER = "header"


class ComfyuiSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A photo through a workflow of ComfyUI."""

    workflow: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=MAX_WORKFLOW_CHARS,
            title="Workflow",
            description=(
                "The workflow in API format: the file that Export (API) in ComfyUI's menu saves. Give the nodes that "
                "PhotoChanger fills in one of these titles: pc:photo, pc:prompt, pc:negative, pc:seed, pc:output, "
                "pc:template:style (also background, frame, face). What has only one choice needs no title."
            ),
            extra_json_schema={"contentMediaType": "application/json"},
        ),
    ]
    prompt: Annotated[
        _Text,
        Meta(
            title="Prompt",
            description=(
                "The text of the nodes marked pc:prompt. May hold {field}, filled in from the request. Empty: the "
                "workflow's own text."
            ),
        ),
    ] = ""
    negative_prompt: Annotated[
        _Text,
        Meta(
            title="Negative prompt",
            description="The text of the nodes marked pc:negative. Empty: the workflow's own text.",
        ),
    ] = ""
    seed: Annotated[
        Annotated[int, Meta(ge=0, le=MAX_SEED)] | None,
        Meta(title="Seed", description="The same number gives a similar picture again; none: each is another."),
    ] = None
    nodes: Annotated[
        str,
        Meta(
            max_length=MAX_MAPPING_CHARS,
            title="Nodes by number",
            description=(
                "Instead of titles: which node is what, with its input where that is not clear, such as photo=10, "
                "prompt=6.text, seed=3, output=9, template:style=12."
            ),
        ),
    ] = ""
    auth: Annotated[
        Auth,
        Meta(
            title="Way of the key",
            description=(
                "How the provider's key, where one is set, is sent to a proxy in front of ComfyUI. bearer: as a token; "
                "basic: as user:password; header: in the header named below."
            ),
        ),
    ] = Auth.BEARER
    key_header: Annotated[
        str,
        Meta(
            pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}$",
            title="Header of the key",
            description="Carries the provider's key where its way is header.",
        ),
    ] = "X-API-Key"
    price_usd: Annotated[
        float,
        Meta(
            ge=0,
            le=100,
            title="Own cost",
            description="What one picture costs you, in US dollars: it counts in statistics and budgets.",
        ),
    ] = 0.0

    def cost(self) -> CallCost:
        """Return what one picture costs, by the operator's own figure."""
        usd_micros = round(self.price_usd * MICROS_PER_USD)
        return CallCost(usd_micros=usd_micros) if usd_micros else FREE


def read_settings(values: Mapping[str, Any]) -> tuple[ComfyuiSettings, Workflow]:
    """Return the settings with defaults, and the workflow in them. InvalidSettings names what does not fit."""
    settings = parse_fields(ComfyuiSettings, values)
    if not _WHOLE_NAME.fullmatch(settings.key_header):
        refuse([FieldError("key_header", FieldErrorCode.HEADER_NAME_FORMAT)])
    if settings.key_header.lower() in _RESERVED:
        refuse([FieldError("key_header", FieldErrorCode.HEADER_RESERVED)])
    workflow = read_workflow(settings.workflow, settings.nodes)
    wanted = (("prompt", "prompt", workflow.marks.prompt), ("negative_prompt", "negative", workflow.marks.negative))
    refuse(
        [
            FieldError(name, FieldErrorCode.WORKFLOW_MARK_MISSING, {"mark": f"pc:{mark}"})
            for name, mark, places in wanted
            if getattr(settings, name) and not places
        ]
    )
    return settings, workflow
