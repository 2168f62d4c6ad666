"""The script that starts a model on a node, and the words in which it reports why it cannot.

Its text is always the same and holds nothing of a user; the command comes as arguments.
"""

from __future__ import annotations

from serai_nomad.exit_codes import NO_BUNDLE, NO_COMMAND, NO_ENVIRONMENT

_HEAD = """\
#!/bin/sh
# Written by Serai. Starts a model in its folder; the arguments are its command, none for ./start.sh.
unset NOMAD_TOKEN NOMAD_TOKEN_serai
say() { echo "serai: $*" >&2; }
"""

UNPACK = f"""\
bundle=$NOMAD_ALLOC_DIR/bundle
if [ ! -d "$bundle" ]; then
    rm -rf "$bundle.new"
    if ! mkdir "$bundle.new" || ! tar -x -o -f "$bundle.tar" -C "$bundle.new" || ! mv "$bundle.new" "$bundle"; then
        say "The bundle cannot be unpacked; it holds links or very many files, which takes a tar."
        exit {NO_BUNDLE}
    fi
    rm -f "$bundle.tar"
fi
"""

_ENTER_BUNDLE = f"""\
cd "$NOMAD_ALLOC_DIR/bundle" || exit {NO_BUNDLE}
"""
_ENTER_EMPTY = """\
cd "$NOMAD_TASK_DIR"
"""

# The lock is kept by the model for as long as it lives: an environment in use is never removed.
_ENVIRONMENT = f"""\
IFS= read -r VIRTUAL_ENV < "$NOMAD_ALLOC_DIR/environment.path"
if [ ! -x "$VIRTUAL_ENV/bin/python" ]; then
    say "The packages of requirements.txt are gone from $VIRTUAL_ENV."
    exit {NO_ENVIRONMENT}
fi
if [ -e "$VIRTUAL_ENV.lock" ]; then
    exec 9< "$VIRTUAL_ENV.lock"
    flock -s 9
    touch "$VIRTUAL_ENV/.serai-complete"
fi
PATH=$VIRTUAL_ENV/bin:$PATH
export VIRTUAL_ENV PATH
"""

# The first process of a namespace (exec, containers) does not end by a signal that it does not handle: a model that
# knows nothing of signals would be killed at the end of its drain time. So the shell is the first and passes them on.
_RUN = f"""\
run() {{
    if [ $$ -ne 1 ]; then
        exec "$@"
    fi
    trap 'kill -TERM "$model" 2> /dev/null' TERM
    trap 'kill -INT "$model" 2> /dev/null' INT
    "$@" &
    model=$!
    wait "$model"
    code=$?
    while kill -0 "$model" 2> /dev/null; do
        wait "$model"
        code=$?
    done
    exit "$code"
}}

if [ $# -gt 0 ]; then
    run "$@"
fi
if [ ! -f start.sh ]; then
    say "The bundle has no start.sh, and the manifest names no command."
    exit {NO_COMMAND}
fi
IFS= read -r first < start.sh
case $first in
    "#!"*) [ -x start.sh ] && run ./start.sh ;;
esac
run /bin/sh ./start.sh
"""


def make_start_script(has_bundle: bool, unpacks: bool, has_environment: bool) -> str:
    """Return the script of the model's task."""
    return (
        _HEAD
        + (UNPACK if unpacks else "")
        + (_ENTER_BUNDLE if has_bundle else _ENTER_EMPTY)
        + (_ENVIRONMENT if has_environment else "")
        + _RUN
    )


def make_arguments(command: str | tuple[str, ...]) -> list[str]:
    """Return what the script executes: a list as it is, a text by the shell, nothing for ./start.sh."""
    if isinstance(command, tuple):
        return list(command)
    return ["/bin/sh", "-c", command] if command else []
