# An override template: the shape of every model's job, by an operator. In serai.toml:
#
#   [plugin.nomad]
#   template = "/etc/serai/shared-memory.nomad.hcl"
#
# What is said here wins; what is left out is as Serai renders it. Serai keeps to itself: the ids and names, the tags
# in meta, the count, and that there is no update block of Nomad's. Declare the variables you need, the others are
# ignored: id, deployment, version, count, image, command, bundle, port, memory_mb, disk_mb, gpus, pool, datacenters,
# drain_s. There has to be exactly one group, and in it exactly one task without a lifecycle block.

variable "image" {
  type = string
}

variable "gpus" {
  type = number
}

variable "memory_mb" {
  type = number
}

job "model" {
  priority = 60

  group "model" {
    # Machines under maintenance are named by their operators.
    constraint {
      attribute = "${meta.maintenance}"
      operator  = "is_not_set"
    }

    restart {
      attempts = 1
      interval = "10m"
      delay    = "5s"
      mode     = "fail"
    }

    task "server" {
      # Libraries that pass tensors between processes need much shared memory: a quarter of what the model has.
      # Folders, which name no image, keep the driver and the command that Serai gives them.
      driver = var.image == "" ? "" : "docker"

      config {
        shm_size = var.image == "" ? null : floor(var.memory_mb / 4) * 1048576
      }

      env {
        NCCL_DEBUG = var.gpus > 1 ? "INFO" : "WARN"
      }

      logs {
        max_files     = 3
        max_file_size = 20
      }
    }
  }
}
