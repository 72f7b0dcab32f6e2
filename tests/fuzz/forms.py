"""All forms, and drawing a program of them by its number."""

from __future__ import annotations

import random

from . import forms_functions, forms_math, forms_memory, forms_views, forms_writes
from .generate import Generator
from .program import Program

FORMS = {
    **forms_views.FORMS,
    **forms_math.FORMS,
    **forms_writes.FORMS,
    **forms_functions.FORMS,
    **forms_memory.FORMS,
}


def draw(seed: int, number: int) -> Program:
    """The program of this number, the same in every process."""
    generator = Generator(random.Random(f"{seed}/{number}"), FORMS)
    return generator.draw(forms_writes.backward, forms_writes.gradient)
