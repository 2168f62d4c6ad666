"""Says where a job could run, and why nowhere: nodes, devices, fit, capacity. Pure but for one view of the cluster."""
