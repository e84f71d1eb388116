"""Two jobs compared over HTTP, and the runs that lie between them."""

import jsonpatch
import pytest

from contract.jobs.variants import full_spec
from diagnosis.report import Diagnosis
from tests import jobs, keyring, proofs
from tests.keyring import ask
from tests.served import Api, problem

WELL = Diagnosis("healthy", "93.5 % on test.")
SCALED = {"dataset": {"name": "digits", "scaling": "unit"}}
FASTER = {
    "training": {
        "optimizer": {"type": "SGD", "learning_rate": 0.1},
        "loss": "categorical_crossentropy",
        "epochs": jobs.EPOCHS,
    }
}


def pair(api: Api, **changes: object) -> str:
    """A job that failed as SCALE says, and one that did well with `changes`; their ids."""
    first = proofs.diagnosed(api.database)
    second = proofs.diagnosed(api.database, WELL, value=0.935, name="well", **changes)
    return f"{first},{second}"


def test_two_jobs_side_by_side(api: Api) -> None:
    ids = pair(api, **SCALED, **FASTER)
    first, second = ids.split(",")
    told = api.get("/v1/compare", jobs=ids)
    assert [(side["job"], side["verdict"], side["metrics"]) for side in told["jobs"]] == [
        (first, "unhealthy", {"test_accuracy": 0.42}),
        (second, "healthy", {"test_accuracy": 0.935}),
    ]
    assert [(d["pointer"], d["first"], d["second"], d["decides"]) for d in told["differences"]] == [
        ("/name", "small", "well", False),
        ("/dataset/scaling", "none", "unit", True),
        ("/training/optimizer/learning_rate", 0.01, 0.1, True),
    ]
    for side in told["jobs"]:
        measured = api.get(f"{side['url']}/signals")
        assert side["signals"] == {name: measured[name] for name in side["signals"]}
    specs = [full_spec(jobs.stored(api.database, id_)) for id_ in (first, second)]
    assert jsonpatch.apply_patch(specs[0], told["patch"]) == specs[1]
    assert told["hybrids"] is None
    explained = told["explanation"]
    assert (explained["certainty"], explained["attribution"]) == ("likely", None)
    assert explained["fields"] == ["/dataset/scaling", "/training/optimizer/learning_rate"]


def test_the_only_difference_explains_the_gap(api: Api) -> None:
    ids = pair(api, **SCALED)
    told = api.get("/v1/compare", jobs=ids)["explanation"]
    assert (told["certainty"], told["fields"]) == ("decided", ["/dataset/scaling"])
    refused = api.refused("/v1/compare", 409, "POST", {"jobs": ids})
    assert "nothing lies between" in refused["detail"]


def test_a_job_is_no_better_than_itself(api: Api) -> None:
    id_ = proofs.diagnosed(api.database)
    told = api.get("/v1/compare", jobs=f"{id_},{id_}")
    assert (told["patch"], told["explanation"]["certainty"]) == ([], "no_difference")
    api.refused("/v1/compare", 409, "POST", {"jobs": f"{id_},{id_}"})


def test_what_lies_between_is_run_and_attributed(api: Api) -> None:
    ids = pair(api, **SCALED, **FASTER)
    answer = api.client.post("/v1/compare", params={"jobs": ids})
    assert answer.status_code == 202
    told = api.client.get(answer.headers["location"]).json()
    assert told == answer.json()
    assert told["explanation"]["attribution"] is None
    hybrids = told["hybrids"]
    assert (hybrids["kind"], hybrids["status"], hybrids["id"]) == ("hybrids", "running", ids)
    scaling, rate = "/dataset/scaling", "/training/optimizer/learning_rate"
    assert [trial["code"] for trial in hybrids["trials"]] == [scaling, rate]
    again = api.client.post("/v1/compare", params={"jobs": ids})
    assert again.json() == told
    assert proofs.run_all(api.database, ids, {scaling: 0.9, rate: 0.40}) == [scaling, rate]
    proofs.prove_on(api.database)
    told = api.get("/v1/compare", jobs=ids)
    assert told["hybrids"]["status"] == "done"
    explained = told["explanation"]
    assert (explained["certainty"], explained["fields"]) == ("decided", [scaling])
    made_up = explained["attribution"]
    assert (made_up["method"], made_up["adds_up"]) == ("shapley", True)
    part = made_up["parts"][scaling]
    assert (part["alone"], part["last"]) == pytest.approx((0.48, 0.535))
    assert part["share"] == pytest.approx((0.48 + 0.535) / 2)
    assert sum(part["share"] for part in made_up["parts"].values()) == pytest.approx(0.515)
    first = ids.split(",")[0]
    assert api.get(f"/v1/jobs/{first}")["headline"] == proofs.SCALE.headline
    assert len(api.get("/v1/jobs", parent=first)["data"]) == 2


def test_jobs_that_have_not_ended_are_compared_as_far_as_they_are(api: Api) -> None:
    ids = f"{proofs.diagnosed(api.database)},{jobs.running(api.database, **SCALED).job_id}"
    told = api.get("/v1/compare", jobs=ids)
    assert told["explanation"]["certainty"] == "undecided"
    assert "has not ended yet" in told["explanation"]["detail"]
    assert "is running" in api.refused("/v1/compare", 409, "POST", {"jobs": ids})["detail"]


def test_what_cannot_be_compared(api: Api) -> None:
    id_ = proofs.diagnosed(api.database)
    for wrong in ("", id_, f"{id_},", f"{id_},{id_},{id_}", f"{id_};{id_}", "a,b"):
        told = api.refused("/v1/compare", 422, query={"jobs": wrong})
        assert told["type"] == "/problems/invalid-parameter"
    nowhere = f"job_{'0' * 26}"
    for ids in (f"{id_},{nowhere}", f"{nowhere},{id_}"):
        for method in ("GET", "POST"):
            assert nowhere in api.refused("/v1/compare", 404, method, {"jobs": ids})["detail"]


def test_anothers_job_is_not_there_to_be_compared(keyed: Api) -> None:
    mine = proofs.diagnosed(keyed.database, owner="me")
    theirs = proofs.diagnosed(keyed.database, owner="you")
    key = keyring.make(keyed, "me")
    for ids in (f"{mine},{theirs}", f"{theirs},{mine}"):
        for method in ("GET", "POST"):
            answer = ask(keyed, key, "/v1/compare", method, params={"jobs": ids})
            assert theirs in problem(answer, 404)["detail"]
    assert ask(keyed, key, "/v1/compare", params={"jobs": f"{mine},{mine}"}).status_code == 200
