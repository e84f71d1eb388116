"""Why a run failed, and the proof of it, over HTTP."""

from pathlib import Path
from typing import Any

import jsonpatch
import pytest

from contract.jobs.variants import full_spec
from tests import jobs, keyring, proofs
from tests.keyring import ask
from tests.served import Api, problem, serving, settings_for


def finished(api: Api) -> str:
    """A job whose proof has ended."""
    id_ = proofs.diagnosed(api.database)
    api.post(f"/v1/jobs/{id_}/repairs")
    proofs.run_all(api.database, id_, proofs.HOLDS)
    proofs.prove_on(api.database)
    return id_


def test_a_diagnosis_waits_for_the_end(api: Api) -> None:
    answer = api.client.get(f"/v1/jobs/{jobs.running(api.database).job_id}/diagnosis")
    assert problem(answer, 409)["type"] == "/problems/not-ready"
    assert int(answer.headers["retry-after"]) >= 1


def test_a_diagnosis_has_causes_with_evidence_and_patches(api: Api) -> None:
    id_ = proofs.diagnosed(api.database)
    told = api.get(f"/v1/jobs/{id_}/diagnosis")
    job = api.get(f"/v1/jobs/{id_}")
    assert (told["verdict"], told["headline"]) == (job["verdict"], job["headline"])
    assert job["urls"]["diagnosis"] == f"/v1/jobs/{id_}/diagnosis"
    assert told["proof"] is None
    first = told["causes"][0]
    assert (first["code"], first["standing"]) == ("input_scale", None)
    assert (first["evidence"], first["numbers"]) == (["They reach 255."], {"max": 255.0})
    assert [change["code"] for change in first["rivals"]] == ["leaky", "norm"]
    spec = full_spec(jobs.stored(api.database, id_))
    patched = jsonpatch.apply_patch(spec, first["repairs"][0]["patch"])
    assert patched["dataset"]["scaling"] == "unit"


@pytest.mark.parametrize("end", ["failed", "cancelled", "bare"])
def test_a_job_without_a_diagnosis_has_an_empty_one(api: Api, end: str) -> None:
    if end == "bare":
        id_ = jobs.submit(api.database)
        jobs.reach(api.database, id_, 0.9)
    elif end == "failed":
        held = jobs.running(api.database)
        with api.database.writing() as session:
            jobs.fail(session, held)
        id_ = held.job_id
    else:
        id_ = jobs.submit(api.database)
        jobs.cancel(api.database, id_)
    told = api.get(f"/v1/jobs/{id_}/diagnosis")
    assert (told["causes"], told["remarks"], told["proof"]) == ([], [], None)
    assert told["status"] == ("succeeded" if end == "bare" else end)
    refused = api.refused(f"/v1/jobs/{id_}/repairs", 409, "POST")
    assert "no cause is known" in refused["detail"] or end in refused["detail"]
    api.refused(f"/v1/jobs/{id_}/repairs", 409)


def test_repairs_are_jobs_that_only_their_parent_lists(api: Api) -> None:
    id_ = proofs.diagnosed(api.database)
    answer = api.client.post(f"/v1/jobs/{id_}/repairs")
    assert answer.status_code == 202
    assert answer.headers["location"] == f"/v1/jobs/{id_}/repairs"
    told = answer.json()
    assert (told["status"], told["round"], told["seeds"]) == ("running", 1, [0])
    assert [trial["code"] for trial in told["trials"]] == ["unit", "slower", "leaky", "norm"]
    assert {trial["outcome"] for trial in told["trials"]} == {None}
    runs = [run for trial in told["trials"] for run in trial["runs"]]
    assert {run["status"] for run in runs} == {"queued"}
    assert [job["id"] for job in api.get("/v1/jobs")["data"]] == [id_]
    listed = api.get("/v1/jobs", parent=id_)["data"]
    assert {job["id"] for job in listed} == {run["job"] for run in runs}
    assert {job["parent_id"] for job in listed} == {id_}
    assert api.get(runs[0]["url"])["trial"] == "unit"
    assert api.get(answer.headers["location"]) == told


