"""What a run will need: parameters, memory, disk, steps, time; from its configuration and the base's config.json."""
