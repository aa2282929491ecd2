"""Portfolios of assets, fitted to their returns."""

from skopt2.portfolio.risk_parity import RiskParity

__all__ = ["RiskParity"]


def __dir__():
    return __all__
