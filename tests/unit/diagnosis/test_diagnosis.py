"""The engine on any input at all, and each of its changes against the spec that it changes."""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from typing import Any

import jsonpatch
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.experiment.datasets import CATALOGUE
from contract.experiment.layers.layer import Layer
from contract.experiment.spec import Experiment, described
from contract.store.documents import read
from contract.store.numbers import encode
from diagnosis import causes
from diagnosis.changes import activation
from diagnosis.diagnose import diagnose
from diagnosis.lint import findings
from diagnosis.report import Change, Diagnosis
from diagnosis.run.case import Case
from diagnosis.run.network import Network
from diagnosis.run.signals import NONE, Curvature, DataSignals, LayerSignals, Moment, Signals
from tests.diagnosed import DATA as DIGITS
from tests.diagnosed import HEALTHY, HIDDEN, START, case, full, spec
from tests.strategies import experiments

ANY = st.floats() | st.sampled_from([0.0, 1.0, -1.0, 1e308, -1e308, 5e-324, math.nan, math.inf])
MAYBE = st.none() | ANY
SERIES = st.lists(MAYBE, max_size=8)
COUNTS = st.lists(st.integers(-5, 10**9), max_size=5)


def curves() -> st.SearchStrategy[dict[str, list[float | None]]]:
    names = ["loss", "accuracy", "r2", "val_loss", "val_accuracy", "val_r2"]
    return st.dictionaries(st.sampled_from(names), SERIES)


def metrics() -> st.SearchStrategy[dict[str, float | None]]:
    names = ["loss", "accuracy", "r2"]
    keys = st.sampled_from([f"{part}_{name}" for part in ("train", "test") for name in names])
    return st.dictionaries(keys, MAYBE)


_MEASURED = {"input_mean_square", "input_min", "input_max", "constant_columns"}
DATA = st.builds(
    DataSignals,
    **{
        name: ANY if name in _MEASURED else COUNTS if name == "class_counts" else MAYBE
        for name in DataSignals.__annotations__
    },
)


@st.composite
def signals(draw: st.DrawFn, experiment: Experiment) -> Signals:
    """Signals with the right types and any numbers, of the layers that the experiment has."""
    layers = [
        st.builds(
            LayerSignals,
            index=st.just(index),
            type=st.just(layer.type),
            activation=st.just("relu"),
            units=st.integers(1, 9),
            pre_mean=ANY,
            pre_rms=ANY,
            dead=MAYBE,
            saturated=MAYBE,
            cosine=MAYBE,
            weight_norm=ANY,
            gradient_norm=ANY,
            update_ratio=MAYBE,
        )
        for index, layer in enumerate(experiment.model.layers)
        if isinstance(layer, Layer)
    ]
    moments = st.builds(
        Moment,
        step=st.integers(0, 100),
        epoch=st.integers(0, 9),
        at_epoch_end=st.booleans(),
        loss=ANY,
        learning_rate=ANY,
        commonest_share=MAYBE,
        output_rms=ANY,
        gradient_norm=ANY,
        layers=st.tuples(*layers),
    )
    return Signals(
        data=draw(st.none() | DATA),
        curvature=draw(st.none() | st.builds(Curvature, ANY, MAYBE, MAYBE)),
        first_losses=draw(st.lists(ANY, max_size=4)),
        non_finite_step=draw(st.none() | st.integers(1, 100)),
        steps_per_epoch=draw(st.integers(0, 100)),
        moments=draw(st.lists(moments, max_size=3)),
    )


SCHEDULES: list[dict[str, Any]] = [
    {
        "type": "ExponentialDecay",
        "initial_learning_rate": 1.0,
        "decay_steps": 1,
        "decay_rate": 1e-9,
    },
    {
        "type": "InverseTimeDecay",
        "initial_learning_rate": 1e-9,
        "decay_steps": 9,
        "decay_rate": 1.0,
    },
    {"type": "PolynomialDecay", "initial_learning_rate": 0.1, "decay_steps": 9, "cycle": True},
    {"type": "CosineDecay", "initial_learning_rate": 0.0, "decay_steps": 9},
    {"type": "PiecewiseConstantDecay", "boundaries": [3], "values": [0.1, 1e-30]},
]
KERNELS: list[Any] = [
    "zeros",
    "ones",
    {"type": "Constant", "value": -3e38},
    {"type": "RandomNormal", "stddev": 0.0},
    {"type": "RandomUniform", "minval": 2.0, "maxval": -2.0},
    {"type": "VarianceScaling", "scale": 1e-30},
]
ODD_LAYERS: list[dict[str, Any]] = [
    {"type": "Dropout", "rate": 1.0},
    {"type": "GaussianNoise", "stddev": 1.0},
    {"type": "Clip", "x_min": 0.0, "x_max": 1e-9},
    {"type": "Rescaling", "scale": 3e38},
    {"type": "Rescaling", "scale": 0.0, "offset": 1.0},
    {"type": "BatchNormalization"},
    {"type": "Activation", "activation": "exponential"},
]
ODD_TRAINING: list[dict[str, Any]] = [
    {"batch_size": 10**12},
    {"epochs": 10**12},
    {"early_stopping": {"patience": 0}},
    {"validation": {"on": "none"}, "shuffle": False},
    {"optimizer": {"type": "SGD", "momentum": 0.999999, "clipnorm": 1e-30}},
    {"optimizer": {"type": "AdamW", "weight_decay": 3e38}},
]


