#!/usr/bin/env bash
# Show that the cluster works: both nodes ready with GPUs, the example deployed, answering on one, its figures there.
# Run as root on the machine `server`: sudo /vagrant/vagrant/smoke.sh
set -euo pipefail

serai=(/opt/serai/venv/bin/python -P -m serai)
SERAI_URL=http://127.0.0.1:8080
SERAI_TOKEN=$(cat /var/lib/serai/admin.token)
NOMAD_TOKEN=$(cat /etc/serai/management.token)
export SERAI_URL SERAI_TOKEN NOMAD_TOKEN

fail() {
    echo "smoke test: $1" >&2
    exit 1
}

for _ in $(seq 60); do
    ready=$(nomad node status -filter 'Status == "ready"' -json | grep -c '"Name": "client-' || true)
    [ "$ready" -ge 2 ] && break
    sleep 1
done
[ "$ready" -ge 2 ] || fail "only $ready of 2 clients are ready"

"${serai[@]}" deploy /vagrant/examples/gpu-echo
answer=$("${serai[@]}" call gpu-echo /)
echo "$answer" | grep -q 'GPU-sim-client-' || fail "the example has no GPU: $answer"
"${serai[@]}" logs gpu-echo | grep -q "listening on port" || fail "the example has no log"
echo "smoke test: passed, $answer"
