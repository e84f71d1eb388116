"""What is measured of a run while it trains. `worker.training` measures, here it is read.

Numbers are plain floats and may be NaN or infinite: that is what a failing run has. None is what
was not measured, or has no meaning for the run.
"""

from collections.abc import Sequence
from dataclasses import dataclass

Number = float | None


@dataclass(frozen=True)
class DataSignals:
    """Of the training part as the model meets it: inputs and targets are scaled already.

    All but `class_counts` and `label_runs` are of a sample of at most 1,000 examples (and as many
    of the test part), `neighbour_agreement` and `curved_baseline` of half as many.

    `input_mean_square` is E[x^2] over all values, `column_spread` the largest standard deviation of
    a column over the median of those that are not 0. The `target_` numbers are of regression alone.
    `class_counts` are the training examples (of labels with several places, the places) of each
    class, or those that have each label. The baselines are accuracies over all places then.
    `label_runs` is the share of examples, in the order in which the first epoch visits them, whose
    label is that of the one before. `neighbour_agreement` is the share of a sample whose nearest
    other example has the same label. `linear_baseline` is the test accuracy (R2 for regression) of
    a ridge regression on standardised inputs, from a sample of the training part;
    `curved_baseline` the test R2, for regression alone, of the same with a Gaussian kernel.
    `constant_columns` is the share of columns that never change; `test_shift` is the largest
    difference of a column's mean between test and training part, in standard deviations.
    """

    input_mean_square: float
    input_min: float
    input_max: float
    column_spread: Number
    constant_columns: float
    target_min: Number
    target_max: Number
    target_mean: Number
    target_mean_square: Number
    class_counts: Sequence[int]
    label_runs: Number
    neighbour_agreement: Number
    linear_baseline: Number
    test_shift: Number
    curved_baseline: Number = None


@dataclass(frozen=True)
class LayerSignals:
    """One layer with weights, seen by the probe batch; `activation` is that which follows it.

    `index` is the node's, its layer's place in `model.layers`. `pre_mean` and `pre_rms` are of the
    pre-activations: what enters the activation, with a batch normalization between them behind
    that. `dead` is the share of units whose derivative is 0 on all rows, `saturated` the share of
    (row, unit) pairs whose derivative is under a hundredth of the activation's largest. `cosine` is
    the mean absolute cosine between the incoming weights of pairs of units, the first 256 of them.
    `gradient_norm` is that of the probe's loss by the layer's weights; `update_ratio` is the norm
    of the last step's change of the weights over their norm.
    """

    index: int
    type: str
    activation: str
    units: int
    pre_mean: float
    pre_rms: float
    dead: Number
    saturated: Number
    cosine: Number
    weight_norm: float
    gradient_norm: float
    update_ratio: Number


@dataclass(frozen=True)
class Moment:
    """The probe after `step` steps of training (0: the initial weights), `epoch` epochs finished.

    `at_epoch_end` tells the end of an epoch from the steps 1, 2, 4, 8... `loss` is the probe's,
    regularization included, dropout off; batch normalization takes the probe's own statistics.
    `commonest_share` is the share of the probe's answers that are the class which is given most
    often. `output_rms` is of the model's output.
    """

    step: int
    epoch: int
    at_epoch_end: bool
    loss: float
    learning_rate: float
    commonest_share: Number
    output_rms: float
    gradient_norm: float
    layers: Sequence[LayerSignals]


@dataclass(frozen=True)
class Curvature:
    """At the initial weights, of the probe's loss.

    `lambda_max` is the largest eigenvalue of the Hessian by power iteration, `scaled_lambda_max`
    that on the same rows standardised. `gradient_noise` is tr(Sigma) / |G|^2, the batch size at
    which noise and gradient are equal (McCandlish et al. 2018, arXiv:1812.06162, eq. 2.9).
    """

    lambda_max: float
    scaled_lambda_max: Number
    gradient_noise: Number


@dataclass(frozen=True)
class Signals:
    """All of one run. `first_losses` are those of the first 32 training steps, as trained.

    `non_finite_step` is the first step, from 1, whose loss was no number, where it was found among
    the steps that were watched. `moments` come in the order of their steps, the initial weights
    first. `steps_per_epoch` turns steps into epochs.
    """

    data: DataSignals | None
    curvature: Curvature | None
    first_losses: Sequence[float]
    non_finite_step: int | None
    steps_per_epoch: int
    moments: Sequence[Moment]


# What a run without signals has.
NONE = Signals(None, None, (), None, 0, ())
