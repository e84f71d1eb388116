"""What was measured of a run, over HTTP and for the engine."""

import math
from dataclasses import replace

from contract.jobs import lifecycle
from contract.jobs.reports import Signal
from contract.jobs.signals import stored_signals
from contract.store.documents import read
from diagnosis.run import signals
from tests import jobs
from tests.served import Api

MOMENT = {
    "step": 0,
    "epoch": 0,
    "at_epoch_end": False,
    "loss": math.inf,
    "learning_rate": 0.01,
    "commonest_share": 0.5,
    "output_rms": 1.0,
    "gradient_norm": math.nan,
    "layers": [],
}
CURVATURE = {"lambda_max": 9.5, "scaled_lambda_max": None, "gradient_noise": -math.inf}
MEASURED = [
    Signal("run", 0, {"steps_per_epoch": 600, "data": None, "curvature": CURVATURE}),
    Signal("moment", 600, {**MOMENT, "step": 600}),
    Signal("moment", 0, MOMENT),
    Signal("losses", 9, {"losses": [3.0, math.nan]}),
    Signal("losses", 1, {"losses": [0.5, 211.0]}),
    Signal("non_finite", 10, {}),
]


def measured(api: Api) -> str:
    """The id of a running job whose first epoch is recorded, MEASURED with it."""
    held = jobs.running(api.database)
    with api.database.writing() as session:
        epochs, kept = [jobs.finished(1)], jobs.checkpoint(held, 1)
        assert lifecycle.record(session, held, epochs, MEASURED, kept, lease_seconds=60)
    return held.job_id


def test_a_running_job_shows_what_there_is(api: Api) -> None:
    id_ = measured(api)
    assert api.get(f"/v1/jobs/{id_}/signals") == {
        "object": "signals",
        "job": id_,
        "status": "running",
        "data": None,
        "curvature": {**CURVATURE, "gradient_noise": "-Infinity"},
        "first_losses": [0.5, 211.0, 3.0, "NaN"],
        "non_finite_step": 10,
        "steps_per_epoch": 600,
        "moments": [
            {**MOMENT, "step": step, "loss": "Infinity", "gradient_norm": "NaN"}
            for step in (0, 600)
        ],
    }
    assert api.get(f"/v1/jobs/{id_}/curves")["first_losses"] == [0.5, 211.0, 3.0, "NaN"]


def test_nothing_is_there_before_the_first_epoch(api: Api) -> None:
    told = api.get(f"/v1/jobs/{jobs.submit(api.database)}/signals")
    assert (told["curvature"], told["moments"], told["first_losses"]) == (None, [], [])


def test_the_engine_reads_them_as_numbers(api: Api) -> None:
    known, unknown = measured(api), jobs.submit(api.database)
    with api.database.reading() as session:
        found = read(signals.Signals, stored_signals(session, known))
        nothing = read(signals.Signals, stored_signals(session, unknown))
    assert found.curvature == signals.Curvature(9.5, None, -math.inf)
    assert [moment.step for moment in found.moments] == [0, 600]
    assert math.isnan(found.moments[0].gradient_norm)
    assert nothing == replace(signals.NONE, first_losses=[], moments=[])


def test_recorded_again_they_are_there_once(api: Api) -> None:
    held = jobs.running(api.database)
    for _ in range(2):  # the first commit's answer was lost
        with api.database.writing() as session:
            epochs, kept = [jobs.finished(1)], jobs.checkpoint(held, 1)
            assert lifecycle.record(session, held, epochs, MEASURED, kept, lease_seconds=60)
    assert len(api.get(f"/v1/jobs/{held.job_id}/signals")["moments"]) == 2
