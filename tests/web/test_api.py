"""The JSON API on a real index, through a real server."""

import json
import socket
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from bench.served_page import serve as serve_page
from core.config import Config
from core.state import RootStatus, Status, write_status
from tests.health import series
from tests.pictures import jpeg, write
from tests.project import Project
from tests.web.conftest import Serve, configured, find
from web.shapes import Matches, Rejected, Standing


def test_it_says_what_the_command_line_says(
    client: httpx.Client, gallery: Project, tmp_path: Path
) -> None:
    for query in (write(tmp_path / "query.jpg", 77), gallery.dataset / "cats/03.jpg"):
        told = gallery.json("search", query, "-k", "7", "--max-distance", "0.9")
        said = find(client, query, k=7, max_distance=0.9).json()
        Matches.model_validate(said)
        assert said["matches"] == told["matches"]
        assert said["model"] == told["model"]
        assert said["timings_ms"].keys() == told["timings_ms"].keys()


def test_similar_is_the_search_with_the_indexed_picture(
    client: httpx.Client, gallery: Project
) -> None:
    by_bytes = find(client, gallery.dataset / "cats/03.jpg", k=5).json()["matches"]
    image_id = by_bytes[0]["id"]
    by_id = client.get(f"/api/images/{image_id}/similar", params={"k": 5}).json()["matches"]
    assert by_id == by_bytes
    assert by_id[0]["distance"] == 0
    assert by_id[0]["copies"] == [{"root": "dataset", "path": "copies/again.jpg"}]
    near = client.get(f"/api/images/{image_id}/similar", params={"under": "dataset/dogs"}).json()
    assert {match["path"].split("/")[0] for match in near["matches"]} == {"dogs"}


def test_a_part_is_searched_for_whether_sent_or_indexed(
    client: httpx.Client, gallery: Project
) -> None:
    file = gallery.dataset / "dogs/04.jpg"
    image_id = find(client, file, k=1).json()["matches"][0]["id"]
    sent = find(client, file, box="0.1,0.1,0.5,0.5").json()["matches"]
    indexed = client.get(f"/api/images/{image_id}/similar", params={"box": "0.1,0.1,0.5,0.5"})
    assert indexed.json()["matches"] == sent
    assert sent[0]["distance"] > 0
    file.rename(file.with_suffix(".away"))
    try:
        gone = client.get(f"/api/images/{image_id}/similar", params={"box": "0,0,0.5,0.5"})
    finally:
        file.with_suffix(".away").rename(file)
    assert gone.status_code == 404
    assert "cannot be read" in gone.json()["error"]


def test_thumbnails_are_small_pictures_that_caches_may_check(
    client: httpx.Client, gallery: Project
) -> None:
    image_id = find(client, gallery.dataset / "cats/00.jpg", k=1).json()["matches"][0]["id"]
    answer = client.get(f"/api/images/{image_id}/thumbnail")
    assert answer.content.startswith(b"\xff\xd8\xff")
    assert answer.headers["content-type"] == "image/jpeg"
    same = client.get(
        f"/api/images/{image_id}/thumbnail", headers={"If-None-Match": answer.headers["etag"]}
    )
    assert (same.status_code, same.content) == (304, b"")


def test_status_and_rejections_are_told(client: httpx.Client) -> None:
    status = client.get("/api/status").json()
    Standing.model_validate(status)
    assert (status["state"], status["indexed"], status["store"]) == ("stopped", 31, "lancedb")
    rejected = client.get("/api/rejected").json()
    Rejected.model_validate(rejected)
    (only,) = rejected["rejected"]
    assert (only["root"], only["path"]) == ("dataset", "cats/broken.png")
    assert "no picture" in only["reason"]
    assert client.get("/healthz").json() == client.get("/readyz").json() == {"status": "ok"}


def test_metrics_count_searches(client: httpx.Client, gallery: Project) -> None:
    def count(text: str) -> float:
        line = next(x for x in text.splitlines() if 'searches_total{status="200"}' in x)
        return float(line.split()[-1])

    find(client, gallery.dataset / "cats/00.jpg")
    before = count(client.get("/metrics").text)
    find(client, gallery.dataset / "cats/00.jpg")
    text = client.get("/metrics").text
    assert count(text) == before + 1
    assert f"lookalike_search_seconds_count {count(text)}" in text


