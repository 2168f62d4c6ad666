#!/usr/bin/env bash
# A machine that runs models, with simulated GPUs. Usage: client.sh PACKAGE_VERSION NAME ADDRESS SERVER GPUS. May be run again.
set -euo pipefail

package=$1 name=$2 address=$3 server=$4 gpus=$5
here=/vagrant/vagrant
python=/opt/serai/venv/bin/python

bash "$here/nomad.sh" "$package"
bash "$here/serai.sh"

interface=$(ip -o -4 addr show | awk -v address="$address" '{split($4, part, "/"); if (part[1] == address) print $2}')
if [ -z "$interface" ]; then
    echo "no network interface has the address $address" >&2
    exit 1
fi
"$python" -m serai_dev files client --to /etc/nomad.d --name "$name" --address "$address" --interface "$interface" \
    --join "$server:4647" --gpus "$gpus"
systemctl enable --quiet nomad
systemctl restart nomad
