"""Which runs a proof plans, and what it makes of what came of them."""

import json
import math
from collections.abc import Sequence
from typing import Any, Literal

import jsonpatch
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.store.documents import read
from diagnosis.proof.conclude import concluded
from diagnosis.proof.judge import judge
from diagnosis.proof.judgement import Report
from diagnosis.proof.plan import MOST, further, plan
from diagnosis.proof.trial import BASELINE, Outcome, Trial
from diagnosis.proof.wording import sentence
from diagnosis.proof.yardstick import Yardstick, yardstick
from diagnosis.report import Cause, Change, Diagnosis, Patch
from diagnosis.run.chance import Task

SPEC = {
    "dataset": {"name": "digits", "scaling": "none"},
    "model": {"layers": [{"type": "Flatten"}, {"type": "Dense", "units": 100}]},
    "training": {"optimizer": {"learning_rate": 0.01}, "epochs": 15, "seed": 0},
}
DIGITS = Yardstick("accuracy", 0.1, 360)


def variants(patch: Patch) -> dict[str, Any] | None:
    """Of SPEC; a run of more than 100 epochs is over the budget."""
    try:
        spec: dict[str, Any] = jsonpatch.apply_patch(SPEC, list(patch))
    except (jsonpatch.JsonPatchException, jsonpatch.JsonPointerException):
        return None
    return spec if spec["training"]["epochs"] <= 100 else None


def put(code: str, path: str, value: object, *, mask: bool = False) -> Change:
    return Change(code, code, [{"op": "add", "path": path, "value": value}], mask)


UNIT = put("unit", "/dataset/scaling", "unit")
STANDARD = put("standard", "/dataset/scaling", "standard")
SLOWER = put("slower", "/training/optimizer/learning_rate", 0.0001)
LEAKY = put("leaky", "/model/layers/1/activation", "leaky_relu")
WIDER = put("wider", "/model/layers/1/units", 400)
LONGER = put("longer", "/training/epochs", 60)
TOO_LONG = put("too_long", "/training/epochs", 1000)
NORM = put("norm", "/model/layers/1", {"type": "BatchNormalization"}, mask=True)
NOTHING = put("nothing", "/dataset/scaling", "none")
CHANGES = [UNIT, STANDARD, SLOWER, LEAKY, WIDER, LONGER, TOO_LONG, NORM, NOTHING]


def cause(code: str, repairs: Sequence[Change], rivals: Sequence[Change] = ()) -> Cause:
    return Cause(code, code, 0.9, ["It is."], {}, repairs, rivals)


def diagnosis(*causes: Cause) -> Diagnosis:
    return Diagnosis("unhealthy", "10.0 % on test.", causes)


SCALE = diagnosis(
    cause("input_scale", [UNIT, SLOWER], [LEAKY, NORM]), cause("learning_rate", [SLOWER], [UNIT])
)


def outcomes(own: float | None, **values: float | None) -> list[Outcome]:
    named = {BASELINE: own} | {code.replace("__", "+"): v for code, v in values.items()}
    return [Outcome(code, 0, True, value) for code, value in named.items()]


def judged(made: Diagnosis, trials: Sequence[Trial], own: float | None, **values: Any) -> Report:
    return judge(made, trials, outcomes(own, **values), DIGITS)


@st.composite
def diagnoses(draw: st.DrawFn) -> Diagnosis:
    some = st.lists(st.sampled_from(CHANGES), max_size=4)
    drawn = draw(st.lists(st.tuples(some, some), max_size=4))
    return diagnosis(*(cause(f"cause_{n}", *changes) for n, changes in enumerate(drawn)))


VALUES = st.one_of(st.none(), st.floats(), st.floats(0, 1))


def drawn(data: st.DataObject, trials: Sequence[Trial]) -> list[Outcome]:
    """Whatever may come of each trial's run."""
    return [
        Outcome(trial.code, 0, data.draw(st.booleans()), data.draw(VALUES), SCALE)
        for trial in trials
    ]


def specs(trials: Sequence[Trial]) -> list[str]:
    return [json.dumps(variants(trial.patch), sort_keys=True) for trial in trials]


@given(diagnoses(), st.integers(1, 4))
def test_a_plan_has_each_spec_once_and_few(made: Diagnosis, seeds: int) -> None:
    trials = plan(made, variants, seeds=seeds)
    assert len(trials) <= MOST
    assert len(set(specs(trials))) == len(trials)
    assert len({trial.code for trial in trials}) == len(trials)
    assert [trial.code for trial in trials if not trial.changes] == [BASELINE] * (
        seeds > 1 and bool(trials)
    )
    for trial in trials:
        spec = variants(trial.patch)
        assert spec is not None
        assert spec["training"]["epochs"] == trial.epochs
        assert not trial.changes or trial.repairs or trial.rival_of
        stored = json.loads(json.dumps(trial.to_dict()))
        assert json.loads(json.dumps(read(Trial, stored).to_dict())) == stored


