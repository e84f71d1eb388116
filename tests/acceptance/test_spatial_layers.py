"""Runs with every layer of sequences, of images and of volumes, and what is said of each weight."""

from itertools import chain
from pathlib import Path
from typing import Any, get_args

import keras
import pytest
import tensorflow as tf

from contract.experiment.layers import KINDS, convolution, einsum, pooling, reshaping
from contract.experiment.spec import DTypePolicy, Model
from tests.acceptance.test_training import SOFTMAX, Layers, finish, spec
from worker.training.program.build import build

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

L2 = {"type": "L2", "l2": 0.01}
WINDOW = {"filters": 4, "kernel_size": 3, "activation": "relu"}
SEQUENCES: Layers = [
    {"type": "Conv1D", **WINDOW, "padding": "causal", "dilation_rate": 2},
    {"type": "ZeroPadding1D", "padding": 2},
    {"type": "MaxPooling1D", "strides": 1},
    {"type": "Conv1D", **WINDOW, "groups": 2, "kernel_constraint": {"type": "MaxNorm"}},
    {"type": "SeparableConv1D", **WINDOW, "depth_multiplier": 2, "dilation_rate": 2},
    {"type": "UpSampling1D", "size": 3},
    {"type": "DepthwiseConv1D", "kernel_size": 3, "strides": 2, "dilation_rate": 2},
    {"type": "Conv1DTranspose", **WINDOW, "strides": 2, "activity_regularizer": L2},
    {"type": "AveragePooling1D"},
    {"type": "Cropping1D"},
    {"type": "AdaptiveMaxPooling1D", "output_size": 3},
    {"type": "AdaptiveAveragePooling1D", "output_size": 2},
    {"type": "EinsumDense", "equation": "abc,cd->abd", "output_shape": [2, 8], "bias_axes": "d"},
    {"type": "GlobalMaxPooling1D"},
    {"type": "RepeatVector", "n": 3},
    {"type": "Permute", "dims": [2, 1]},
    {"type": "GlobalAveragePooling1D", "keepdims": True},
    {"type": "Flatten"},
]
IMAGES: Layers = [
    {"type": "Reshape", "target_shape": [28, 28, 1]},
    {"type": "AveragePooling2D"},
    {"type": "Conv2D", **WINDOW, "dilation_rate": [1, 2], "padding": "same"},
    {"type": "ZeroPadding2D", "padding": 2},
    {"type": "MaxPooling2D", "strides": 1},
    {"type": "Conv2D", **WINDOW, "groups": 4, "kernel_initializer": {"type": "Orthogonal"}},
    {"type": "SeparableConv2D", **WINDOW, "depthwise_constraint": {"type": "UnitNorm"}},
    {"type": "UpSampling2D", "interpolation": "bilinear"},
    {"type": "UpSampling2D", "size": [1, 2], "interpolation": "lanczos3"},
    {"type": "DepthwiseConv2D", "kernel_size": 3, "strides": [2, 1], "dilation_rate": [1, 2]},
    {"type": "Conv2DTranspose", **WINDOW, "strides": 2, "output_padding": 1},
    {"type": "Cropping2D", "cropping": [[1, 0], [0, 2]]},
    {"type": "AdaptiveMaxPooling2D", "output_size": 3},
    {"type": "AdaptiveAveragePooling2D", "output_size": 2},
    {"type": "GlobalMaxPooling2D", "keepdims": True},
    {"type": "GlobalAveragePooling2D"},
    {
        "type": "Dense",
        "units": 16,
        "activation": "relu",
        "kernel_regularizer": {"type": "OrthogonalRegularizer"},
        "bias_constraint": {"type": "NonNeg"},
    },
]
VOLUMES: Layers = [
    {"type": "Reshape", "target_shape": [4, 14, 14, 1]},
    {"type": "AveragePooling3D", "pool_size": [1, 3, 3]},
    {"type": "Conv3D", **WINDOW, "dilation_rate": [1, 2, 1], "padding": "same"},
    {"type": "ZeroPadding3D", "padding": 1},
    {"type": "MaxPooling3D", "strides": 1},
    {"type": "Conv3D", **WINDOW, "groups": 2, "kernel_constraint": {"type": "MinMaxNorm"}},
    {"type": "UpSampling3D"},
    {"type": "Conv3DTranspose", **WINDOW, "strides": [1, 2, 1]},
    {"type": "Cropping3D"},
    {"type": "AdaptiveMaxPooling3D", "output_size": 4},
    {"type": "AdaptiveAveragePooling3D", "output_size": 2},
    {"type": "GlobalMaxPooling3D", "keepdims": True},
    {"type": "GlobalAveragePooling3D"},
]
# Each stack is traced anew for each, which takes half a minute.
POLICIES = [
    policy if policy == "float32" else pytest.param(policy, marks=pytest.mark.slow)
    for policy in get_args(DTypePolicy)
]
STACKS = {"sequences": SEQUENCES, "images": IMAGES, "volumes": VOLUMES}


def test_none_is_left_out() -> None:
    modules = (convolution, einsum, pooling, reshaping)
    spatial = {kind.__name__ for kind in KINDS if kind.__module__ in {m.__name__ for m in modules}}
    assert {layer["type"] for layer in chain(*STACKS.values())} - {"Dense"} == spatial


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("stack", STACKS)
def test_a_run_is_the_same_when_it_is_run_again(stack: str, policy: str, tmp_path: Path) -> None:
    runs = []
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        experiment = spec([*STACKS[stack], *SOFTMAX], dtype_policy=policy, epochs=2)
        end, rows = finish(experiment, tmp_path / name)
        assert end.reason == "completed"
        runs.append([row.metrics for row in rows])
        keras.saving.load_model(end.model)
    assert runs[0] == runs[1]


@pytest.mark.parametrize("stack", STACKS)
def test_xla_compiles_all_but_those_that_say_so(stack: str, tmp_path: Path) -> None:
    given = Model.model_validate({"layers": STACKS[stack]}).layers
    compiled = [
        layer
        for layer, one in zip(STACKS[stack], given, strict=True)
        if not getattr(one, "xla_fault", "")
    ]
    plain, fast = (
        finish(spec([*compiled, *SOFTMAX], epochs=2, jit_compile=jit), tmp_path)[1][-1]
        for jit in (False, True)
    )
    assert plain.metrics["loss"] == pytest.approx(fast.metrics["loss"], rel=0.02)


@pytest.mark.parametrize(
    "layer",
    [
        {"type": "MaxPooling2D"},
        {"type": "AdaptiveMaxPooling2D", "output_size": 2},
        {"type": "UpSampling2D", "interpolation": "bicubic"},
        {"type": "UpSampling2D", "interpolation": "lanczos5"},
    ],
)
def test_xla_has_no_deterministic_gradient_of_those(layer: dict[str, Any]) -> None:
    """Nor of max pooling in one direction; in three it has one on a CPU."""
    model = build(Model.model_validate({"layers": [layer]}), (8, 8, 1)).keras
    assert model is not None

    @tf.function(jit_compile=True)
    def gradient(x: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = model(x, training=True)
        return tape.gradient(y, x)

    with pytest.raises((tf.errors.UnimplementedError, tf.errors.InvalidArgumentError)):
        gradient(tf.ones((2, 8, 8, 1)))


def test_no_graph_pools_a_side_adaptively_to_a_single_point() -> None:
    pool = keras.layers.AdaptiveAveragePooling1D(1)
    with pytest.raises(ValueError, match="Negative dimension"):
        tf.function(pool)(tf.ones((2, 4, 1)))