@st.composite
def odd_experiments(draw: st.DrawFn) -> Experiment:
    """A drawn experiment with what no sensible one has, in any of its parts."""
    spec_ = draw(experiments()).model_dump(mode="json")
    layers = spec_["model"]["layers"]
    spec_["training"] |= draw(st.sampled_from([{}, *ODD_TRAINING]))
    if draw(st.booleans()):
        spec_["training"]["optimizer"]["learning_rate"] = draw(st.sampled_from(SCHEDULES))
    for layer in layers:
        if "kernel_initializer" in layer and draw(st.booleans()):
            layer["kernel_initializer"] = draw(st.sampled_from(KERNELS))
            layer["bias_initializer"] = draw(st.sampled_from(KERNELS))
            layer["kernel_regularizer"] = {"type": "L1L2", "l1": 3e38, "l2": 3e38}
    for odd in draw(st.lists(st.sampled_from(ODD_LAYERS), max_size=3)):
        layers.insert(draw(st.integers(0, len(layers))), odd)
    return Experiment.model_validate(spec_)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    experiment = draw(odd_experiments())
    return Case(
        spec=experiment.model_dump(mode="json"),
        facts=asdict(CATALOGUE[experiment.dataset.name]),
        curve=draw(curves()),
        metrics=draw(metrics()),
        reason=draw(st.sampled_from(["completed", "early_stopping", "non_finite", ""])),
        class_counts=draw(COUNTS),
        signals=draw(signals(experiment)),
    )


def changes(diagnosis: Diagnosis) -> Iterator[Change]:
    for cause in diagnosis.causes:
        yield from cause.repairs
        yield from cause.rivals


def applied(experiment: Mapping[str, Any], change: Change) -> Experiment:
    """Raises where the patch does not apply, or what it makes is no experiment."""
    return Experiment.model_validate(jsonpatch.apply_patch(experiment, list(change.patch)))


@given(judged=cases())
@settings(deadline=None)
def test_any_run_has_an_answer_and_always_the_same(judged: Case) -> None:
    found = diagnose(judged)
    text = json.dumps(encode(found.to_dict()), allow_nan=False)
    assert json.dumps(encode(diagnose(replace(judged)).to_dict()), allow_nan=False) == text
    assert found.verdict in ("healthy", "unhealthy", "undetermined")
    assert found.headline.endswith(".")
    assert "nan" not in found.headline.split()
    assert (found.verdict == "unhealthy") or not found.causes
    scores = [cause.score for cause in found.causes]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores)
    assert len({cause.code for cause in found.causes}) == len(found.causes)


@given(judged=cases())
@settings(deadline=None)
def test_every_change_makes_another_experiment(judged: Case) -> None:
    """Those of all causes are tried, whether or not the verdict shows them."""
    for look in (*causes.ANY, *causes.UNLEARNED):
        cause = look(judged)
        for change in [*cause.repairs, *cause.rivals] if cause is not None else []:
            applied(judged.spec, change)


@given(experiment=odd_experiments())
@settings(deadline=None)
def test_what_is_seen_before_training_can_be_mended(experiment: Experiment) -> None:
    plain = experiment.model_dump(mode="json")
    for finding in findings(plain, asdict(CATALOGUE[experiment.dataset.name])):
        at: Any = plain
        for step in finding.pointer.split("/")[1:]:
            at = at[int(step)] if isinstance(at, list) else at[step]
        assert finding.detail.endswith(".")
        for change in finding.repairs:
            assert applied(plain, change) != experiment


@given(drawn=st.data())
@settings(deadline=None)
def test_signals_survive_json(drawn: st.DataObject) -> None:
    made = drawn.draw(odd_experiments().flatmap(signals))
    stored = json.loads(json.dumps(encode(asdict(made)), allow_nan=False))
    assert encode(asdict(read(Signals, stored))) == stored


