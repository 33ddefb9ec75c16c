"""Annotations of other tools: read, and drawn as masks."""
