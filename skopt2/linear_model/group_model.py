"""What the group estimators share."""

from dataclasses import replace

import numpy as np

from skopt2._core.array import to_numpy
from skopt2._core.validation import host_data
from skopt2.linear_model.group_device import DeviceGroupFormulation, move_at_once
from skopt2.linear_model.group_formulation import GroupFormulation
from skopt2.linear_model.sparse_model import SparseLinearModel
from skopt2.penalties import get_group_penalty
from skopt2.penalties.partition import Cover, Partition


class GroupLinearModel(SparseLinearModel):
    """Base of the group regressor and the group classifier."""

    _get_penalty = staticmethod(get_group_penalty)
    # Whether problems on a device may be solved there.
    _moves_at_once = True

    def _check_input(self, X, y, sample_weight):
        data = super()._check_input(X, y, sample_weight)
        if data.target.kind != "numpy" and move_at_once(self, data):
            return data
        return host_data(self, data, "block coordinate descent")

    def _formulate(self, data):
        on_host = data.target.kind == "numpy"
        formulation = (GroupFormulation if on_host else DeviceGroupFormulation)(
            self, data
        )
        groups = formulation.groups
        if isinstance(groups, Cover):
            self.groups_ = [groups.members(g) for g in range(groups.n_groups)]
        else:
            self.groups_ = groups.index
        self.group_labels_ = formulation.group_labels
        return formulation

    def _describe(self, solution, data):
        """Return the attributes of a solution, and the groups beside them."""
        attributes = super()._describe(solution, data)
        # They went to the device of X with the fit before.
        labels, coef = to_numpy(self.group_labels_), attributes["coef_"]
        if isinstance(self.groups_, list):
            groups = [to_numpy(ids) for ids in self.groups_]
            partition, sizes = Cover(groups).partition, solution.latent
        else:
            groups, sizes = to_numpy(self.groups_), coef.T
            partition = Partition(groups, n_groups=len(labels))
        sizes = np.abs(sizes) if sizes.ndim == 1 else np.linalg.norm(sizes, axis=1)
        return {
            **attributes,
            "groups_": groups,
            "group_labels_": labels,
            "group_norms_": partition.norms(sizes).astype(coef.dtype),
            "_latent": solution.latent,
        }

    def _warm_solution(self, data, outputs):
        """Return the previous fit as a start, with what each group has of it."""
        solution = super()._warm_solution(data, outputs)
        if solution is None:
            return None
        return replace(solution, latent=to_numpy(self._latent))
