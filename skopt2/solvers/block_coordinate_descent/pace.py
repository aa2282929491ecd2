"""How fast sweeps close the gap of a model, and whether Newton steps would be faster.

Sweeps converge linearly, at a rate that the data set and nobody knows beforehand. It is
read off the gaps between cycles of sweeps, and says how many of them are still needed:
a step that costs less than these is taken. Gaps cost as much as a quarter of a cycle,
so that far from the goal every second one is left out.
"""

import math

from skopt2.solvers.block_coordinate_descent.newton import newton_pays

# Share of the blocks in use that may have changed since the last look; how many gaps a
# rate is read off; cycles from the goal up to which every gap is measured; steps in a
# row that may gain little before sweeps go on.
CHANGED, GAPS, NEAR, POOR = 0.02, 3, 4.0, 2


class Pace:
    """The gaps of one model, and what they ask for.

    Parameters
    ----------
    newton : bool
        Whether Newton steps are available.
    """

    def __init__(self, newton):
        self.newton = newton
        self.cycle, self._next, self._stepping, self._poor = 0, 1, False, 0
        self._seen, self._active, self._left = [], None, math.inf

    def begin(self):
        """Count a cycle; return whether its gap is to be measured."""
        self.cycle += 1
        return self.cycle >= self._next

    def note(self, gap, limit):
        """Take note of a gap, and of the goal."""
        self._seen = [*self._seen[1 - GAPS :], (self.cycle, gap)]
        first, start = self._seen[0]
        self._left = math.inf
        if 0.0 < limit < gap < start:
            fall = math.log(start / gap) / (self.cycle - first)
            self._left = math.log(gap / limit) / fall
        far = not self._stepping and NEAR < self._left < math.inf
        self._next = self.cycle + (2 if far else 1)

    def wants_newton(self, model, active):
        """Tell whether a Newton step comes next.

        Parameters
        ----------
        model : QuadraticModel
            After a sweep over all blocks.
        active : list of int
            Blocks in use.
        """
        if not self.newton or not active:
            return False
        old, self._active = self._active, set(active)
        if self._stepping:
            (_, before), (_, after) = self._seen[-2:]
            self._poor = self._poor + 1 if after > 0.5 * before else 0
            self._stepping = self._poor < POOR
            if not self._stepping:
                self._poor, self._seen = 0, self._seen[-1:]
            return self._stepping
        if len(self._seen) < GAPS or old is None:
            return False
        if len(old ^ self._active) > CHANGED * len(active):
            return False
        self._stepping = newton_pays(model, active, self._left)
        return self._stepping

    def stepped(self, moved):
        """Take note of a step: whether the objective fell."""
        self._next = self.cycle + 1
        if not moved:
            self.newton = self._stepping = False
