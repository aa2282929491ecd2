"""Choice of the next point of an expensive function."""
