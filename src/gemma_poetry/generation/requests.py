"""What a person asks of a poem, and the forms that grant it.

In: a `PoemRequest`. Out: the forms (lines of slots) that a poem may follow, or a refusal that says why.
"""

from __future__ import annotations

from dataclasses import dataclass

from gemma_poetry.data.prompts import Conditions
from gemma_poetry.errors import ConstraintError
from gemma_poetry.prosody.forms import FIXED_SHAPES, Form, form_name, shape


@dataclass(frozen=True, slots=True)
class PoemRequest:
    """One wish for a poem; every field but `form` may stay empty.

    Attributes:
        form: 体裁, by its full or short name.
        title: 题目.
        author: 作者, whose style is asked for.
    """

    form: str
    title: str = ""
    author: str = ""

    @property
    def conditions(self) -> Conditions:
        """What the prompt says."""
        return Conditions(form=form_name(self.form), title=self.title, author=self.author)


def forms_for(request: PoemRequest) -> tuple[Form, ...]:
    """The forms that a poem may follow to grant a request.

    Raises:
        UnknownFormError: No form is called so.
        ConstraintError: The form has no fixed number of lines and characters.
    """
    name = form_name(request.form)
    if name not in FIXED_SHAPES:
        raise ConstraintError(
            f"{name} has no fixed number of lines and characters",
            expected=f"one of {' '.join(FIXED_SHAPES)}",
            action="choose one of these forms",
        )
    return (shape(name, *FIXED_SHAPES[name]),)
