import os
os.environ.setdefault("SCIPY_ARRAY_API","1")
from sklearn.utils.estimator_checks import parametrize_with_checks
from skopt2.linear_model import *
@parametrize_with_checks([SparseRegressorCV(), SparseClassifierCV(), SparseRegressorCV("huber","mcp",alphas=10,cv=3,selection="1se"), SparseRegressorCV(criterion="bic"), SparseClassifierCV(criterion="ebic"), SparseClassifierCV("squared_hinge",alphas=8,eps=0.01), SparseRegressorCV(alphas=10, scoring="r2")])
def test_ce(estimator, check): check(estimator)
