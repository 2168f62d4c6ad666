"""Read `serai.yaml`: its values for the server, and every mistake with the line it stands in."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from serai.domain.errors import Invalid
from serai.domain.manifest import Manifest, parse_manifest

from .yaml_text import MAX_BYTES, read_yaml

FILE_NAME = "serai.yaml"


@dataclass(frozen=True, slots=True)
class ManifestFile:
    """A manifest as it was written: `values` by key, and the line of each dotted path. `label` names it for people."""

    values: dict[str, object]
    label: str = FILE_NAME
    lines: dict[str, int] = field(default_factory=dict)

    def parse(self, name: str = "") -> Manifest:
        """Return the parts of the manifest; `name` where it has none. Invalid names file and line."""
        try:
            return parse_manifest(self.values, name)
        except Invalid as error:
            raise self.locate(error) from error

    def locate(self, error: Invalid) -> Invalid:
        """Return `error` with the file and, where its field stands in it, the line."""
        line = error.line or self._find_line(error.field)
        if not self.lines or line is None:
            return error
        return Invalid(f"{self.label} line {line}: {error.message}", error.field, error.code, line)

    def _find_line(self, path: str) -> int | None:
        while path and path not in self.lines:
            path = path[: max(path.rfind("."), path.rfind("["), 0)]
        return self.lines.get(path) if path else None


def load_manifest_file(folder: Path) -> ManifestFile:
    """Return the manifest of a folder; one without values where it has no `serai.yaml`."""
    path = folder / FILE_NAME
    try:
        text = _load_text(path)
    except FileNotFoundError:
        if (folder / "serai.yml").exists():
            raise Invalid(f"{folder / 'serai.yml'} is not read; rename it to {FILE_NAME}") from None
        return ManifestFile({})
    return read_manifest(text)


def read_manifest(text: str, label: str = FILE_NAME) -> ManifestFile:
    """Return the manifest that `text` holds; Invalid naming `label` and the line where it holds none."""
    try:
        document = read_yaml(text)
    except Invalid as error:
        place = f"{label} line {error.line}: " if error.line else f"{label} "
        raise Invalid(f"{place}{error.message}", line=error.line) from error
    if document is None or document.values is None:
        raise Invalid(f"{label} is empty; write `command: ./start.sh` into it, or delete it")
    if not isinstance(document.values, dict):
        line = document.lines.get("", 1)
        raise Invalid(f"{label} line {line}: has to hold keys and values, such as `name: digits`", line=line)
    return ManifestFile(document.values, label, document.lines)


def _load_text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(4 * MAX_BYTES).decode("utf-8-sig")
    except FileNotFoundError:
        raise
    except OSError as error:
        raise Invalid(f"{path} cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise Invalid(f"{path} is not UTF-8 text") from error
