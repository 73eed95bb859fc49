"""What a configuration says before it is checked: its YAML, overridden from the environment."""

from collections.abc import Collection, Hashable, Mapping
from pathlib import Path
from typing import Any

import yaml

from core.errors import ConfigError

# These begin like an override and are none: each is read where it is used.
_NO_OVERRIDES = {"CONFIG", "WEIGHTS", "WEB_PASSWORD", "WEB_TOKEN"}


def read_document(file: Path) -> dict[str, Any]:
    """The settings in `file`; ConfigError if there are none to be read."""
    try:
        document = yaml.load(file.read_text(encoding="utf-8"), _Loader)
    except FileNotFoundError:
        raise ConfigError(
            f"There is no configuration at {file}. Name one with --config or LOOKALIKE_CONFIG."
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} cannot be read: {error}.") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{file} is no YAML: {error}") from None
    if not isinstance(document, dict | None):
        raise ConfigError(f"{file} must hold settings such as 'roots:', not {document!r:.40}.")
    return document or {}


def override(
    document: dict[str, Any],
    environ: Mapping[str, str],
    known: Collection[str],
    problems: list[str],
) -> dict[str, Any]:
    """LOOKALIKE_MODEL__DEVICE=cpu is model.device: cpu; the value is read as YAML. What names no
    `known` setting is added to `problems`."""
    values = dict(document)
    for name, text in sorted(environ.items()):
        key = name.removeprefix("LOOKALIKE_")
        if key == name or key.removesuffix("_FILE") in _NO_OVERRIDES:
            continue
        section, *rest = key.lower().split("__")
        try:
            value = yaml.safe_load(text)
        except yaml.YAMLError:
            value = text
        for part in reversed(rest):
            value = {part: value}
        if rest and isinstance(values.get(section), dict):
            value = values[section] | value
        if section not in known:
            problems.append(f"{name}: there is no such setting")
        else:
            values[section] = value
    return values


class _Loader(yaml.SafeLoader):
    """Refuses a key written twice: YAML would silently keep the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:  # noqa: FBT001, FBT002 - PyYAML's signature
        keys = [key.value for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key '{key}' stands twice", node.start_mark
                )
        return super().construct_mapping(node, deep)
