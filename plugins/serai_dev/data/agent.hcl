# Every agent of a development cluster, server or client: shared by `serai dev` and the Vagrantfile.

disable_update_check = true

acl {
  enabled = true
}

# Without it no replica has figures of CPU, memory or GPUs.
telemetry {
  publish_allocation_metrics = true
  collection_interval        = "1s"
}

consul {
  auto_advertise   = false
  client_auto_join = false
  server_auto_join = false
}
