"""Sweeps as workers look after them, on both databases, with real commits."""

import json
import math
import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.exc import InternalError, OperationalError
from sqlmodel import Session

from contract.store.tables import Sweep
from contract.sweeps import lifecycle as sweeps_lifecycle
from contract.sweeps.plan import Objective
from contract.sweeps.results import runs
from tests import jobs, processes, sweeps
from tests.integration.contract.jobs.test_races import at_once
from tests.served import Api
from tests.sites import FAKE, site_on
from tests.sweeps import RATE, SETTINGS, UNITS, body
from worker.duties.advance_sweeps import Searcher, Step
from worker.duties.cell_curves import Curves
from worker.duties.optuna_study import Search

SEARCH = {
    "axes": {RATE: {"low": 1e-3, "high": 1.0, "log": True}, UNITS: {"low": 8, "high": 64}},
    "method": "tpe",
    "samples": 8,
    "parallel": 3,
}
MEDIAN = {"type": "MedianPruner", "n_startup_trials": 1}


def posted(api: Api, **changes: Any) -> str:
    return str(api.post("/v1/sweeps", **body(**changes))["id"])


def told(api: Api, id_: str) -> dict[str, Any]:
    return api.get(f"/v1/sweeps/{id_}")


def by_rate(cell: dict[str, Any]) -> float:
    return 1 - abs(float(cell["values"][RATE]) - 0.1)


def searched(api: Api, id_: str) -> dict[str, Any]:
    """The sweep, whose runs reach what their rate says, at its end."""
    while (now := told(api, id_))["status"] == "running":
        values = {cell["cell"]: by_rate(cell) for cell in now["cells"]}
        assert len(sweeps.runs(api.database, id_, "queued")) <= 3
        sweeps.reach_all(api.database, id_, values)
        sweeps.look(api.database)
    return now


def test_a_search_goes_on_as_its_trials_end(api: Api) -> None:
    id_ = posted(api, **SEARCH)
    first = sweeps.runs(api.database, id_)
    assert len(first) == 3
    sweeps.look(api.database)
    assert len(sweeps.runs(api.database, id_)) == 3
    sweeps.reach(api.database, first[0].id, 0.5)
    sweeps.look(api.database)
    assert len(sweeps.runs(api.database, id_, "queued")) == 3
    end = searched(api, id_)
    assert (end["status"], end["jobs"]) == ("done", {"succeeded": 8})
    assert len({json.dumps(cell["values"]) for cell in end["cells"]}) == 8
    for cell in end["cells"]:
        [run] = cell["runs"]
        spec = api.get(run["url"])["spec"]
        assert spec["training"]["optimizer"]["learning_rate"] == cell["values"][RATE]
        assert spec["model"]["layers"][1]["units"] == cell["values"][UNITS]
    best = max(by_rate(cell) for cell in end["cells"][1:])
    assert end["best"]["mean"] == pytest.approx(best)


def test_the_same_search_asks_the_same_and_another_seed_does_not(api: Api) -> None:
    ends = [searched(api, posted(api, **SEARCH, seed=seed)) for seed in (1, 1, 2)]
    values = [[cell["values"] for cell in end["cells"]] for end in ends]
    assert values[0] == values[1] != values[2]


def test_a_trial_is_a_cell_with_all_its_seeds(api: Api) -> None:
    id_ = posted(api, **SEARCH, seeds=2)
    assert len(sweeps.runs(api.database, id_)) == 6
    sweeps.reach(api.database, sweeps.runs(api.database, id_)[0].id, 0.5)
    sweeps.look(api.database)
    assert len(sweeps.runs(api.database, id_)) == 6
    sweeps.reach(api.database, sweeps.runs(api.database, id_)[1].id, 0.5)
    sweeps.look(api.database)
    assert [run.cell for run in sweeps.runs(api.database, id_)[6:]] == [3, 3]


def test_of_many_workers_one_asks(api: Api) -> None:
    id_ = posted(api, **SEARCH)
    for _ in range(2):
        sweeps.reach_all(api.database, id_, dict.fromkeys(range(8), 0.5))
        searchers = [Searcher(api.database, SETTINGS) for _ in range(4)]
        at_once(*[searcher.search for searcher in searchers])
    assert [run.cell for run in sweeps.runs(api.database, id_)] == list(range(8))
    assert sweeps.stored(api.database, id_).round == 3


