"""The data plane: carries requests to replicas, follows the server's routes, and serves on while the server is gone."""
