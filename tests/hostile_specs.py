"""Hypothesis strategies that draw bodies of POST /v1/jobs which mean no good.

Each is a valid experiment (tests.strategies) that one to three things were done to, as text: JSON
allows more than Python's values can say.
"""

import json
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

from hypothesis import strategies as st

from tests.strategies import experiments

Path = tuple[str | int, ...]

# Stand for text that json.dumps would not write; see `_text`.
_RAW = {
    "@deep-list@": "[" * 400 + "]" * 400,
    "@deeper-list@": "[" * 100_000 + "]" * 100_000,
    "@deep-object@": '{"a":' * 20_000 + "1" + "}" * 20_000,
    "@huge@": "1" * 4_000,
    "@huger@": "1" * 100_000,
    "@exponent@": "1e999999999",
    "@twice@": '{"type": "Dense", "type": "Flatten", "units": 1, "units": 2}',
}
VALUES: st.SearchStrategy[Any] = st.one_of(
    st.sampled_from(list(_RAW)),
    st.sampled_from([None, True, False, [], {}, "", "NaN", [[]], {"type": []}, {"type": "Dense"}]),
    st.sampled_from([float("nan"), float("inf"), -float("inf"), 1e308, -1e308, 5e-324, -0.0]),
    st.sampled_from([0, -1, 2**31, 2**53, 2**63, 2**64, 10**12, 10**18, 10**400]),
    st.sampled_from(["\ud800", "\udfff\ud800", "a\0b", "\u202e", "x" * 100_000, "é" * 100]),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.lists(st.integers(), max_size=2_000),
)
NAMES = st.sampled_from(
    ["__proto__", "$ref", "type", "class_name", "\ud800", "", "a/b~c", "x" * 9_999]
)
# Each within its own bounds, and far too large together.
LAYERS: st.SearchStrategy[list[dict[str, Any]]] = st.sampled_from(
    [
        [{"type": "Dense", "units": 10**12}],
        [{"type": "Dense", "units": 7_000}] * 2,
        [{"type": "Reshape", "target_shape": [1_000_000_000] * 5}],
        [{"type": "Reshape", "target_shape": [-1, -1]}],
        [{"type": "ZeroPadding2D", "padding": 10**12}],
        [{"type": "ZeroPadding2D", "padding": 10_000}, {"type": "Flatten"}],
        [{"type": "Conv2D", "filters": 10**12, "kernel_size": 2**31 - 1, "padding": "same"}],
        [{"type": "Conv2D", "filters": 1, "kernel_size": 3, "strides": 2**31 - 1}],
        [{"type": "DepthwiseConv2D", "kernel_size": 1, "depth_multiplier": 10**9}] * 4,
        [{"type": "Flatten"}] * 3_000,
        [{"type": "Dense", "units": 1}] * 1_000,
        [{"type": "GlobalAveragePooling2D"}] * 3,
    ]
)
# Allowed, each of them, and no run that anyone would want.
EXTREMES: st.SearchStrategy[tuple[Path, Any]] = st.sampled_from(
    [
        (("name",), "\u202e\U0010ffff" * 50),
        (("tags",), ["a" * 63] * 20),
        (("dataset", "limit"), 10**12),
        (("dataset", "scaling"), "standard"),
        (("training", "batch_size"), 10**12),
        (("training", "batch_size"), 1),
        (("training", "epochs"), 10_000),
        (("training", "seed"), 2**31 - 1),
        (("training", "optimizer"), {"type": "SGD", "learning_rate": 3e38, "momentum": 0.999999}),
        (("training", "optimizer"), {"type": "Adam", "epsilon": 5e-324, "beta_1": 0.0}),
        (("training", "optimizer"), {"type": "RMSprop", "clipnorm": 5e-324, "rho": 0.0}),
        (
            ("training", "optimizer", "learning_rate"),
            {"type": "CosineDecay", "initial_learning_rate": 0, "decay_steps": 10**12},
        ),
        (("training", "early_stopping"), {"monitor": "loss", "patience": 10**12}),
        (("training", "reduce_lr_on_plateau"), {"monitor": "loss", "factor": 0, "min_lr": 3e38}),
        (("training", "class_weight"), {"0": 3e38, "1": 0}),
        (("training", "validation"), {"on": "split", "fraction": 0.5}),
        (("model", "layers", 0), {"type": "Rescaling", "scale": 3e38, "offset": -3e38}),
        (("model", "layers", 0), {"type": "Clip", "x_min": -3e38, "x_max": -2.9e38}),
        (("model", "layers", 0), {"type": "Dropout", "rate": 1}),
        (("model", "layers", 0), {"type": "BatchNormalization", "epsilon": 1e-320}),
        (("priority",), 10),
    ]
)


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    """A body; most of them are JSON, and few an experiment."""
    spec = draw(experiments()).model_dump(mode="json")
    for _ in range(draw(st.integers(1, 3))):
        draw(st.sampled_from([_replace, _replace, _add, _remove, _stack]))(draw, spec)
    return draw(st.sampled_from([_whole, _whole, _whole, _whole, _cut, _garbled]))(
        draw, _text(spec)
    )


def _paths(value: Any, path: Path = ()) -> Iterator[Path]:
    """The path of everything within `value`."""
    entries = value.items() if isinstance(value, dict) else enumerate(value)
    for key, entry in entries:
        yield (*path, key)
        if isinstance(entry, dict | list):
            yield from _paths(entry, (*path, key))


def _at(spec: Any, path: Path) -> Any:
    for part in path:
        spec = spec[part]
    return spec


