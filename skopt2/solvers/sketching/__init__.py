"""Random projections of the features, and models on them."""
