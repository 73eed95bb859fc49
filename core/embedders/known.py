"""The models that have a name of their own here; what is said of them loads no torch."""

from dataclasses import dataclass

from core.embedders.colour_layout import MODEL as COLOUR_LAYOUT

_APACHE = "Apache-2.0"


@dataclass(frozen=True, slots=True)
class KnownModel:
    """What is known of a `model.name` before it is loaded; None = not known here."""

    name: str
    dim: int | None = None
    weights_bytes: int | None = None
    """Of the tensors in fp32, as published; 0 = it has none."""
    licence: str | None = None
    hub_repo: str | None = None


_DINOV2 = [
    ("s", "small", 384, {"": 22_056_192, "reg": 22_057_344}),
    ("b", "base", 768, {"": 86_579_712, "reg": 86_582_016}),
    ("l", "large", 1024, {"": 304_367_616, "reg": 304_370_688}),
    ("g", "giant", 1536, {"": 1_136_479_232, "reg": 1_136_483_840}),
]
"""Letter and word for the size, numbers a vector, parameters without and with registers."""

KNOWN = [
    KnownModel(COLOUR_LAYOUT, 505, 0, _APACHE),
    *(
        KnownModel(
            f"dinov2_vit{letter}14{'_reg' if registers else ''}",
            dim,
            4 * parameters[registers],
            _APACHE,
            f"timm/vit_{size}_patch14_{'reg4_' if registers else ''}dinov2.lvd142m",
        )
        for registers in ("", "reg")
        for letter, size, dim, parameters in _DINOV2
    ),
]
"""A test holds them equal to the models themselves."""
