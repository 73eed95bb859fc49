"""An answer as the JSON of DESIGN section 5: the command line and the API say the same."""

from dataclasses import asdict
from typing import Any

from core.index import Answer


def answer_document(answer: Answer) -> dict[str, Any]:
    """{"model", "matches", "timings_ms"}."""
    return {
        "model": answer.model,
        "matches": [
            {
                "id": match.id,
                "root": match.place.root,
                "path": match.place.path,
                "distance": match.distance,
                "copies": [{"root": place.root, "path": place.path} for place in match.copies],
            }
            for match in answer.matches
        ],
        "timings_ms": asdict(answer.timings_ms),
    }
