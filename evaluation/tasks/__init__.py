"""Benchmarks: each module is one task, that is, examples and the way an answer to them is judged (see `task.Task`)."""
