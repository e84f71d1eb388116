"""Keras' JSON, as documents: what is translated, what is refused and where, and that no document
does worse than be refused. That the models are the same is seen in tests/acceptance."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.experiment.base import kinds
from contract.experiment.initializers import _Initializer
from contract.experiment.spec import Model
from contract.keras_json.fault import Untranslatable
from contract.keras_json.models import is_keras, model_of
from contract.keras_json.training import training_of

Json = dict[str, Any]


def layer(kind: str, name: str, *inbound: list[str], **config: Any) -> Json:
    """As Keras writes it in a Functional model; each of `inbound` is a call's tensors."""
    calls = [
        {"args": [tensors[0] if len(tensors) == 1 else tensors], "kwargs": {}}
        for tensors in ([tensor(each) for each in names] for names in inbound)
    ]
    return {
        "module": "keras.layers",
        "class_name": kind,
        "config": {"name": name, "trainable": True, **config},
        "name": name,
        "inbound_nodes": calls,
    }


def tensor(name: str, node: int = 0) -> Json:
    return {"class_name": "__keras_tensor__", "config": {"keras_history": [name, node, 0]}}


def functional(*layers: Json, outputs: list[Any] | None = None) -> Json:
    last = [layers[-1]["name"], 0, 0]
    config = {
        "name": "model",
        "layers": list(layers),
        "input_layers": [layers[0]["name"], 0, 0],
        "output_layers": outputs or last,
    }
    return {"module": "keras.src.models.functional", "class_name": "Functional", "config": config}


def sequential(*layers: Json, name: str = "sequential") -> Json:
    return {"class_name": "Sequential", "name": name, "config": {"name": name, "layers": [*layers]}}


GIVEN = layer("InputLayer", "given", batch_shape=[None, 4])
DENSE = layer("Dense", "dense", ["given"], units=3, activation="relu")


def test_a_chain_names_no_inputs() -> None:
    found = model_of(sequential(GIVEN, layer("Dense", "a", units=3), layer("Dense", "b", units=2)))
    assert found == {
        "layers": [
            {"type": "Input", "name": "given"},
            {"type": "Dense", "name": "a", "units": 3},
            {"type": "Dense", "name": "b", "units": 2},
        ]
    }
    assert Model.model_validate(found).graph.is_chain


def test_a_branch_names_its_inputs() -> None:
    add = layer("Add", "add", ["given", "dense"])
    found = model_of(functional(GIVEN, DENSE, add))
    assert found["layers"][2] == {"type": "Add", "name": "add", "inputs": ["given", "dense"]}


def test_a_layer_that_is_called_twice_is_there_once() -> None:
    shared = layer("Dense", "shared", ["given"], ["shared"], units=4)
    shared["inbound_nodes"][1]["args"] = [tensor("shared", 0)]
    found = model_of(functional(GIVEN, shared, outputs=["shared", 1, 0]))
    assert found["layers"][1:] == [
        {"type": "Dense", "name": "shared", "units": 4, "inputs": ["given"]},
        {"layer": "shared", "name": "shared_1", "inputs": ["shared"]},
    ]


def test_a_nested_model_becomes_its_layers() -> None:
    inner = sequential(layer("Dense", "dense", units=2), layer("ReLU", "relu"), name="block")
    inner["inbound_nodes"] = [{"args": [tensor("dense")], "kwargs": {}}]
    last = layer("Dense", "last", ["block"], units=1)
    names = [each["name"] for each in model_of(functional(GIVEN, DENSE, inner, last))["layers"]]
    assert names == ["given", "dense", "block_dense", "block_relu", "last"]


def test_what_leads_to_no_output_is_left_out() -> None:
    mask = {**layer("NotEqual", "mask", ["given"]), "module": "keras.src.ops.numpy"}
    assert len(model_of(functional(GIVEN, mask, DENSE))["layers"]) == 2


