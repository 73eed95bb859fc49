"""The API does what its description says, whatever is asked: requests made up from it."""

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import Case, GenerationMode
from schemathesis.checks import CHECKS, load_all_checks

from tests.pictures import jpeg

load_all_checks()
CHECKED = settings(
    max_examples=25,
    deadline=None,
    database=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
OPERATIONS = {
    "/api/search": "post",
    "/api/images/{id}/similar": "get",
    "/api/images/{id}/thumbnail": "get",
    "/api/images/{id}/original": "get",
    "/api/rejected": "get",
    "/api/status": "get",
    "/healthz": "get",
    "/readyz": "get",
    "/metrics": "get",
}
WITH_TERMS = ("/api/search", "/api/images/{id}/similar")


@pytest.fixture(scope="module")
def schema(address: str) -> schemathesis.BaseSchema:
    return schemathesis.openapi.from_url(f"{address}/openapi.json")


def test_everything_is_described(client: httpx.Client) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    assert {path: next(iter(found)) for path, found in paths.items()} == OPERATIONS


@pytest.mark.parametrize(
    ("mode", "path"),
    [(GenerationMode.POSITIVE, path) for path in OPERATIONS]
    + [(GenerationMode.NEGATIVE, path) for path in WITH_TERMS],
)
def test_it_does_what_it_says(
    schema: schemathesis.BaseSchema, mode: GenerationMode, path: str
) -> None:
    operation = schema[path][OPERATIONS[path]]

    @CHECKED
    @given(case=operation.as_strategy(mode))
    def check(case: Case) -> None:
        if mode is GenerationMode.POSITIVE:
            _make_sound(case)
        case.call_and_validate(checks=CHECKS.get_all())

    check()


def _make_sound(case: Case) -> None:
    """What no schema can say: the bytes are a picture, and the part does not reach out of it."""
    for fields in (case.query, case.body):
        if isinstance(fields, dict) and "box" in fields:
            fields["box"] = "0.1,0.2,0.3,0.4"
    if isinstance(case.body, dict):
        case.body["image"] = jpeg(1)
