"""Group problems on the device of X, where all groups move at once."""

from skopt2.linear_model.formulation import Formulation
from skopt2.linear_model.group_formulation import GroupFormulation
from skopt2.linear_model.grouping import check_groups
from skopt2.penalties.group_names import get_group_penalty
from skopt2.penalties.group_norms import GroupNorms
from skopt2.penalties.partition import Partition
from skopt2.solvers.group_gradient import GroupGradient


def move_at_once(estimator, data):
    """Tell whether the groups of a problem can be moved on the device of X.

    Parameters
    ----------
    estimator : GroupLinearModel
        Its parameters.
    data : FitInput
        Checked data on a device.
    """
    if not estimator._moves_at_once or estimator.orthonormalize:
        return False
    if not get_group_penalty(estimator.penalty).rotatable:
        return False
    names = getattr(estimator, "feature_names_in_", None)
    groups, _ = check_groups(estimator.groups, data.X.shape[1], names)
    return isinstance(groups, Partition)


class DeviceGroupFormulation(GroupFormulation):
    """One group problem on a device, up to the value of alpha.

    Parameters
    ----------
    estimator : GroupLinearModel
        Its parameters, of which ``sweep`` has no meaning here.
    data : FitInput
        Checked data on a device.
    """

    def _set_penalty(self, estimator, data):
        super()._set_penalty(estimator, data)
        # The level of a group is that of each of its features.
        self.factor = self.factor[self.groups.index]
        self.penalty = GroupNorms(self.group_penalty, self.groups.index)

    def _finish(self):
        """The problem has its penalty already."""

    alpha_max = Formulation.alpha_max
    feasible = Formulation.feasible

    def _solver(self, tol):
        return GroupGradient(self.problem, tol)

    _unpenalised_solver = _solver
