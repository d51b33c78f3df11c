"""The commands of `inro` that need no window."""
