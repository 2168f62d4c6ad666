"""The plugin `nomad`."""
