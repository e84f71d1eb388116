"""Whether XLA compiles a run's training loop, where the experiment leaves that to the machine."""

from contract.experiment.datasets import Facts
from contract.experiment.spec import Experiment
from contract.sizing.trace import trace
from worker.training.device import place

# Steps of sequences in an epoch, all batches together, each of which XLA makes 80 us shorter. To
# compile a loop takes 2 to 4 s, which four epochs of so many save.
LEAST_STEPS = 10_000


def compiles(experiment: Experiment, facts: Facts, examples: int) -> bool:
    """Whether to compile the training on so many `examples`.

    On a CPU a recurrent layer of few units trains three times as fast. What decides does not change
    with the epochs, so that a run that goes on computes as it did before.
    """
    training = experiment.training
    if training.jit_compile != "auto":
        return training.jit_compile
    layers = [node.layer for node in experiment.model.graph.nodes]
    if place(experiment.device) != "/CPU:0" or any(
        layer.xla_fault or layer.in_xla == "slower" for layer in layers
    ):
        return False
    batches = -(-examples // training.batch_size)
    return batches * _steps(experiment, facts) >= LEAST_STEPS


def _steps(experiment: Experiment, facts: Facts) -> int:
    """Of the sequences that go through the layers that XLA makes quicker."""
    given = {layer.index: layer.output_shape for layer in trace(experiment.model, facts.shape)}
    return sum(
        given[node.inputs[0]][0] if node.inputs else facts.shape[0]
        for node in experiment.model.graph.nodes
        if node.layer.in_xla == "quicker"
    )
