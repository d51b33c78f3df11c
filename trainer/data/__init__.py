"""Training data: reading it in the forms people keep it, cleaning, mixing and checking it."""
