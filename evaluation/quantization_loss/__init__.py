"""What quantizing a model changed in its predictions of a text."""