def test_metrics_tell_the_parts_of_a_search(client: httpx.Client, gallery: Project) -> None:
    def told() -> dict[str, float]:
        found = series(client.get("/metrics").text)
        return {
            part: found[f'lookalike_search_part_seconds_count{{part="{part}"}}']
            for part in ("decode", "embed", "search")
        } | {"in flight": found["lookalike_searches_in_flight"]}

    before = told()
    client.post("/api/search", files={"image": jpeg(4711)})
    new = told()
    assert new == {name: n + (name != "in flight") for name, n in before.items()}
    find(client, gallery.dataset / "cats/00.jpg")  # its bytes are indexed: no model was needed
    assert told() == new | {"search": new["search"] + 1}


def test_metrics_count_what_waits_for_its_answer(client: httpx.Client, address: str) -> None:
    def in_flight() -> float:
        return series(client.get("/metrics").text)["lookalike_searches_in_flight"]

    host, _, port = address.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port))) as slow:
        slow.sendall(
            b"POST /api/search HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9999\r\n"
            b"Content-Type: multipart/form-data; boundary=x\r\n\r\n--x\r\n"
        )
        wait_until(lambda: in_flight() == 1)
    wait_until(lambda: in_flight() == 0)


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"k": "0"}, "k: "),
        ({"k": "101"}, "k: "),
        ({"k": "many"}, "k: "),
        ({"max_distance": "3"}, "max_distance: "),
        ({"max_distance": "nan"}, "max_distance: "),
        ({"under": "dataset/.."}, "names no folder"),
        ({"under": ""}, "names no folder"),
        ({"box": "0,0,2,2"}, "A box is"),
        ({"boks": "0,0,1,1"}, "There is no field 'boks'"),
    ],
)
def test_wrong_terms_are_400_and_a_sentence(
    client: httpx.Client, fields: dict[str, str], complaint: str
) -> None:
    sent = client.post("/api/search", files={"image": jpeg(1)}, data=fields)
    image_id = client.post("/api/search", files={"image": jpeg(1)}).json()["matches"][0]["id"]
    asked = client.get(f"/api/images/{image_id}/similar", params=fields)
    for answer in (sent, asked):
        assert answer.status_code == 400
        assert complaint in answer.json()["error"]


def test_what_is_no_search_is_refused_with_a_sentence(client: httpx.Client) -> None:
    nobody = "00000000-0000-0000-0000-000000000000"
    form = {"Content-Type": "multipart/form-data; boundary=x"}
    for answer, status in [
        (client.post("/api/search", files={"image": b"rubbish"}), 422),
        (client.post("/api/search", files={"image": jpeg(1)[:400]}), 422),
        (client.post("/api/search", files={"image": b""}), 400),
        (client.post("/api/search", files={"picture": jpeg(1)}), 400),
        (client.post("/api/search", files=[("image", jpeg(1)), ("image", jpeg(2))]), 400),
        (client.post("/api/search", data={"image": "text"}), 415),
        (client.post("/api/search", content=jpeg(1)), 415),
        (client.post("/api/search", content=b"--x\r\nrubbish", headers=form), 400),
        (client.get(f"/api/images/{nobody}/similar"), 404),
        (client.get("/api/images/..%2f..%2fetc/thumbnail"), 404),
        (client.get(f"/api/images/{nobody}/thumbnail"), 404),
        (client.get("/api/nothing"), 404),
        (client.get("/api/search"), 405),
        (client.get("/static/../web/app.py"), 404),
    ]:
        assert answer.status_code == status, (answer.request.url, answer.text)
        assert answer.json().keys() == {"error"}
        assert answer.json()["error"].endswith(".")


def test_files_are_served_only_where_that_is_wanted(
    client: httpx.Client, gallery: Project, serve: Serve
) -> None:
    file = gallery.dataset / "dogs/04.jpg"
    image_id = find(client, file, k=1).json()["matches"][0]["id"]
    path = f"/api/images/{image_id}/original"
    assert client.get(path).status_code == 404
    answer = httpx.get(serve(originals=True) + path)
    assert answer.content == file.read_bytes()
    assert answer.headers["content-type"] == "image/jpeg"


