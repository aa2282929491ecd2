"""Differentially private learning: estimators, accountant, audit."""

from skopt2.privacy.accountant import PrivacyAccountant
from skopt2.privacy.auditing import AuditResult, audit
from skopt2.privacy.dp_linear_regressor import DPLinearRegressor
from skopt2.privacy.dp_logistic_classifier import DPLogisticClassifier
from skopt2.privacy.dp_mlp_classifier import DPMLPClassifier
from skopt2.privacy.dp_mlp_regressor import DPMLPRegressor
from skopt2.privacy.dp_scaler import DPScaler
from skopt2.privacy.dp_svm_classifier import DPSVMClassifier
from skopt2.privacy.leak import PrivacyLeakWarning
from skopt2.privacy.ledger_file import BudgetError
from skopt2.privacy.private_record import PrivacyRecord

__all__ = [
    "AuditResult",
    "BudgetError",
    "DPLinearRegressor",
    "DPLogisticClassifier",
    "DPMLPClassifier",
    "DPMLPRegressor",
    "DPScaler",
    "DPSVMClassifier",
    "PrivacyAccountant",
    "PrivacyLeakWarning",
    "PrivacyRecord",
    "audit",
]


def __dir__():
    return __all__
