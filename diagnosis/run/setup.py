"""An experiment before it is trained: what was asked for, and what is known of its dataset."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from diagnosis.run.network import RECTIFIERS, SATURATING, Block, Network
from diagnosis.run.procedure import Procedure


@dataclass(frozen=True)
class Setup:
    """`spec` is the experiment with all its defaults, `facts` the dataset's, both plain."""

    spec: Mapping[str, Any]
    facts: Mapping[str, Any]

    @cached_property
    def network(self) -> Network:
        return Network(self.spec["model"]["layers"], self.spec["model"].get("outputs", ()))

    @cached_property
    def procedure(self) -> Procedure:
        return Procedure(self.spec["training"])

    @property
    def task(self) -> str:
        return str(self.facts["task"])

    @property
    def copies_inputs(self) -> bool:
        """Whether the model is to give back what it is given, as an autoencoder does."""
        return bool(self.spec["dataset"].get("target") == "inputs")

    @property
    def classes(self) -> int:
        """Classes, labels or targets: the numbers that a fitting model gives on its last axis."""
        if self.copies_inputs and self.network.outputs:
            return self.network.outputs  # in whatever shape it gives them
        shape = self.facts.get("label_shape") or ()
        targets = shape[-1] if shape else self.facts.get("targets")
        return int(self.facts.get("classes") or targets or 1)

    @property
    def per_place(self) -> bool:
        """Whether an example has a class at each of several places, such as steps."""
        return bool(self.facts.get("classes") and self.facts.get("label_shape"))

    @property
    def planned_examples(self) -> int:
        """Training examples before a validation split, by `samples`, `limit` and the dataset."""
        dataset = self.spec["dataset"]
        total = int(self.facts.get("train_examples") or 1)
        if dataset.get("samples"):
            total = int(dataset["samples"])
        return max(1, min(total, dataset.get("limit") or total))

    @property
    def scaling(self) -> str:
        """How the inputs are scaled, as `dataset.scaling` names it."""
        return str(self.spec["dataset"].get("scaling", "none"))

    @property
    def raw_peak(self) -> float | None:
        """The largest absolute input by the documented range, where nothing scales it."""
        low, high = self.facts.get("value_range") or (0.0, 0.0)
        if self.scaling != "none" or self.network.normalizes_inputs:
            return None
        peak = max(abs(float(low)), abs(float(high)))
        for node in self.network.before:
            if node.layer.get("type") == "Rescaling":
                peak = abs(peak * float(node.layer.get("scale", 1.0)))
        return peak

    @property
    def chooses_on_test(self) -> str | None:
        """What keeps the weights that did best on the test part, if anything does."""
        training = self.spec["training"]
        stopping, checkpoint = training.get("early_stopping"), training.get("model_checkpoint")
        if checkpoint is not None:
            chooser, told = "The model checkpoint", checkpoint
        elif stopping is not None and stopping.get("restore_best_weights"):
            chooser, told = "Early stopping", stopping
        else:
            return None
        on = (training.get("validation") or {}).get("on", "test")
        watched = str(told.get("monitor", "val_loss")).startswith("val_")
        return chooser if on == "test" and watched else None

    @property
    def rectified(self) -> Sequence[Block]:
        """Hidden blocks whose units can die."""
        return [b for b in self.network.hidden if b.activation in RECTIFIERS]

    @property
    def squashed(self) -> Sequence[Block]:
        """Hidden blocks whose units can saturate, but for recurrent ones, which are meant to."""
        hidden = self.network.hidden
        return [b for b in hidden if b.activation in SATURATING and not b.is_recurrent]