@pytest.mark.parametrize(
    ("operation", "number", "scale", "offset"),
    [("TrueDivide", 255, 1 / 255, 0.0), ("Subtract", 1.5, 1.0, -1.5), ("Multiply", 2, 2.0, 0.0)],
)
def test_a_number_in_an_operation_rescales(
    operation: str, number: float, scale: float, offset: float
) -> None:
    step = {**layer(operation, "step", ["given"]), "module": "keras.src.ops.numpy"}
    step["inbound_nodes"][0]["args"].append(number)
    found = model_of(functional(GIVEN, step))["layers"][1]
    assert found == {"type": "Rescaling", "name": "step", "scale": scale, "offset": offset}


def keras_object(kind: str, /, **config: Any) -> Json:
    return {"module": "keras", "class_name": kind, "config": config, "registered_name": None}


def test_objects_of_keras_become_names_or_parts() -> None:
    config = {
        "units": 3,
        "kernel_initializer": keras_object("HeNormal", seed=None),
        "bias_initializer": keras_object("Constant", value=0.5),
        "kernel_regularizer": keras_object("L2", l2=0.009999999776482582),
        "activation": keras_object("function") | {"config": "relu"},
        "dtype": keras_object("DTypePolicy", name="float32"),
        "quantization_config": None,
    }
    [_, found] = model_of(sequential(GIVEN, layer("Dense", "a", **config)))["layers"]
    assert found == {
        "type": "Dense", "name": "a", "units": 3,
        "kernel_initializer": "he_normal",
        "bias_initializer": {"type": "Constant", "value": 0.5},
        "kernel_regularizer": {"type": "L2"},
        "activation": "relu",
    }  # fmt: skip
    kernel = keras_object("Identity", gain=2.0) | {"module": "keras.initializers"}
    [_, found] = model_of(
        sequential(GIVEN, layer("Dense", "a", units=3, kernel_initializer=kernel))
    )["layers"]
    assert found["kernel_initializer"] == {"type": "IdentityInitializer", "gain": 2.0}
    assert "Constant" in {kind.__name__ for kind in kinds(_Initializer)}


def test_what_keras_writes_of_layers_in_another_way() -> None:
    clip = keras_object("Clip", name="clip", x_min=-1.0, x_max=1.0)
    recurrent = keras_object("LSTM", units=2, return_sequences=True, zero_output_for_mask=True)
    _, *found = model_of(
        sequential(
            GIVEN,
            layer("Activation", "a", activation=clip),
            layer("Bidirectional", "b", layer=recurrent),
            layer("BatchNormalization", "c", renorm=True, renorm_clipping={"rmax": 2.0}),
        )
    )["layers"]
    assert found == [
        {"type": "Clip", "name": "a", "x_min": -1.0, "x_max": 1.0},
        {
            "type": "Bidirectional", "name": "b",
            "layer": {"type": "LSTM", "units": 2, "return_sequences": True},
        },
        {
            "type": "BatchNormalization", "name": "c",
            "renorm": True, "renorm_clipping": {"rmax": 2.0},
        },
    ]  # fmt: skip


REFUSED: list[tuple[Json, str, str]] = [
    (sequential(layer("Lambda", "x", function="code")), "/config/layers/0/class_name", "Lambda"),
    (
        sequential(layer("Dense", "x", units=1, lora_rank=4)),
        "/config/layers/0/config/lora_rank",
        "default",
    ),
    (functional(GIVEN, layer("Dense", "x", ["nowhere"], units=1)), "", "no layer nowhere"),
    (functional(GIVEN, DENSE, outputs=["dense", 7, 0]), "/config/layers/1/inbound_nodes", "7"),
    ({"class_name": "Model2", "config": {}}, "/class_name", "Model2"),
    ({"class_name": "Sequential", "config": {"layers": 3}}, "/config/layers", "a list"),
    (sequential(), "", "without layers"),
]


@pytest.mark.parametrize(("document", "place", "words"), REFUSED)
def test_what_has_no_translation_is_pointed_at(document: Json, place: str, words: str) -> None:
    with pytest.raises(Untranslatable, match=words) as refused:
        model_of(document)
    assert "".join(f"/{step}" for step in refused.value.path) == place


