#!/usr/bin/env bash
# Install one version of Nomad from HashiCorp's apt repository. Usage: nomad.sh PACKAGE_VERSION. May be run again.
set -euo pipefail

package=$1
# HashiCorp's key for Linux packages, as their security page names it.
fingerprint=798AEC654E5C15428C8E42EEAA16FCBCA621E701
keyring=/usr/share/keyrings/hashicorp-archive-keyring.gpg
repository=https://apt.releases.hashicorp.com

export DEBIAN_FRONTEND=noninteractive
if [ ! -s "$keyring" ]; then
    apt-get update -qq
    apt-get install -y -qq curl gpg >/dev/null
    folder=$(mktemp -d)
    trap 'rm -rf "$folder"' EXIT
    curl -fsSL --retry 3 "$repository/gpg" -o "$folder/key.asc"
    # Exactly this one primary key: a file with a second key would be trusted for that one, too.
    found=$(gpg --batch --with-colons --show-keys "$folder/key.asc" | awk -F: '$1 == "pub" {p = 1} $1 == "fpr" && p {print $10; p = 0}')
    if [ "$found" != "$fingerprint" ]; then
        echo "the key of $repository has the fingerprint ${found:-none}, not $fingerprint; nothing is installed" >&2
        exit 1
    fi
    gpg --batch --dearmor --output "$folder/keyring.gpg" "$folder/key.asc"
    install -m 0644 "$folder/keyring.gpg" "$keyring"
fi

# shellcheck source=/dev/null
. /etc/os-release
line="deb [arch=$(dpkg --print-architecture) signed-by=$keyring] $repository $VERSION_CODENAME main"
list=/etc/apt/sources.list.d/hashicorp.list
if [ "$(cat "$list" 2>/dev/null)" != "$line" ]; then
    echo "$line" >"$list"
fi

if [ "$(dpkg-query -W -f '${Version}' nomad 2>/dev/null)" != "$package" ]; then
    apt-get update -qq
    apt-get install -y -qq --allow-downgrades --allow-change-held-packages "nomad=$package" >/dev/null
    apt-mark hold nomad >/dev/null
fi
# The package's example would make every machine server and client at once.
rm -f /etc/nomad.d/nomad.hcl
