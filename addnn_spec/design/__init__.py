"""Design by the indices: from a spec to a better spec, and from its weights to the new one's."""
