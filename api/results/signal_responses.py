"""What was measured of a run, as the API answers with it."""

from typing import Any, Literal

from pydantic import BaseModel, Field

from api.http.json_numbers import Number
from contract.store.status import Status


class Signals(BaseModel):
    """What was measured of a run, on a fixed batch of its training examples (the probe)."""

    object: Literal["signals"] = "signals"
    job: str
    status: Status
    data: dict[str, Any] | None = Field(description="of the training part; null with signals off")
    curvature: dict[str, Number] | None = Field(
        description="at the initial weights: lambda_max, the largest eigenvalue of the loss "
        "Hessian, scaled_lambda_max, that with the probe standardised, and gradient_noise, "
        "tr(Sigma) / |G|^2; null where it would cost too much"
    )
    first_losses: list[Number] = Field(description="of the first 32 training steps")
    non_finite_step: int | None = Field(description="the first step whose loss was no number")
    steps_per_epoch: int
    moments: list[dict[str, Any]] = Field(
        description="the model at step 0, after 1, 2, 4, 8... steps and at the ends of epochs: "
        "loss, learning_rate, commonest_share, output_rms, gradient_norm, and of each layer with "
        "weights its pre-activations, dead and saturated units, weights and gradients"
    )
