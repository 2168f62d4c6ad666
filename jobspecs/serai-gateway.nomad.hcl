# Serai's gateway as a Nomad job: one on every node (a system job), or a count of them. README.md has the steps.
#
# A gateway finds the server by its Nomad service and follows it without a restart; while the server is away it serves
# from its last routes. It waits for its token: `nomad var put nomad/jobs/serai-gateway token=...`.

variable "job" {
  description = "Name of the job, of its service and of its variables (nomad/jobs/<job>)."
  default     = "serai-gateway"
}

variable "server_job" {
  description = "Name of the server's service, in the same namespace."
  default     = "serai-server"
}

variable "namespace" {
  default = "default"
}

variable "datacenters" {
  type    = list(string)
  default = ["*"]
}

variable "node_pool" {
  default = "default"
}

variable "type" {
  description = "system: one on each node of the pool; service: as many as gateways says, each on a node of its own."
  default     = "system"

  validation {
    condition     = contains(["system", "service"], var.type)
    error_message = "The type has to be system or service."
  }
}

variable "gateways" {
  description = "For the type service: how many."
  type        = number
  default     = 2
}

variable "driver" {
  description = "raw_exec or exec (serai is installed on the node), or docker (it is in the image)."
  default     = "exec"

  validation {
    condition     = contains(["raw_exec", "exec", "docker"], var.driver)
    error_message = "The driver has to be raw_exec, exec or docker."
  }
}

variable "command" {
  description = "How serai is called on the node or in the image."
  type        = list(string)
  default     = ["serai"]
}

variable "image" {
  description = "For docker: an image with serai in it."
  default     = ""
}

variable "user" {
  description = "User that the task runs as; exec takes nobody where this is empty."
  default     = ""
}

variable "uid" {
  description = "That user's number, for the file with the token."
  type        = number
  default     = -1
}

variable "gid" {
  type    = number
  default = -1
}

variable "volume" {
  description = "Host volume that keeps routes and figures over a restart; it also says which nodes carry. Empty: none."
  default     = "serai-gateway"
}

variable "data" {
  description = "Data folder. With exec and docker the volume is mounted here; with raw_exec it is a folder of the node."
  default     = "/var/lib/serai-gateway"
}

variable "port" {
  type    = number
  default = 8000
}

variable "domain" {
  description = "Requests to <deployment>.<domain> are routed by host."
  default     = "localhost"
}

variable "cpu" {
  type    = number
  default = 1000
}

variable "memory" {
  type    = number
  default = 512
}

locals {
  arguments = concat(slice(var.command, 1, length(var.command)), [
    "gateway", "--data", var.data, "--domain", var.domain,
    "--server-file", "$${NOMAD_TASK_DIR}/server", "--token-file", "$${NOMAD_SECRETS_DIR}/gateway.token",
    "--host", "$${NOMAD_IP_http}", "--port", "$${NOMAD_PORT_http}",
  ])
}

job "serai-gateway" {
  id          = var.job
  name        = var.job
  namespace   = var.namespace
  datacenters = var.datacenters
  node_pool   = var.node_pool
  type        = var.type

  ui {
    description = "Serai's gateway: carries requests to models"
  }

  # One after the other, each once the one before answers.
  update {
    max_parallel     = 1
    health_check     = "checks"
    min_healthy_time = "5s"
    healthy_deadline = "2m"
  }

  group "gateway" {
    count = var.type == "system" ? 1 : var.gateways

    constraint {
      distinct_hosts = true
    }

    network {
      port "http" {
        static = var.port
      }
    }

    dynamic "volume" {
      for_each = var.volume == "" ? [] : [var.volume]
      labels   = ["data"]
      content {
        type   = "host"
        source = volume.value
      }
    }

    service {
      name     = var.job
      provider = "nomad"
      port     = "http"

      check {
        type     = "http"
        path     = "/-/healthz"
        interval = "5s"
        timeout  = "2s"
      }
    }

    restart {
      attempts = 10
      interval = "1m"
      delay    = "2s"
      mode     = "delay"
    }

    # Load balancers learn from the service list that it goes before it does.
    shutdown_delay = "5s"

    task "gateway" {
      driver       = var.driver
      user         = var.user
      kill_signal  = "SIGTERM"
      kill_timeout = "30s"

      dynamic "config" {
        for_each = var.driver == "docker" ? [] : [1]
        content {
          command = var.command[0]
          args    = local.arguments
        }
      }

      dynamic "config" {
        for_each = var.driver == "docker" ? [1] : []
        content {
          image        = var.image
          network_mode = "host"
          command      = var.command[0]
          args         = local.arguments
        }
      }

      dynamic "volume_mount" {
        for_each = var.volume == "" || var.driver == "raw_exec" ? [] : [1]
        content {
          volume      = "data"
          destination = var.data
        }
      }

      # Both files are read anew for every call, so nothing has to be restarted when they change.
      template {
        destination = "local/server"
        change_mode = "noop"
        data        = "{{ range nomadService 1 \"serai\" \"${var.server_job}\" }}http://{{ .Address }}:{{ .Port }}{{ end }}"
      }

      template {
        destination = "secrets/gateway.token"
        change_mode = "noop"
        perms       = "0600"
        uid         = var.uid
        gid         = var.gid
        data        = "{{ with nomadVar \"nomad/jobs/${var.job}\" }}{{ .token }}{{ end }}"
      }

      resources {
        cpu    = var.cpu
        memory = var.memory
      }
    }
  }
}
