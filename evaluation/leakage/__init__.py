"""Whether a training set contains the questions of a benchmark."""
