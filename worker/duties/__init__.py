"""What comes round: rings for queued jobs, lost workers, steps of proofs and sweeps, clearing."""
