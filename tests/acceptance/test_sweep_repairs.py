"""A sweep of runs that fail and prove their repairs by themselves keeps to its budget."""

import json
from pathlib import Path

from contract.store.status import TERMINAL
from contract.store.tables import Proof
from tests import processes, sweeps
from tests.acceptance.test_upgrades import rows
from tests.sites import ROOT, site_on

BUDGET = 5
# What two slots may record between two looks, and until they hear that they are to stop.
BEYOND = 6


def test_a_budget_holds_for_what_a_sweep_begins_by_itself(sqlite_url: str, tmp_path: Path) -> None:
    """Each of the three runs would begin six more."""
    base = json.loads((ROOT / "recipes" / "relu-raw.json").read_text())
    base = {**base, "dataset": {"name": "digits"}, "repair": "auto"}
    base["training"] |= {"epochs": 2, "batch_size": 8}
    posted = {"base": base, "axes": {"/training/seed": [0, 1, 2]}, "budget": {"epochs": BUDGET}}
    site_ = site_on(sqlite_url, "memory://", tmp_path, PLATEAU_SWEEP_WATCH_SECONDS="0.1")
    with site_ as site, site.api() as client, site.worker():
        id_ = client.post("/v1/sweeps", json=posted).raise_for_status().json()["id"]
        processes.wait_for("its end", lambda: sweeps.stored(site.database, id_).status != "running")
        told = client.get(f"/v1/sweeps/{id_}").json()
        runs = sweeps.runs(site.database, id_)
        assert {proof.status for proof in rows(site, Proof)} <= {"cancelled"}
    assert (told["status"], told["reason"]) == ("done", "its budget of 5 epochs is used up")
    assert BUDGET <= told["budget"]["spent_epochs"] == sum(run.epoch for run in runs)
    assert told["budget"]["spent_epochs"] <= BUDGET + BEYOND
    assert {run.status for run in runs} <= TERMINAL
    assert [run for run in runs if run.cell is None], "a proof had begun"
