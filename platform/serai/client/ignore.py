"""Which files of a folder stay at home: the patterns of .seraiignore, else of .gitignore, and what never travels."""

from __future__ import annotations

from pathlib import Path

import pathspec

from serai.domain.errors import Invalid

IGNORE_FILES = (".seraiignore", ".gitignore")
ALWAYS = frozenset({".git", ".serai", "__pycache__", ".venv"})


class Ignore:
    """Tells what is left out. Patterns are git's, those of the folder's own file alone."""

    def __init__(self, spec: pathspec.GitIgnoreSpec) -> None:
        self._spec = spec

    def leaves_out(self, path: str, is_folder: bool) -> bool:
        """Return True for a path (relative, with `/`) that is not packed; what lies in such a folder is not asked."""
        name = path.rpartition("/")[2]
        return name in ALWAYS or self._spec.match_file(f"{path}/" if is_folder else path)


def load_ignore(folder: Path) -> Ignore:
    """Return what the folder's ignore file says; a broken pattern raises Invalid with its line."""
    for name in IGNORE_FILES:
        path = folder / name
        try:
            lines = path.read_text(encoding="utf-8-sig").splitlines()
        except FileNotFoundError:
            continue
        except (OSError, UnicodeDecodeError) as error:
            raise Invalid(f"{path} cannot be read ({error})") from error
        return Ignore(_make_spec(name, lines))
    return Ignore(pathspec.GitIgnoreSpec.from_lines([]))


def _make_spec(label: str, lines: list[str]) -> pathspec.GitIgnoreSpec:
    for number, line in enumerate(lines, 1):
        try:
            pathspec.GitIgnoreSpec.from_lines([line])
        except ValueError as error:
            raise Invalid(f"{label} line {number}: {line!r} is not a pattern", line=number) from error
    return pathspec.GitIgnoreSpec.from_lines(lines)
