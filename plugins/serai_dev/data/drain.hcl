# For `serai dev` alone: a client whose `serai dev` was killed drains itself before it ends, so that its tasks end, too.
# (Ended in order, by SIGTERM, it has none by then.) Tasks are told to end when the deadline has passed; the agent waits
# for none of them.

leave_on_interrupt = true

client {
  drain_on_shutdown {
    deadline           = "2s"
    force              = true
    ignore_system_jobs = false
  }
}
