"""Training: batches, losses, the loop, its checkpoints."""