def test_what_has_not_moved_is_not_looked_at_again(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    posted(api, **SEARCH)
    looked: list[str] = []
    searcher = Searcher(api.database, SETTINGS)
    due = searcher._due

    def counted(id_: str) -> Step:
        looked.append(id_)
        return due(id_)

    monkeypatch.setattr(searcher, "_due", counted)
    for _ in range(3):
        searcher.search()
    assert len(looked) == 1


def test_a_cell_that_cannot_be_run_counts_as_tried(api: Api) -> None:
    """Almost all of eight examples is all. By this seed the two smallest shares come first."""
    base = body()["base"]
    base["training"]["validation"] = {"on": "split"}
    base["dataset"]["limit"] = 8
    shares = {"/training/validation/fraction": [0.97, 0.98, 0.99, 0.5, 0.6]}
    search = {"method": "tpe", "samples": 5, "parallel": 2, "seed": 9}
    id_ = posted(api, base=base, axes=shares, **search)
    while told(api, id_)["status"] == "running":
        sweeps.reach_all(api.database, id_, dict.fromkeys(range(5), 0.5))
        sweeps.look(api.database)
    refused = [cell["refused"] for cell in told(api, id_)["cells"]]
    assert refused[:2] == [None, None]
    assert all("fraction" in str(each) for each in refused[2:])


def test_a_search_that_breaks_says_so_and_leaves_its_jobs(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    id_ = posted(api, **SEARCH)
    run, *others = sweeps.runs(api.database, id_)
    sweeps.reach(api.database, run.id, 0.5)

    def broken(*_: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(Search, "propose", broken)
    sweeps.look(api.database)
    end = told(api, id_)
    assert (end["status"], end["terminal"]) == ("failed", True)
    assert "by a fault of the service" in end["reason"]
    assert [each.id for each in sweeps.runs(api.database, id_, "queued")] == [o.id for o in others]


def test_the_pruner_ends_what_lags_behind(api: Api) -> None:
    rates = [0.1, 0.01, 0.001]
    id_ = posted(api, axes={RATE: rates}, pruner=MEDIAN)
    first, second, third = sweeps.runs(api.database, id_)
    sweeps.reach(api.database, first.id, 0.5)
    sweeps.train(api.database, second.id, 0.6, 0.7)
    sweeps.look(api.database)
    sweeps.train(api.database, third.id, 0.6)
    sweeps.look(api.database)
    sweeps.train(api.database, third.id, 0.4, 0.4)
    assert jobs.stored(api.database, third.id).status == "running"
    sweeps.train(api.database, second.id, 0.8)
    sweeps.look(api.database)
    assert jobs.stored(api.database, second.id).status == "running"
    assert jobs.stored(api.database, third.id).status == "running"  # 0.6 was its best
    fourth = posted(api, axes={RATE: rates[:2]}, pruner=MEDIAN)
    good, bad = sweeps.runs(api.database, fourth)
    sweeps.reach(api.database, good.id, 0.5)
    sweeps.train(api.database, bad.id, 0.4)
    sweeps.look(api.database)
    reason = api.get(f"/v1/jobs/{bad.id}")["transitions"][-1]["reason"]
    assert reason == "pruned by MedianPruner after epoch 1"
    assert jobs.stored(api.database, bad.id).status == "cancelling"
    sweeps.finish(api.database, bad.id)
    sweeps.look(api.database)
    end = told(api, fourth)
    assert (end["status"], end["reason"]) == ("done", None)
    assert end["jobs"] == {"succeeded": 1, "cancelled": 1}
    assert [cell["pruned"] for cell in end["cells"]] == [False, True]
    assert end["best"]["cell"] == 0


def test_a_cell_is_pruned_with_all_its_seeds(api: Api) -> None:
    id_ = posted(api, pruner=MEDIAN, seeds=2)
    good, other, slow, late = sweeps.runs(api.database, id_)
    for run in (good, other):
        sweeps.reach(api.database, run.id, 0.5)
    sweeps.train(api.database, slow.id, 0.1, 0.1)
    sweeps.look(api.database)
    assert jobs.stored(api.database, slow.id).status == "running"  # the other has no epoch yet
    sweeps.train(api.database, late.id, 0.2)
    sweeps.look(api.database)
    assert [jobs.stored(api.database, run.id).status for run in (slow, late)] == ["cancelling"] * 2


def test_hyperband_bears_a_loss_that_is_no_number(api: Api) -> None:
    """One bracket: after the first epoch only the best so far goes on."""
    id_ = posted(
        api,
        axes={RATE: [10.0**-n for n in range(6)]},
        pruner={"type": "HyperbandPruner", "reduction_factor": 6},
        objective={"metric": "val_loss"},
    )
    reached = [math.nan, -math.inf, math.inf, 0.5, 0.4, 0.3]
    for run, value in zip(sweeps.runs(api.database, id_), reached, strict=True):
        sweeps.train(api.database, run.id, value)
        sweeps.look(api.database)
    assert told(api, id_)["status"] == "running"
    assert [run.cell for run in sweeps.runs(api.database, id_, "running")] == [1, 2]


@pytest.mark.parametrize("pruner", [MEDIAN, {"type": "HyperbandPruner", "reduction_factor": 6}])
def test_a_worker_that_remembers_answers_as_one_that_was_just_started(
    api: Api, pruner: dict[str, Any]
) -> None:
    ends = []
    for remembers in (True, False):
        chance = random.Random(4)
        id_ = posted(api, axes={RATE: [10.0**-n for n in range(6)]}, pruner=pruner, seeds=2)
        searcher = Searcher(api.database, SETTINGS)
        for _ in range(40):
            open_ = sweeps.runs(api.database, id_, "queued", "running")
            if not open_:
                break
            run = chance.choice(open_)
            values = [chance.random() for _ in range(chance.randint(1, jobs.EPOCHS - run.epoch))]
            sweeps.train(api.database, run.id, *values)
            if run.epoch + len(values) == jobs.EPOCHS:
                sweeps.finish(api.database, run.id)
            (searcher if remembers else Searcher(api.database, SETTINGS)).search()
        runs = sweeps.runs(api.database, id_)
        ends.append((sweeps.stored(api.database, id_).trials, [run.status for run in runs]))
    assert ends[0] == ends[1]
    assert any(known["pruned"] for known in ends[0][0].values())
    assert "succeeded" in ends[0][1]


def test_a_look_reads_the_epochs_that_are_new(api: Api) -> None:
    """However many there are: once they are read, they are known."""
    epochs = 60
    base = body()["base"]
    base["training"]["epochs"] = epochs
    id_ = posted(api, base=base, axes={RATE: [10.0**-n for n in range(8)]}, pruner=MEDIAN)
    runs = sweeps.runs(api.database, id_)
    searcher = Searcher(api.database, SETTINGS)
    for run in runs[:4]:
        sweeps.reach(api.database, run.id, 0.5)
    for run in runs[4:]:
        sweeps.train(api.database, run.id, *[0.6] * (epochs - 2))
    assert epochs_read(api, searcher) >= 8 * (epochs - 2)
    for _ in range(2):
        sweeps.train(api.database, runs[5].id, 0.7)
        assert epochs_read(api, searcher) == 1
    sweeps.train(api.database, runs[6].id, 0.7, 0.7)
    assert epochs_read(api, searcher) == 2


def test_an_epoch_without_the_metric_counts_as_no_number(api: Api) -> None:
    """Where no target changes there is no R2."""
    id_ = posted(api)
    [first, *_] = sweeps.runs(api.database, id_)
    sweeps.train(api.database, first.id, 0.5, 0.7)
    for metric, expected in (("val_accuracy", [0.5, 0.7]), ("val_r2", [math.nan, math.nan])):
        curves = Curves(metric)
        with api.database.reading() as session:
            found = runs(session, id_, Objective(metric=metric))[:1]
            curves.read(session, found)
        assert list(curves.of(found)) == pytest.approx(expected, nan_ok=True)


def epochs_read(api: Api, searcher: Searcher) -> int:
    """Rows of epochs that a look reads, those apart that say what a run has come to."""
    asked: list[tuple[str, Any]] = []

    def note(*arguments: Any) -> None:
        if "FROM epochs" in arguments[2]:
            asked.append((arguments[2], arguments[3]))

    event.listen(api.database.engine, "before_cursor_execute", note)
    try:
        searcher.search()
    finally:
        event.remove(api.database.engine, "before_cursor_execute", note)
    with api.database.engine.connect() as connection:
        return sum(len(connection.exec_driver_sql(*each).all()) for each in asked)


@pytest.mark.parametrize(
    ("budget", "reason"),
    [
        ({"epochs": 8}, "its budget of 8 epochs is used up"),
        ({"seconds": 2.0}, "its budget of 2 s of training is used up"),
    ],
)
def test_a_budget_that_is_used_up_ends_the_rest(
    api: Api, budget: dict[str, Any], reason: str
) -> None:
    id_ = posted(api, budget=budget, seeds=2)
    ended, running, *queued = sweeps.runs(api.database, id_)
    sweeps.reach(api.database, ended.id, 0.5)
    sweeps.train(api.database, running.id, 0.5, 0.5)
    sweeps.look(api.database)
    assert told(api, id_)["jobs"] == {"succeeded": 1, "running": 1, "queued": 2}
    sweeps.train(api.database, running.id, 0.5)
    sweeps.look(api.database)
    now = told(api, id_)
    assert now["jobs"] == {"succeeded": 1, "cancelling": 1, "cancelled": 2}
    assert (now["status"], now["reason"]) == ("running", reason)
    assert (now["budget"]["spent_epochs"], now["budget"]["spent_seconds"]) == (8, 2.0)
    for run in (running, *queued):
        assert api.get(f"/v1/jobs/{run.id}")["transitions"][-1]["reason"] == reason
    sweeps.finish(api.database, running.id)
    sweeps.look(api.database)
    assert (told(api, id_)["status"], told(api, id_)["reason"]) == ("done", reason)
    for run in sweeps.runs(api.database, id_):
        jobs.check(api.database, run.id)


def test_a_budget_ends_a_search_too(api: Api) -> None:
    id_ = posted(api, **SEARCH, budget={"epochs": 2 * jobs.EPOCHS})
    end = searched(api, id_)
    assert len(end["cells"]) == 3
    assert end["reason"] is not None


def test_a_budget_that_just_suffices_is_not_told_as_used_up(api: Api) -> None:
    id_ = posted(api, budget={"epochs": 2 * jobs.EPOCHS})
    sweeps.reach_all(api.database, id_, {0: 0.5, 1: 0.5})
    sweeps.look(api.database)
    assert (told(api, id_)["status"], told(api, id_)["reason"]) == ("done", None)


def test_a_worker_searches_to_the_end(database_url: str, tmp_path: Path) -> None:
    """With real processes: one is killed in the middle, and another goes on."""
    search = {**SEARCH, "pruner": MEDIAN, "seeds": 2, "samples": 12}
    with site_on(database_url, "memory://", tmp_path, **FAKE) as site, site.api() as client:
        id_ = client.post("/v1/sweeps", json=body(**search)).json()["id"]
        with site.worker() as worker:
            processes.wait_for(
                "some trials", lambda: len(sweeps.runs(site.database, id_, "succeeded")) >= 4
            )
            worker.process.kill()
        with site.worker():
            processes.wait_for(
                "the end", lambda: sweeps.stored(site.database, id_).status == "done"
            )
        end = client.get(f"/v1/sweeps/{id_}").json()
    assert len(end["cells"]) == 12
    assert sum(end["jobs"].values()) == 24
    assert set(end["jobs"]) <= {"succeeded", "cancelled"}
    pruned = [cell for cell in end["cells"] if cell["pruned"]]
    assert end["jobs"].get("cancelled", 0) <= 2 * len(pruned)
    assert end["best"]["count"] > 0


@contextmanager
def failing(monkeypatch: pytest.MonkeyPatch, *faults: Exception) -> Iterator[None]:
    """The next steps of sweeps fail with these, in the middle of their transaction."""
    left = list(faults)

    def take(session: Session, id_: str, round_: int) -> Sweep | None:
        found = real(session, id_, round_)
        if left:
            raise left.pop(0)
        return found

    real = sweeps_lifecycle.take
    with monkeypatch.context() as patched:
        patched.setattr(sweeps_lifecycle, "take", take)
        yield
    assert left == []


def test_a_passing_fault_of_the_database_ends_no_sweep(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    id_ = posted(api, **SEARCH)
    sweeps.reach_all(api.database, id_, dict.fromkeys(range(8), 0.5))
    searcher = Searcher(api.database, SETTINGS)
    gone = InternalError("UPDATE", {}, Exception("idle-in-transaction timeout"))
    with failing(monkeypatch, gone):
        searcher.search()
    assert (told(api, id_)["status"], len(sweeps.runs(api.database, id_))) == ("running", 3)
    searcher.search()
    assert len(sweeps.runs(api.database, id_)) == 6
    assert searched(api, id_)["status"] == "done"


def test_a_sweep_that_fails_holds_up_no_other(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = [posted(api, **SEARCH) for _ in range(3)]
    for id_ in ids:
        sweeps.reach_all(api.database, id_, dict.fromkeys(range(8), 0.5))
    searcher = Searcher(api.database, SETTINGS)
    due = searcher._due

    def broken(id_: str) -> Step:
        if id_ == ids[0]:
            raise OperationalError("SELECT", {}, Exception("deadlock detected"))
        return due(id_)

    monkeypatch.setattr(searcher, "_due", broken)
    for _ in range(3):  # it is tried twice before it waits
        searcher.search()
    runs = [len(sweeps.runs(api.database, id_)) for id_ in ids]
    assert runs == [3, 6, 6]
    assert told(api, ids[0])["status"] == "running"
