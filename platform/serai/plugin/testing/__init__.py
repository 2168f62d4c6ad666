"""For authors of plugins: fakes named by behaviour, and contract tests to inherit. Needs pytest; Serai does not."""
