"""Steps from curvature: Newton methods, polynomials and diagonals."""
