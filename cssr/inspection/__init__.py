"""Photos in, crack maps and measurements out."""
