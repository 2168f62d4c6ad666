# For `serai dev` alone: a client that is told to end drains itself first, so no task outlives the cluster.

leave_on_interrupt = true
leave_on_terminate = true

client {
  drain_on_shutdown {
    deadline           = "40s"
    force              = true
    ignore_system_jobs = false
  }
}
