"""Runs versions as Nomad jobs: rendering, translation of what Nomad says, and the verbs in between.

    scheduler   the verbs; `parts` puts the rest together, `plugin` registers it
    job/        makes jobs of workloads and writes them            submit, stop, fit
    watch/      knows how our jobs are: reads what has moved,      observe, hints, usage
                asks for checks, listens to events
    state/      translates what Nomad says of a job; pure          reasons, phases
    record/     reads what replicas leave behind                   logs, statistics
    place/      says where a job could run, and why nowhere        fit, capacity, the funnel
    agent/      speaks HTTP to Nomad
    facts       the values that pass between these rooms

Each room knows those below it alone (setup.cfg, import-linter). To read it: `facts`, `state/observation` with its
table, `watch/observer`, `job/render`, then `parts`.
"""
