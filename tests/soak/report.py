"""The outcome of a run."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Report:
    """A soak run's figures, problems and omitted parts."""

    problems: list[str] = field(default_factory=list)
    figures: dict[str, object] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)

    def check(self, true, problem):
        """Note a problem unless something is true."""
        if not true:
            self.problems.append(problem)

    def __str__(self):
        lines = [f"{name}: {value}" for name, value in self.figures.items()]
        lines += [f"left out: {one}" for one in self.left_out]
        return "\n".join([*lines, *(f"PROBLEM {one}" for one in self.problems)])
