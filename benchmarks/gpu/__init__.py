"""What a GPU can tell in some minutes: `python -m benchmarks.gpu`."""