def test_a_file_over_the_limit_is_refused_while_it_is_being_sent(gallery: Project) -> None:
    config = configured(gallery)
    small = config.model_copy(
        update={"images": config.images.model_copy(update={"max_megabytes": 0.1})}
    )
    with serve_page(small) as address:
        declared = httpx.post(address + "/api/search", files={"image": b"x" * 200_000})
        pieces = (b"x" * 10_000 for _ in range(100))
        head = b'--x\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\n'
        streamed = httpx.post(
            address + "/api/search",
            content=iter([head, *pieces]),
            headers={"Content-Type": "multipart/form-data; boundary=x"},
        )
    for answer in (declared, streamed):
        assert answer.status_code == 413
        assert "0.1 MB" in answer.json()["error"]


def test_a_large_picture_touches_no_disk(
    client: httpx.Client, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "there is none"))
    large = jpeg(1) + bytes(5_000_000)  # what follows the end of a JPEG is no part of it
    assert client.post("/api/search", files={"image": large}).status_code == 200


def test_a_crowd_is_served_or_told_to_come_back(address: str) -> None:
    """More searches at once than the queue takes, each of a picture that must be decoded."""
    pictures = [jpeg(1000 + n, (1600, 1200)) for n in range(30)]

    def ask(picture: bytes) -> httpx.Response:
        return httpx.post(address + "/api/search", files={"image": picture}, timeout=60)

    with ThreadPoolExecutor(30) as pool:
        answers = list(pool.map(ask, pictures))
    statuses = {answer.status_code for answer in answers}
    assert statuses == {200, 503}
    for answer in answers:
        if answer.status_code == 503:
            assert "Too many searches" in answer.json()["error"]
            assert int(answer.headers["retry-after"]) >= 1
    assert ask(jpeg(2)).status_code == 200


def test_before_there_is_an_index_it_says_so_and_follows(project: Project) -> None:
    config: Config = configured(project)
    with serve_page(config) as address:
        answer = httpx.post(address + "/api/search", files={"image": jpeg(1)})
        assert answer.status_code == 503
        assert "Nothing is indexed yet" in answer.json()["error"]
        assert httpx.get(address + "/readyz").status_code == 503
        assert httpx.get(address + "/healthz").status_code == 200
        assert httpx.get(address + "/").status_code == 200
        write(project.dataset / "1.jpg", 1)
        project.cli("sync")
        wait_until(lambda: httpx.get(address + "/readyz").status_code == 200)
        answer = httpx.post(address + "/api/search", files={"image": jpeg(1)})
        assert answer.json()["matches"][0]["path"] == "1.jpg"


def test_a_preview_is_never_taken_for_the_real_thing(gallery: Project) -> None:
    config = configured(gallery)
    wanted = config.model_copy(update={"model": config.model.model_copy(update={"name": "vitx"})})
    with serve_page(wanted) as address:
        page = httpx.post(address + "/", files={"image": jpeg(1)}).text
    assert "Preview: compared by colour and layout only, not by vitx." in page


def test_no_answer_holds_an_absolute_path_or_the_address_of_the_store(
    client: httpx.Client, gallery: Project
) -> None:
    folder = gallery.folder / "var/state/daemon"
    before = (folder / "status.json").read_bytes()
    reason = f"The folder of root 'dataset', {gallery.dataset}, cannot be read (No such file)."
    problem = f"The index in {gallery.folder / 'var/index'} cannot be written: disk full."
    write_status(
        folder,
        Status(
            "suspended",
            {"dataset": RootStatus("suspended", reason, 31)},
            "colour-layout/1",
            str(gallery.folder / "var/index"),
            31,
            problems=[problem],
        ),
        pid=1,
    )
    time.sleep(1.1)  # a status is a second old at most
    pages = ["/", "/status", "/rejected", "/docs", "/api/status", "/api/rejected", "/metrics"]
    texts = {path: client.get(path).text for path in pages}
    texts["search"] = client.post("/api/search", files={"image": jpeg(1)}).text
    (folder / "status.json").write_bytes(before)
    for path in ("/", "/status", "/api/status"):
        assert "cannot be read" in texts[path], "a suspended root is told"
        assert "disk full" in texts[path], "and so is a problem"
    for path, text in texts.items():
        assert str(gallery.folder) not in text, path
        assert "/var/" not in text, path
    assert json.loads(texts["/api/status"])["store"] == "lancedb"
