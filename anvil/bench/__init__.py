"""What `anvil bench` measured: as values, beside a baseline, and as tables."""