def test_models_that_call_each_other_in_a_ring_are_refused() -> None:
    def block(name: str, given: str) -> Json:
        inner = sequential(layer("ReLU", "relu"), name=name)
        return {**inner, "inbound_nodes": [{"args": [tensor(given)], "kwargs": {}}]}

    with pytest.raises(Untranslatable):
        model_of(functional(GIVEN, block("a", "b"), block("b", "a")))


def test_models_in_models_without_end_are_refused() -> None:
    document = sequential(layer("ReLU", "relu"))
    for number in range(60):
        calls = [{"args": [tensor("given")], "kwargs": {}}] * 2
        document = functional(GIVEN, {**document, "name": f"m{number}", "inbound_nodes": calls})
    with pytest.raises(Untranslatable, match="deep"):
        model_of(document)


def test_what_compile_was_told() -> None:
    compiled = {
        "optimizer": keras_object(
            "Adam", name="adam", learning_rate=0.0010000000474974513, beta_1=0.9, use_ema=False,
            ema_momentum=0.99, weight_decay=None,
        ),
        "loss": keras_object("SparseCategoricalCrossentropy", from_logits=False, name="x"),
        "loss_weights": None,
        "metrics": ["accuracy"],
        "run_eagerly": False,
        "steps_per_execution": 1,
        "jit_compile": False,
    }  # fmt: skip
    assert training_of({**compiled, "epochs": 3}) == {
        "optimizer": {"type": "Adam"},
        "loss": "sparse_categorical_crossentropy",
        "metrics": ["accuracy"],
        "epochs": 3,
    }


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["acc", "AUC", None], ["accuracy", "AUC"]),
        ([["auc"]], ["auc"]),
        ({"out": ["mse"]}, ["mse"]),
        (
            [keras_object("AUC", name="auc", dtype="float32", num_thresholds=200, curve="PR")],
            [{"type": "AUC", "curve": "PR"}],
        ),
        (
            [keras_object("Precision", name="sure", thresholds=0.8, top_k=None, class_id=None)],
            [{"type": "Precision", "thresholds": 0.8, "name": "sure"}],
        ),
        (
            [keras_object("IoU", name="io_u", num_classes=3, target_class_ids=[0], axis=-1,
                          sparse_y_true=True, sparse_y_pred=False, ignore_class=None)],
            [{"type": "IoU", "num_classes": 3, "target_class_ids": [0], "sparse_y_pred": False}],
        ),
    ],
)  # fmt: skip
def test_which_metrics_compile_was_told(given: Any, expected: Any) -> None:
    assert training_of({"metrics": given}) == {"metrics": expected}


def test_a_function_is_a_name() -> None:
    function = {"module": "builtins", "class_name": "function", "config": "mean_squared_error"}
    assert training_of({"metrics": [function]}) == {"metrics": ["mean_squared_error"]}


@pytest.mark.parametrize("kind", ["MeanMetricWrapper", "Mean", "Mine"])
def test_a_metric_without_a_row_is_pointed_at(kind: str) -> None:
    with pytest.raises(Untranslatable) as caught:
        training_of({"metrics": ["auc", keras_object(kind, name="x")]}, ("training",))
    assert caught.value.path == ("training", "metrics", 1, "class_name")


SAMPLE = functional(GIVEN, DENSE, layer("Add", "add", ["given", "dense"]))
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2**70) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inside = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    return [path, *(place for key, each in inside for place in places(each, (*path, key)))]


@given(st.sampled_from(places(SAMPLE)[1:]), ANYTHING)
def test_no_document_does_worse_than_be_refused(place: tuple[Any, ...], value: Any) -> None:
    document = json.loads(json.dumps(SAMPLE))
    inside = document
    for step in place[:-1]:
        inside = inside[step]
    inside[place[-1]] = value
    if not is_keras(document):
        return
    try:
        found: Mapping[str, Any] = model_of(document)
    except Untranslatable:
        return
    assert found["layers"]
