"""How far a student's probabilities are from its teacher's.

Source: Hinton et al. 2015, "Distilling the Knowledge in a Neural Network".
"""

from torch import Tensor
from torch.nn import functional as F

__all__ = ["soft_target_loss", "weighted_soft_target_loss"]


def soft_target_loss(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """Compute how far a student's probabilities are from its teacher's.

    Args:
        student: logits [P, V].
        teacher: probabilities at the temperature, [P, V].
        temperature: softens both; its square keeps the gradient's size.

    Returns:
        Kullback-Leibler divergence, the mean over P, in nats.
    """
    student_log = F.log_softmax(student.float() / temperature, dim=-1)
    return F.kl_div(student_log, teacher, reduction="sum") / max(1, len(student)) * temperature**2


def weighted_soft_target_loss(student: Tensor, targets: Tensor, temperatures: Tensor, weights: Tensor) -> Tensor:
    """Compute the same where each text has a temperature of its own, and counts more or less than others.

    Args:
        student: logits [P, V].
        targets: probabilities at the temperatures, [P, V].
        temperatures: [P].
        weights: [P]; 0 where there is no target.

    Returns:
        The weighted divergences, their sum divided by P, in nats.
    """
    student_log = F.log_softmax(student.float() / temperatures[:, None], dim=-1)
    divergences = F.kl_div(student_log, targets, reduction="none").sum(dim=-1)  # [P]
    return (weights * temperatures**2 * divergences).mean()
