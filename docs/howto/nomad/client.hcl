# What a Nomad client needs for Serai, beside your own names, addresses and data_dir.

client {
  enabled = true

  # Ended replicas keep their logs until the client has more allocations than this, live and ended together. With the
  # default of 50 a crash loop destroys its own evidence.
  gc_max_allocs = 500

  # The longest drain_timeout that a manifest may ask for; the client cuts what is longer.
  max_kill_timeout = "10m"

  # Weights that are already on the node, for `mounts: [{volume: weights, path: /models}]`.
  host_volume "weights" {
    path      = "/srv/weights"
    read_only = true
  }

  # Bundles are fetched as artifacts: time and size enough for weights on a slow line.
  artifact {
    http_read_timeout              = "30m"
    http_max_size                  = "100GB"
    decompression_file_count_limit = 100000
    decompression_size_limit       = "200GB"
  }
}

# Without this Nomad says nothing of a replica's CPU, memory and GPUs, and Serai shows "not published".
telemetry {
  publish_allocation_metrics = true
  collection_interval        = "5s"
}

plugin "docker" {
  config {
    # Images that were loaded by hand must not be collected.
    gc {
      image = false
    }
  }
}

# Models of whoever may deploy would be root on this node.
plugin "raw_exec" {
  config {
    enabled = false
  }
}

limits {
  # An agent takes 100 connections from one address; one that many servers and people share needs more.
  http_max_conns_per_client = 400
}
