"""What a browser makes of the answers: Chromium, without a window."""

import io
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from fastapi import Response
from matplotlib.image import imread

from tests import jobs
from tests.served import Api, serving, settings_for

WIDTH, HEIGHT = 1000, 600
RED = (255, 0, 0)
BLUE = (0, 114, 178)  # the first of api.results.charts.COLOURS
SCRIPTED = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="900" height="500">'
    '<style>rect {fill: #0072b2}</style><rect id="it" width="900" height="500"/>'
    '<script>document.getElementById("it").style.fill = "#f00"</script></svg>'
)


@pytest.fixture(scope="module")
def browser() -> str:
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        pytest.skip("needs Chromium (Debian: apt-get install chromium)")
    return found


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    folder = tmp_path_factory.mktemp("browsed")
    with serving(settings_for(f"sqlite:///{folder / 'plateau.db'}", folder)) as api:
        yield api


@pytest.fixture(scope="module")
def job(api: Api) -> str:
    """The path of a job with three epochs."""
    held = jobs.running(api.database)
    for epoch in (1, 2, 3):
        jobs.record(api.database, held, epoch)
    return f"/v1/jobs/{held.job_id}"


def run(browser: str, folder: Path, *arguments: str) -> str:
    """What it prints. It has five seconds of its own time for what pages do."""
    command = [
        browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
        f"--user-data-dir={folder / 'profile'}", "--virtual-time-budget=5000",
        f"--window-size={WIDTH},{HEIGHT}", *arguments,
    ]  # fmt: skip
    ended = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    return ended.stdout


def seen(browser: str, folder: Path, address: str) -> np.ndarray:
    """The page's pixels, (height, width, 3), 0 to 255."""
    shot = folder / "shot.png"
    run(browser, folder, f"--screenshot={shot}", address)
    pixels: np.ndarray = imread(io.BytesIO(shot.read_bytes()), "png")[..., :3]
    return (pixels * 255).round().astype(np.int64)


def share(pixels: np.ndarray, colour: tuple[int, int, int]) -> float:
    return float((np.abs(pixels - colour).max(axis=-1) <= 8).mean())


def at(api: Api, path: str) -> str:
    return str(api.client.base_url.join(path))


@pytest.mark.parametrize("format_", ["svg", "png"])
def test_pictures_are_seen(browser: str, api: Api, job: str, tmp_path: Path, format_: str) -> None:
    pixels = seen(browser, tmp_path, at(api, f"{job}/curves.{format_}"))
    picture = pixels[HEIGHT // 5 : HEIGHT // 2]
    assert share(picture, (255, 255, 255)) > 0.9
    assert share(picture, (0, 0, 0)) < 0.05
    assert share(picture, BLUE) > 0.001


def test_a_pictures_script_is_not_run(browser: str, api: Api, tmp_path: Path) -> None:
    """Its styles are seen, so it is the script alone that is not."""
    answer = Response(SCRIPTED, media_type="image/svg+xml")
    api.app.add_api_route("/scripted.svg", lambda: answer)
    pixels = seen(browser, tmp_path, at(api, "/scripted.svg"))
    assert share(pixels, BLUE) > 0.5
    assert share(pixels, RED) == 0


def test_the_documentation_is_seen(browser: str, api: Api, tmp_path: Path) -> None:
    told = run(browser, tmp_path, "--dump-dom", at(api, "/docs"))
    assert "Pages of other origins" not in told
    for words in ("opblock-summary-path", "Trains Keras experiments"):
        assert words in told


def test_json_is_seen(browser: str, api: Api, job: str, tmp_path: Path) -> None:
    assert "&quot;" not in (told := run(browser, tmp_path, "--dump-dom", at(api, job)))
    assert '"object":"job"' in told


@contextmanager
def page(folder: Path, html: str) -> Iterator[str]:
    """The address of a page on another port of this host."""
    (folder / "page.html").write_text(html)
    handler = partial(SimpleHTTPRequestHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/page.html"
        finally:
            server.shutdown()
            thread.join()


def test_another_pages_picture_is_seen_and_its_cancel_is_not_taken(
    browser: str, api: Api, job: str, tmp_path: Path
) -> None:
    cancel = at(api, f"{job}/cancel")
    html = f"""
        <img src="{at(api, f"{job}/curves.png")}" onload="document.body.className += ' shown'">
        <form id="f" method="post" action="{cancel}" target="t"></form><iframe name="t"></iframe>
        <script>
        document.getElementById("f").submit()
        fetch("{cancel}", {{method: "POST", mode: "no-cors"}})
            .then(() => document.body.className += " answered")
        </script>"""
    with page(tmp_path, html) as address:
        told = run(browser, tmp_path, "--dump-dom", address)
    assert " shown" in told
    assert " answered" in told
    assert api.get(job)["status"] == "running"


def test_a_name_that_was_made_to_point_here_is_refused(
    browser: str, api: Api, tmp_path: Path
) -> None:
    rule = "--host-resolver-rules=MAP evil.example 127.0.0.1"
    address = f"http://evil.example:{api.client.base_url.port}/v1/jobs"
    told = run(browser, tmp_path, rule, "--dump-dom", address)
    assert "/problems/misdirected" in told
