"""What the group estimators share."""

from skopt2._core.array import to_numpy
from skopt2.linear_model.group_formulation import GroupFormulation, host_data
from skopt2.linear_model.sparse_model import SparseLinearModel
from skopt2.penalties import get_group_penalty


class GroupLinearModel(SparseLinearModel):
    """Base of the group regressor and the group classifier."""

    _get_penalty = staticmethod(get_group_penalty)

    @property
    def _sweep(self):
        """In which order a sweep visits the groups."""
        return self.selection

    def _check_input(self, X, y, sample_weight):
        return host_data(self, super()._check_input(X, y, sample_weight))

    def _formulate(self, data):
        formulation = GroupFormulation(self, data)
        self.groups_ = formulation.groups.index
        self.group_labels_ = formulation.group_labels
        return formulation

    def _describe(self, solution, data):
        """Return the attributes of a solution, and the groups beside them."""
        attributes = super()._describe(solution, data)
        # They went to the device of X with the fit before.
        attributes["groups_"] = to_numpy(self.groups_)
        attributes["group_labels_"] = to_numpy(self.group_labels_)
        return attributes
