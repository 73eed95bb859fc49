"""A plain word for a distance, where we have measured what distances of that model mean."""

from collections.abc import Sequence

from core.embedders.colour_layout import MODEL as COLOUR_LAYOUT

_WORDS = ("identical", "almost identical", "very similar", "similar", "somewhat similar")
_FAR = "not similar"

# docs/distances.md. Up to the second 95 % of re-encoded and half-sized copies; up to the fourth
# at least 8 of 10 of a picture's nearest are of its kind, up to the last every second one.
_DINOV2 = (0, 0.05, 0.15, 0.35, 0.5)
_COLOUR_LAYOUT = (0, 0.02, 0.15, 0.35, 0.45)


def word(distance: float, model: str) -> str | None:
    """How alike two pictures are that `model` (an Embedder.name) puts so far apart.

    "identical" is said of any model, the rest only of those that were measured.
    """
    limits = _limits(model) or (0,)
    for limit, text in zip(limits, _WORDS, strict=False):
        if distance <= limit:
            return text
    return _FAR if _limits(model) else None


def is_close(distance: float, model: str) -> bool:
    """False where a match is no more than the least far of what there is."""
    limits = _limits(model)
    return limits is None or distance <= limits[-1]


def _limits(model: str) -> Sequence[float] | None:
    family = model.partition("/")[0]
    if family == COLOUR_LAYOUT:
        return _COLOUR_LAYOUT
    return _DINOV2 if "dinov2" in family else None
