# What Serai's token may do in Nomad, and nothing more. For Nomad 2.0 and later, where submit-job has parts. Put the name
# of your namespace (plugin.nomad.namespace) in place of "serai".

namespace "serai" {
  capabilities = [
    "list-jobs",
    "read-job",   # jobs, allocations, evaluations, checks, statistics, events
    "register-job",
    "scale-job",
    "deregister-job",
    "purge-job",
    "plan-job",
    "evaluate-job",
    "parse-job",  # only with plugin.nomad.template
    "read-logs",
    "read-fs",    # to go on in a log where it was left; without it all of a log is read each time
  ]

  # The secrets of versions. Written and removed, never read back.
  variables {
    path "nomad/jobs/*" {
      capabilities = ["write", "destroy"]
    }
  }
}

# Capacity, reasons for a place that is not found, and who holds which GPU.
node {
  policy = "read"
}

# Volumes of nodes that manifests may mount; "write" for those that models may write. Name them, or leave it out.
host_volume "*" {
  policy = "read"
}
