# Serai's server as a Nomad job: API, web UI, and what keeps models running. README.md has the steps.
#
# count stays 1: one server alone leads a database (a second one ends with "another server uses the database" until the
# first is gone, which also fences a server on a node that was cut off). While no server runs, gateways and models go on.

variable "job" {
  description = "Name of the job, of its service and of its variables (nomad/jobs/<job>)."
  default     = "serai-server"
}

variable "namespace" {
  description = "Namespace of this job."
  default     = "default"
}

variable "datacenters" {
  type    = list(string)
  default = ["*"]
}

variable "node_pool" {
  default = "default"
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
  description = "That user's number, for the files with secrets."
  type        = number
  default     = -1
}

variable "gid" {
  type    = number
  default = -1
}

variable "volume" {
  description = "Host volume that keeps the data folder; it also says on which nodes the server may run. Empty: none."
  default     = "serai"
}

variable "data" {
  description = "Data folder. With exec and docker the volume is mounted here; with raw_exec it is a folder of the node."
  default     = "/var/lib/serai"
}

variable "port" {
  type    = number
  default = 8080
}

variable "server_url" {
  description = "Address under which people and nodes reach the server. Empty: the allocation's own."
  default     = ""
}

variable "gateway_url" {
  description = "Address under which callers reach the gateways, such as that of a load balancer."
  default     = ""
}

variable "nomad_address" {
  description = "Nomad's address as seen from the server's node."
  default     = "http://127.0.0.1:4646"
}

variable "models_namespace" {
  description = "Namespace in which models run; it has to exist."
  default     = "serai"
}

variable "plugin_settings" {
  description = "More lines of [plugin.nomad] in serai.toml."
  default     = ""
}

variable "cpu" {
  type    = number
  default = 1000
}

variable "memory" {
  type    = number
  default = 1024
}

locals {
  arguments = concat(slice(var.command, 1, length(var.command)), [
    "server", "--data", var.data, "--config", "$${NOMAD_TASK_DIR}/serai.toml",
    "--host", "$${NOMAD_IP_http}", "--port", "$${NOMAD_PORT_http}",
  ])
}

job "serai-server" {
  id          = var.job
  name        = var.job
  namespace   = var.namespace
  datacenters = var.datacenters
  node_pool   = var.node_pool

  ui {
    description = "Serai's server: API and web UI of the models in namespace ${var.models_namespace}"
  }

  group "server" {
    count = 1

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
        path     = "/healthz"
        interval = "5s"
        timeout  = "2s"
      }
    }

    # A server that ends is started again where it was, for ever.
    restart {
      attempts = 10
      interval = "1m"
      delay    = "2s"
      mode     = "delay"
    }

    task "server" {
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

      # The job's own identity is its token for Nomad; README.md says which policy it needs. No secret is handed over.
      identity {
        file = true
      }

      template {
        destination = "local/serai.toml"
        change_mode = "restart"
        data        = <<-EOF
          plugins = ["nomad", "apikey"]
          scheduler = "nomad"
          server_url = "%{if var.server_url != ""}${var.server_url}%{else}http://{{ env "NOMAD_ADDR_http" }}%{endif}"
          %{if var.gateway_url != ""}gateway_url = "${var.gateway_url}"%{endif}
          [plugin.nomad]
          address = "${var.nomad_address}"
          namespace = "${var.models_namespace}"
          token_file = "{{ env "NOMAD_SECRETS_DIR" }}/nomad_token"
          ${var.plugin_settings}
        EOF
      }

      # PostgreSQL: `nomad var put nomad/jobs/serai-server database=postgresql://...`. Without it: SQLite in the data
      # folder.
      template {
        destination = "secrets/serai.env"
        env         = true
        change_mode = "restart"
        perms       = "0600"
        uid         = var.uid
        gid         = var.gid
        data        = <<-EOF
          {{ if nomadVarExists "nomad/jobs/${var.job}" }}{{ with nomadVar "nomad/jobs/${var.job}" -}}
          {{ if .database }}SERAI_DATABASE={{ .database.Value | toJSON }}{{ end }}
          {{- end }}{{ end }}
        EOF
      }

      resources {
        cpu    = var.cpu
        memory = var.memory
      }
    }
  }
}