def raw(dead: float, sharpness: float, scaled: float) -> Signals:
    """What relu-raw has: one step of SGD 0.01 on inputs to 255, and units that die of it."""
    died = replace(HIDDEN, dead=dead, update_ratio=3.0)
    return replace(
        HEALTHY,
        data=replace(DIGITS, input_mean_square=14000.0, input_max=255.0),
        curvature=Curvature(2 * sharpness / 0.01, 2 * scaled / 0.01, 30.0),
        first_losses=[211.0, 3257.0, 28041.0, 3.9],
        moments=[replace(START, loss=211.0), replace(START, step=8, layers=[died])],
    )


class TestVerdict:
    def test_of_a_run_as_good_as_the_baselines(self) -> None:
        found = diagnose(case(0.95))
        assert (found.verdict, found.causes) == ("healthy", ())
        assert found.headline.startswith("95.0 % on test")

    def test_of_a_symptom_that_does_no_harm(self) -> None:
        """lr * lambda / 2 of 2.5 and dead units are no verdict where the run has learned."""
        found = diagnose(case(0.95, raw(dead=0.8, sharpness=2.5, scaled=0.02)))
        assert found.verdict == "healthy"
        assert found.remarks == ["80 % of a layer's hidden units are dead."]

    def test_of_inputs_too_large_for_the_learning_rate(self) -> None:
        found = diagnose(case(0.42, raw(dead=0.97, sharpness=48.4, scaled=0.04)))
        assert found.verdict == "unhealthy"
        assert found.causes[0].code == "input_scale"
        assert found.headline == (
            "42.0 % on test after 6 epochs, where the nearest example alone tells 97 %: the inputs "
            "are too large for the learning rate. 97 % of a layer's hidden units had died by step "
            "8: the first update was 48.4 times too large for this loss surface (lr * lambda / 2), "
            "because inputs reach 255."
        )
        assert [c.code for c in found.causes[0].repairs][:2] == [
            "scale_inputs_unit",
            "scale_inputs_standard",
        ]
        assert {c.code for c in found.causes[0].rivals} == {
            "activation_leaky_relu",
            "smaller_initializer",
        }

    def test_of_the_same_where_scaling_would_not_help(self) -> None:
        found = diagnose(case(0.42, raw(dead=0.97, sharpness=48.4, scaled=30.0)))
        assert found.causes[0].code == "learning_rate_high"

    def test_without_signals_a_curve_proves_no_health(self) -> None:
        assert diagnose(case(0.95, NONE)).verdict == "undetermined"

    def test_without_signals_the_spec_still_speaks(self) -> None:
        found = diagnose(case(0.1, NONE, experiment=spec(loss="mean_squared_error")))
        assert (found.verdict, found.causes[0].code) == ("unhealthy", "head")

    def test_of_a_failure_that_nothing_explains(self) -> None:
        found = diagnose(case(0.42, losses=(2.4, 1.0, 1.7, 1.6, 1.7, 1.6, 1.7)))
        assert (found.verdict, list(found.causes)) == ("unhealthy", [])
        assert found.headline.endswith("nothing that was measured says why.")


def regression(r2: float, signals: Signals = HEALTHY, **training: Any) -> Case:
    """A linear model on standardised quantities of ten columns, with this R2 on both parts."""
    model = {"layers": [{"type": "Dense", "units": 8}, {"type": "Dense", "units": 1}]}
    dataset = {"name": "diabetes", "scaling": "standard", "target_scaling": "standard"}
    asked = spec(loss="mean_squared_error", **training) | {"dataset": dataset, "model": model}
    return replace(
        case(None, signals, experiment=full(asked)),
        facts=asdict(CATALOGUE["diabetes"]),
        metrics={"test_r2": r2, "train_r2": r2},
        class_counts=(),
    )


def measured(linear: float, curved: float | None) -> Signals:
    data = replace(
        DIGITS, class_counts=[], neighbour_agreement=None, target_mean=0.0, target_mean_square=1.0
    )
    return replace(HEALTHY, data=replace(data, linear_baseline=linear, curved_baseline=curved))


