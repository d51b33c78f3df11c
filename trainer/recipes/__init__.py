"""Training recipes: one file each, readable from top to bottom."""
