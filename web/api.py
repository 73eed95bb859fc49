"""The JSON API."""

import asyncio
import mimetypes
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response

from core.answers import answer_document
from core.metrics import CONTENT_TYPE
from core.originals import read_original
from core.records import ImageId
from web.desk import Desk
from web.errors import RequestError
from web.shapes import Health, Matches, Problem, Rejected, Standing
from web.terms import Terms, without_null

router = APIRouter(tags=["API"])

_IMAGE = "image/jpeg"
_SHOWN = {"image/jpeg", "image/png", "image/webp", "image/gif", "image/avif", "image/bmp"}
"""What browsers show without being able to run anything in it."""

Answers = dict[int | str, dict[str, Any]]


def _problems(*statuses: int) -> Answers:
    return {status: {"model": Problem} for status in sorted({400, *statuses})}


def _desk(request: Request) -> Desk:
    desk: Desk = request.app.state.desk
    return desk


TheDesk = Annotated[Desk, Depends(_desk)]
Id = Annotated[str, Path(alias="id", description="An opaque id from an earlier answer.")]

_FORM = {
    "type": "object",
    "required": ["image"],
    "additionalProperties": False,
    "properties": {
        "image": {
            "type": "string",
            "format": "binary",
            "minLength": 1,
            "description": "The bytes of a picture file.",
        },
        **{
            name: without_null(schema)
            for name, schema in Terms.model_json_schema()["properties"].items()
        },
    },
}


@router.post(
    "/api/search",
    responses={200: {"model": Matches}, **_problems(408, 413, 415, 422, 429, 503)},
    openapi_extra={
        "requestBody": {"required": True, "content": {"multipart/form-data": {"schema": _FORM}}}
    },
)
async def search(request: Request, desk: TheDesk) -> Response:
    """The indexed pictures closest to a picture that you send."""
    answer, _ = await desk.search(request)
    return JSONResponse(answer_document(answer))


@router.get(
    "/api/images/{id}/similar",
    responses={200: {"model": Matches}, **_problems(404, 422, 429, 503)},
)
async def similar(
    request: Request, desk: TheDesk, image_id: Id, terms: Annotated[Terms, Query()]
) -> Response:
    """The indexed pictures closest to an indexed one, itself first."""
    return JSONResponse(answer_document(await desk.similar(request, ImageId(image_id), terms)))


@router.get(
    "/api/images/{id}/thumbnail",
    response_class=Response,
    responses={200: {"content": {_IMAGE: {}}}, 304: {}, **_problems(404, 503)},
)
async def thumbnail(request: Request, desk: TheDesk, image_id: Id) -> Response:
    """A small JPEG of an indexed picture, longest side 256."""
    digest, data = await desk.thumbnails.of(ImageId(image_id))
    headers = {"ETag": f'"{digest[:32]}"'}
    if headers["ETag"] in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(data, media_type=_IMAGE, headers=headers)


@router.get(
    "/api/images/{id}/original",
    response_class=Response,
    responses={200: {"content": {"application/octet-stream": {}}}, **_problems(404, 503)},
)
async def original(desk: TheDesk, image_id: Id) -> Response:
    """The file of an indexed picture; only where web.originals is true."""
    if not desk.config.web.originals:
        raise RequestError(404, "The files themselves are not served here (web.originals).")
    record = await desk.index.find(ImageId(image_id))
    data = await asyncio.to_thread(read_original, desk.config, record)
    kind = mimetypes.guess_type(record.place.path)[0]
    if kind in _SHOWN:
        return Response(data, media_type=kind)
    headers = {"Content-Disposition": "attachment"}
    return Response(data, media_type="application/octet-stream", headers=headers)


@router.get("/api/rejected", responses={200: {"model": Rejected}, **_problems()})
async def rejected(desk: TheDesk) -> Response:
    """Every file that is no picture for us, with the reason."""
    return JSONResponse({"rejected": await desk.standing.rejected()})


@router.get("/api/status", responses={200: {"model": Standing}, **_problems()})
async def status(desk: TheDesk) -> Response:
    """What the daemon is doing, and what is indexed."""
    return JSONResponse(asdict(await desk.standing.now()))


@router.get("/healthz", responses={200: {"model": Health}, **_problems()})
async def healthz() -> Response:
    """This process answers."""
    return JSONResponse({"status": "ok"})


@router.get("/readyz", responses={200: {"model": Health}, **_problems(503)})
async def readyz(desk: TheDesk) -> Response:
    """Searches can be answered."""
    await desk.index.count()
    return JSONResponse({"status": "ok"})


@router.get("/metrics", response_class=PlainTextResponse, responses=_problems())
async def metrics(desk: TheDesk) -> Response:
    """Searches and their durations, for Prometheus."""
    return Response(desk.metrics.text(), headers={"Content-Type": CONTENT_TYPE})