def test_the_likeliest_repairs_come_first_and_then_their_rivals() -> None:
    trials = plan(SCALE, variants)
    assert [trial.code for trial in trials] == ["unit", "slower", "leaky", "norm"]
    assert [(list(t.repairs), list(t.rival_of)) for t in trials[:3]] == [
        (["input_scale"], ["learning_rate"]),
        (["learning_rate", "input_scale"], []),
        ([], ["input_scale"]),
    ]


def test_what_is_tried_speaks_to_less_likely_causes_too() -> None:
    others = [cause(code, [change]) for code, change in (("b", SLOWER), ("c", WIDER))]
    made = diagnosis(cause("a", [UNIT], [LEAKY]), *others, cause("d", [LEAKY, LONGER]))
    trials = plan(made, variants)
    assert [trial.code for trial in trials] == ["unit", "slower", "wider", "leaky"]
    assert (list(trials[-1].rival_of), list(trials[-1].repairs)) == (["a"], ["d"])


def test_what_cannot_be_trained_or_changes_nothing_is_left_out() -> None:
    assert plan(diagnosis(cause("a", [TOO_LONG, NOTHING])), variants) == []
    assert plan(diagnosis(), variants, seeds=3) == []


def test_changes_can_be_chosen() -> None:
    assert [t.code for t in plan(SCALE, variants, only=["leaky"])] == ["leaky"]


def test_two_changes_of_one_code_have_two() -> None:
    other = put("slower", "/training/optimizer/learning_rate", 0.001)
    trials = plan(diagnosis(cause("a", [SLOWER]), cause("b", [other])), variants)
    assert [trial.code for trial in trials] == ["slower", "slower-2"]


@given(diagnoses(), st.data())
def test_judging_never_breaks_and_rounds_end(made: Diagnosis, data: st.DataObject) -> None:
    trials = plan(made, variants)
    results = [Outcome(BASELINE, 0, True, data.draw(VALUES)), *drawn(data, trials)]
    for _ in range(3):
        report = judge(made, trials, results, DIGITS)
        assert report == judge(made, trials, results, DIGITS)
        assert set(report.causes) == {each.code for each in made.causes}
        assert {j.trial for j in report.judgements} == {t.code for t in trials if t.changes}
        assert sentence(report, trials, 15)[-1] in ".)"
        more = further(made, variants, trials, report, results)
        assert len(set(specs([*trials, *more]))) == len(trials) + len(more) <= MOST
        trials = [*trials, *more]
        results += drawn(data, more)
    assert further(made, variants, trials, judge(made, trials, results, DIGITS), results) == []


def test_the_questions_case() -> None:
    """The figures of ReLU on raw inputs, by this service."""
    trials = plan(SCALE, variants)
    report = judged(SCALE, trials, 0.42, unit=0.935, slower=0.90, leaky=0.1, norm=0.94)
    assert (report.best, list(report.ties)) == ("unit", ["slower"])
    assert report.causes == {"input_scale": "proven", "learning_rate": "questioned"}
    assert sentence(report, trials, 15) == (
        "Unit reaches 93.5 % with everything else unchanged; slower reaches 90.0 % as well; "
        "norm reaches 94.0 %, but masks the cause; leaky does not help (10.0 %)."
    )
    assert further(SCALE, variants, trials, report, []) == []


def test_a_repair_that_is_clearly_better_is_named_before_a_likelier_one() -> None:
    other = diagnosis(cause("a", [UNIT, STANDARD]), cause("b", [SLOWER]))
    trials = plan(other, variants)
    for unit, standard, slower, best in (
        (0.80, 0.80, 0.95, "slower"),
        (0.90, 0.80, 0.95, "unit"),  # close to the best, and of the likelier cause
        (0.90, 0.91, 0.95, "unit"),
        (0.85, 0.93, 0.95, "standard"),
    ):
        report = judged(other, trials, 0.1, unit=unit, standard=standard, slower=slower)
        assert report.best == best, (unit, standard, slower)
    assert report.ties == ["slower"]


def test_a_run_that_is_healthy_by_its_own_diagnosis_has_held() -> None:
    trials = plan(SCALE, variants)
    known = Yardstick("accuracy", 0.1, 360, attainable=0.9)
    well = Diagnosis("healthy", "Well.")
    for reached, held in ((0.5, ["unit"]), (0.12, [])):
        results = [Outcome(BASELINE, 0, True, 0.1), Outcome("unit", 0, True, reached, well)]
        assert judge(SCALE, trials, results, known).held == held