def _somewhere(draw: st.DrawFn, spec: dict[str, Any]) -> Path:
    # Not within what was put in before, which may be long.
    paths = [path for path in _paths(spec) if len(path) < 7]
    return draw(st.sampled_from(paths[:500])) if paths else ()


def _replace(draw: st.DrawFn, spec: dict[str, Any]) -> None:
    if path := _somewhere(draw, spec):
        _at(spec, path[:-1])[path[-1]] = deepcopy(draw(VALUES))


def _remove(draw: st.DrawFn, spec: dict[str, Any]) -> None:
    if path := _somewhere(draw, spec):
        del _at(spec, path[:-1])[path[-1]]


def _add(draw: st.DrawFn, spec: dict[str, Any]) -> None:
    target = _at(spec, _somewhere(draw, spec))
    if isinstance(target, dict):
        target[draw(NAMES)] = deepcopy(draw(VALUES))


def _exaggerate(draw: st.DrawFn, spec: dict[str, Any]) -> None:
    path, value = deepcopy(draw(EXTREMES))
    _at(spec, path[:-1])[path[-1]] = value


def _stack(draw: st.DrawFn, spec: dict[str, Any]) -> None:
    model = spec.get("model")
    if isinstance(model, dict) and isinstance(model.get("layers"), list):
        model["layers"][:0] = deepcopy(draw(LAYERS))


def _text(spec: dict[str, Any]) -> bytes:
    text = json.dumps(spec)
    for mark, raw in _RAW.items():
        text = text.replace(f'"{mark}"', raw)
    return text.encode()


def _whole(_: st.DrawFn, text: bytes) -> bytes:
    return text


def _cut(draw: st.DrawFn, text: bytes) -> bytes:
    return text[: draw(st.integers(0, len(text)))]


def _garbled(draw: st.DrawFn, text: bytes) -> bytes:
    at = draw(st.integers(0, len(text)))
    return text[:at] + draw(st.binary(min_size=1, max_size=20)) + text[at:]


def _deep(draw: st.DrawFn) -> list[Any]:
    layer: dict[str, Any] = {"type": "LSTM", "units": 3}
    for _ in range(draw(st.integers(2, 50))):
        wrapper = draw(
            st.sampled_from(["TimeDistributed", "Bidirectional", "SpectralNormalization"])
        )
        layer = {"type": wrapper, "layer": layer}
    return [layer]


def _many_inputs(draw: st.DrawFn) -> list[Any]:
    count = draw(st.sampled_from([2, 100, 1_000, 1_999]))
    return [{"type": "Input", "name": f"i{number}"} for number in range(count)]


def _ring(draw: st.DrawFn) -> list[Any]:
    size = draw(st.integers(1, 900))
    return [
        {"type": "Dense", "units": 2, "name": f"d{n}", "inputs": [f"d{(n + 1) % size}"]}
        for n in range(size)
    ]


def _shared_in_a_ring(draw: st.DrawFn) -> list[Any]:
    size = draw(st.integers(1, 900))
    again = [
        {"layer": f"a{(n + 1) % size}", "name": f"a{n}", "inputs": [f"a{(n + 1) % size}"]}
        for n in range(size)
    ]
    return [{"type": "Dense", "units": 2, "name": "d"}, *again]


def _unnamed(draw: st.DrawFn) -> list[Any]:
    name = draw(st.sampled_from(["x", "", "é" * 50, "a/b", "__proto__", "\u0000", "a" * 400]))
    return [{"type": "Add", "inputs": [name] * draw(st.integers(1, 2_000))}]


def _huge(draw: st.DrawFn) -> list[Any]:
    huge = draw(st.sampled_from([10**9, 2**31 - 1, 2**31, 2**63, 10**18]))
    return draw(
        st.sampled_from(
            [
                [{"type": "Embedding", "input_dim": huge, "output_dim": huge}],
                [{"type": "LSTM", "units": huge}],
                [{"type": "RepeatVector", "n": huge}, {"type": "GRU", "units": 1}],
                [{"type": "Flatten"}, {"type": "RepeatVector", "n": huge}],
                [{"type": "Conv1D", "filters": huge, "kernel_size": huge}],
                [{"type": "Conv2DTranspose", "filters": 1, "kernel_size": 1, "strides": huge}],
                [{"type": "UpSampling1D", "size": huge}, {"type": "Flatten"}],
                [{"type": "EinsumDense", "equation": "abc,cd->abd", "output_shape": [huge, huge]}],
                [{"type": "MultiHeadAttention", "num_heads": huge, "key_dim": huge}],
                [{"type": "GroupNormalization", "groups": huge}],
                [{"type": "Cropping1D", "cropping": huge}],
            ]
        )
    )


def _einsum(draw: st.DrawFn) -> list[Any]:
    equation = draw(st.text("abc,->. 1\u00e9", max_size=2_000))
    return [{"type": "EinsumDense", "equation": equation, "output_shape": [2]}]


_OF_NEW_KINDS = (_deep, _many_inputs, _ring, _shared_in_a_ring, _unnamed, _huge, _einsum)


@st.composite
def models(draw: st.DrawFn) -> dict[str, Any]:
    """An experiment with a model that cannot be: of pictures, so that no sequence layer fits."""
    layers = draw(st.sampled_from(_OF_NEW_KINDS))(draw)
    return {
        "name": "hostile",
        "dataset": {"name": "digits"},
        "model": {"layers": layers},
        "training": {"optimizer": {"type": "SGD"}, "loss": "mse", "epochs": 1},
    }
