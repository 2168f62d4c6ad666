# Clients.

client {
  enabled                 = true
  gc_max_allocs           = 500
  gc_disk_usage_threshold = 95
  max_kill_timeout        = "10m"

  # Metadata services of clouds that are not there are waited for, each for seconds.
  options {
    "fingerprint.denylist" = "env_aws,env_gce,env_azure,env_digitalocean,consul,vault"
  }
}

# Folders run as the agent's user, without isolation: for development only. Whoever may submit a job to such a node
# is its root.
plugin "raw_exec" {
  config {
    enabled = true
  }
}

# Images that were imported cannot be pulled again, and several clients may share one daemon.
plugin "docker" {
  config {
    gc {
      image = false

      dangling_containers {
        enabled = false
      }
    }
  }
}