def test_a_gain_within_the_noise_is_none() -> None:
    report = judged(SCALE, plan(SCALE, variants), 0.85, unit=0.87, slower=0.85)
    assert (report.held, report.best) == ([], None)
    assert report.causes == {"input_scale": "refuted", "learning_rate": "refuted"}


def test_a_gain_that_stays_far_below_a_baseline_does_not_hold() -> None:
    trials = plan(SCALE, variants)
    known = Yardstick("accuracy", 0.1, 360, attainable=0.9)
    assert judge(SCALE, trials, outcomes(0.1, unit=0.4), known).held == []
    assert judge(SCALE, trials, outcomes(0.1, unit=0.4), DIGITS).held == ["unit"]


def test_what_did_not_run_proves_nothing() -> None:
    report = judge(SCALE, plan(SCALE, variants), [Outcome(BASELINE, 0, True, 0.1)], DIGITS)
    assert {j.outcome for j in report.judgements} == {"not_run"}
    assert set(report.causes.values()) == {"untested"}


def test_a_run_that_broke_counts_as_one_that_learned_nothing() -> None:
    report = judged(SCALE, plan(SCALE, variants), None, unit=0.9, slower=None)
    assert report.held == ["unit"]
    assert [(j.value, j.outcome) for j in report.judgements][1] == (None, "failed")


def test_a_rival_that_holds_puts_the_cause_in_question() -> None:
    trials = plan(SCALE, variants)
    report = judged(SCALE, trials, 0.1, unit=0.9, slower=0.1, leaky=0.9)
    assert report.causes["input_scale"] == "questioned"
    masked = judged(SCALE, trials, 0.1, unit=0.9, slower=0.1, leaky=0.1, norm=0.9)
    assert masked.causes["input_scale"] == "proven"


def test_a_mask_alone_is_no_repair() -> None:
    masking = diagnosis(cause("a", [NORM]))
    report = judged(masking, plan(masking, variants), 0.1, norm=0.9)
    assert (report.held, report.best, report.causes) == (["norm"], None, {"a": "masked"})
    assert "masks the cause" in sentence(report, plan(masking, variants), 15)


THREE = diagnosis(cause("a", [UNIT]), cause("b", [SLOWER]), cause("c", [WIDER]))


def test_changes_that_do_not_hold_alone_are_tried_together_and_left_out_in_turn() -> None:
    trials = plan(THREE, variants)
    alone = {"unit": 0.3, "slower": 0.2, "wider": 0.1}
    known = Yardstick("accuracy", 0.1, 360, attainable=0.9)
    report = judge(THREE, trials, outcomes(0.1, **alone), known)
    second = further(THREE, variants, trials, report, [])
    assert [trial.code for trial in second] == ["unit+slower+wider", "unit+slower"]
    trials += second
    alone |= {"unit__slower__wider": 0.92, "unit__slower": 0.3}
    report = judge(THREE, trials, outcomes(0.1, **alone), known)
    third = further(THREE, variants, trials, report, [])
    assert {t.code for t in third} == {"unit+wider", "slower+wider"}
    trials += third
    alone |= {"unit__wider": 0.91, "slower__wider": 0.2}
    report = judge(THREE, trials, outcomes(0.1, **alone), known)
    assert report.best == "unit+wider"
    assert report.needed == {"unit": True, "slower": False, "wider": True}
    assert report.causes == {"a": "contributes", "b": "refuted", "c": "contributes"}
    assert sentence(report, trials, 15) == (
        "No single change is enough; unit and wider together reach 91.0 % with everything else "
        "unchanged."
    )
    assert further(THREE, variants, trials, report, []) == []


def test_of_two_that_hold_together_neither_is_left_out_again() -> None:
    trials = plan(THREE, variants)
    alone = {"unit": 0.3, "slower": 0.2, "wider": 0.1}
    known = Yardstick("accuracy", 0.1, 360, attainable=0.9)
    second = further(
        THREE, variants, trials, judge(THREE, trials, outcomes(0.1, **alone), known), []
    )
    both = outcomes(0.1, **alone, unit__slower__wider=0.92, unit__slower=0.91)
    report = judge(THREE, [*trials, *second], both, known)
    assert (report.best, report.needed["wider"]) == ("unit+slower", False)
    assert further(THREE, variants, [*trials, *second], report, both) == []


