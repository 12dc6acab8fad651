"""What a driver must do: a pytest plugin and one file of tests for each contract (docs/hal.md).

`python -m pytest -p hal.conformance.plugin --bench bench.toml`
"""
