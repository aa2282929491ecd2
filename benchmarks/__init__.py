"""Side-by-side timings against other libraries. Nothing imports this package."""
