"""A proof's life: its runs are jobs like others."""
