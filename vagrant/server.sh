#!/usr/bin/env bash
# The machine with Nomad's server, Serai's server and gateway. Usage: server.sh PACKAGE_VERSION ADDRESS. May be run again.
set -euo pipefail

package=$1 address=$2
here=/vagrant/vagrant
python=/opt/serai/venv/bin/python

bash "$here/nomad.sh" "$package"
bash "$here/serai.sh"

"$python" -m serai_dev files server --to /etc/nomad.d --name server --address "$address"
systemctl enable --quiet nomad
systemctl restart nomad
"$python" -m serai_dev access --to /etc/serai

id -u serai >/dev/null 2>&1 || useradd --system --home-dir /var/lib/serai --create-home --shell /usr/sbin/nologin serai
chmod 0711 /etc/serai
chown serai: /etc/serai/serai.token

cat >/etc/serai/serai.toml <<END
plugins = ["nomad", "apikey"]
scheduler = "nomad"
data = "/var/lib/serai"
host = "0.0.0.0"
gateway_host = "0.0.0.0"
# As the Vagrantfile forwards them.
server_url = "http://127.0.0.1:8080"
gateway_url = "http://127.0.0.1:8000"

[plugin.nomad]
address = "http://127.0.0.1:4646"
token_file = "/etc/serai/serai.token"
namespace = "serai"
pool = "gpu"
bundle_driver = "raw_exec"
bundle_url = "http://$address:8080"
docker_gpu_runtime = false
END
chmod 0644 /etc/serai/serai.toml

for part in server gateway; do
    install -m 0644 "$here/serai-$part.service" /etc/systemd/system/
done
systemctl daemon-reload
systemctl enable --quiet serai-server serai-gateway
systemctl restart serai-server serai-gateway

echo "Serai: http://127.0.0.1:8080, sign in with the token that this prints:"
echo "  vagrant ssh server -c 'sudo cat /var/lib/serai/admin.token'"
echo "Nomad: http://127.0.0.1:4646/ui/, token: vagrant ssh server -c 'sudo cat /etc/serai/management.token'"
