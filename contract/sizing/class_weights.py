"""Which class counts how much in the loss, by its number."""

from contract.errors import SpecRefused
from contract.experiment.datasets import Facts
from contract.experiment.pointers import join
from contract.experiment.spec import Experiment


def class_weights(experiment: Experiment, facts: Facts) -> dict[int, float]:
    """What `experiment` gives to classes by name or number; empty where it gives none to any.

    Where all its keys are names of classes they are taken as that, else as numbers: a set whose
    labels are 1 and 2 has the classes 0 and 1. Raises SpecRefused, with a pointer, for other tasks,
    beside weights of the examples, and for unknown classes.
    """
    given = experiment.training.class_weight
    if given is None:
        return {}
    if facts.classes is None:
        raise SpecRefused(
            "/training/class_weight",
            f"class_weight belongs to classification; {experiment.dataset.name} is {facts.task}: "
            f"leave it out",
        )
    if facts.per_place:
        raise SpecRefused(
            "/training/class_weight",
            f"class_weight belongs to examples of one class each; those of "
            f"{experiment.dataset.name} have one at each place, which Keras does not weight: leave "
            f"it out",
        )
    if facts.weighted and experiment.training.sample_weight == "on":
        raise SpecRefused(
            "/training/class_weight",
            f"the examples of {experiment.dataset.name} have weights of their own, and Keras takes "
            f'either: set training.sample_weight to "off", or leave class_weight out',
        )
    if isinstance(given, str):
        return {}
    names = facts.class_names or ()
    if given.keys() <= set(names):
        return {names.index(key): weight for key, weight in given.items()}
    numbers = {str(number): number for number in range(facts.classes)}
    if unknown := [key for key in given if key not in numbers]:
        or_names = ", or names of its classes alone" if names else ""
        raise SpecRefused(
            join(["training", "class_weight", unknown[0]]),
            f"{experiment.dataset.name} has no class {unknown[0]}; expected numbers from 0 to "
            f"{facts.classes - 1}{or_names}",
        )
    return {numbers[key]: weight for key, weight in given.items()}