BODIES: list[dict[str, Any]] = [
    {},
    {"seeds": 3},
    {"changes": ["unit"]},
    {"changes": ["unit", "leaky"]},
    {"changes": ["unit", "slower", "leaky", "norm"]},
    {"seeds": 2, "changes": ["unit"]},
]


@pytest.mark.parametrize("asked", BODIES, ids=str)
def test_asking_the_same_again_gives_the_same_proof_and_nothing_else_does(
    api: Api, asked: dict[str, Any]
) -> None:
    id_ = proofs.diagnosed(api.database)
    path = f"/v1/jobs/{id_}/repairs"
    first = api.post(path, **asked)
    turned = {"seeds": 1, **asked, "changes": asked.get("changes", [])[::-1]}
    for ended in (False, True):
        if ended:
            proofs.run_all(api.database, id_, {**proofs.HOLDS, "baseline": proofs.OWN})
            proofs.prove_on(api.database)
            first = api.get(path)
            assert first["status"] == "done"
        for same in (asked, turned):
            assert api.post(path, **same) == first
        for other in BODIES:
            if other != asked:
                told = problem(api.client.post(path, json=other), 409)
                assert told["type"] == "/problems/asked-otherwise"
                assert f'"seeds": {asked.get("seeds", 1)}' in told["detail"]
                assert all(code in told["detail"] for code in asked.get("changes", []))
    assert api.get(path) == first


def test_a_proof_that_began_by_itself_is_that_of_an_empty_body(api: Api) -> None:
    id_ = proofs.started(api.database)
    path = f"/v1/jobs/{id_}/repairs"
    assert api.client.post(path).json() == api.post(path) == api.get(path)
    problem(api.client.post(path, json={"seeds": 2}), 409)


def test_the_proof_tells_what_held_and_what_that_means(api: Api) -> None:
    id_ = finished(api)
    told = api.get(f"/v1/jobs/{id_}/diagnosis")
    assert "reaches 93.5 % with everything else unchanged" in told["headline"]
    assert [(c["code"], c["standing"]) for c in told["causes"]] == [
        ("input_scale", "proven"), ("learning_rate", "proven"),
    ]  # fmt: skip
    proof = told["proof"]
    assert (proof["status"], proof["best"], proof["ties"]) == ("done", "unit", ["slower"])
    assert (proof["baseline"], proof["needed"]) == (proofs.OWN, {})
    assert [(t["code"], t["outcome"], t["value"], t["mask"]) for t in proof["trials"]] == [
        ("unit", "held", 0.935, False), ("slower", "held", 0.9, False),
        ("leaky", "failed", 0.1, False), ("norm", "failed", 0.5, True),
    ]  # fmt: skip
    first = proof["trials"][0]
    assert first["gain"] == pytest.approx(0.515)
    assert (first["runs"][0]["value"], first["runs"][0]["status"]) == (0.935, "succeeded")
    results = api.get(f"/v1/jobs/{id_}/results")
    assert results["headline"] == results["diagnosis"]["headline"] == told["headline"]


def test_a_proof_is_seen_by_those_who_watch_the_job(api: Api) -> None:
    id_ = proofs.diagnosed(api.database)
    api.post(f"/v1/jobs/{id_}/repairs")
    seen = api.get(f"/v1/jobs/{id_}/events")["data"][-1]["seq"]
    before = api.get(f"/v1/jobs/{id_}")["updated_at"]
    proofs.run_all(api.database, id_, proofs.HOLDS)
    proofs.prove_on(api.database)
    [event] = api.get(f"/v1/jobs/{id_}/events", after=seen)["data"]
    assert (event["type"], event["data"]["verdict"]) == ("diagnosis", "unhealthy")
    job = api.get(f"/v1/jobs/{id_}")
    assert (job["updated_at"], job["headline"]) == (event["at"], event["data"]["headline"])
    assert job["updated_at"] > before
    stream = api.client.get(
        f"/v1/jobs/{id_}/events",
        headers={"Accept": "text/event-stream", "Last-Event-ID": str(seen)},
    )
    assert "event: diagnosis" in stream.text
    assert "event: end" in stream.text


