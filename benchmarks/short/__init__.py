"""The side-by-side scripts in short: one row a case, one table, one figure.

A *contest* is one problem that several libraries solve (:mod:`contest`, :mod:`race`),
its *outcomes* are what they reached (one process for each library), and a *row* is the
outcome of skopt2 beside that of the best peer (:mod:`row`).
"""
