"""Models as Keras writes them (`model.to_json()`), translated into the model of an experiment.

By a table of our own: the classes of `contract.experiment`. No deserializer of Keras sees what a
user sent, and nothing that a user sent is run. What has no row in the table is refused.
"""
