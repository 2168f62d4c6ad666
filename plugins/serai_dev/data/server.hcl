# The one server. Heartbeats are quicker than in production, so that a killed client is noticed within seconds.

server {
  enabled                = true
  bootstrap_expect       = 1
  heartbeat_grace        = "2s"
  min_heartbeat_ttl      = "3s"
  failover_heartbeat_ttl = "10s"
}
