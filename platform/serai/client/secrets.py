"""Find the values of a manifest's secrets that are to be asked for. Nothing here is printed or kept."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from serai.domain.errors import Invalid

_ASK = re.compile(r"\{\{\s*ask\s*\}\}")


def fill_secrets(
    secrets: Mapping[str, str], environ: Mapping[str, str], ask: Callable[[str], str] | None
) -> dict[str, str]:
    """Return all values: `{{ ask }}` becomes the environment's variable of that name, else what `ask(name)` answers.

    Invalid where it is in neither and there is nobody to ask (`ask` is None).
    """
    return {name: _fill(name, value, environ, ask) for name, value in secrets.items()}


def _fill(name: str, value: str, environ: Mapping[str, str], ask: Callable[[str], str] | None) -> str:
    if not _ASK.fullmatch(value):
        return value
    if environ.get(name):
        return environ[name]
    if ask is None:
        raise Invalid(
            f"the secret {name} has to be asked for and there is no terminal; set the environment variable {name}",
            f"secrets.{name}",
        )
    answer = ask(name)
    if not answer:
        raise Invalid(f"the secret {name} is empty", f"secrets.{name}")
    return answer
