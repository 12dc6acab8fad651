"""What a driver must do: a pytest plugin and one file of tests for each contract (docs/hal.md).

`pytest --bench bench.toml`
"""
