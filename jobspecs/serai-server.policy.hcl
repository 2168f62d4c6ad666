# What the server may do in Nomad, for `nomad acl policy apply -job serai-server`. "models" is the namespace in which
# models run (the variable models_namespace).
namespace "models" {
  capabilities = ["list-jobs", "read-job", "submit-job", "alloc-lifecycle", "read-logs", "read-fs"]

  # The secrets of models.
  variables {
    path "nomad/jobs/*" {
      capabilities = ["list", "read", "write", "destroy"]
    }
  }
}

node {
  policy = "read"
}
