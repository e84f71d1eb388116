"""What comes round: the queue, lost workers, steps of proofs and sweeps, clearing."""
