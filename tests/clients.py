"""HTTP clients as people have them: each sends a file, and tells what status came back."""

import json
import shutil
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path

import httpx
import pytest
import requests

Headers = Mapping[str, str]
Post = Callable[[str, Path, Headers], int]
SECONDS = 60
_NODE = """
const [url, file, headers] = process.argv.slice(1)
const body = require("fs").readFileSync(file)
fetch(url, {method: "POST", body, headers: JSON.parse(headers)})
    .then(async answer => { await answer.text(); console.log(answer.status) })
"""
_JAVA = """
import java.net.URI;
import java.net.http.*;
import java.nio.file.Path;

class Post {
    public static void main(String[] given) throws Exception {
        var request = HttpRequest.newBuilder(URI.create(given[0]))
            .POST(HttpRequest.BodyPublishers.ofFile(Path.of(given[1])));
        for (int i = 2; i < given.length; i += 2) request.header(given[i], given[i + 1]);
        var answer = HttpClient.newHttpClient()
            .send(request.build(), HttpResponse.BodyHandlers.ofString());
        System.out.println(answer.statusCode());
    }
}
"""


def by_curl(url: str, body: Path, headers: Headers) -> int:
    return _curl("--data-binary", f"@{body}", url, headers=headers)


def by_curl_upload(url: str, body: Path, headers: Headers) -> int:
    """As docs/data.md sends datasets; chunked, so that nothing declares the length."""
    chunked = {"Transfer-Encoding": "chunked", **headers}
    return _curl("-X", "POST", "-T", str(body), url, headers=chunked)


def by_curl_http2(url: str, body: Path, headers: Headers) -> int:
    """Which asks for an upgrade to h2c."""
    return _curl("--http2", "--data-binary", f"@{body}", url, headers=headers)


def by_urllib(url: str, body: Path, headers: Headers) -> int:
    asked = urllib.request.Request(url, body.read_bytes(), dict(headers), method="POST")
    try:
        with urllib.request.urlopen(asked, timeout=SECONDS) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            error.read()
            return error.code


def by_requests(url: str, body: Path, headers: Headers) -> int:
    return requests.post(url, body.read_bytes(), headers=headers, timeout=SECONDS).status_code


def by_httpx(url: str, body: Path, headers: Headers) -> int:
    return httpx.post(
        url, content=body.read_bytes(), headers=dict(headers), timeout=SECONDS
    ).status_code


def by_node(url: str, body: Path, headers: Headers) -> int:
    return _told("node", "-e", _NODE, url, str(body), json.dumps(headers))


def by_java(url: str, body: Path, headers: Headers) -> int:
    """By its default client, which asks for an upgrade to h2c."""
    source = body.with_name("Post.java")
    source.write_text(_JAVA)
    pairs = [part for pair in headers.items() for part in pair]
    return _told("java", str(source), url, str(body), *pairs)


def _curl(*arguments: str, headers: Headers) -> int:
    named = [part for pair in headers.items() for part in ("-H", ": ".join(pair))]
    return _told("curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", *named, *arguments)


def _told(program: str, *arguments: str) -> int:
    if shutil.which(program) is None:
        pytest.skip(f"needs {program}")
    ended = subprocess.run(
        [program, *arguments], check=False, capture_output=True, text=True, timeout=SECONDS
    )
    assert ended.returncode == 0, ended.stderr
    return int(ended.stdout)
