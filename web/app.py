"""The application: guard, routes, and the one place where errors become answers."""

import hashlib
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException

from core.config import Config
from core.errors import AppError, UsageError
from core.keys import Keys
from web import api, pages
from web.desk import open_desk
from web.errors import RequestError, headers_of, sentence_of, status_of
from web.limits import DrainBody
from web.security import Guard
from web.terms import sentences, without_null

logger = logging.getLogger(__name__)

STATIC = Path(__file__).parent / "static"
_NAMES = {404: "There is no such page.", 405: "This cannot be done here."}


def create_app(config: Config, keys: Keys | None = None) -> FastAPI:
    """Opens the index when the application starts, and closes it when it ends."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with open_desk(config) as desk:
            app.state.desk = desk
            yield

    app = FastAPI(
        title="Lookalike",
        description="Finds the indexed pictures that look like yours.",
        version="1",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
    )
    app.state.assets = {file.name: _versioned(file) for file in STATIC.iterdir()}
    app.include_router(api.router)
    app.include_router(pages.router)
    app.mount("/static", StaticFiles(directory=STATIC))
    app.add_exception_handler(AppError, _say)
    app.add_exception_handler(RequestValidationError, _say_wrong_usage)
    app.add_exception_handler(HTTPException, _say_http)
    app.add_exception_handler(Exception, _say_mistake)
    app.add_middleware(DrainBody)
    app.add_middleware(Guard, web=config.web, keys=keys or Keys())
    _describe(app, secured=bool(keys))
    return app


def _versioned(file: Path) -> str:
    """An address that changes with the content, so that browsers never use an old one."""
    digest = hashlib.sha256(file.read_bytes()).hexdigest()[:12]
    return f"/static/{file.name}?v={digest}"


async def _say(request: Request, error: Exception) -> Response:
    assert isinstance(error, AppError)
    desk = request.app.state.desk
    if status_of(error) >= 500:
        logger.warning("%s", error)
    if request.url.path in pages.PAGES:
        return await pages.error_page(request, desk, error)
    return JSONResponse(
        {"error": sentence_of(error, desk.config)}, status_of(error), headers_of(error)
    )


async def _say_wrong_usage(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return await _say(request, UsageError(sentences(list(error.errors()))))


async def _say_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    response = await _say(
        request, RequestError(error.status_code, _NAMES.get(error.status_code, error.detail))
    )
    response.headers.update(error.headers or {})
    return response


async def _say_mistake(_request: Request, _error: Exception) -> Response:
    """A mistake of ours; Starlette raises it again after this, and the server logs it whole."""
    return JSONResponse({"error": "Something went wrong here; the log says what."}, 500)


def _describe(app: FastAPI, *, secured: bool) -> None:
    """OpenAPI as it is: FastAPI would add a 422 of its own, which nothing here answers."""
    build = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            description = build()
            for operations in description["paths"].values():
                for operation in operations.values():
                    for parameter in operation.get("parameters", []):
                        parameter["schema"] = without_null(parameter["schema"])
                    answers = operation["responses"]
                    if "HTTPValidationError" in str(answers.get("422")):
                        del answers["422"]
            schemas = description["components"]["schemas"]
            for unused in ("HTTPValidationError", "ValidationError"):
                schemas.pop(unused, None)
            if secured:
                description["components"]["securitySchemes"] = {
                    "password": {"type": "http", "scheme": "basic"},
                    "token": {"type": "http", "scheme": "bearer"},
                }
                description["security"] = [{"password": []}, {"token": []}]
        assert app.openapi_schema is not None
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]
