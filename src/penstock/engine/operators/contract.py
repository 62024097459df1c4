"""What an operator does: make the stage of its rows for one cycle out of those of its inputs."""

from __future__ import annotations

from typing import Protocol

from penstock.engine.stage import Cycle, Stage
from penstock.plan.steps import Step


class Operator(Protocol):
    """An operator of a running query."""

    @property
    def step(self) -> Step:
        """The step of the plan that it carries out."""
        ...

    def run(self, cycle: Cycle) -> Stage:
        """The rows of this cycle."""
        ...
