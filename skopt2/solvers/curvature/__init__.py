"""Steps from curvature: Newton methods with schedules, and diagonal and polynomial ones."""
