# What Nomad servers need for Serai, beside your own names, addresses and data_dir.

server {
  enabled          = true
  bootstrap_expect = 3

  # For the first start only: `memory_max` counts. Later: nomad operator scheduler set-config -memory-oversubscription=true
  default_scheduler_config {
    memory_oversubscription_enabled = true
  }
}

acl {
  enabled = true
}
