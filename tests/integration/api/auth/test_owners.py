"""Two owners: what is one's is not there for the other, on every route that the API has."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from ulid import ULID

from contract.store.artifacts import ArtifactStore
from contract.store.tables import Result
from tests import jobs, keyring, sweeps, uploads
from tests.integration.api.jobs.test_jobs import spec
from tests.keyring import ask
from tests.served import Api, problem


def queued(api: Api, owner: str, _folder: Path) -> str:
    return jobs.submit(api.database, owner)


def running(api: Api, owner: str, _folder: Path) -> str:
    return jobs.running(api.database, owner=owner).job_id


def ended(api: Api, owner: str, folder: Path) -> str:
    """A job with a curve, results and a model."""
    held = jobs.running(api.database, owner=owner)
    file = folder / "model"
    file.write_bytes(b"model")
    kept = ArtifactStore(api.settings.artifacts_url).put(f"jobs/{held.job_id}/1.keras", file)
    assert jobs.record(api.database, held, *range(1, jobs.EPOCHS + 1))
    with api.database.writing() as session:
        assert jobs.succeed(session, held)
        session.get_one(Result, held.job_id).artifacts = {"model": vars(kept)}
    return held.job_id


def dataset(api: Api, owner: str, folder: Path) -> str:
    return uploads.stored(api.database, owner, folder)


def sweep(api: Api, owner: str, _: Path) -> str:
    asked = sweeps.body()
    return str(ask(api, keyring.make(api, owner), "/v1/sweeps", "POST", json=asked).json()["id"])


# What the parameters of paths name. Whoever adds a route with a new one tells of it here.
THINGS: dict[str, tuple[Callable[[Api, str, Path], str], ...]] = {
    "job_id": (queued, running, ended),
    "dataset_id": (dataset,),
    "sweep_id": (sweep,),
}
# Recipes are the same for everybody.
COMMON = {"name"}


def test_what_is_anothers_is_not_there_on_any_route(keyed: Api, tmp_path: Path) -> None:
    """With the same words as for what does not exist, and the same headers."""
    mine = keyring.make(keyed, "me", "admin")
    routes = [
        (method, route.path or "", parameter)
        for method, route in keyring.guarded(keyed.app)
        for parameter in re.findall(r"\{(\w+)\}", route.path or "")
        if parameter not in COMMON
    ]
    assert len(routes) >= 11
    assert {parameter for *_, parameter in routes} <= set(THINGS), "tell of it in THINGS"
    for method, path, parameter in routes:
        for make in THINGS[parameter]:
            id_ = make(keyed, "you", tmp_path)
            nowhere = id_[:-26] + str(ULID())
            place = path.replace(f"{{{parameter}}}", "{}")
            theirs, none = (ask(keyed, mine, place.format(i), method) for i in (id_, nowhere))
            told = problem(theirs, 404)
            assert told["type"] == "/problems/not-found"
            body, headers = keyring.plain(theirs)
            assert (body.replace(id_, nowhere), headers) == keyring.plain(none), path


def test_its_owner_has_it_with_any_key(keyed: Api, tmp_path: Path) -> None:
    """The test above would pass where nothing is found at all."""
    id_ = ended(keyed, "me", tmp_path)
    for scope in ("read", "submit"):
        token = keyring.make(keyed, "me", scope)
        for rest in ("", "/results", "/curves", "/curves.csv", "/curves.svg", "/events", "/model"):
            assert ask(keyed, token, f"/v1/jobs/{id_}{rest}").status_code == 200, rest
    again = ask(keyed, token, f"/v1/jobs/{id_}/retry", "POST")
    assert again.status_code == 202
    assert ask(keyed, keyring.make(keyed, "me"), again.headers["location"]).status_code == 200
    problem(ask(keyed, keyring.make(keyed, "you"), again.headers["location"]), 404)


def test_nothing_that_is_asked_without_an_id_tells_of_anothers(keyed: Api, tmp_path: Path) -> None:
    theirs = [make(keyed, "you", tmp_path) for makes in THINGS.values() for make in makes]
    mine = keyring.make(keyed, "me", "submit")
    asked = [
        route.path or ""
        for method, route in keyring.guarded(keyed.app)
        if method == "GET" and "{" not in (route.path or "")
    ]
    assert len(asked) >= 4
    for path in asked:
        # Two jobs are compared by their ids, and are then not there: test_api_compare.
        answer = ask(keyed, mine, path)
        assert answer.status_code in (200, 403, 422), path
        assert not [id_ for id_ in theirs if id_ in answer.text], path


def test_lists_hold_ones_own_whatever_is_asked(keyed: Api, tmp_path: Path) -> None:
    own = {owner: [make(keyed, owner, tmp_path) for make in THINGS["job_id"]] for owner in "ab"}
    for owner, other in ("ab", "ba"):
        token = keyring.make(keyed, owner)
        for query in (
            {}, {"limit": 1}, {"status": "succeeded"}, {"dataset": "digits"},
            {"after": max(own[other])}, {"verdict": "undetermined"},
        ):  # fmt: skip
            listed = ask(keyed, token, "/v1/jobs", params=query).json()["data"]
            assert {job["id"] for job in listed} <= set(own[owner])
        whole = ask(keyed, token, "/v1/jobs").json()
        assert {job["id"] for job in whole["data"]} == set(own[owner])
        assert whole["has_more"] is False


def test_a_job_is_its_keys_owners(keyed: Api) -> None:
    tokens = {owner: keyring.make(keyed, owner) for owner in ("me", "you")}
    for owner, token in tokens.items():
        answer = ask(keyed, token, "/v1/jobs", "POST", json=spec())
        assert jobs.stored(keyed.database, answer.json()["id"]).owner == owner


@pytest.mark.parametrize("owner", ["ME", "me ", "m", "local", "%", "_e", "me.", "you"])
def test_owners_are_compared_to_the_letter(keyed: Api, owner: str) -> None:
    id_ = jobs.submit(keyed.database, "me")
    token = keyring.make(keyed, owner)
    problem(ask(keyed, token, f"/v1/jobs/{id_}"), 404)
    assert ask(keyed, token, "/v1/jobs").json()["data"] == []