def test_the_best_change_is_joined_by_what_its_own_run_asks_for() -> None:
    known = Yardstick("accuracy", 0.1, 360, attainable=0.9)
    made = diagnosis(cause("a", [UNIT]))
    trials = plan(made, variants)
    own = Outcome("unit", 0, True, 0.3, diagnosis(cause("b", [NORM, LONGER])))
    results = [Outcome(BASELINE, 0, True, 0.1), own]
    report = judge(made, trials, results, known)
    [both] = further(made, variants, trials, report, results)
    assert (both.code, both.epochs) == ("unit+longer", 60)


def test_a_longer_run_says_so() -> None:
    made = diagnosis(cause("a", [LONGER]))
    trials = plan(made, variants)
    told = sentence(judged(made, trials, 0.1, longer=0.9), trials, 15)
    assert told == "Longer reaches 90.0 % with 60 epochs instead of 15."


def test_the_spread_of_seeds_is_noise() -> None:
    made = diagnosis(cause("a", [UNIT]))
    trials = plan(made, variants, seeds=3)
    own = [Outcome(BASELINE, seed, True, 0.5) for seed in range(3)]
    wide = [Outcome("unit", seed, True, value) for seed, value in enumerate([0.1, 0.9, 0.99])]
    close = [Outcome("unit", seed, True, value) for seed, value in enumerate([0.8, 0.82, 0.81])]
    assert judge(made, trials, [*own, *wide], DIGITS).held == []
    report = judge(made, trials, [*own, *close], DIGITS)
    assert report.held == ["unit"]
    assert report.judgements[0].runs == 3


@given(st.sampled_from(["accuracy", "r2"]), st.integers(0, 10**6), st.lists(st.floats(0, 1)))
def test_noise_is_a_number_whatever_was_reached(
    metric: Literal["accuracy", "r2"], answers: int, values: list[float]
) -> None:
    measure = Yardstick(metric, 0.0, answers)
    scores = measure.scores(values)
    assert 0 < measure.noise(scores, scores) < math.inf
    assert all(0.0 <= score <= 1.0 for score in scores)


def test_regression_is_judged_by_r2() -> None:
    """No worse than always answering the mean counts as worse, however bad."""
    made = diagnosis(cause("a", [UNIT]))
    trials = plan(made, variants)
    measure = yardstick("regression", None, 89, attainable=0.45)
    report = judge(made, trials, outcomes(-1e9, unit=0.44), measure)
    assert (report.metric, report.held, report.baseline) == ("r2", ["unit"], -1e9)
    assert report.judgements[0].gain == 0.44
    assert sentence(report, trials, 15).startswith("Unit reaches R2 0.44 with")
    assert judge(made, trials, outcomes(-1e9, unit=0.1), measure).held == []


@pytest.mark.parametrize(
    ("task", "chance", "metric", "floor"),
    [
        ("classification", 0.7, "accuracy", 0.7),
        ("multi_label", 0.92, "accuracy", 0.92),
        ("classification", None, "accuracy", 0.0),
        ("regression", None, "r2", 0.0),
    ],
)
def test_the_floor_is_what_needs_no_learning(
    task: Task, chance: float | None, metric: str, floor: float
) -> None:
    measure = yardstick(task, chance, 200)
    assert (measure.metric, measure.floor, measure.answers) == (metric, floor, 200)


def test_the_final_diagnosis_quotes_the_proof() -> None:
    swapped = diagnosis(cause("b", [WIDER]), cause("input_scale", [UNIT], [LEAKY]))
    trials = plan(swapped, variants)
    report = judged(swapped, trials, 0.42, unit=0.935, wider=0.4, leaky=0.1)
    final = concluded(swapped.to_dict() | {"more": 1}, report, trials, 15)
    assert [each["code"] for each in final["causes"]] == ["input_scale", "b"]
    assert final["headline"].startswith("10.0 % on test. Unit reaches 93.5 % with everything else")
    assert (final["verdict"], final["more"]) == ("unhealthy", 1)
    told = read(Diagnosis, json.loads(json.dumps(final)))
    assert [each.code for each in told.causes] == ["input_scale", "b"]


def test_what_the_proof_refuted_is_no_longer_said_as_a_fact() -> None:
    found = diagnosis(cause("b", [WIDER]))
    trials = plan(found, variants)
    report = judged(found, trials, 0.42, wider=0.42)
    assert report.causes == {"b": "refuted"}
    stored = found.to_dict()
    stored["causes"][0]["title"] = "The model is too small"
    stored["headline"] = "42.0 % on test: the model is too small. It has few units."
    assert concluded(stored, report, trials, 15)["headline"] == (
        "42.0 % on test. It looked as if the model is too small, but the one change that was tried "
        "does not repair it: wider reaches 42.0 %."
    )
