"""Can the page be served where it shall be?"""

import http.client
import json
from collections.abc import Iterator

from cli.doctor.facts import Facts
from cli.doctor.findings import Finding, from_error, ok
from core.errors import AppError
from core.keys import read_keys
from core.listening import listen, places

_SECONDS = 2


def check(facts: Facts) -> Iterator[Finding]:
    """Listens for a moment, unless our own page does already."""
    web = facts.config.web
    for family, (host, port) in places(web.host, web.port, read_keys(), "web.host"):
        shown = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        try:
            listen(family, (host, port)).close()
        except AppError as error:
            if port and _is_ours(host, port):
                yield ok(f"{shown} serves our page already.")
            else:
                yield from_error(error, "Choose another web.port, or end what listens there.")
        else:
            yield ok(f"{shown} is free for the page." if port else "Any free port serves the page.")


def _is_ours(host: str, port: int) -> bool:
    """Whether what listens there answers as only the page does."""
    asked = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    connection = http.client.HTTPConnection(asked, port, timeout=_SECONDS)
    try:
        connection.request("GET", "/healthz", headers={"Host": "localhost"})
        answer = connection.getresponse()
        return bool(answer.status == 200 and json.loads(answer.read(1000))["status"] == "ok")
    except (OSError, http.client.HTTPException, ValueError, TypeError, KeyError):
        return False
    finally:
        connection.close()
