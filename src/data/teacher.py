"""What another network computes."""

import torch
from torch import Generator, Tensor

from src.config import data as sections
from src.data.generated import Drawn
from src.data.problem import Rows
from src.models.activations import ACTIVATIONS
from src.seeds import stream


class Teacher(Drawn):
    """`y = f(x W1 + b1) W2 + noise ε` with x standard normal: a two-layer network makes the targets.

    W1 and b1 are normal with variance 1/I, W2 with variance 1/H.
    """

    section: sections.Teacher

    def network(self) -> dict[str, Tensor]:
        """The teacher: `weight1 [I, H]`, `bias1 [H]`, `weight2 [H, O]`."""
        seed, inputs, hidden = self.section.seed, self.section.inputs, self.section.hidden

        def draw(name: str, *shape: int) -> Tensor:
            return torch.randn(*shape, generator=stream(seed, f"teacher.{name}"), dtype=torch.float32)

        return {
            "weight1": draw("weight1", inputs, hidden) / inputs**0.5,
            "bias1": draw("bias1", hidden) / inputs**0.5,
            "weight2": draw("weight2", hidden, self.section.outputs) / hidden**0.5,
        }

    def _draw(self, rows: int, generator: Generator, train: bool) -> Rows:
        section, net = self.section, self.network()
        x = torch.randn(rows, section.inputs, generator=generator, dtype=torch.float32)
        y = ACTIVATIONS[section.activation].value(x @ net["weight1"] + net["bias1"]) @ net["weight2"]
        noise = torch.randn(rows, section.outputs, generator=generator, dtype=torch.float32)
        return Rows(x, y + section.noise * noise)
