"""The script that installs a bundle's requirements.txt before the model starts.

Like the start script its text is always the same. The rules are those of the local scheduler: an environment is built
at its final place, as scripts in it name that place, under a lock that the installer inherits; the mark of completion
is made last. A pip of the interpreter's own, which knows `--python` from 22.3 on, spares each environment another.
"""

from __future__ import annotations

from .bundle_contents import BundleContents
from .start_script import UNPACK

_HEAD = """\
#!/bin/sh
# Written by Serai. Installs requirements.txt of the bundle. Arguments: the interpreter; the folder of environments that
# replicas share, "" for one of this replica alone; the key of the requirements; more options of venv.
unset NOMAD_TOKEN NOMAD_TOKEN_serai
python=$1 shared=$2 key=$3 options=$4
say() { echo "serai: $*" >&2; }
fail() { say "$*"; exit 1; }
"""

_BODY = """\
cd "$NOMAD_ALLOC_DIR/bundle" || fail "The bundle is not there."
command -v "$python" > /dev/null || fail "There is no $python on this node; install it, or set plugin.nomad.python."

build() {
    rm -rf "$1"
    if command -v uv > /dev/null; then
        say "Running uv pip install --requirement requirements.txt"
        uv venv --quiet --no-project $options --python "$python" "$1" &&
            uv pip install --python "$1/bin/python" --requirement requirements.txt
    elif "$python" -m pip --python "$python" --version > /dev/null 2>&1; then
        say "Running pip install --requirement requirements.txt"
        "$python" -m venv --without-pip $options "$1" && install "$python" -m pip --python "$1/bin/python"
    else
        say "Running pip install --requirement requirements.txt"
        "$python" -m venv $options "$1" && install "$1/bin/python" -m pip
    fi || { code=$?; rm -rf "$1"; fail "Installing requirements.txt failed with exit code $code."; }
    touch "$1/.serai-complete"
}

install() {
    "$@" install --no-input --disable-pip-version-check --progress-bar off --requirement requirements.txt
}

is_complete() { [ -e "$1/.serai-complete" ] && [ -x "$1/bin/python" ]; }

is_private() { [ -d "$1" ] && [ ! -L "$1" ] && [ -O "$1" ] && chmod 700 "$1"; }

if [ -n "$shared" ] && command -v flock > /dev/null; then
    umask 077
    mkdir -p "$shared" 2> /dev/null
    is_private "$shared" ||
        fail "$shared is not a folder of $(id -un) alone; remove it, or set plugin.nomad.environments."
    made_by=$("$python" -c "
import hashlib, platform, sys
print(hashlib.sha256(f'{sys.version} {sys.executable} {platform.machine()}'.encode()).hexdigest()[:12])") ||
        fail "$python cannot be run."
    place=$shared/$key-$made_by
    if ! is_complete "$place"; then
        exec 9>> "$place.lock"
        flock -n 9 || { say "Another replica is installing the packages of the same requirements.txt."; flock 9; }
        is_complete "$place" || build "$place"
        exec 9>&-
    fi
    touch "$place/.serai-complete"
    find "$shared" -mindepth 2 -maxdepth 2 -name .serai-complete -mtime +30 | while IFS= read -r mark; do
        (flock -n 8 && rm -rf "${mark%/*}") 8< "${mark%/*}.lock"
    done
else
    [ -w "${HOME:-/nonexistent}" ] || export PIP_NO_CACHE_DIR=1 UV_NO_CACHE=1
    place=$NOMAD_ALLOC_DIR/environment
    is_complete "$place" || build "$place"
fi
printf '%s\\n' "$place" > "$NOMAD_ALLOC_DIR/environment.path"
"""


def make_install_script(unpacks: bool) -> str:
    """Return the script of the task that installs."""
    return _HEAD + (UNPACK if unpacks else "") + _BODY


def make_arguments(python: str, shared: str, contents: BundleContents, is_image: bool) -> list[str]:
    """Return the script's arguments. What names files of its bundle is shared with nobody."""
    options = "--system-site-packages" if is_image else ""
    return [python, "" if is_image or contents.names_files else shared, contents.requirements[:24], options]
