#!/usr/bin/env bash
# Install Serai from the synced folder into /opt/serai/venv. May be run again; the same source is not installed twice.
set -euo pipefail

source=/vagrant
venv=/opt/serai/venv

export DEBIAN_FRONTEND=noninteractive
if ! dpkg-query -W python3-venv >/dev/null 2>&1; then
    apt-get update -qq
    apt-get install -y -qq python3-venv >/dev/null
fi
[ -x "$venv/bin/python" ] || python3 -m venv "$venv"

stamp=$(cd "$source" && find setup.cfg pyproject.toml README.md platform plugins -type f -print0 | sort -z | xargs -0 sha256sum | sha256sum | cut -d' ' -f1)
if [ "$(cat /opt/serai/installed 2>/dev/null)" != "$stamp" ]; then
    # From a copy, as building writes into the source.
    copy=$(mktemp -d)
    trap 'rm -rf "$copy"' EXIT
    cp -r "$source"/{setup.cfg,pyproject.toml,README.md,LICENSE,platform,plugins} "$copy"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --upgrade "${copy}[gpu]"
    echo "$stamp" >/opt/serai/installed
fi