class TestRegression:
    def test_that_is_as_good_as_linear_where_a_curve_does_better(self) -> None:
        found = diagnose(regression(0.4, measured(0.4, 0.97)))
        assert (found.verdict, found.causes[0].code) == ("unhealthy", "linear_model")
        assert "where a plain curved model reaches R2 0.97" in found.headline

    def test_that_is_as_good_as_both(self) -> None:
        assert diagnose(regression(0.4, measured(0.4, 0.42))).verdict == "healthy"

    def test_of_targets_that_nothing_explains(self) -> None:
        found = diagnose(regression(-0.1, measured(0.02, -0.1)))
        assert (found.verdict, found.causes[0].code) == ("unhealthy", "data")
        assert found.causes[0].repairs == []

    def test_with_targets_and_inputs_out_of_scale_is_offered_both(self) -> None:
        signals = measured(0.9, 0.95)
        assert signals.data is not None
        data = replace(signals.data, target_mean_square=1e10, input_mean_square=1e6)
        judged = regression(-5.0, replace(signals, data=data))
        plain = {**judged.spec["dataset"], "scaling": "none", "target_scaling": "none"}
        found = diagnose(replace(judged, spec={**judged.spec, "dataset": plain}))
        scaled = next(c for c in found.causes if c.code == "target_scale").repairs[1].patch
        assert {operation["path"] for operation in scaled} == {
            "/dataset/target_scaling",
            "/dataset/scaling",
        }


def test_no_cause_offers_a_repair_twice() -> None:
    """A tenth of the rate may be what is usual: then the second is a hundredth."""
    asked = spec(optimizer={"type": "Adam", "learning_rate": 1.0})
    found = diagnose(case(0.1, HEALTHY, experiment=asked))
    (high,) = [c for c in found.causes if c.code == "learning_rate_high"]
    rates = [change.patch[0]["value"] for change in high.repairs]
    assert rates == sorted(set(rates)) or rates == sorted(set(rates), reverse=True)


def test_data_that_hold_no_numbers_are_the_first_cause() -> None:
    """Whatever the loss became: with ReLU it may stay finite."""
    broken = replace(HEALTHY, data=replace(DIGITS, input_mean_square=math.nan))
    for accuracy, signals in ((0.1, broken), (0.8, broken)):
        found = diagnose(case(accuracy, signals))
        assert found.verdict == "unhealthy"
        assert found.causes[0].code == "data"
        assert "NaN" in found.headline
    facts = asdict(CATALOGUE["digits"]) | {"finite": False}
    (finding,) = findings(spec(), facts)
    assert (finding.level, finding.pointer) == ("error", "/dataset/name")


def test_to_choose_an_epoch_by_the_test_part_is_told() -> None:
    stopping = {"monitor": "val_loss", "patience": 2, "restore_best_weights": True}
    facts = asdict(CATALOGUE["digits"])
    (finding,) = findings(spec(early_stopping=stopping), facts)
    assert finding.pointer == "/training/validation/on"
    split = {"on": "split", "fraction": 0.1}
    assert not findings(spec(early_stopping=stopping, validation=split), facts)
    assert not findings(spec(early_stopping={**stopping, "monitor": "loss"}), facts)
    told = {"early_stopping": stopping, "model_checkpoint": {"monitor": "loss"}}
    assert not findings(spec(**told), facts), "the checkpoint decides"
    (finding,) = findings(spec(model_checkpoint={"monitor": "val_accuracy"}), facts)
    assert finding.detail.startswith("The model checkpoint chooses")


@pytest.mark.parametrize("activation", ["exponential", "softmax"])
def test_a_recurrent_layer_is_mended_with_bounds(activation: str) -> None:
    """ReLU would let grow what goes from step to step."""
    recurrent = {"type": "SimpleRNN", "units": 8, "activation": activation}
    layers = [recurrent, {"type": "Dense", "units": 10, "activation": "softmax"}]
    posted = Experiment.model_validate({**spec(), "model": {"layers": layers}})
    (finding,) = findings(described(posted), asdict(CATALOGUE["digits"]))
    (repair,) = finding.repairs
    assert repair.patch == [{"op": "add", "path": "/model/layers/0/activation", "value": "tanh"}]


def test_a_layer_that_is_an_activation_is_read_as_one() -> None:
    """By what it does, which the spec is told; another one takes its place."""
    layers = [
        {"type": "Flatten"},
        {"type": "Dense", "units": 8},
        {"type": "LeakyReLU"},
        {"type": "Dense", "units": 10, "activation": "softmax"},
    ]
    posted = Experiment.model_validate({**spec(), "model": {"layers": layers}})
    network = Network(described(posted)["model"]["layers"])
    [block] = network.hidden
    assert (block.activation, block.activated_at.index) == ("leaky_relu", 2)
    assert network.output_activation == "softmax"
    patch = list(activation([block], "relu").patch)
    other = jsonpatch.apply_patch(posted.model_dump(mode="json"), patch)
    mended = Experiment.model_validate(other).model.graph[2].layer
    assert (mended.type, mended.applied) == ("Activation", "relu")
