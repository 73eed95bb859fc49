"""Would Discord accept this request? By its own OpenAPI file, and by what that cannot say.

Without the file (it is not part of the repository) only the latter is checked.
"""

import json
import os
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

TOP = Path(__file__).parent.parent.parent
SPECIFICATION = Path(
    os.environ.get("DISCORD_OPENAPI", TOP.parent / "shared" / "data" / "discord-openapi.json")
)
MOST_COMPONENTS = 40
MOST_TEXT = 4000
COMPONENTS_V2 = 1 << 15
_TEXT_DISPLAY = 10


class Judge:
    """Finds fault with requests."""

    def __init__(self, specification: Path = SPECIFICATION) -> None:
        self.document: dict[str, Any] | None = None
        if specification.exists():
            self.document = json.loads(specification.read_text())

    def faults(self, method: str, path: str, body: Any, files: dict[str, bytes]) -> list[str]:
        """Sentences; none for a request that is fine. `path` is the one below /api/v10."""
        found = [] if self.document is None else self._against_document(method, path, body)
        message = body.get("data", body) if isinstance(body, dict) else {}
        if "components" in message or files:
            found += list(_message_faults(message, files))
        return [f"{method} {path}: {fault}" for fault in found]

    def _against_document(self, method: str, path: str, body: Any) -> list[str]:
        operation = self._operation(method, path)
        if operation is None:
            return ["no such operation"]
        validator = self._validator(operation, method)
        if validator is None:
            return [] if body is None else ["takes no body"]
        if body is None:
            required = self._content(operation, method).get("required", False)
            return ["lacks a body"] if required else []
        return [error.message[:300] for error in validator.iter_errors(_with_text_ids(body))]

    @cache  # noqa: B019 - one judge a test session
    def _operation(self, method: str, path: str) -> str | None:
        assert self.document is not None
        fitting = [
            template
            for template, operations in self.document["paths"].items()
            if method.lower() in operations
            and re.fullmatch(re.sub(r"\{[^}]+\}", "[^/]+", template), path)
        ]
        return min(fitting, key=lambda template: template.count("{"), default=None)

    def _content(self, template: str, method: str) -> dict[str, Any]:
        assert self.document is not None
        content: dict[str, Any] = self.document["paths"][template][method.lower()].get(
            "requestBody", {}
        )
        return content

    @cache  # noqa: B019
    def _validator(self, template: str, method: str) -> Draft202012Validator | None:
        assert self.document is not None
        content = self._content(template, method).get("content", {}).get("application/json")
        if content is None:
            return None
        schema = {**content["schema"], "components": self.document["components"]}
        return Draft202012Validator(schema)


def _with_text_ids(body: Any) -> Any:
    """discord.py sends some ids as numbers. Discord takes both, its document knows only text."""
    if not isinstance(body, dict):
        return body
    fixed = dict(body)
    if isinstance(fixed.get("data"), dict):
        fixed["data"] = _with_text_ids(fixed["data"])
    if "recipient_id" in fixed:
        fixed["recipient_id"] = str(fixed["recipient_id"])
    if "attachments" in fixed:
        fixed["attachments"] = [{**one, "id": str(one["id"])} for one in fixed["attachments"]]
    if isinstance(fixed.get("message_reference"), dict):
        fixed["message_reference"] = {
            key: str(value) if key.endswith("_id") else value
            for key, value in fixed["message_reference"].items()
        }
    return fixed


def walk(components: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Every component, however deep."""
    for component in components:
        yield component
        yield from walk(component.get("components", []))
        if "accessory" in component:
            yield component["accessory"]


def _message_faults(message: dict[str, Any], files: dict[str, bytes]) -> Iterator[str]:
    everything = list(walk(message.get("components") or []))
    names = {one["filename"] for one in message.get("attachments") or [] if "filename" in one}
    if len(everything) > MOST_COMPONENTS:
        yield f"{len(everything)} components"
    text = sum(len(one["content"]) for one in everything if one["type"] == _TEXT_DISPLAY)
    if text > MOST_TEXT:
        yield f"{text} characters of text"
    ids = [one["custom_id"] for one in everything if "custom_id" in one]
    if len(ids) != len(set(ids)):
        yield "two components share a custom_id"
    for one in everything:
        values = [option["value"] for option in one.get("options", [])]
        if len(values) != len(set(values)):
            yield "two options share a value"
    used = {
        one["media"]["url"].removeprefix("attachment://") for one in everything if "media" in one
    }
    if not used <= names:
        yield f"UNFURLED_MEDIA_ITEM_REFERENCED_ATTACHMENT_NOT_FOUND: {sorted(used - names)}"
    if names != files.keys():
        yield f"attachments {sorted(names)} do not name the files {sorted(files)}"
    v2 = message.get("flags", 0) & COMPONENTS_V2
    if v2 and (message.get("content") or message.get("embeds")):
        yield "content beside Components V2"
    if any(one["type"] >= 9 for one in everything) and not v2:
        yield "Components V2 without their flag"