def test_seeds_and_changes_can_be_chosen(api: Api) -> None:
    id_ = proofs.diagnosed(api.database)
    told = api.post(f"/v1/jobs/{id_}/repairs", seeds=3, changes=["unit"])
    assert (told["seeds"], [trial["code"] for trial in told["trials"]]) == (
        [0, 1, 2], ["baseline", "unit"],
    )  # fmt: skip
    assert [[run["seed"] for run in trial["runs"]] for trial in told["trials"]] == [
        [1, 2], [0, 1, 2],
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"seeds": 0}, "/seeds"),
        ({"seeds": 11}, "/seeds"),
        ({"changes": ["unit", "magic"]}, "/changes/1"),
        ({"colour": 1}, "/colour"),
    ],
)
def test_what_cannot_be_asked_for(api: Api, body: dict[str, Any], pointer: str) -> None:
    id_ = proofs.diagnosed(api.database)
    told = problem(api.client.post(f"/v1/jobs/{id_}/repairs", json=body), 422)
    assert [fault["pointer"] for fault in told["errors"]] == [pointer]
    api.refused(f"/v1/jobs/{id_}/repairs", 409)


def test_repairs_can_be_cancelled(api: Api) -> None:
    id_ = proofs.diagnosed(api.database)
    api.refused(f"/v1/jobs/{id_}/repairs/cancel", 409, "POST")
    api.post(f"/v1/jobs/{id_}/repairs")
    told = api.post(f"/v1/jobs/{id_}/repairs/cancel", 200)
    assert told["status"] == "cancelled"
    assert {run["status"] for trial in told["trials"] for run in trial["runs"]} == {"cancelled"}
    assert api.post(f"/v1/jobs/{id_}/repairs/cancel", 200) == told
    assert api.post(f"/v1/jobs/{id_}/repairs")["status"] == "cancelled"


def test_a_proof_that_the_queue_has_no_room_for(sqlite_url: str, tmp_path: Path) -> None:
    settings = settings_for(sqlite_url, tmp_path, auth="keys", max_queued_jobs=3)
    with serving(settings) as api:
        id_ = proofs.diagnosed(api.database, owner="me")
        key = keyring.make(api, "me")
        answer = ask(api, key, f"/v1/jobs/{id_}/repairs", "POST")
        assert "4 more do not fit" in problem(answer, 429)["detail"]
        assert int(answer.headers["retry-after"]) > 0
        problem(ask(api, key, f"/v1/jobs/{id_}/repairs"), 409)
        chosen = ask(api, key, f"/v1/jobs/{id_}/repairs", "POST", json={"changes": ["unit"]})
        assert chosen.status_code == 202


def test_a_proof_is_its_owners(keyed: Api) -> None:
    id_ = proofs.diagnosed(keyed.database, owner="me")
    mine, theirs = keyring.make(keyed, "me"), keyring.make(keyed, "you")
    told = ask(keyed, mine, f"/v1/jobs/{id_}/repairs", "POST").json()
    run = told["trials"][0]["runs"][0]["url"]
    assert ask(keyed, mine, run).status_code == 200
    problem(ask(keyed, theirs, run), 404)
    assert ask(keyed, theirs, "/v1/jobs", params={"parent": id_}).json()["data"] == []
    assert len(ask(keyed, mine, "/v1/jobs", params={"parent": id_}).json()["data"]) == 4
    reader = keyring.make(keyed, "me", "read")
    assert ask(keyed, reader, f"/v1/jobs/{id_}/repairs").status_code == 200
    problem(ask(keyed, reader, f"/v1/jobs/{id_}/repairs/cancel", "POST"), 403)
