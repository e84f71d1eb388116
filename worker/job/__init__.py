"""One job on one slot, from its claim to the transaction that ends it."""
