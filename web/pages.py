"""The pages, made whole on the server: the script only saves reloading them."""

import io
from collections.abc import Mapping
from dataclasses import asdict
from http import HTTPStatus
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response
from fastapi.templating import Jinja2Templates
from jinja2 import Environment, FileSystemLoader
from PIL import Image

from core.bootstrap import is_preview
from core.box import Box
from core.durations import how_far, time_left
from core.errors import AppError
from core.images import thumbnail
from core.index import Answer
from core.paths import parse_under
from core.records import ImageId
from web.api import TheDesk
from web.desk import Desk
from web.errors import headers_of, sentence_of, status_of
from web.terms import Terms, parse_terms
from web.view import (
    FIRST_MATCHES,
    Asked,
    address,
    data_address,
    make_page,
    original_address,
    short_model,
    thumbnail_address,
)

router = APIRouter(include_in_schema=False)

PAGES = frozenset({"/", "/rejected", "/status", "/docs"})
"""Their errors are pages too."""
MOST_LISTED = 1000

_templates = Jinja2Templates(
    env=Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
)
_templates.env.globals["short_model"] = short_model
_templates.env.globals["time_left"] = time_left
_templates.env.globals["how_far"] = how_far


@router.get("/")
async def page(request: Request, desk: TheDesk, similar: str = "", path: str = "") -> Response:
    """Empty, or what is like an indexed picture: `similar` is its id, `path` its ROOT/path."""
    terms = _terms({name: request.query_params.get(name, "") for name in Terms.model_fields})
    if path.strip():
        record = await desk.index.find(parse_under(path.strip()).id)
        return RedirectResponse(address(record.id, terms.model_dump()), HTTPStatus.SEE_OTHER)
    if not similar:
        return await _render(request, desk, "index.html")
    image_id = ImageId(similar)
    answer = await desk.similar(request, image_id, terms)
    part = None
    if box := terms.part:
        part = data_address(_cut((await desk.thumbnails.of(image_id))[1], box))
    asked = Asked(
        terms,
        image_id,
        str((await desk.index.find(image_id)).place),
        whole=thumbnail_address(image_id),
        part=part,
        file=original_address(image_id) if desk.config.web.originals else None,
    )
    return await _results(request, desk, answer, asked)


@router.post("/")
async def ask(request: Request, desk: TheDesk) -> Response:
    """The same for a picture that is sent."""
    answer, terms = await desk.search(request, _terms)
    if answer.thumbnail is not None:
        searched = answer.thumbnail
    else:
        assert answer.digest is not None  # one of them says what was searched
        searched = await desk.thumbnails.by_digest(answer.digest)
    shown = data_address(searched)
    asked = Asked(terms, part=shown) if terms.part else Asked(terms, whole=shown)
    return await _results(request, desk, answer, asked)


@router.get("/rejected")
async def rejected(request: Request, desk: TheDesk) -> Response:
    """Files that are no pictures for us, with the reasons."""
    files = await desk.standing.rejected()
    more = max(0, len(files) - MOST_LISTED)
    return await _render(request, desk, "rejected.html", files=files[:MOST_LISTED], more=more)


@router.get("/status")
async def status(request: Request, desk: TheDesk) -> Response:
    """Everything that the daemon says of itself."""
    return await _render(request, desk, "status.html")


@router.get("/docs")
async def docs(request: Request, desk: TheDesk) -> Response:
    """The API, from its own description; nothing is loaded from elsewhere."""
    return await _render(request, desk, "docs.html", api=request.app.openapi())


async def error_page(request: Request, desk: Desk, error: AppError) -> Response:
    """The page with a sentence in place of an answer."""
    sentence = sentence_of(error, desk.config)
    response = await _render(request, desk, "index.html", status_of(error), error=sentence)
    response.headers.update(headers_of(error))
    return response


def _terms(fields: Mapping[str, str]) -> Terms:
    """Of a form as browsers send it: a field left blank says nothing."""
    said = {name: value.strip() for name, value in fields.items() if value.strip()}
    return parse_terms({"k": str(FIRST_MATCHES), **said})


def _cut(jpeg: bytes, box: Box) -> bytes:
    """The part of a thumbnail of ours."""
    with Image.open(io.BytesIO(jpeg), formats=["JPEG"]) as whole:
        return thumbnail(box.crop(whole.convert("RGB")))


async def _results(request: Request, desk: Desk, answer: Answer, asked: Asked) -> Response:
    await desk.thumbnails.load((match.id, match.digest) for match in answer.matches)
    roots = list(desk.config.roots)
    shown = make_page(answer, asked, asdict(answer.timings_ms), roots)
    preview = is_preview(desk.config, answer.model)
    return await _render(request, desk, "index.html", page=shown, preview=preview)


async def _render(
    request: Request, desk: Desk, template: str, status_code: int = 200, **context: Any
) -> Response:
    context |= {
        "status": await desk.standing.now(),
        "configured_model": desk.config.model.name,
        "roots": list(desk.config.roots),
        "most_megabytes": desk.config.images.max_megabytes,
        "assets": request.app.state.assets,
    }
    return _templates.TemplateResponse(request, template, context, status_code)
