"""How it learns: the textbook optimizers, schedules, and what drives any optimizer class."""

from src.optim.build import Driven, drive, takes_member_axis
from src.optim.schedules import warmup_cosine
from src.optim.textbook import TextbookAdaGrad, TextbookAdam, TextbookMomentum, TextbookRMSProp

__all__ = [
    "Driven",
    "TextbookAdaGrad",
    "TextbookAdam",
    "TextbookMomentum",
    "TextbookRMSProp",
    "drive",
    "takes_member_axis",
    "warmup_cosine",
]
