"""What is reported of a trained model."""
