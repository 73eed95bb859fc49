"""What may be said of a search besides its picture; the same fields for form, query and page."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from core.box import Box, parse_box
from core.errors import UsageError
from core.index import MOST_MATCHES
from core.paths import parse_under
from core.records import Place

_SEGMENT = r"(?!\.{1,2}(/|$))[^/]+"
_FOLDER = f"^{_SEGMENT}(/{_SEGMENT})*/?$"
"""What core.paths.parse_under takes, for the description; the function itself is asked."""


class Terms(BaseModel):
    """How many matches, from where, how far, and of which part."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    k: Annotated[
        int, Field(ge=1, le=MOST_MATCHES, description="How many different pictures to answer.")
    ] = 10
    under: Annotated[
        str | None,
        Field(
            description="Only at and below this folder: ROOT or ROOT/folder.",
            examples=["dataset/city"],
            json_schema_extra={"pattern": _FOLDER},
        ),
    ] = None
    max_distance: Annotated[
        float | None,
        Field(ge=0, le=2, allow_inf_nan=False, description="Nothing farther than this."),
    ] = None
    box: Annotated[
        str | None,
        Field(
            description="Search with a part: x,y,width,height in fractions of the picture.",
            examples=["0.25,0.25,0.5,0.5"],
        ),
    ] = None

    @property
    def place(self) -> Place | None:
        """Of `under`; UsageError if it names no folder."""
        return None if self.under is None else parse_under(self.under)

    @property
    def part(self) -> Box | None:
        """Of `box`; UsageError if it is none."""
        return None if self.box is None else parse_box(self.box)


def parse_terms(fields: Mapping[str, str]) -> Terms:
    """UsageError with a sentence for every field that is wrong."""
    try:
        return Terms.model_validate(fields)
    except ValidationError as error:
        raise UsageError(sentences([dict(detail) for detail in error.errors()])) from None


def without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """The JSON schema of a field that is left out rather than null: forms and queries know none."""
    kept = {name: value for name, value in schema.items() if name not in ("anyOf", "default")}
    if schema.get("default") is not None:
        kept["default"] = schema["default"]
    for choice in schema.get("anyOf", []):
        if choice != {"type": "null"}:
            kept |= choice
    return kept


def sentences(details: list[dict[str, object]]) -> str:
    """What pydantic found, for people."""
    told = []
    for detail in details:
        location = detail["loc"]
        names = [str(part) for part in location] if isinstance(location, tuple) else []
        name = next((n for n in reversed(names) if n not in ("query", "path", "body")), "request")
        if detail["type"] == "extra_forbidden":
            told.append(f"There is no field '{name:.40}'.")
        else:
            message = str(detail["msg"])
            told.append(f"{name}: {message[:1].lower()}{message[1:]}.")
    return " ".join(told)
