"""A training run from its start to its end: its folder, what is watched, how it stops, and what it can go on from."""
