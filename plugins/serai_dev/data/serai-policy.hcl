# What Serai's token may do, and no more. In production leave the names of namespace and policy as you like.

namespace "serai" {
  capabilities = ["list-jobs", "parse-job", "read-job", "submit-job", "alloc-lifecycle", "read-logs", "read-fs"]

  # Secrets of versions.
  variables {
    path "nomad/jobs/*" {
      capabilities = ["list", "read", "write", "destroy"]
    }
  }
}

# Capacity, reasons of placement, statistics of nodes.
node {
  policy = "read"
}
