"""The stages of dvc.yaml on a Ray cluster, or several at a time on this machine."""
