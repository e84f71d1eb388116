"""One chance: worked out when a run ends, stored with it, and used by all that measure it."""

from typing import Any

import pytest

from contract.experiment.datasets import Upload
from contract.jobs import lifecycle
from contract.jobs.lifecycle import Claim
from contract.jobs.results import chance_of, measure_of
from contract.jobs.variants import experiment_of
from contract.store.tables import Job, Result
from diagnosis.proof.yardstick import yardstick
from tests import jobs, uploaded
from tests.served import Api
from worker.job.finish import outcome
from worker.protocol import Finished, Train

LAYERS = [{"type": "Flatten"}, {"type": "Dense", "units": 3, "activation": "sigmoid"}]
TRAINING = {"optimizer": {"type": "SGD"}, "loss": "binary_crossentropy", "epochs": jobs.EPOCHS}


def ended(api: Api, counts: list[int], accuracy: float) -> tuple[str, Any]:
    """The id of a multi-label job that has ended, and its facts."""
    facts = uploaded.facts("multi_label")
    upload = Upload(facts, uploaded.KEY, "0" * 64)
    held = jobs.running(
        api.database,
        upload=upload.to_dict(),
        dataset={"name": uploaded.ID},
        model={"layers": LAYERS},
        training=TRAINING,
    )
    jobs.record(api.database, held, *range(1, jobs.EPOCHS + 1))
    done = Finished(
        metrics={"test_loss": 0.3, "test_accuracy": accuracy},
        confusion_matrix=None,
        class_counts=counts,
        timing={},
        environment={},
        artifacts={},
        reason="completed",
        model_epoch=1,
    )
    with api.database.writing() as session:
        experiment = experiment_of(session.get_one(Job, held.job_id))
        order = Train(
            job_id=held.job_id,
            fence=held.fence,
            experiment=experiment,
            upload=upload,
            checkpoint=None,
        )
        result, diagnosis = outcome(session, order, done)
        told = {"verdict": diagnosis.verdict, "headline": diagnosis.headline}
        assert lifecycle.succeed(
            session, Claim(held.job_id, held.fence), result, metrics=done.metrics, **told
        )
    return held.job_id, facts


def test_a_multi_label_run_is_measured_by_the_chance_that_its_headline_names(api: Api) -> None:
    few = uploaded.facts("multi_label").test_examples // 10
    job_id, facts = ended(api, [few] * uploaded.facts("multi_label").targets, 0.9)
    expected = 1 - few / facts.test_examples
    with api.database.reading() as session:
        job, result = session.get_one(Job, job_id), session.get_one(Result, job_id)
        measure = yardstick(**vars(measure_of(session, job)))
    assert result.confusion_matrix is None
    assert result.diagnosis["chance"] == pytest.approx(expected)
    assert measure.floor == result.diagnosis["chance"]
    assert measure.answers == facts.test_examples * facts.targets
    assert f"no better than chance ({100 * expected:.3g} %)" in (job.headline or "")
    assert f"chance {expected:.2g}" in api.client.get(f"/v1/jobs/{job_id}/curves.svg").text


@pytest.mark.parametrize(
    ("task", "confusion", "chance"),
    [
        ("classification", [[30, 40], [20, 10]], 0.7),
        ("classification", None, 1 / 3),
        ("multi_label", None, None),
        ("regression", None, None),
    ],
)
def test_of_a_run_without_one_it_is_worked_out(
    task: Any, confusion: list[list[int]] | None, chance: float | None
) -> None:
    result = jobs.result("job_1")
    result.confusion_matrix = confusion
    assert chance_of(uploaded.facts(task), result) == pytest.approx(chance)
    result.diagnosis = {"chance": "NaN?"}
    assert chance_of(uploaded.facts(task), result) == pytest.approx(chance)


def test_what_is_not_known_of_labels_is_at_least_a_half(api: Api) -> None:
    job_id, _ = ended(api, [], 0.9)
    with api.database.reading() as session:
        measure = measure_of(session, session.get_one(Job, job_id))
    assert measure.chance == 0.5
