"""A model as Keras writes it, posted: it is answered as an experiment of ours."""

from typing import Any

from tests.served import Api
from tests.unit.contract.keras_json.test_translation import (
    GIVEN,
    functional,
    keras_object,
    layer,
    sequential,
)

COMPILED = {
    "optimizer": keras_object("SGD", learning_rate=0.009999999776482582, momentum=0.0),
    "loss": "sparse_categorical_crossentropy",
    "metrics": ["accuracy"],
    "jit_compile": False,
}


def body(model: Any, **training: Any) -> dict[str, Any]:
    return {
        "name": "from keras",
        "dataset": {"name": "iris"},
        "model": model,
        "training": {**COMPILED, "epochs": 2, **training},
    }


CHAIN = sequential(GIVEN, layer("Dense", "a", units=8), layer("Dense", "b", units=3))


def test_it_is_stored_as_our_own_spec(api: Api) -> None:
    spec = api.post("/v1/jobs", **body(CHAIN))["spec"]
    assert [each["type"] for each in spec["model"]["layers"]] == ["Input", "Dense", "Dense"]
    assert spec["training"]["optimizer"] == {"type": "SGD"}
    assert spec["training"]["metrics"] == ["accuracy"]


def test_metrics_are_taken_or_pointed_at(api: Api) -> None:
    precision = keras_object("SparseTopKCategoricalAccuracy", name="top", k=2, dtype="float32")
    told = api.post("/v1/jobs?dry_run=true", 200, **body(CHAIN, metrics=["acc", precision]))
    assert told["metrics"] == ["loss", "accuracy", "top"]
    wrapped = keras_object("MeanMetricWrapper", name="mine", fn="code")
    [fault] = api.post("/v1/jobs", 422, **body(CHAIN, metrics=["acc", wrapped]))["errors"]
    assert fault["pointer"] == "/training/metrics/1/class_name"


def test_a_dry_run_tells_its_parameters(api: Api) -> None:
    first = layer("Dense", "a", ["given"], units=4)
    add, last = layer("Add", "s", ["a", "given"]), layer("Dense", "b", ["s"], units=3)
    told = api.post("/v1/jobs?dry_run=true", 200, **body(functional(GIVEN, first, add, last)))
    assert told["parameters"] == (4 * 4 + 4) + (4 * 3 + 3)


def test_what_cannot_be_taken_is_pointed_at_in_what_came(api: Api) -> None:
    model = sequential(GIVEN, layer("Lambda", "x", function="code"))
    [fault] = api.post("/v1/jobs", 422, **body(model))["errors"]
    assert fault["pointer"] == "/model/config/layers/1/class_name"
    assert "Lambda" in fault["detail"]


def test_what_does_not_fit_is_told_of_the_model(api: Api) -> None:
    wrong = sequential(GIVEN, layer("Dense", "a", units=8), layer("Dense", "b", units=2))
    [fault] = api.post("/v1/jobs", 422, **body(wrong))["errors"]
    assert fault["pointer"] == "/model"
    assert "/model/layers/2" in fault["detail"]
